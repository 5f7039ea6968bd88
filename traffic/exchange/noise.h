/* Noise: frames of other channels that leave beside the market data, by the same loop, on the same lines.
 *
 * All times are known before the start (noise_plan.h), and each next frame is made as soon as the one before is gone
 * (field_engine.h); when it is due, only the send call is left. Market data comes first: a frame waits while a packet
 * of the market is due within NOISE_SLACK_NS. One that waited for NOISE_PATIENCE_NS goes first, but not sooner than
 * NOISE_TURN_NS behind the one before, so that a schedule at its limit neither silences noise nor waits for a backlog of
 * it; those that waited that long are counted as forced. Impairments of a line are not asked: they are
 * rules about published packets.
 *
 * Owner: the exchange loop; records and counters are read once it is joined. Memory is the caller's. A failed send is
 * counted and forgotten. Cost: one comparison a turn of the loop; a system call a frame.
 */
#ifndef TRAFFIC_EXCHANGE_NOISE_H
#define TRAFFIC_EXCHANGE_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "traffic/exchange/field_engine.h"
#include "traffic/exchange/line.h"
#include "traffic/exchange/noise_plan.h"

enum {
    NOISE_SLACK_NS = 4000,       /* what a send call takes, and some */
    NOISE_PATIENCE_NS = 100000,
    NOISE_TURN_NS = 25000,
};

struct noise_stream {
    struct field_program program;
    uint32_t line;
    uint32_t line_mac;           /* 1: frames are from the line's own MAC address */
    uint64_t frames;             /* sent */
    uint64_t bytes;
    uint64_t errors;
    uint64_t forced;
    int64_t late_max_ns;         /* send call behind the intended time */
};

struct noise_options {
    struct noise_record *records;
    uint64_t record_count;
    struct noise_stream *streams;
    uint32_t stream_count;
};

struct noise {
    struct noise_options options;
    struct line *lines;
    uint64_t next;               /* record; its frame is made */
    int64_t due_ns;              /* of that record, to be sent; INT64_MAX: none */
    int64_t gone_ns;             /* when the last frame was sent */
    int64_t start_ns;
    int64_t lead_ns;
};

/* The lines are open. 0, or -EINVAL when a program is not good. */
int noise_open(struct noise *noise, const struct noise_options *options, struct line *lines);

/* The time of the market's first packet is known; frames leave `lead_ns` before their intended times. */
void noise_start(struct noise *noise, int64_t start_ns, int64_t lead_ns);

/* Whether the frame that is next has waited so long that the market waits for it. */
static inline bool noise_must_go(const struct noise *noise, int64_t now_ns) {
    return now_ns >= noise->due_ns && now_ns - noise->due_ns >= NOISE_PATIENCE_NS &&
           now_ns - noise->gone_ns >= NOISE_TURN_NS;
}

/* Whether it may leave now, the next packet of the market being due at `market_ns`. */
static inline bool noise_may_go(const struct noise *noise, int64_t now_ns, int64_t market_ns) {
    return now_ns >= noise->due_ns &&
           (market_ns - now_ns >= NOISE_SLACK_NS || noise_must_go(noise, now_ns));
}

/* Send it and make the next one. */
void noise_send(struct noise *noise, int64_t now_ns);

#endif
