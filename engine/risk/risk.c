/* The risk gate: see risk.h for the reasons, their order and their arithmetic.
 *
 * One comparison and one branch per reason, in the order in which they are tried, each of them expected to fall through:
 * an order that passes goes straight down, also when it is the first in a long while and nothing is predicted.
 */
#if defined(__GNUC__) && !defined(__clang__) /* packing single comparisons into vectors costs more than it saves here */
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "engine/risk/risk.h"

#include "engine/risk/risk_inside.h"

/* Nearly every order passes: what speaks against it is expected not to. */
#define AGAINST(condition, reason)                                                                                     \
    do {                                                                                                               \
        if (__builtin_expect((condition), 0))                                                                          \
            return (reason);                                                                                           \
    } while (0)

static inline bool request_invalid(const struct order_request *request)
{
    return (request->side != 'B' && request->side != 'S') | (request->stock[0] <= ' ') |
           (request->ordinal > RISK_ORDINAL_MAX) | (request->time_in_force > RISK_TIME_IN_FORCE_MAX) |
           (request->trigger_sequence > RISK_SEQUENCE_MAX);
}

/* How far two doubled prices are apart, in 1/1000. */
static inline uint64_t apart(uint64_t price_doubled, uint64_t middle_doubled)
{
    const int64_t distance = (int64_t)(price_doubled - middle_doubled);
    return (uint64_t)(distance < 0 ? -distance : distance) * 1000;
}

#define REACH_MAX (1ull << 61) /* shares: positions and open shares at or beyond it do not fit */

/* What the order adds, worst case: shares to the position on its side; a sum that does not fit is over every limit. */
struct reach {
    int64_t shares; /* position on the order's side once all is filled */
    bool over;      /* it does not fit */
    bool increase;
};

static inline struct reach reach_of(const struct order_request *request, uint32_t replaced_shares,
                                    const struct risk_context *context)
{
    const bool buy = request->side == 'B';
    const uint64_t open = buy ? context->open_buy_shares : context->open_sell_shares;
    const uint32_t more = request->shares > replaced_shares ? request->shares - replaced_shares : 0;
    const uint64_t held = buy ? (uint64_t)context->position : -(uint64_t)context->position;
    return (struct reach){.shares = (int64_t)(held + open + more),
                          .over = (open >= REACH_MAX) | ((uint64_t)context->position + REACH_MAX >= 2 * REACH_MAX),
                          .increase = more != 0};
}

/* Exposure once the order is added. A value that is out of range is against an earlier reason; here it may wrap. */
struct worth {
    int64_t net;   /* on the order's side */
    int64_t gross;
    bool more_net;
    bool more_gross;
};

static inline struct worth worth_of(const struct risk *risk, const struct order_request *request, uint64_t more)
{
    const struct risk_symbol *symbol = &risk->memory->symbols[request->symbol];
    const struct risk_exposure *exposure = &risk->exposure;
    const bool buy = request->side == 'B';
    const int64_t value = marked_value(symbol), before = largest(value, symbol->open_buy, symbol->open_sell);
    const uint64_t side = buy ? (uint64_t)value + (uint64_t)symbol->open_buy
                              : (uint64_t)symbol->open_sell - (uint64_t)value;
    const uint64_t net = buy ? (uint64_t)exposure->value + (uint64_t)exposure->open_buy
                             : (uint64_t)exposure->open_sell - (uint64_t)exposure->value;
    const int64_t grown = (int64_t)(side + more), after = grown > before ? grown : before;
    return (struct worth){.net = (int64_t)(net + more),
                          .gross = (int64_t)((uint64_t)exposure->gross + (uint64_t)after - (uint64_t)before),
                          .more_net = more != 0, .more_gross = after > before};
}

static inline bool crosses_own(const struct order_request *request, const struct risk_context *context)
{
    const bool buys = (context->own_best_ask != 0) & (request->price >= context->own_best_ask);
    return request->side == 'B' ? buys : request->price <= context->own_best_bid;
}

