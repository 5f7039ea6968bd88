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

enum own_orders_outcome risk_follow(struct risk *risk, struct own_orders *orders, const struct own_event *event,
                                    uint64_t now_ns)
{
    const bool execution = event->kind == OWN_EVENT_EXECUTED || event->kind == OWN_EVENT_EXECUTED_REFERENCE;
    struct risk_change change = {0};
    uint16_t symbol = 0;
    if (risk == NULL)
        return own_orders_apply(orders, event);
    add_open(&change, &symbol, orders, event->token_key, -1);
    add_open(&change, &symbol, orders, event->previous_token_key, -1);
    const int64_t position = own_orders_symbol(orders, symbol)->position;
    const enum own_orders_outcome outcome = own_orders_apply(orders, event);
    add_open(&change, &symbol, orders, event->token_key, 1);
    add_open(&change, &symbol, orders, event->previous_token_key, 1);
    change.position = own_orders_symbol(orders, symbol)->position - position;
    change.mark_price = execution && change.position != 0 ? event->price : 0;
    if (change.open_buy != 0 || change.open_sell != 0 || change.orders != 0 || change.position != 0)
        risk_on_change(risk, symbol, &change, now_ns);
    return outcome;
}
