/* A/B arbitration, holes and the feed's state machine; the contract and the diagram are in feed.h. */
#include "engine/feed/feed.h"

#include <string.h>

#include "engine/feed/bytes.h"
#include "engine/feed/feed_reorder.h"

/* ---- state ---- */

static void change_state(struct feed *feed, enum feed_state to, enum feed_cause cause)
{
    if (feed->state == to || feed->state == FEED_ENDED)
        return;

    struct feed_statistics *statistics = &feed->statistics;

    if (statistics->transitions >= FEED_TRANSITION_COUNT)
        statistics->transitions_lost++;
    feed->transitions[statistics->transitions++ % FEED_TRANSITION_COUNT] = (struct feed_transition){
        .at_ns = feed->now_ns,
        .sequence = feed->next_sequence,
        .from = (uint8_t)feed->state,
        .to = (uint8_t)to,
        .cause = (uint8_t)cause,
    };
    feed->state = to;
}

/* Only a feed that has missed nothing may become LIVE: never one that was in GAP. */
static void become_live(struct feed *feed)
{
    if (feed->state == FEED_STARTUP || feed->state == FEED_DOWN)
        change_state(feed, FEED_LIVE, FEED_CAUSE_IN_SEQUENCE);
}

uint32_t feed_transitions(const struct feed *feed, struct feed_transition *transitions, uint32_t capacity)
{
    uint64_t first = feed->statistics.transitions_lost;
    uint32_t count = 0;

    while (first + count < feed->statistics.transitions && count < capacity) {
        transitions[count] = feed->transitions[(first + count) % FEED_TRANSITION_COUNT];
        count++;
    }
    return count;
}

/* ---- holes ---- */

/* First message known to exist at or after next_sequence that could be handed out after a skip. */
static uint64_t known_sequence(const struct feed *feed)
{
    return feed->entry_count != 0 ? feed_reorder_at(feed, 0)->sequence : feed->announced_sequence;
}

static void announce(struct feed *feed, uint64_t sequence)
{
    if (sequence > feed->announced_sequence) {
        feed->announced_sequence = sequence;
        feed->announced_ns = feed->now_ns;
    }
}

static void note_hole(struct feed *feed, uint64_t since_ns)
{
    if (feed->hole_since_ns != FEED_NO_HOLE || known_sequence(feed) <= feed->next_sequence)
        return;
    feed->hole_since_ns = since_ns;
    feed->hole_end_sequence = known_sequence(feed);
    feed->hole_given_up = false;
}

/* After delivery has moved: the old hole may be closed, another may lie behind it, the session may be over. */
static void settle(struct feed *feed)
{
    if (feed->hole_since_ns != FEED_NO_HOLE && feed->next_sequence >= feed->hole_end_sequence) {
        feed->statistics.holes_filled += !feed->hole_given_up;
        feed->hole_since_ns = FEED_NO_HOLE;
    }
    if (feed->hole_since_ns == FEED_NO_HOLE && known_sequence(feed) > feed->next_sequence) {
        uint64_t since_ns = feed_reorder_earliest_ns(feed);

        if (feed->announced_sequence > feed->next_sequence && feed->announced_ns < since_ns)
            since_ns = feed->announced_ns;
        note_hole(feed, since_ns);
    }
    if (feed->end_known && feed->next_sequence >= feed->end_sequence)
        change_state(feed, FEED_ENDED, FEED_CAUSE_END_OF_SESSION);
    else if (feed->hole_since_ns == FEED_NO_HOLE)
        become_live(feed);
}

enum feed_recovery { FEED_RECOVERY_GIVE_UP };

/* The seam for a re-request or snapshot policy: asked once a hole has outlived its hold-back, before it is skipped.
 * An answer other than GIVE_UP will keep the hole open and move the state to RECOVERING. */
static enum feed_recovery feed_ask_recovery(const struct feed *feed, uint64_t first_missing, uint64_t last_missing)
{
    (void)feed, (void)first_missing, (void)last_missing;
    return FEED_RECOVERY_GIVE_UP;
}

static void give_up_hole(struct feed *feed, enum feed_cause cause)
{
    uint64_t first = feed->next_sequence;
    uint64_t last = known_sequence(feed) - 1;

    if (feed_ask_recovery(feed, first, last) != FEED_RECOVERY_GIVE_UP)
        return;
    change_state(feed, FEED_GAP, cause); /* stamped with the first missing number */
    feed->statistics.gaps++;
    feed->statistics.gap_messages += last - first + 1;
    feed->statistics.gap_first_sequence = first;
    feed->statistics.gap_last_sequence = last;
    feed->hole_given_up = true;
    feed->next_sequence = last + 1;
    feed->pending = true;
    if (feed->entry_count == 0) { /* lost at the tail: nothing to hand out */
        feed->pending = false;
        settle(feed);
    }
}

