/* The feed's rules one by one: arbitration, hold-back, gaps, bounds and every edge of the state machine. */
#include "engine/feed/feed.h"

#include <errno.h>
#include <string.h>

#include "tests/engine/check.h"

enum { SLOT_COUNT = 4, SLOT_BYTES = 128, HOLD_BACK_NS = 1000, SILENCE_NS = 100000 };

static _Alignas(FEED_MEMORY_ALIGNMENT) uint8_t memory[4096];
static struct feed feed;
static struct feed_options options;
static uint64_t now_ns;
static uint64_t delivered[64];
static uint32_t delivered_count;

static void setup(void)
{
    feed_options_default(&options);
    options.hold_back_ns = HOLD_BACK_NS;
    options.line_silence_ns = SILENCE_NS;
    options.reorder_packet_count = SLOT_COUNT;
    options.reorder_packet_bytes = SLOT_BYTES;
    options.delivery = FEED_DELIVERY_BEST_EFFORT;
    options.follow_sessions = false;
    options.session_confirm_packets = 1;
    options.unconfirmed_jump_messages = UINT64_MAX;
}

static void start(void)
{
    now_ns = 5000;
    delivered_count = 0;
    CHECK(feed_memory_size(&options) <= sizeof(memory));
    CHECK_EQUAL(feed_init(&feed, &options, memory, sizeof(memory)), 0);
}

static void drain(void)
{
    struct feed_message message;

    while (feed_next(&feed, &message)) {
        /* every test message says its own number */
        CHECK_EQUAL(message.length, 1);
        CHECK_EQUAL(message.data[0], message.sequence & 0xFF);
        CHECK(delivered_count == 0 || message.sequence > delivered[delivered_count - 1]);
        delivered[delivered_count++] = message.sequence;
    }
}

static uint32_t make(uint8_t *datagram, const char *session, uint64_t sequence, uint32_t count)
{
    uint32_t length = MOLDUDP64_HEADER_SIZE;

    memcpy(datagram, session, MOLDUDP64_SESSION_SIZE);
    for (uint32_t index = 0; index < 8; index++)
        datagram[10 + index] = (uint8_t)(sequence >> (56 - 8 * index));
    datagram[18] = (uint8_t)(count >> 8);
    datagram[19] = (uint8_t)count;
    for (uint32_t index = 0; count != MOLDUDP64_COUNT_END && index < count; index++) {
        datagram[length++] = 0;
        datagram[length++] = 1;
        datagram[length++] = (uint8_t)(sequence + index);
    }
    return length;
}

static enum feed_outcome give_session(const char *session, unsigned line, uint64_t sequence, uint32_t count)
{
    uint8_t datagram[512];
    uint32_t length = make(datagram, session, sequence, count);
    enum feed_outcome outcome = feed_accept(&feed, line, datagram, length, now_ns);

    drain();
    return outcome;
}

static enum feed_outcome give(unsigned line, uint64_t sequence, uint32_t count)
{
    return give_session("SESSION001", line, sequence, count);
}

static void wait(uint64_t duration_ns)
{
    now_ns += duration_ns;
    feed_timer(&feed, now_ns);
    drain();
}

static void check_delivered(uint64_t first, uint64_t last)
{
    CHECK_EQUAL(delivered_count, last - first + 1);
    for (uint32_t index = 0; index < delivered_count; index++)
        CHECK_EQUAL(delivered[index], first + index);
}

static void first_packet_in_sequence_makes_the_feed_live(void)
{
    setup(), start();
    CHECK_EQUAL(feed.state, FEED_STARTUP);
    CHECK_EQUAL(give(0, 1, 2), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(give(1, 1, 2), FEED_ACCEPT_DUPLICATE);
    CHECK_EQUAL(give(1, 3, 2), FEED_ACCEPT_DELIVERABLE);
    check_delivered(1, 4);
    CHECK_EQUAL(feed.statistics.lines[0].wins, 1);
    CHECK_EQUAL(feed.statistics.lines[1].duplicates, 1);
    CHECK_EQUAL(feed.statistics.lines[1].behind_messages_max, 2);
    CHECK_EQUAL(feed.statistics.lines[1].behind_messages, 0);
}

static void heartbeat_in_sequence_makes_the_feed_live_too(void)
{
    setup(), start();
    CHECK_EQUAL(give(1, 1, 0), FEED_ACCEPT_HEARTBEAT);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 0);
}

