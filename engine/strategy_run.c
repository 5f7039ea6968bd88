#include "engine/strategy_run.h"

#include <string.h>

#include "engine/engine.h"
#include "engine/order_action.h"
#include "engine/strategy_inside.h"

/* Why a batch ended early. */
struct breach {
    enum strategy_cause cause;
    uint64_t detail;
};

/* ---- what it asks for ---- */

static struct tailgate_output *blank(struct strategies *strategies, uint64_t trigger_sequence)
{
    struct tailgate_output *output = &strategies->output;
    if (strategies->ordinal_sequence != trigger_sequence) {
        strategies->ordinal_sequence = trigger_sequence;
        strategies->ordinal_next = 0;
    }
    output->count = 0;
    output->first_ordinal = strategies->ordinal_next;
    output->trigger_sequence = trigger_sequence;
    return output;
}

static void refused(struct engine *engine, uint64_t id, const struct tailgate_order *order, uint32_t reason)
{
    struct strategy_slot *slot = active_slot(engine);
    slot->counters.refused++;
    if (!slot->on_refused)
        return;
    enter_call(engine);
    slot->on_refused(slot->memory, id, order, reason);
    guard_leave(&engine->strategies.guard);
}

/* False for refusals that say nothing about the order; a reason that is not known here counts against it. */
static bool blames_strategy(uint32_t reason)
{
    switch (reason) {
    case RISK_KILL_SWITCH:
    case RISK_FEED_NOT_LIVE:
    case RISK_BOOK_INCOMPLETE:
    case RISK_LATE:
    case RISK_SESSION_DOWN:
    case RISK_HALTED:
    case RISK_OWN_ORDERS_FULL:
    case RISK_LIMITS_INVALID:
    case RISK_LIMITS_MISSING:
    case RISK_LIMITS_STALE:
    case RISK_KILL_SYMBOL:
    case RISK_KILL_STRATEGY:
    case RISK_TRIPPED:
    case RISK_SESSION_HOURS:
    case RISK_FEED_AGE:
    case RISK_QUOTE_AGE:
        return false;
    default:
        return true;
    }
}

static void name_stock(const struct engine *engine, const struct tailgate_order *order, char stock[8])
{
    const char *from = order->stock[0] ? order->stock : engine->touch_taker.symbols[order->symbol].stock;
    memcpy(stock, from, 8);
}

static enum risk_reason enter(struct engine *engine, const struct tailgate_order *order, uint32_t ordinal, uint8_t line,
                              const uint64_t *stages, uint64_t now_ns)
{
    struct order_request request = {.trigger_sequence = engine->strategies.output.trigger_sequence,
                                    .price = order->price,
                                    .shares = order->shares,
                                    .time_in_force = order->time_in_force,
                                    .symbol = order->symbol,
                                    .side = order->side,
                                    .ordinal = (uint8_t)ordinal};
    name_stock(engine, order, request.stock);
    return engine_answer(engine, &request, active_slot(engine)->letter, line, stages, now_ns);
}

/* 0, or the reason with which it was refused. */
static uint32_t act(struct engine *engine, const struct tailgate_order *order, uint32_t ordinal, uint64_t now_ns)
{
    struct strategy_slot *slot = active_slot(engine);
    struct order_action action = {.target_key = order->target_id << 8 | (uint8_t)slot->letter,
                                  .trigger_sequence = engine->strategies.output.trigger_sequence,
                                  .price = order->price,
                                  .shares = order->shares,
                                  .time_in_force = order->time_in_force,
                                  .symbol = order->symbol,
                                  .ordinal = (uint8_t)ordinal,
                                  .kind = order->kind,
                                  .letter = slot->letter};
    if (order->kind != TAILGATE_ORDER_REPLACE && order->kind != TAILGATE_ORDER_CANCEL)
        return RISK_REQUEST_INVALID;
    return engine_order_action(engine, &action, now_ns) == ORDER_ACTION_SENT ? RISK_NONE : action.reason;
}

