/* Private to own_orders.c: finds, takes, frees and recycles the slots of struct own_orders.
 *
 * Owner: the engine thread. Cost: one probe of an index that is at most half full.
 */
#ifndef ENGINE_ORDER_OWN_ORDERS_TABLE_H
#define ENGINE_ORDER_OWN_ORDERS_TABLE_H

#include "engine/order/own_orders.h"

struct own_orders_cell {
    uint64_t token_key; /* 0 = empty */
    uint32_t slot;
    uint32_t reserved;
};

/* Cell of the key, or the empty cell where it would go. */
uint32_t own_orders_find_cell(const struct own_orders *orders, uint64_t token_key);

/* NULL: not in the table. */
struct own_order *own_orders_lookup(const struct own_orders *orders, uint64_t token_key);

/* Cell is empty and from own_orders_find_cell(); the table is not full. The slot is not cleared. */
struct own_order *own_orders_take_slot(struct own_orders *orders, uint32_t cell, uint64_t token_key);

/* Forgets the order. It must not be in the line of dead ones. */
void own_orders_free_slot(struct own_orders *orders, struct own_order *order);

/* An open order has died: it stays known until dead_keep further ones have died. */
void own_orders_bury(struct own_orders *orders, struct own_order *order);

#endif
