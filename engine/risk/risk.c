/* The risk gate: see risk.h for the reasons, their order and their arithmetic.
 *
 * risk_check() computes one bit per reason, in the order in which they are tried, and takes the lowest bit that is set:
 * one unpredictable branch at most, and the same time for every answer.
 */
#include "engine/risk/risk.h"

#include "engine/risk/risk_inside.h"

/* Bit numbers are the order of the checks; the lowest set bit wins. */
enum bit {
    BIT_KILL_SWITCH, BIT_MISSING, BIT_INVALID, BIT_STALE, BIT_TRIPPED, BIT_KILL_SYMBOL, BIT_KILL_STRATEGY,
    BIT_SESSION_DOWN, BIT_SESSION_HOURS, BIT_FEED_NOT_LIVE, BIT_FEED_AGE, BIT_BOOK_INCOMPLETE, BIT_LATE, BIT_QUOTE_AGE,
    BIT_HALTED, BIT_RESTRICTED, BIT_REQUEST_INVALID, BIT_ORDER_SHARES, BIT_PRICE_INVALID, BIT_NOTIONAL, BIT_COLLAR,
    BIT_COLLAR_LAST, BIT_SHORT_SALE, BIT_POSITION, BIT_NET_EXPOSURE, BIT_GROSS_EXPOSURE, BIT_SELF_CROSS, BIT_DUPLICATE,
    BIT_OPEN_ORDERS, BIT_OWN_ORDERS_FULL, BIT_ORDER_RATE, BIT_MESSAGE_RATE, BIT_NONE, BIT_COUNT,
};

static const uint8_t reason_of_bit[BIT_COUNT] = {
    [BIT_KILL_SWITCH] = RISK_KILL_SWITCH,
    [BIT_MISSING] = RISK_LIMITS_MISSING,
    [BIT_INVALID] = RISK_LIMITS_INVALID,
    [BIT_STALE] = RISK_LIMITS_STALE,
    [BIT_TRIPPED] = RISK_TRIPPED,
    [BIT_KILL_SYMBOL] = RISK_KILL_SYMBOL,
    [BIT_KILL_STRATEGY] = RISK_KILL_STRATEGY,
    [BIT_SESSION_DOWN] = RISK_SESSION_DOWN,
    [BIT_SESSION_HOURS] = RISK_SESSION_HOURS,
    [BIT_FEED_NOT_LIVE] = RISK_FEED_NOT_LIVE,
    [BIT_FEED_AGE] = RISK_FEED_AGE,
    [BIT_BOOK_INCOMPLETE] = RISK_BOOK_INCOMPLETE,
    [BIT_LATE] = RISK_LATE,
    [BIT_QUOTE_AGE] = RISK_QUOTE_AGE,
    [BIT_HALTED] = RISK_HALTED,
    [BIT_RESTRICTED] = RISK_RESTRICTED,
    [BIT_REQUEST_INVALID] = RISK_REQUEST_INVALID,
    [BIT_ORDER_SHARES] = RISK_ORDER_SHARES,
    [BIT_PRICE_INVALID] = RISK_PRICE_INVALID,
    [BIT_NOTIONAL] = RISK_NOTIONAL,
    [BIT_COLLAR] = RISK_COLLAR,
    [BIT_COLLAR_LAST] = RISK_COLLAR_LAST,
    [BIT_SHORT_SALE] = RISK_SHORT_SALE,
    [BIT_POSITION] = RISK_POSITION,
    [BIT_NET_EXPOSURE] = RISK_NET_EXPOSURE,
    [BIT_GROSS_EXPOSURE] = RISK_GROSS_EXPOSURE,
    [BIT_SELF_CROSS] = RISK_SELF_CROSS,
    [BIT_DUPLICATE] = RISK_DUPLICATE,
    [BIT_OPEN_ORDERS] = RISK_OPEN_ORDERS,
    [BIT_OWN_ORDERS_FULL] = RISK_OWN_ORDERS_FULL,
    [BIT_ORDER_RATE] = RISK_ORDER_RATE,
    [BIT_MESSAGE_RATE] = RISK_MESSAGE_RATE,
    [BIT_NONE] = RISK_NONE,
};

