/* Own orders: see own_orders.h.
 *
 * What the venue said is classified, looked up in the transition table and only then moves shares.
 * Executions are numbered; an entry of the ring is an order's own only
 * if it still carries the number the order remembers, so chains end where the ring has moved on.
 */
#include "engine/order/own_orders.h"

#include <string.h>

#include "engine/order/ouch42.h"
#include "engine/order/own_orders_table.h"

static inline uint64_t *open_shares_of(struct own_orders *orders, const struct own_order *order)
{
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    return order->side == 'B' ? &symbol->open_buy_shares : &symbol->open_sell_shares;
}

static void set_open_shares(struct own_orders *orders, struct own_order *order, uint32_t shares)
{
    *open_shares_of(orders, order) += (uint64_t)shares - order->open_shares; /* modulo 2^64 */
    order->open_shares = shares;
}

static inline bool terms_ok(uint64_t token_key, char side, uint32_t shares)
{
    return token_key != 0 && (side == 'B' || side == 'S' || side == 'T' || side == 'E') &&
           shares - 1 < OUCH42_SHARES_MAX;
}

static enum own_orders_outcome insert(struct own_orders *orders, uint64_t token_key, char side,
                                      uint32_t shares, uint32_t price, uint16_t symbol)
{
    if (!terms_ok(token_key, side, shares)) {
        orders->counters.refused_invalid++;
        return OWN_ORDERS_INVALID;
    }
    const uint32_t cell = own_orders_find_cell(orders, token_key);
    if (orders->index[cell].token_key == token_key) {
        orders->counters.refused_duplicate++;
        return OWN_ORDERS_DUPLICATE;
    }
    if (own_orders_full(orders)) {
        orders->counters.refused_full++;
        return OWN_ORDERS_FULL;
    }
    struct own_order *order = own_orders_take_slot(orders, cell, token_key);
    *order = (struct own_order){.token_key = token_key, .price = price, .shares = shares,
                                .next = OWN_SLOT_NONE, .symbol = symbol, .side = side,
                                .state = OWN_PENDING};
    orders->open_count++;
    set_open_shares(orders, order, shares);
    return OWN_ORDERS_OK;
}

enum own_orders_outcome own_orders_sent(struct own_orders *orders, const struct order_request *request,
                                        char strategy_letter)
{
    const uint64_t token_key =
        ouch42_token_key(strategy_letter, request->trigger_sequence, request->ordinal);
    const enum own_orders_outcome outcome =
        insert(orders, token_key, request->side, request->shares, request->price, request->symbol);
    orders->counters.sent += outcome == OWN_ORDERS_OK;
    return outcome;
}

bool own_orders_withdraw(struct own_orders *orders, uint64_t token_key)
{
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order == NULL || order->state != OWN_PENDING)
        return false;
    set_open_shares(orders, order, 0);
    orders->open_count--;
    orders->counters.withdrawn++;
    own_orders_free_slot(orders, order);
    return true;
}

static inline uint32_t add_saturating(uint32_t left, uint32_t right)
{
    return left + right < left ? UINT32_MAX : left + right;
}

static void move_position(struct own_orders *orders, const struct own_order *order, int64_t shares)
{
    orders->symbols[order->symbol].position += order->side == 'B' ? shares : -shares;
}

static void on_accepted(struct own_orders *orders, struct own_order *order,
                        const struct own_event *event)
{
    const bool live = event->state == 'L';
    orders->counters.accepted_amended += event->shares != order->shares;
    orders->counters.accepted += live;
    orders->counters.accepted_dead += !live;
    orders->symbols[order->symbol].accepted++;
    order->shares = event->shares;
    order->price = event->price;
    order->order_reference = event->order_reference;
    set_open_shares(orders, order, live ? event->shares : 0);
}

static void on_executed(struct own_orders *orders, struct own_order *order,
                        const struct own_event *event)
{
    const uint64_t number = ++orders->execution_count;
    orders->executions[number & orders->executions_mask] =
        (struct own_execution){.number = number, .previous = order->last_execution,
                               .match = event->match, .shares = event->shares, .price = event->price};
    order->last_execution = number;
    order->executed_shares = add_saturating(order->executed_shares, event->shares);
    set_open_shares(orders, order,
                    event->shares < order->open_shares ? order->open_shares - event->shares : 0);
    move_position(orders, order, event->shares);
    orders->symbols[order->symbol].executed_shares += event->shares;
    orders->counters.executed_shares += event->shares;
    orders->counters.executions++;
}

