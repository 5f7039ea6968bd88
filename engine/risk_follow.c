#include "engine/risk_follow.h"

/* What one token's order holds open now, added to or taken from a change. */
static void add_open(struct risk_change *change, uint16_t *symbol, const struct own_orders *orders, uint64_t token_key,
                     int sign)
{
    const struct own_order *order = token_key != 0 ? own_orders_find(orders, token_key) : NULL;
    if (order == NULL)
        return;
    *symbol = order->symbol;
    const int64_t value = (int64_t)order->open_shares * order->price; /* 20 and 31 bits */
    *(order->side == 'B' ? &change->open_buy : &change->open_sell) += sign * value;
    change->orders += sign * own_order_is_open(order->state);
}

static void add_both(struct risk_follow *follow, const struct own_orders *orders, int sign)
{
    add_open(&follow->change, &follow->symbol, orders, follow->token_key, sign);
    add_open(&follow->change, &follow->symbol, orders, follow->other_key, sign);
}

void risk_follow_begin(struct risk_follow *follow, const struct own_orders *orders, uint64_t token_key,
                       uint64_t other_key)
{
    const struct own_order *order = token_key != 0 && other_key == 0 ? own_orders_find(orders, token_key) : NULL;
    if (order != NULL && order->partner != OWN_SLOT_NONE) /* an order that dies takes its replacement with it */
        other_key = orders->orders[order->partner].token_key;
    *follow = (struct risk_follow){.token_key = token_key, .other_key = other_key};
    add_both(follow, orders, -1);
    follow->position = own_orders_symbol(orders, follow->symbol)->position;
}

void risk_follow_end(struct risk_follow *follow, struct risk *risk, const struct own_orders *orders, uint64_t now_ns)
{
    struct risk_change *change = &follow->change;
    add_both(follow, orders, 1);
    change->position = own_orders_symbol(orders, follow->symbol)->position - follow->position;
    if (change->position == 0)
        change->mark_price = 0;
    if (risk != NULL &&
        (change->open_buy != 0 || change->open_sell != 0 || change->orders != 0 || change->position != 0))
        risk_on_change(risk, follow->symbol, change, now_ns);
}

enum own_orders_outcome risk_follow(struct risk *risk, struct own_orders *orders, const struct own_event *event,
                                    uint64_t now_ns)
{
    const bool execution = event->kind == OWN_EVENT_EXECUTED || event->kind == OWN_EVENT_EXECUTED_REFERENCE;
    struct risk_follow follow;
    if (risk == NULL)
        return own_orders_apply(orders, event);
    risk_follow_begin(&follow, orders, event->token_key, event->previous_token_key);
    const enum own_orders_outcome outcome = own_orders_apply(orders, event);
    follow.change.mark_price = execution ? event->price : 0;
    risk_follow_end(&follow, risk, orders, now_ns);
    return outcome;
}
