/* The risk gate: the last thing an order passes before it becomes bytes. It fails closed.
 *
 * An order passes only when nothing speaks against it. The reasons are tried in this order and the first one that holds
 * is the answer:
 *   KILL_SWITCH, LIMITS_MISSING, LIMITS_INVALID, LIMITS_STALE, TRIPPED, KILL_SYMBOL, KILL_STRATEGY, SESSION_DOWN,
 *   SESSION_HOURS, FEED_NOT_LIVE, FEED_AGE, BOOK_INCOMPLETE, LATE, QUOTE_AGE, HALTED, RESTRICTED, REQUEST_INVALID,
 *   ORDER_SHARES, PRICE_INVALID, NOTIONAL, COLLAR, COLLAR_LAST, SHORT_SALE, POSITION, NET_EXPOSURE, GROSS_EXPOSURE,
 *   SELF_CROSS, DUPLICATE, OPEN_ORDERS, OWN_ORDERS_FULL, ORDER_RATE, MESSAGE_RATE
 * so a rate token is taken only for an order that leaves. A request that passes can be encoded. Cancels always pass.
 *
 * Limits come from a table (limits.h). LIMITS_MISSING: it was withdrawn. LIMITS_INVALID: a line that is read (head,
 * limits, account, soft, the symbol's entry, its profile) does not verify. LIMITS_STALE: now is at or after
 * valid_until_ns, or more than RISK_CREATED_TOLERANCE_NS before created_ns. Where the symbol has a profile, the profile's
 * limits stand in for the table's.
 *
 * Ages: now - feed_ns and now - quote_ns, 0 when in the future, must be below their limits.
 * Hours: session_open_ns <= market_ns < session_close_ns.
 * Collar: the top must have both sides and bid < ask, and the price may be at most collar_permille away from the middle,
 * either way: |2p - (bid + ask)| * 1000 <= collar_permille * (bid + ask). Last: unless off, a last price must be known,
 * and |p - last| * 1000 <= last_collar_permille * last.
 * Short sale: a sale after which position - all open sells - this sale < 0, in a symbol without RISK_SYMBOL_SHORT.
 * Position, worst case: position + all open buys + this buy <= position_long_max, and for a sale
 * position - all open sells - this sale >= -position_short_max.
 * Exposure, in 1/10000, from the gate's own account (see exposure.h): v, b and s are a symbol's position times the price
 * of its last execution, its open buys and its open sells, each at their own prices. V, B and S are their sums over
 * symbols, and gross the sum of max(v + b, s - v), the largest that a symbol's position can become. An order of value x
 * is against NET_EXPOSURE when V + B + x (buy) or S - V + x (sale) is above the limit, against GROSS_EXPOSURE when it
 * raises gross and gross is then above the limit. Once a sum was over RISK_EXPOSURE_MAX, or more was taken back than was
 * open, the account is lost and every order is against GROSS_EXPOSURE.
 * Self-crossing: a buy at or above own_best_ask, a sale at or below own_best_bid; 0 = no such order.
 * Duplicate: the terms (symbol, side, price, shares) of an order that passed less than duplicate_window_ns ago and is one
 * of the last RISK_RECENT_WAYS that passed among the symbols with the same number modulo RISK_RECENT_SETS.
 * Rate: a bucket of burst orders that fills with rate per second, counted in 1e-9 orders, so that no rounding is lost:
 * ns * rate. A clock that steps back fills nothing. Messages have a bucket of their own; orders, replaces and cancels take
 * from it, cancels also when it is empty.
 *
 * A replace is judged as the increase it causes: risk_check_replace() counts max(0, new - old open) shares, and as much
 * value; without an increase POSITION, SHORT_SALE, NET_EXPOSURE and GROSS_EXPOSURE do not speak. It opens no order.
 *
 * Soft limits: an order that passes and is above one is counted in warnings[reason], and the reason's bit is latched in
 * `warned` until the caller clears it. A warning for ORDER_RATE or MESSAGE_RATE: fewer than the given share of the burst
 * is left after it.
 *
 * Trips: an answer in trips.at_once, the `breaches`-th in trips.counted within window_ns of the first of its run, or
 * after an execution a POSITION, NET_EXPOSURE or GROSS_EXPOSURE over the hard limit that is in trips.after_fill, latches
 * the gate. So does, whatever the table says, a refusal that finds the line of trips, or an execution that finds any line,
 * not verifying (LIMITS_INVALID). Every order is then TRIPPED, and a mass cancel is asked for. Nothing but risk_rearm()
 * opens it. Trips, re-arms, kills that were seen, and the first warning of a reason (those of
 * one order in the order of their numbers), are recorded in a ring for the caller.
 *
 * Owner: the engine's thread; kill switches, commands and tables alone are written by a control thread (kills.h,
 * limits.h). Limits are checked against their checksums at every order: a stray write closes the gate. A swap of tables
 * is taken up between two orders, so an order sees all of the old or all of the new one.
 * Cost: 40 to 50 ns at the median, 30 ns back to back (make bench-risk; more on a shared core), no division, no loop over
 * anything but cache lines.
 */
