/* When messages arrive: even, Poisson, or self-exciting (Hawkes) at a mean rate.
 *
 * Hawkes: intensity = immigrant rate + sum over past messages of branching/decay * exp(-age/decay), with branching
 * ratio 0.6 and a decay of 200 us, the order of magnitude found for order flow; the immigrant rate is
 * (1 - branching) * mean rate, so the mean is the one asked for. Sampled exactly, without thinning, after
 * Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying intensity" (2013), in the
 * integer arithmetic of random.h. O(1) a message. Owner: the thread that generates.
 */
#ifndef TRAFFIC_MARKET_ARRIVALS_H
#define TRAFFIC_MARKET_ARRIVALS_H

#include <stdint.h>

#include "traffic/market/random.h"

enum arrivals_kind {
    ARRIVALS_EVEN = 0,
    ARRIVALS_POISSON = 1,
    ARRIVALS_HAWKES = 2,
};

enum {
    ARRIVALS_HAWKES_DECAY_NS = 200000,
    ARRIVALS_HAWKES_BRANCHING_PERCENT = 60,
    ARRIVALS_RATE_PER_S_MAX = 100000000,
};

/* Offsets from the first message in ns, not decreasing, the first at 0. rate_per_s in 1..ARRIVALS_RATE_PER_S_MAX. */
void arrivals_fill(enum arrivals_kind kind, uint64_t seed, uint32_t rate_per_s, int64_t *offsets_ns, uint64_t count);

#endif
