#include "engine/journal/record_mdp3.h"

static void fill_checkpoint(const struct venue_mdp3 *venue, struct journal_checkpoint *checkpoint)
{
    uint32_t levels = 0;
    for (uint32_t index = 0; index < venue->channel.instrument_count; index++)
        for (uint32_t side = 0; side < LEVEL_BOOK_SIDE_COUNT; side++)
            levels += (uint32_t)__builtin_popcount(mdp3_instrument_book(&venue->channel, index)->sides[side].filled);
    *checkpoint = (struct journal_checkpoint){.position = venue->channel.arbiter.next_sequence,
                                              .delivered = venue->channel.arbiter.statistics.delivered,
                                              .book_hash = venue->tally.digest,
                                              .book_levels = levels};
}

void record_mdp3_due(struct venue_mdp3 *venue, uint64_t now_ns)
{
    const struct mdp3_channel *channel = &venue->channel;
    struct journal *journal = venue->journal;
    const uint64_t total = channel->statistics.transitions;
    if (total - journal->transitions > MDP3_TRANSITION_COUNT)
        journal->transitions = total - MDP3_TRANSITION_COUNT; /* more than the channel remembers, within one step */
    for (; journal->transitions != total; journal->transitions++)
        journal_output(journal, JOURNAL_TRANSITION, 0, now_ns,
                       &channel->transitions[journal->transitions % MDP3_TRANSITION_COUNT],
                       sizeof(struct mdp3_transition));
    if (channel->arbiter.statistics.delivered >= journal->checkpoint_at) {
        struct journal_checkpoint checkpoint;
        fill_checkpoint(venue, &checkpoint);
        journal_output(journal, JOURNAL_CHECKPOINT, 0, now_ns, &checkpoint, sizeof(checkpoint));
        journal->checkpoint_at = checkpoint.delivered - checkpoint.delivered % JOURNAL_CHECKPOINT_MESSAGES +
                                 JOURNAL_CHECKPOINT_MESSAGES;
    }
}

void record_mdp3_fill_end(const struct venue_mdp3 *venue, struct journal_end *end)
{
    uint64_t digest = 0;
    fill_checkpoint(venue, &end->last);
    for (uint32_t index = 0; index < venue->channel.instrument_count; index++) {
        const struct level_book *book = mdp3_instrument_book(&venue->channel, index);
        digest = journal_mix(digest, (uint32_t)venue->channel.instruments[index].security);
        for (uint32_t side = 0; side < LEVEL_BOOK_SIDE_COUNT; side++) {
            const struct level_book_side *levels = &book->sides[side];
            digest = journal_mix(digest, (uint64_t)levels->known << 32 | (uint64_t)levels->filled << 16 | levels->depth);
            for (uint32_t level = 0; level < levels->depth; level++)
                if (levels->filled >> level & 1)
                    digest = journal_mix_bytes(digest, (const uint8_t *)&levels->levels[level],
                                               offsetof(struct level_book_level, reserved));
        }
    }
    end->book_digest = digest;
    end->orders = 0;
    end->triggers = venue->tally.events;
}

void record_mdp3_end(struct venue_mdp3 *venue, uint64_t now_ns)
{
    struct journal_end end = {.lost = venue->journal->lost};
    record_mdp3_fill_end(venue, &end);
    journal_output(venue->journal, JOURNAL_END, 0, now_ns, &end, sizeof(end));
    journal_publish(venue->journal);
}
