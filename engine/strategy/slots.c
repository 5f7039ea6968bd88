/* slots: bookkeeping of strategies in shared objects; see slots.h. */
#include "engine/strategy/slots.h"

#include <string.h>

#include "engine/book/top.h"
#include "engine/feed/event.h"
#include "engine/strategy/strategy.h"

/* What a shared object sees are the engine's own structures. */
#define SAME(mine, theirs, field) _Static_assert(offsetof(mine, field) == offsetof(theirs, field), #field)
_Static_assert(sizeof(struct event) == sizeof(struct tailgate_event), "event");
SAME(struct event, struct tailgate_event, sequence);
SAME(struct event, struct tailgate_event, time_ns);
SAME(struct event, struct tailgate_event, order_reference);
SAME(struct event, struct tailgate_event, price);
SAME(struct event, struct tailgate_event, shares);
SAME(struct event, struct tailgate_event, symbol);
SAME(struct event, struct tailgate_event, kind);
SAME(struct event, struct tailgate_event, side);
SAME(struct event, struct tailgate_event, flag);
SAME(struct event, struct tailgate_event, stock);
SAME(struct event, struct tailgate_event, wide_price);
SAME(struct event, struct tailgate_event, price_exponent);
_Static_assert(sizeof(struct book_top) == sizeof(struct tailgate_top), "top");
SAME(struct book_top, struct tailgate_top, bid_price);
SAME(struct book_top, struct tailgate_top, ask_price);
SAME(struct book_top, struct tailgate_top, bid_shares);
SAME(struct book_top, struct tailgate_top, ask_shares);
_Static_assert((int)EVENT_REPLACE == TAILGATE_EVENT_REPLACE && (int)EVENT_DIRECTORY == TAILGATE_EVENT_DIRECTORY, "kinds");
_Static_assert((int)STRATEGY_ORDERS_MAX == TAILGATE_ORDERS_MAX, "orders of one event");
_Static_assert((int)STRATEGY_SYMBOL_COUNT == TAILGATE_SYMBOL_COUNT, "symbols");

void strategy_budget_default(struct strategy_budget *budget)
{
    *budget = (struct strategy_budget){.event_ns_max = 5000,
                                       .hang_ns = 20 * 1000 * 1000,
                                       .order_burst = 64,
                                       .order_permille = 250,
                                       .rejection_burst = 16,
                                       .rejection_permille = 20};
}

bool strategy_budget_valid(const struct strategy_budget *budget)
{
    return budget->event_ns_max >= 100 && budget->event_ns_max <= 1000000000ull && budget->hang_ns >= 1000000 &&
           budget->hang_ns <= 10000000000ull && budget->order_burst >= 1 && budget->order_burst <= 1000000 &&
           budget->order_permille <= 4000 && budget->rejection_burst >= 1 && budget->rejection_burst <= 1000000 &&
           budget->rejection_permille <= 4000;
}

void strategies_init(struct strategies *strategies, const struct strategy_budget *budget)
{
    memset(strategies, 0, sizeof(*strategies));
    strategies->active = strategies->previous = STRATEGY_BUILT_IN;
    strategies->budget = *budget;
    strategies->event_ticks_max = UINT64_MAX;
}

void strategies_begin(struct strategies *strategies)
{
    strategies->order_credit = (int64_t)strategies->budget.order_burst * 1000;
    strategies->rejection_credit = (int64_t)strategies->budget.rejection_burst * 1000;
    strategies->suspect_calls = strategies->slow_calls = 0;
}

const char *strategies_name(const struct strategies *strategies, int32_t slot)
{
    return slot == STRATEGY_BUILT_IN ? "touch_taker" : strategies->slots[slot].name;
}

uint32_t strategies_generation(const struct strategies *strategies, int32_t slot)
{
    return slot == STRATEGY_BUILT_IN ? 0 : strategies->slots[slot].generation;
}

void strategies_note(struct strategies *strategies, const struct strategy_change *change)
{
    uint32_t count = strategies->change_count;
    if (count == STRATEGY_CHANGE_COUNT) {
        strategies->changes_lost++;
        return;
    }
    strategies->changes[count] = *change;
    atomic_thread_fence(memory_order_release); /* a cold reader sees a whole row or none */
    strategies->change_count = count + 1;
}

const char *strategy_cause_name(uint32_t cause)
{
    static const char *const names[STRATEGY_CAUSE_COUNT] = {
        "none", "deployed", "operator", "time", "orders", "rejections", "crash", "hang", "output"};
    return cause < STRATEGY_CAUSE_COUNT ? names[cause] : "unknown";
}
