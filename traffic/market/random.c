/* Random numbers by integers only. Essay: random.h. */
#include "traffic/market/random.h"

#define LN2_Q32 UINT64_C(2977044472)  /* ln 2 * 2^32, rounded */

/* log2 of a mantissa in [1, 2) given in Q62: squaring gives one binary digit a turn. */
static uint64_t log2_digits_q32(uint64_t mantissa_q62) {
    uint64_t digits = 0;
    for (int bit = 0; bit < 32; bit++) {
        mantissa_q62 = (uint64_t)((unsigned __int128)mantissa_q62 * mantissa_q62 >> 62);
        digits <<= 1;
        if (mantissa_q62 >> 63) {
            digits |= 1;
            mantissa_q62 >>= 1;
        }
    }
    return digits;
}

static uint64_t square_root_q62(uint64_t x_q62) {
    unsigned __int128 target = (unsigned __int128)x_q62 << 62;
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t candidate = root | UINT64_C(1) << bit;
        if ((unsigned __int128)candidate * candidate <= target)
            root = candidate;
    }
    return root;
}

void random_init(struct random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t mixed = (seed ^ seed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
        random->state[i] = mixed ^ mixed >> 31;
    }
    uint64_t step_q62 = UINT64_C(1) << 63;  /* 2, then eight square roots: 2^(1/256) */
    for (int i = 0; i < 8; i++)
        step_q62 = square_root_q62(step_q62);
    uint64_t power_q62 = UINT64_C(1) << 62;
    for (int i = 0; i < 256; i++) {
        random->log2_q32[i] = log2_digits_q32((UINT64_C(1) << 62) + ((uint64_t)i << 54));
        random->exp2_q32[i] = power_q62 >> 30;
        power_q62 = (uint64_t)((unsigned __int128)power_q62 * step_q62 >> 62);
    }
    random->log2_q32[256] = RANDOM_ONE_Q32;
    random->exp2_q32[256] = 2 * RANDOM_ONE_Q32;
}

/* Between entry `place` (8 bits) and the next, `rest` of 2^24 on the way. */
static uint64_t interpolate(const uint64_t *table, uint64_t fraction_q32) {
    uint64_t place = fraction_q32 >> 24;
    uint64_t rest = fraction_q32 & 0xFFFFFF;
    return table[place] + ((table[place + 1] - table[place]) * rest >> 24);
}

/* log2 of an integer x >= 1; Q32. */
static uint64_t log2_of(const struct random *random, uint64_t x) {
    int whole = 63 - __builtin_clzll(x);
    uint64_t mantissa = x << (63 - whole);  /* the leading one at bit 63 */
    uint64_t fraction_q32 = mantissa << 1 >> 32;
    return ((uint64_t)whole << 32) + interpolate(random->log2_q32, fraction_q32);
}

int64_t random_ln_q32(const struct random *random, uint64_t x_q32) {
    int64_t log2_q32 = (int64_t)log2_of(random, x_q32) - (INT64_C(32) << 32);
    return (int64_t)((__int128)log2_q32 * (int64_t)LN2_Q32 / (INT64_C(1) << 32));
}

uint64_t random_exp_minus_q32(const struct random *random, uint64_t x_q32) {
    unsigned __int128 scaled = ((unsigned __int128)x_q32 << 32) / LN2_Q32;
    if (scaled >> 32 >= 32)
        return 0;
    uint64_t whole = (uint64_t)(scaled >> 32);
    uint64_t fraction = (uint64_t)scaled & 0xFFFFFFFF;
    /* 2^-(whole + fraction) = 2^(1 - fraction) / 2^(whole + 1) */
    return fraction ? interpolate(random->exp2_q32, RANDOM_ONE_Q32 - fraction) >> (whole + 1)
                    : RANDOM_ONE_Q32 >> whole;
}

uint64_t random_exponential_q32(struct random *random) {
    uint64_t minus_log2_q32 = (UINT64_C(64) << 32) - log2_of(random, random_next(random) | 1);
    return (uint64_t)((unsigned __int128)minus_log2_q32 * LN2_Q32 >> 32);
}
