/* Holes: found, closed, declared when they outlive the hold-back, skipped; and LIVE when there is none. The contract is
 * in feed.h, what is done about a declared hole in feed_recover.c. */
#include "engine/feed/feed_inside.h"

/* Nothing is missing: LIVE, unless something else stands against it. */
void feed_become_live(struct feed *feed)
{
    enum feed_cause cause = FEED_CAUSE_RECOVERED;

    if (feed->state == FEED_LIVE || feed->state == FEED_ENDED || feed->book_lost || feed->skipped ||
        feed->session_unheard || feed->session_suspect || feed->session_closed)
        return;
    if (feed->state == FEED_STARTUP || feed->state == FEED_DOWN)
        cause = FEED_CAUSE_IN_SEQUENCE;
    else if ((feed->state == FEED_SYNC || feed->state == FEED_RESYNC) && feed->snapshot == FEED_SNAPSHOT_NONE)
        cause = FEED_CAUSE_SNAPSHOT_JOINED;
    feed_recover_done(feed);
    feed_change_state(feed, FEED_LIVE, cause);
}

void feed_announce(struct feed *feed, uint64_t sequence)
{
    if (sequence > feed->announced_sequence) {
        if (feed->announced_sequence <= feed->next_sequence)
            feed->announced_ns = feed->now_ns; /* later ones extend the same hole */
        feed->announced_sequence = sequence;
        if (sequence > feed->highest_sequence)
            feed->highest_sequence = sequence;
        feed->scan = true;
    }
}

void feed_note_hole(struct feed *feed, uint64_t since_ns)
{
    uint64_t known = feed_known_sequence(feed);

    if (feed->hole_since_ns != FEED_NO_HOLE || known <= feed->next_sequence || feed->book_lost)
        return;
    feed->hole_since_ns = since_ns;
    feed->hole_end_sequence = known;
    feed->hole_declared = false;
    feed->scan = true;
    feed->statistics.holes++;
    if (known - feed->next_sequence > feed->statistics.hole_messages_max)
        feed->statistics.hole_messages_max = known - feed->next_sequence;
}

static void find_next_hole(struct feed *feed)
{
    uint64_t since_ns;

    if (feed_known_sequence(feed) <= feed->next_sequence)
        return;
    since_ns = feed_reorder_earliest_ns(feed);
    if (feed->announced_sequence > feed->next_sequence && feed->announced_ns < since_ns)
        since_ns = feed->announced_ns;
    feed_note_hole(feed, since_ns);
}

void feed_settle(struct feed *feed)
{
    if (feed->book_lost)
        return;
    if (feed->hole_since_ns != FEED_NO_HOLE && feed->next_sequence >= feed->hole_end_sequence) {
        feed->statistics.holes_filled += !feed->hole_declared;
        feed->hole_since_ns = FEED_NO_HOLE;
        feed->hole_declared = false;
    }
    if (feed->hole_since_ns == FEED_NO_HOLE)
        find_next_hole(feed);
    if (feed->hole_since_ns == FEED_NO_HOLE)
        feed_become_live(feed);
    if (feed->end_known && feed->next_sequence >= feed->end_sequence) {
        feed_recover_done(feed);
        feed_change_state(feed, FEED_ENDED, FEED_CAUSE_END_OF_SESSION);
    }
}

/* Best effort: what nobody can bring is passed over, and the feed never LIVE again. */
static void skip_hole(struct feed *feed)
{
    uint64_t known = feed_known_sequence(feed);

    feed->skipped = true;
    feed->statistics.skipped_messages += known - feed->next_sequence;
    feed->next_sequence = known;
    feed->pending = true;
    if (feed->entry_count == 0) { /* lost at the tail: nothing to hand out */
        feed->pending = false;
        feed_settle(feed);
    }
}

void feed_declare_hole(struct feed *feed, enum feed_cause cause)
{
    uint64_t known = feed_known_sequence(feed);

    if (!feed->hole_declared) {
        feed->hole_declared = feed->scan = true;
        feed->statistics.gaps++;
        feed->statistics.gap_messages += known - feed->next_sequence;
        feed->statistics.gap_first_sequence = feed->next_sequence;
        feed->statistics.gap_last_sequence = known - 1;
    }
    if (!feed->asking && feed->snapshot == FEED_SNAPSHOT_NONE && !feed->resting)
        feed_recover_hole(feed, cause);
    if (feed->resting && feed->options.delivery == FEED_DELIVERY_BEST_EFFORT && !feed->book_lost)
        skip_hole(feed);
}

static bool hole_overdue(const struct feed *feed)
{
    return !feed->pending && feed->state != FEED_ENDED && feed->hole_since_ns != FEED_NO_HOLE &&
           feed->now_ns - feed->hole_since_ns >= feed->options.hold_back_ns;
}

/* What time does to a feed that misses something. */
void feed_check_time(struct feed *feed)
{
    if (hole_overdue(feed))
        feed_declare_hole(feed, FEED_CAUSE_HOLD_BACK_EXPIRED);
    if (!feed->pending)
        feed_recover_timer(feed);
}
