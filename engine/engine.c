#include "engine/engine.h"

#include <string.h>

#include "engine/journal/record.h"
#include "engine/order_action.h"

/* The thread was not running for so long: distrust what waited. */
static inline void note_late(struct engine *engine, uint64_t since_ticks)
{
    if (__builtin_expect(since_ticks > engine->late_ticks, 0) && !engine->late) {
        engine->late = true;
        engine->statistics.late_episodes++;
        record_late(engine, engine->feed.now_ns);
    }
}

/* A poll that comes late is counted as a stall. */
static inline uint64_t note_time(struct engine *engine)
{
    uint64_t ticks = clock_ticks(), since = ticks - engine->last_poll_ticks;
    engine->last_poll_ticks = ticks;
    if (__builtin_expect(since > engine->stall_ticks, 0)) {
        uint64_t ns = clock_ns(&engine->clock, ticks) - clock_ns(&engine->clock, ticks - since);
        engine->statistics.stalls++;
        engine->statistics.stall_ns_total += ns;
        if (ns > engine->statistics.stall_ns_max)
            engine->statistics.stall_ns_max = ns;
        note_late(engine, since);
    }
    return ticks;
}

static inline struct risk_context context_of(const struct engine *engine, uint16_t symbol, uint64_t now_ns)
{
    const struct own_symbol *own = own_orders_symbol(&engine->session.own_orders, symbol);
    return (struct risk_context){
        .now_ns = now_ns,
        .position = own->position,
        .open_buy_shares = own->open_buy_shares,
        .open_sell_shares = own->open_sell_shares,
        .feed_state = engine->feed.state,
        .book_complete = engine->book.complete,
        .session_up = order_session_ready(&engine->session),
        .late = engine->late,
        .own_orders_full = own_orders_full(&engine->session.own_orders),
        .trading_state = engine->trading_states[symbol],
        .strategy = (uint16_t)engine->letter,
        .own_best_bid = own->own_best_bid,
        .own_best_ask = own->own_best_ask,
        .last_price = engine->seen.symbols[symbol].last_price,
        .market_ns = engine->seen.market_ns,
        .quote_ns = engine->seen.symbols[symbol].quote_ns,
        .feed_ns = engine->feed.lines[0].heard_ns > engine->feed.lines[1].heard_ns ? engine->feed.lines[0].heard_ns
                                                                                  : engine->feed.lines[1].heard_ns,
    };
}

struct risk_context engine_risk_context(const struct engine *engine, uint16_t symbol, uint64_t now_ns)
{
    return context_of(engine, symbol, now_ns);
}

/* One copy of it, the one that rehearsals keep warm. */
static __attribute__((noinline)) enum risk_reason check(struct engine *engine, const struct order_request *request,
                                                        uint64_t now_ns, bool rehearsal)
{
    if (!rehearsal) /* which is told to nobody */
        take_inputs(engine, now_ns);
    struct risk_context context = context_of(engine, request->symbol, now_ns);
    context.rehearsal = rehearsal;
    return risk_check(&engine->risk, request, book_top(&engine->book, request->symbol), &context);
}

/* Bytes handed to the transport: RISK_NONE, or why nothing left. */
static enum risk_reason transmit(struct engine *engine, const uint8_t *packet, uint32_t bytes, uint64_t now_ns)
{
    if (!journal_stream_send(engine->journal, 0, &engine->session.stream, packet, bytes, now_ns)) {
        engine->statistics.send_failures++;
        return RISK_SESSION_DOWN;
    }
    soupbin_sent(&engine->session.soupbin, now_ns);
    engine->statistics.orders++;
    return RISK_NONE;
}

static void note_decision(struct engine *engine, struct decision *decision, enum risk_reason reason, uint64_t now_ns)
{
    decision->reason = (uint8_t)reason;
    decision->feed_state = (uint8_t)engine->feed.state;
    decision->flags = 0;
    if (engine->journal)
        record_decision(engine->journal, decision->trigger_sequence, reason);
    if (reason != RISK_NONE)
        return;
    if (engine->last_order_ns == 0)
        decision->flags = DECISION_FLAG_FIRST;
    else if (now_ns - engine->last_order_ns >= DECISION_IDLE_NS)
        decision->flags = DECISION_FLAG_AFTER_IDLE;
    engine->last_order_ns = now_ns;
}

