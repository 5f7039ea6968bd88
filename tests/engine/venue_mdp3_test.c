/* venue_mdp3: both lines to a sink, one round at a time, without a wire. */
#include "engine/venue_mdp3.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engine/check.h"

enum { PACKET_BYTES = 12 + 10 + 11 + 3 + 32 + 8 };

static struct venue_mdp3 venue;
static struct port lines[FEED_LINE_COUNT];
static struct control control;
static struct clock engine_clock;
static uint8_t *memory;

static void put(uint8_t *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

/* A packet with one entry: template 46, new best bid of security 7, end of event. */
static const uint8_t *packet_of(uint32_t number, uint32_t report)
{
    static uint8_t bytes[PACKET_BYTES];
    uint8_t *message = bytes + 12, *root = message + 10, *group = root + 11, *entry = group + 3;

    memset(bytes, 0, sizeof(bytes));
    put(bytes, number, 4);
    put(bytes + 4, 1000 + number, 8);
    put(message, PACKET_BYTES - 12, 2);
    put(message + 2, 11, 2);
    put(message + 4, 46, 2);
    put(message + 6, 1, 2);
    put(message + 8, 9, 2);
    root[8] = EVENT_INDICATOR_END;
    put(group, 32, 2);
    group[2] = 1;
    put(entry, 100 + number, 8);
    put(entry + 8, 5, 4);
    put(entry + 12, 7, 4);
    put(entry + 16, report, 4);
    put(entry + 20, 1, 4);
    entry[24] = 1;
    entry[26] = '0';
    put(entry + 32, 24, 2);
    return bytes;
}

static void begin(const struct event_sink *sink)
{
    struct mdp3_channel_options options;

    mdp3_channel_options_default(&options);
    options.instrument_count = 8;
    options.join_capacity = 8;
    size_t size = mdp3_channel_memory_size(&options);
    size = (size + MDP3_MEMORY_ALIGNMENT - 1) / MDP3_MEMORY_ALIGNMENT * MDP3_MEMORY_ALIGNMENT;
    free(memory);
    memory = aligned_alloc(MDP3_MEMORY_ALIGNMENT, size);
    memset(&control, 0, sizeof(control));
    CHECK_EQUAL(venue_mdp3_init(&venue, &options, lines, &control, &engine_clock, sink, memory, size), 0);
}

static void step(uint32_t line, uint32_t number, uint64_t now_ns)
{
    venue_mdp3_step(&venue, line, packet_of(number, number), PACKET_BYTES, now_ns);
}

static void each_packet_is_taken_once_from_whichever_line_is_first(void)
{
    begin(NULL);
    step(0, 1, 100);
    step(1, 1, 150);
    step(1, 2, 200);
    step(0, 2, 290);
    CHECK_EQUAL(venue.statistics.packets, 4);
    CHECK_EQUAL(venue.tally.events, 2);
    CHECK_EQUAL(venue.tally.kinds[EVENT_LEVEL], 2);
    CHECK_EQUAL(venue.channel.arbiter.statistics.delivered, 2);
    CHECK_EQUAL(venue.channel.arbiter.statistics.lines[1].wins, 1);
    CHECK_EQUAL(venue.channel.arbiter.statistics.lines[1].margin_ns_max, 90);
    CHECK_EQUAL(venue.channel.state, FEED_LIVE);
}

static void which_line_was_first_does_not_change_the_digest_and_another_packet_does(void)
{
    uint64_t digests[3];

    for (uint32_t run = 0; run < 3; run++) {
        begin(NULL);
        for (uint32_t number = 1; number <= 40; number++)
            step((number ^ run) & 1, number + (run == 2 && number > 20), 100 * number);
        digests[run] = venue.tally.digest;
    }
    CHECK_EQUAL(digests[0], digests[1]);
    CHECK(digests[0] != digests[2]);
}

static uint32_t heard;

static void hear(void *context, const struct event *events, uint32_t count)
{
    CHECK(context == &heard && count > 0 && count <= VENUE_MDP3_BATCH);
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQUAL(events[i].sequence, heard + i + 1);
    heard += count;
}

static void a_sink_gets_every_event_in_order_in_batches(void)
{
    const struct event_sink sink = {hear, &heard};

    begin(&sink);
    heard = 0;
    step(0, 1, 1);
    for (uint32_t number = 3; number <= 200; number++) /* they wait for number 2 */
        step(0, number, number);
    CHECK_EQUAL(heard, 1);
    step(1, 2, 300);
    CHECK_EQUAL(heard, 200);
    CHECK_EQUAL(venue.tally.events, 0);
}

static void time_alone_gives_a_hole_up(void)
{
    begin(NULL);
    step(0, 1, 1000);
    step(0, 3, 2000);
    venue_mdp3_timer(&venue, 3000);
    CHECK_EQUAL(venue.tally.events, 1);
    venue_mdp3_timer(&venue, 2000 + venue.channel.options.arbiter.hold_back_ns);
    CHECK_EQUAL(venue.tally.events, 2);
    CHECK_EQUAL(venue.channel.arbiter.statistics.gap_packets, 1);
    CHECK(venue.channel.state != FEED_LIVE);
}

static void polls_without_wires_count_publish_and_stop(void)
{
    begin(NULL);
    venue.last_poll_ns = clock_ns(&engine_clock, clock_ticks());
    CHECK_EQUAL(venue_mdp3_poll(&venue), 0);
    CHECK_EQUAL(venue.statistics.polls, 1);
    CHECK(control.heartbeat_ns != 0);
    control.stop = 1;
    venue_mdp3_run(&venue);
    CHECK_EQUAL(venue.statistics.polls, 1);
    CHECK_EQUAL(control.feed_state, FEED_STARTUP);
}

static void options_out_of_range_are_refused(void)
{
    struct mdp3_channel_options options;

    mdp3_channel_options_default(&options);
    options.instrument_count = 0;
    CHECK(venue_mdp3_init(&venue, &options, lines, &control, &engine_clock, NULL, memory, 1 << 20) != 0);
}

int main(void)
{
    clock_init(&engine_clock);
    RUN(each_packet_is_taken_once_from_whichever_line_is_first);
    RUN(which_line_was_first_does_not_change_the_digest_and_another_packet_does);
    RUN(a_sink_gets_every_event_in_order_in_batches);
    RUN(time_alone_gives_a_hole_up);
    RUN(polls_without_wires_count_publish_and_stop);
    RUN(options_out_of_range_are_refused);
    free(memory);
    return check_result();
}