static void expire_hole(struct feed *feed)
{
    if (!feed->pending && feed->state != FEED_ENDED && feed->hole_since_ns != FEED_NO_HOLE &&
        feed->now_ns - feed->hole_since_ns >= feed->options.hold_back_ns)
        give_up_hole(feed, FEED_CAUSE_HOLD_BACK_EXPIRED);
}

/* ---- datagrams ---- */

static void note_heard(struct feed *feed, unsigned line)
{
    if (!feed->heard) {
        feed->heard = true;
        for (unsigned index = 0; index < FEED_LINE_COUNT; index++)
            feed->lines[index].heard_ns = feed->now_ns;
    }
    feed->lines[line].heard_ns = feed->now_ns;
    feed->lines[line].down = false;
}

/* The line's own order, whatever the other line does. */
static void track_line(struct feed_line *line, struct feed_line_statistics *statistics,
                       const struct moldudp64_packet *packet)
{
    if (line->next_sequence != 0) {
        statistics->holes += packet->sequence > line->next_sequence;
        statistics->out_of_order += packet->count != 0 && packet->sequence < line->next_sequence;
    }
    if (packet->next_sequence > line->next_sequence)
        line->next_sequence = packet->next_sequence;
}

/* Point the cursor at the first block that has not been delivered; sequence <= next_sequence < sequence + count. */
static void set_cursor(struct feed *feed, const uint8_t *datagram, uint64_t sequence, uint32_t count, uint8_t line,
                       uint64_t arrival_ns)
{
    const uint8_t *block = datagram + MOLDUDP64_HEADER_SIZE;
    uint32_t skipped = (uint32_t)(feed->next_sequence - sequence);

    for (uint32_t index = 0; index < skipped; index++)
        block += MOLDUDP64_BLOCK_HEADER_SIZE + bytes_load_u16(block);
    feed->block = block;
    feed->block_count = count - skipped;
    feed->block_line = line;
    feed->block_arrival_ns = arrival_ns;
}

static enum feed_outcome accept_early(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    struct feed_line_statistics *statistics = &feed->statistics.lines[line];
    uint64_t fresh_count;

    switch (feed_reorder_store(feed, packet, (uint8_t)line, feed->now_ns, &fresh_count)) {
    case FEED_REORDER_STORED:
        statistics->wins++;
        statistics->win_messages += fresh_count;
        note_hole(feed, feed->now_ns);
        return FEED_ACCEPT_BUFFERED;
    case FEED_REORDER_COVERED:
        statistics->duplicates++;
        return FEED_ACCEPT_DUPLICATE;
    case FEED_REORDER_OVERSIZE:
        feed->statistics.reorder_oversize_drops++;
        announce(feed, packet->next_sequence);
        note_hole(feed, feed->now_ns);
        return FEED_ACCEPT_OVERSIZE;
    default: /* FEED_REORDER_FULL: waiting longer can only lose more */
        feed->statistics.reorder_full_drops++;
        announce(feed, packet->next_sequence);
        if (!feed->pending)
            give_up_hole(feed, FEED_CAUSE_REORDER_FULL);
        return FEED_ACCEPT_REORDER_FULL;
    }
}

static enum feed_outcome accept_data(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    struct feed_line_statistics *statistics = &feed->statistics.lines[line];
    uint64_t next = feed->next_sequence;

    statistics->messages += packet->count;
    statistics->behind_messages = next > packet->sequence ? next - packet->sequence : 0;
    if (statistics->behind_messages > statistics->behind_messages_max)
        statistics->behind_messages_max = statistics->behind_messages;

    if (packet->next_sequence <= next) {
        statistics->duplicates++;
        return FEED_ACCEPT_DUPLICATE;
    }
    if (feed->state == FEED_ENDED) {
        feed->statistics.after_end_drops++;
        return FEED_ACCEPT_AFTER_END;
    }
    if (packet->sequence > next)
        return accept_early(feed, line, packet);

    statistics->wins++;
    statistics->win_messages +=
        feed->entry_count == 0 ? packet->next_sequence - next : feed_reorder_fresh(feed, next, packet->next_sequence);
    set_cursor(feed, packet->session, packet->sequence, packet->count, (uint8_t)line, feed->now_ns);
    feed->pending = true;
    if (feed->entry_count == 0 && feed->announced_sequence <= packet->next_sequence)
        become_live(feed);
    return FEED_ACCEPT_DELIVERABLE;
}

