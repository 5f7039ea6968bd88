/* The order gateway: OUCH 4.2 or 5.0 over a soup port, matched against the published book, with a drop copy.
 *
 * Entered: accepted first; then, if marketable against the book as published so far, executed at once at the opposite
 * touch price for min(shares, shares displayed at the touch). What is left of an immediate-or-cancel order is canceled
 * with reason 'I'; what is left of any other order rests. Executions do not change the published book: there is no
 * market impact, and every order meets the whole displayed touch.
 * Resting: behind every published message of its stock that leaves the opposite touch at or through its price, a
 * resting order executes at its own price for min(open, displayed at the touch), oldest order first. So what happens
 * depends on the published messages and the order in which requests came alone. Its time in force never runs out.
 * A name seen before (OUCH 4.2: a token, accepted or rejected; OUCH 5.0: a number not above all before) is ignored in
 * silence, 'D' in the drop copy. Rejected: stock unknown 'S', shares 0 or above 999 999 'Z', price 0 or above the
 * maximum 'X', display 'D', cross type other than N 'R', minimum quantity above shares 'N', side or time in force out
 * of range 'O'. Replaced, with shares as totals of the chain: silence when the order is dead or the new name was used;
 * the order is canceled ('U') and the new name stays free when the terms would be rejected or leave nothing; else the
 * new order takes the old one's place, loses priority and is matched as if entered. Canceled: reduced to the intended
 * total, silence when there is nothing to reduce. Modified: side among S, T and E, and shares; silence otherwise. Trade
 * now (N) is ignored in silence and counted. Trading halts are not looked at.
 *
 * Misbehaviour on command (struct gateway_behaviour, gateway_behave.c): connections cut around an order, orders
 * rejected, answers kept back or late. What was cut is not forgotten: whoever logs in again gets it from the store.
 *
 * Owner: the exchange loop. The caller gives all memory. Limits: orders_max names in a session; from then on new
 * orders are ignored in silence and counted (orders_refused); rows_max rows of drop copy, more are counted.
 * Cost: one probe of the order table, one of the stock table, and what is written; a published message costs one load
 * while no order of its stock rests.
 * Specification: OUCH 4.2, OUCH 5.0.
 */
#ifndef TRAFFIC_EXCHANGE_GATEWAY_H
#define TRAFFIC_EXCHANGE_GATEWAY_H

#include <stdatomic.h>
#include <stdint.h>

#include "traffic/exchange/soup_port.h"
#include "traffic/exchange/published_book.h"
#include "traffic/wire/ouch42.h"

enum gateway_protocol { GATEWAY_OUCH42 = 0, GATEWAY_OUCH50 = 1 };

struct drop_copy_row {
    int64_t at_ns;               /* CLOCK_MONOTONIC */
    char kind;                   /* received: O order, U replace, X cancel, M modify, D one of these ignored; done: A
                                  * accepted, R replaced, E executed, C canceled, m modified, J rejected */
    uint8_t token[OUCH42_TOKEN_BYTES]; /* OUCH 5.0: ClOrdID */
    char side;
    uint16_t symbol;             /* stock locate, 0 unknown */
    uint8_t stock[8];
    uint32_t shares;
    uint32_t price;
    uint64_t match;
    uint64_t order_reference;
    uint64_t published_sequence; /* of the last message published by then, 0 for none */
    char reason;                 /* C, J: OUCH 4.2's letter; E: liquidity, 'R' at once or 'A' by a resting order */
} __attribute__((packed));
_Static_assert(sizeof(struct drop_copy_row) == 67, "a row of drop_copy.npy");

struct gateway_order {
    uint8_t key[OUCH42_TOKEN_BYTES]; /* its name: the token, or the number */
    uint8_t used;                /* 0: an empty slot of the table */
    uint8_t resting;
    struct ouch42_enter terms;   /* as accepted or replaced last, with its token */
    uint32_t open_shares;
    uint32_t executed_shares;    /* of the whole chain of replacements */
    uint32_t number;             /* OUCH 5.0 */
    uint32_t older, newer;       /* resting orders of the stock; slot + 1, 0 for none */
    uint16_t symbol;
    uint16_t pad;
    uint64_t reference;
};
_Static_assert(sizeof(struct gateway_order) == 96, "no holes");

struct gateway_counters {
    uint64_t orders;             /* every enter message of the right form, duplicates too */
    uint64_t accepted;
    uint64_t rejected;
    uint64_t executed;
    uint64_t executed_shares;
    uint64_t canceled;
    uint64_t duplicates;         /* enter and replace messages ignored because of their name */
    uint64_t cancels;
    uint64_t bad_messages;       /* unknown type, wrong length, token with other characters */
    uint64_t unsupported;        /* N */
    uint64_t orders_refused;     /* no room for another order, or for what is to be said about it */
    uint64_t rows_lost;          /* no room in the drop copy */
    uint64_t replaces;
    uint64_t replaced;
    uint64_t modifies;
    uint64_t modified;
    uint64_t queries;
    uint64_t cuts;               /* connections cut on command */
    uint64_t orders_dropped;     /* messages cut off before they were looked at */
};

/* What a command may change while the loop runs. */
struct gateway_behaviour {
    uint64_t cut_seed;           /* of the choice where each cut falls, and of the spacing */
    uint32_t cuts;               /* so many connections are to be cut from now on ... */
    uint32_t cut_orders;         /* ... each after 1..2 n - 1 more orders, n on average; 0: the first one now */
    uint32_t reject_orders;      /* so many orders from now on are rejected ('H') */
    uint32_t mute;               /* 1: answers are kept back until it is 0 again */
    int64_t delay_ns;            /* answers leave so much later */
};

struct gateway_options {
    struct soup_port_options port;
    uint32_t protocol;              /* enum gateway_protocol */
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
    uint32_t number;             /* OUCH 5.0: the highest seen */
    struct gateway_behaviour behaviour;
    uint64_t random;             /* of the cuts */
    uint32_t cut_in;             /* orders until the next cut */
    uint32_t resting[PUBLISHED_BOOK_SYMBOLS][2]; /* oldest and newest; slot + 1 */
    _Alignas(64) _Atomic int32_t told; /* 1: `command` is to be obeyed */
    struct gateway_behaviour command;
};

int gateway_open(struct gateway *gateway, const struct gateway_options *options, char *error, uint32_t error_size);

/* Serve the port and obey what was told. */
void gateway_poll(struct gateway *gateway, int64_t now_ns);

/* A message was published and is in the book. */
void gateway_match_resting(struct gateway *gateway, uint16_t symbol);

static inline void gateway_follow(struct gateway *gateway, const uint8_t *message, uint32_t length) {
    uint16_t symbol = length < 3 ? 0 : (uint16_t)(message[1] << 8 | message[2]);
    if (__builtin_expect(gateway->resting[symbol][0] != 0, 0))
        gateway_match_resting(gateway, symbol);
}

/* From another thread: false: what was told before is still on its way. */
bool gateway_tell(struct gateway *gateway, const struct gateway_behaviour *behaviour);
bool gateway_told(const struct gateway *gateway);

#endif
