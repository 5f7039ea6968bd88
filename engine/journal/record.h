/* The engine's own hooks into the journal: steps, settings, and what is looked at when a step is over.
 *
 * All are one predictable branch without a journal. Owner: the engine thread.
 */
#ifndef ENGINE_JOURNAL_RECORD_H
#define ENGINE_JOURNAL_RECORD_H

#include "engine/engine.h"
#include "engine/journal/journal_io.h"

/* Transitions, session states and checkpoints that are due; then the step is the drain thread's. */
void record_due(struct engine *engine, uint64_t now_ns);

/* The kill switch as the gate will see it: the page's, or in a replay what the page said then. */
void record_command(struct engine *engine, uint64_t now_ns);

/* First and last records. The config is JSON. */
void record_begin(struct engine *engine, const char *config);
void record_end(struct engine *engine, uint64_t now_ns);
void record_fill_checkpoint(const struct engine *engine, struct journal_checkpoint *checkpoint);

static inline void record_step(struct journal *journal, uint8_t kind, uint64_t now_ns, const void *bytes,
                               uint32_t length)
{
    if (journal)
        journal_append(journal, kind, 0, now_ns, bytes, length);
}

/* A step is over. */
static inline void record_done(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    if (!journal)
        return;
    if (__builtin_expect(engine->feed.statistics.transitions != journal->transitions ||
                             engine->session.soupbin.state != journal->session_state ||
                             engine->feed.statistics.delivered >= journal->checkpoint_at, 0))
        record_due(engine, now_ns);
    journal_publish(journal);
}

static inline void record_late(struct engine *engine, uint64_t now_ns)
{
    if (engine->journal)
        journal_append(engine->journal, JOURNAL_LATE, engine->late, now_ns, NULL, 0);
}

/* The operator's commands, taken once before each decision that they bear on. */
static inline void take_commands(struct engine *engine, uint64_t now_ns)
{
    uint32_t kill = atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed);
    if (__builtin_expect(engine->journal != NULL, 0) &&
        (kill != engine->kill.value || engine->journal->replay != NULL))
        record_command(engine, now_ns);
    else
        engine->kill.value = kill;
}

/* What an event made of the book. */
static inline void record_book(struct journal *journal, uint64_t position, uint32_t outcome,
                               const struct book_top *top)
{
    uint64_t prices = (uint64_t)top->bid_price << 32 | top->ask_price;
    uint64_t shares = (uint64_t)top->bid_shares << 32 | top->ask_shares;
    journal->book_hash = journal_mix(journal->book_hash, (position ^ (uint64_t)outcome << 56) +
                                                             prices * 0xbf58476d1ce4e5b9ull +
                                                             shares * 0x94d049bb133111ebull);
}

static inline void record_decision(struct journal *journal, uint64_t trigger, uint32_t reason)
{
    journal->decision_hash = journal_mix(journal->decision_hash, trigger ^ (uint64_t)reason << 56);
}

#endif
