/* Places for strategies in shared objects, the account of which one was active when, and their budgets.
 *
 * A slot goes EMPTY -> READY (the loader has filled it, memory touched) -> IN_USE (active, or the one before) ->
 * RETIRED (the engine will not look at it again) -> EMPTY (unloaded). The loader's thread does the first and the last
 * step, the engine's thread those between; each step is a release, so that the other side sees what it needs.
 *
 * Budgets hold for one batch: the messages that one datagram brings.
 *  - time: a batch that took more than event_ns_max a message (and what the engine itself may need) arouses suspicion;
 *    the next STRATEGY_SUSPECT_CALLS calls are timed one by one, and the STRATEGY_SLOW_CALLS-th of them that is slower
 *    than event_ns_max ends it. Fewer may be the host's fault: a core taken away looks the same.
 *  - orders: a purse of order_burst orders, filled by order_permille for each 1000 messages. An order that finds it
 *    empty ends it and does not leave.
 *  - rejections: the same, for orders that the risk gate refused for what they are. One refused because of the
 *    engine's state (feed and ages, book, session and its hours, kills and trips, limits that are lost, lateness, halts,
 *    a full table of own orders) costs nothing.
 *
 * Owner: the engine thread, but for `state` and the cold fields of a slot that is EMPTY, READY or RETIRED.
 */
#ifndef ENGINE_STRATEGY_SLOTS_H
#define ENGINE_STRATEGY_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/strategy/guard.h"
#include "engine/strategy/strategy_abi.h"

enum {
    STRATEGY_SLOT_COUNT = 6, /* active, previous, two retired ones under way to EMPTY, two to be loaded */
    STRATEGY_CHANGE_COUNT = 64,
    STRATEGY_SUSPECT_CALLS = 64,
    STRATEGY_SLOW_CALLS = 4,
    STRATEGY_BUILT_IN = -1,  /* no slot: touch_taker as compiled in */
    STRATEGY_TIMER_NS = 1000 * 1000,
};

enum strategy_slot_state { SLOT_EMPTY = 0, SLOT_READY = 1, SLOT_IN_USE = 2, SLOT_RETIRED = 3 };

/* Why another strategy is active. Stable numbers: they are written to results. */
enum strategy_cause {
    STRATEGY_CAUSE_NONE = 0,
    STRATEGY_CAUSE_DEPLOYED = 1,   /* detail = message that it was planned for, 0 = at once or at a time */
    STRATEGY_CAUSE_OPERATOR = 2,   /* rolled back by command */
    STRATEGY_CAUSE_TIME = 3,       /* detail = ns of the call */
    STRATEGY_CAUSE_ORDERS = 4,     /* detail = orders so far */
    STRATEGY_CAUSE_REJECTIONS = 5, /* detail = the risk gate's last reason */
    STRATEGY_CAUSE_CRASH = 6,      /* signal */
    STRATEGY_CAUSE_HANG = 7,       /* detail = ns the watchdog waited */
    STRATEGY_CAUSE_OUTPUT = 8,     /* detail = actions it said it wrote */
    STRATEGY_CAUSE_COUNT = 9,
};

struct strategy_budget {
    uint64_t event_ns_max;       /* 100..1 s */
    uint64_t hang_ns;            /* 1 ms..10 s; a call that has not come back by then is ended */
    uint32_t order_burst;        /* orders, 1..1000000 */
    uint32_t order_permille;     /* orders for each 1000 messages, 0..4000 */
    uint32_t rejection_burst;    /* 1..1000000 */
    uint32_t rejection_permille; /* 0..4000 */
};

struct strategy_counters {
    uint64_t events;
    uint64_t orders;      /* asked for */
    uint64_t refused;     /* of these, not sent, for whatever reason */
    uint64_t rejections;  /* of these, by risk for what they are */
    uint64_t unsupported; /* replaces and cancels that this engine cannot do */
    uint64_t own_events;
    uint64_t timers;
    uint64_t suspicions;
};