#ifndef ENGINE_RISK_RISK_H
#define ENGINE_RISK_RISK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/book/top.h"
#include "engine/feed/state.h"
#include "engine/order/request.h"
#include "engine/risk/kills.h"
#include "engine/risk/limits.h"

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
    RISK_KILL_SYMBOL = 16,
    RISK_KILL_STRATEGY = 17,
    RISK_TRIPPED = 18,
    RISK_LIMITS_MISSING = 19,
    RISK_LIMITS_STALE = 20,
    RISK_SESSION_HOURS = 21,
    RISK_FEED_AGE = 22,
    RISK_QUOTE_AGE = 23,
    RISK_RESTRICTED = 24,
    RISK_COLLAR_LAST = 25,
    RISK_SHORT_SALE = 26,
    RISK_NET_EXPOSURE = 27,
    RISK_GROSS_EXPOSURE = 28,
    RISK_SELF_CROSS = 29,
    RISK_DUPLICATE = 30,
    RISK_OPEN_ORDERS = 31,
    RISK_MESSAGE_RATE = 32,
    RISK_REASON_COUNT = 33,
};

enum {
    RISK_ORDINAL_MAX = 9,
    RISK_TIME_IN_FORCE_MAX = 99999, /* seconds */
    RISK_RECENT_SETS = 64,
    RISK_RECENT_WAYS = 8,
    RISK_RECORD_COUNT = 64,
    RISK_CANCEL_COUNT = 16,
};

#define RISK_SEQUENCE_MAX 0xffffffffffffull

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
    bool rehearsal;            /* the same answer, and nothing is counted, taken, tripped, warned of or remembered */
    uint16_t strategy;         /* number of the strategy that asks: in the engine its letter */
    uint32_t last_price;       /* of the symbol's last trade, 1/10000; 0 = unknown */
    uint64_t market_ns;        /* ns since midnight of the venue's day, as the feed last said */
    uint64_t quote_ns;         /* when the symbol was last heard of, the engine's clock; 0 = never */
    uint64_t feed_ns;          /* when any datagram of the feed came last; 0 = never */
    uint32_t own_best_bid;     /* best own resting buy of the symbol, 1/10000; 0 = none */
    uint32_t own_best_ask;     /* best own resting sale; 0 = none */
};

/* What a replace takes back; what it asks for is in the request. */
struct risk_replaced {
    uint32_t open_shares;
    uint32_t price;
};

/* What the gate knows of one symbol: exposure.h. */
struct risk_symbol {
    int64_t position;  /* shares, + long */
    int64_t open_buy;  /* value of open buys, 1/10000 */
    int64_t open_sell;
    uint32_t mark;     /* price of the last execution */
    uint32_t reserved;
};