static void first_sequence_zero_starts_wherever_the_feed_is(void)
{
    setup();
    options.first_sequence = 0;
    start();
    CHECK_EQUAL(give(0, 77, 1), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    check_delivered(77, 77);
}

static void overlap_delivers_only_the_new_blocks(void)
{
    setup(), start();
    give(0, 1, 3);
    CHECK_EQUAL(give(1, 2, 4), FEED_ACCEPT_DELIVERABLE);
    check_delivered(1, 5);
    CHECK_EQUAL(feed.statistics.lines[1].win_messages, 2);
}

static void the_other_line_fills_a_hole_within_the_hold_back(void)
{
    setup(), start();
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 4, 1), FEED_ACCEPT_BUFFERED);
    wait(HOLD_BACK_NS - 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(give(1, 2, 2), FEED_ACCEPT_DELIVERABLE);
    check_delivered(1, 4);
    wait(10 * HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.statistics.holes_filled, 1);
    CHECK_EQUAL(feed.statistics.gaps, 0);
    CHECK_EQUAL(feed.statistics.lines[0].holes, 1);
}

static void expired_hold_back_is_a_gap_for_good_and_delivery_goes_on(void)
{
    struct feed_transition transitions[4];

    setup(), start();
    give(0, 1, 1);
    give(0, 4, 1);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(feed.statistics.gaps, 1);
    CHECK_EQUAL(feed.statistics.gap_messages, 2);
    CHECK_EQUAL(feed.statistics.gap_first_sequence, 2);
    CHECK_EQUAL(feed.statistics.gap_last_sequence, 3);
    CHECK_EQUAL(give(1, 5, 1), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(give(1, 2, 2), FEED_ACCEPT_DUPLICATE);
    CHECK_EQUAL(delivered_count, 3);
    CHECK_EQUAL(feed.state, FEED_GAP);
    wait(2 * SILENCE_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
    give(0, 6, MOLDUDP64_COUNT_END);
    CHECK_EQUAL(feed.state, FEED_ENDED);
    CHECK_EQUAL(feed_transitions(&feed, transitions, 4), 3);
    CHECK_EQUAL(transitions[1].from, FEED_LIVE);
    CHECK_EQUAL(transitions[1].to, FEED_GAP);
    CHECK_EQUAL(transitions[1].cause, FEED_CAUSE_HOLD_BACK_EXPIRED);
    CHECK_EQUAL(transitions[1].sequence, 2);
    CHECK_EQUAL(transitions[1].at_ns, 5000 + HOLD_BACK_NS);
}

static void a_busy_line_expires_the_hold_back_without_the_timer(void)
{
    setup(), start();
    give(0, 3, 1);
    now_ns += HOLD_BACK_NS;
    give(0, 4, 1);
    CHECK_EQUAL(feed.state, FEED_GAP);
    check_delivered(3, 4);
}

static void each_hole_has_its_own_hold_back(void)
{
    setup(), start();
    give(0, 1, 1);
    give(0, 3, 1);
    now_ns += HOLD_BACK_NS / 2;
    give(0, 5, 1);
    wait(HOLD_BACK_NS / 2);
    CHECK_EQUAL(feed.statistics.gaps, 1);
    CHECK_EQUAL(delivered_count, 2);
    wait(HOLD_BACK_NS / 2);
    CHECK_EQUAL(feed.statistics.gaps, 2);
    CHECK_EQUAL(delivered_count, 3);
}

static void full_reorder_buffer_drops_the_newcomer_and_declares_the_gap(void)
{
    setup(), start();
    for (uint64_t sequence = 2; sequence < 2 + 2 * SLOT_COUNT; sequence += 2)
        CHECK_EQUAL(give(0, sequence, 1), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.state, FEED_STARTUP);
    CHECK_EQUAL(give(0, 10, 1), FEED_ACCEPT_REORDER_FULL);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(feed.statistics.reorder_full_drops, 1);
    CHECK_EQUAL(feed.statistics.reorder_packets_max, SLOT_COUNT);
    CHECK_EQUAL(delivered[0], 2);
    CHECK_EQUAL(give(1, 3, 8), FEED_ACCEPT_DELIVERABLE); /* the dropped one comes on the other line */
    check_delivered(2, 10);
}

static void packet_too_long_to_wait_is_dropped_and_still_a_hole(void)
{
    setup(), start();
    CHECK_EQUAL(give(0, 2, 60), FEED_ACCEPT_OVERSIZE);
    CHECK_EQUAL(feed.statistics.reorder_oversize_drops, 1);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(feed.statistics.gap_messages, 61);
    CHECK_EQUAL(give(0, 62, 60), FEED_ACCEPT_DELIVERABLE); /* in sequence its length does not matter */
}

static void packets_that_a_longer_one_covers_give_their_slots_back(void)
{
    setup(), start();
    give(0, 3, 1), give(0, 4, 1), give(0, 5, 1);
    CHECK_EQUAL(give(1, 4, 1), FEED_ACCEPT_DUPLICATE);
    CHECK_EQUAL(give(1, 3, 4), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.entry_count, 1);
    CHECK_EQUAL(give(1, 4, 2), FEED_ACCEPT_DUPLICATE);
    CHECK_EQUAL(give(1, 1, 2), FEED_ACCEPT_DELIVERABLE);
    check_delivered(1, 6);
    CHECK_EQUAL(feed.statistics.lines[1].win_messages, 3);
}

static void heartbeat_ahead_reveals_a_loss_at_the_tail(void)
{
    setup(), start();
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 3, 0), FEED_ACCEPT_HEARTBEAT);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(feed.statistics.gap_messages, 1);
    CHECK_EQUAL(give(0, 3, 1), FEED_ACCEPT_DELIVERABLE);
}

