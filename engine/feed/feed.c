/* A/B arbitration and in-order delivery; the contract and the diagram of states are in feed.h. */
#include "engine/feed/feed.h"

#include "engine/feed/bytes.h"
#include "engine/feed/feed_inside.h"

/* ---- datagrams ---- */

/* LIVE, and neither hole nor end in sight: nothing to settle. */
static inline bool nothing_missing(const struct feed *feed)
{
    return feed->state == FEED_LIVE && feed->hole_since_ns == FEED_NO_HOLE && feed->entry_count == 0 &&
           feed->announced_sequence <= feed->next_sequence && !feed->end_known;
}

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

/* Messages that nobody had brought yet. */
static void note_fresh(struct feed *feed, unsigned line, const struct moldudp64_packet *packet, uint64_t fresh_count)
{
    struct feed_line_statistics *statistics = &feed->statistics.lines[line];

    statistics->wins++;
    statistics->win_messages += fresh_count;
    if (line == FEED_LINE_RECOVERY) {
        feed->statistics.recovered_messages_requests += fresh_count;
        feed->request_attempts = 0;
        if (feed->episode_way < FEED_WAY_REQUEST)
            feed->episode_way = FEED_WAY_REQUEST;
    } else if (packet->sequence < feed->highest_sequence) {
        feed->statistics.recovered_messages_lines += fresh_count;
    }
    if (packet->next_sequence > feed->highest_sequence)
        feed->highest_sequence = packet->next_sequence;
}

enum feed_outcome feed_accept_early(struct feed *feed, unsigned line, const struct moldudp64_packet *packet,
                                    uint64_t arrival_ns)
{
    uint64_t fresh_count;
    uint64_t behind = feed->entry_count != 0 ? feed_reorder_at(feed, feed->entry_count - 1)->next_sequence : 0;

    switch (feed_reorder_store(feed, packet, (uint8_t)line, arrival_ns, &fresh_count)) {
    case FEED_REORDER_STORED:
        note_fresh(feed, line, packet, fresh_count);
        feed->scan = feed->scan || packet->sequence != behind;
        feed_note_hole(feed, arrival_ns);
        return FEED_ACCEPT_BUFFERED;
    case FEED_REORDER_COVERED:
        feed->statistics.lines[line].duplicates++;
        return FEED_ACCEPT_DUPLICATE;
    case FEED_REORDER_OVERSIZE:
        feed->statistics.reorder_oversize_drops++;
        feed_announce(feed, packet->next_sequence);
        feed_note_hole(feed, feed->now_ns);
        return FEED_ACCEPT_OVERSIZE;
    default: /* FEED_REORDER_FULL: waiting longer can only lose more */
        feed->statistics.reorder_full_drops++;
        feed_announce(feed, packet->next_sequence);
        feed_note_hole(feed, feed->now_ns);
        if (!feed->pending && !feed->book_lost)
            feed_declare_hole(feed, FEED_CAUSE_REORDER_FULL);
        return FEED_ACCEPT_REORDER_FULL;
    }
}

/* False: a duplicate. */
static inline bool note_data(struct feed_line_statistics *statistics, const struct moldudp64_packet *packet,
                             uint64_t next)
{
    statistics->messages += packet->count;
    statistics->behind_messages = next > packet->sequence ? next - packet->sequence : 0;
    if (statistics->behind_messages > statistics->behind_messages_max)
        statistics->behind_messages_max = statistics->behind_messages;
    if (packet->next_sequence > next)
        return true;
    statistics->duplicates++;
    return false;
}

/* Nothing is missing and this is no exception: what nearly every datagram is. */
static inline enum feed_outcome accept_expected(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    struct feed_line_statistics *statistics = &feed->statistics.lines[line];
    uint64_t next = feed->next_sequence;

    feed->lines[line].heard_ns = feed->now_ns;
    feed->lines[line].down = false;
    track_line(&feed->lines[line], statistics, packet);
    if (!note_data(statistics, packet, next))
        return FEED_ACCEPT_DUPLICATE;
    statistics->wins++;
    statistics->win_messages += packet->next_sequence - next;
    set_cursor(feed, packet->session, packet->sequence, packet->count, (uint8_t)line, feed->now_ns);
    feed->pending = true;
    return FEED_ACCEPT_DELIVERABLE;
}

static enum feed_outcome accept_data(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    uint64_t next = feed->next_sequence;

    if (!note_data(&feed->statistics.lines[line], packet, next))
        return FEED_ACCEPT_DUPLICATE;
    if (feed->state == FEED_ENDED) {
        feed->statistics.after_end_drops++;
        return FEED_ACCEPT_AFTER_END;
    }
    if (packet->sequence > next || feed->book_lost)
        return feed_accept_early(feed, line, packet, feed->now_ns);

    note_fresh(feed, line, packet,
               feed->entry_count == 0 ? packet->next_sequence - next
                                      : feed_reorder_fresh(feed, next, packet->next_sequence));
    feed->request_attempts = 0;
    set_cursor(feed, packet->session, packet->sequence, packet->count, (uint8_t)line, feed->now_ns);
    feed->pending = true;
    if ((feed->state == FEED_STARTUP || feed->state == FEED_DOWN) && feed->entry_count == 0 &&
        feed->announced_sequence <= packet->next_sequence)
        feed_become_live(feed); /* nothing was missed; a feed that catches up is LIVE once all is handed out */
    return FEED_ACCEPT_DELIVERABLE;
}

