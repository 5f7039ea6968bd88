/* The feed's state, its history, and the time it was blind; the contract is in feed.h. */
#include "engine/feed/feed_inside.h"

static void begin_episode(struct feed *feed)
{
    uint64_t number = feed->statistics.episodes++;
    feed->episode_open = true;
    feed->episode_way = FEED_WAY_NONE;
    if (number >= FEED_EPISODE_COUNT)
        return;

    bool hole = feed->hole_since_ns != FEED_NO_HOLE;
    uint64_t known = feed_known_sequence(feed);

    feed->episodes[number] = (struct feed_episode){
        .found_ns = hole ? feed->hole_since_ns : feed->now_ns,
        .left_ns = feed->now_ns,
        .first_sequence = feed->position_base | feed->next_sequence,
        .messages = known > feed->next_sequence ? known - feed->next_sequence : 0,
    };
}

static void end_episode(struct feed *feed)
{
    uint64_t number = feed->statistics.episodes - 1;
    feed->episode_open = false;
    if (number >= FEED_EPISODE_COUNT)
        return;
    feed->episodes[number].live_ns = feed->now_ns;
    feed->episodes[number].way = feed->episode_way != FEED_WAY_NONE ? feed->episode_way : FEED_WAY_LINES;
}

static void note_blindness(struct feed *feed, enum feed_state to)
{
    struct feed_statistics *statistics = &feed->statistics;

    if ((feed->state == FEED_LIVE || (feed->state == FEED_ENDED && feed->was_live)) && to != FEED_ENDED) {
        feed->live_left_ns = feed->now_ns;
        statistics->blind_count++;
    }
    if (feed->was_live && feed->state != FEED_LIVE && feed->state != FEED_ENDED &&
        (to == FEED_LIVE || to == FEED_ENDED)) {
        uint64_t blind_ns = feed->now_ns - feed->live_left_ns;

        statistics->blind_ns += blind_ns;
        if (blind_ns > statistics->blind_ns_max)
            statistics->blind_ns_max = blind_ns;
    }
    if (to == FEED_LIVE) {
        statistics->recoveries += feed->state != FEED_STARTUP;
        feed->was_live = true;
    }
    if (to != FEED_LIVE && to != FEED_ENDED && !feed->episode_open)
        begin_episode(feed);
    else if (to == FEED_LIVE && feed->episode_open)
        end_episode(feed);
    else if (to == FEED_ENDED)
        feed->episode_open = false; /* not recovered; the next session has episodes of its own */
}

void feed_change_state(struct feed *feed, enum feed_state to, enum feed_cause cause)
{
    if (feed->state == to)
        return;

    struct feed_statistics *statistics = &feed->statistics;

    note_blindness(feed, to);
    if (statistics->transitions >= FEED_TRANSITION_COUNT)
        statistics->transitions_lost++;
    feed->transitions[statistics->transitions++ % FEED_TRANSITION_COUNT] = (struct feed_transition){
        .at_ns = feed->now_ns,
        .sequence = feed->position_base | feed->next_sequence,
        .from = (uint8_t)feed->state,
        .to = (uint8_t)to,
        .cause = (uint8_t)cause,
    };
    feed->state = to;
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

uint32_t feed_episodes(const struct feed *feed, struct feed_episode *episodes, uint32_t capacity)
{
    uint64_t kept = feed->statistics.episodes < FEED_EPISODE_COUNT ? feed->statistics.episodes : FEED_EPISODE_COUNT;
    uint32_t count = 0;

    for (; count < kept && count < capacity; count++)
        episodes[count] = feed->episodes[count];
    return count;
}