/* Everything in the output, in order, until a budget says no. */
static bool answer_all(struct engine *engine, uint8_t line, const uint64_t *stages, uint64_t now_ns,
                       struct breach *breach)
{
    struct strategies *strategies = &engine->strategies;
    struct strategy_slot *slot = active_slot(engine);
    uint32_t count = strategies->output.count, first = strategies->output.first_ordinal;
    if (count > TAILGATE_ORDERS_MAX) {
        *breach = (struct breach){STRATEGY_CAUSE_OUTPUT, count};
        return false;
    }
    strategies->ordinal_next = first + count;
    for (uint32_t i = 0; i < count; i++) {
        const struct tailgate_order *order = &strategies->output.orders[i];
        uint64_t id = tailgate_order_id(&strategies->output, i);
        slot->counters.orders++;
        if (!strategies_pay(&strategies->order_credit)) {
            slot->counters.refused += count - i;
            *breach = (struct breach){STRATEGY_CAUSE_ORDERS, slot->counters.orders};
            return false;
        }
        uint32_t reason = first + i > RISK_ORDINAL_MAX        ? TAILGATE_REFUSED_TOO_MANY
                          : order->kind == TAILGATE_ORDER_NEW ? enter(engine, order, first + i, line, stages, now_ns)
                                                              : act(engine, order, first + i, now_ns);
        if (reason == RISK_NONE)
            continue;
        refused(engine, id, order, reason);
        if (reason >= TAILGATE_REFUSED_UNSUPPORTED || !blames_strategy(reason))
            continue;
        slot->counters.rejections++;
        if (!strategies_pay(&strategies->rejection_credit)) {
            slot->counters.refused += count - i - 1;
            *breach = (struct breach){STRATEGY_CAUSE_REJECTIONS, reason};
            return false;
        }
    }
    return true;
}

/* ---- calls ---- */

/* One call that is timed, because a batch before was too slow. False: one too many was slow. */
static bool timely(struct engine *engine, uint64_t before, struct breach *breach)
{
    struct strategies *strategies = &engine->strategies;
    uint64_t spent = clock_ticks() - before;
    strategies->suspect_calls--;
    if (spent <= strategies->event_ticks_max)
        return true;
    *breach = (struct breach){STRATEGY_CAUSE_TIME,
                              clock_ns(&engine->clock, engine->clock.start.ticks + spent) -
                                  (uint64_t)engine->clock.start.ns};
    return ++strategies->slow_calls < STRATEGY_SLOW_CALLS;
}

static inline bool tell(struct engine *engine, const struct event *event, struct breach *breach)
{
    struct strategies *strategies = &engine->strategies;
    struct strategy_slot *slot = active_slot(engine);
    struct tailgate_output *output = blank(strategies, event->sequence);
    bool timed = __builtin_expect(strategies->suspect_calls != 0, 0);
    uint64_t before = timed ? clock_ticks() : 0;
    slot->counters.events++;
    enter_call(engine);
    slot->on_event(slot->memory, (const struct tailgate_event *)event,
                   (const struct tailgate_top *)book_top(&engine->book, event->symbol), output);
    guard_leave(&strategies->guard);
    breach->cause = STRATEGY_CAUSE_TIME;
    if (in_replay(engine))
        return !replay_was_slow(engine->journal->replay, STRATEGY_CAUSE_TIME, &breach->detail);
    if (!timed || timely(engine, before, breach))
        return true;
    record_breach(engine, STRATEGY_CAUSE_TIME, breach->detail, 0, engine->feed.now_ns);
    return false;
}

/* The one clock read of a batch: did it take longer than it may? */
static void weigh(struct engine *engine, uint64_t begun, uint32_t messages, uint64_t orders)
{
    struct strategies *strategies = &engine->strategies;
    uint64_t now = clock_ticks();
    uint64_t allowed = messages * strategies->event_ticks_max + orders * strategies->answer_ticks +
                       strategies->slack_ticks;
    strategies->last_ticks = now;
    if (__builtin_expect(now - begun <= allowed, 1) || in_replay(engine))
        return;
    active_slot(engine)->counters.suspicions++;
    if (strategies->suspect_calls != 0) /* it is being watched already, perhaps in batches of one message */
        return;
    strategies->slow_calls = 0;
    strategies->suspect_calls = STRATEGY_SUSPECT_CALLS;
}

