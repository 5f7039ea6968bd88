/* touch_taker: takes the touch when the best price improves or the top leans to one side.
 *
 * After every event that changed a book, with T = top of that symbol after it:
 *  1. T is valid when both sides exist and bid < ask. Not valid: previous is forgotten,
 *     imbalance_state = 0, no trigger.
 *  2. If previous was valid: a higher bid signals +1, else a lower ask signals -1.
 *  3. d = bid_shares - ask_shares, t = their sum. new_state = +1 if 1000 d >= imbalance_permille t,
 *     -1 if -1000 d >= imbalance_permille t, else 0. Without a signal from 2, a new_state that is not
 *     0 and not imbalance_state is the signal. imbalance_state = new_state.
 *  4. previous = T.
 *  5. No signal: done. Fewer than cooldown_messages since the last trigger: suppressed, counted.
 *  6. Trigger: one immediate-or-cancel order; +1 buys min(order_shares, ask_shares) at the ask, -1
 *     sells min(order_shares, bid_shares) at the bid.
 * At a snapshot join and at a new session all of it is forgotten but the stock's name: no previous top, state 0, no
 * cooldown.
 * A second, independent implementation of this text judges the engine: change both or none.
 *
 * It looks at market data only. The stock's name comes from the ADD and DIRECTORY events seen; a
 * symbol never named triggers with an empty stock, which the risk gate refuses.
 * Owner: the engine thread. Cost: one half cache line per symbol, about 5 ns, no division.
 */
#ifndef ENGINE_STRATEGY_TOUCH_TAKER_H
#define ENGINE_STRATEGY_TOUCH_TAKER_H

#include <stdbool.h>
#include <string.h>

#include "engine/strategy/strategy.h"

enum {
    TOUCH_TAKER_ORDER_SHARES = 100,        /* defaults */
    TOUCH_TAKER_IMBALANCE_PERMILLE = 800,
    TOUCH_TAKER_IMBALANCE_PERMILLE_MAX = 1000000,
};

struct touch_taker_options {
    uint32_t order_shares;       /* 1.. */
    uint32_t imbalance_permille; /* 0..TOUCH_TAKER_IMBALANCE_PERMILLE_MAX; above 1000: never */
    uint64_t cooldown_messages;  /* feed messages; 0 = none */
};

struct touch_taker_symbol {
    uint32_t previous_bid_price;
    uint32_t previous_ask_price;
    uint64_t last_trigger;   /* feed sequence, 0 = never */
    char stock[8];           /* space padded; first byte 0 = not known */
    int8_t imbalance_state;  /* -1, 0, +1 */
    bool previous_valid;
    char reserved[2];
    uint32_t epoch;          /* of the taker when all of this but the stock was last true */
};

_Static_assert(sizeof(struct touch_taker_symbol) == 32, "two symbols to a cache line");

struct touch_taker {
    struct touch_taker_symbol *symbols; /* STRATEGY_SYMBOL_COUNT, the caller's memory */
    struct touch_taker_options options;
    uint64_t triggers;
    uint64_t suppressed;
    uint32_t epoch;
};

/* Clears the memory. -EINVAL: an option out of range or no memory. */
int touch_taker_init(struct touch_taker *taker, const struct touch_taker_options *options,
                     struct touch_taker_symbol symbols[STRATEGY_SYMBOL_COUNT]);

/* The market begins anew (a snapshot, a new session, another strategy had its place): all but the stocks' names is
 * forgotten. One addition: a symbol is cleared when it is next looked at. */
void touch_taker_forget(struct touch_taker *taker);

/* The stock's name, from an event that carries one; no trigger. */
static inline void touch_taker_learn(struct touch_taker *taker, const struct event *event)
{
    if (event->stock[0] != 0 && (event->kind == EVENT_ADD || event->kind == EVENT_DIRECTORY))
        memcpy(taker->symbols[event->symbol].stock, event->stock, sizeof(event->stock));
}

/* Steps 1 to 6 for one symbol. +1, -1, or 0 for no trigger. */
static inline int touch_taker_signal(struct touch_taker *taker, struct touch_taker_symbol *symbol,
                                     uint64_t sequence, const struct book_top *top)
{
    if (__builtin_expect(symbol->epoch != taker->epoch, 0)) {
        symbol->epoch = taker->epoch;
        symbol->previous_valid = false;
        symbol->imbalance_state = 0;
        symbol->last_trigger = 0;
    }
    if (top->bid_price == 0 || top->ask_price == 0 || top->bid_price >= top->ask_price) {
        symbol->previous_valid = false;
        symbol->imbalance_state = 0;
        return 0;
    }
    int signal = 0;
    if (symbol->previous_valid) {
        if (top->bid_price > symbol->previous_bid_price)
            signal = 1;
        else if (top->ask_price < symbol->previous_ask_price)
            signal = -1;
    }
    const int64_t difference = (int64_t)top->bid_shares - (int64_t)top->ask_shares;
    const int64_t total = (int64_t)top->bid_shares + (int64_t)top->ask_shares;
    const int64_t threshold = (int64_t)taker->options.imbalance_permille * total;
    const int new_state = 1000 * difference >= threshold ? 1 : -1000 * difference >= threshold ? -1 : 0;
    if (signal == 0 && new_state != symbol->imbalance_state)
        signal = new_state;
    symbol->imbalance_state = (int8_t)new_state;
    symbol->previous_bid_price = top->bid_price;
    symbol->previous_ask_price = top->ask_price;
    symbol->previous_valid = true;
    if (signal == 0)
        return 0;
    if (symbol->last_trigger != 0 && sequence - symbol->last_trigger < taker->options.cooldown_messages) {
        taker->suppressed++;
        return 0;
    }
    symbol->last_trigger = sequence;
    taker->triggers++;
    return signal;
}

/* Every applied event; other kinds than book changes only teach the stock's name. top may be NULL
 * for those. Appends at most one order. */
static inline void touch_taker_on_event(struct touch_taker *taker, const struct event *event,
                                        const struct book_top *top, struct strategy_output *output)
{
    struct touch_taker_symbol *symbol = &taker->symbols[event->symbol];
    touch_taker_learn(taker, event);
    if (event->kind < EVENT_ADD || event->kind > EVENT_REPLACE)
        return;
    const int signal = touch_taker_signal(taker, symbol, event->sequence, top);
    if (signal == 0 || output->count >= STRATEGY_ORDERS_MAX)
        return;
    const uint32_t displayed = signal > 0 ? top->ask_shares : top->bid_shares;
    const uint32_t wanted = taker->options.order_shares;
    struct order_request *request = &output->orders[output->count];
    request->trigger_sequence = event->sequence;
    request->price = signal > 0 ? top->ask_price : top->bid_price;
    request->shares = wanted < displayed ? wanted : displayed;
    request->time_in_force = 0;
    request->symbol = event->symbol;
    request->side = signal > 0 ? 'B' : 'S';
    request->ordinal = (uint8_t)output->count++;
    memcpy(request->stock, symbol->stock, sizeof(request->stock));
}

#endif
