/* What a strategy is to the engine: it sees events and tops, and fills a struct strategy_output.
 *
 * The engine calls the chosen strategy's functions directly, selected by enum strategy_kind outside
 * of the loop, so that they can be inlined. These are the strategies that are compiled in; those in
 * shared objects know strategy_abi.h alone, whose types mirror the ones here (asserted in slots.c).
 *
 *   on_event(state, event, top after the event, output)   for every event that was applied
 *
 * A strategy allocates nothing, reads no clock, keeps all state in memory the caller gave, and is a
 * function of the events alone: the same events give the same orders. It does not know whether an
 * order left: that is the risk gate's business.
 */
#ifndef ENGINE_STRATEGY_STRATEGY_H
#define ENGINE_STRATEGY_STRATEGY_H

#include <stdint.h>

#include "engine/book/top.h"
#include "engine/feed/event.h"
#include "engine/order/request.h"

#define STRATEGY_SCHEMA_VERSION 1

enum {
    STRATEGY_ORDERS_MAX = 4, /* per event */
    STRATEGY_SYMBOL_COUNT = 65536,
};

enum strategy_kind {
    STRATEGY_NONE = 0,
    STRATEGY_TOUCH_TAKER = 1,
    STRATEGY_REFLECTOR = 2,
    STRATEGY_SHARED = 3, /* a shared object: slots.h */
    STRATEGY_KIND_COUNT = 4,
};

struct strategy_output {
    uint32_t count; /* 0..STRATEGY_ORDERS_MAX; the caller sets it to 0 before each event */
    uint32_t reserved;
    struct order_request orders[STRATEGY_ORDERS_MAX];
};

_Static_assert(sizeof(struct strategy_output) == 136, "part of the strategy interface");

/* First character of the order token. */
static inline char strategy_letter(enum strategy_kind kind)
{
    return kind == STRATEGY_TOUCH_TAKER ? 'T' : kind == STRATEGY_REFLECTOR ? 'R' : 0;
}

#endif
