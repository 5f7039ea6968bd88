/* Own orders by token, and what they add up to: position and open shares per symbol.
 *
 * The state of an order follows one table, own_order_transition()[state][event]:
 *
 *     PENDING --accepted--> LIVE --executed--> PARTIAL --executed--> FILLED
 *        |  \--accepted dead--> DEAD   \---------\--canceled--> CANCELED
 *        \--rejected--> REJECTED
 *
 * A message that the table does not expect is counted and never believed, with one exception: shares
 * that the venue says are executed (or taken away) are accounted in whatever state the order is,
 * because the position is the venue's word, not ours. Every such message adds to `discrepancies`; a
 * careful engine stops sending when own_orders_trusted() is false.
 *
 * Room: open_max orders may be open at once (PENDING, LIVE, PARTIAL); one more is refused with
 * OWN_ORDERS_FULL. A dead order (FILLED, CANCELED, REJECTED, DEAD) keeps its slot, so that late
 * executions, corrections and breaks find it, until dead_keep further orders have died: then the
 * oldest dead one is recycled. Tokens are unique for the day, so a recycled token cannot be confused
 * with a new one: what still comes for it is counted as `unknown` (and unknown_executions).
 * Executions are kept in a ring of executions_max for corrections and breaks; an older one is unknown.
 *
 * Owner: the engine thread. Memory: the caller's, own_orders_bytes(), 64-byte aligned.
 * Cost: insert and apply about 20 ns each when the lines are in the cache; no allocation, no loop
 * longer than a probe (the index is at most half full) or one order's executions.
 * Invariants: open_buy and open_sell of a symbol are the sums of its open orders' open shares;
 * position is the sum of its executions, signed, less the broken ones.
 * Specification: OUCH 4.2 section 3 (outbound messages) and "semantics" of each.
 */
#ifndef ENGINE_ORDER_OWN_ORDERS_H
#define ENGINE_ORDER_OWN_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/order/own_event.h"
#include "engine/order/own_order.h"
#include "engine/order/request.h"

enum {
    OWN_ORDERS_SYMBOL_COUNT = 65536,
    OWN_ORDERS_MAX = 1 << 24,     /* upper bound of open_max + dead_keep */
    OWN_EXECUTIONS_MAX = 1 << 24,
};

enum own_orders_outcome {
    OWN_ORDERS_OK = 0,
    OWN_ORDERS_FULL = 1,       /* sent: open_max orders are open; nothing was stored */
    OWN_ORDERS_DUPLICATE = 2,  /* sent: token known already; the venue ignores such an order */
    OWN_ORDERS_INVALID = 3,    /* sent: no such token, side or shares */
    OWN_ORDERS_ACCOUNTED = 4,  /* apply: unexpected, shares accounted */
    OWN_ORDERS_UNEXPECTED = 5, /* apply: unexpected, ignored */
    OWN_ORDERS_UNKNOWN = 6,    /* apply: token of our form, not (or no longer) in the table */
    OWN_ORDERS_FOREIGN = 7,    /* apply: token of another form */
    OWN_ORDERS_SYSTEM = 8,     /* apply: system event, no order */
    OWN_ORDERS_OUTCOME_COUNT = 9,
};

struct own_execution {
    uint64_t number;   /* 1.., 0 = empty */
    uint64_t previous; /* the same order's execution before, 0 = none */
    uint64_t match;
    uint32_t shares;   /* 0 = broken */
    uint32_t price;
};

struct own_symbol {
    int64_t position;     /* shares, + long */
    uint64_t open_buy_shares;
    uint64_t open_sell_shares;
    uint64_t accepted;    /* orders */
    uint64_t executed_shares;
    uint64_t canceled_shares;
    uint64_t rejected;    /* orders */
    uint64_t broken_shares;
};

_Static_assert(sizeof(struct own_execution) == 32, "two to a cache line");
_Static_assert(sizeof(struct own_symbol) == 64, "one cache line");