/* Orders that passed lately; symbols that share their number modulo RISK_RECENT_SETS share a set. */
struct risk_recent {
    uint64_t terms[RISK_RECENT_WAYS];   /* price << 32 | symbol / 64 << 22 | buy << 21 | shares; 0 = none */
    uint64_t sent_ns[RISK_RECENT_WAYS];
    uint64_t next;
    uint64_t reserved[7];
};

_Static_assert(sizeof(struct risk_symbol) == 32, "two to a cache line");
_Static_assert(sizeof(struct risk_recent) == 192, "three cache lines");

/* Too large for a stack or for small pages; zeroed by risk_init(). */
struct risk_memory {
    struct risk_kills kills;   /* control thread */
    struct risk_tables tables; /* control thread; `held` the gate */
    struct risk_symbol symbols[RISK_SYMBOL_COUNT];
    struct risk_recent recent[RISK_RECENT_SETS];
};

struct risk_options {
    struct risk_limits limits;                  /* sealed; in force until a table is published, all else off */
    const struct risk_kill_switch *kill_switch; /* must outlive the gate */
    struct risk_memory *memory;                 /* 64-byte aligned, must outlive the gate */
};

struct risk_bucket {
    uint64_t credit;     /* 1e-9 tokens */
    uint64_t credit_max; /* burst * 1e9 */
    uint64_t fill_ns;    /* time from empty to full, rounded up */
    uint64_t credit_ns;  /* when credit was true */
    uint64_t rate_per_s;
    uint64_t credit_soft; /* less than this left warns */
};

enum risk_record_kind {
    RISK_RECORD_NONE = 0,
    RISK_RECORD_TRIP = 1,         /* reason: what tripped it */
    RISK_RECORD_REARM = 2,        /* reason: what had tripped it, NONE: it was open; who */
    RISK_RECORD_KILL = 3,         /* the switch for all was seen thrown */
    RISK_RECORD_KILL_SYMBOL = 4,  /* subject */
    RISK_RECORD_KILL_STRATEGY = 5, /* subject */
    RISK_RECORD_KILL_OVER = 6,    /* the switch for all was seen released */
    RISK_RECORD_TABLE = 7,        /* another table was taken up: generation */
    RISK_RECORD_TABLE_LOST = 8,   /* reason: LIMITS_MISSING, LIMITS_INVALID or LIMITS_STALE */
    RISK_RECORD_WARN = 9,         /* reason: its bit was latched in `warned` */
    RISK_RECORD_KIND_COUNT = 10,
};

struct risk_record {
    uint64_t at_ns;
    uint64_t decisions;  /* given before it */
    uint32_t generation; /* of the table in force */
    uint32_t who;
    uint16_t subject;
    uint8_t kind;        /* enum risk_record_kind */
    uint8_t reason;      /* enum risk_reason */
    uint32_t reserved;
};

_Static_assert(sizeof(struct risk_record) == 32, "a row for export");

enum risk_scope { RISK_SCOPE_NONE = 0, RISK_SCOPE_ALL = 1, RISK_SCOPE_SYMBOL = 2, RISK_SCOPE_STRATEGY = 3 };

/* Asked of the order layer: cancel what is open of this. */
struct risk_cancel {
    uint8_t scope;    /* enum risk_scope */
    uint8_t reserved;
    uint16_t subject; /* symbol or strategy */
};

/* Sums over symbols: exposure.h. */
struct risk_exposure {
    int64_t value;       /* positions at their marks, 1/10000 */
    int64_t open_buy;
    int64_t open_sell;
    int64_t gross;
    uint32_t open_orders;
    bool lost;           /* a sum was out of range: it stays so */
    uint8_t reserved[3];
};

