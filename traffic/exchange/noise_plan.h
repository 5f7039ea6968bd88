/* When the frames of noise streams leave: streams enter, a list in order of time leaves, before the start.
 *
 * A stream is TRex's (trex_rpc_server_spec, "Add Stream"): it waits `wait_ps` (isg) once started, then sends bursts of
 * `packets` frames `gap_ps` apart, each burst `pause_ps` (ibg) behind the last frame of the one before; behind the last
 * frame of the last burst its `next` stream is started, unless that one is running. `turns` (action_count) is counted
 * down by each such start and forbids the one that would make it 0; 0 never forbids. Endless bursts are continuous
 * streams. Picoseconds, so that a rate that is no whole number of nanoseconds drifts by no more than a millionth (at 500,000
 * frames a second and below); a record's time is cut to nanoseconds. Frames of the same instant leave in the order of the streams.
 *
 * Owner: the thread that prepares. Cost: streams x records. Bounds: NOISE_STREAMS_MAX; the records' room.
 */
#ifndef TRAFFIC_EXCHANGE_NOISE_PLAN_H
#define TRAFFIC_EXCHANGE_NOISE_PLAN_H

#include <stddef.h>
#include <stdint.h>

enum { NOISE_STREAMS_MAX = 256 };

struct noise_timing {
    int64_t gap_ps;       /* >= 0 */
    int64_t wait_ps;      /* >= 0 */
    int64_t pause_ps;     /* >= 0 */
    int64_t from_ns;      /* of its profile, from the first packet of the market */
    int64_t until_ns;     /* nothing leaves at that time or later */
    uint64_t packets;     /* of a burst; 0: one endless burst */
    uint64_t bursts;      /* 0: endless */
    int32_t next;         /* -1: none */
    uint32_t turns;
    uint32_t starts;      /* 1: when its profile does */
    uint32_t line;
    /* noise_plan()'s: */
    int64_t at_ps;
    uint64_t packets_left;
    uint64_t bursts_left;
    uint32_t turns_left;
    uint32_t running;
    int32_t burst;        /* number of its burst, over all its turns */
    uint32_t pad;
};

/* A row of noise.npy. */
struct noise_record {
    int64_t intended_ns;  /* before the start: from the first packet of the market; then CLOCK_MONOTONIC */
    int64_t sent_ns;      /* CLOCK_MONOTONIC right before the send call; 0: not sent */
    uint32_t stream;
    int32_t burst;        /* of its stream; -1: of a continuous one */
    uint32_t bytes;       /* of the frame; 0 before it was made */
    uint32_t line;
};
_Static_assert(sizeof(struct noise_record) == 32, "a row of noise.npy");
_Static_assert(offsetof(struct noise_record, bytes) == 24, "a row of noise.npy");

/* Fills at most `room` records; returns how many there are (more than `room`: there was not enough). `records` NULL
 * with room 0 counts only, up to `most`. */
uint64_t noise_plan(struct noise_timing *streams, uint32_t stream_count, int64_t horizon_ns,
                    struct noise_record *records, uint64_t room, uint64_t most);

#endif
