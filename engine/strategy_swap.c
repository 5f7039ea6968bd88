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
    engine->strategy = strategies->active == STRATEGY_BUILT_IN ? STRATEGY_TOUCH_TAKER : STRATEGY_SHARED;
    engine->letter = strategies->active == STRATEGY_BUILT_IN ? strategy_letter(STRATEGY_TOUCH_TAKER)
                                                             : active_slot(engine)->letter;
    if (strategies->active == STRATEGY_BUILT_IN) {
        touch_taker_forget(&engine->touch_taker);
    } else if (!forget_guarded(engine)) {
        active_slot(engine)->faulted = true;
        record_breach(engine, STRATEGY_CAUSE_CRASH, 0, strategies->guard.signal, now_ns);
        strategy_roll_back(engine, STRATEGY_CAUSE_CRASH, 0, position, now_ns);
    }
}

static bool deployable(const struct engine *engine, int32_t slot)
{
    return slot >= 0 && slot < STRATEGY_SLOT_COUNT && engine->strategy != STRATEGY_REFLECTOR &&
           atomic_load_explicit(&engine->strategies.slots[slot].state, memory_order_acquire) == SLOT_READY;
}

static void note_due(struct engine *engine)
{
    struct strategies *strategies = &engine->strategies;
    strategies->due_position = strategies->due_ns = UINT64_MAX;
    engine->planned = false;
    for (int32_t i = 0; i < STRATEGY_SLOT_COUNT; i++) {
        const struct strategy_slot *slot = &strategies->slots[i];
        if (!deployable(engine, i) || slot->plan_position == 0)
            continue;
        engine->planned = true;
        if (slot->plan_position < strategies->due_position)
            strategies->due_position = slot->plan_position;
        if (slot->plan_ns < strategies->due_ns)
            strategies->due_ns = slot->plan_ns;
    }
}

bool strategy_plan(struct engine *engine, int32_t slot, uint64_t position, uint64_t at_ns)
{
    if (!deployable(engine, slot))
        return false;
    engine->strategies.slots[slot].plan_position = position;
    engine->strategies.slots[slot].plan_ns = at_ns;
    note_due(engine);
    return true;
}

void strategy_plan_look(struct engine *engine, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    const uint64_t position = strategy_position(engine);
    if (position < strategies->due_position && now_ns < strategies->due_ns)
        return;
    for (int32_t i = 0; i < STRATEGY_SLOT_COUNT; i++) {
        const struct strategy_slot *slot = &strategies->slots[i];
        if (!deployable(engine, i) || slot->plan_position == 0) /* in this order: not READY, it is the loader's */
            continue;
        if (slot->plan_position <= position || slot->plan_ns <= now_ns)
            strategy_deploy(engine, i, now_ns);
    }
    note_due(engine);
}

bool strategy_deploy(struct engine *engine, int32_t slot, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    int32_t from = strategies->active;
    if (!deployable(engine, slot))
        return false;
    const uint64_t planned = strategies->slots[slot].plan_position, position = strategy_position(engine);
    atomic_store_explicit(&strategies->slots[slot].state, SLOT_IN_USE, memory_order_relaxed);
    retire(strategies, strategies->previous);
    strategies->previous = from;
    strategies->active = slot;
    strategies->last_ticks = 0;
    note_change(engine, from, STRATEGY_CAUSE_DEPLOYED, planned <= position ? planned : 0, position, now_ns);
    begin(engine, position, now_ns);
    return true;
}

void strategy_lose_previous(struct engine *engine)
{
    struct strategies *strategies = &engine->strategies;
    strategies->slots[strategies->previous].faulted = true;
    retire(strategies, strategies->previous);
    strategies->previous = STRATEGY_BUILT_IN;
}

/* Nobody looks after its orders any more. */
static void cancel_left(struct engine *engine, int32_t from, enum strategy_cause cause)
{
    const char letter = engine->strategies.slots[from].letter;
    if (cause != STRATEGY_CAUSE_OPERATOR && letter != engine->letter)
        risk_mass_cancel(&engine->risk, RISK_SCOPE_STRATEGY, (uint16_t)letter);
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
    begin(engine, position, now_ns);
    cancel_left(engine, from, cause);
    retire(strategies, from);
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
