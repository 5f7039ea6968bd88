/* Which strategy is active: swaps, rollbacks, new beginnings; see strategy_run.h. */
#include "engine/strategy_inside.h"

#include <string.h>

/* What the engine itself may need before anybody is suspected: a batch, and an order of it through the kernel. */
enum { SLACK_NS = 20 * 1000, ANSWER_NS = 20 * 1000 };

void strategy_run_init(struct engine *engine)
{
    struct strategies *strategies = &engine->strategies;
    strategies->event_ticks_max = clock_ticks_from_ns(&engine->clock, strategies->budget.event_ns_max);
    strategies->slack_ticks = clock_ticks_from_ns(&engine->clock, SLACK_NS);
    strategies->answer_ticks = clock_ticks_from_ns(&engine->clock, ANSWER_NS);
}

uint64_t strategy_position(const struct engine *engine)
{
    return engine->feed.position_base | engine->feed.next_sequence;
}

static void note_change(struct engine *engine, int32_t from, enum strategy_cause cause, uint64_t detail,
                        uint64_t position, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    int32_t to = strategies->active;
    struct strategy_change change = {.at_ns = now_ns,
                                     .position = position,
                                     .poll = engine->statistics.polls,
                                     .detail = detail,
                                     .from_generation = strategies_generation(strategies, from),
                                     .to_generation = strategies_generation(strategies, to),
                                     .cause = cause,
                                     .signal = cause == STRATEGY_CAUSE_CRASH ? strategies->guard.signal : 0};
    memcpy(change.from_name, strategies_name(strategies, from), strlen(strategies_name(strategies, from)) + 1);
    memcpy(change.to_name, strategies_name(strategies, to), strlen(strategies_name(strategies, to)) + 1);
    strategies_note(strategies, &change);
    record_strategy(engine, &change, now_ns);
    control_publish_strategy(engine->control, change.to_generation, strategies->change_count);
}

static void retire(struct strategies *strategies, int32_t slot)
{
    if (slot != STRATEGY_BUILT_IN)
        atomic_store_explicit(&strategies->slots[slot].state, SLOT_RETIRED, memory_order_release);
}

static __attribute__((noinline)) bool forget_guarded(struct engine *engine)
{
    struct strategies *strategies = &engine->strategies;
    guard_use(&strategies->guard);
    if (sigsetjmp(strategies->guard.landing, 0))
        return false;
    enter_call(engine);
    active_slot(engine)->forget(active_slot(engine)->memory);
    guard_leave(&strategies->guard);
    return true;
}

/* The active strategy looks at the market as if for the first time. */
static void begin(struct engine *engine, uint64_t position, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    strategies_begin(strategies);
    const bool built_in = strategies->active == STRATEGY_BUILT_IN;
    engine->strategy = built_in ? STRATEGY_TOUCH_TAKER : STRATEGY_SHARED;
    engine->strategy_number = built_in ? STRATEGY_TOUCH_TAKER : active_slot(engine)->number;
    if (built_in) {
        touch_taker_forget(&engine->touch_taker);
    } else if (!forget_guarded(engine)) {
        active_slot(engine)->faulted = true;
        record_breach(engine, STRATEGY_CAUSE_CRASH, 0, strategies->guard.signal, now_ns);
        strategy_roll_back(engine, STRATEGY_CAUSE_CRASH, 0, position, now_ns);
    }
}

bool strategy_deploy(struct engine *engine, int32_t slot, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    int32_t from = strategies->active;
    if (slot < 0 || slot >= STRATEGY_SLOT_COUNT || engine->strategy == STRATEGY_REFLECTOR ||
        atomic_load_explicit(&strategies->slots[slot].state, memory_order_acquire) != SLOT_READY)
        return false;
    atomic_store_explicit(&strategies->slots[slot].state, SLOT_IN_USE, memory_order_relaxed);
    retire(strategies, strategies->previous);
    strategies->previous = from;
    strategies->active = slot;
    strategies->last_ticks = 0;
    note_change(engine, from, STRATEGY_CAUSE_DEPLOYED, 0, strategy_position(engine), now_ns);
    begin(engine, strategy_position(engine), now_ns);
    return true;
}

bool strategy_roll_back(struct engine *engine, enum strategy_cause cause, uint64_t detail, uint64_t position,
                        uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    int32_t from = strategies->active;
    if (from == STRATEGY_BUILT_IN)
        return false;
    strategies->active = strategies->previous;
    strategies->previous = STRATEGY_BUILT_IN;
    note_change(engine, from, cause, detail, position, now_ns);
    retire(strategies, from);
    begin(engine, position, now_ns);
    return true;
}

void strategy_forget(struct engine *engine, uint64_t now_ns)
{
    if (engine->strategy != STRATEGY_SHARED || forget_guarded(engine))
        return;
    active_slot(engine)->faulted = true;
    record_breach(engine, STRATEGY_CAUSE_CRASH, 0, engine->strategies.guard.signal, now_ns);
    strategy_roll_back(engine, STRATEGY_CAUSE_CRASH, 0, strategy_position(engine), now_ns);
}
