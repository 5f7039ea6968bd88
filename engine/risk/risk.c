/* The risk gate: see risk.h for the reasons, their order and their arithmetic.
 *
 * risk_check() computes one bit per reason, in the order in which they are tried, and takes the lowest
 * bit that is set: one unpredictable branch at most, and the same time for every answer.
 */
#include "engine/risk/risk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { ORDER_CREDIT = 1000000000 }; /* one order in units of credit */

/* Bit numbers are the order of the checks; the lowest set bit wins. */
static const uint8_t reason_of_bit[16] = {
    RISK_KILL_SWITCH, RISK_LIMITS_INVALID, RISK_SESSION_DOWN, RISK_FEED_NOT_LIVE,
    RISK_BOOK_INCOMPLETE, RISK_LATE, RISK_HALTED, RISK_REQUEST_INVALID, RISK_ORDER_SHARES,
    RISK_PRICE_INVALID, RISK_NOTIONAL, RISK_COLLAR, RISK_POSITION, RISK_OWN_ORDERS_FULL,
    RISK_ORDER_RATE, RISK_NONE,
};

/* Each word goes through its own bijection, so a change of any one word always shows. */
static inline uint64_t checksum(const struct risk_limits *limits)
{
    static const uint64_t keys[7] = {
        0x9e3779b97f4a7c15ull, 0xbf58476d1ce4e5b9ull, 0x94d049bb133111ebull, 0xd6e8feb86659fd93ull,
        0xa0761d6478bd642full, 0xe7037ed1a0b428dbull, 0x8ebc6af09c88c6e3ull};
    uint64_t words[7], sum = 0x7461696c67617465ull;
    _Static_assert(offsetof(struct risk_limits, checksum) == sizeof(words), "all but the checksum");
    memcpy(words, limits, sizeof(words));
    for (uint32_t index = 0; index < 7; index++) {
        uint64_t mixed = (words[index] ^ keys[index]) * keys[(index + 1) % 7];
        sum += mixed ^ mixed >> 29;
    }
    return sum ^ sum >> 32;
}

void risk_limits_seal(struct risk_limits *limits)
{
    limits->version = RISK_LIMITS_VERSION;
    limits->checksum = checksum(limits);
}

static inline bool sealed(const struct risk_limits *limits)
{
    return limits->version == RISK_LIMITS_VERSION && limits->checksum == checksum(limits);
}

bool risk_limits_valid(const struct risk_limits *limits)
{
    return sealed(limits) && limits->order_shares_max <= RISK_SHARES_MAX &&
           limits->position_long_max <= RISK_POSITION_MAX &&
           limits->position_short_max <= RISK_POSITION_MAX && limits->price_max <= RISK_PRICE_MAX &&
           limits->collar_permille <= RISK_COLLAR_PERMILLE_MAX &&
           limits->order_burst <= RISK_RATE_MAX && limits->order_rate_per_s <= RISK_RATE_MAX &&
           limits->allow_unannounced <= 1;
}

static void take_limits(struct risk *risk, const struct risk_limits *limits)
{
    const uint64_t rate = limits->order_rate_per_s;
    risk->limits = *limits;
    risk->credit_max = (uint64_t)limits->order_burst * ORDER_CREDIT;
    risk->fill_ns = rate == 0 ? UINT64_MAX : (risk->credit_max + rate - 1) / rate;
}

int risk_init(struct risk *risk, const struct risk_options *options)
{
    memset(risk, 0, sizeof(*risk));
    if (options->kill_switch == NULL || !risk_limits_valid(&options->limits))
        return -EINVAL;
    take_limits(risk, &options->limits);
    risk->credit = risk->credit_max;
    risk->kill_switch = options->kill_switch;
    return 0;
}

/* What the bucket holds at now_ns. fill_ns bounds the product: it never exceeds credit_max + rate. */
static inline uint64_t credit_at(const struct risk *risk, uint64_t now_ns)
{
    const uint64_t elapsed_ns = now_ns > risk->credit_ns ? now_ns - risk->credit_ns : 0;
    if (elapsed_ns >= risk->fill_ns)
        return risk->credit_max;
    const uint64_t credit = risk->credit + elapsed_ns * risk->limits.order_rate_per_s;
    return credit < risk->credit_max ? credit : risk->credit_max;
}

