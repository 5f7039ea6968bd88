/* The exchange's gateway for a test in one process: the engine's headers and the exchange's cannot share a file. */
#ifndef TESTS_RESUME_VENUE_H
#define TESTS_RESUME_VENUE_H

#include <stdbool.h>
#include <stdint.h>

enum { VENUE_SYMBOLS = 3 };

struct venue;

struct venue_row {
    char kind;
    char token[14];
    char side;
    uint16_t symbol;
    uint32_t shares;
};

/* `protocol` 0: OUCH 4.2, 1: OUCH 5.0. Stocks SYM1, SYM2... have the locates 1, 2... */
struct venue *venue_new(uint32_t protocol);
void venue_free(struct venue *venue);

/* A client's end of a new connection, non-blocking. */
int venue_connect(struct venue *venue);
void venue_poll(struct venue *venue, int64_t now_ns);

/* Puts an order of the market on a side of a stock's book, instead of the one that was there. */
void venue_publish(struct venue *venue, uint16_t symbol, char side, uint32_t price, uint32_t shares);

/* `cuts` connections, about `orders` requests apart. */
void venue_cut(struct venue *venue, uint64_t seed, uint32_t cuts, uint32_t orders);
uint32_t venue_cuts(const struct venue *venue);
void venue_reject(struct venue *venue, uint32_t orders);

uint64_t venue_rows(const struct venue *venue);
struct venue_row venue_row(const struct venue *venue, uint64_t index);

/* Open shares of the order with this token; 0 when there is none. */
uint32_t venue_open_shares(const struct venue *venue, const char *token);
uint64_t venue_open_orders(const struct venue *venue);

#endif
