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

_Static_assert(sizeof(struct order_request) == 32, "one half cache line");

#endif
