/* The hooks of the second venue (venue_mdp3.h): steps are datagrams and time, outputs transitions and checkpoints.
 *
 * A checkpoint's book_hash is the tally's digest over every byte of every published event, so over all that was ever
 * done to a book; the last record has a digest over every level of every book as it stood. Market data only: there are
 * no orders, decisions or commands. Owner: the engine thread. One predictable branch without a journal.
 */
#ifndef ENGINE_JOURNAL_RECORD_MDP3_H
#define ENGINE_JOURNAL_RECORD_MDP3_H

#include "engine/journal/journal.h"
#include "engine/venue_mdp3.h"

void record_mdp3_due(struct venue_mdp3 *venue, uint64_t now_ns);
void record_mdp3_end(struct venue_mdp3 *venue, uint64_t now_ns);

/* What the last record says of the venue; `lost` is left alone. */
void record_mdp3_fill_end(const struct venue_mdp3 *venue, struct journal_end *end);

static inline void record_mdp3_step(struct venue_mdp3 *venue, uint8_t kind, uint8_t line, const uint8_t *bytes,
                                    uint32_t length, uint64_t now_ns)
{
    if (venue->journal)
        journal_append(venue->journal, kind, line, now_ns, bytes, length);
}

static inline void record_mdp3_done(struct venue_mdp3 *venue, uint64_t now_ns)
{
    struct journal *journal = venue->journal;
    if (!journal)
        return;
    if (__builtin_expect(venue->channel.statistics.transitions != journal->transitions ||
                             venue->channel.arbiter.statistics.delivered >= journal->checkpoint_at, 0))
        record_mdp3_due(venue, now_ns);
    journal_publish(journal);
}

#endif
