/* The risk gate: the last thing an order passes before it becomes bytes. It fails closed.
 *
 * An order passes only when nothing speaks against it. The reasons are tried in this order and the
 * first one that holds is the answer:
 *   KILL_SWITCH, LIMITS_INVALID, SESSION_DOWN, FEED_NOT_LIVE, BOOK_INCOMPLETE, LATE, HALTED,
 *   REQUEST_INVALID, ORDER_SHARES, PRICE_INVALID, NOTIONAL, COLLAR, POSITION, OWN_ORDERS_FULL,
 *   ORDER_RATE
 * so a rate token is taken only for an order that leaves. A request that passes can be encoded.
 *
 * Collar: the top must have both sides and bid < ask, and the price may be at most collar_permille
 * away from the middle, either way: |2p - (bid + ask)| * 1000 <= collar_permille * (bid + ask).
 * Position, worst case: position + all open buys + this buy <= position_long_max, and for a sale
 * position - all open sells - this sale >= -position_short_max.
 * Rate: a bucket of order_burst orders that fills with order_rate_per_s, counted in 1e-9 orders, so
 * that no rounding is lost: ns * rate. A clock that steps back fills nothing.
 *
 * Owner: the engine thread; the kill switch alone is written by others. Limits are checked against
 * their checksum at every order: a stray write closes the gate. Replacing limits is a call between
 * two orders, so an order sees all of the old or all of the new table.
 * Cost: about 25 ns, no division, no loop over anything but the eight words of the limits.
 */
#ifndef ENGINE_RISK_RISK_H
#define ENGINE_RISK_RISK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/book/top.h"
#include "engine/feed/state.h"
#include "engine/order/request.h"

/* Stable numbers: they are written to results. */
enum risk_reason {
    RISK_NONE = 0, /* passed */
    RISK_KILL_SWITCH = 1,
    RISK_FEED_NOT_LIVE = 2,
    RISK_BOOK_INCOMPLETE = 3,
    RISK_LATE = 4,
    RISK_SESSION_DOWN = 5,
    RISK_HALTED = 6,
    RISK_ORDER_SHARES = 7,
    RISK_NOTIONAL = 8,
    RISK_PRICE_INVALID = 9,
    RISK_COLLAR = 10,
    RISK_POSITION = 11,
    RISK_ORDER_RATE = 12,
    RISK_OWN_ORDERS_FULL = 13,
    RISK_LIMITS_INVALID = 14,
    RISK_REQUEST_INVALID = 15, /* side, stock, ordinal, time in force or sequence */
    RISK_REASON_COUNT = 16,
};

enum {
    RISK_LIMITS_VERSION = 1,
    RISK_SHARES_MAX = 999999,       /* bounds of the limits: what OUCH can say */
    RISK_PRICE_MAX = 1999999900,    /* 1/10000 */
    RISK_COLLAR_PERMILLE_MAX = 1000,
    RISK_RATE_MAX = 1000000000,     /* orders per second, and burst */
    RISK_ORDINAL_MAX = 9,
    RISK_TIME_IN_FORCE_MAX = 99999, /* seconds */
};

#define RISK_POSITION_MAX 1000000000000000ll /* shares; keeps sums far from overflow */
#define RISK_SEQUENCE_MAX 0xffffffffffffull

/* A limit of 0 lets nothing pass. */
struct risk_limits {
    uint32_t version;            /* set by risk_limits_seal() */
    uint32_t order_shares_max;   /* 0..RISK_SHARES_MAX */
    uint64_t notional_max;       /* shares * price, 1/10000 of the currency unit */
    uint64_t position_long_max;  /* shares, 0..RISK_POSITION_MAX */
    uint64_t position_short_max; /* shares, a positive number, 0..RISK_POSITION_MAX */
    uint32_t price_max;          /* 1/10000, 0..RISK_PRICE_MAX */
    uint32_t collar_permille;    /* 0..1000 */
    uint32_t order_burst;        /* orders, 0..RISK_RATE_MAX */
    uint32_t order_rate_per_s;   /* 0..RISK_RATE_MAX */
    uint32_t allow_unannounced;  /* 1: a symbol without a trading state counts as trading; else 0 */
    uint32_t generation;         /* the owner's own number of this table, for results */
    uint64_t checksum;           /* set by risk_limits_seal() */
};

_Static_assert(sizeof(struct risk_limits) == 64, "one cache line, eight words");

/* Any value but 0 stops all new orders. Written by the control thread or process. */
struct risk_kill_switch {
    _Atomic uint32_t value;
};

_Static_assert(sizeof(struct risk_kill_switch) == 4, "lives in the control block");

struct risk_context {
    uint64_t now_ns;           /* the engine's clock, does not step back */
    int64_t position;          /* of the symbol, see struct own_symbol */
    uint64_t open_buy_shares;
    uint64_t open_sell_shares;
    uint32_t feed_state;       /* enum feed_state */
    bool book_complete;
    bool session_up;
    bool late;                 /* the loop stalled and works off old input */
    bool own_orders_full;
    char trading_state;        /* 'T' trading; 0 = never announced; any other letter = halted */
    char reserved[7];
};

struct risk_options {
    struct risk_limits limits;           /* sealed */
    const struct risk_kill_switch *kill_switch; /* must outlive the gate */
};

struct risk {
    struct risk_limits limits; /* put struct risk at the start of a cache line */
    const struct risk_kill_switch *kill_switch; /* NULL: not initialised, gate closed */
    uint64_t credit;         /* 1e-9 orders */
    uint64_t credit_max;     /* order_burst * 1e9 */
    uint64_t fill_ns;        /* time from empty to full, rounded up */
    uint64_t credit_ns;      /* when credit was true */
    uint64_t reasons[RISK_REASON_COUNT]; /* answers given; [0] = passed */
};

/* Sets version and checksum. Call after the last change. */
void risk_limits_seal(struct risk_limits *limits);

/* Sealed, and every field inside its bounds. */
bool risk_limits_valid(const struct risk_limits *limits);

/* -EINVAL leaves a closed gate: limits not sealed or out of bounds, or no kill switch. */
int risk_init(struct risk *risk, const struct risk_options *options);

/* -EINVAL: the old limits stay. The bucket keeps what it holds now, at most the new burst. */
int risk_replace_limits(struct risk *risk, const struct risk_limits *limits, uint64_t now_ns);

/* RISK_NONE: send it. Any other answer: do not. Counted either way. */
enum risk_reason risk_check(struct risk *risk, const struct order_request *request,
                            const struct book_top *top, const struct risk_context *context);

/* Lower-case name of a reason, "unknown" outside of the table. */
const char *risk_reason_name(uint32_t reason);

#endif