static inline bool request_invalid(const struct order_request *request)
{
    return (request->side != 'B' && request->side != 'S') | (request->stock[0] <= ' ') |
           (request->ordinal > RISK_ORDINAL_MAX) | (request->time_in_force > RISK_TIME_IN_FORCE_MAX) |
           (request->trigger_sequence > RISK_SEQUENCE_MAX);
}

/* Further than permille from the middle of doubled prices, either way. */
static inline bool away(uint64_t price_doubled, uint64_t middle_doubled, uint64_t permille)
{
    const uint64_t distance =
        price_doubled > middle_doubled ? price_doubled - middle_doubled : middle_doubled - price_doubled;
    return distance * 1000 > middle_doubled * permille;
}

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
    struct reach reach = {.increase = more != 0};
    int64_t held;
    reach.over = __builtin_sub_overflow(0, context->position, &held);
    held = buy ? context->position : held;
    reach.over = reach.over & !buy;
    reach.over |= __builtin_add_overflow(held, open, &reach.shares);
    reach.over |= __builtin_add_overflow(reach.shares, (int64_t)more, &reach.shares);
    return reach;
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
    const uint64_t side = buy ? (uint64_t)value + (uint64_t)symbol->open_buy : (uint64_t)symbol->open_sell - (uint64_t)value;
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

static inline struct risk_recent *recent_of(const struct risk *risk, uint16_t symbol)
{
    return &risk->memory->recent[symbol & (RISK_RECENT_SETS - 1)];
}

static inline bool duplicate(const struct risk *risk, const struct order_request *request, uint64_t now_ns)
{
    const struct risk_recent *recent = recent_of(risk, request->symbol);
    const uint64_t terms = (uint64_t)request->price << 32 | request->shares, window = risk->account.duplicate_window_ns;
    const uint32_t name = (uint32_t)request->symbol << 8 | (uint8_t)request->side;
    bool found = false;
    if (window == 0)
        return false;
#pragma GCC unroll 8
    for (uint32_t way = 0; way < RISK_RECENT_WAYS; way++) {
        const uint64_t age_ns = now_ns > recent->sent_ns[way] ? now_ns - recent->sent_ns[way] : 0;
        found |= (recent->terms[way] == terms) & (recent->names[way] == name) & (age_ns < window);
    }
    return found;
}

static inline void remember(struct risk *risk, const struct order_request *request, uint64_t now_ns)
{
    struct risk_recent *recent = recent_of(risk, request->symbol);
    const uint32_t way = recent->next;
    recent->terms[way] = (uint64_t)request->price << 32 | request->shares;
    recent->names[way] = (uint32_t)request->symbol << 8 | (uint8_t)request->side;
    recent->sent_ns[way] = now_ns;
    recent->next = (way + 1) & (RISK_RECENT_WAYS - 1);
}

