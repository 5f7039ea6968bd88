/* Canonical own-order event: what the venue said about one of our orders, without the venue's bytes.
 *
 * A decoder fills one per message; it dies with the next one. Prices are in 1/10000 of the currency
 * unit, times are ns since midnight of the venue's day. Fields that a kind does not name are zero.
 * token_key is 0 when the token was not written by this engine (see ouch42_token_parse()).
 * Raise OWN_EVENT_SCHEMA_VERSION when a meaning changes.
 */
#ifndef ENGINE_ORDER_OWN_EVENT_H
#define ENGINE_ORDER_OWN_EVENT_H

#include <stdint.h>

#define OWN_EVENT_SCHEMA_VERSION 2

enum { OWN_TOKEN_BYTES = 14 };

enum own_event_kind {
    OWN_EVENT_NONE = 0,
    OWN_EVENT_SYSTEM = 1,             /* reason = event letter; no token */
    OWN_EVENT_ACCEPTED = 2,           /* the order as the venue holds it; state 'L' live or 'D' dead */
    OWN_EVENT_REPLACED = 3,           /* as ACCEPTED, with previous_token; shares = remaining exposed */
    OWN_EVENT_CANCELED = 4,           /* shares taken away by this message, reason */
    OWN_EVENT_SELF_TRADE_CANCELED = 5, /* as CANCELED, with prevented_shares, price, liquidity */
    OWN_EVENT_EXECUTED = 6,           /* shares of this execution, price, liquidity, match */
    OWN_EVENT_EXECUTED_REFERENCE = 7, /* as EXECUTED, with reference_price, reference_type */
    OWN_EVENT_CORRECTED = 8,          /* as EXECUTED: the new terms of an earlier match, reason */
    OWN_EVENT_BROKEN = 9,             /* match that never was, reason */
    OWN_EVENT_REJECTED = 10,          /* reason */
    OWN_EVENT_CANCEL_PENDING = 11,
    OWN_EVENT_CANCEL_REJECTED = 12,
    OWN_EVENT_PRIORITY = 13,          /* new order_reference, price, display */
    OWN_EVENT_MODIFIED = 14,          /* side, shares outstanding */
    OWN_EVENT_TRADE_NOW = 15,
    OWN_EVENT_RESTATED = 16,          /* OUCH 5.0: reason; the order stays what it is */
    OWN_EVENT_QUERY = 17,             /* OUCH 5.0: answer to an account query, next free number; no order */
    OWN_EVENT_KIND_COUNT = 18,
};

struct own_event {
    uint64_t time_ns;            /* venue's time stamp */
    uint64_t token_key;          /* our own numbering of the token, 0 = foreign */
    uint64_t previous_token_key; /* REPLACED only */
    uint64_t order_reference;    /* the order's number in the market-data feed */
    uint64_t match;
    uint32_t shares;
    uint32_t price;
    uint32_t time_in_force;      /* seconds */
    uint32_t minimum_shares;
    uint32_t prevented_shares;   /* SELF_TRADE_CANCELED */
    uint32_t reference_price;    /* EXECUTED_REFERENCE */
    char token[OWN_TOKEN_BYTES];
    char previous_token[OWN_TOKEN_BYTES];
    char stock[8];               /* space padded */
    char firm[4];
    uint8_t kind;                /* enum own_event_kind */
    char side;                   /* 'B', 'S', 'T' or 'E' */
    char reason;
    char liquidity;
    char display;
    char capacity;
    char intermarket_sweep;
    char cross;
    char state;                  /* 'L' or 'D' */
    char bbo_weight;
    char reference_type;
    char reserved;
    uint32_t wire_number;          /* OUCH 5.0: UserRefNum of the order (QUERY: the next free one); else 0 */
    uint32_t previous_wire_number; /* OUCH 5.0, REPLACED only */
    uint16_t reason_code;          /* OUCH 5.0, REJECTED: the venue's number; else 0 */
    char reserved_end[2];
};

_Static_assert(sizeof(struct own_event) == 128, "struct own_event is part of the strategy interface");

#endif
