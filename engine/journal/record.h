/* The engine's own hooks into the journal: steps, settings, and what is looked at when a step is over.
 *
 * All are one predictable branch without a journal. Owner: the engine thread.
 */
#ifndef ENGINE_JOURNAL_RECORD_H
#define ENGINE_JOURNAL_RECORD_H

#include "engine/engine.h"
#include "engine/journal/journal_inputs.h"
#include "engine/journal/journal_io.h"

/* Transitions, session states, trips and checkpoints that are due; then the step is the drain thread's. */
void record_due(struct engine *engine, uint64_t now_ns);

/* First and last records. The config is JSON. */
void record_begin(struct engine *engine, const char *config);
void record_end(struct engine *engine, uint64_t now_ns);
void record_fill_checkpoint(const struct engine *engine, struct journal_checkpoint *checkpoint);

/* A command of control.h is about to be carried out. */
void record_operator(struct engine *engine, uint32_t number, uint32_t kind, uint64_t argument, uint64_t now_ns);

/* A strategy's guarded call, number strategies.guard.calls, ended for a reason that only a clock or a signal knew. */
void record_breach(struct engine *engine, uint32_t cause, uint64_t detail, int signal, uint64_t now_ns);

/* Another strategy has become active. */
void record_strategy(struct engine *engine, const struct strategy_change *change, uint64_t now_ns);

/* The lines are read from other ports than when last recorded. */
void record_wires(struct engine *engine, uint32_t wires, uint64_t now_ns);

static inline void record_step(struct journal *journal, uint8_t kind, uint64_t now_ns, const void *bytes,
                               uint32_t length)
{
    if (journal)
        journal_append(journal, kind, 0, now_ns, bytes, length);
}

static inline uint16_t record_session_state(const struct engine *engine)
{
    return (uint16_t)(engine->session.soupbin.state | engine->session.phase << 8);
}

/* A step is over. */
static inline void record_done(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    if (!journal)
        return;
    if (__builtin_expect(engine->feed.statistics.transitions != journal->transitions ||
                             record_session_state(engine) != journal->session_state ||
                             engine->risk.record_count != journal->risk_records ||
                             engine->feed.statistics.delivered >= journal->checkpoint_at, 0))
        record_due(engine, now_ns);
    journal_publish(journal);
}

static inline void record_late(struct engine *engine, uint64_t now_ns)
{
    if (engine->journal)
        journal_append(engine->journal, JOURNAL_LATE, engine->late, now_ns, NULL, 0);
}

/* Something that the control thread said is not known to the gate yet. */
static inline bool record_inputs_waiting(const struct engine *engine)
{
    const struct journal_inputs *inputs = engine->journal->inputs;
    const struct risk_memory *memory = engine->risk_memory;
    return atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed) != engine->kill.value ||
           atomic_load_explicit(&memory->kills.switches, memory_order_relaxed) != inputs->switches ||
           atomic_load_explicit(&memory->kills.written, memory_order_relaxed) !=
               atomic_load_explicit(&memory->kills.taken, memory_order_relaxed) ||
           atomic_load_explicit(&memory->kills.cancel_all, memory_order_relaxed) != inputs->kills.cancel_all ||
           atomic_load_explicit(&memory->tables.published, memory_order_relaxed) != inputs->publication;
}

/* What the control thread has said, taken once before each decision that it bears on. */
static inline void take_inputs(struct engine *engine, uint64_t now_ns)
{
    struct journal *journal = engine->journal;
    if (__builtin_expect(journal == NULL, 0)) {
        engine->kill.value = atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed);
        return;
    }
    journal->asked++;
    if (__builtin_expect(journal->replay != NULL || record_inputs_waiting(engine), 0))
        journal_inputs_take(engine, JOURNAL_INSIDE, now_ns);
}

/* Once per poll: the same, and the gate's own poll. It is a step where it did something. */
static inline void record_risk_poll(struct engine *engine, uint64_t now_ns)
{
    const uint64_t records = engine->risk.record_count, cancels = engine->risk.cancel_count;
    if (__builtin_expect(engine->journal == NULL, 0))
        engine->kill.value = atomic_load_explicit(&engine->control->kill.value, memory_order_relaxed);
    else if (__builtin_expect(record_inputs_waiting(engine), 0))
        journal_inputs_take(engine, 0, now_ns);
    risk_poll(&engine->risk, now_ns);
    if (__builtin_expect(records != engine->risk.record_count || cancels != engine->risk.cancel_count, 0)) {
        record_step(engine->journal, JOURNAL_RISK, now_ns, NULL, 0);
        record_done(engine, now_ns);
    }
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

/* Nothing has come: a look at the book itself. */
static inline void record_patrol(struct engine *engine)
{
    struct journal *journal = engine->journal;
    if (journal)
        journal->patrol_hash = book_patrol(&engine->book, &journal->patrol, JOURNAL_PATROL_ORDERS, journal->patrol_hash);
}

static inline void record_decision(struct journal *journal, uint64_t trigger, uint32_t reason)
{
    journal->decision_hash = journal_mix(journal->decision_hash, trigger ^ (uint64_t)reason << 56);
}

#endif
