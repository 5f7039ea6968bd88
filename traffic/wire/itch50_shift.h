/* The same messages once more, later: what may occur only once in a day is moved on.
 *
 * A stream that ends with an empty book can be played again behind itself when the time of every message, every order
 * reference number and every match number has moved on by a span that the stream does not reach itself; then it says
 * of new orders what it said of the old ones, and nothing in it is said twice.
 *
 * Moved: the time (modulo a day) of every type; the reference of A, F, E, C, X and D, both of U; the match number of E,
 * C, P, Q and B. The reference of P stays: it is 0 by definition. Other types, and messages shorter than their own
 * type, have nothing but their time moved.
 *
 * Owner: any thread; no state. Cost: a few ns a message, one pass over the bytes.
 * Specification: Nasdaq TotalView-ITCH 5.0, chapter 4; the numbers are "day-unique" there.
 */
#ifndef TRAFFIC_WIRE_ITCH50_SHIFT_H
#define TRAFFIC_WIRE_ITCH50_SHIFT_H

#include <stdint.h>

struct itch50_shift {
    uint64_t time_ns;      /* 0.. */
    uint64_t references;
    uint64_t matches;
};

/* Move `count` framed messages that lie in a row; returns the byte behind them. */
uint8_t *itch50_shift(const struct itch50_shift *by, uint8_t *blocks, uint32_t count);

#endif
