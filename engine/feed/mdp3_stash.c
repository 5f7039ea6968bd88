/* The arbiter's stash: another numbering, or a jump, that is not confirmed yet. The rules are in mdp3_arbiter.h. */
#include "engine/feed/mdp3_slots.h"

void mdp3_stash_drop(struct mdp3_arbiter *arbiter)
{
    arbiter->statistics.stray_packets += arbiter->stash_count;
    arbiter->stash_count = 0;
}

enum mdp3_accept_outcome mdp3_stash_take(struct mdp3_arbiter *arbiter, struct mdp3_slot *slot, const uint8_t *bytes)
{
    struct mdp3_line_statistics *statistics = &arbiter->statistics.lines[slot->line];

    slot->copies = (uint8_t)(1u << slot->line);
    for (uint32_t index = 0; index < arbiter->stash_count; index++) {
        struct mdp3_slot *other = mdp3_stash_at(arbiter, index);
        uint64_t distance = other->sequence > slot->sequence ? other->sequence - slot->sequence
                                                             : slot->sequence - other->sequence;

        if (distance >= arbiter->options.reorder_packet_count) { /* they do not agree: the newcomer counts */
            mdp3_stash_drop(arbiter);
            break;
        }
        if (distance == 0) {
            other->copies |= slot->copies;
            statistics->stashed++;
            return MDP3_ACCEPT_STASHED;
        }
    }
    if (arbiter->stash_count == MDP3_STASH_COUNT) {
        statistics->dropped++;
        return MDP3_ACCEPT_STASH_FULL;
    }
    mdp3_store(arbiter, arbiter->options.reorder_packet_count + arbiter->stash_count, slot, bytes);
    arbiter->stash_count++;
    statistics->stashed++;
    return MDP3_ACCEPT_STASHED;
}

bool mdp3_stash_confirmed(const struct mdp3_arbiter *arbiter)
{
    uint32_t copies = 0; /* one per packet and line */

    for (uint32_t index = 0; index < arbiter->stash_count; index++)
        copies += (uint32_t)__builtin_popcount(mdp3_stash_at(arbiter, index)->copies);
    return arbiter->stash_count != 0 && copies >= arbiter->options.confirm_packets;
}

static uint32_t lowest_of(const struct mdp3_arbiter *arbiter)
{
    uint32_t lowest = UINT32_MAX;

    for (uint32_t index = 0; index < arbiter->stash_count; index++) {
        if (mdp3_stash_at(arbiter, index)->sequence < lowest)
            lowest = mdp3_stash_at(arbiter, index)->sequence;
    }
    return lowest;
}

static bool in_window(const struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    return sequence >= arbiter->next_sequence &&
           sequence - arbiter->next_sequence < arbiter->options.reorder_packet_count;
}

static void move(struct mdp3_arbiter *arbiter, uint32_t index)
{
    const struct mdp3_slot *slot = mdp3_stash_at(arbiter, index);

    mdp3_hear_line(arbiter, slot->line, slot->sequence);
    mdp3_store_waiting(arbiter, slot, mdp3_slot_bytes(arbiter, arbiter->options.reorder_packet_count + index));
    if (slot->copies == (1u << FEED_LINE_COUNT) - 1)
        mdp3_seen_at(arbiter, slot->sequence)->both = true; /* the second stamp was not kept: no report */
}

void mdp3_stash_follow(struct mdp3_arbiter *arbiter)
{
    uint32_t lowest = lowest_of(arbiter);
    bool reached = true;

    if (lowest < arbiter->next_sequence) {
        arbiter->session += arbiter->session < MDP3_SESSION_MAX;
        arbiter->statistics.sessions_rolled++;
        arbiter->next_sequence = arbiter->heard_sequence = 1;
        arbiter->announced_sequence = 0;
        arbiter->lost = 0;
        for (unsigned line = 0; line < FEED_LINE_COUNT; line++)
            arbiter->lines[line].next_sequence = 0;
    }
    for (uint32_t index = 0; index < arbiter->stash_count; index++)
        reached &= in_window(arbiter, mdp3_stash_at(arbiter, index)->sequence);
    if (!reached && lowest > arbiter->next_sequence)
        mdp3_give_up(arbiter, lowest);
    for (uint32_t index = 0; index < arbiter->stash_count; index++)
        move(arbiter, index);
    arbiter->stash_count = 0;
}

bool mdp3_stash_offer(struct mdp3_arbiter *arbiter)
{
    uint32_t left = 0;
    bool moved = false;

    for (uint32_t index = 0; index < arbiter->stash_count; index++) {
        const struct mdp3_slot *slot = mdp3_stash_at(arbiter, index);

        if (in_window(arbiter, slot->sequence) && slot->sending_ns >= arbiter->sending_ns) {
            move(arbiter, index);
            moved = true;
        } else if (slot->sequence < arbiter->next_sequence && slot->sending_ns <= arbiter->sending_ns) {
            arbiter->statistics.lines[slot->line].duplicates++; /* the stream has come past it */
        } else {
            uint32_t to = arbiter->options.reorder_packet_count + left++;

            if (mdp3_stash_at(arbiter, index) != &arbiter->slots[to])
                mdp3_store(arbiter, to, slot, mdp3_slot_bytes(arbiter, arbiter->options.reorder_packet_count + index));
        }
    }
    arbiter->stash_count = left;
    return moved;
}
