/* A/B arbitration by packet; the contract is in mdp3_arbiter.h, options and memory are in mdp3_memory.c.
 *
 * Nothing is searched on the way of a packet in sequence: window and memory of arrivals are indexed by number.
 */
#include "engine/feed/mdp3_slots.h"

/* Earliest arrival of what waits. Walks the window: once per hole. */
static void find_hole_since(struct mdp3_arbiter *arbiter)
{
    uint32_t left = arbiter->waiting_count;

    arbiter->hole_since_ns = UINT64_MAX;
    for (uint64_t sequence = arbiter->next_sequence; left != 0; sequence++) {
        if (!mdp3_is_waiting(arbiter, sequence))
            continue;
        const struct mdp3_slot *slot = &arbiter->slots[mdp3_window_index(arbiter, sequence)];

        left--;
        if (slot->arrival_ns < arbiter->hole_since_ns)
            arbiter->hole_since_ns = slot->arrival_ns;
    }
}

static void report_second(struct mdp3_arbiter *arbiter, struct mdp3_seen *seen)
{
    struct mdp3_line_statistics *winner = &arbiter->statistics.lines[seen->line];
    uint64_t margin_ns = arbiter->now_ns - seen->first_ns;

    seen->both = true;
    winner->margins++;
    winner->margin_ns_sum += margin_ns;
    if (margin_ns > winner->margin_ns_max)
        winner->margin_ns_max = margin_ns;
    if (arbiter->arrival_tail - arbiter->arrival_head == arbiter->options.arrival_count) {
        arbiter->statistics.arrivals_lost++;
        return;
    }
    arbiter->arrivals[arbiter->arrival_tail++ & (arbiter->options.arrival_count - 1)] =
        (struct mdp3_arrival){.position = seen->position,
                              .first_ns = seen->first_ns,
                              .second_ns = arbiter->now_ns,
                              .line = seen->line};
}

/* A number that was heard before, or is below the due one. */
static enum mdp3_accept_outcome take_known(struct mdp3_arbiter *arbiter, unsigned line, uint32_t sequence)
{
    struct mdp3_line_statistics *statistics = &arbiter->statistics.lines[line];
    struct mdp3_seen *seen = mdp3_seen_at(arbiter, sequence);

    if (seen->position != mdp3_arbiter_position(arbiter, sequence)) {
        statistics->late++;
        return MDP3_ACCEPT_LATE;
    }
    statistics->duplicates++;
    if (seen->line != line && !seen->both)
        report_second(arbiter, seen);
    return MDP3_ACCEPT_DUPLICATE;
}

/* A well-formed packet to its place: due, window, stash, or none. */
static enum mdp3_accept_outcome place(struct mdp3_arbiter *arbiter, struct mdp3_slot *slot, const uint8_t *datagram)
{
    const uint64_t next = arbiter->next_sequence;
    const bool in_window = slot->sequence >= next && slot->sequence - next < arbiter->options.reorder_packet_count;

    if (slot->sequence < next && (slot->sending_ns <= arbiter->sending_ns || arbiter->sending_ns == 0)) {
        mdp3_hear_line(arbiter, slot->line, slot->sequence);
        return take_known(arbiter, slot->line, slot->sequence);
    }
    if (in_window)
        mdp3_hear_line(arbiter, slot->line, slot->sequence);
    if (slot->sequence == next) {
        if (arbiter->stash_count != 0 && slot->sending_ns >= mdp3_stash_at(arbiter, 0)->sending_ns)
            mdp3_stash_drop(arbiter);
        mdp3_note_first(arbiter, slot, false);
        arbiter->current = datagram;
        arbiter->current_slot = *slot;
        return MDP3_ACCEPT_DELIVERABLE;
    }
    if (in_window && mdp3_is_waiting(arbiter, slot->sequence))
        return take_known(arbiter, slot->line, slot->sequence);
    if (slot->length > arbiter->options.reorder_packet_bytes) {
        arbiter->statistics.lines[slot->line].dropped++;
        return MDP3_ACCEPT_OVERSIZE;
    }
    if (!in_window)
        return mdp3_stash_take(arbiter, slot, datagram);
    mdp3_store_waiting(arbiter, slot, datagram);
    return MDP3_ACCEPT_BUFFERED;
}

enum mdp3_accept_outcome mdp3_arbiter_accept(struct mdp3_arbiter *arbiter, unsigned line, const uint8_t *datagram,
                                             uint32_t length, uint64_t now_ns)
{
    struct mdp3_packet packet;

    if (line >= FEED_LINE_COUNT)
        return MDP3_ACCEPT_BAD_SOURCE;
    if (!arbiter->drained)
        return MDP3_ACCEPT_NOT_DRAINED;

    struct mdp3_line_statistics *statistics = &arbiter->statistics.lines[line];
    enum mdp3_outcome outcome = mdp3_packet_check(datagram, length, &packet);

    arbiter->now_ns = now_ns;
    arbiter->drained = false;
    arbiter->lines[line].heard_ns = now_ns;
    arbiter->lines[line].heard = true;
    arbiter->lines[line].down = false;
    arbiter->lines_down = false;
    statistics->packets++;
    statistics->bytes += length;
    if (outcome != MDP3_VALID) {
        statistics->malformed[outcome]++;
        return MDP3_ACCEPT_MALFORMED;
    }
    if (packet.sequence == 0) { /* numbers begin at 1 */
        statistics->late++;
        return MDP3_ACCEPT_LATE;
    }
    if (!arbiter->sequence_known)
        mdp3_arbiter_begin(arbiter, packet.sequence, 0);

    struct mdp3_slot slot = {.length = length, .sequence = packet.sequence, .arrival_ns = now_ns,
                             .sending_ns = packet.sending_ns, .line = (uint8_t)line};

    return place(arbiter, &slot, datagram);
}

