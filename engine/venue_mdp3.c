#include "engine/venue_mdp3.h"

#include <string.h>

#include "engine/journal/record_mdp3.h"

static inline uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * 0x9E3779B97F4A7C15ull;
    return digest ^ digest >> 29;
}

void event_tally_take(void *context, const struct event *events, uint32_t count)
{
    struct event_tally *tally = context;
    uint64_t words[sizeof(struct event) / sizeof(uint64_t)];

    tally->events += count;
    for (uint32_t i = 0; i < count; i++) {
        if (events[i].kind < EVENT_KIND_COUNT)
            tally->kinds[events[i].kind]++;
        else
            tally->unknown_kinds++;
        memcpy(words, &events[i], sizeof(words));
        for (uint32_t word = 0; word < sizeof(words) / sizeof(words[0]); word++)
            tally->digest = mix(tally->digest, words[word]);
    }
}

int venue_mdp3_init(struct venue_mdp3 *venue, const struct mdp3_channel_options *options, struct port *lines,
                    struct control *control, const struct clock *clock, const struct event_sink *sink, void *memory,
                    size_t size)
{
    memset(venue, 0, sizeof(*venue));
    venue->lines = lines;
    venue->control = control;
    venue->clock = clock;
    venue->sink = sink ? *sink : (struct event_sink){event_tally_take, &venue->tally};
    return mdp3_channel_init(&venue->channel, options, memory, size);
}

static void drain(struct venue_mdp3 *venue)
{
    uint32_t count = VENUE_MDP3_BATCH;

    while (count == VENUE_MDP3_BATCH) {
        count = mdp3_channel_take(&venue->channel, venue->batch, VENUE_MDP3_BATCH);
        if (count)
            venue->sink.take(venue->sink.context, venue->batch, count);
    }
}

void venue_mdp3_step(struct venue_mdp3 *venue, uint32_t line, const uint8_t *datagram, uint32_t length,
                     uint64_t now_ns)
{
    venue->statistics.packets++;
    record_mdp3_step(venue, JOURNAL_DATAGRAM, (uint8_t)line, datagram, length, now_ns);
    mdp3_channel_accept(&venue->channel, line, datagram, length, now_ns);
    drain(venue);
    record_mdp3_done(venue, now_ns);
}

void venue_mdp3_timer(struct venue_mdp3 *venue, uint64_t now_ns)
{
    record_mdp3_step(venue, JOURNAL_TIMER, 0, NULL, 0, now_ns);
    mdp3_channel_timer(&venue->channel, now_ns);
    drain(venue);
    record_mdp3_done(venue, now_ns);
}

/* Told in steps, so that a replay is told the same. */
static inline void tell_time(struct venue_mdp3 *venue, uint64_t now_ns)
{
    const struct mdp3_arbiter *arbiter = &venue->channel.arbiter;
    const bool busy = arbiter->waiting_count != 0 || arbiter->stash_count != 0 ||
                      arbiter->announced_sequence > arbiter->next_sequence;
    if (now_ns - venue->last_timer_ns < (busy ? VENUE_MDP3_TIMER_BUSY_NS : VENUE_MDP3_TIMER_IDLE_NS))
        return;
    venue->last_timer_ns = now_ns;
    venue_mdp3_timer(venue, now_ns);
}

/* The channel's time must not go back. */
static inline uint64_t look(struct venue_mdp3 *venue)
{
    uint64_t now_ns = clock_ns(venue->clock, clock_ticks());

    if (now_ns > venue->now_ns)
        venue->now_ns = now_ns;
    return venue->now_ns;
}

static void note_stall(struct venue_mdp3 *venue, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - venue->last_poll_ns;

    venue->last_poll_ns = now_ns;
    if (__builtin_expect(since_ns <= VENUE_MDP3_STALL_NS, 1))
        return;
    venue->statistics.stalls++;
    venue->statistics.stall_ns_total += since_ns;
    if (since_ns > venue->statistics.stall_ns_max)
        venue->statistics.stall_ns_max = since_ns;
}

static void publish(struct venue_mdp3 *venue, uint64_t now_ns)
{
    struct control *control = venue->control;

    venue->last_publish_ns = now_ns;
    control->delivered = venue->channel.arbiter.statistics.delivered;
    control->feed_state = venue->channel.state;
    control->stalls = venue->statistics.stalls;
    control->stall_ns_max = venue->statistics.stall_ns_max;
    control->heartbeat_ns = now_ns;
}

uint32_t venue_mdp3_poll(struct venue_mdp3 *venue)
{
    struct packet packets[PACKET_BATCH_MAX];
    uint64_t now_ns = look(venue);
    uint32_t handled = 0;

    note_stall(venue, now_ns);
    for (uint32_t line = 0; line < FEED_LINE_COUNT; line++) {
        uint32_t count = port_receive(&venue->lines[line], packets);

        if (count)
            now_ns = look(venue);
        for (uint32_t i = 0; i < count; i++)
            venue_mdp3_step(venue, line, packets[i].data, packets[i].length, now_ns);
        port_release(&venue->lines[line]);
        handled += count;
    }
    if (handled == 0)
        tell_time(venue, now_ns);
    if (now_ns - venue->last_publish_ns > CONTROL_PUBLISH_NS)
        publish(venue, now_ns);
    venue->statistics.polls++;
    return handled;
}

void venue_mdp3_run(struct venue_mdp3 *venue)
{
    venue->last_poll_ns = look(venue);
    while (!venue->control->stop)
        venue_mdp3_poll(venue);
    publish(venue, look(venue));
}
