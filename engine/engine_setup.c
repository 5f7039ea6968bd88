/* What happens before the first poll and after the last one: memory is dealt out, results are exported. */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct shares {
    size_t feed, book, touch_taker, session, decisions, risk, seen;
};

static size_t aligned(size_t bytes)
{
    return (bytes + ENGINE_MEMORY_ALIGNMENT - 1) & ~(size_t)(ENGINE_MEMORY_ALIGNMENT - 1);
}

static struct order_session_options session_options(const struct engine_options *options)
{
    return (struct order_session_options){.own_orders = options->own_orders, .soupbin = options->soupbin,
                                          .ouch = options->ouch, .protocol = (uint8_t)options->protocol};
}

static bool deal(const struct engine_options *options, struct shares *shares)
{
    shares->feed = aligned(feed_memory_size(&options->feed));
    shares->book = aligned(book_memory_size(&options->book));
    const struct order_session_options session = session_options(options);
    shares->session = aligned(order_session_bytes(&session));
    shares->touch_taker = aligned(sizeof(struct touch_taker_symbol) * STRATEGY_SYMBOL_COUNT);
    shares->decisions = aligned(sizeof(struct decision) * options->decision_capacity);
    shares->risk = aligned(sizeof(struct risk_memory));
    shares->seen = aligned(sizeof(struct risk_seen_symbol) * RISK_SYMBOL_COUNT);
    return shares->feed && shares->book && shares->session;
}

size_t engine_memory_size(const struct engine_options *options)
{
    struct shares shares;
    if (!deal(options, &shares))
        return 0;
    return shares.feed + shares.book + shares.session + shares.touch_taker + shares.decisions + shares.risk +
           shares.seen;
}

static int refuse(struct engine *engine, int result, const char *what)
{
    snprintf(engine->error, sizeof(engine->error), "%s: %s", what, strerror(-result));
    return result;
}

static int init_strategy(struct engine *engine, const struct engine_options *options, void *memory)
{
    int result = touch_taker_init(&engine->touch_taker, &options->touch_taker, memory);
    if (result)
        return refuse(engine, result, "strategy touch_taker: parameters out of range");
    if (options->strategy == STRATEGY_REFLECTOR) {
        if (options->protocol != CODEC_OUCH42)
            return refuse(engine, -EINVAL, "strategy reflector: speaks OUCH 4.2 only");
        result = reflector_init(&engine->reflector, &options->reflector, &engine->template_);
        if (result)
            return refuse(engine, result, "strategy reflector: parameters out of range");
    } else if (options->strategy != STRATEGY_TOUCH_TAKER) {
        return refuse(engine, -EINVAL, "strategy: unknown kind");
    }
    struct strategy_budget budget = options->strategy_budget;
    if (budget.event_ns_max == 0)
        strategy_budget_default(&budget);
    if (!strategy_budget_valid(&budget))
        return refuse(engine, -EINVAL, "strategy budget: out of range");
    strategies_init(&engine->strategies, &budget);
    engine->session.observe = strategy_own_event;
    engine->session.observer = engine;
    return 0;
}

/* The gate, and the first table of limits as if a control thread had published it. */
static int init_risk(struct engine *engine, const struct engine_options *options, struct risk_memory *memory)
{
    const struct risk_options risk = {
        .limits = options->limits, .kill_switch = &engine->kill, .memory = memory};
    int result = risk_init(&engine->risk, &risk);
    engine->risk_memory = memory;
    engine->session.risk = &engine->risk;
    if (result)
        return refuse(engine, result, "risk limits: out of bounds or not sealed");
    if (options->table != NULL) {
        struct risk_table *table = risk_tables_begin(&memory->tables);
        memcpy(table, options->table, sizeof(*table));
        const enum risk_table_problem problem = risk_tables_publish(&memory->tables, table);
        if (problem != RISK_TABLE_GOOD) {
            snprintf(engine->error, sizeof(engine->error), "table of limits: %s", risk_table_problem_name(problem));
            return -EINVAL;
        }
        engine->options.table = NULL; /* copied; the caller's may go */
        risk_poll(&engine->risk, options->table->rules.head.created_ns);
    }
    return 0;
}