static void heartbeat_of_the_slower_line_is_stale(void)
{
    setup(), start();
    give(0, 1, 5);
    give(1, 3, 0);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void end_of_session_waits_for_the_last_messages(void)
{
    setup(), start();
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 3, MOLDUDP64_COUNT_END), FEED_ACCEPT_END);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(give(1, 2, 1), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(feed.state, FEED_ENDED);
    check_delivered(1, 2);
    CHECK_EQUAL(give(1, 3, 1), FEED_ACCEPT_AFTER_END);
    CHECK_EQUAL(feed.statistics.after_end_drops, 1);
    CHECK_EQUAL(delivered_count, 2);
    wait(3 * SILENCE_NS);
    CHECK_EQUAL(feed.state, FEED_ENDED);
}

static void end_of_session_after_a_lost_tail_is_a_gap_then_the_end(void)
{
    setup(), start();
    give(0, 1, 1);
    give(0, 3, MOLDUDP64_COUNT_END);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.statistics.gaps, 1);
    CHECK_EQUAL(feed.state, FEED_ENDED);
    CHECK_EQUAL(feed.statistics.transitions, 3);
}

static void foreign_session_is_dropped_and_closes_the_feed(void)
{
    setup(), start();
    give(0, 1, 1);
    CHECK_EQUAL(give_session("SESSION002", 1, 2, 1), FEED_ACCEPT_SESSION_MISMATCH);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(feed.statistics.lines[1].session_mismatches, 1);
    give(0, 2, 1);
    CHECK_EQUAL(feed.state, FEED_GAP);
    check_delivered(1, 2);

    setup();
    memcpy(options.session, "SESSION001", 10);
    start();
    give_session("SESSION002", 0, 1, 1);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(delivered_count, 0);
}

static void malformed_datagrams_are_counted_by_kind_and_used_in_no_part(void)
{
    uint8_t datagram[64];

    setup(), start();
    uint32_t length = make(datagram, "SESSION001", 1, 3);

    CHECK_EQUAL(feed_accept(&feed, 0, datagram, length - 1, now_ns), FEED_ACCEPT_MALFORMED);
    CHECK_EQUAL(feed_accept(&feed, 1, datagram, 19, now_ns), FEED_ACCEPT_MALFORMED);
    drain();
    CHECK_EQUAL(delivered_count, 0);
    CHECK_EQUAL(feed.statistics.lines[0].malformed[MOLDUDP64_DATA_CUT], 1);
    CHECK_EQUAL(feed.statistics.lines[1].malformed[MOLDUDP64_SHORT_HEADER], 1);
    CHECK_EQUAL(feed.state, FEED_STARTUP);
}

