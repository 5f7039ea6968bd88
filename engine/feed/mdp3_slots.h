/* Inside the arbiter: the window of early packets by number, and what is remembered of every number.
 *
 * Slot `sequence & (count - 1)` can only hold the one number of the window that falls there; slots behind the window
 * are the stash. Included by feed/mdp3_arbiter.c and feed/mdp3_stash.c only.
 */
#ifndef ENGINE_FEED_MDP3_SLOTS_H
#define ENGINE_FEED_MDP3_SLOTS_H

#include <string.h>

#include "engine/feed/mdp3_arbiter.h"

static inline struct mdp3_seen *mdp3_seen_at(const struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    return &arbiter->seen[sequence & (arbiter->options.arrival_count - 1)];
}

static inline uint32_t mdp3_window_index(const struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    return (uint32_t)sequence & (arbiter->options.reorder_packet_count - 1);
}

static inline uint8_t *mdp3_slot_bytes(const struct mdp3_arbiter *arbiter, uint32_t index)
{
    return arbiter->bytes + (size_t)index * arbiter->slot_stride;
}

static inline bool mdp3_is_waiting(const struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    const struct mdp3_seen *seen = mdp3_seen_at(arbiter, sequence);

    return seen->position == mdp3_arbiter_position(arbiter, sequence) && seen->waiting;
}

/* A number at or above the due one, heard for the first time. */
static inline void mdp3_note_first(struct mdp3_arbiter *arbiter, const struct mdp3_slot *slot, bool waiting)
{
    *mdp3_seen_at(arbiter, slot->sequence) =
        (struct mdp3_seen){.position = mdp3_arbiter_position(arbiter, slot->sequence),
                           .first_ns = slot->arrival_ns,
                           .line = slot->line,
                           .waiting = waiting};
    arbiter->statistics.lines[slot->line].wins++;
    if (slot->sequence >= arbiter->heard_sequence)
        arbiter->heard_sequence = slot->sequence + 1ull;
}

static inline void mdp3_store(struct mdp3_arbiter *arbiter, uint32_t index, const struct mdp3_slot *slot,
                              const uint8_t *bytes)
{
    arbiter->slots[index] = *slot;
    memcpy(mdp3_slot_bytes(arbiter, index), bytes, slot->length);
}

/* Into the window; the number is in it and not there yet. */
static inline void mdp3_store_waiting(struct mdp3_arbiter *arbiter, const struct mdp3_slot *slot, const uint8_t *bytes)
{
    mdp3_store(arbiter, mdp3_window_index(arbiter, slot->sequence), slot, bytes);
    mdp3_note_first(arbiter, slot, true);
    if (++arbiter->waiting_count > arbiter->statistics.reorder_packets_max)
        arbiter->statistics.reorder_packets_max = arbiter->waiting_count;
    if (slot->arrival_ns < arbiter->hole_since_ns)
        arbiter->hole_since_ns = slot->arrival_ns;
}

/* Order and holes of one line by itself. */
static inline void mdp3_hear_line(struct mdp3_arbiter *arbiter, unsigned index, uint32_t sequence)
{
    struct mdp3_line *line = &arbiter->lines[index];
    struct mdp3_line_statistics *statistics = &arbiter->statistics.lines[index];

    if (sequence < line->next_sequence) {
        statistics->out_of_order++;
        return;
    }
    if (line->next_sequence != 0)
        statistics->holes += sequence - line->next_sequence;
    line->next_sequence = sequence + 1ull;
}

/* The due number is given up: on to `sequence`. */
static inline void mdp3_give_up(struct mdp3_arbiter *arbiter, uint64_t sequence)
{
    uint64_t packets = sequence - arbiter->next_sequence;

    arbiter->lost += packets;
    arbiter->next_sequence = sequence;
    arbiter->statistics.gaps++;
    arbiter->statistics.gap_packets += packets;
    if (packets > arbiter->statistics.gap_packets_max)
        arbiter->statistics.gap_packets_max = packets;
}

/* mdp3_stash.c: packets that are not believed yet. */
enum mdp3_accept_outcome mdp3_stash_take(struct mdp3_arbiter *arbiter, struct mdp3_slot *slot, const uint8_t *bytes);
void mdp3_stash_drop(struct mdp3_arbiter *arbiter);
bool mdp3_stash_confirmed(const struct mdp3_arbiter *arbiter);
/* The stash is the stream now. Nothing waits in the window. */
void mdp3_stash_follow(struct mdp3_arbiter *arbiter);
/* Move into the window what has come into its reach meanwhile; true if anything moved. Nothing waits in the window. */
bool mdp3_stash_offer(struct mdp3_arbiter *arbiter);

static inline struct mdp3_slot *mdp3_stash_at(const struct mdp3_arbiter *arbiter, uint32_t index)
{
    return &arbiter->slots[arbiter->options.reorder_packet_count + index];
}

#endif
