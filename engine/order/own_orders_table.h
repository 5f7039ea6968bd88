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

/* A slot that was just taken becomes an open order: the youngest, with no open shares yet. */
void own_orders_open(struct own_orders *orders, struct own_order *order);

/* The opposite, for one that dies or vanishes: it leaves the list, the counts and the prices. */
void own_orders_close(struct own_orders *orders, struct own_order *order);

void own_orders_set_open_shares(struct own_orders *orders, struct own_order *order, uint32_t shares);

/* Stores an order in state PENDING. */
enum own_orders_outcome own_orders_insert(struct own_orders *orders, const struct own_order *terms);

/* The table's word on an event that has no effect but the state's; false = not allowed, nothing changes. */
bool own_orders_step(struct own_orders *orders, struct own_order *order, enum own_order_event on);

/* The open shares of a replacement that is not answered: what it would add to those of the order it waits for. */
void own_orders_recount(struct own_orders *orders, const struct own_order *old, struct own_order *new);

/* The order's partner has ended or come to be: each forgets the other. NULL: it had none. */
struct own_order *own_orders_part(struct own_orders *orders, struct own_order *order);

#endif
