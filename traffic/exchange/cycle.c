/* Packets that come again. Essay: cycle.h. */
#include "traffic/exchange/cycle.h"

#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

void cycle_renew(const struct cycle *cycle, uint64_t index, const struct packet_record *packet) {
    uint64_t again = index + cycle->packets;
    if (cycle->packets == 0 || index < cycle->first_packet || again >= cycle->packet_count)
        return;
    uint8_t *blocks = cycle->arena + packet->message_offset;
    itch50_shift(&cycle->by, blocks, packet->count);
    cycle->sums[again] = udp_sum(blocks, packet->bytes - MOLDUDP64_HEADER_BYTES);
}
