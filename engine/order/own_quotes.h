/* Own prices by symbol and side: which is the best of the orders that rest or may come to rest.
 *
 * A treap through the orders themselves, by price and slot; the priority is a hash of the slot, so that the depth is
 * that of a random tree, about 3 log2(n) at most. Private to own_orders*.c.
 * Owner: the engine thread. Cost: one walk down to add or remove, one more to find the best.
 * Invariant: own_best_bid and own_best_ask of a symbol are the best of its open orders with OWN_FLAG_QUOTED.
 */
#ifndef ENGINE_ORDER_OWN_QUOTES_H
#define ENGINE_ORDER_OWN_QUOTES_H

#include "engine/order/own_orders.h"

/* The order is open and has a time in force; its price must not change while it is in. */
void own_quotes_add(struct own_orders *orders, struct own_order *order);

/* Nothing happens when it is not in. */
void own_quotes_remove(struct own_orders *orders, struct own_order *order);

/* Gives an order another price, in its place or not. */
void own_quotes_move(struct own_orders *orders, struct own_order *order, uint32_t price);

#endif
