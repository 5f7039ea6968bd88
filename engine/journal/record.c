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

void record_fill_checkpoint(const struct engine *engine, struct journal_checkpoint *checkpoint)
{
    const struct journal *journal = engine->journal;
    *checkpoint = (struct journal_checkpoint){
        .position = engine->feed.position_base | engine->feed.next_sequence,
        .delivered = engine->feed.statistics.delivered,
        .book_hash = journal->book_hash,
        .order_hash = journal->order_hash,
        .decision_hash = journal->decision_hash,
        .book_orders = engine->book.order_count,
        .book_levels = engine->book.level_count,
    };
}

void record_due(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    record_transitions(engine, now_ns);
    if (engine->session.soupbin.state != journal->session_state) {
        const uint8_t state[2] = {engine->session.soupbin.state, engine->session.soupbin.cause};
        journal->session_state = state[0];
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

void record_command(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    struct journal_command command = {JOURNAL_COMMAND_KILL, engine->kill.value};
    if (journal->replay) {
        replay_command(journal->replay, &command);
        engine->kill.value = command.value;
        return;
    }
    command.value = atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed);
    engine->kill.value = command.value;
    journal_append(journal, JOURNAL_COMMAND, 0, now_ns, &command, sizeof(command));
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
