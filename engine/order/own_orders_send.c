/* What the engine itself does to its orders: sent, canceled, replaced, modified, withdrawn, adopted, mass canceled.
 * See own_orders.h.
 */
#include "engine/order/ouch42.h"
#include "engine/order/own_orders_table.h"
#include "engine/order/order_bytes.h"

static inline bool terms_ok(const struct own_order *terms)
{
    return terms->token_key != 0 && order_side_ok(terms->side) && terms->shares - 1 < OUCH42_SHARES_MAX;
}

enum own_orders_outcome own_orders_insert(struct own_orders *orders, const struct own_order *terms)
{
    if (!terms_ok(terms)) {
        orders->counters.refused_invalid++;
        return OWN_ORDERS_INVALID;
    }
    const uint32_t cell = own_orders_find_cell(orders, terms->token_key);
    if (orders->index[cell].token_key == terms->token_key) {
        orders->counters.refused_duplicate++;
        return OWN_ORDERS_DUPLICATE;
    }
    if (own_orders_full(orders)) {
        orders->counters.refused_full++;
        return OWN_ORDERS_FULL;
    }
    struct own_order *order = own_orders_take_slot(orders, cell, terms->token_key);
    *order = *terms;
    order->state = OWN_PENDING;
    order->partner = OWN_SLOT_NONE;
    order->open_shares = 0;
    order->opened = ++orders->opened;
    own_orders_open(orders, order);
    own_orders_set_open_shares(orders, order, terms->shares);
    return OWN_ORDERS_OK;
}

enum own_orders_outcome own_orders_sent(struct own_orders *orders, const struct order_request *request,
                                        char strategy_letter)
{
    const struct own_order terms = {
        .token_key = ouch42_token_key(strategy_letter, request->trigger_sequence, request->ordinal),
        .price = request->price, .shares = request->shares, .symbol = request->symbol, .side = request->side,
        .time_in_force = request->time_in_force};
    const enum own_orders_outcome outcome = own_orders_insert(orders, &terms);
    orders->counters.sent += outcome == OWN_ORDERS_OK;
    return outcome;
}

bool own_orders_step(struct own_orders *orders, struct own_order *order, enum own_order_event on)
{
    const struct own_transition transition = own_order_transition(order->state, (uint8_t)on);
    (void)orders;
    if (transition.verdict == OWN_UNEXPECTED)
        return false;
    order->state = transition.next;
    return true;
}

struct own_order *own_orders_part(struct own_orders *orders, struct own_order *order)
{
    if (order->partner == OWN_SLOT_NONE)
        return NULL;
    struct own_order *partner = &orders->orders[order->partner];
    order->partner = partner->partner = OWN_SLOT_NONE;
    return partner;
}

void own_orders_recount(struct own_orders *orders, const struct own_order *old, struct own_order *new)
{
    const uint32_t since = own_order_executed(old) - new->chain_shares;
    const uint32_t left = new->shares > since ? new->shares - since : 0;
    own_orders_set_open_shares(orders, new, left > old->open_shares ? left - old->open_shares : 0);
}

bool own_orders_withdraw(struct own_orders *orders, uint64_t token_key)
{
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order == NULL || order->state != OWN_PENDING)
        return false;
    struct own_order *old = own_orders_part(orders, order);
    if (old != NULL)
        own_orders_step(orders, old, OWN_ON_REPLACE_REJECTED);
    own_orders_set_open_shares(orders, order, 0);
    own_orders_close(orders, order);
    orders->counters.withdrawn++;
    own_orders_free_slot(orders, order);
    return true;
}

enum own_orders_outcome own_orders_adopt(struct own_orders *orders, const struct own_event *accepted, uint16_t symbol)
{
    if (accepted->kind == OWN_EVENT_ACCEPTED && own_orders_lookup(orders, accepted->token_key) == NULL) {
        const struct own_order terms = {.token_key = accepted->token_key, .price = accepted->price,
                                        .shares = accepted->shares, .symbol = symbol, .side = accepted->side,
                                        .time_in_force = accepted->time_in_force};
        const enum own_orders_outcome outcome = own_orders_insert(orders, &terms);
        if (outcome != OWN_ORDERS_OK)
            return outcome;
        orders->counters.adopted++;
    }
    return own_orders_apply(orders, accepted);
}

static enum own_orders_outcome refused(struct own_orders *orders, enum own_orders_outcome outcome)
{
    orders->counters.changes_refused++;
    return outcome;
}

enum own_orders_outcome own_orders_cancel_sent(struct own_orders *orders, uint64_t token_key)
{
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order == NULL)
        return refused(orders, OWN_ORDERS_UNKNOWN);
    if (!own_orders_step(orders, order, OWN_ON_CANCEL_SENT))
        return refused(orders, OWN_ORDERS_REFUSED);
    orders->counters.cancels_sent++;
    return OWN_ORDERS_OK;
}

bool own_orders_may_replace(const struct own_order *order)
{
    return own_order_transition(order->state, OWN_ON_REPLACE_SENT).verdict != OWN_UNEXPECTED &&
           order->partner == OWN_SLOT_NONE;
}

