/* Random numbers of the market model: the same on every machine for the same seed.
 *
 * Integers only. A double would tie the stream to the compiler's use of fused multiply-add and to the C library's
 * log(), so logarithm and exponential come from 257-entry tables in Q32 fixed point, built by integer arithmetic
 * at start (relative error below 4e-6, far under what a traffic model can tell).
 *
 * Owner: the thread that generates; every call is O(1) and below about 20 ns.
 * Generator: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64.
 */
#ifndef TRAFFIC_MARKET_RANDOM_H
#define TRAFFIC_MARKET_RANDOM_H

#include <stdint.h>

#define RANDOM_ONE_Q32 (UINT64_C(1) << 32)

struct random {
    uint64_t state[4];
    uint64_t log2_q32[257];  /* log2(1 + i/256) */
    uint64_t exp2_q32[257];  /* 2^(i/256) */
};

void random_init(struct random *random, uint64_t seed);

static inline uint64_t random_next(struct random *random) {
    uint64_t *s = random->state;
    uint64_t product = s[1] * 5;
    uint64_t result = (product << 7 | product >> 57) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* Uniform in 0..bound-1; the bias is below bound / 2^64. */
static inline uint64_t random_below(struct random *random, uint64_t bound) {
    return (uint64_t)((unsigned __int128)random_next(random) * bound >> 64);
}

/* Natural logarithm of x / 2^32 for x >= 1; Q32, may be negative. */
int64_t random_ln_q32(const struct random *random, uint64_t x_q32);

/* e^-x for x >= 0; Q32. */
uint64_t random_exp_minus_q32(const struct random *random, uint64_t x_q32);

/* Exponential with mean 1; Q32, at most 64 ln 2. */
uint64_t random_exponential_q32(struct random *random);

/* Exponential with the mean given, rounded down: a geometric number 0, 1, 2 ... */
static inline uint32_t random_geometric(struct random *random, uint32_t mean) {
    return (uint32_t)(random_exponential_q32(random) * (uint64_t)mean >> 32);
}

#endif
