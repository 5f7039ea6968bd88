/* Own orders by token, and what they add up to: position, open shares and best own prices per symbol.
 *
 * The state of an order follows one table, own_order_transition()[state][event]: see own_order.h.
 * A message that the table does not expect is counted and never believed, with one exception: shares
 * that the venue says are executed (or taken away) are accounted in whatever state the order is,
 * because the position is the venue's word, not ours. Every such message adds to `discrepancies`; a
 * careful engine stops sending when own_orders_trusted() is false.
 *
 * Replacing: the new token is an order of its own from the moment it is sent, in state PENDING, whose open shares
 * are what it would add to those of the order it replaces: so the sums hold the worst of both. Replaced moves the
 * shares; when the old order dies first, OUCH is silent about the new token, and so it is abandoned here.
 *
 * Best own prices (own_best_bid, own_best_ask, 0 = none) are those of open orders with a time in force, from the moment
 * they are sent: what could trade with an order of ours. Immediate-or-cancel orders never rest and do not count.
 *
 * Mass cancel: own_orders_cancel_all() marks what is to go, own_orders_cancel_next() yields one order at a time and
 * looks at no more than OWN_CANCEL_LOOKS open ones a call, own_orders_cancel_state() says when nothing of it is open.
 *
 * Room: open_max orders may be open at once (PENDING, LIVE, PARTIAL); one more is refused with
 * OWN_ORDERS_FULL. A dead order (FILLED, CANCELED, REJECTED, DEAD, REPLACED) keeps its slot, so that late
 * executions, corrections and breaks find it, until dead_keep further orders have died: then the
 * oldest dead one is recycled. Tokens are unique for the day, so a recycled token cannot be confused
 * with a new one: what still comes for it is counted as `unknown` (and unknown_executions).
 * Executions are kept in a ring of executions_max for corrections and breaks; an older one is unknown.
 *
 * Owner: the engine thread. Memory: the caller's, own_orders_bytes(), 64-byte aligned.
 * Cost: insert and apply some tens of ns each when the lines are in the cache (an order has two, and entering or leaving
 * the list of open ones touches those of its neighbours), and for a resting order two walks in a treap of the symbol's
 * own prices (own_quotes.h); no allocation, no other loop longer than a probe (the index is at most half full) or one
 * order's executions.
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
    OWN_CANCEL_LOOKS = 256,       /* open orders looked at by one own_orders_cancel_next() */
    OWN_CANCEL_ALL_SYMBOLS = 65536,
};

enum own_cancel_state {
    OWN_CANCEL_NONE = 0,
    OWN_CANCEL_UNDER_WAY = 1,
    OWN_CANCEL_HELD = 2,         /* what is left, the venue has promised to cancel after the cross */
    OWN_CANCEL_ACKNOWLEDGED = 3, /* nothing of it is open */
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
    OWN_ORDERS_REFUSED = 9,    /* cancel, replace, modify: the order's state does not allow it; nothing changed */
    OWN_ORDERS_OUTCOME_COUNT = 10,
};

struct own_execution {
    uint64_t number;   /* 1.., 0 = empty */
    uint64_t previous; /* the same order's execution before, 0 = none */
    uint64_t match;
    uint32_t shares;   /* 0 = broken */
    uint32_t price;
};

struct own_symbol {
    /* what the risk gate reads */
    int64_t position;     /* shares, + long */
    uint64_t open_buy_shares;
    uint64_t open_sell_shares;
    uint32_t own_best_bid; /* 1/10000, of our own orders that rest or may come to rest; 0 = none */
    uint32_t own_best_ask;
    uint32_t open_buy_orders;
    uint32_t open_sell_orders;
    uint64_t accepted;    /* orders */
    uint64_t executed_shares;
    uint64_t canceled_shares;
    /* the rest */
    uint64_t rejected;    /* orders */
    uint64_t broken_shares;
    uint32_t quotes[2];   /* roots of own_quotes.h: buy, sell; slot + 1, 0 = empty */
    uint64_t reserved[5];
};

_Static_assert(sizeof(struct own_execution) == 32, "two to a cache line");
_Static_assert(sizeof(struct own_symbol) == 128, "two cache lines, the first of them hot");

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
    uint64_t cancels_sent;
    uint64_t replaces_sent;
    uint64_t modifies_sent;      /* partial cancels too */
    uint64_t changes_refused;    /* cancels, replaces and modifies that the order's state does not allow */
    uint64_t replaced;
    uint64_t replaces_rejected;
    uint64_t abandoned;          /* replacements whose order died first */
    uint64_t modified;
    uint64_t mass_cancels;
};

/* A mass cancel: who is meant, and how far it has come. */
struct own_mass_cancel {
    uint32_t symbol; /* stock locate, OWN_CANCEL_ALL_SYMBOLS = every one */
    char letter;     /* of the strategy, 0 = every one */
    bool under_way;
    bool asked;      /* there was one */
    bool left;       /* in this round: the venue still held some for the cross */
    bool waiting;    /* in this round: others were still open */
    bool held;       /* the last round found none but those that the venue holds */
    uint32_t opened; /* the youngest order that is meant: those sent later are not */
    uint32_t cursor; /* slot to look at next, OWN_SLOT_NONE = a new round begins */
    uint64_t sent;   /* orders yielded */
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
    uint32_t opened;               /* orders ever opened, modulo 2^32 */
    uint32_t open_head;            /* open orders by age, oldest first */
    uint32_t open_tail;
    struct own_mass_cancel mass;
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

/* A cancel of all shares was, or is about to be, sent. OK, REFUSED or UNKNOWN. */
enum own_orders_outcome own_orders_cancel_sent(struct own_orders *orders, uint64_t token_key);

/* False: own_orders_replace_sent() would say REFUSED. */
bool own_orders_may_replace(const struct own_order *order);

/* A replacement: the new token becomes an order. OK, REFUSED, UNKNOWN, FULL, DUPLICATE, or INVALID when the intended
 * total leaves nothing (cancel it then) or a term cannot be said. */
enum own_orders_outcome own_orders_replace_sent(struct own_orders *orders, const struct order_change *change);

/* A modify, or (side 0) a cancel of some shares: nothing changes before the venue says so. One at a time. OK, REFUSED,
 * UNKNOWN, or INVALID when nothing would be left (cancel it then), or nothing taken away, or the side would turn (buy
 * and sell; short and long sells may change into each other). */
enum own_orders_outcome own_orders_modify_sent(struct own_orders *orders, const struct order_change *change);

/* The venue has passed over a modify or a cancel of some shares in silence: another one may be sent. */
void own_orders_passed_over(struct own_orders *orders, uint64_t token_key);

/* The order's number on the wire (OUCH 5.0). */
void own_orders_number(struct own_orders *orders, uint64_t token_key, uint32_t wire_number);

/* Begins a mass cancel of what is open now, not of orders that are sent later; also while another is under way (the two
 * are one then, of all that either meant, widened to every symbol or strategy where they differ). */
void own_orders_cancel_all(struct own_orders *orders, uint32_t symbol, char letter);

/* The next order to cancel, 0 = none now. Each one that is yielded must be noted with own_orders_cancel_sent(). */
uint64_t own_orders_cancel_next(struct own_orders *orders);

enum own_cancel_state own_orders_cancel_state(const struct own_orders *orders);

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