static inline uint64_t age_ns(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Reasons that do not look at the order's terms. */
static inline uint64_t against_world(const struct risk *risk, const struct order_request *request,
                                     const struct risk_context *context, const struct risk_terms *terms)
{
    const struct risk_kills *kills = &risk->memory->kills;
    const bool announced_ok = (context->trading_state == 'T') |
                              ((context->trading_state == 0) & (risk->limits.allow_unannounced == 1));
    uint64_t against = 1ull << BIT_NONE;
    against |= (uint64_t)(atomic_load_explicit(&risk->kill_switch->value, memory_order_relaxed) != 0) << BIT_KILL_SWITCH;
    against |= (uint64_t)risk->missing << BIT_MISSING;
    against |= (uint64_t)!(rules_sealed(risk) & terms->good) << BIT_INVALID;
    against |= (uint64_t)rules_stale(risk, context->now_ns) << BIT_STALE;
    against |= (uint64_t)risk->tripped << BIT_TRIPPED;
    against |= (uint64_t)risk_kill_bit(kills->symbols, request->symbol) << BIT_KILL_SYMBOL;
    against |= (uint64_t)risk_kill_bit(kills->strategies, context->strategy) << BIT_KILL_STRATEGY;
    against |= (uint64_t)!context->session_up << BIT_SESSION_DOWN;
    against |= (uint64_t)((context->market_ns < risk->head.session_open_ns) |
                          (context->market_ns >= risk->head.session_close_ns)) << BIT_SESSION_HOURS;
    against |= (uint64_t)(context->feed_state != FEED_LIVE) << BIT_FEED_NOT_LIVE;
    against |= (uint64_t)(age_ns(context->now_ns, context->feed_ns) >= risk->account.feed_age_ns_max) << BIT_FEED_AGE;
    against |= (uint64_t)!context->book_complete << BIT_BOOK_INCOMPLETE;
    against |= (uint64_t)context->late << BIT_LATE;
    against |= (uint64_t)(age_ns(context->now_ns, context->quote_ns) >= risk->account.quote_age_ns_max) << BIT_QUOTE_AGE;
    against |= (uint64_t)!announced_ok << BIT_HALTED;
    against |= (uint64_t)((terms->flags & RISK_SYMBOL_RESTRICTED) != 0) << BIT_RESTRICTED;
    return against;
}

/* Hard and soft limits read the same quantities. */
struct quantities {
    uint64_t notional;
    uint64_t price_doubled, middle_doubled, last_doubled;
    uint64_t position_max;
    struct reach reach;
    struct worth worth;
    uint32_t open_orders; /* with this one */
    uint64_t order_credit, message_credit;
};

static inline uint64_t against_order(const struct risk *risk, const struct order_request *request,
                                     const struct book_top *top, const struct risk_context *context,
                                     const struct risk_terms *terms, const struct quantities *order)
{
    const struct risk_account *account = &risk->account;
    const bool buy = request->side == 'B';
    const bool two_sided = (top->bid_price != 0) & (top->bid_price < top->ask_price);
    const bool last_wrong = (context->last_price == 0) |
                            away(order->price_doubled, order->last_doubled, terms->last_collar_permille);
    const bool over_position = order->reach.over | (order->reach.shares > (int64_t)order->position_max);
    const bool short_sale = (!buy) & (order->reach.over | (order->reach.shares > 0));
    uint64_t against = (uint64_t)request_invalid(request) << BIT_REQUEST_INVALID;
    against |= (uint64_t)((request->shares == 0) | (request->shares > terms->order_shares_max)) << BIT_ORDER_SHARES;
    against |= (uint64_t)((request->price == 0) | (request->price > terms->price_max)) << BIT_PRICE_INVALID;
    against |= (uint64_t)(order->notional > terms->notional_max) << BIT_NOTIONAL;
    against |= (uint64_t)(!two_sided | away(order->price_doubled, order->middle_doubled, terms->collar_permille))
               << BIT_COLLAR;
    against |= (uint64_t)((terms->last_collar_permille != RISK_OFF_32) & last_wrong) << BIT_COLLAR_LAST;
    against |= (uint64_t)(short_sale & order->reach.increase & ((terms->flags & RISK_SYMBOL_SHORT) == 0))
               << BIT_SHORT_SALE;
    against |= (uint64_t)(over_position & order->reach.increase) << BIT_POSITION;
    against |= (uint64_t)(order->worth.more_net & (order->worth.net > (int64_t)account->net_exposure_max))
               << BIT_NET_EXPOSURE;
    against |= (uint64_t)(risk->exposure.lost |
                          (order->worth.more_gross & (order->worth.gross > (int64_t)account->gross_exposure_max)))
               << BIT_GROSS_EXPOSURE;
    against |= (uint64_t)crosses_own(request, context) << BIT_SELF_CROSS;
    against |= (uint64_t)duplicate(risk, request, context->now_ns) << BIT_DUPLICATE;
    against |= (uint64_t)(order->open_orders > account->open_orders_max) << BIT_OPEN_ORDERS;
    against |= (uint64_t)context->own_orders_full << BIT_OWN_ORDERS_FULL;
    against |= (uint64_t)(order->order_credit < RISK_TOKEN) << BIT_ORDER_RATE;
    against |= (uint64_t)(order->message_credit < RISK_TOKEN) << BIT_MESSAGE_RATE;
    return against;
}

/* Of an order that passed. A value above "off" cannot be. */
static inline uint64_t above_soft(const struct risk *risk, const struct order_request *request,
                                  const struct quantities *order)
{
    const struct risk_soft *soft = &risk->soft;
    const uint64_t position = request->side == 'B' ? soft->position_long : soft->position_short;
    const bool shares_above = (order->reach.shares > 0) & ((uint64_t)order->reach.shares > position);
    const bool net_above = (order->worth.net > 0) & ((uint64_t)order->worth.net > soft->net_exposure);
    uint64_t above = (uint64_t)(request->shares > soft->order_shares) << RISK_ORDER_SHARES;
    above |= (uint64_t)(order->notional > soft->notional) << RISK_NOTIONAL;
    above |= (uint64_t)away(order->price_doubled, order->middle_doubled, soft->collar_permille) << RISK_COLLAR;
    above |= (uint64_t)((soft->last_collar_permille != RISK_OFF_16) &
                        away(order->price_doubled, order->last_doubled, soft->last_collar_permille)) << RISK_COLLAR_LAST;
    above |= (uint64_t)(order->reach.increase & shares_above) << RISK_POSITION;
    above |= (uint64_t)(order->worth.more_net & net_above) << RISK_NET_EXPOSURE;
    above |= (uint64_t)(order->worth.more_gross & ((uint64_t)order->worth.gross > soft->gross_exposure))
             << RISK_GROSS_EXPOSURE;
    above |= (uint64_t)(order->open_orders > soft->open_orders) << RISK_OPEN_ORDERS;
    above |= (uint64_t)(order->order_credit - RISK_TOKEN < risk->orders.credit_soft) << RISK_ORDER_RATE;
    above |= (uint64_t)(order->message_credit - RISK_TOKEN < risk->messages.credit_soft) << RISK_MESSAGE_RATE;
    return above;
}

static inline enum risk_reason decide(struct risk *risk, const struct order_request *request,
                                      const struct risk_replaced *replaced, const struct book_top *top,
                                      const struct risk_context *context)
{
    const uint64_t now_ns = context->now_ns;
    if (__builtin_expect((risk->kill_switch == NULL) | (risk->memory == NULL), 0)) {
        risk->decisions++;
        risk->reasons[RISK_LIMITS_INVALID]++;
        return RISK_LIMITS_INVALID;
    }
    look_at_tables(risk, now_ns);

    struct risk_terms terms;
    terms_of_symbol(risk, request->symbol, &terms);
    const uint64_t notional = (uint64_t)request->price * request->shares;
    const uint64_t replaced_value = (uint64_t)replaced->price * replaced->open_shares;
    const struct quantities order = {
        .notional = notional,
        .price_doubled = (uint64_t)request->price * 2,
        .middle_doubled = (uint64_t)top->bid_price + top->ask_price,
        .last_doubled = (uint64_t)context->last_price * 2,
        .position_max = request->side == 'B' ? terms.position_long_max : terms.position_short_max,
        .reach = reach_of(request, replaced->open_shares, context),
        .worth = worth_of(risk, request, notional > replaced_value ? notional - replaced_value : 0),
        .open_orders = risk->exposure.open_orders + (replaced->open_shares == 0),
        .order_credit = bucket_credit(&risk->orders, now_ns),
        .message_credit = bucket_credit(&risk->messages, now_ns),
    };
    uint64_t against = against_world(risk, request, context, &terms);
    against |= against_order(risk, request, top, context, &terms, &order);

    const enum risk_reason reason = reason_of_bit[__builtin_ctzll(against)];
    risk->generation = risk->head.generation;
    risk->decisions++;
    risk->reasons[reason]++;
    if (__builtin_expect(reason != RISK_NONE, 0)) {
        risk_note_block(risk, reason, now_ns);
        return reason;
    }
    bucket_settle(&risk->orders, order.order_credit - RISK_TOKEN, now_ns);
    bucket_settle(&risk->messages, order.message_credit - RISK_TOKEN, now_ns);
    remember(risk, request, now_ns);
    const uint64_t warned = above_soft(risk, request, &order);
    if (__builtin_expect(warned != 0, 0))
        risk_note_warnings(risk, warned);
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
    bucket_settle(&risk->messages, credit < RISK_TOKEN ? 0 : credit - RISK_TOKEN, now_ns);
}
