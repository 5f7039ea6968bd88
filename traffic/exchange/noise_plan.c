/* Essay: noise_plan.h. */
#include "traffic/exchange/noise_plan.h"

#include <stdbool.h>

enum { PS_PER_NS = 1000 };

static void start(struct noise_timing *stream, int64_t at_ps) {
    stream->running = 1;
    stream->at_ps = at_ps + stream->wait_ps;
    stream->packets_left = stream->packets;
    stream->bursts_left = stream->bursts;
    stream->burst++;
}

/* The running stream whose next frame is due first. */
static int64_t first_due(const struct noise_timing *streams, uint32_t count) {
    int64_t found = -1;
    for (uint32_t i = 0; i < count; i++)
        if (streams[i].running && (found < 0 || streams[i].at_ps < streams[found].at_ps))
            found = i;
    return found;
}

static void finish(struct noise_timing *streams, struct noise_timing *stream) {
    stream->running = 0;
    if (stream->next < 0 || streams[stream->next].running)
        return;
    if (stream->turns_left && --stream->turns_left == 0)
        return;
    start(&streams[stream->next], stream->at_ps);
}

/* A frame has left: when is the next one? */
static void advance(struct noise_timing *streams, struct noise_timing *stream) {
    if (stream->packets == 0 || --stream->packets_left > 0) {
        stream->at_ps += stream->gap_ps;
    } else if (stream->bursts == 0 || --stream->bursts_left > 0) {
        stream->at_ps += stream->pause_ps;
        stream->packets_left = stream->packets;
        stream->burst++;
    } else {
        finish(streams, stream);
    }
}

uint64_t noise_plan(struct noise_timing *streams, uint32_t stream_count, int64_t horizon_ns,
                    struct noise_record *records, uint64_t room, uint64_t most) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < stream_count; i++) {
        streams[i].running = 0;
        streams[i].burst = -1;
        streams[i].turns_left = streams[i].turns;
    }
    for (uint32_t i = 0; i < stream_count; i++)
        if (streams[i].starts)
            start(&streams[i], streams[i].from_ns * PS_PER_NS);
    for (int64_t due = first_due(streams, stream_count); due >= 0 && count < most;
         due = first_due(streams, stream_count)) {
        struct noise_timing *stream = &streams[due];
        int64_t at_ns = stream->at_ps / PS_PER_NS;
        if (at_ns > horizon_ns || at_ns >= stream->until_ns) {
            stream->running = 0;  /* and whatever it would have started: that is later still */
            continue;
        }
        if (count < room)
            records[count] = (struct noise_record){.intended_ns = at_ns,
                                                   .stream = (uint32_t)due,
                                                   .burst = stream->packets ? stream->burst : -1,
                                                   .line = stream->line};
        count++;
        advance(streams, stream);
    }
    return count;
}
