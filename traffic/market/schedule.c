/* Packing and pacing, ahead of time. Essay: schedule.h. */
#include "traffic/market/schedule.h"

#include "traffic/wire/bytes.h"
#include "traffic/wire/itch50.h"
#include "traffic/wire/moldudp64.h"
#include "traffic/wire/udp_frame.h"

enum { BLOCKS_BYTES_MAX = MOLDUDP64_PAYLOAD_BYTES_MAX - MOLDUDP64_HEADER_BYTES };

#define DAY_NS INT64_C(86400000000000)

struct builder {
    const struct schedule_options *options;
    uint8_t *arena;
    const int64_t *times_ns;
    uint64_t messages;
    uint64_t next;             /* message */
    uint64_t offset;           /* of it in the arena */
    int64_t shift_ns;          /* what bursts took out of the base flow so far */
};

static void stamp(const struct builder *builder, uint8_t *block, int64_t time_ns) {
    if (builder->options->stamp_base_ns >= 0 && load_be16(block) >= ITCH50_HEAD_BYTES)
        store_be48(block + 2 + 5, (uint64_t)((builder->options->stamp_base_ns + time_ns) % DAY_NS));
}

/* Fill one packet with messages: all of them up to `messages_max` in a burst, those due by its time otherwise. */
static void fill_packet(struct builder *builder, struct packet_record *packet, uint64_t messages_max) {
    uint64_t bytes = 0;
    uint64_t count = 0;
    while (builder->next < builder->messages && count < messages_max) {
        int64_t time_ns = builder->times_ns[builder->next] - builder->shift_ns;
        uint8_t *block = builder->arena + builder->offset;
        uint64_t size = 2 + (uint64_t)load_be16(block);
        if ((packet->burst < 0 && time_ns > packet->intended_ns) || bytes + size > BLOCKS_BYTES_MAX)
            break;
        stamp(builder, block, packet->burst < 0 && time_ns > 0 ? time_ns : packet->intended_ns);
        bytes += size;
        count++;
        builder->next++;
        builder->offset += size;
    }
    packet->count = (uint16_t)count;
    packet->bytes = (uint32_t)(MOLDUDP64_HEADER_BYTES + bytes);
}

static void begin_packet(const struct builder *builder, struct packet_record *packet, int64_t time_ns,
                         int32_t burst) {
    *packet = (struct packet_record){.first_sequence = builder->options->first_sequence + builder->next,
                                     .burst = burst, .intended_ns = time_ns, .message_offset = builder->offset};
}

static uint64_t add_burst(struct builder *builder, struct packet_record *packets, int64_t start_ns, int32_t index) {
    const struct schedule_options *options = builder->options;
    uint64_t first = builder->next, end = first + options->burst_messages, count = 0;
    while (builder->next < end && builder->next < builder->messages) {
        uint64_t room = end - builder->next;
        begin_packet(builder, &packets[count], start_ns + (int64_t)count * options->burst_spacing_ns, index);
        fill_packet(builder, &packets[count], room < options->burst_packing ? room : options->burst_packing);
        count++;
    }
    if (builder->next < builder->messages)
        builder->shift_ns += builder->times_ns[builder->next] - builder->times_ns[first];
    return count;
}

uint64_t schedule_build(const struct schedule_options *options, uint8_t *arena, const int64_t *times_ns,
                        uint64_t messages, struct packet_record *packets) {
    struct builder builder = {.options = options, .arena = arena, .times_ns = times_ns, .messages = messages};
    int64_t burst_at_ns = options->burst_every_ns ? options->burst_every_ns : INT64_MAX;
    int64_t soonest_ns = 0;
    int32_t bursts = 0;
    uint64_t count = 0;
    while (builder.next < messages) {
        int64_t time_ns = times_ns[builder.next] - builder.shift_ns;
        if (time_ns < soonest_ns)
            time_ns = soonest_ns;
        if (time_ns >= burst_at_ns) {
            count += add_burst(&builder, &packets[count], burst_at_ns > soonest_ns ? burst_at_ns : soonest_ns,
                               bursts++);
            burst_at_ns += options->burst_every_ns;
        } else {
            begin_packet(&builder, &packets[count], time_ns, -1);
            fill_packet(&builder, &packets[count], options->messages_max);
            count++;
        }
        soonest_ns = packets[count - 1].intended_ns + options->gap_min_ns;
    }
    return count;
}

void schedule_sums(const uint8_t *arena, const struct packet_record *packets, uint64_t count, uint32_t header_bytes,
                   uint16_t *sums) {
    for (uint64_t i = 0; i < count; i++)
        sums[i] = udp_sum(arena + packets[i].message_offset, packets[i].bytes - header_bytes);
}
