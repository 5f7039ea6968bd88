/* A strategy in a shared object: everything that such an object needs to know, and nothing else of the engine.
 *
 * The object exports one function, tailgate_strategy(), which returns a description: version and sizes of this file as
 * the object was compiled with, a name, and functions. The engine refuses an object whose version or sizes are not its
 * own, which needs a libc function other than memcpy, memmove, memset and memcmp, or whose SHA-256 is on no list.
 *
 *     tailgate strategy build my_strategy.c     compile it
 *     tailgate strategy check my_strategy.so    what the engine will say of it
 *     tailgate ctl strategy deploy my_strategy.so
 *
 * Contract of every function:
 *  - it runs on the engine's one thread, between a packet and its orders: nanoseconds count;
 *  - all state is in the memory given to init(), `state_bytes` of zeros aligned to 64 bytes; it lives until the object
 *    is unloaded. No allocation, no system call, no clock, no thread, no global that changes;
 *  - the orders it asks for are a function of what it was told: the same calls give the same orders;
 *  - it writes to its state and to `output`, nowhere else. What it points at dies with the call.
 * The engine takes a strategy away and puts the one before back when a call is too slow, when it asks for too many
 * orders, when the risk gate refuses too many of them, when it crashes and when it does not come back.
 *
 * Units: prices in 1/10000 of the currency unit, times in ns, a symbol is the venue's index (ITCH: stock locate).
 * Version 1. A change of any layout or meaning raises TAILGATE_STRATEGY_ABI.
 */
#ifndef TAILGATE_STRATEGY_ABI_H
#define TAILGATE_STRATEGY_ABI_H

#include <stdint.h>

#define TAILGATE_STRATEGY_ABI 1u

enum {
    TAILGATE_ORDERS_MAX = 4,       /* actions of one call */
    TAILGATE_SYMBOL_COUNT = 65536,
    TAILGATE_NAME_BYTES = 24,      /* with the closing zero */
};

/* ---- what it is told ---- */

/* tailgate_event.kind; other numbers may come and mean nothing to you. Only 1 to 6 change a book. */
enum {
    TAILGATE_EVENT_ADD = 1,
    TAILGATE_EVENT_EXECUTE = 2,
    TAILGATE_EVENT_EXECUTE_PRICE = 3,
    TAILGATE_EVENT_REDUCE = 4,
    TAILGATE_EVENT_DELETE = 5,
    TAILGATE_EVENT_REPLACE = 6,
    TAILGATE_EVENT_TRADE = 7,
    TAILGATE_EVENT_CROSS = 8,
    TAILGATE_EVENT_BROKEN = 9,
    TAILGATE_EVENT_SYSTEM = 10,        /* flag = event code */
    TAILGATE_EVENT_DIRECTORY = 11,     /* stock; shares = round lot */
    TAILGATE_EVENT_TRADING_STATE = 12, /* stock, flag = state letter */
};

struct tailgate_event {
    uint64_t sequence;            /* position of the feed message, 1.. */
    uint64_t time_ns;             /* venue's time stamp */
    uint64_t order_reference;
    uint64_t new_order_reference;
    uint64_t match;
    uint64_t wide_shares;
    uint32_t price;               /* 1/10000 */
    uint32_t shares;
    uint16_t symbol;
    uint8_t kind;
    char side;                    /* 'B' or 'S' */
    char flag;
    char venue_type;
    uint8_t venue;                /* 0 ITCH 5.0, 1 MDP 3.0 */
    uint8_t indicator;
    char stock[8];                /* space padded; first byte 0 = not said */
    int64_t wide_price;           /* MDP 3.0 only, as the rest */
    uint64_t priority;
    int32_t security;
    uint32_t report_sequence;
    uint32_t order_count;
    uint8_t level;
    uint8_t action;
    int8_t price_exponent;
    uint8_t reserved;
};

/* Best prices of the event's symbol after it; price 0: that side is empty. */
struct tailgate_top {
    uint32_t bid_price;
    uint32_t ask_price;
    uint32_t bid_shares; /* saturating */
    uint32_t ask_shares;
};

/* tailgate_own_event.kind; other numbers may come and mean nothing to you (8: an execution was corrected) */
enum {
    TAILGATE_OWN_ACCEPTED = 2,
    TAILGATE_OWN_REPLACED = 3,        /* previous_id is gone, order_id stands with `shares` at `price` */
    TAILGATE_OWN_CANCELED = 4,        /* `shares` were taken away */
    TAILGATE_OWN_SELF_TRADE = 5,      /* as CANCELED */
    TAILGATE_OWN_EXECUTED = 6,        /* `shares` at `price` */
    TAILGATE_OWN_BROKEN = 9,          /* an execution that never was */
    TAILGATE_OWN_REJECTED = 10,
    TAILGATE_OWN_CANCEL_PENDING = 11,
    TAILGATE_OWN_CANCEL_REJECTED = 12,
    TAILGATE_OWN_PRIORITY = 13,
};

/* What the venue said about an order of this strategy's letter: perhaps one of the version before. */
struct tailgate_own_event {
    uint64_t order_id;
    uint64_t previous_id;  /* REPLACED */
    uint64_t time_ns;      /* venue's time stamp */
    int64_t position;      /* of the symbol, shares, after this event */
    uint32_t shares;
    uint32_t price;
    uint32_t open_shares;  /* of the order, after this event */
    uint16_t symbol;
    uint8_t kind;
    char side;             /* 'B' or 'S' */
    char reason;           /* the venue's letter */
    char state;            /* ACCEPTED, REPLACED: 'L' live, 'D' dead */
    uint8_t reserved[14];
};

