/* One way out of the exchange with impairments: asks the rules (impairment.h) for every packet, and does what they say.
 *
 * All rules are asked for each packet, so that each takes what it would take alone. Of those that take it, a drop
 * counts first; else the first that corrupts it does so, the first that duplicates it gives the number of copies, and
 * the first that reorders or delays it holds them all back. A packet that no rule takes is left to the caller, who
 * sends it as ever.
 *   drop       nothing is sent.
 *   duplicate  `amount` copies more, at once.
 *   reorder    sent behind the `amount` data packets that follow, or after IMPAIRER_WAIT_NS without them.
 *   delay      sent delay_ns later; packets that are not delayed overtake it.
 *   corrupt    a copy is spoiled; what it is is with enum impairment_corruption.
 * Packets without messages are only ever dropped.
 *
 * Owner: the exchange loop. The caller gives the memory for held packets, all of one size. Bounded: IMPAIRER_HELD
 * packets are held at a time, IMPAIRER_REORDERED of them by reordering; one more is sent at once and counted.
 * Cost: a few ns a rule; a copy of the packet when it is taken for anything but a drop.
 */
#ifndef TRAFFIC_EXCHANGE_IMPAIRER_H
#define TRAFFIC_EXCHANGE_IMPAIRER_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/impairment.h"

enum {
    IMPAIRER_RULES = 8,
    IMPAIRER_HELD = 1024,
    IMPAIRER_REORDERED = 128,
    IMPAIRER_PACKET_BYTES = 1520,
    IMPAIRER_DUE_MAX = 4,            /* sent by one impairer_release() */
    IMPAIRER_WAIT_NS = 10000000,
};

struct impairer_packet {
    int64_t due_ns;
    uint64_t tag;
    uint32_t size;
    uint32_t behind;                 /* reordered: data packets still to come before it; 0: delayed */
    uint8_t bytes[IMPAIRER_PACKET_BYTES];
};

/* Where held packets wait for one rule: a ring, due times rise along it. */
struct impairer_queue {
    uint32_t head;
    uint32_t tail;
    uint16_t slots[IMPAIRER_HELD];
};

struct impairer_counters {
    uint64_t dropped;                /* data packets */
    uint64_t duplicated;             /* copies more */
    uint64_t reordered;
    uint64_t delayed;
    uint64_t corrupted;
    uint64_t controls_dropped;       /* heartbeats and ends of session */
    uint64_t overflows;              /* held back no longer for want of room: sent at once */
};

struct impairer_options {
    struct impairment_rule rules[IMPAIRER_RULES];
    uint32_t rule_count;
    uint32_t payload_offset;         /* of the UDP payload in a packet: 42, headers are mended; 0: there are none */
    struct impairer_packet *held;    /* IMPAIRER_HELD + 1: the last one is scratch */
    void (*send)(void *context, uint64_t tag, const uint8_t *bytes, uint32_t size); /* tag: as given with it */
    void *context;
};

struct impairer {
    struct impairer_options options;
    struct impairer_counters counters;
    int64_t due_ns;                  /* when impairer_release() is to be called next; INT64_MAX: nothing is held */
    uint32_t free_count;
    uint32_t reordered_count;
    uint16_t reordered[IMPAIRER_REORDERED];
    uint16_t free_slots[IMPAIRER_HELD];
    struct impairer_queue queues[IMPAIRER_RULES];
};

struct impairer_piece {
    const uint8_t *bytes;
    uint32_t size;
};

void impairer_init(struct impairer *impairer, const struct impairer_options *options);

/* Let a packet of `messages` from `position` on pass, given in three pieces. `rule_ns` is the rules' clock, `now_ns`
 * CLOCK_MONOTONIC. False: no rule wants it, send it, and then call impairer_passed(). True: it was taken, and all is
 * done but that call. */
bool impairer_takes(struct impairer *impairer, const struct impairer_piece pieces[3], uint64_t position,
                    uint32_t messages, uint64_t tag, int64_t rule_ns, int64_t now_ns);

/* A data packet has passed, sent or not: reordered ones come up behind it. */
void impairer_passed(struct impairer *impairer, int64_t now_ns);

/* Send held packets that are due, a few at a time. */
void impairer_release(struct impairer *impairer, int64_t now_ns);

/* Send all that is held, due or not: the end. */
void impairer_flush(struct impairer *impairer);

#endif
