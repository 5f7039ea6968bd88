/* Which session the feed is in, and when it goes over to another; the contract is in feed.h.
 *
 * A single datagram with another session id may be a broken one: it makes the feed blind, but throws nothing away.
 * `session_confirm_packets` of the same new session on the lines, none of the old one between them, make it real; after
 * the end of a session, its successor's message 1 does so alone. What was dropped until then is recovered like any
 * other loss. Stragglers of sessions before, from a slower line, are counted and change nothing.
 */
#include <string.h>

#include "engine/feed/feed_inside.h"

static void adopt(struct feed *feed, const struct moldudp64_packet *packet)
{
    if (!feed->book_lost)
        feed->lost_position = feed->position_base | feed->next_sequence;
    memcpy(feed->past_sessions[feed->session_ordinal % FEED_PAST_SESSION_COUNT], feed->session, sizeof(feed->session));
    memcpy(feed->session, packet->session, sizeof(feed->session));
    feed->session_ordinal++;
    feed->position_base = (uint64_t)feed->session_ordinal << FEED_POSITION_SESSION_SHIFT;
    feed->statistics.session_rolls++;

    feed_reorder_reset(feed);
    feed_recover_done(feed);
    feed->snapshot = FEED_SNAPSHOT_NONE;
    feed->next_sequence = 1;
    feed->sequence_known = true;
    feed->highest_sequence = 1;
    feed->announced_sequence = 0;
    feed_suspects_forget(feed);
    feed->hole_since_ns = FEED_NO_HOLE;
    feed->hole_declared = feed->end_known = feed->pending = false;
    feed->skipped = feed->session_suspect = feed->session_unheard = false;
    feed->book_lost = feed->options.snapshots; /* orders may live on in the new session: ask what its book is */
    feed->candidate_packets = 0;
    for (unsigned line = 0; line < FEED_SOURCE_COUNT; line++)
        feed->lines[line].next_sequence = 0;

    if (feed->options.snapshots)
        feed_want_snapshot(feed, FEED_CAUSE_NEW_SESSION);
    else
        feed_change_state(feed, FEED_GAP, FEED_CAUSE_NEW_SESSION);
}

/* One that the feed has left; of them the last FEED_PAST_SESSION_COUNT are remembered. */
static bool past(const struct feed *feed, const uint8_t session[MOLDUDP64_SESSION_SIZE])
{
    unsigned count = feed->session_ordinal < FEED_PAST_SESSION_COUNT ? feed->session_ordinal : FEED_PAST_SESSION_COUNT;

    for (unsigned index = 0; index < count; index++)
        if (memcmp(feed->past_sessions[index], session, MOLDUDP64_SESSION_SIZE) == 0)
            return true;
    return false;
}

/* True when this datagram makes the new session real. */
static bool confirmed(struct feed *feed, const struct moldudp64_packet *packet)
{
    if (memcmp(feed->candidate_session, packet->session, sizeof(feed->session)) != 0)
        feed->candidate_packets = 0;
    memcpy(feed->candidate_session, packet->session, sizeof(feed->session));
    feed->candidate_packets += feed->candidate_packets != UINT8_MAX;
    return feed->candidate_packets >= feed->options.session_confirm_packets ||
           (feed->state == FEED_ENDED && packet->sequence == 1 && packet->count != 0);
}

bool feed_session_change(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    if (!feed->session_known && line != FEED_LINE_RECOVERY) {
        memcpy(feed->session, packet->session, sizeof(feed->session));
        feed->session_known = true;
        return true;
    }
    if (memcmp(feed->session, packet->session, sizeof(feed->session)) == 0) {
        feed->session_unheard = feed->session_unheard && line == FEED_LINE_RECOVERY;
        if (line != FEED_LINE_RECOVERY && feed->session_suspect) {
            feed->session_suspect = false;
            feed->candidate_packets = 0;
        }
        return true;
    }

    feed->statistics.lines[line].session_mismatches++;
    if (line == FEED_LINE_RECOVERY || past(feed, packet->session))
        return false;
    if (confirmed(feed, packet)) {
        feed->session_closed = !feed->options.follow_sessions || feed->session_ordinal == FEED_SESSION_ORDINAL_MAX;
        if (!feed->session_closed) {
            adopt(feed, packet);
            return true;
        }
    }
    feed->session_suspect = true;
    if (feed->state == FEED_LIVE || feed->state == FEED_STARTUP || feed->state == FEED_DOWN)
        feed_change_state(feed, FEED_GAP, FEED_CAUSE_SESSION_MISMATCH);
    return false;
}
