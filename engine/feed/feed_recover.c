/* What is done about a hole that outlived its hold-back: requests, then a snapshot; the contract is in feed.h. */
#include "engine/feed/feed_inside.h"

/* ---- policy ---- */

static void rest(struct feed *feed, enum feed_cause cause)
{
    feed->resting = true;
    feed->asking = false;
    feed->request_count = 0;
    feed->retry_at_ns = feed->now_ns + feed->options.retry_ns;
    feed_change_state(feed, FEED_GAP, cause);
}

void feed_want_snapshot(struct feed *feed, enum feed_cause cause)
{
    feed->asking = feed->resting = false;
    feed->request_count = 0;
    feed->snapshot = FEED_SNAPSHOT_WANTED;
    feed_change_state(feed, feed->was_live ? FEED_RESYNC : FEED_SYNC, cause);
}

static bool snapshots_left(const struct feed *feed)
{
    return feed->options.snapshots && !feed->snapshots_exhausted &&
           feed->snapshot_attempts < feed->options.snapshot_attempts;
}

/* More is missing than requests are worth, and there is something better. */
static bool too_large(const struct feed *feed)
{
    uint64_t known = feed_known_sequence(feed);

    return known > feed->next_sequence && known - feed->next_sequence > feed->options.give_up_messages &&
           snapshots_left(feed);
}

void feed_recover_hole(struct feed *feed, enum feed_cause cause)
{
    bool large = too_large(feed);

    if (feed->options.requests && !feed->requests_exhausted && !feed->book_lost && !large) {
        feed->asking = feed->scan = true;
        feed->resting = false;
        if (feed->episode_way < FEED_WAY_LINES)
            feed->episode_way = FEED_WAY_LINES;
        feed_change_state(feed, FEED_RECOVERING, cause);
    } else if (snapshots_left(feed)) {
        feed_want_snapshot(feed, large ? FEED_CAUSE_HOLE_TOO_LARGE : cause);
    } else {
        rest(feed, cause);
    }
}

void feed_recover_done(struct feed *feed)
{
    feed->resting = feed->asking = feed->requests_exhausted = feed->snapshots_exhausted = false;
    feed->request_count = feed->request_attempts = feed->snapshot_attempts = 0;
    if (feed->snapshot == FEED_SNAPSHOT_WANTED)
        feed->snapshot = FEED_SNAPSHOT_NONE; /* a slow line has brought it after all */
}

/* ---- requests ---- */

static void drop_request(struct feed *feed, uint8_t index)
{
    feed->requests[index] = feed->requests[--feed->request_count];
    feed->scan = true;
}

/* A reply answers the requests it overlaps; what it leaves of them is asked for again at once. */
void feed_recover_note_reply(struct feed *feed, uint64_t sequence, uint64_t next_sequence)
{
    for (uint8_t index = 0; index < feed->request_count;) {
        const struct feed_request *request = &feed->requests[index];

        if (next_sequence <= request->sequence || sequence >= request->next_sequence) {
            index++;
            continue;
        }
        feed->statistics.requests_partial += next_sequence < request->next_sequence;
        drop_request(feed, index);
    }
}

/* Nothing of it is missing any more. */
static bool satisfied(const struct feed *feed, const struct feed_request *request)
{
    uint64_t first = request->sequence > feed->next_sequence ? request->sequence : feed->next_sequence;

    return first >= request->next_sequence || feed_reorder_fresh(feed, first, request->next_sequence) == 0;
}

/* Time-outs, and requests for what has come meanwhile by other ways. */
static void review_requests(struct feed *feed)
{
    bool foremost_timed_out = false;

    for (uint8_t index = 0; index < feed->request_count;) {
        const struct feed_request *request = &feed->requests[index];
        bool done = satisfied(feed, request);

        if (!done && feed->now_ns < request->due_ns) {
            index++;
            continue;
        }
        if (!done) {
            feed->statistics.request_timeouts++;
            foremost_timed_out = foremost_timed_out || request->sequence <= feed->next_sequence;
        }
        drop_request(feed, index);
    }
    if (!foremost_timed_out || ++feed->request_attempts < feed->options.request_attempts)
        return;
    feed->requests_exhausted = true;
    feed_recover_hole(feed, FEED_CAUSE_REQUESTS_EXHAUSTED);
}