static int init_orders(struct engine *engine, const struct engine_options *options, void *memory, size_t bytes)
{
    const struct order_session_options session = session_options(options);
    const char *what;
    int result = order_session_init(&engine->session, &session, memory, bytes, &what);
    if (result)
        return refuse(engine, result, what);
    engine->session.tracking = options->strategy != STRATEGY_REFLECTOR;
    engine->session.hold = &engine->kill.value;
    result = ouch42_template_init(&engine->template_, &options->ouch);
    if (result)
        return refuse(engine, result, "order template: a field is not printable");
    return 0;
}

int engine_init(struct engine *engine, const struct engine_options *options, struct control *control, void *memory,
                size_t size)
{
    struct shares shares;
    uint8_t *next = memory;
    memset(engine, 0, sizeof(*engine));
    engine->options = *options;
    engine->strategy = options->strategy;
    engine->letter = strategy_letter(options->strategy);
    engine->stages = options->stages;
    engine->control = control ? control : &engine->own_control;
    if (!deal(options, &shares) || size < engine_memory_size(options))
        return refuse(engine, -EINVAL, "engine: capacities out of range or memory too small");

    int result = feed_init(&engine->feed, &options->feed, next, shares.feed);
    if (result)
        return refuse(engine, result, "feed: options out of range");
    next += shares.feed;
    result = book_init(&engine->book, &options->book, next, shares.book);
    if (result)
        return refuse(engine, result, "book: capacities out of range");
    next += shares.book;
    result = recovery_init(&engine->recovery, &options->recovery);
    if (result)
        return refuse(engine, result, "recovery: account cannot be written");
    result = init_orders(engine, options, next, shares.session);
    if (result)
        return result;
    next += shares.session;
    result = init_risk(engine, options, (struct risk_memory *)next);
    if (result)
        return result;
    next += shares.risk;
    memset(next, 0, shares.seen);
    engine->seen.symbols = (struct risk_seen_symbol *)next;
    next += shares.seen;
    result = init_strategy(engine, options, next);
    if (result)
        return result;
    next += shares.touch_taker;
    engine->decisions = (struct decision_log){(struct decision *)next, options->decision_capacity, 0, 0};

    clock_init(&engine->clock);
    engine->stall_ticks = clock_ticks_from_ns(&engine->clock, ENGINE_STALL_NS);
    engine->late_ticks = options->late_after_ns ? clock_ticks_from_ns(&engine->clock, options->late_after_ns)
                                                : UINT64_MAX;
    engine->until = UINT64_MAX;
    strategy_run_init(engine);
    engine->last_poll_ticks = clock_ticks();
    return 0;
}

uint32_t engine_export_decisions(const struct engine *engine, struct decision_row *rows, uint32_t capacity)
{
    struct clock_anchor stop = clock_anchor_now();
    uint32_t count = engine->decisions.count < capacity ? engine->decisions.count : capacity;
    for (uint32_t i = 0; i < count; i++) {
        const struct decision *from = &engine->decisions.rows[i];
        struct decision_row *to = &rows[i];
        for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
            to->stages_ns[stage] =
                from->stages[stage] ? clock_interpolate(&engine->clock, &stop, from->stages[stage]) : 0;
        to->trigger_sequence = from->trigger_sequence;
        to->price = from->price;
        to->shares = from->shares;
        to->symbol = from->symbol;
        to->side = from->side;
        to->reason = from->reason;
        to->ordinal = from->ordinal;
        to->feed_state = from->feed_state;
        to->flags = from->flags;
        to->line = from->line;
        to->reserved = 0;
    }
    return count;
}
