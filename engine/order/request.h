/* What a strategy asks for: one new order, on its way through the risk gate to the encoder. */
#ifndef ENGINE_ORDER_REQUEST_H
#define ENGINE_ORDER_REQUEST_H

#include <stdint.h>

struct order_request {
    uint64_t trigger_sequence; /* feed message that caused it; travels in the order token */
    uint32_t price;            /* limit, 1/10000 */
    uint32_t shares;
    uint32_t time_in_force;    /* seconds; 0 = immediate or cancel */
    uint16_t symbol;           /* stock locate */
    char side;                 /* 'B' buy, 'S' sell */
    uint8_t ordinal;           /* 0.. within one trigger */
    char stock[8];             /* space padded */
};

/* What is to become of an order that was sent: replace, cancel or modify. Shares count the whole chain of
 * replacements, executed ones included. A zero in display, sweep or minimum means the session's default. */
struct order_change {
    uint64_t token_key;
    uint64_t new_token_key;  /* replace */
    uint32_t shares;         /* intended total; cancel: 0 = nothing shall be left */
    uint32_t price;          /* replace: limit, 1/10000 */
    uint32_t time_in_force;  /* replace: seconds */
    uint32_t minimum_shares; /* replace */
    uint32_t wire_number;    /* OUCH 5.0: of the order; else 0 */
    char side;               /* modify */
    char display;            /* replace */
    char intermarket_sweep;  /* replace */
    char reserved;
};

_Static_assert(sizeof(struct order_change) == 40, "no holes");
_Static_assert(sizeof(struct order_request) == 32, "one half cache line");

#endif
