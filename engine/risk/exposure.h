/* The gate's account of value: open orders at their prices, positions at the price of their last execution.
 *
 * Kept up to date by what happens to orders, never recounted. All values are 1/10000 of the currency unit; every sum is
 * held below RISK_EXPOSURE_MAX, and one that would leave it, or more taken back than was open, marks the account as lost:
 * what is unknown is over every limit (risk.h). An order that the venue fills above its open shares moves the position
 * by the whole and the open value by what was open.
 *
 * Owner: the engine's thread. Cost: a few ns each, no division, no loop.
 */
#ifndef ENGINE_RISK_EXPOSURE_H
#define ENGINE_RISK_EXPOSURE_H

#include "engine/risk/risk.h"

/* One order of `shares` at `price` was given to the transport. */
void risk_on_sent(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price);

/* `shares` of an order with limit `price` were executed at `fill_price`; they are no longer open. May trip the gate. */
void risk_on_fill(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price, uint32_t fill_price,
                  uint64_t now_ns);

/* `shares` were taken from an order that stays open. */
void risk_on_cancelled(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price);

/* An order is dead: filled, cancelled, rejected. `shares` is what was still open of it, 0 when filled. */
void risk_on_closed(struct risk *risk, uint16_t symbol, char side, uint32_t shares, uint32_t price);

/* Any change at once: open value by difference, position by difference, mark_price 0 = as before. May trip the gate when
 * the position moves. What the four above are made of. */
struct risk_change {
    int64_t open_buy;  /* value */
    int64_t open_sell;
    int64_t position;  /* shares */
    int32_t orders;    /* open orders more or fewer */
    uint32_t mark_price;
};
void risk_on_change(struct risk *risk, uint16_t symbol, const struct risk_change *change, uint64_t now_ns);

#endif
