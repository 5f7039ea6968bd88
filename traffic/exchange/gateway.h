/* The order gateway: OUCH 4.2 over a soup port, matched against the published book, with a drop copy.
 *
 * Accepted first; then, if marketable against the book as published so far, executed at once at the opposite touch
 * price for min(shares, shares displayed at the touch). What is left of an immediate-or-cancel order is canceled
 * with reason 'I'; what is left of any other order stays open, never trades later, and can be canceled. Executions
 * do not change the published book: there is no market impact, and every order meets the whole displayed touch.
 * A token seen before (accepted or rejected) is ignored in silence, 'D' in the drop copy. Rejected: stock unknown
 * 'S', shares 0 or above 999 999 'Z', price 0 or above the maximum 'X', display 'D', cross type other than N 'R',
 * minimum quantity above shares 'N', side or time in force out of range 'O'. Replace (U), modify (M) and trade now
 * (N) are ignored in silence and counted, in this version. Trading halts are not looked at.
 *
 * Owner: the exchange loop. The caller gives all memory. Limits: orders_max tokens in a session; from then on new
 * orders are ignored in silence and counted (orders_refused); rows_max rows of drop copy, more are counted.
 * Cost: one probe of the token table, one of the stock table, and what is written.
 * Specification: OUCH 4.2.
 */
#ifndef TRAFFIC_EXCHANGE_GATEWAY_H
#define TRAFFIC_EXCHANGE_GATEWAY_H

#include <stdint.h>

#include "traffic/exchange/soup_port.h"
#include "traffic/exchange/published_book.h"
#include "traffic/wire/ouch42.h"

struct drop_copy_row {
    int64_t at_ns;               /* CLOCK_MONOTONIC */
    char kind;                   /* O order, A accepted, E executed, C canceled, J rejected, X cancel, D duplicate */
    uint8_t token[OUCH42_TOKEN_BYTES];
    char side;
    uint16_t symbol;             /* stock locate, 0 unknown */
    uint8_t stock[8];
    uint32_t shares;
    uint32_t price;
    uint64_t match;
    uint64_t order_reference;
    uint64_t published_sequence; /* of the last message published by then, 0 for none */
    char reason;
} __attribute__((packed));
_Static_assert(sizeof(struct drop_copy_row) == 67, "a row of drop_copy.npy");

struct gateway_order {
    uint8_t token[OUCH42_TOKEN_BYTES];
    uint8_t stock[8];
    uint8_t side;
    uint8_t used;                /* 0: an empty slot of the table */
    uint32_t open_shares;
    uint32_t executed_shares;
    uint32_t price;
    uint16_t symbol;
    uint16_t pad;
    uint64_t reference;
};
_Static_assert(sizeof(struct gateway_order) == 48, "no holes");

struct gateway_counters {
    uint64_t orders;             /* every enter message of the right form, duplicates too */
    uint64_t accepted;
    uint64_t rejected;
    uint64_t executed;
    uint64_t executed_shares;
    uint64_t canceled;
    uint64_t duplicates;
    uint64_t cancels;
    uint64_t bad_messages;       /* unknown type, wrong length, token with other characters */
    uint64_t unsupported;        /* U, M, N */
    uint64_t orders_refused;     /* no room for another order */
    uint64_t rows_lost;          /* no room in the drop copy */
};

struct gateway_options {
    struct soup_port_options port;
    struct published_book *book;
    struct gateway_order *orders;   /* zeroed, order_slots of them */
    uint64_t order_slots;           /* a power of two, at least twice orders_max */
    uint64_t orders_max;
    struct drop_copy_row *rows;
    uint64_t rows_max;
};

struct gateway {
    struct gateway_options options;
    struct soup_port port;
    struct gateway_counters counters;
    uint64_t orders_used;
    uint64_t rows_used;
    uint64_t published_sequence; /* written by the loop after each packet */
    uint64_t market_ns;          /* market time (ns since midnight) of the last message published ... */
    int64_t market_at_ns;        /* ... and when it left */
    uint64_t time_ns;            /* last time given out: OUCH times do not go back */
    uint64_t reference;
    uint64_t match;
};

int gateway_open(struct gateway *gateway, const struct gateway_options *options, char *error, uint32_t error_size);

#endif