/* Risk, encode, send, remember: one order request to its end. */
enum risk_reason engine_answer(struct engine *engine, const struct order_request *request, char letter, uint8_t line,
                               const uint64_t *stages, uint64_t now_ns)
{
    uint8_t packet[CODEC_PACKET_BYTES_MAX];
    uint32_t bytes = 0, wire_number;
    struct decision scratch, *decision = decision_next(&engine->decisions, &scratch);
    memcpy(decision->stages, stages, sizeof(decision->stages));
    engine->statistics.triggers++;

    enum risk_reason reason = check(engine, request, now_ns, false);
    decision->stages[STAGE_RISK] = clock_ticks();
    if (reason == RISK_NONE && !(bytes = codec_enter(&engine->session.codec, request, letter, packet, &wire_number)))
        reason = RISK_REQUEST_INVALID;
    if (reason == RISK_NONE) {
        decision->stages[STAGE_ENCODE] = clock_ticks();
        reason = transmit(engine, packet, bytes, now_ns);
        decision->stages[STAGE_TX] = clock_ticks();
    }
    if (reason == RISK_NONE)
        order_session_sent(&engine->session, request, letter, packet, bytes, wire_number, now_ns);
    if (reason == RISK_NONE)
        engine->rehearsed = *request;

    decision->trigger_sequence = request->trigger_sequence;
    decision->price = request->price;
    decision->shares = request->shares;
    decision->symbol = request->symbol;
    decision->side = request->side;
    decision->ordinal = request->ordinal;
    decision->line = line;
    note_decision(engine, decision, reason, now_ns);
    return reason;
}

/* The gate looks at the last order once more, with one share less, and nothing comes of it: code and data that an order
 * needs leave the caches in the 100 us and more between two of them, and to fetch them back costs it 0.3 us. */
static void rehearse(struct engine *engine, uint64_t now_ns)
{
    struct order_request request = engine->rehearsed;
    engine->rehearsal_ns = now_ns;
    if (request.shares == 0 || !order_session_ready(&engine->session))
        return;
    request.shares = request.shares > 1 ? request.shares - 1 : 2;
    check(engine, &request, now_ns, true);
    if (engine->decisions.count < engine->decisions.capacity)
        __builtin_prefetch(&engine->decisions.rows[engine->decisions.count], 1);
}

/* The smallest answer: nothing decoded, a prebuilt packet with its token patched. */
static void reflect(struct engine *engine, const struct feed_message *message, uint64_t *stages, uint64_t now_ns)
{
    if (!reflector_next(&engine->reflector, message->position, message->position + 1))
        return;
    struct decision scratch, *decision = decision_next(&engine->decisions, &scratch);
    const uint8_t *packet = reflector_packet(&engine->reflector, message->position);
    enum risk_reason reason = RISK_NONE;
    engine->statistics.triggers++;
    take_inputs(engine, now_ns);
    if (engine->kill.value)
        reason = RISK_KILL_SWITCH;
    else if (engine->feed.state != FEED_LIVE)
        reason = RISK_FEED_NOT_LIVE;
    else if (!packet || !order_session_ready(&engine->session))
        reason = RISK_SESSION_DOWN;
    if (reason == RISK_NONE)
        reason = transmit(engine, packet, OUCH42_ENTER_PACKET_BYTES, now_ns);

    const struct order_request *request = &engine->options.reflector.request;
    *decision = (struct decision){.trigger_sequence = message->position, .price = request->price,
                                  .shares = request->shares, .symbol = request->symbol, .side = request->side,
                                  .line = message->line};
    decision->stages[STAGE_RX] = stages[STAGE_RX];
    decision->stages[STAGE_TX] = reason == RISK_NONE ? clock_ticks() : 0;
    note_decision(engine, decision, reason, now_ns);
}

static inline void stamp(const struct engine *engine, uint64_t *stages, enum decision_stage stage)
{
    if (engine->stages)
        stages[stage] = clock_ticks();
}