static enum feed_outcome accept_control(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    bool end = packet->wire_count == MOLDUDP64_COUNT_END;

    if (end)
        feed->statistics.lines[line].ends++;
    else
        feed->statistics.lines[line].heartbeats++;

    if (packet->sequence >= feed->next_sequence && feed->state != FEED_ENDED &&
        line != FEED_LINE_RECOVERY) { /* else: a slower line's stale copy, or no line's word at all */
        if (end) {
            feed->end_sequence = feed->end_known && feed->end_sequence > packet->sequence ? feed->end_sequence
                                                                                          : packet->sequence;
            feed->end_known = true;
        }
        feed_announce(feed, packet->sequence);
        feed_note_hole(feed, feed->now_ns);
        if (packet->sequence == feed->next_sequence && !feed->pending)
            feed_settle(feed);
    }
    return end ? FEED_ACCEPT_END : FEED_ACCEPT_HEARTBEAT;
}

/* The number that a feed without one begins with. */
static void begin_in_session(struct feed *feed, const struct moldudp64_packet *packet)
{
    feed->next_sequence = packet->sequence;
    feed->sequence_known = true;
    if (!feed->options.snapshots || packet->sequence <= 1)
        return;
    feed->next_sequence = 1; /* nothing is a duplicate before the join */
    feed->book_lost = true; /* what came before it is in no book */
    feed->lost_position = feed->position_base | 1;
    feed_want_snapshot(feed, FEED_CAUSE_LATE_START);
}

enum feed_outcome feed_accept(struct feed *feed, unsigned line, const uint8_t *datagram, uint32_t length,
                              uint64_t now_ns)
{
    struct moldudp64_packet packet;

    if (line >= FEED_SOURCE_COUNT || feed->block_count != 0) {
        feed->statistics.caller_errors++;
        return line >= FEED_SOURCE_COUNT ? FEED_ACCEPT_BAD_LINE : FEED_ACCEPT_NOT_DRAINED;
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
    if (!feed_session_take(feed, line, &packet))
        return FEED_ACCEPT_SESSION_MISMATCH;
    if (__builtin_expect(nothing_missing(feed) && packet.sequence <= feed->next_sequence && packet.count != 0 &&
                             line != FEED_LINE_RECOVERY, 1))
        return accept_expected(feed, line, &packet);
    if (line != FEED_LINE_RECOVERY) {
        if (!feed->sequence_known)
            begin_in_session(feed, &packet);
        note_heard(feed, line);
    }
    if (feed_suspicious(feed, line, &packet))
        return FEED_ACCEPT_SUSPECT;
    if (line == FEED_LINE_RECOVERY)
        feed_recover_note_reply(feed, packet.sequence, packet.next_sequence);
    else
        track_line(&feed->lines[line], statistics, &packet);

    enum feed_outcome outcome =
        packet.count != 0 ? accept_data(feed, line, &packet) : accept_control(feed, line, &packet);

    if (!nothing_missing(feed))
        feed_check_time(feed); /* a busy line has no idle poll to do it */
    return outcome;
}

/* ---- messages ---- */

/* Point the cursor at the first buffered packet if it is contiguous. */
static bool resume_from_reorder(struct feed *feed)
{
    while (feed->entry_count != 0 || feed->next_sequence >= feed->suspect_reach) {
        if (__builtin_expect(feed->next_sequence >= feed->suspect_reach, 0) && !feed_suspects_reached(feed))
            break;

        const struct feed_reorder_entry *entry = feed_reorder_at(feed, 0);

        if (entry->sequence > feed->next_sequence)
            break;
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
    if (feed->block_count == 0 && (feed->book_lost || !resume_from_reorder(feed))) {
        if (feed->pending) {
            feed->pending = false;
            if (!nothing_missing(feed))
                feed_settle(feed);
        }
        return false;
    }

    uint16_t length = bytes_load_u16(feed->block);

    message->sequence = feed->next_sequence;
    message->position = feed->position_base | feed->next_sequence++;
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
        feed_change_state(feed, FEED_DOWN, FEED_CAUSE_LINES_SILENT);
}

void feed_timer(struct feed *feed, uint64_t now_ns)
{
    if (now_ns > feed->now_ns)
        feed->now_ns = now_ns;
    feed_check_time(feed);
    check_silence(feed);
}