static void on_canceled(struct own_orders *orders, struct own_order *order,
                        const struct own_event *event)
{
    const uint32_t taken = event->shares < order->open_shares ? event->shares : order->open_shares;
    set_open_shares(orders, order, order->open_shares - taken);
    order->canceled_shares += taken;
    order->reason = event->reason;
    orders->symbols[order->symbol].canceled_shares += taken;
    orders->counters.canceled_shares += taken;
}

static void on_rejected(struct own_orders *orders, struct own_order *order,
                        const struct own_event *event)
{
    set_open_shares(orders, order, 0);
    order->reason = event->reason;
    orders->symbols[order->symbol].rejected++;
    orders->counters.rejected++;
}

/* The order's execution with that match, NULL when unknown, overwritten or already broken. */
static struct own_execution *find_execution(struct own_orders *orders, const struct own_order *order,
                                            uint64_t match)
{
    uint64_t number = order->last_execution;
    while (number != 0) {
        struct own_execution *execution = &orders->executions[number & orders->executions_mask];
        if (execution->number != number)
            return NULL;
        if (execution->match == match)
            return execution->shares != 0 ? execution : NULL;
        number = execution->previous;
    }
    return NULL;
}

/* Gives an execution other terms; 0 shares break it. False: no such execution. */
static bool revise(struct own_orders *orders, struct own_order *order, const struct own_event *event,
                   uint32_t shares)
{
    struct own_execution *execution = find_execution(orders, order, event->match);
    if (execution == NULL)
        return false;
    struct own_symbol *symbol = &orders->symbols[order->symbol];
    if (shares < execution->shares) {
        const uint32_t fewer = execution->shares - shares;
        order->broken_shares = add_saturating(order->broken_shares, fewer);
        symbol->broken_shares += fewer;
        orders->counters.broken_shares += fewer;
    } else {
        const uint32_t more = shares - execution->shares;
        order->executed_shares = add_saturating(order->executed_shares, more);
        symbol->executed_shares += more;
        orders->counters.executed_shares += more;
    }
    move_position(orders, order, (int64_t)shares - (int64_t)execution->shares);
    orders->counters.broken += shares == 0;
    orders->counters.corrected += shares != 0;
    execution->shares = shares;
    if (shares != 0)
        execution->price = event->price;
    return true;
}

static enum own_order_event classify(const struct own_order *order, const struct own_event *event)
{
    const bool all = event->shares >= order->open_shares;
    switch (event->kind) {
    case OWN_EVENT_ACCEPTED: return event->state == 'L' ? OWN_ON_ACCEPTED : OWN_ON_ACCEPTED_DEAD;
    case OWN_EVENT_EXECUTED:
    case OWN_EVENT_EXECUTED_REFERENCE: return all ? OWN_ON_EXECUTED_ALL : OWN_ON_EXECUTED_PART;
    case OWN_EVENT_CANCELED:
    case OWN_EVENT_SELF_TRADE_CANCELED: return all ? OWN_ON_CANCELED_ALL : OWN_ON_CANCELED_PART;
    case OWN_EVENT_REJECTED: return OWN_ON_REJECTED;
    case OWN_EVENT_CORRECTED: return OWN_ON_CORRECTED;
    case OWN_EVENT_BROKEN: return OWN_ON_BROKEN;
    case OWN_EVENT_CANCEL_PENDING: return OWN_ON_CANCEL_PENDING;
    case OWN_EVENT_CANCEL_REJECTED: return OWN_ON_CANCEL_REJECTED;
    case OWN_EVENT_PRIORITY: return OWN_ON_PRIORITY;
    case OWN_EVENT_REPLACED: return OWN_ON_REPLACED;
    case OWN_EVENT_MODIFIED: return OWN_ON_MODIFIED;
    case OWN_EVENT_TRADE_NOW: return OWN_ON_TRADE_NOW;
    default: return OWN_ON_COUNT;
    }
}