/* True: it broke a budget and the one before has its place. */
static __attribute__((noinline)) bool run(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns, const uint8_t *end)
{
    struct strategies *strategies = &engine->strategies;
    uint64_t stages[STAGE_COUNT] = {rx_ticks};
    uint64_t begun = rx_ticks > strategies->last_ticks ? rx_ticks : strategies->last_ticks;
    uint64_t orders = active_slot(engine)->counters.orders;
    uint32_t messages = 0, ahead_left = 0;
    struct feed_message message;
    struct book_ahead ahead;
    struct event event;
    struct breach breach;
    if (end && engine->feed.block_count > BOOK_AHEAD_BATCH) {
        book_ahead_start(&ahead, &engine->book, engine->feed.block, end);
        ahead_left = engine->feed.block_count;
    }
    while (engine_next(engine, &message)) {
        if (ahead_left && ahead_left--)
            book_ahead(&ahead, &engine->book, message.data);
        messages++;
        if (!engine_apply(engine, &message, stages, &event, now_ns))
            continue;
        if (event.kind == EVENT_ADD || event.kind == EVENT_DIRECTORY)
            touch_taker_learn(&engine->touch_taker, &event);
        bool good = tell(engine, &event, &breach);
        if (engine->stages)
            stages[STAGE_STRATEGY] = clock_ticks();
        if (__builtin_expect(good, 1) &&
            (strategies->output.count == 0 || answer_all(engine, message.line, stages, now_ns, &breach)))
            continue;
        return strategy_roll_back(engine, breach.cause, breach.detail, message.position + 1, now_ns);
    }
    if (messages) {
        strategies_earn(strategies, messages);
        weigh(engine, begun, messages, active_slot(engine)->counters.orders - orders);
    }
    return false;
}

/* Its code did not come back by itself. The message it was told of is spent. */
static __attribute__((noinline)) bool contain(struct engine *engine, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    bool hung = strategies->guard.signal == guard_signal();
    active_slot(engine)->faulted = true;
    const enum strategy_cause cause = hung ? STRATEGY_CAUSE_HANG : STRATEGY_CAUSE_CRASH;
    const uint64_t detail = hung ? strategies->budget.hang_ns : 0;
    record_breach(engine, cause, detail, strategies->guard.signal, now_ns);
    return strategy_roll_back(engine, cause, detail, strategy_position(engine), now_ns);
}

bool strategy_drain(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns, const uint8_t *end)
{
    guard_use(&engine->strategies.guard);
    if (sigsetjmp(engine->strategies.guard.landing, 0) == 0)
        return run(engine, rx_ticks, now_ns, end);
    return contain(engine, now_ns);
}

/* ---- the rest of what it is told ---- */

/* Orders that no message of this batch causes carry the last message handed out. */
static void answer_outside(struct engine *engine, uint64_t now_ns)
{
    struct breach breach;
    uint64_t stages[STAGE_COUNT] = {clock_ticks()};
    if (engine->strategies.output.count && !answer_all(engine, 0, stages, now_ns, &breach))
        strategy_roll_back(engine, breach.cause, breach.detail, strategy_position(engine), now_ns);
}

static uint64_t last_message(const struct engine *engine)
{
    uint64_t position = strategy_position(engine);
    return engine->feed.next_sequence > 1 ? position - 1 : position;
}

void strategy_timer(struct engine *engine, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    if (engine->strategy != STRATEGY_SHARED || now_ns - strategies->timer_ns < STRATEGY_TIMER_NS)
        return;
    struct strategy_slot *slot = active_slot(engine);
    strategies->timer_ns = now_ns;
    if (!slot->on_timer)
        return;
    record_step(engine->journal, JOURNAL_STRATEGY_TIMER, now_ns, NULL, 0);
    strategy_tell_time(engine, now_ns);
    record_done(engine, now_ns);
}

