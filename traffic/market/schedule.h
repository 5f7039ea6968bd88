/* The schedule: which messages leave in which packet, and when. Built whole before the start.
 *
 * Greedy packing: a packet leaves at the time of its first waiting message, but not sooner than gap_min_ns behind
 * the packet before, and carries every message due by then, at most messages_max of them and no more bytes than a
 * packet holds. Microbursts: every burst_every_ns, the next burst_messages in order leave in packets of
 * burst_packing, burst_spacing_ns apart, and the base flow goes on behind them as if they had never been its own
 * (its later times move forward by what the burst took out).
 *
 * A record is a row of packets.npy. Owner: the thread that prepares, then the exchange loop, which writes
 * intended_ns (from offset to clock) and sent_ns. Invariants: order kept, each message in one packet, times do not
 * decrease. Cost: one pass over the arena; nothing is checked but sizes, the arena has been scanned (itch50.h).
 */
#ifndef TRAFFIC_MARKET_SCHEDULE_H
#define TRAFFIC_MARKET_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct packet_record {
    uint64_t first_sequence;   /* a position (exchange/history.h) */
    uint16_t count;            /* messages; 1 for a payload that is sent as it is */
    int32_t burst;             /* index of its burst, -1 for none */
    uint32_t bytes;            /* UDP payload: MoldUDP64 header and blocks, or the payload as it is */
    int64_t intended_ns;       /* before the start: from the first packet; then CLOCK_MONOTONIC */
    int64_t sent_ns[2];        /* CLOCK_MONOTONIC right before the send call per line; 0: the send failed */
    uint64_t message_offset;   /* of its first block in the arena */
} __attribute__((packed));
_Static_assert(sizeof(struct packet_record) == 50, "a row of packets.npy");
_Static_assert(offsetof(struct packet_record, sent_ns) == 26, "a row of packets.npy");

struct schedule_options {
    uint64_t first_sequence;
    int64_t gap_min_ns;        /* >= 0 */
    int64_t burst_every_ns;    /* 0: no bursts */
    int64_t burst_spacing_ns;
    int64_t stamp_base_ns;     /* write base + time into every message; -1: leave the messages alone */
    uint32_t messages_max;     /* 1..65534 a packet */
    uint32_t burst_messages;
    uint32_t burst_packing;
};

/* `times_ns`: offset of each message, not decreasing, the first at 0. `packets` has room for one a message.
 * Returns the number of packets. */
uint64_t schedule_build(const struct schedule_options *options, uint8_t *arena, const int64_t *times_ns,
                        uint64_t messages, struct packet_record *packets);

/* One's complement sums of what each packet has in the arena, for the UDP checksum: its payload but for the first
 * `header_bytes`, which are made when it is sent. */
void schedule_sums(const uint8_t *arena, const struct packet_record *packets, uint64_t count, uint32_t header_bytes,
                   uint16_t *sums);

#endif