struct risk {
    union { /* put struct risk at the start of a cache line */
        struct risk_rules rules;
        struct {
            struct risk_head head;
            struct risk_limits limits;
            struct risk_account account;
            struct risk_soft soft;
            struct risk_trips trips;
        };
    };
    uint64_t digest[8]; /* of head, limits, account and soft, as they were when verified */
    const struct risk_kill_switch *kill_switch; /* NULL: not initialised, gate closed */
    struct risk_memory *memory;
    struct risk_kills *kills;             /* memory's, or a copy that is told when the gate is (journal_inputs.h) */
    const _Atomic uint64_t *publication;  /* memory's `published`, or the same copy's */
    const struct risk_table *table; /* for symbols and profiles; NULL: none published yet, or none good */
    uint64_t published;     /* as last looked at */
    bool missing;           /* withdrawn */
    bool tripped;
    uint8_t trip_reason;    /* enum risk_reason */
    uint8_t lost_reason;    /* of the limits, as last recorded; NONE */
    uint32_t generation;    /* of the table that the last answer used; 0: none verified */
    struct risk_bucket orders;
    struct risk_bucket messages;
    struct risk_exposure exposure;
    uint64_t trip_on_loss;  /* trips.at_once of the last good table */
    uint64_t breach_first_ns;
    uint32_t breach_count;
    bool killed;            /* the switch for all, as last polled */
    uint64_t decisions;
    uint64_t reasons[RISK_REASON_COUNT];  /* answers given; [0] = passed */
    uint64_t warnings[RISK_REASON_COUNT]; /* orders that passed above a soft limit */
    uint64_t warned;        /* bits of reasons, latched; the caller clears */
    uint64_t trip_count;
    uint64_t rearm_count;
    uint64_t cancel_count;  /* asked for */
    uint64_t cancel_taken;
    struct risk_cancel cancels[RISK_CANCEL_COUNT];
    uint64_t record_count;  /* the last RISK_RECORD_COUNT of them are kept */
    struct risk_record records[RISK_RECORD_COUNT];
};

/* -EINVAL leaves a closed gate: limits not sealed or out of bounds, no kill switch, no memory. */
int risk_init(struct risk *risk, const struct risk_options *options);

/* For gates without a table. -EINVAL: not valid, or a table is in force; the old limits stay. The bucket keeps what it
 * holds now, at most the new burst. */
int risk_replace_limits(struct risk *risk, const struct risk_limits *limits, uint64_t now_ns);

/* RISK_NONE: send it. Any other answer: do not. Counted either way. */
enum risk_reason risk_check(struct risk *risk, const struct order_request *request,
                            const struct book_top *top, const struct risk_context *context);

/* The same for a replace of an open order by the request's terms. */
enum risk_reason risk_check_replace(struct risk *risk, const struct order_request *request,
                                    const struct risk_replaced *replaced, const struct book_top *top,
                                    const struct risk_context *context);

/* A cancel is about to leave: it takes a message token if there is one, and always passes. */
void risk_note_cancel(struct risk *risk, uint64_t now_ns);

/* Once per poll: commands, tables and their loss, the switch for all. */
void risk_poll(struct risk *risk, uint64_t now_ns);

/* What is published becomes the table in force: `held` as risk_hold_table() gave it. For those who say when. */
uint64_t risk_hold_table(struct risk *risk, uint64_t published);
void risk_use_table(struct risk *risk, uint64_t held, uint64_t now_ns);

/* The only way to open a tripped gate. Recorded also when it was open. False: it was. */
bool risk_rearm(struct risk *risk, uint32_t who, uint64_t now_ns);

/* Latches the gate, asks for a mass cancel of everything, records. Also for callers with reasons of their own. */
void risk_trip(struct risk *risk, enum risk_reason reason, uint64_t now_ns);

/* Asks the order layer to cancel what is open. Does nothing else: the order layer takes the wishes one by one with
 * risk_next_cancel() and sends the cancels. More than RISK_CANCEL_COUNT waiting become one wish for everything. */
void risk_mass_cancel(struct risk *risk, enum risk_scope scope, uint16_t subject);

/* The next wish, oldest first. False: none. */
bool risk_next_cancel(struct risk *risk, struct risk_cancel *cancel);

/* Lower-case name of a reason, "unknown" outside of the table. */
const char *risk_reason_name(uint32_t reason);
const char *risk_record_name(uint32_t kind);

#endif