void strategy_tell_time(struct engine *engine, uint64_t now_ns)
{
    struct strategies *strategies = &engine->strategies;
    if (engine->strategy != STRATEGY_SHARED || !active_slot(engine)->on_timer)
        return;
    struct strategy_slot *slot = active_slot(engine);
    guard_use(&strategies->guard);
    if (sigsetjmp(strategies->guard.landing, 0)) {
        contain(engine, now_ns);
        return;
    }
    slot->counters.timers++;
    struct tailgate_output *output = blank(strategies, last_message(engine));
    enter_call(engine);
    slot->on_timer(slot->memory, now_ns, output);
    guard_leave(&strategies->guard);
    answer_outside(engine, now_ns);
}

static bool translate(const struct engine *engine, const struct own_event *event, struct tailgate_own_event *told)
{
    const struct own_order *order = own_orders_find(&engine->session.own_orders, event->token_key);
    if (event->token_key == 0 || !order)
        return false;
    *told = (struct tailgate_own_event){.order_id = event->token_key >> 8,
                                        .previous_id = event->previous_token_key >> 8,
                                        .time_ns = event->time_ns,
                                        .position = own_orders_symbol(&engine->session.own_orders, order->symbol)->position,
                                        .shares = event->shares,
                                        .price = event->price,
                                        .open_shares = order->open_shares,
                                        .symbol = order->symbol,
                                        .kind = event->kind == OWN_EVENT_EXECUTED_REFERENCE ? TAILGATE_OWN_EXECUTED
                                                                                            : event->kind,
                                        .side = order->side,
                                        .reason = event->reason,
                                        .state = event->state};
    return true;
}

/* The guarded call; its caller is where a crash lands. */
static void hear(struct engine *engine, struct strategy_slot *slot, const struct tailgate_own_event *told)
{
    slot->counters.own_events++;
    struct tailgate_output *output = blank(&engine->strategies, last_message(engine));
    enter_call(engine);
    slot->on_own_order(slot->memory, told, output);
    guard_leave(&engine->strategies.guard);
}

/* The one before may come back: it goes on hearing what becomes of its orders. What it asks for does not leave, and when
 * its code does not come back it is no longer the one before. */
static __attribute__((noinline)) void tell_previous(struct engine *engine, const struct own_event *event)
{
    struct strategies *strategies = &engine->strategies;
    struct strategy_slot *slot = &strategies->slots[strategies->previous];
    struct tailgate_own_event told;
    if (!slot->on_own_order || ouch42_key_letter(event->token_key) != slot->letter || !translate(engine, event, &told))
        return;
    guard_use(&strategies->guard);
    if (sigsetjmp(strategies->guard.landing, 0)) {
        const bool hung = strategies->guard.signal == guard_signal();
        record_breach(engine, hung ? STRATEGY_CAUSE_HANG : STRATEGY_CAUSE_CRASH, 0, strategies->guard.signal,
                      engine->feed.now_ns);
        strategy_lose_previous(engine);
        return;
    }
    hear(engine, slot, &told);
    strategies->output.count = 0;
}

void strategy_own_event(void *context, const struct own_event *event, uint64_t now_ns)
{
    struct engine *engine = context;
    struct strategies *strategies = &engine->strategies;
    struct tailgate_own_event told;
    if (engine->strategy != STRATEGY_SHARED)
        return;
    struct strategy_slot *slot = active_slot(engine);
    if (ouch42_key_letter(event->token_key) != slot->letter) {
        if (strategies->previous != STRATEGY_BUILT_IN)
            tell_previous(engine, event);
        return;
    }
    if (!slot->on_own_order || !translate(engine, event, &told))
        return;
    guard_use(&strategies->guard);
    if (sigsetjmp(strategies->guard.landing, 0)) {
        contain(engine, now_ns);
        return;
    }
    hear(engine, slot, &told);
    answer_outside(engine, now_ns);
}
