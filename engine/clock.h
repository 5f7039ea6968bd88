/* The engine's clock: the CPU's time stamp counter, tied to CLOCK_MONOTONIC.
 *
 * Hot code reads ticks (about 10 ns); ticks become ns by one multiplication. Stamps that leave the engine
 * are interpolated between two anchors, one taken at start and one at stop, so that neither the
 * calibration's error nor the kernel's slewing of CLOCK_MONOTONIC adds up over a run.
 * Needs an invariant counter; elsewhere clock_ticks() is CLOCK_MONOTONIC itself, at about 25 ns a read.
 */
#ifndef ENGINE_CLOCK_H
#define ENGINE_CLOCK_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct clock_anchor {
    uint64_t ticks;
    int64_t ns; /* CLOCK_MONOTONIC */
};

struct clock {
    struct clock_anchor start;
    uint64_t ns_per_tick_q32; /* fixed point, 32 fractional bits */
};

static inline int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return (uint64_t)clock_monotonic_ns();
#endif
}

/* Now in ns of CLOCK_MONOTONIC, good to a few parts per million of the time since start. */
static inline uint64_t clock_ns(const struct clock *clock, uint64_t ticks)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)clock->start.ns +
           (uint64_t)(((wide)(ticks - clock->start.ticks) * clock->ns_per_tick_q32) >> 32);
}

static inline uint64_t clock_ticks_from_ns(const struct clock *clock, uint64_t ns)
{
    __extension__ typedef unsigned __int128 wide;
    wide ticks = ((wide)ns << 32) / clock->ns_per_tick_q32;
    return ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

/* Takes the anchor whose two counter reads lie closest together. */
struct clock_anchor clock_anchor_now(void);

/* Calibrates for about 20 ms. */
void clock_init(struct clock *clock);

/* Turns a tick stamp into CLOCK_MONOTONIC ns by the line through both anchors. */
int64_t clock_interpolate(const struct clock *clock, const struct clock_anchor *stop, uint64_t ticks);

#endif
