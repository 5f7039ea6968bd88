/* One own order, and the table that says how it changes state: [state][event] -> next, verdict.
 *
 * Pure: no memory but constants. The table is the whole behaviour; own_orders.c only classifies what
 * the venue said and moves shares. Specification: OUCH 4.2 section 3.
 */
#ifndef ENGINE_ORDER_OWN_ORDER_H
#define ENGINE_ORDER_OWN_ORDER_H

#include <stdbool.h>
#include <stdint.h>

enum own_order_state {
    OWN_FREE = 0,     /* an unused slot; no order */
    OWN_PENDING = 1,  /* sent, not answered */
    OWN_LIVE = 2,
    OWN_PARTIAL = 3,  /* live, some shares executed */
    OWN_FILLED = 4,   /* from here on dead */
    OWN_CANCELED = 5,
    OWN_REJECTED = 6,
    OWN_DEAD = 7,     /* accepted and dead at once */
    OWN_STATE_COUNT = 8,
};

enum own_order_event {
    OWN_ON_ACCEPTED = 0,
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
    OWN_ON_REPLACED = 12,     /* this engine sends no replace, modify or trade now */
    OWN_ON_MODIFIED = 13,
    OWN_ON_TRADE_NOW = 14,
    OWN_ON_COUNT = 15,
};

enum own_verdict {
    OWN_EXPECTED = 0,
    OWN_ACCOUNTED = 1,  /* unexpected, but the venue's shares are accounted */
    OWN_UNEXPECTED = 2, /* unexpected, nothing changes */
};

struct own_transition {
    uint8_t next;    /* enum own_order_state */
    uint8_t verdict; /* enum own_verdict */
};

#define OWN_SLOT_NONE UINT32_MAX

struct own_order {
    uint64_t token_key;      /* see ouch42_token_key() */
    uint64_t order_reference;
    uint64_t last_execution; /* number of its newest execution, 0 = none */
    uint32_t price;          /* 1/10000, as accepted */
    uint32_t shares;         /* as accepted */
    uint32_t open_shares;
    uint32_t canceled_shares;
    uint32_t executed_shares; /* gross, saturating */
    uint32_t broken_shares;   /* saturating */
    uint32_t next;           /* link of the free or dead list */
    uint16_t symbol;
    char side;               /* 'B', 'S', 'T' or 'E' */
    uint8_t state;           /* enum own_order_state */
    char reason;             /* of the last reject or cancel */
    char reserved[7];
};

_Static_assert(sizeof(struct own_order) == 64, "one cache line");

/* Out of range: stays where it is, OWN_UNEXPECTED. */
struct own_transition own_order_transition(uint8_t state, uint8_t event);
const char *own_order_state_name(uint8_t state);
const char *own_order_event_name(uint8_t event);

static inline bool own_order_is_open(uint8_t state)
{
    return state == OWN_PENDING || state == OWN_LIVE || state == OWN_PARTIAL;
}

#endif
