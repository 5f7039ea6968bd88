/* Canonical market-data event: what book and strategy see instead of a venue's bytes.
 *
 * A decoder fills one event per message (ITCH) or per entry of a message (MDP 3.0); the event dies with the next one.
 * Fields that a kind does not name are zero. Raise EVENT_SCHEMA_VERSION when a meaning changes or a field is added.
 *
 * Version 2 adds the second venue and changes nothing of version 1: kinds from EVENT_LEVEL on, and the fields from
 * `wide_price` on, which are zero in every ITCH event. ITCH prices are `price` in 1/10000 and times are ns since
 * midnight of the venue's day; MDP 3.0 prices are `wide_price`, a mantissa whose power of ten is `price_exponent`
 * (negative prices are legal), and times are ns since 1970-01-01 UTC.
 */
#ifndef ENGINE_FEED_EVENT_H
#define ENGINE_FEED_EVENT_H

#include <stdint.h>

#define EVENT_SCHEMA_VERSION 2

#define EVENT_PRICE_NULL INT64_MAX     /* wide_price: the venue sent no price */
#define EVENT_QUANTITY_NULL UINT64_MAX /* wide_shares: the venue sent no quantity */

enum event_kind {
    EVENT_NONE = 0,
    EVENT_ADD = 1,           /* order_reference, side, shares, price, stock */
    EVENT_EXECUTE = 2,       /* order_reference, shares, match; at the order's own price */
    EVENT_EXECUTE_PRICE = 3, /* as EVENT_EXECUTE with price and printable (flag) */
    EVENT_REDUCE = 4,        /* order_reference, shares to take away */
    EVENT_DELETE = 5,        /* order_reference */
    EVENT_REPLACE = 6,       /* order_reference, new_order_reference, shares, price */
    EVENT_TRADE = 7,         /* tape only: side, shares, price, match, stock */
    EVENT_CROSS = 8,         /* tape only: wide_shares, price, match, stock, flag = cross type */
    EVENT_BROKEN = 9,        /* tape only: match */
    EVENT_SYSTEM = 10,       /* flag = event code */
    EVENT_DIRECTORY = 11,    /* stock; shares = round lot size */
    EVENT_TRADING_STATE = 12, /* stock, flag = state letter */
    EVENT_REFERENCE = 13,    /* any other reference message; flag = venue's type letter */
    /* order by price: level, action, side, flag = entry type, wide_price, wide_shares, order_count, report_sequence */
    EVENT_LEVEL = 14,
    /* order by order: order_reference, priority, action, side, wide_price, wide_shares; side 0: names no instrument */
    EVENT_ORDER = 15,
    EVENT_BOOK_RESET = 16,    /* one instrument's book is empty now; report_sequence */
    EVENT_CHANNEL_RESET = 17, /* every book is empty now; report sequences begin at 1 again */
    /* tape: wide_price, wide_shares, order_count, match, side = aggressor or ' ', action, report_sequence */
    EVENT_TRADE_SUMMARY = 18,
    EVENT_TRADE_ORDER = 19,  /* order_reference (0 = undisclosed), wide_shares; flag 'A' the aggressor, 'R' resting */
    EVENT_VOLUME = 20,       /* wide_shares traded in the session so far, action, report_sequence */
    /* flag = entry type, wide_price, wide_shares, action, report_sequence; level = open/close/settlement flag or bits,
     * shares = reference date in days since 1970-01-01 (65535 none) */
    EVENT_STATISTIC = 21,
    EVENT_LIMIT = 22,        /* wide_price; flag 'H' high, 'L' low, 'V' variation; report_sequence in 'H' only */
    /* flag = status code, action = halt reason, level = trading event, shares = trade date, stock = group; symbol 0:
     * the whole group */
    EVENT_STATUS = 23,
    EVENT_DEFINITION = 24,   /* flag = A D M, stock = symbol's first 8, level = depth, order_count = implied depth */
    /* the instrument's book was replaced by the venue's snapshot: read the book; report_sequence; match = the
     * position up to which the snapshot holds; flag 'P' by price, 'O' by order */
    EVENT_SNAPSHOT = 25,
    EVENT_KIND_COUNT = 26,
};

enum event_venue { EVENT_VENUE_ITCH50 = 0, EVENT_VENUE_MDP3 = 1, EVENT_VENUE_COUNT = 2 };

/* action; the numbers of MDP 3.0. EVENT_ORDER knows the first three only. */
enum event_action {
    EVENT_ACTION_NEW = 0,
    EVENT_ACTION_CHANGE = 1,
    EVENT_ACTION_DELETE = 2,
    EVENT_ACTION_DELETE_THRU = 3,
    EVENT_ACTION_DELETE_FROM = 4,
    EVENT_ACTION_OVERLAY = 5,
    EVENT_ACTION_COUNT = 6,
};

/* indicator: the venue's match event indicator. END is set in the last event of what was published together only. */
enum {
    EVENT_INDICATOR_RECOVERY = 1u << 5,
    EVENT_INDICATOR_END = 1u << 7,
};

struct event {
    uint64_t sequence;            /* feed message number, 1..; MDP 3.0: position of the packet */
    uint64_t time_ns;             /* venue's time stamp */
    uint64_t order_reference;
    uint64_t new_order_reference;
    uint64_t match;
    uint64_t wide_shares;         /* EVENT_CROSS and MDP 3.0: 64-bit quantity */
    uint32_t price;               /* 1/10000 */
    uint32_t shares;
    uint16_t symbol;              /* index of the instrument (ITCH: stock locate), 0 = none */
    uint8_t kind;                 /* enum event_kind */
    char side;                    /* 'B' or 'S' */
    char flag;                    /* see kind */
    char venue_type;              /* the venue's own message type: a letter, or a template number below 256 */
    uint8_t venue;                /* enum event_venue */
    uint8_t indicator;            /* bits, see above */
    char stock[8];                /* space padded, not terminated */
    /* since version 2, zero for ITCH */
    int64_t wide_price;           /* times 10 to the power of price_exponent; EVENT_PRICE_NULL */
    uint64_t priority;            /* among the orders of a price: the lowest is first */
    int32_t security;             /* the venue's instrument number */
    uint32_t report_sequence;     /* number of the entry among the instrument's; 0 = has none */
    uint32_t order_count;         /* orders behind a quantity */
    uint8_t level;                /* 1 = best; also see kind */
    uint8_t action;               /* enum event_action */
    int8_t price_exponent;
    uint8_t reserved;
};

_Static_assert(sizeof(struct event) == 104, "struct event is part of the strategy interface");

#endif