/* First part of [first, end) that no request covers; false: all of it is covered. */
static bool uncovered(const struct feed *feed, uint64_t *first, uint64_t *end)
{
    for (bool moved = true; moved && *first < *end;) { /* each turn passes a request */
        moved = false;
        for (uint8_t index = 0; index < feed->request_count; index++) {
            const struct feed_request *request = &feed->requests[index];

            if (request->sequence <= *first && *first < request->next_sequence) {
                *first = request->next_sequence;
                moved = true;
            }
        }
    }
    for (uint8_t index = 0; index < feed->request_count; index++) {
        uint64_t sequence = feed->requests[index].sequence;

        if (sequence > *first && sequence < *end)
            *end = sequence;
    }
    return *first < *end;
}

/* A hole is known since something behind it came; one between replies is as old as the request. */
static uint64_t hole_since_ns(const struct feed *feed, uint32_t index)
{
    if (index == feed->entry_count)
        return feed->announced_ns;
    const struct feed_reorder_entry *entry = feed_reorder_at(feed, index);
    return entry->line == FEED_LINE_RECOVERY ? 0 : entry->arrival_ns;
}

/* The first missing messages that are old enough and not asked for. A step per buffered packet, only after changes.
 * With a full buffer only what can be handed out at once: any other reply would have to be dropped. */
static bool find_missing(struct feed *feed, uint64_t *first, uint64_t *end)
{
    uint64_t cursor = feed->next_sequence;
    bool full = feed->entry_count == feed->options.reorder_packet_count;

    feed->scan = false;
    feed->scan_at_ns = UINT64_MAX;
    for (uint32_t index = 0; index <= feed->entry_count; index++) {
        bool last = index == feed->entry_count;
        uint64_t hole_end = last ? feed->announced_sequence : feed_reorder_at(feed, index)->sequence;

        if (hole_end > cursor) {
            uint64_t since_ns = cursor == feed->next_sequence ? feed->hole_since_ns : hole_since_ns(feed, index);
            bool young = since_ns != FEED_NO_HOLE && feed->now_ns < since_ns + feed->options.hold_back_ns &&
                         !(cursor == feed->next_sequence && feed->hole_declared);

            *first = cursor;
            *end = hole_end;
            if (young) {
                if (since_ns + feed->options.hold_back_ns < feed->scan_at_ns)
                    feed->scan_at_ns = since_ns + feed->options.hold_back_ns;
            } else {
                while (*first < hole_end) { /* at most one turn more than there are requests */
                    if (uncovered(feed, first, end))
                        return !full || *first == feed->next_sequence;
                    *first = *end > *first ? *end : hole_end;
                    *end = hole_end;
                }
            }
        }
        if (!last && feed_reorder_at(feed, index)->next_sequence > cursor)
            cursor = feed_reorder_at(feed, index)->next_sequence;
    }
    return false;
}

bool feed_next_request(struct feed *feed, uint8_t request[MOLDUDP64_REQUEST_SIZE])
{
    uint64_t first, end;

    if (!feed->asking || feed->pending || feed->request_count >= feed->options.request_outstanding_max ||
        (!feed->scan && feed->now_ns < feed->scan_at_ns) || !find_missing(feed, &first, &end))
        return false;
    if (end - first > feed->options.request_messages_max)
        end = first + feed->options.request_messages_max;
    feed->requests[feed->request_count++] = (struct feed_request){
        .sequence = first,
        .next_sequence = end,
        .due_ns = feed->now_ns + feed->options.request_timeout_ns,
    };
    moldudp64_put_request(request, feed->session, first, (uint16_t)(end - first));
    feed->statistics.requests_sent++;
    feed->scan = true;
    return true;
}

/* ---- snapshot ---- */

bool feed_wants_snapshot(const struct feed *feed)
{
    return feed->snapshot == FEED_SNAPSHOT_WANTED;
}

bool feed_snapshot_running(const struct feed *feed)
{
    return feed->snapshot == FEED_SNAPSHOT_RUNNING;
}

static void tell_time(struct feed *feed, uint64_t now_ns)
{
    if (now_ns > feed->now_ns)
        feed->now_ns = now_ns;
}

void feed_snapshot_started(struct feed *feed, uint64_t now_ns)
{
    tell_time(feed, now_ns);
    if (feed->snapshot == FEED_SNAPSHOT_RUNNING)
        return;
    if (feed->snapshot == FEED_SNAPSHOT_NONE) /* nobody wanted it, and the book is empty all the same */
        feed_want_snapshot(feed, FEED_CAUSE_RETRY);
    feed->snapshot = FEED_SNAPSHOT_RUNNING;
    if (!feed->book_lost)
        feed->lost_position = feed->position_base | feed->next_sequence;
    feed->book_lost = feed->session_unheard = true;
    feed->block_count = 0;
    feed->hole_since_ns = FEED_NO_HOLE;
    feed->episode_way = FEED_WAY_SNAPSHOT;
    feed->snapshot_due_ns = feed->now_ns + feed->options.snapshot_timeout_ns;
    feed->statistics.snapshots_started++;
}