static inline uint64_t age_ns(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static inline struct risk_recent *recent_of(const struct risk *risk, uint16_t symbol)
{
    return &risk->memory->recent[symbol & (RISK_RECENT_SETS - 1)];
}

/* Exact for a request that nothing earlier speaks against: shares have 20 bits and there are two sides. */
static inline uint64_t recent_terms(const struct order_request *request)
{
    return (uint64_t)request->price << 32 | (uint64_t)(request->symbol / RISK_RECENT_SETS) << 22 |
           (uint64_t)(request->side == 'B') << 21 | (request->shares & ((1u << 21) - 1));
}

static __attribute__((noinline, cold)) bool young(const struct risk_recent *recent, uint64_t terms, uint64_t now_ns,
                                                  uint64_t window_ns)
{
    for (uint32_t way = 0; way < RISK_RECENT_WAYS; way++) {
        if (recent->terms[way] == terms && age_ns(now_ns, recent->sent_ns[way]) < window_ns)
            return true;
    }
    return false;
}

static inline bool duplicate(const struct risk *risk, const struct order_request *request, uint64_t terms,
                             uint64_t now_ns)
{
    const struct risk_recent *recent = recent_of(risk, request->symbol);
    _Static_assert(RISK_RECENT_WAYS == 8, "two steps of four lanes");
    risk_lanes first, second;
    lanes_load(&first, recent->terms);
    lanes_load(&second, recent->terms + 4);
    const risk_lanes same = (risk_lanes)(first == terms) | (risk_lanes)(second == terms);
    if (__builtin_expect(lanes_zero(&same), 1))
        return false;
    return young(recent, terms, now_ns, risk->account.duplicate_window_ns);
}

static inline void remember(struct risk *risk, const struct order_request *request, uint64_t terms, uint64_t now_ns)
{
    struct risk_recent *recent = recent_of(risk, request->symbol);
    const uint64_t way = recent->next;
    recent->terms[way] = terms;
    recent->sent_ns[way] = now_ns;
    recent->next = (way + 1) & (RISK_RECENT_WAYS - 1);
}

/* Reasons that do not look at the order's terms. */
static inline enum risk_reason against_world(const struct risk *risk, const struct order_request *request,
                                             const struct risk_context *context, const struct risk_terms *terms)
{
    const struct risk_kills *kills = risk->kills;
    const uint64_t now_ns = context->now_ns;
    AGAINST(atomic_load_explicit(&risk->kill_switch->value, memory_order_relaxed) != 0, RISK_KILL_SWITCH);
    AGAINST(risk->missing, RISK_LIMITS_MISSING);
    AGAINST(!rules_sealed(risk) | !terms->good, RISK_LIMITS_INVALID);
    AGAINST(rules_stale(risk, now_ns), RISK_LIMITS_STALE);
    AGAINST(risk->tripped, RISK_TRIPPED);
    AGAINST(risk_kill_bit(kills->symbols, request->symbol), RISK_KILL_SYMBOL);
    AGAINST(risk_kill_bit(kills->strategies, context->strategy), RISK_KILL_STRATEGY);
    AGAINST(!context->session_up, RISK_SESSION_DOWN);
    AGAINST((context->market_ns < risk->head.session_open_ns) | (context->market_ns >= risk->head.session_close_ns),
            RISK_SESSION_HOURS);
    AGAINST(context->feed_state != FEED_LIVE, RISK_FEED_NOT_LIVE);
    AGAINST(age_ns(now_ns, context->feed_ns) >= risk->account.feed_age_ns_max, RISK_FEED_AGE);
    AGAINST(!context->book_complete, RISK_BOOK_INCOMPLETE);
    AGAINST(context->late, RISK_LATE);
    AGAINST(age_ns(now_ns, context->quote_ns) >= risk->account.quote_age_ns_max, RISK_QUOTE_AGE);
    AGAINST(context->trading_state != 'T' && (context->trading_state != 0 || risk->limits.allow_unannounced != 1),
            RISK_HALTED);
    AGAINST((terms->flags & RISK_SYMBOL_RESTRICTED) != 0, RISK_RESTRICTED);
    return RISK_NONE;
}

/* Hard and soft limits read the same quantities. */
struct quantities {
    uint64_t notional;
    uint64_t middle_doubled, last_doubled;
    uint64_t from_middle, from_last; /* doubled, 1/1000 */
    uint64_t position_max;
    struct reach reach;
    struct worth worth;
    uint32_t open_orders; /* with this one */
    uint64_t order_credit, message_credit;
    uint64_t recent; /* its terms, in one word */
};

static inline struct quantities quantities_of(const struct risk *risk, const struct order_request *request,
                                              const struct risk_replaced *replaced, const struct book_top *top,
                                              const struct risk_context *context, const struct risk_terms *terms)
{
    const uint64_t notional = (uint64_t)request->price * request->shares;
    const uint64_t middle_doubled = (uint64_t)top->bid_price + top->ask_price;
    const uint64_t replaced_value = (uint64_t)replaced->price * replaced->open_shares;
    return (struct quantities){
        .notional = notional,
        .middle_doubled = middle_doubled,
        .last_doubled = (uint64_t)context->last_price * 2,
        .from_middle = apart((uint64_t)request->price * 2, middle_doubled),
        .from_last = apart((uint64_t)request->price * 2, (uint64_t)context->last_price * 2),
        .position_max = request->side == 'B' ? terms->position_long_max : terms->position_short_max,
        .reach = reach_of(request, replaced->open_shares, context),
        .worth = worth_of(risk, request, notional > replaced_value ? notional - replaced_value : 0),
        .open_orders = risk->exposure.open_orders + (replaced->open_shares == 0),
        .order_credit = bucket_credit(&risk->orders, context->now_ns),
        .message_credit = bucket_credit(&risk->messages, context->now_ns),
        .recent = recent_terms(request),
    };
}

static inline enum risk_reason against_order(const struct risk *risk, const struct order_request *request,
                                             const struct book_top *top, const struct risk_context *context,
                                             const struct risk_terms *terms, const struct quantities *order)
{
    const struct risk_account *account = &risk->account;
    AGAINST(request_invalid(request), RISK_REQUEST_INVALID);
    AGAINST((request->shares == 0) | (request->shares > terms->order_shares_max), RISK_ORDER_SHARES);
    AGAINST((request->price == 0) | (request->price > terms->price_max), RISK_PRICE_INVALID);
    AGAINST(order->notional > terms->notional_max, RISK_NOTIONAL);
    AGAINST((top->bid_price == 0) | (top->bid_price >= top->ask_price), RISK_COLLAR);
    AGAINST(order->from_middle > order->middle_doubled * terms->collar_permille, RISK_COLLAR);
    if (terms->last_collar_permille != RISK_OFF_32)
        AGAINST((context->last_price == 0) | (order->from_last > order->last_doubled * terms->last_collar_permille),
                RISK_COLLAR_LAST);
    if (order->reach.increase) {
        AGAINST((request->side == 'S') & ((terms->flags & RISK_SYMBOL_SHORT) == 0) &
                    (order->reach.over | (order->reach.shares > 0)),
                RISK_SHORT_SALE);
        AGAINST(order->reach.over | (order->reach.shares > (int64_t)order->position_max), RISK_POSITION);
    }
    AGAINST(order->worth.more_net & (order->worth.net > (int64_t)account->net_exposure_max), RISK_NET_EXPOSURE);
    AGAINST(order->worth.more_gross & (order->worth.gross > (int64_t)account->gross_exposure_max), RISK_GROSS_EXPOSURE);
    AGAINST(risk->exposure.lost, RISK_GROSS_EXPOSURE);
    AGAINST(crosses_own(request, context), RISK_SELF_CROSS);
    AGAINST(duplicate(risk, request, order->recent, context->now_ns), RISK_DUPLICATE);
    AGAINST(order->open_orders > account->open_orders_max, RISK_OPEN_ORDERS);
    AGAINST(context->own_orders_full, RISK_OWN_ORDERS_FULL);
    AGAINST(order->order_credit < RISK_TOKEN, RISK_ORDER_RATE);
    AGAINST(order->message_credit < RISK_TOKEN, RISK_MESSAGE_RATE);
    return RISK_NONE;
}

/* Of an order that passed: is it above any soft limit? */
static inline bool any_above_soft(const struct risk *risk, const struct order_request *request,
                                  const struct quantities *order)
{
    const struct risk_soft *soft = &risk->soft;
    const uint64_t position = request->side == 'B' ? soft->position_long : soft->position_short;
    AGAINST(request->shares > soft->order_shares, true);
    AGAINST(order->notional > soft->notional, true);
    AGAINST(order->from_middle > order->middle_doubled * soft->collar_permille, true);
    AGAINST(order->from_last > order->last_doubled * soft->last_collar_permille, true); /* may be off: looked at below */
    AGAINST((order->reach.shares > 0) & ((uint64_t)order->reach.shares > position), true);
    AGAINST((order->worth.net > 0) & ((uint64_t)order->worth.net > soft->net_exposure), true);
    AGAINST((uint64_t)order->worth.gross > soft->gross_exposure, true);
    AGAINST(order->open_orders > soft->open_orders, true);
    AGAINST(order->order_credit - RISK_TOKEN < risk->orders.credit_soft, true);
    AGAINST(order->message_credit - RISK_TOKEN < risk->messages.credit_soft, true);
    return false;
}

/* Which ones, all computed again: rare, and the hot path keeps its values in registers. An order that increases nothing is
 * not above a limit of what it would increase. */
static __attribute__((noinline, cold)) void warn(struct risk *risk, const struct order_request *request,
                                                 const struct risk_replaced *replaced, const struct book_top *top,
                                                 const struct risk_context *context)
{
    struct risk_terms terms;
    terms_of_symbol(risk, request->symbol, &terms);
    const struct quantities quantities = quantities_of(risk, request, replaced, top, context, &terms), *order = &quantities;
    const struct risk_soft *soft = &risk->soft;
    const uint64_t position = request->side == 'B' ? soft->position_long : soft->position_short;
    const bool shares_above = order->reach.shares > 0 && (uint64_t)order->reach.shares > position;
    const bool net_above = order->worth.net > 0 && (uint64_t)order->worth.net > soft->net_exposure;
    const bool gross_above = (uint64_t)order->worth.gross > soft->gross_exposure;
    const bool last_above = order->from_last > order->last_doubled * soft->last_collar_permille;
    uint64_t above = (uint64_t)(request->shares > soft->order_shares) << RISK_ORDER_SHARES;
    above |= (uint64_t)(order->notional > soft->notional) << RISK_NOTIONAL;
    above |= (uint64_t)(order->from_middle > order->middle_doubled * soft->collar_permille) << RISK_COLLAR;
    above |= (uint64_t)(soft->last_collar_permille != RISK_OFF_16 && last_above) << RISK_COLLAR_LAST;
    above |= (uint64_t)(order->reach.increase && shares_above) << RISK_POSITION;
    above |= (uint64_t)(order->worth.more_net && net_above) << RISK_NET_EXPOSURE;
    above |= (uint64_t)(order->worth.more_gross && gross_above) << RISK_GROSS_EXPOSURE;
    above |= (uint64_t)(order->open_orders > soft->open_orders) << RISK_OPEN_ORDERS;
    above |= (uint64_t)(order->order_credit - RISK_TOKEN < risk->orders.credit_soft) << RISK_ORDER_RATE;
    above |= (uint64_t)(order->message_credit - RISK_TOKEN < risk->messages.credit_soft) << RISK_MESSAGE_RATE;
    risk_note_warnings(risk, above, context->now_ns);
}

static __attribute__((noinline, cold)) enum risk_reason refuse(struct risk *risk, enum risk_reason reason,
                                                               const struct risk_context *context)
{
    if (context->rehearsal)
        return reason;
    risk->generation = risk->head.generation;
    risk->decisions++;
    risk->reasons[reason]++;
    if (risk->memory != NULL)
        risk_note_block(risk, reason, context->now_ns);
    return reason;
}

static inline __attribute__((always_inline)) enum risk_reason decide(struct risk *risk, const struct order_request *request,
                                      const struct risk_replaced *replaced, const struct book_top *top,
                                      const struct risk_context *context)
{
    const uint64_t now_ns = context->now_ns;
    if (__builtin_expect(risk->memory == NULL, 0)) /* set last by risk_init() */
        return refuse(risk, RISK_LIMITS_INVALID, context);
    look_at_tables(risk, now_ns);

    struct risk_terms terms;
    terms_of_symbol(risk, request->symbol, &terms);
    enum risk_reason reason = against_world(risk, request, context, &terms);
    if (__builtin_expect(reason != RISK_NONE, 0))
        return refuse(risk, reason, context);
    const struct quantities order = quantities_of(risk, request, replaced, top, context, &terms);
    reason = against_order(risk, request, top, context, &terms, &order);
    if (__builtin_expect(reason != RISK_NONE, 0))
        return refuse(risk, reason, context);

    const bool above = any_above_soft(risk, request, &order);
    if (context->rehearsal)
        return RISK_NONE;
    if (__builtin_expect(above, 0))
        warn(risk, request, replaced, top, context);
    risk->generation = risk->head.generation;
    risk->decisions++;
    risk->reasons[RISK_NONE]++;
    bucket_settle(&risk->orders, order.order_credit - RISK_TOKEN, now_ns);
    bucket_settle(&risk->messages, order.message_credit - RISK_TOKEN, now_ns);
    remember(risk, request, order.recent, now_ns);
    return RISK_NONE;
}

enum risk_reason risk_check(struct risk *risk, const struct order_request *request, const struct book_top *top,
                            const struct risk_context *context)
{
    return decide(risk, request, &(const struct risk_replaced){0}, top, context);
}

enum risk_reason risk_check_replace(struct risk *risk, const struct order_request *request,
                                    const struct risk_replaced *replaced, const struct book_top *top,
                                    const struct risk_context *context)
{
    return decide(risk, request, replaced, top, context);
}

void risk_note_cancel(struct risk *risk, uint64_t now_ns)
{
    const uint64_t credit = bucket_credit(&risk->messages, now_ns);
    bucket_settle(&risk->messages, credit < RISK_TOKEN ? credit : credit - RISK_TOKEN, now_ns);
}
