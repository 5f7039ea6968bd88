/* A market played over and over: packets that come again, each time later and with new numbers.
 *
 * The packet records run through the whole pass, so that sequence numbers, times and counts are those of one long feed;
 * but the records of a round point to the same messages in the arena as those of the round before. Behind its send,
 * once the book has followed, a packet's messages are moved on in place (wire/itch50_shift.h), and the sum for the
 * checksum of the packet one round later is made of them. So the arena holds at any time what each packet will be next,
 * and the wire sees a feed in which no time, reference or match number ever comes again.
 * Who makes the arena answers for its round being closed: every order that it adds is gone at its end.
 *
 * What it costs is a re-request: a message that has been played is overwritten, so recovery services are refused with
 * it (config.py).
 *
 * Owner: the exchange loop. Cost: one pass over the packet and its sum, 0.1 to 0.2 us for 30 messages.
 */
#ifndef TRAFFIC_EXCHANGE_CYCLE_H
#define TRAFFIC_EXCHANGE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/market/schedule.h"
#include "traffic/wire/itch50_shift.h"

struct cycle {
    uint64_t first_packet;    /* of the first round; those before it are played once */
    uint64_t packets;         /* of a round; 0: nothing comes again */
    uint8_t *arena;
    uint16_t *sums;           /* of all packets, those of the first round made */
    uint64_t packet_count;    /* of all rounds */
    struct itch50_shift by;   /* from one round to the next */
};

/* Packet `index` was sent and followed: make it what it is one round later, if it comes again. */
void cycle_renew(const struct cycle *cycle, uint64_t index, const struct packet_record *packet);

#endif