static enum feed_outcome accept_control(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    bool end = packet->wire_count == MOLDUDP64_COUNT_END;

    if (end)
        feed->statistics.lines[line].ends++;
    else
        feed->statistics.lines[line].heartbeats++;

    if (packet->sequence >= feed->next_sequence && feed->state != FEED_ENDED) { /* else: a slower line's stale copy */
        if (end) {
            feed->end_sequence = feed->end_known && feed->end_sequence > packet->sequence ? feed->end_sequence
                                                                                          : packet->sequence;
            feed->end_known = true;
        }
        announce(feed, packet->sequence);
        note_hole(feed, feed->now_ns);
        if (packet->sequence == feed->next_sequence && !feed->pending)
            settle(feed);
    }
    return end ? FEED_ACCEPT_END : FEED_ACCEPT_HEARTBEAT;
}

enum feed_outcome feed_accept(struct feed *feed, unsigned line, const uint8_t *datagram, uint32_t length,
                              uint64_t now_ns)
{
    struct moldudp64_packet packet;

    if (line >= FEED_LINE_COUNT || feed->block_count != 0) {
        feed->statistics.caller_errors++;
        return line >= FEED_LINE_COUNT ? FEED_ACCEPT_BAD_LINE : FEED_ACCEPT_NOT_DRAINED;
    }

    struct feed_line_statistics *statistics = &feed->statistics.lines[line];

    if (now_ns > feed->now_ns)
        feed->now_ns = now_ns;
    statistics->packets++;
    statistics->bytes += length;

    enum moldudp64_outcome parsed = moldudp64_parse(datagram, length, &packet);

    if (parsed != MOLDUDP64_VALID) {
        statistics->malformed[parsed]++;
        return FEED_ACCEPT_MALFORMED;
    }
    if (!feed->session_known) {
        memcpy(feed->session, packet.session, sizeof(feed->session));
        feed->session_known = true;
    } else if (memcmp(feed->session, packet.session, sizeof(feed->session)) != 0) {
        statistics->session_mismatches++;
        change_state(feed, FEED_GAP, FEED_CAUSE_SESSION_MISMATCH);
        return FEED_ACCEPT_SESSION_MISMATCH;
    }
    if (!feed->sequence_known) {
        feed->next_sequence = packet.sequence;
        feed->sequence_known = true;
    }
    note_heard(feed, line);
    track_line(&feed->lines[line], statistics, &packet);

    enum feed_outcome outcome =
        packet.count != 0 ? accept_data(feed, line, &packet) : accept_control(feed, line, &packet);

    expire_hole(feed); /* a busy line has no idle poll to do it */
    return outcome;
}

/* ---- messages ---- */

/* Point the cursor at the first buffered packet if it is contiguous. */
static bool resume_from_reorder(struct feed *feed)
{
    while (feed->entry_count != 0) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, 0);

        if (entry->sequence > feed->next_sequence)
            return false;
        feed_reorder_pop(feed); /* the slot's bytes stay until something is stored again */
        if (entry->next_sequence > feed->next_sequence) {
            set_cursor(feed, feed_reorder_bytes(feed, entry), entry->sequence, entry->count, entry->line,
                       entry->arrival_ns);
            return true;
        }
    }
    return false;
}

bool feed_next(struct feed *feed, struct feed_message *message)
{
    if (feed->block_count == 0 && !resume_from_reorder(feed)) {
        if (feed->pending) {
            feed->pending = false;
            settle(feed);
        }
        return false;
    }

    uint16_t length = bytes_load_u16(feed->block);

    message->sequence = feed->next_sequence++;
    message->arrival_ns = feed->block_arrival_ns;
    message->data = feed->block + MOLDUDP64_BLOCK_HEADER_SIZE;
    message->length = length;
    message->line = feed->block_line;
    feed->block += MOLDUDP64_BLOCK_HEADER_SIZE + length;
    feed->block_count--;
    feed->statistics.delivered++;
    return true;
}

/* ---- time ---- */

static void check_silence(struct feed *feed)
{
    bool all_down = true;

    if (!feed->heard || feed->options.line_silence_ns == 0 || feed->state == FEED_ENDED)
        return;
    for (unsigned index = 0; index < FEED_LINE_COUNT; index++) {
        struct feed_line *line = &feed->lines[index];

        if (!line->down && feed->now_ns - line->heard_ns > feed->options.line_silence_ns) {
            line->down = true;
            feed->statistics.lines[index].down++;
        }
        all_down = all_down && line->down;
    }
    if (all_down && feed->state == FEED_LIVE)
        change_state(feed, FEED_DOWN, FEED_CAUSE_LINES_SILENT);
}

void feed_timer(struct feed *feed, uint64_t now_ns)
{
    if (now_ns > feed->now_ns)
        feed->now_ns = now_ns;
    expire_hole(feed);
    check_silence(feed);
}
