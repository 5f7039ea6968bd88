/* Inside the feed: what its files share. Included by feed/ only. */
#ifndef ENGINE_FEED_FEED_INSIDE_H
#define ENGINE_FEED_FEED_INSIDE_H

#include <string.h>

#include "engine/feed/feed.h"
#include "engine/feed/feed_reorder.h"

/* feed_log.c: the state and its history. */
void feed_change_state(struct feed *feed, enum feed_state to, enum feed_cause cause);

/* feed_hole.c */
void feed_announce(struct feed *feed, uint64_t sequence);       /* messages below it exist */
void feed_note_hole(struct feed *feed, uint64_t since_ns);       /* if there is one now, it is so old */
void feed_declare_hole(struct feed *feed, enum feed_cause cause); /* it has outlived its hold-back */
void feed_become_live(struct feed *feed);                        /* nothing is missing: unless something else is amiss */
void feed_check_time(struct feed *feed);                         /* what time does to a feed that misses something */

/* feed_hole.c: delivery or knowledge has moved: holes close and open, the session may be over, the feed may be LIVE. */
void feed_settle(struct feed *feed);

/* feed.c: a packet that cannot be handed out now waits, if there is room; known since arrival_ns. */
enum feed_outcome feed_accept_early(struct feed *feed, unsigned line, const struct moldudp64_packet *packet,
                                    uint64_t arrival_ns);

/* feed_suspect.c: true when the datagram has to wait for another one that agrees with it, or is not wanted at all. */
bool feed_suspicious(struct feed *feed, unsigned line, const struct moldudp64_packet *packet);

/* feed_suspect.c: delivery has got to suspect_reach. What lies there continues what is known and is believed like any
 * datagram that does; true when some of it is to be handed out now. */
bool feed_suspects_reached(struct feed *feed);
void feed_suspects_forget(struct feed *feed);

/* First message known to exist at or after next_sequence that something was heard of. */
static inline uint64_t feed_known_sequence(const struct feed *feed)
{
    return feed->entry_count != 0 ? feed_reorder_at(feed, 0)->sequence : feed->announced_sequence;
}

/* feed_recover.c */
void feed_recover_hole(struct feed *feed, enum feed_cause cause);             /* it has outlived its hold-back */
void feed_recover_note_reply(struct feed *feed, uint64_t sequence, uint64_t next_sequence);
void feed_recover_done(struct feed *feed);                                    /* nothing is missing */
void feed_recover_timer(struct feed *feed);                                   /* cold: whenever something is missing */
void feed_want_snapshot(struct feed *feed, enum feed_cause cause);

/* feed_session.c: false when the datagram is not of the session that the feed follows now. */
bool feed_session_change(struct feed *feed, unsigned line, const struct moldudp64_packet *packet);

static inline bool feed_session_take(struct feed *feed, unsigned line, const struct moldudp64_packet *packet)
{
    if (__builtin_expect(feed->session_known && !feed->session_suspect && !feed->session_unheard &&
                         memcmp(feed->session, packet->session, sizeof(feed->session)) == 0, 1))
        return true;
    return feed_session_change(feed, line, packet);
}

#endif