/* What an allowed event does to shares. Returns the verdict, which the numbers may make worse. */
static enum own_verdict take_effect(struct own_orders *orders, struct own_order *order,
                                    enum own_order_event on, const struct own_event *event,
                                    enum own_verdict verdict)
{
    const bool more_than_open = event->shares > order->open_shares;
    switch (on) {
    case OWN_ON_ACCEPTED:
    case OWN_ON_ACCEPTED_DEAD:
        if (event->side != order->side)
            return OWN_UNEXPECTED;
        on_accepted(orders, order, event);
        return verdict;
    case OWN_ON_EXECUTED_PART:
    case OWN_ON_EXECUTED_ALL:
        on_executed(orders, order, event);
        return more_than_open ? OWN_ACCOUNTED : verdict;
    case OWN_ON_CANCELED_PART:
    case OWN_ON_CANCELED_ALL:
        on_canceled(orders, order, event);
        return more_than_open ? OWN_ACCOUNTED : verdict;
    case OWN_ON_REJECTED: on_rejected(orders, order, event); return verdict;
    case OWN_ON_CORRECTED:
        return revise(orders, order, event, event->shares) ? verdict : OWN_UNEXPECTED;
    case OWN_ON_BROKEN: return revise(orders, order, event, 0) ? verdict : OWN_UNEXPECTED;
    case OWN_ON_PRIORITY:
        order->order_reference = event->order_reference;
        order->price = event->price;
        return verdict;
    default: return verdict;
    }
}

static enum own_orders_outcome unknown(struct own_orders *orders, const struct own_event *event)
{
    orders->counters.unknown++;
    orders->counters.unknown_executions +=
        event->kind == OWN_EVENT_EXECUTED || event->kind == OWN_EVENT_EXECUTED_REFERENCE;
    orders->counters.discrepancies++;
    return OWN_ORDERS_UNKNOWN;
}

enum own_orders_outcome own_orders_apply(struct own_orders *orders, const struct own_event *event)
{
    if (event->kind == OWN_EVENT_SYSTEM) {
        orders->system_event = event->reason;
        orders->counters.system++;
        return OWN_ORDERS_SYSTEM;
    }
    /* a replacement speaks of the order it replaced */
    const uint64_t token_key =
        event->kind == OWN_EVENT_REPLACED ? event->previous_token_key : event->token_key;
    if (token_key == 0) {
        orders->counters.foreign++;
        return OWN_ORDERS_FOREIGN;
    }
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order == NULL)
        return unknown(orders, event);
    const enum own_order_event on = classify(order, event);
    const struct own_transition transition = own_order_transition(order->state, (uint8_t)on);
    enum own_verdict verdict = transition.verdict;
    if (verdict != OWN_UNEXPECTED)
        verdict = take_effect(orders, order, on, event, verdict);
    if (verdict == OWN_UNEXPECTED) {
        orders->counters.unexpected++;
        orders->counters.discrepancies++;
        return OWN_ORDERS_UNEXPECTED;
    }
    const bool died = own_order_is_open(order->state) && !own_order_is_open(transition.next);
    order->state = transition.next;
    if (died)
        own_orders_bury(orders, order);
    if (verdict == OWN_EXPECTED)
        return OWN_ORDERS_OK;
    orders->counters.accounted++;
    orders->counters.discrepancies++;
    return OWN_ORDERS_ACCOUNTED;
}

enum own_orders_outcome own_orders_adopt(struct own_orders *orders, const struct own_event *accepted,
                                         uint16_t symbol)
{
    if (accepted->kind != OWN_EVENT_ACCEPTED)
        return own_orders_apply(orders, accepted);
    if (own_orders_lookup(orders, accepted->token_key) == NULL) {
        const enum own_orders_outcome outcome =
            insert(orders, accepted->token_key, accepted->side, accepted->shares, accepted->price, symbol);
        if (outcome != OWN_ORDERS_OK)
            return outcome;
        orders->counters.adopted++;
    }
    return own_orders_apply(orders, accepted);
}

void own_orders_note_undecodable(struct own_orders *orders)
{
    orders->counters.discrepancies++;
}