enum own_orders_outcome own_orders_replace_sent(struct own_orders *orders, const struct order_change *change)
{
    struct own_order *old = own_orders_lookup(orders, change->token_key);
    if (old == NULL)
        return refused(orders, OWN_ORDERS_UNKNOWN);
    const uint32_t executed = own_order_executed(old);
    if (!own_orders_may_replace(old))
        return refused(orders, OWN_ORDERS_REFUSED);
    if (change->shares <= executed)
        return refused(orders, OWN_ORDERS_INVALID);
    const struct own_order terms = {.token_key = change->new_token_key, .price = change->price,
                                    .shares = change->shares - executed, .symbol = old->symbol, .side = old->side,
                                    .time_in_force = change->time_in_force};
    const enum own_orders_outcome outcome = own_orders_insert(orders, &terms);
    if (outcome != OWN_ORDERS_OK)
        return refused(orders, outcome);
    struct own_order *new = own_orders_lookup(orders, change->new_token_key);
    new->chain_shares = executed;
    new->partner = (uint32_t)(old - orders->orders);
    old->partner = (uint32_t)(new - orders->orders);
    own_orders_recount(orders, old, new);
    own_orders_step(orders, old, OWN_ON_REPLACE_SENT);
    orders->counters.replaces_sent++;
    return OWN_ORDERS_OK;
}

enum own_orders_outcome own_orders_modify_sent(struct own_orders *orders, const struct order_change *change)
{
    struct own_order *order = own_orders_lookup(orders, change->token_key);
    if (order == NULL)
        return refused(orders, OWN_ORDERS_UNKNOWN);
    if (change->side != 0 && (!order_side_ok(change->side) || (change->side == 'B') != (order->side == 'B')))
        return refused(orders, OWN_ORDERS_INVALID);
    const uint32_t executed = own_order_executed(order);
    if (change->shares <= executed || (change->side == 0 && change->shares - executed >= order->open_shares))
        return refused(orders, OWN_ORDERS_INVALID);
    if ((order->flags & OWN_FLAG_CHANGING) || !own_orders_step(orders, order, OWN_ON_MODIFY_SENT))
        return refused(orders, OWN_ORDERS_REFUSED);
    order->flags |= OWN_FLAG_CHANGING;
    orders->counters.modifies_sent++;
    return OWN_ORDERS_OK;
}

void own_orders_passed_over(struct own_orders *orders, uint64_t token_key)
{
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order != NULL)
        order->flags &= (uint8_t)~OWN_FLAG_CHANGING;
}

void own_orders_number(struct own_orders *orders, uint64_t token_key, uint32_t wire_number)
{
    struct own_order *order = own_orders_lookup(orders, token_key);
    if (order != NULL)
        order->wire_number = wire_number;
}

void own_orders_cancel_all(struct own_orders *orders, uint32_t symbol, char letter)
{
    struct own_mass_cancel *mass = &orders->mass;
    if (mass->under_way) {
        symbol = symbol == mass->symbol ? symbol : OWN_CANCEL_ALL_SYMBOLS;
        letter = letter == mass->letter ? letter : 0;
    }
    *mass = (struct own_mass_cancel){.symbol = symbol, .letter = letter, .under_way = true, .asked = true,
                                     .opened = orders->opened, .cursor = OWN_SLOT_NONE, .sent = mass->sent};
    mass->cursor = orders->open_head;
    orders->counters.mass_cancels++;
}

static bool meant(const struct own_mass_cancel *mass, const struct own_order *order)
{
    return (int32_t)(order->opened - mass->opened) <= 0 &&
           (mass->symbol == OWN_CANCEL_ALL_SYMBOLS || mass->symbol == order->symbol) &&
           (mass->letter == 0 || mass->letter == ouch42_key_letter(order->token_key));
}

uint64_t own_orders_cancel_next(struct own_orders *orders)
{
    struct own_mass_cancel *mass = &orders->mass;
    for (uint32_t look = 0; mass->under_way && look < OWN_CANCEL_LOOKS; look++) {
        if (mass->cursor == OWN_SLOT_NONE) { /* the round is over */
            mass->under_way = mass->left || mass->waiting;
            mass->held = mass->left && !mass->waiting;
            mass->left = mass->waiting = false;
            mass->cursor = orders->open_head;
            return 0;
        }
        const struct own_order *order = &orders->orders[mass->cursor];
        mass->cursor = order->next;
        if (!meant(mass, order))
            continue;
        *(order->flags & OWN_FLAG_HELD ? &mass->left : &mass->waiting) = true;
        if (own_order_waits_for_cancel(order->state))
            continue;
        mass->sent++;
        return order->token_key;
    }
    return 0;
}

enum own_cancel_state own_orders_cancel_state(const struct own_orders *orders)
{
    const struct own_mass_cancel *mass = &orders->mass;
    if (!mass->asked)
        return OWN_CANCEL_NONE;
    if (!mass->under_way)
        return OWN_CANCEL_ACKNOWLEDGED;
    return mass->held ? OWN_CANCEL_HELD : OWN_CANCEL_UNDER_WAY;
}
