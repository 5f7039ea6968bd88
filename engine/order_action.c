#include "engine/order_action.h"

#include <string.h>

#include "engine/engine.h"

static enum risk_reason reason_of(enum own_orders_outcome outcome)
{
    return outcome == OWN_ORDERS_OK     ? RISK_NONE
           : outcome == OWN_ORDERS_FULL ? RISK_SESSION_DOWN
                                        : RISK_REQUEST_INVALID;
}

static enum risk_reason cancel(struct engine *engine, const struct order_action *action, uint64_t now_ns)
{
    const struct order_change change = {.token_key = action->target_key, .shares = action->shares};
    const enum risk_reason reason = reason_of(order_session_cancel(&engine->session, change, now_ns));
    if (reason == RISK_NONE)
        risk_note_cancel(&engine->risk, now_ns);
    return reason;
}

static enum risk_reason replace(struct engine *engine, const struct order_action *action, uint64_t now_ns)
{
    const struct own_order *order = own_orders_find(&engine->session.own_orders, action->target_key);
    if (order == NULL || !own_order_is_open(order->state))
        return RISK_REQUEST_INVALID;
    const struct risk_replaced replaced = {.open_shares = order->open_shares, .price = order->price};
    struct order_request request = {.trigger_sequence = action->trigger_sequence,
                                    .price = action->price,
                                    .shares = action->shares,
                                    .time_in_force = action->time_in_force,
                                    .symbol = order->symbol,
                                    .side = order->side,
                                    .ordinal = action->ordinal};
    memcpy(request.stock, engine->touch_taker.symbols[order->symbol].stock, sizeof(request.stock));
    const struct risk_context context = engine_risk_context(engine, order->symbol, now_ns);
    const enum risk_reason reason =
        risk_check_replace(&engine->risk, &request, &replaced, book_top(&engine->book, order->symbol), &context);
    if (reason != RISK_NONE)
        return reason;
    const struct order_change change = {
        .token_key = action->target_key,
        .new_token_key = ouch42_token_key(action->letter, action->trigger_sequence, action->ordinal),
        .shares = action->shares,
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
    while (risk_next_cancel(&engine->risk, &wish))
        order_session_cancel_all(
            &engine->session, wish.scope == RISK_SCOPE_SYMBOL ? wish.subject : (uint32_t)OWN_CANCEL_ALL_SYMBOLS,
            wish.scope == RISK_SCOPE_STRATEGY ? strategies_letter(&engine->strategies, wish.subject) : 0);
}
