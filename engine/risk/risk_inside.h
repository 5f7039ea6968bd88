/* What the files of the gate share and nobody else needs: buckets, limits of a symbol, signed values. */
#ifndef ENGINE_RISK_RISK_INSIDE_H
#define ENGINE_RISK_RISK_INSIDE_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/risk/risk.h"

enum { RISK_TOKEN = 1000000000 }; /* one order or message in units of credit */

/* What the bucket holds at now_ns. fill_ns bounds the product: it never exceeds credit_max + rate. */
static inline uint64_t bucket_credit(const struct risk_bucket *bucket, uint64_t now_ns)
{
    const uint64_t elapsed_ns = now_ns > bucket->credit_ns ? now_ns - bucket->credit_ns : 0;
    if (elapsed_ns >= bucket->fill_ns)
        return bucket->credit_max;
    const uint64_t credit = bucket->credit + elapsed_ns * bucket->rate_per_s;
    return credit < bucket->credit_max ? credit : bucket->credit_max;
}

static inline void bucket_settle(struct risk_bucket *bucket, uint64_t credit, uint64_t now_ns)
{
    bucket->credit = credit;
    bucket->credit_ns = now_ns > bucket->credit_ns ? now_ns : bucket->credit_ns;
}

/* The limits that a profile can replace, by value: nobody can change them between check and use. */
struct risk_terms {
    uint64_t notional_max;
    uint64_t position_long_max;
    uint64_t position_short_max;
    uint32_t order_shares_max;
    uint32_t price_max;
    uint32_t collar_permille;
    uint32_t last_collar_permille;
    uint32_t flags; /* enum risk_symbol_flag */
    bool good;      /* entry and profile verify */
};

static inline void terms_of_table(const struct risk *risk, struct risk_terms *terms)
{
    terms->notional_max = risk->limits.notional_max;
    terms->position_long_max = risk->limits.position_long_max;
    terms->position_short_max = risk->limits.position_short_max;
    terms->order_shares_max = risk->limits.order_shares_max;
    terms->price_max = risk->limits.price_max;
    terms->collar_permille = risk->limits.collar_permille;
    terms->last_collar_permille = risk->account.last_collar_permille;
}

static inline void terms_of_profile(const struct risk *risk, uint32_t number, struct risk_terms *terms)
{
    struct risk_profile profile = risk->table->profiles[number & (RISK_PROFILE_COUNT - 1)];
    terms->good &= number < RISK_PROFILE_COUNT;
    terms->good &= profile.checksum == risk_line_checksum(&profile, RISK_LINE_PROFILE + number, risk->head.generation);
    terms->notional_max = profile.notional_max;
    terms->position_long_max = profile.position_long_max;
    terms->position_short_max = profile.position_short_max;
    terms->order_shares_max = profile.order_shares_max;
    terms->price_max = profile.price_max;
    terms->collar_permille = profile.collar_permille;
    terms->last_collar_permille = profile.last_collar_permille;
}

/* Without a table every symbol has the limits of `limits` and may be sold short. */
static inline void terms_of_symbol(const struct risk *risk, uint16_t symbol, struct risk_terms *terms)
{
    terms->flags = RISK_SYMBOL_SHORT;
    terms->good = true;
    uint32_t profile = 0;
    if (risk->table != NULL) {
        const uint64_t entry = atomic_load_explicit(&risk->table->symbols[symbol], memory_order_relaxed);
        const uint32_t payload = (uint32_t)entry;
        terms->good = entry >> 32 == risk_symbol_checksum(payload, symbol, risk->head.generation);
        terms->flags = payload & 0xff;
        profile = payload >> 16;
    }
    if (profile == 0)
        terms_of_table(risk, terms);
    else
        terms_of_profile(risk, profile, terms);
}

typedef uint64_t risk_lanes __attribute__((vector_size(32)));

/* Through an address that the compiler does not see through: it warns of an array at 0 where a sanitizer asks for one. */
static inline void lanes_load(risk_lanes *lanes, const uint64_t *words)
{
    __asm__("" : "+r"(words));
    __builtin_memcpy(lanes, words, sizeof(*lanes));
}

static inline bool lanes_zero(const risk_lanes *lanes)
{
#if defined(__AVX2__)
    typedef long long signed_lanes __attribute__((vector_size(32)));
    return __builtin_ia32_ptestz256((signed_lanes)*lanes, (signed_lanes)*lanes) != 0;
#else
    return (((*lanes)[0] | (*lanes)[1]) | ((*lanes)[2] | (*lanes)[3])) == 0;
#endif
}

/* Checksum of the four lines that every order reads, taken when their seals had been verified: sums of words, and sums of
 * those sums, in four lanes. A changed word always shows in the first, a moved one in the second. */
static inline void digest_of(const struct risk *risk, risk_lanes *first, risk_lanes *second)
{
    risk_lanes words;
    *first = *second = (risk_lanes){0};
#pragma GCC unroll 8
    for (uint32_t index = 0; index < offsetof(struct risk_rules, trips) / sizeof(words); index++) {
        lanes_load(&words, (const uint64_t *)&risk->rules + 4 * index);
        *first += words;
        *second += *first;
    }
}

static inline bool rules_sealed(const struct risk *risk)
{
    risk_lanes first, second, was_first, was_second;
    digest_of(risk, &first, &second);
    lanes_load(&was_first, risk->digest);
    lanes_load(&was_second, risk->digest + 4);
    const risk_lanes wrong = (first ^ was_first) | (second ^ was_second);
    return lanes_zero(&wrong);
}

/* Read when an order was refused or filled. */
static inline bool trips_sealed(const struct risk *risk)
{
    return risk->trips.checksum == risk_line_checksum(&risk->trips, RISK_LINE_TRIPS, risk->head.generation);
}

static inline bool rules_stale(const struct risk *risk, uint64_t now_ns)
{
    const uint64_t created_ns = risk->head.created_ns;
    return ((created_ns > now_ns) & (created_ns - now_ns > RISK_CREATED_TOLERANCE_NS)) |
           (now_ns >= risk->head.valid_until_ns);
}

/* The value of a position at its mark; positions that passed exposure.c fit. */
static inline int64_t marked_value(const struct risk_symbol *symbol)
{
    return symbol->position * (int64_t)symbol->mark;
}

static inline int64_t largest(int64_t value, int64_t open_buy, int64_t open_sell)
{
    const int64_t as_long = value + open_buy, as_short = open_sell - value;
    return as_long > as_short ? as_long : as_short;
}

/* state.c: another table was published or withdrawn. */
void risk_take_table(struct risk *risk, uint64_t published, uint64_t now_ns);

static inline void look_at_tables(struct risk *risk, uint64_t now_ns)
{
    const uint64_t published = atomic_load_explicit(risk->publication, memory_order_acquire);
    if (__builtin_expect(published != risk->published, 0))
        risk_take_table(risk, published, now_ns);
}

/* state.c: an order was refused, or warned about. */
void risk_note_block(struct risk *risk, enum risk_reason reason, uint64_t now_ns);
void risk_note_warnings(struct risk *risk, uint64_t warned, uint64_t now_ns);

void risk_record(struct risk *risk, enum risk_record_kind kind, enum risk_reason reason, uint16_t subject, uint32_t who,
                 uint64_t now_ns);

#endif
