/* One own order, and the table that says how it changes state: [state][event] -> next, verdict.
 *
 *     PENDING --accepted--> LIVE --executed--> PARTIAL --executed--> FILLED
 *        |                    |                   |  \--canceled--> CANCELED
 *        |  cancel sent       |  cancel sent      |  cancel sent
 *        v                    v                   v
 *     PENDING_NEW_CANCEL ->PENDING_CANCEL ->PENDING_CANCEL_PARTIAL      (back on cancel rejected)
 *                          PENDING_REPLACE->PENDING_REPLACE_PARTIAL     (back on replace rejected)
 *                             \--replaced--> REPLACED: its shares live on under another token
 *
 * What the engine sends is an event too; sent in a state that does not allow it, it is refused and nothing changes.
 * Pure: no memory but constants. The table is the whole behaviour; own_orders.c only classifies what
 * the venue said and moves shares. Specification: OUCH 4.2 section 3, OUCH 5.0 section 3.
 */
#ifndef ENGINE_ORDER_OWN_ORDER_H
#define ENGINE_ORDER_OWN_ORDER_H

#include <stdbool.h>
#include <stdint.h>

enum own_order_state {
    OWN_FREE = 0,     /* an unused slot; no order */
    OWN_PENDING = 1,  /* sent, not answered; also a replacement that was asked for */
    OWN_LIVE = 2,
    OWN_PARTIAL = 3,  /* live, some shares executed */
    OWN_FILLED = 4,   /* dead, as are the next three and REPLACED */
    OWN_CANCELED = 5,
    OWN_REJECTED = 6,
    OWN_DEAD = 7,     /* accepted and dead at once, or a replacement that never came to be */
    OWN_PENDING_CANCEL = 8,
    OWN_PENDING_CANCEL_PARTIAL = 9,
    OWN_PENDING_REPLACE = 10,
    OWN_PENDING_REPLACE_PARTIAL = 11,
    OWN_PENDING_NEW_CANCEL = 12, /* its cancel was sent before its answer came */
    OWN_REPLACED = 13,
    OWN_STATE_COUNT = 14,
};

enum own_order_event {
    OWN_ON_ACCEPTED = 0,      /* for a replacement: Replaced */
    OWN_ON_ACCEPTED_DEAD = 1,
    OWN_ON_EXECUTED_PART = 2, /* fewer shares than are open */
    OWN_ON_EXECUTED_ALL = 3,  /* as many as are open, or more */
    OWN_ON_CANCELED_PART = 4,
    OWN_ON_CANCELED_ALL = 5,
    OWN_ON_REJECTED = 6,
    OWN_ON_CORRECTED = 7,
    OWN_ON_BROKEN = 8,
    OWN_ON_CANCEL_PENDING = 9,
    OWN_ON_CANCEL_REJECTED = 10,
    OWN_ON_PRIORITY = 11,
    OWN_ON_REPLACED = 12,     /* by another token */
    OWN_ON_MODIFIED = 13,
    OWN_ON_TRADE_NOW = 14,
    OWN_ON_RESTATED = 15,
    OWN_ON_REPLACE_REJECTED = 16, /* its replacement was rejected */
    OWN_ON_ABANDONED = 17,        /* a replacement whose order died first: the venue says nothing */
    OWN_ON_CANCEL_SENT = 18,      /* of all shares */
    OWN_ON_REPLACE_SENT = 19,
    OWN_ON_MODIFY_SENT = 20,      /* also a cancel of some shares */
    OWN_ON_COUNT = 21,
};

enum own_verdict {
    OWN_EXPECTED = 0,
    OWN_ACCOUNTED = 1,  /* unexpected, but the venue's shares are accounted */
    OWN_UNEXPECTED = 2, /* unexpected, nothing changes; of what is sent: refused */
};

struct own_transition {
    uint8_t next;    /* enum own_order_state */
    uint8_t verdict; /* enum own_verdict */
};

#define OWN_SLOT_NONE UINT32_MAX

enum {
    OWN_FLAG_QUOTED = 1,  /* counts for the symbol's best own price: it rests or may come to rest */
    OWN_FLAG_HELD = 2,    /* the venue will cancel it after the cross (cancel pending) */
    OWN_FLAG_CHANGING = 4, /* a modify or a partial cancel is not answered yet */
};

struct own_order {
    /* what every message needs */
    uint64_t token_key;      /* see ouch42_token_key() */
    uint64_t order_reference;
    uint64_t last_execution; /* number of its newest execution, 0 = none */
    uint32_t price;          /* 1/10000, as accepted */
    uint32_t shares;         /* as accepted */
    uint32_t open_shares;    /* of a replacement not yet answered: what it would add to those of its order */
    uint32_t canceled_shares;
    uint32_t executed_shares; /* gross, saturating */
    uint32_t broken_shares;   /* saturating */
    uint32_t next;           /* link of the free or dead list, or of the open orders by age */
    uint16_t symbol;
    char side;               /* 'B', 'S', 'T' or 'E' */
    uint8_t state;           /* enum own_order_state */
    char reason;             /* of the last reject or cancel */
    uint8_t flags;           /* OWN_FLAG_* */
    char reserved[6];
    /* changes, lists */
    uint32_t chain_shares;   /* executed by the orders that this one replaced, saturating */
    uint32_t partner;        /* slot of its replacement, or of the order that it is to replace, until answered */
    uint32_t wire_number;    /* OUCH 5.0: UserRefNum; else 0 */
    uint32_t time_in_force;  /* seconds */
    uint32_t previous;       /* of the open orders by age */
    uint32_t quote_left;     /* own_quotes.c */
    uint32_t quote_right;
    uint32_t opened;         /* its number among all orders ever opened, modulo 2^32 */
    uint32_t reserved_end[8];
};

_Static_assert(sizeof(struct own_order) == 128, "two cache lines");

/* Executed shares of the order and of those that it replaced: what OUCH adds to the shares that are left. */
static inline uint32_t own_order_executed(const struct own_order *order)
{
    return order->chain_shares + order->executed_shares;
}

/* Out of range: stays where it is, OWN_UNEXPECTED. */
struct own_transition own_order_transition(uint8_t state, uint8_t event);
const char *own_order_state_name(uint8_t state);
const char *own_order_event_name(uint8_t event);

static inline bool own_order_is_open(uint8_t state)
{
    return state != OWN_FREE && (state < OWN_FILLED || (state > OWN_DEAD && state != OWN_REPLACED));
}

/* Sent, and the venue has not said yet whether it exists. */
static inline bool own_order_is_pending(uint8_t state)
{
    return state == OWN_PENDING || state == OWN_PENDING_NEW_CANCEL;
}

static inline bool own_order_waits_for_cancel(uint8_t state)
{
    return state == OWN_PENDING_CANCEL || state == OWN_PENDING_CANCEL_PARTIAL || state == OWN_PENDING_NEW_CANCEL;
}

static inline bool own_order_waits_for_replace(uint8_t state)
{
    return state == OWN_PENDING_REPLACE || state == OWN_PENDING_REPLACE_PARTIAL;
}

#endif