/* ---- what it asks for ---- */

enum {
    TAILGATE_ORDER_NEW = 0,     /* all but target_id */
    TAILGATE_ORDER_REPLACE = 1, /* target_id, price, shares to rest, time_in_force: a new id takes its place */
    TAILGATE_ORDER_CANCEL = 2,  /* target_id; shares = what shall be left of it, executed ones not counted */
};

/* Time in force: 0 immediate or cancel, 1..99997 seconds, 99998 until the close, 99999 until the system's end. */
struct tailgate_order {
    uint64_t target_id;
    uint32_t price;
    uint32_t shares;
    uint32_t time_in_force;
    uint16_t symbol;
    char side;      /* 'B' or 'S' */
    uint8_t kind;
    char stock[8];  /* first byte 0: the engine fills in the name it knows */
};

/* The engine sets all of it before a call but the orders. */
struct tailgate_output {
    uint32_t count;            /* 0; raise it for each order, at most TAILGATE_ORDERS_MAX */
    uint32_t first_ordinal;    /* of orders[0] */
    uint64_t trigger_sequence; /* the feed message that causes what is asked for */
    struct tailgate_order orders[TAILGATE_ORDERS_MAX];
};

/* The id that orders[index] will have in own events and as a target. */
static inline uint64_t tailgate_order_id(const struct tailgate_output *output, uint32_t index)
{
    return output->trigger_sequence << 8 | (output->first_ordinal + index);
}

/* Why on_refused() is called: a reason of the risk gate (1..), or one of these. */
enum {
    TAILGATE_REFUSED_UNSUPPORTED = 254, /* this engine cannot do it */
    TAILGATE_REFUSED_TOO_MANY = 255,    /* no token left for this feed message, or the output was overrun */
};

/* ---- the two sides ---- */

/* What the engine offers; keep the pointer. Callable from within the strategy's functions only. */
struct tailgate_host {
    uint32_t host_bytes;
    uint32_t abi_version;
    const void *engine; /* first argument of the functions */
    int64_t (*position)(const void *engine, uint16_t symbol); /* shares, + long */
};

struct tailgate_parameter {
    char name[TAILGATE_NAME_BYTES];
    int64_t value;
};

struct tailgate_parameters {
    uint32_t count;
    uint32_t reserved;
    const struct tailgate_parameter *items;
};

/* Functions but init, on_event and forget may be 0. */
struct tailgate_strategy {
    uint32_t abi_version;
    uint32_t strategy_bytes;
    uint32_t event_bytes;
    uint32_t top_bytes;
    uint32_t own_event_bytes;
    uint32_t order_bytes;
    uint32_t output_bytes;
    uint32_t host_bytes;
    uint64_t state_bytes;  /* 1..TAILGATE_STATE_BYTES_MAX */
    const char *name;      /* a-z, 0-9 and _ */
    const char *version;   /* printable */
    char letter;           /* 'A'..'Z': first character of its order tokens */
    char reserved[7];
    /* 0, or not 0: a parameter is unknown or out of range. The only call that may take its time. */
    int (*init)(void *state, const struct tailgate_parameters *parameters, const struct tailgate_host *host);
    /* Every feed message that the book took, with the top of its symbol (never null) after it. */
    void (*on_event)(void *state, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output);
    void (*on_own_order)(void *state, const struct tailgate_own_event *event, struct tailgate_output *output);
    /* About every millisecond. */
    void (*on_timer)(void *state, uint64_t now_ns, struct tailgate_output *output);
    /* This action of the last output did not leave. */
    void (*on_refused)(void *state, uint64_t order_id, const struct tailgate_order *order, uint32_t reason);
    /* The market begins anew: a snapshot, a new session, or this strategy comes back after another had its place. Own
     * orders and positions stay. It runs between two packets: raise an epoch rather than clear an array. */
    void (*forget)(void *state);
};

#define TAILGATE_STATE_BYTES_MAX (64ull << 20)

/* The one symbol that is looked for. */
#define TAILGATE_STRATEGY_SYMBOL "tailgate_strategy"
#define TAILGATE_STRATEGY_EXPORT __attribute__((visibility("default")))
TAILGATE_STRATEGY_EXPORT const struct tailgate_strategy *tailgate_strategy(void);

/* First members of a description. */
#define TAILGATE_STRATEGY_SIZES                                                                                        \
    .abi_version = TAILGATE_STRATEGY_ABI, .strategy_bytes = sizeof(struct tailgate_strategy),                          \
    .event_bytes = sizeof(struct tailgate_event), .top_bytes = sizeof(struct tailgate_top),                            \
    .own_event_bytes = sizeof(struct tailgate_own_event), .order_bytes = sizeof(struct tailgate_order),                \
    .output_bytes = sizeof(struct tailgate_output), .host_bytes = sizeof(struct tailgate_host)

_Static_assert(sizeof(struct tailgate_event) == 104, "version 1");
_Static_assert(sizeof(struct tailgate_top) == 16, "version 1");
_Static_assert(sizeof(struct tailgate_own_event) == 64, "version 1");
_Static_assert(sizeof(struct tailgate_order) == 32, "version 1");
_Static_assert(sizeof(struct tailgate_output) == 144, "version 1");
_Static_assert(sizeof(struct tailgate_strategy) == 112, "version 1");

#endif
