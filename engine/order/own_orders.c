/* Own orders: see own_orders.h.
 *
 * What the venue said is classified, looked up in the transition table and only then moves shares.
 * Executions are numbered; an entry of the ring is an order's own only
 * if it still carries the number the order remembers, so chains end where the ring has moved on.
 */
#include "engine/order/own_orders.h"

#include <string.h>

#include "engine/order/own_orders_table.h"
#include "engine/order/own_quotes.h"

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
    order->time_in_force = event->time_in_force;
    order->order_reference = event->order_reference;
    if (event->wire_number != 0)
        order->wire_number = event->wire_number;
    own_quotes_move(orders, order, event->price);
    if (live && event->time_in_force != 0)
        own_quotes_add(orders, order);
    own_orders_set_open_shares(orders, order, live ? event->shares : 0);
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
    own_orders_set_open_shares(orders, order,
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
    own_orders_set_open_shares(orders, order, order->open_shares - taken);
    order->canceled_shares += taken;
    order->reason = event->reason;
    order->flags &= (uint8_t)~OWN_FLAG_CHANGING;
    orders->symbols[order->symbol].canceled_shares += taken;
    orders->counters.canceled_shares += taken;
}

static void on_rejected(struct own_orders *orders, struct own_order *order,
                        const struct own_event *event)
{
    own_orders_set_open_shares(orders, order, 0);
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
    case OWN_EVENT_RESTATED: return OWN_ON_RESTATED;
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
        own_quotes_move(orders, order, event->price);
        return verdict;
    case OWN_ON_MODIFIED:
        if ((event->side == 'B') != (order->side == 'B') || event->shares == 0)
            return OWN_UNEXPECTED;
        order->side = event->side;
        if (event->shares > order->open_shares)
            order->shares = add_saturating(order->shares, event->shares - order->open_shares);
        order->flags &= (uint8_t)~OWN_FLAG_CHANGING;
        own_orders_set_open_shares(orders, order, event->shares);
        orders->counters.modified++;
        return verdict;
    case OWN_ON_CANCEL_PENDING: order->flags |= OWN_FLAG_HELD; return verdict;
    case OWN_ON_CANCEL_REJECTED:
        order->flags &= (uint8_t)~(OWN_FLAG_HELD | OWN_FLAG_CHANGING);
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

static enum own_orders_outcome outcome_of(struct own_orders *orders, enum own_verdict verdict)
{
    orders->counters.unexpected += verdict == OWN_UNEXPECTED;
    orders->counters.accounted += verdict == OWN_ACCOUNTED;
    orders->counters.discrepancies += verdict != OWN_EXPECTED;
    return verdict == OWN_EXPECTED    ? OWN_ORDERS_OK
           : verdict == OWN_ACCOUNTED ? OWN_ORDERS_ACCOUNTED
                                      : OWN_ORDERS_UNEXPECTED;
}

/* The order has died: what it was to be replaced by will not come, and what it was to replace stays. */
static void settle_partner(struct own_orders *orders, struct own_order *order, enum own_order_event on)
{
    struct own_order *partner = own_orders_part(orders, order);
    if (partner == NULL)
        return;
    if (on == OWN_ON_REJECTED) {
        orders->counters.replaces_rejected++;
        own_orders_step(orders, partner, OWN_ON_REPLACE_REJECTED);
    } else if (own_orders_step(orders, partner, OWN_ON_ABANDONED)) {
        orders->counters.abandoned++;
        own_orders_set_open_shares(orders, partner, 0);
        own_orders_bury(orders, partner);
    }
}

/* One event of one order through the table. */
static enum own_verdict turn(struct own_orders *orders, struct own_order *order, enum own_order_event on,
                             const struct own_event *event)
{
    const struct own_transition transition = own_order_transition(order->state, (uint8_t)on);
    enum own_verdict verdict = transition.verdict;
    const bool was_open = own_order_is_open(order->state);
    if (verdict != OWN_UNEXPECTED)
        verdict = take_effect(orders, order, on, event, verdict);
    if (verdict == OWN_UNEXPECTED)
        return verdict;
    order->state = transition.next;
    if (was_open && !own_order_is_open(order->state)) {
        own_orders_bury(orders, order);
        settle_partner(orders, order, on);
    } else if (order->partner != OWN_SLOT_NONE && own_order_is_pending(orders->orders[order->partner].state)) {
        own_orders_recount(orders, order, &orders->orders[order->partner]);
    }
    return verdict;
}

/* The chain goes on under another token; one that we never sent (or no longer know) is stored now. */
static enum own_orders_outcome replace(struct own_orders *orders, const struct own_event *event)
{
    struct own_order *old = own_orders_lookup(orders, event->previous_token_key);
    if (event->token_key == 0)
        orders->counters.foreign++;
    if (event->token_key == 0 && event->previous_token_key == 0)
        return OWN_ORDERS_FOREIGN;
    if (old == NULL || event->token_key == 0)
        return unknown(orders, event);
    const struct own_transition transition = own_order_transition(old->state, OWN_ON_REPLACED);
    if (transition.verdict == OWN_UNEXPECTED || event->token_key == event->previous_token_key ||
        (event->side == 'B') != (old->side == 'B'))
        return outcome_of(orders, OWN_UNEXPECTED);
    struct own_order *new = own_orders_lookup(orders, event->token_key);
    if (new == NULL) {
        const struct own_order terms = {.token_key = event->token_key, .price = event->price, .shares = event->shares,
                                        .symbol = old->symbol, .side = event->side,
                                        .time_in_force = event->time_in_force};
        if (own_orders_insert(orders, &terms) != OWN_ORDERS_OK)
            return unknown(orders, event);
        new = own_orders_lookup(orders, event->token_key);
    }
    if (!own_order_is_pending(new->state) || (new->side == 'B') != (old->side == 'B') || new->symbol != old->symbol)
        return outcome_of(orders, OWN_UNEXPECTED);
    struct own_order *expected = own_orders_part(orders, old), *other = own_orders_part(orders, new);
    if (expected != NULL && expected != new && own_orders_step(orders, expected, OWN_ON_ABANDONED)) {
        own_orders_set_open_shares(orders, expected, 0);
        own_orders_bury(orders, expected);
    }
    if (other != NULL)
        own_orders_step(orders, other, OWN_ON_REPLACE_REJECTED);
    new->side = event->side;
    new->chain_shares = add_saturating(old->chain_shares, old->executed_shares);
    own_orders_set_open_shares(orders, old, 0);
    old->state = transition.next;
    own_orders_bury(orders, old);
    orders->counters.replaced++;
    turn(orders, new, event->state == 'L' ? OWN_ON_ACCEPTED : OWN_ON_ACCEPTED_DEAD, event);
    return outcome_of(orders, transition.verdict);
}

enum own_orders_outcome own_orders_apply(struct own_orders *orders, const struct own_event *event)
{
    if (event->kind == OWN_EVENT_SYSTEM) {
        orders->system_event = event->reason;
        orders->counters.system++;
        return OWN_ORDERS_SYSTEM;
    }
    if (event->kind == OWN_EVENT_QUERY)
        return OWN_ORDERS_SYSTEM;
    if (event->kind == OWN_EVENT_REPLACED)
        return replace(orders, event);
    if (event->token_key == 0) {
        orders->counters.foreign++;
        return OWN_ORDERS_FOREIGN;
    }
    struct own_order *order = own_orders_lookup(orders, event->token_key);
    if (order == NULL)
        return unknown(orders, event);
    return outcome_of(orders, turn(orders, order, classify(order, event), event));
}

void own_orders_note_undecodable(struct own_orders *orders)
{
    orders->counters.discrepancies++;
}
