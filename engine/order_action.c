#include "engine/order_action.h"

#include <string.h>

#include "engine/engine.h"
#include "engine/journal/record.h"

static enum risk_reason reason_of(enum own_orders_outcome outcome)
{
    return outcome == OWN_ORDERS_OK     ? RISK_NONE
           : outcome == OWN_ORDERS_FULL ? RISK_SESSION_DOWN
                                        : RISK_REQUEST_INVALID;
}

/* What the venue calls the order's shares when so many shall be left: executed ones count in. */
static uint64_t intended_total(const struct own_order *order, uint32_t left)
{
    return (uint64_t)left + own_order_executed(order);
}

static enum risk_reason cancel(struct engine *engine, const struct order_action *action, uint64_t now_ns)
{
    struct order_change change = {.token_key = action->target_key};
    const struct own_order *order = own_orders_find(&engine->session.own_orders, action->target_key);
    if (order != NULL && action->shares != 0) {
        const uint64_t total = intended_total(order, action->shares);
        if (total > OUCH42_SHARES_MAX)
            return RISK_REQUEST_INVALID;
        change.shares = (uint32_t)total;
    }
    return reason_of(order_session_cancel(&engine->session, change, now_ns));
}

static enum risk_reason replace(struct engine *engine, const struct order_action *action, uint64_t now_ns)
{
    const struct own_order *order = own_orders_find(&engine->session.own_orders, action->target_key);
    if (order == NULL || !own_orders_may_replace(order))
        return RISK_REQUEST_INVALID; /* before the gate: a token is taken only for what leaves */
    const uint64_t total = intended_total(order, action->shares);
    if (action->shares <= OUCH42_SHARES_MAX && total > OUCH42_SHARES_MAX)
        return RISK_REQUEST_INVALID; /* more shares alone: ORDER_SHARES, as for a new order */
    const struct risk_replaced replaced = {.open_shares = order->open_shares, .price = order->price};
    struct order_request request = {.trigger_sequence = action->trigger_sequence,
                                    .price = action->price,
                                    .shares = action->shares,
                                    .time_in_force = action->time_in_force,
                                    .symbol = order->symbol,
                                    .side = order->side,
                                    .ordinal = action->ordinal};
    memcpy(request.stock, engine->touch_taker.symbols[order->symbol].stock, sizeof(request.stock));
    take_inputs(engine, now_ns); /* a kill holds from the next decision on, of whatever kind */
    const struct risk_context context = engine_risk_context(engine, order->symbol, now_ns);
    const enum risk_reason reason =
        risk_check_replace(&engine->risk, &request, &replaced, book_top(&engine->book, order->symbol), &context);
    if (reason != RISK_NONE)
        return reason;
    const struct order_change change = {
        .token_key = action->target_key,
        .new_token_key = ouch42_token_key(action->letter, action->trigger_sequence, action->ordinal),
        .shares = (uint32_t)total,
        .price = action->price,
        .time_in_force = action->time_in_force,
    };
    return reason_of(order_session_replace(&engine->session, change, now_ns));
}

enum order_action_outcome engine_order_action(struct engine *engine, struct order_action *action, uint64_t now_ns)
{
    action->reason = (uint8_t)(action->kind == ORDER_ACTION_CANCEL ? cancel(engine, action, now_ns)
                                                                   : replace(engine, action, now_ns));
    return action->reason == RISK_NONE ? ORDER_ACTION_SENT : ORDER_ACTION_REFUSED;
}

void engine_order_cancels(struct engine *engine)
{
    struct risk_cancel wish;
    while (risk_next_cancel(&engine->risk, &wish)) /* a strategy is known by its letter, 0: all of them */
        order_session_cancel_all(
            &engine->session, wish.scope == RISK_SCOPE_SYMBOL ? wish.subject : (uint32_t)OWN_CANCEL_ALL_SYMBOLS,
            wish.scope == RISK_SCOPE_STRATEGY ? (char)wish.subject : 0);
}
