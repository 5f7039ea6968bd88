/* Between the gate and the rest of the engine: what the gate is told, and how it learns what became of its orders.
 *
 * risk_seen_event() notes, for every event in the order of the feed, the venue's time, when a symbol was last heard of,
 * and the price of its last trade (a printable execution, a trade, a cross; an execution without a price of its own has
 * the price of the resting order, so the call stands before book_apply()). A cross without shares is no trade.
 * risk_follow() hears what the venue says about an own order before and after the table of own orders does, and moves the
 * gate's account by the difference, whatever the message was: an order's open value is open shares * price while it is
 * open; the position is the table's. So the two cannot disagree about a case that only one of them knows.
 *
 * Owner: the engine's thread. Memory: the caller's. Cost: one line of 16 bytes per event; two look-ups per answer.
 */
#ifndef ENGINE_RISK_FOLLOW_H
#define ENGINE_RISK_FOLLOW_H

#include <stdint.h>

#include "engine/book/book.h"
#include "engine/feed/event.h"
#include "engine/order/own_orders.h"
#include "engine/risk/exposure.h"

struct risk_seen_symbol {
    uint64_t quote_ns;   /* the engine's clock; 0 = never */
    uint32_t last_price; /* 1/10000; 0 = none yet */
    uint32_t reserved;
};

struct risk_seen {
    struct risk_seen_symbol *symbols; /* RISK_SYMBOL_COUNT, zeroed */
    uint64_t market_ns;               /* venue's time of the last event */
};

static inline void risk_seen_event(struct risk_seen *seen, const struct book *book, const struct event *event,
                                   uint64_t now_ns)
{
    struct risk_seen_symbol *symbol = &seen->symbols[event->symbol];
    seen->market_ns = event->time_ns;
    symbol->quote_ns = now_ns;
    const bool printed = (event->kind == EVENT_EXECUTE_PRICE && event->flag == 'Y') || event->kind == EVENT_TRADE ||
                         (event->kind == EVENT_CROSS && event->wide_shares != 0);
    const uint32_t price = event->kind == EVENT_EXECUTE ? book_order_price(book, event->order_reference) : event->price;
    if ((printed || event->kind == EVENT_EXECUTE) && price != 0)
        symbol->last_price = price;
}

/* What the table of own orders holds of one or two orders, before and after something is done to it. */
struct risk_follow {
    struct risk_change change;
    uint64_t token_key;
    uint64_t other_key; /* 0: none */
    int64_t position;
    uint16_t symbol;
};

/* Around any change of the table of own orders: `risk` (NULL: nobody) is told of the difference. `other_key` 0: the order's
 * partner, if it waits for a replacement or is one, because what ends the one may end the other. */
void risk_follow_begin(struct risk_follow *follow, const struct own_orders *orders, uint64_t token_key,
                       uint64_t other_key);
void risk_follow_end(struct risk_follow *follow, struct risk *risk, const struct own_orders *orders, uint64_t now_ns);

/* own_orders_apply() with the gate told of the difference; `risk` may be NULL. */
enum own_orders_outcome risk_follow(struct risk *risk, struct own_orders *orders, const struct own_event *event,
                                    uint64_t now_ns);

#endif
