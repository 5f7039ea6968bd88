#include "engine/journal/record.h"

#include "engine/journal/replay.h"

static void record_transitions(struct engine *engine, uint64_t now_ns)
{
    const struct feed *feed = &engine->feed;
    struct journal *journal = engine->journal;
    uint64_t first = feed->statistics.transitions > FEED_TRANSITION_COUNT
                         ? feed->statistics.transitions - FEED_TRANSITION_COUNT : 0;
    if (journal->transitions < first)
        journal->transitions = first; /* more than the feed remembers, within one step */
    while (journal->transitions != feed->statistics.transitions) {
        const struct feed_transition *transition = &feed->transitions[journal->transitions % FEED_TRANSITION_COUNT];
        journal_output(journal, JOURNAL_TRANSITION, 0, now_ns, transition, sizeof(*transition));
        journal->transitions++;
    }
}

static void record_trips(struct engine *engine, uint64_t now_ns)
{
    const struct risk *risk = &engine->risk;
    struct journal *journal = engine->journal;
    if (risk->record_count - journal->risk_records > RISK_RECORD_COUNT)
        journal->risk_records = risk->record_count - RISK_RECORD_COUNT; /* more than the gate remembers */
    for (; journal->risk_records != risk->record_count; journal->risk_records++)
        journal_output(journal, JOURNAL_TRIP, 0, now_ns, &risk->records[journal->risk_records % RISK_RECORD_COUNT],
                       sizeof(struct risk_record));
}

void record_fill_checkpoint(const struct engine *engine, struct journal_checkpoint *checkpoint)
{
    const struct journal *journal = engine->journal;
    *checkpoint = (struct journal_checkpoint){
        .position = engine->feed.position_base | engine->feed.next_sequence,
        .delivered = engine->feed.statistics.delivered,
        .book_hash = journal->book_hash,
        .order_hash = journal->order_hash,
        .decision_hash = journal->decision_hash,
        .patrol_hash = journal->patrol_hash,
        .book_orders = engine->book.order_count,
        .book_levels = engine->book.level_count,
    };
}

void record_due(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    record_transitions(engine, now_ns);
    record_trips(engine, now_ns);
    if (record_session_state(engine) != journal->session_state) {
        const uint8_t state[3] = {engine->session.soupbin.state, engine->session.soupbin.cause, engine->session.phase};
        journal->session_state = record_session_state(engine);
        journal_output(journal, JOURNAL_SESSION, 0, now_ns, state, sizeof(state));
    }
    if (engine->feed.statistics.delivered >= journal->checkpoint_at) {
        struct journal_checkpoint checkpoint;
        record_fill_checkpoint(engine, &checkpoint);
        journal_output(journal, JOURNAL_CHECKPOINT, 0, now_ns, &checkpoint, sizeof(checkpoint));
        journal->checkpoint_at = checkpoint.delivered - checkpoint.delivered % JOURNAL_CHECKPOINT_MESSAGES +
                                 JOURNAL_CHECKPOINT_MESSAGES;
    }
}

void record_operator(struct engine *engine, uint32_t number, uint32_t kind, uint64_t argument, uint64_t now_ns)
{
    int32_t slot = command_slot(kind, argument);
    if (slot >= 0 && engine->strategies.slots[slot].state != SLOT_READY)
        slot = -1; /* the command will be refused, whatever was there */
    const struct journal_operator said = {
        .number = number,
        .kind = kind,
        .argument = argument,
        .generation = slot >= 0 ? strategies_generation(&engine->strategies, slot) : 0};
    record_step(engine->journal, JOURNAL_OPERATOR, now_ns, &said, sizeof(said));
}

void record_breach(struct engine *engine, uint32_t cause, uint64_t detail, int signal, uint64_t now_ns)
{
    const struct journal_breach breach = {engine->strategies.guard.calls, detail, cause, signal};
    record_step(engine->journal, JOURNAL_BREACH, now_ns, &breach, sizeof(breach));
}

void record_strategy(struct engine *engine, const struct strategy_change *change, uint64_t now_ns)
{
    const struct journal_strategy row = {.position = change->position,
                                         .detail = change->detail,
                                         .from_generation = change->from_generation,
                                         .to_generation = change->to_generation,
                                         .cause = change->cause};
    if (engine->journal)
        journal_output(engine->journal, JOURNAL_STRATEGY, 0, now_ns, &row, sizeof(row));
}

void record_wires(struct engine *engine, uint32_t wires, uint64_t now_ns)
{
    uint8_t kinds[FEED_LINE_COUNT];
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++)
        kinds[line] = (uint8_t)engine->lines[line].kind;
    engine->journal->wires = wires;
    journal_append(engine->journal, JOURNAL_WIRES, 0, now_ns, kinds, sizeof(kinds));
}

void record_begin(struct engine *engine, const char *config)
{
    struct journal *journal = engine->journal;
    uint64_t now_ns = (uint64_t)clock_monotonic_ns();
    journal_append(journal, JOURNAL_CONFIG, 0, now_ns, config, (uint32_t)strlen(config));
    journal_stream_note(journal, 0, &engine->session.stream, now_ns);
    journal_stream_note(journal, JOURNAL_STREAM_SNAPSHOT, &engine->recovery.stream, now_ns);
    journal_publish(journal);
}

void record_end(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    struct journal_end end = {.book_digest = book_digest(&engine->book),
                              .orders = engine->statistics.orders,
                              .triggers = engine->statistics.triggers,
                              .lost = journal->lost};
    record_fill_checkpoint(engine, &end.last);
    journal_output(journal, JOURNAL_END, 0, now_ns, &end, sizeof(end));
    journal_publish(journal);
}