/* What the gate will read of the symbol if the strategy wants an order: fetched while the book is at work. */
static inline void fetch_for_gate(const struct engine *engine, uint16_t symbol)
{
    const struct risk_recent *recent = &engine->risk_memory->recent[symbol & (RISK_RECENT_SETS - 1)];
    __builtin_prefetch(own_orders_symbol(&engine->session.own_orders, symbol));
    __builtin_prefetch(&engine->risk_memory->symbols[symbol]);
    __builtin_prefetch(recent->terms, 1);
    __builtin_prefetch(recent->sent_ns, 1);
    __builtin_prefetch(&recent->next, 1);
    __builtin_prefetch(&engine->trading_states[symbol]);
    if (engine->risk.table)
        __builtin_prefetch(&engine->risk.table->symbols[symbol]);
}

/* Decode and book. */
static inline bool apply(struct engine *engine, const struct feed_message *message, uint64_t *stages,
                         struct event *event, uint64_t now_ns)
{
    if (!itch50_take(&engine->itch, message->data, message->length, event))
        return false;
    event->sequence = message->position;
    fetch_for_gate(engine, event->symbol);
    stamp(engine, stages, STAGE_DECODE);

    if (event->kind == EVENT_TRADING_STATE)
        engine->trading_states[event->symbol] = event->flag;
    risk_seen_event(&engine->seen, &engine->book, event, now_ns);
    enum book_outcome outcome = book_apply(&engine->book, event);
    if (engine->journal)
        record_book(engine->journal, message->position, outcome, book_top(&engine->book, event->symbol));
    if (!book_heard(outcome, event->kind))
        return false;
    stamp(engine, stages, STAGE_BOOK);
    return true;
}

bool engine_apply(struct engine *engine, const struct feed_message *message, uint64_t *stages, struct event *event,
                  uint64_t now_ns)
{
    return apply(engine, message, stages, event, now_ns);
}

/* Strategy, and an answer for each order that it wants. */
static void take(struct engine *engine, const struct feed_message *message, uint64_t *stages, uint64_t now_ns)
{
    struct event event;
    struct strategy_output output;
    if (!apply(engine, message, stages, &event, now_ns))
        return;

    output.count = 0;
    touch_taker_on_event(&engine->touch_taker, &event, book_top(&engine->book, event.symbol), &output);
    stamp(engine, stages, STAGE_STRATEGY);
    for (uint32_t i = 0; i < output.count; i++)
        engine_answer(engine, &output.orders[i], 'T', message->line, stages, now_ns);
}

/* Messages of one datagram: what the book will touch for those behind is loaded while one is applied. */
static void drain_ahead(struct engine *engine, uint64_t *stages, uint64_t now_ns, const uint8_t *end)
{
    struct feed_message message;
    struct book_ahead ahead;
    uint32_t count = engine->feed.block_count;
    book_ahead_start(&ahead, &engine->book, engine->feed.block, end);
    for (; count != 0 && engine_next(engine, &message); count--) {
        book_ahead(&ahead, &engine->book, message.data);
        take(engine, &message, stages, now_ns);
    }
}

static inline void drain(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns, const uint8_t *end)
{
    struct feed_message message;
    uint64_t stages[STAGE_COUNT] = {rx_ticks};
    if (__builtin_expect(engine->session_ordinal != engine->feed.session_ordinal, 0))
        recovery_follow_session(engine);
    while (__builtin_expect(engine->strategy == STRATEGY_SHARED, 0))
        if (!strategy_drain(engine, rx_ticks, now_ns, end))
            return;
    if (end != NULL && engine->feed.block_count > BOOK_AHEAD_BATCH && engine->strategy != STRATEGY_REFLECTOR)
        drain_ahead(engine, stages, now_ns, end);
    while (engine_next(engine, &message)) {
        if (engine->strategy == STRATEGY_REFLECTOR)
            reflect(engine, &message, stages, now_ns);
        else
            take(engine, &message, stages, now_ns);
    }
}

void engine_drain(struct engine *engine, uint64_t rx_ticks, uint64_t now_ns)
{
    drain(engine, rx_ticks, now_ns, NULL);
}

