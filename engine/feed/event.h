/* Canonical market-data event: what book and strategy see instead of a venue's bytes.
 *
 * A decoder fills one event per message and the event dies with the next message.
 * Prices are in 1/10000 of the currency unit. Times are ns since midnight of the venue's day.
 * Fields that a kind does not name are zero. Raise EVENT_SCHEMA_VERSION when a meaning changes.
 */
#ifndef ENGINE_FEED_EVENT_H
#define ENGINE_FEED_EVENT_H

#include <stdint.h>

#define EVENT_SCHEMA_VERSION 1

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
    EVENT_KIND_COUNT = 14,
};

struct event {
    uint64_t sequence;            /* feed message number, 1.. */
    uint64_t time_ns;             /* venue's time stamp */
    uint64_t order_reference;
    uint64_t new_order_reference;
    uint64_t match;
    uint64_t wide_shares;         /* EVENT_CROSS: 64-bit quantity */
    uint32_t price;               /* 1/10000 */
    uint32_t shares;
    uint16_t symbol;              /* stock locate: index of the instrument, 0 = none */
    uint8_t kind;                 /* enum event_kind */
    char side;                    /* 'B' or 'S' */
    char flag;                    /* see kind */
    char venue_type;              /* the venue's own message type letter */
    char reserved[2];
    char stock[8];                /* space padded, not terminated */
};

_Static_assert(sizeof(struct event) == 72, "struct event is part of the strategy interface");

#endif