struct strategy_slot {
    /* hot */
    void *memory; /* the strategy's state */
    void (*on_event)(void *, const struct tailgate_event *, const struct tailgate_top *, struct tailgate_output *);
    void (*on_own_order)(void *, const struct tailgate_own_event *, struct tailgate_output *);
    void (*on_timer)(void *, uint64_t, struct tailgate_output *);
    void (*on_refused)(void *, uint64_t, const struct tailgate_order *, uint32_t);
    void (*forget)(void *);
    uint32_t generation; /* 1.. in order of loading; the built-in strategy is 0 */
    char letter;
    /* cold */
    _Atomic uint32_t state; /* enum strategy_slot_state */
    uint64_t plan_position; /* READY: becomes active at this message ... */
    uint64_t plan_ns;       /* ... or at this time; both 0: not planned */
    bool faulted;           /* its code crashed or hung: never unload it, its end could crash too */
    struct strategy_counters counters;
    char name[TAILGATE_NAME_BYTES];
    char version[TAILGATE_NAME_BYTES];
    void *library;          /* dlopen */
    size_t memory_bytes;    /* mapped */
    struct tailgate_host host;
};

/* A row of the account: from `position` on, `to` is active. */
struct strategy_change {
    uint64_t at_ns;
    uint64_t position; /* first feed message that the new one may see */
    uint64_t poll;
    uint64_t detail;   /* see enum strategy_cause */
    uint32_t from_generation;
    uint32_t to_generation;
    uint32_t cause;
    int32_t signal;
    char from_name[TAILGATE_NAME_BYTES];
    char to_name[TAILGATE_NAME_BYTES];
};

_Static_assert(sizeof(struct strategy_change) == 96, "a row of the account");

struct strategies {
    /* hot, while a shared object is active */
    int32_t active;           /* slot, or STRATEGY_BUILT_IN */
    int32_t previous;
    uint64_t last_ticks;      /* end of the batch before */
    uint64_t event_ticks_max;
    uint64_t answer_ticks;    /* what the engine itself may need for an order */
    uint64_t slack_ticks;     /* and for a batch */
    int64_t order_credit;     /* 1/1000 orders */
    int64_t rejection_credit;
    uint32_t suspect_calls;   /* calls left to be timed; 0: nobody is suspected */
    uint32_t slow_calls;      /* of those timed so far */
    uint64_t ordinal_sequence; /* trigger that ordinal_next belongs to */
    uint32_t ordinal_next;
    uint64_t timer_ns;
    struct guard guard;
    struct tailgate_output output;
    uint8_t overrun[256];     /* what a strategy writes behind its output lands here */
    /* the earliest of what is planned */
    uint64_t due_position;
    uint64_t due_ns;
    /* account */
    uint32_t change_count;
    uint32_t changes_lost;
    struct strategy_budget budget;
    struct strategy_slot slots[STRATEGY_SLOT_COUNT];
    struct strategy_change changes[STRATEGY_CHANGE_COUNT];
    uint32_t generations;     /* loader's */
    _Alignas(64) uint8_t signal_stack[GUARD_STACK_BYTES];
};

void strategy_budget_default(struct strategy_budget *budget);
bool strategy_budget_valid(const struct strategy_budget *budget);

/* Nothing but the built-in strategy; the budget must be valid. Ticks are filled in by the caller. */
void strategies_init(struct strategies *strategies, const struct strategy_budget *budget);

/* A new one is active: purses full, nobody suspected. */
void strategies_begin(struct strategies *strategies);

/* The name of a slot's strategy, "touch_taker" for STRATEGY_BUILT_IN. */
const char *strategies_name(const struct strategies *strategies, int32_t slot);
uint32_t strategies_generation(const struct strategies *strategies, int32_t slot);

/* Writes the account; full: counted as lost, the first ones stay. */
void strategies_note(struct strategies *strategies, const struct strategy_change *change);

const char *strategy_cause_name(uint32_t cause);

/* A batch has brought so many messages: the purses fill. */
static inline void strategies_earn(struct strategies *strategies, uint32_t messages)
{
    const struct strategy_budget *budget = &strategies->budget;
    int64_t orders = strategies->order_credit + (int64_t)messages * budget->order_permille;
    int64_t rejections = strategies->rejection_credit + (int64_t)messages * budget->rejection_permille;
    int64_t orders_max = (int64_t)budget->order_burst * 1000, rejections_max = (int64_t)budget->rejection_burst * 1000;
    strategies->order_credit = orders < orders_max ? orders : orders_max;
    strategies->rejection_credit = rejections < rejections_max ? rejections : rejections_max;
}

/* False: the purse is empty. */
static inline bool strategies_pay(int64_t *credit)
{
    if (*credit < 1000)
        return false;
    *credit -= 1000;
    return true;
}

#endif