/* The journal's copy is made when the orders have left; its place comes before theirs. */
static inline void take_datagram(struct engine *engine, uint32_t line, const uint8_t *datagram, uint32_t length,
                                 uint64_t rx_ticks, uint64_t now_ns)
{
    uint8_t *place = engine->journal
                         ? journal_reserve(engine->journal, JOURNAL_DATAGRAM, (uint8_t)line, now_ns, length) : NULL;
    feed_accept(&engine->feed, line, datagram, length, now_ns);
    drain(engine, rx_ticks, now_ns, datagram + length);
    if (__builtin_expect(engine->planned, 0))
        strategy_plan_look(engine, now_ns);
    if (place)
        memcpy(place, datagram, length);
    record_done(engine, now_ns);
}

void engine_take_datagram(struct engine *engine, uint32_t line, const uint8_t *datagram, uint32_t length,
                          uint64_t now_ns)
{
    take_datagram(engine, line, datagram, length, clock_ticks(), now_ns);
}

void engine_take_time(struct engine *engine, uint64_t ticks, uint64_t now_ns)
{
    record_step(engine->journal, JOURNAL_TIMER, now_ns, NULL, 0);
    feed_timer(&engine->feed, now_ns);
    drain(engine, ticks, now_ns, NULL);
    if (__builtin_expect(engine->planned, 0))
        strategy_plan_look(engine, now_ns);
    record_patrol(engine);
    record_done(engine, now_ns);
}

/* Timers and recovery, when they are due: time is told in steps, so that a replay is told the same. */
static inline void tell_time(struct engine *engine, bool idle, uint64_t ticks, uint64_t now_ns)
{
    bool live = engine->feed.state == FEED_LIVE, busy = feed_is_busy(&engine->feed);
    if (now_ns - engine->last_timer_ns < (busy ? ENGINE_TIMER_BUSY_NS : ENGINE_TIMER_IDLE_NS) || !(idle || !live))
        return;
    engine->last_timer_ns = now_ns;
    if (idle)
        engine_take_time(engine, ticks, now_ns);
    if (engine->feed.state != FEED_LIVE) {
        record_step(engine->journal, JOURNAL_RECOVERY, now_ns, NULL, 0);
        recovery_poll(engine, now_ns);
        record_done(engine, now_ns);
    }
}

/* Each word is released, so that whoever sees it has seen the odd number before it. */
static void publish_lines(struct control *control, const struct feed *feed)
{
    const uint64_t looks = atomic_load_explicit(&control->line_looks, memory_order_relaxed);
    atomic_store_explicit(&control->line_looks, looks + 1, memory_order_relaxed);
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++) {
        const uint64_t packets = feed->statistics.lines[line].packets;
        atomic_store_explicit(&control->line_next[line], feed->lines[line].next_sequence, memory_order_release);
        atomic_store_explicit(&control->line_packets[line], packets, memory_order_release);
        atomic_store_explicit(&control->line_heard_ns[line], feed->lines[line].heard_ns, memory_order_release);
    }
    atomic_store_explicit(&control->line_looks, looks + 2, memory_order_release);
}

static void publish(struct engine *engine, uint64_t now_ns)
{
    struct control *control = engine->control;
    engine->last_publish_ns = now_ns;
    control->delivered = engine->feed.statistics.delivered;
    control->triggers = engine->statistics.triggers;
    control->orders = engine->statistics.orders;
    control->feed_state = engine->feed.state;
    control->session_up = soupbin_is_up(&engine->session.soupbin);
    control->stalls = engine->statistics.stalls;
    control->risk_state = engine->risk.warned | (uint64_t)engine->risk.tripped << 63;
    control->stall_ns_max = engine->statistics.stall_ns_max;
    publish_lines(control, &engine->feed);
    control->heartbeat_ns = now_ns;
}