static void one_silent_line_is_an_alarm_and_two_are_down(void)
{
    setup(), start();
    wait(10 * SILENCE_NS); /* nothing was ever heard: nothing to miss */
    CHECK(!feed.lines[0].down && !feed.lines[1].down);
    give(0, 1, 1);
    now_ns += SILENCE_NS;
    give(0, 2, 0);
    wait(1);
    CHECK(!feed.lines[0].down && feed.lines[1].down);
    CHECK_EQUAL(feed.statistics.lines[1].down, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    wait(SILENCE_NS);
    CHECK_EQUAL(feed.state, FEED_DOWN);
    give(1, 1, 1); /* a stale copy proves nothing */
    CHECK_EQUAL(feed.state, FEED_DOWN);
    CHECK(!feed.lines[1].down);
    give(1, 2, 0);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void a_feed_that_was_down_is_live_only_once_nothing_is_missing(void)
{
    setup(), start();
    give(0, 1, 1);
    wait(SILENCE_NS + 1);
    CHECK_EQUAL(feed.state, FEED_DOWN);
    give(0, 4, 1);
    give(0, 2, 1);
    CHECK_EQUAL(feed.state, FEED_DOWN);
    give(1, 3, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    wait(SILENCE_NS + 1);
    give(0, 7, 1);
    wait(HOLD_BACK_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
}

static void transitions_beyond_the_ring_overwrite_the_oldest_and_are_counted(void)
{
    static struct feed_transition transitions[FEED_TRANSITION_COUNT];

    setup(), start();
    for (uint32_t round = 0; round < FEED_TRANSITION_COUNT; round++) {
        give(0, 1, 0);
        wait(SILENCE_NS + 1);
    }
    CHECK_EQUAL(feed.statistics.transitions, 2 * FEED_TRANSITION_COUNT);
    CHECK_EQUAL(feed.statistics.transitions_lost, FEED_TRANSITION_COUNT);
    CHECK_EQUAL(feed_transitions(&feed, transitions, FEED_TRANSITION_COUNT), FEED_TRANSITION_COUNT);
    CHECK(transitions[0].at_ns < transitions[FEED_TRANSITION_COUNT - 1].at_ns);
}

static void callers_errors_are_refused_and_counted(void)
{
    uint8_t datagram[64];
    struct feed_message message;

    setup(), start();
    uint32_t length = make(datagram, "SESSION001", 1, 2);

    CHECK_EQUAL(feed_accept(&feed, FEED_SOURCE_COUNT, datagram, length, now_ns), FEED_ACCEPT_BAD_LINE);
    CHECK_EQUAL(feed_accept(&feed, 0, datagram, length, now_ns), FEED_ACCEPT_DELIVERABLE);
    CHECK(feed_next(&feed, &message));
    CHECK_EQUAL(feed_accept(&feed, 0, datagram, length, now_ns), FEED_ACCEPT_NOT_DRAINED);
    CHECK(feed_next(&feed, &message));
    CHECK(!feed_next(&feed, &message));
    CHECK_EQUAL(feed.statistics.caller_errors, 2);
    CHECK_EQUAL(feed.statistics.lines[0].packets, 1);
}

static void bad_options_and_bad_memory_are_refused(void)
{
    setup();
    CHECK_EQUAL(feed_init(&feed, &options, memory, feed_memory_size(&options) - 1), -EINVAL);
    CHECK_EQUAL(feed_init(&feed, &options, memory + 1, sizeof(memory) - 1), -EINVAL);
    options.reorder_packet_count = 3;
    CHECK_EQUAL(feed_memory_size(&options), 0);
    CHECK_EQUAL(feed_init(&feed, &options, memory, sizeof(memory)), -EINVAL);
}

static void names_cover_every_value(void)
{
    for (int value = 0; value < FEED_STATE_COUNT; value++)
        CHECK(strcmp(feed_state_name(value), "unknown") != 0);
    for (int value = 0; value < FEED_CAUSE_COUNT; value++)
        CHECK(strcmp(feed_cause_name(value), "unknown") != 0);
    for (int value = 0; value < FEED_OUTCOME_COUNT; value++)
        CHECK(strcmp(feed_outcome_name(value), "unknown") != 0);
    CHECK(strcmp(feed_state_name(FEED_STATE_COUNT), "unknown") == 0);
}

int main(void)
{
    RUN(first_packet_in_sequence_makes_the_feed_live);
    RUN(heartbeat_in_sequence_makes_the_feed_live_too);
    RUN(first_sequence_zero_starts_wherever_the_feed_is);
    RUN(overlap_delivers_only_the_new_blocks);
    RUN(the_other_line_fills_a_hole_within_the_hold_back);
    RUN(expired_hold_back_is_a_gap_for_good_and_delivery_goes_on);
    RUN(a_busy_line_expires_the_hold_back_without_the_timer);
    RUN(each_hole_has_its_own_hold_back);
    RUN(full_reorder_buffer_drops_the_newcomer_and_declares_the_gap);
    RUN(packet_too_long_to_wait_is_dropped_and_still_a_hole);
    RUN(packets_that_a_longer_one_covers_give_their_slots_back);
    RUN(heartbeat_ahead_reveals_a_loss_at_the_tail);
    RUN(heartbeat_of_the_slower_line_is_stale);
    RUN(end_of_session_waits_for_the_last_messages);
    RUN(end_of_session_after_a_lost_tail_is_a_gap_then_the_end);
    RUN(foreign_session_is_dropped_and_closes_the_feed);
    RUN(malformed_datagrams_are_counted_by_kind_and_used_in_no_part);
    RUN(one_silent_line_is_an_alarm_and_two_are_down);
    RUN(a_feed_that_was_down_is_live_only_once_nothing_is_missing);
    RUN(transitions_beyond_the_ring_overwrite_the_oldest_and_are_counted);
    RUN(callers_errors_are_refused_and_counted);
    RUN(bad_options_and_bad_memory_are_refused);
    RUN(names_cover_every_value);
    return check_result();
}