struct own_orders_options {
    uint32_t open_max;       /* 1.. */
    uint32_t dead_keep;      /* 1.. */
    uint32_t executions_max; /* 1.., rounded up to a power of two */
};

struct own_orders_counters {
    uint64_t sent;
    uint64_t refused_full;
    uint64_t refused_duplicate;
    uint64_t refused_invalid;
    uint64_t accepted;
    uint64_t accepted_dead;
    uint64_t accepted_amended; /* accepted with other shares than sent */
    uint64_t rejected;
    uint64_t executions;
    uint64_t executed_shares;
    uint64_t canceled_shares;
    uint64_t corrected;
    uint64_t broken;
    uint64_t broken_shares;
    uint64_t recycled;
    uint64_t withdrawn;
    uint64_t adopted;
    uint64_t accounted;          /* verdict OWN_ACCOUNTED */
    uint64_t unexpected;         /* verdict OWN_UNEXPECTED, or a match, side or shares that do not fit */
    uint64_t unknown;
    uint64_t unknown_executions; /* of these, executions: the position is wrong by them */
    uint64_t foreign;
    uint64_t system;
    uint64_t discrepancies;      /* accounted + unexpected + unknown + undecodable */
};

struct own_orders {
    struct own_order *orders;
    struct own_orders_cell *index; /* private: open addressing, power of two */
    struct own_execution *executions;
    struct own_symbol *symbols;    /* OWN_ORDERS_SYMBOL_COUNT */
    uint32_t order_count;          /* slots: open_max + dead_keep */
    uint32_t index_mask;
    uint32_t executions_mask;
    uint32_t open_max;
    uint32_t dead_keep;
    uint32_t open_count;
    uint32_t dead_count;
    uint32_t free_head;
    uint32_t dead_head;            /* oldest */
    uint32_t dead_tail;
    uint64_t execution_count;
    char system_event;             /* last one, 0 = none */
    struct own_orders_counters counters;
};

/* Bytes for own_orders_init(), 0 when the options are out of range. */
size_t own_orders_bytes(const struct own_orders_options *options);

/* -EINVAL: options out of range, memory not 64-byte aligned; -ENOMEM: fewer bytes than needed. */
int own_orders_init(struct own_orders *orders, const struct own_orders_options *options, void *memory,
                    size_t memory_bytes);

/* An order has been given to the transport. After a passed risk check (which looked at
 * own_orders_full()) only OK or DUPLICATE are possible, so it may follow the send. */
enum own_orders_outcome own_orders_sent(struct own_orders *orders, const struct order_request *request,
                                        char strategy_letter);

/* The transport took nothing of it after all: a PENDING order vanishes. False: not PENDING. */
bool own_orders_withdraw(struct own_orders *orders, uint64_t token_key);

/* An OWN_EVENT_ACCEPTED of our token from before a restart, seen in a replay: makes the order known,
 * then applies the event. The caller knows the symbol from event->stock. */
enum own_orders_outcome own_orders_adopt(struct own_orders *orders, const struct own_event *accepted,
                                         uint16_t symbol);

enum own_orders_outcome own_orders_apply(struct own_orders *orders, const struct own_event *event);

/* A sequenced message could not be decoded: what it said about us is not known. */
void own_orders_note_undecodable(struct own_orders *orders);

const struct own_order *own_orders_find(const struct own_orders *orders, uint64_t token_key);

/* Walks the slots, 0..order_count - 1; NULL for a free one. For reports and mass cancels. */
const struct own_order *own_orders_at(const struct own_orders *orders, uint32_t slot);

static inline bool own_orders_full(const struct own_orders *orders)
{
    return orders->open_count >= orders->open_max;
}

static inline bool own_orders_trusted(const struct own_orders *orders)
{
    return orders->counters.discrepancies == 0;
}

static inline const struct own_symbol *own_orders_symbol(const struct own_orders *orders,
                                                         uint16_t symbol)
{
    return &orders->symbols[symbol];
}

#endif