int risk_replace_limits(struct risk *risk, const struct risk_limits *limits, uint64_t now_ns)
{
    if (!risk_limits_valid(limits) || risk->kill_switch == NULL)
        return -EINVAL;
    const uint64_t credit = credit_at(risk, now_ns); /* what the old rate has earned so far */
    take_limits(risk, limits);
    risk->credit = credit < risk->credit_max ? credit : risk->credit_max;
    risk->credit_ns = now_ns > risk->credit_ns ? now_ns : risk->credit_ns;
    return 0;
}

static inline bool request_invalid(const struct order_request *request)
{
    return (request->side != 'B' && request->side != 'S') | (request->stock[0] <= ' ') |
           (request->ordinal > RISK_ORDINAL_MAX) |
           (request->time_in_force > RISK_TIME_IN_FORCE_MAX) |
           (request->trigger_sequence > RISK_SEQUENCE_MAX);
}

static inline bool outside_collar(const struct risk_limits *limits, uint32_t price,
                                  const struct book_top *top)
{
    const uint64_t middle_doubled = (uint64_t)top->bid_price + top->ask_price;
    const uint64_t price_doubled = (uint64_t)price * 2;
    const uint64_t away = price_doubled > middle_doubled ? price_doubled - middle_doubled
                                                         : middle_doubled - price_doubled;
    return (top->bid_price == 0) | (top->bid_price >= top->ask_price) |
           (away * 1000 > middle_doubled * limits->collar_permille);
}

/* Worst case on the order's side; a sum that does not fit is over every limit. */
static inline bool over_position(const struct risk_limits *limits, const struct order_request *request,
                                 const struct risk_context *context)
{
    const bool buy = request->side == 'B';
    const uint64_t limit = buy ? limits->position_long_max : limits->position_short_max;
    const uint64_t open = buy ? context->open_buy_shares : context->open_sell_shares;
    int64_t held, sum;
    bool over = __builtin_sub_overflow(0, context->position, &held);
    held = buy ? context->position : held;
    over = over & !buy;
    over |= __builtin_add_overflow(held, open, &sum);
    over |= __builtin_add_overflow(sum, (int64_t)request->shares, &sum);
    return over | (sum > (int64_t)limit);
}

enum risk_reason risk_check(struct risk *risk, const struct order_request *request,
                            const struct book_top *top, const struct risk_context *context)
{
    const struct risk_limits *limits = &risk->limits;
    const bool killed = risk->kill_switch != NULL &&
                        atomic_load_explicit(&risk->kill_switch->value, memory_order_relaxed) != 0;
    const bool announced_ok = context->trading_state == 'T' ||
                              (context->trading_state == 0 && limits->allow_unannounced == 1);
    const uint64_t notional = (uint64_t)request->price * request->shares;
    const uint64_t credit = credit_at(risk, context->now_ns);

    uint32_t against = 1u << 15;
    against |= (uint32_t)killed << 0;
    against |= (uint32_t)((risk->kill_switch == NULL) | !sealed(limits)) << 1;
    against |= (uint32_t)!context->session_up << 2;
    against |= (uint32_t)(context->feed_state != FEED_LIVE) << 3;
    against |= (uint32_t)!context->book_complete << 4;
    against |= (uint32_t)context->late << 5;
    against |= (uint32_t)!announced_ok << 6;
    against |= (uint32_t)request_invalid(request) << 7;
    against |= (uint32_t)((request->shares == 0) | (request->shares > limits->order_shares_max)) << 8;
    against |= (uint32_t)((request->price == 0) | (request->price > limits->price_max)) << 9;
    against |= (uint32_t)(notional > limits->notional_max) << 10;
    against |= (uint32_t)outside_collar(limits, request->price, top) << 11;
    against |= (uint32_t)over_position(limits, request, context) << 12;
    against |= (uint32_t)context->own_orders_full << 13;
    against |= (uint32_t)(credit < ORDER_CREDIT) << 14;

    const enum risk_reason reason = reason_of_bit[__builtin_ctz(against)];
    if (reason == RISK_NONE) {
        risk->credit = credit - ORDER_CREDIT;
        risk->credit_ns = context->now_ns > risk->credit_ns ? context->now_ns : risk->credit_ns;
    }
    risk->reasons[reason]++;
    return reason;
}

const char *risk_reason_name(uint32_t reason)
{
    static const char *const names[RISK_REASON_COUNT] = {
        "none", "kill_switch", "feed_not_live", "book_incomplete", "late", "session_down", "halted",
        "order_shares", "notional", "price_invalid", "collar", "position", "order_rate",
        "own_orders_full", "limits_invalid", "request_invalid"};
    return reason < RISK_REASON_COUNT ? names[reason] : "unknown";
}