static void deliver(struct mdp3_arbiter *arbiter, const struct mdp3_slot *slot, const uint8_t *bytes,
                    struct mdp3_delivery *delivery)
{
    *delivery = (struct mdp3_delivery){
        .bytes = bytes,
        .length = slot->length,
        .sequence = slot->sequence,
        .position = mdp3_arbiter_position(arbiter, slot->sequence),
        .lost = arbiter->lost,
        .arrival_ns = slot->arrival_ns,
        .sending_ns = slot->sending_ns,
        .line = slot->line,
    };
    arbiter->lost = 0;
    arbiter->next_sequence = slot->sequence + 1ull;
    arbiter->sending_ns = slot->sending_ns;
    arbiter->statistics.delivered++;
    if (arbiter->waiting_count == 0)
        arbiter->hole_since_ns = UINT64_MAX;
    else if (!mdp3_is_waiting(arbiter, arbiter->next_sequence))
        find_hole_since(arbiter);
}

static uint64_t first_waiting(const struct mdp3_arbiter *arbiter)
{
    uint64_t sequence = arbiter->next_sequence;

    while (!mdp3_is_waiting(arbiter, sequence))
        sequence++;
    return sequence;
}

/* The window's first packet, or false: it is held back. */
static bool next_waiting(struct mdp3_arbiter *arbiter, struct mdp3_delivery *delivery)
{
    if (!mdp3_is_waiting(arbiter, arbiter->next_sequence)) {
        bool expired = arbiter->now_ns >= arbiter->hole_since_ns &&
                       arbiter->now_ns - arbiter->hole_since_ns >= arbiter->options.hold_back_ns;

        if (!expired && !mdp3_stash_confirmed(arbiter)) /* a confirmed stash is the stream: no use in waiting */
            return false;
        mdp3_give_up(arbiter, first_waiting(arbiter));
    }

    uint32_t index = mdp3_window_index(arbiter, arbiter->next_sequence);

    mdp3_seen_at(arbiter, arbiter->next_sequence)->waiting = false;
    arbiter->waiting_count--;
    deliver(arbiter, &arbiter->slots[index], mdp3_slot_bytes(arbiter, index), delivery);
    return true;
}

bool mdp3_arbiter_next(struct mdp3_arbiter *arbiter, struct mdp3_delivery *delivery)
{
    if (arbiter->current != NULL) {
        const uint8_t *bytes = arbiter->current;

        arbiter->current = NULL;
        arbiter->statistics.holes_filled += mdp3_is_waiting(arbiter, arbiter->next_sequence + 1);
        deliver(arbiter, &arbiter->current_slot, bytes, delivery);
        return true;
    }
    /* At most three turns: the stash is empty after it was followed. */
    for (;;) {
        if (arbiter->waiting_count != 0) {
            if (next_waiting(arbiter, delivery))
                return true;
            break;
        }
        if (arbiter->announced_sequence > arbiter->next_sequence &&
            arbiter->now_ns - arbiter->announced_ns >= arbiter->options.hold_back_ns)
            mdp3_give_up(arbiter, arbiter->announced_sequence);
        if (arbiter->stash_count == 0)
            break;
        if (mdp3_stash_confirmed(arbiter))
            mdp3_stash_follow(arbiter);
        else if (!mdp3_stash_offer(arbiter))
            break;
    }
    arbiter->drained = true;
    return false;
}

void mdp3_arbiter_timer(struct mdp3_arbiter *arbiter, uint64_t now_ns)
{
    bool any_heard = false, all_down = true;

    arbiter->now_ns = now_ns;
    arbiter->drained = false;
    for (unsigned index = 0; index < FEED_LINE_COUNT && arbiter->options.line_silence_ns != 0; index++) {
        struct mdp3_line *line = &arbiter->lines[index];

        if (line->heard && !line->down && now_ns - line->heard_ns >= arbiter->options.line_silence_ns) {
            line->down = true;
            arbiter->statistics.lines[index].down++;
        }
        any_heard |= line->heard;
        all_down &= line->down || !line->heard;
    }
    if (arbiter->options.line_silence_ns != 0)
        arbiter->lines_down = any_heard && all_down;
}

void mdp3_arbiter_begin(struct mdp3_arbiter *arbiter, uint64_t next_sequence, uint64_t sending_ns)
{
    arbiter->sending_ns = sending_ns;
    arbiter->sequence_known = true;
    arbiter->next_sequence = arbiter->options.first_sequence != 0 ? arbiter->options.first_sequence : next_sequence;
    arbiter->heard_sequence = arbiter->next_sequence;
}

bool mdp3_arbiter_announce(struct mdp3_arbiter *arbiter, uint64_t next_sequence, uint64_t now_ns)
{
    if (next_sequence <= arbiter->next_sequence ||
        next_sequence - arbiter->next_sequence > arbiter->options.reorder_packet_count)
        return false;
    if (next_sequence > arbiter->announced_sequence) {
        if (arbiter->announced_sequence <= arbiter->next_sequence)
            arbiter->announced_ns = now_ns;
        arbiter->announced_sequence = next_sequence;
    }
    return true;
}

uint32_t mdp3_arbiter_arrivals(struct mdp3_arbiter *arbiter, struct mdp3_arrival *arrivals, uint32_t capacity)
{
    uint32_t count = 0;

    while (count < capacity && arbiter->arrival_head != arbiter->arrival_tail)
        arrivals[count++] = arbiter->arrivals[arbiter->arrival_head++ & (arbiter->options.arrival_count - 1)];
    return count;
}
