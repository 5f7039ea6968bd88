#include "engine/clock.h"

enum { CALIBRATION_NS = 20 * 1000 * 1000, ANCHOR_TRIES = 16 };

struct clock_anchor clock_anchor_now(void)
{
    struct clock_anchor best = {0, 0};
    uint64_t best_width = UINT64_MAX;
    for (int i = 0; i < ANCHOR_TRIES; i++) {
        uint64_t before = clock_ticks();
        int64_t ns = clock_monotonic_ns();
        uint64_t width = clock_ticks() - before;
        if (width < best_width) {
            best_width = width;
            best = (struct clock_anchor){before + width / 2, ns};
        }
    }
    return best;
}

void clock_init(struct clock *clock)
{
    __extension__ typedef unsigned __int128 wide;
    struct clock_anchor first = clock_anchor_now(), second = first;
    while (second.ns - first.ns < CALIBRATION_NS)
        second = clock_anchor_now();
    clock->start = second;
    clock->ns_per_tick_q32 = (uint64_t)(((wide)(second.ns - first.ns) << 32) / (second.ticks - first.ticks));
}

int64_t clock_interpolate(const struct clock *clock, const struct clock_anchor *stop, uint64_t ticks)
{
    int64_t span_ticks = (int64_t)(stop->ticks - clock->start.ticks);
    int64_t span_ns = stop->ns - clock->start.ns;
    int64_t since = (int64_t)(ticks - clock->start.ticks);
    if (span_ticks <= 0)
        return clock->start.ns;
    __extension__ typedef __int128 wide;
    return clock->start.ns + (int64_t)((wide)since * span_ns / span_ticks);
}