/* Orders out, answers in: each a step where it did something. */
static void poll_orders(struct engine *engine, uint64_t now_ns)
{
    if (__builtin_expect(engine->risk.cancel_taken != engine->risk.cancel_count, 0)) {
        record_step(engine->journal, JOURNAL_CANCELS, now_ns, NULL, 0);
        engine_order_cancels(engine);
        record_done(engine, now_ns);
    }
    if (order_session_poll(&engine->session, now_ns))
        record_done(engine, now_ns);
    const uint8_t phase = engine->session.phase;
    order_wire_poll(&engine->order_wire, &engine->session, now_ns);
    if (__builtin_expect(engine->session.phase != phase, 0)) /* it has left its wire */
        record_done(engine, now_ns);
}

/* What the operator wants, and the gate's own poll. */
static inline void poll_control(struct engine *engine, uint64_t now_ns)
{
    if (__builtin_expect(engine->control->command != engine->command, 0)) {
        command_take(engine, now_ns);
        record_done(engine, now_ns);
    }
    record_risk_poll(engine, now_ns);
}

static inline void note_wires(struct engine *engine, uint64_t now_ns)
{
    const uint32_t wires = engine->lines[0].kind | engine->lines[1].kind << 8;
    if (engine->journal && __builtin_expect(wires != engine->journal->wires, 0))
        record_wires(engine, wires, now_ns);
}

uint32_t engine_poll(struct engine *engine)
{
    struct packet packets[PACKET_BATCH_MAX];
    uint64_t ticks = note_time(engine), now_ns = clock_ns(&engine->clock, ticks);
    uint32_t handled = 0;
    poll_control(engine, now_ns);
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++) {
        uint32_t count = port_receive(&engine->lines[line], packets);
        uint64_t rx_ticks = count ? clock_ticks() : ticks;
        note_late(engine, rx_ticks - ticks); /* stopped within this very poll, before it found them */
        for (uint32_t i = 0; i < count && !(engine->lines_off >> line & 1); i++)
            take_datagram(engine, line, packets[i].data, packets[i].length, rx_ticks, now_ns);
        port_release(&engine->lines[line]);
        handled += count;
    }
    note_wires(engine, now_ns);

    uint64_t since = now_ns - engine->last_order_poll_ns;
    if (since > ORDER_POLL_BUSY_NS || (handled == 0 && since > order_session_idle_ns(&engine->session))) {
        engine->last_order_poll_ns = now_ns;
        poll_orders(engine, now_ns);
    }
    if (handled == 0 && __builtin_expect(engine->late, 0)) {
        engine->late = false;
        record_late(engine, now_ns);
    }
    tell_time(engine, handled == 0, ticks, now_ns);
    if (handled == 0 && now_ns - engine->rehearsal_ns >= ENGINE_REHEARSAL_NS)
        rehearse(engine, now_ns);
    if (__builtin_expect(engine->strategy == STRATEGY_SHARED, 0))
        strategy_timer(engine, now_ns);
    if (now_ns - engine->last_publish_ns > CONTROL_PUBLISH_NS)
        publish(engine, now_ns);
    engine->statistics.polls++;
    return handled;
}

void engine_run(struct engine *engine)
{
    engine->last_poll_ticks = clock_ticks();
    while (!engine->control->stop)
        engine_poll(engine);
    publish(engine, clock_ns(&engine->clock, clock_ticks()));
}

void engine_step(struct engine *engine, uint32_t line, const uint8_t *datagram, uint32_t length, uint64_t now_ns)
{
    record_risk_poll(engine, now_ns);
    take_datagram(engine, line, datagram, length, clock_ticks(), now_ns);
    record_step(engine->journal, JOURNAL_ASK, now_ns, NULL, 0);
    recovery_ask(engine);
    record_done(engine, now_ns);
}

void engine_step_timer(struct engine *engine, uint64_t now_ns)
{
    record_risk_poll(engine, now_ns);
    engine_take_time(engine, clock_ticks(), now_ns);
    record_step(engine->journal, JOURNAL_RECOVERY, now_ns, NULL, 0);
    recovery_poll(engine, now_ns);
    record_done(engine, now_ns);
    strategy_timer(engine, now_ns);
    poll_orders(engine, now_ns);
    if (engine->control->command != engine->command) {
        command_take(engine, now_ns);
        record_done(engine, now_ns);
    }
}
