/* Arrival times. Essay: arrivals.h. */
#include "traffic/market/arrivals.h"

static void fill_even(uint32_t rate_per_s, int64_t *offsets_ns, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        offsets_ns[i] = (int64_t)((unsigned __int128)i * 1000000000u / rate_per_s);
}

static void fill_poisson(struct random *random, uint32_t rate_per_s, int64_t *offsets_ns, uint64_t count) {
    uint64_t time_q16 = 0;  /* ns, 16 binary places: rounding does not add up */
    for (uint64_t i = 0; i < count; i++) {
        offsets_ns[i] = (int64_t)(time_q16 >> 16);
        uint64_t gap_q32 = random_exponential_q32(random);
        time_q16 += (uint64_t)((unsigned __int128)gap_q32 * 1000000000u / rate_per_s >> 16);
    }
}

/* Times in units of the decay, Q32. The excess is (intensity - immigrant rate) * decay. */
static void fill_hawkes(struct random *random, uint32_t rate_per_s, int64_t *offsets_ns, uint64_t count) {
    const uint64_t jump_q32 = RANDOM_ONE_Q32 * ARRIVALS_HAWKES_BRANCHING_PERCENT / 100;
    uint64_t immigrants_q32 = (uint64_t)((unsigned __int128)RANDOM_ONE_Q32 * rate_per_s * ARRIVALS_HAWKES_DECAY_NS *
                                         (100 - ARRIVALS_HAWKES_BRANCHING_PERCENT) / 100 / 1000000000u);
    if (immigrants_q32 == 0)
        immigrants_q32 = 1;
    uint64_t excess_q32 = 0;
    uint64_t time_q16 = 0;
    for (uint64_t i = 0; i < count; i++) {
        offsets_ns[i] = (int64_t)(time_q16 >> 16);
        excess_q32 += jump_q32;
        uint64_t child_draw_q32 = random_exponential_q32(random);
        uint64_t immigrant_draw_q32 = random_exponential_q32(random);
        uint64_t gap_q32 = (uint64_t)(((unsigned __int128)immigrant_draw_q32 << 32) / immigrants_q32);
        uint64_t excess_then_q32 = 0;
        uint64_t child_gap_q32 = UINT64_MAX;
        if (child_draw_q32 < excess_q32) {  /* else the excess dies out without a child */
            excess_then_q32 = excess_q32 - child_draw_q32;
            child_gap_q32 = (uint64_t)(random_ln_q32(random, excess_q32) - random_ln_q32(random, excess_then_q32));
            if ((int64_t)child_gap_q32 < 0)
                child_gap_q32 = 0;
        }
        if (child_gap_q32 < gap_q32) {
            gap_q32 = child_gap_q32;
            excess_q32 = excess_then_q32;
        } else {
            excess_q32 = (uint64_t)((unsigned __int128)excess_q32 * random_exp_minus_q32(random, gap_q32) >> 32);
        }
        time_q16 += (uint64_t)((unsigned __int128)gap_q32 * ARRIVALS_HAWKES_DECAY_NS >> 16);
    }
}

void arrivals_fill(enum arrivals_kind kind, uint64_t seed, uint32_t rate_per_s, int64_t *offsets_ns,
                   uint64_t count) {
    struct random random;
    random_init(&random, seed ^ UINT64_C(0x6172726976616C73));
    if (kind == ARRIVALS_EVEN)
        fill_even(rate_per_s, offsets_ns, count);
    else if (kind == ARRIVALS_POISSON)
        fill_poisson(&random, rate_per_s, offsets_ns, count);
    else
        fill_hawkes(&random, rate_per_s, offsets_ns, count);
}