void feed_snapshot_failed(struct feed *feed, uint64_t now_ns)
{
    tell_time(feed, now_ns);
    if (feed->snapshot != FEED_SNAPSHOT_RUNNING)
        return;
    feed->statistics.snapshots_failed++;
    feed->snapshot = FEED_SNAPSHOT_WANTED;
    if (++feed->snapshot_attempts < feed->options.snapshot_attempts)
        return;
    feed->snapshot = FEED_SNAPSHOT_NONE;
    feed->snapshots_exhausted = true;
    rest(feed, FEED_CAUSE_SNAPSHOT_FAILED);
}

/* What lies behind the snapshot is of use; what lay implausibly far behind it before it was asked for was a broken
 * number. */
static void trim_buffer(struct feed *feed, uint64_t started_ns)
{
    uint64_t cursor = feed->next_sequence;
    uint32_t kept = 0;

    while (feed->entry_count != 0 && feed_reorder_at(feed, 0)->next_sequence <= cursor)
        feed_reorder_pop(feed);
    for (; kept < feed->entry_count; kept++) {
        const struct feed_reorder_entry *entry = feed_reorder_at(feed, kept);

        if (entry->sequence > cursor && entry->sequence - cursor > FEED_STRAY_MESSAGES &&
            entry->arrival_ns < started_ns)
            break;
        cursor = entry->next_sequence;
    }
    feed_reorder_truncate(feed, kept);
}

bool feed_snapshot_complete(struct feed *feed, uint64_t sequence, uint64_t now_ns)
{
    uint64_t started_ns = feed->snapshot_due_ns - feed->options.snapshot_timeout_ns;
    uint64_t heard = feed->highest_sequence > feed->next_sequence ? feed->highest_sequence : feed->next_sequence;
    uint8_t attempts = feed->snapshot_attempts;

    tell_time(feed, now_ns);
    if (feed->snapshot != FEED_SNAPSHOT_RUNNING || sequence == 0 ||
        (sequence > heard && sequence - heard > FEED_STRAY_MESSAGES))
        return false;
    if (sequence > feed->next_sequence)
        feed->statistics.recovered_messages_snapshot += sequence - feed->next_sequence;
    feed->statistics.snapshots_completed++;
    if (sequence < feed->next_sequence)
        feed_announce(feed, feed->next_sequence); /* older than what was delivered: that is missing again */
    feed->snapshot = FEED_SNAPSHOT_NONE;
    feed->book_lost = feed->skipped = feed->hole_declared = false;
    feed->next_sequence = sequence;
    feed->sequence_known = true;
    feed->hole_since_ns = FEED_NO_HOLE;
    trim_buffer(feed, started_ns);
    feed->highest_sequence = feed->announced_sequence > sequence ? feed->announced_sequence : sequence;
    if (feed->entry_count != 0 && feed_reorder_at(feed, feed->entry_count - 1)->next_sequence > feed->highest_sequence)
        feed->highest_sequence = feed_reorder_at(feed, feed->entry_count - 1)->next_sequence;
    feed_recover_done(feed);
    feed->snapshot_attempts = attempts == UINT8_MAX ? attempts : attempts + 1; /* forgotten with LIVE */
    feed->pending = true;
    return true;
}

/* ---- time ---- */

void feed_recover_timer(struct feed *feed)
{
    if (feed->asking)
        review_requests(feed);
    if (feed->asking && feed->hole_declared && too_large(feed))
        feed_want_snapshot(feed, FEED_CAUSE_HOLE_TOO_LARGE);
    if (feed->snapshot == FEED_SNAPSHOT_RUNNING && feed->now_ns >= feed->snapshot_due_ns)
        feed_snapshot_failed(feed, feed->now_ns);
    if (!feed->resting || feed->options.retry_ns == 0 || feed->now_ns < feed->retry_at_ns ||
        feed->snapshot != FEED_SNAPSHOT_NONE || feed->skipped || feed->session_closed)
        return;
    if (!feed->book_lost && !feed->hole_declared)
        return;
    feed_recover_done(feed);
    if (feed->options.requests || feed->options.snapshots)
        feed_recover_hole(feed, FEED_CAUSE_RETRY);
}
