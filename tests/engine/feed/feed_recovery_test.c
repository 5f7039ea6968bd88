/* Recovery, transition by transition and bound by bound: requests, snapshots, rolls, suspects. Strict delivery. */
#include "engine/feed/feed.h"

#include <string.h>

#include "engine/feed/bytes.h"
#include "tests/engine/check.h"

enum { SLOTS = 8, HOLD_NS = 1000, TIMEOUT_NS = 5000, SNAPSHOT_NS = 50000, RETRY_NS = 1000000, SILENCE_NS = 100000000 };

static _Alignas(FEED_MEMORY_ALIGNMENT) uint8_t memory[4096];
static struct feed feed;
static struct feed_options options;
static uint64_t now_ns, first_delivered, last_delivered;
static uint32_t delivered_count;
static struct { uint64_t first; uint32_t count; } asked[16];
static uint32_t asked_count;

static void setup(void)
{
    feed_options_default(&options);
    memcpy(options.session, "SESSION001", sizeof(options.session));
    options.hold_back_ns = HOLD_NS;
    options.line_silence_ns = SILENCE_NS;
    options.reorder_packet_count = SLOTS;
    options.reorder_packet_bytes = 128;
    options.unconfirmed_jump_messages = UINT64_MAX;
    options.request_timeout_ns = TIMEOUT_NS;
    options.request_attempts = 3;
    options.request_messages_max = 10;
    options.request_outstanding_max = 2;
    options.snapshot_timeout_ns = SNAPSHOT_NS;
    options.snapshot_attempts = 2;
    options.give_up_messages = 100;
    options.retry_ns = RETRY_NS;
}

static void start(bool requests, bool snapshots)
{
    options.requests = requests;
    options.snapshots = snapshots;
    now_ns = 5000;
    delivered_count = 0;
    CHECK_EQUAL(feed_init(&feed, &options, memory, sizeof(memory)), 0);
}

static void drain(void)
{
    struct feed_message message;

    while (feed_next(&feed, &message)) {
        CHECK_EQUAL(message.length, 1);
        CHECK_EQUAL(message.data[0], message.sequence & 0xFF);
        CHECK_EQUAL(message.position, (uint64_t)feed.session_ordinal << FEED_POSITION_SESSION_SHIFT | message.sequence);
        first_delivered = delivered_count == 0 ? message.sequence : first_delivered;
        last_delivered = message.sequence;
        delivered_count++;
    }
}

static enum feed_outcome give_session(const char *session, unsigned line, uint64_t sequence, uint32_t count)
{
    uint8_t datagram[256];
    uint32_t length = MOLDUDP64_HEADER_SIZE, blocks = count == MOLDUDP64_COUNT_END ? 0 : count;

    memcpy(datagram, session, MOLDUDP64_SESSION_SIZE);
    for (uint32_t index = 0; index < 8; index++)
        datagram[10 + index] = (uint8_t)(sequence >> (56 - 8 * index));
    datagram[18] = (uint8_t)(count >> 8);
    datagram[19] = (uint8_t)count;
    for (uint32_t index = 0; index < blocks; index++) {
        datagram[length++] = 0;
        datagram[length++] = 1;
        datagram[length++] = (uint8_t)(sequence + index);
    }
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

static void ask(void)
{
    uint8_t request[MOLDUDP64_REQUEST_SIZE];

    asked_count = 0;
    while (feed_next_request(&feed, request) && asked_count < 16) {
        CHECK(memcmp(request, feed.session, MOLDUDP64_SESSION_SIZE) == 0);
        asked[asked_count].first = bytes_load_u64(request + 10);
        asked[asked_count++].count = bytes_load_u16(request + 18);
    }
}

static void check_asked(uint32_t index, uint64_t first, uint32_t count)
{
    CHECK(index < asked_count);
    CHECK_EQUAL(asked[index].first, first);
    CHECK_EQUAL(asked[index].count, count);
}

static bool join(uint64_t sequence)
{
    bool taken = feed_snapshot_complete(&feed, sequence, now_ns);

    drain();
    return taken;
}

/* 1 delivered, 2..4 missing, 5 waits; the hold-back is over. */
static void open_hole(bool requests, bool snapshots)
{
    start(requests, snapshots);
    give(0, 1, 1);
    give(0, 5, 1);
    wait(HOLD_NS);
}

/* ---- requests ---- */

static void nothing_is_asked_for_within_the_hold_back(void)
{
    setup(), start(true, false);
    give(0, 1, 1), give(0, 5, 1);
    wait(HOLD_NS - 1), ask();
    CHECK_EQUAL(asked_count, 0);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void hole_is_asked_for_once_and_its_reply_brings_live_back(void)
{
    setup(), open_hole(true, false);
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    CHECK_EQUAL(delivered_count, 1);
    ask();
    CHECK_EQUAL(asked_count, 1);
    check_asked(0, 2, 3);
    ask();
    CHECK_EQUAL(asked_count, 0);
    CHECK_EQUAL(give(FEED_LINE_RECOVERY, 2, 3), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 5);
    CHECK_EQUAL(feed.statistics.recovered_messages_requests, 3);
    CHECK_EQUAL(feed.statistics.blind_count, 1);
    CHECK_EQUAL(feed.episodes[0].way, FEED_WAY_REQUEST);
    CHECK_EQUAL(feed.episodes[0].messages, 3);
    CHECK_EQUAL(feed.episodes[0].first_sequence, 2);
}

static void partial_reply_asks_for_the_rest_at_once(void)
{
    setup(), open_hole(true, false);
    ask();
    give(FEED_LINE_RECOVERY, 2, 1);
    CHECK_EQUAL(feed.statistics.requests_partial, 1);
    ask();
    check_asked(0, 3, 2);
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
}

static void requests_are_bounded_in_size_and_number(void)
{
    setup(), start(true, false);
    give(0, 1, 1), give(0, 40, 1);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(asked_count, 2);
    check_asked(0, 2, 10);
    check_asked(1, 12, 10);
    give(FEED_LINE_RECOVERY, 12, 10), ask(); /* replies in any order */
    CHECK_EQUAL(asked_count, 1);
    check_asked(0, 22, 10);
}

static void disjoint_holes_are_asked_for_at_the_same_time(void)
{
    setup(), start(true, false);
    give(0, 1, 1), give(0, 3, 1), give(0, 6, 1);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(asked_count, 2);
    check_asked(0, 2, 1);
    check_asked(1, 4, 2);
    give(FEED_LINE_RECOVERY, 4, 2);
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    give(FEED_LINE_RECOVERY, 2, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 6);
}

static void hole_at_the_tail_grows_with_what_is_announced(void)
{
    setup(), start(true, false);
    give(0, 1, 1), give(0, 4, 0);
    wait(HOLD_NS), ask();
    check_asked(0, 2, 2);
    give(1, 8, 0);
    wait(HOLD_NS), ask();
    check_asked(0, 4, 4);
    give(FEED_LINE_RECOVERY, 2, 2), give(FEED_LINE_RECOVERY, 4, 4);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void reply_overlapping_what_waits_brings_only_the_missing(void)
{
    setup(), open_hole(true, false);
    ask();
    give(FEED_LINE_RECOVERY, 1, 6);
    CHECK_EQUAL(delivered_count, 6);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.statistics.lines[FEED_LINE_RECOVERY].win_messages, 4);
}

static void line_that_fills_the_hole_meanwhile_makes_the_reply_a_duplicate(void)
{
    setup(), open_hole(true, false);
    ask();
    give(1, 2, 3);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.statistics.recovered_messages_lines, 3);
    CHECK_EQUAL(feed.episodes[0].way, FEED_WAY_LINES);
    CHECK_EQUAL(give(FEED_LINE_RECOVERY, 2, 3), FEED_ACCEPT_DUPLICATE);
    ask();
    CHECK_EQUAL(asked_count, 0);
}

static void unanswered_request_is_repeated_and_then_given_up(void)
{
    setup(), open_hole(true, false);
    for (uint32_t attempt = 1; attempt <= options.request_attempts; attempt++) {
        CHECK_EQUAL(feed.state, FEED_RECOVERING);
        ask();
        check_asked(0, 2, 3);
        wait(TIMEOUT_NS);
        CHECK_EQUAL(feed.statistics.request_timeouts, attempt);
    }
    CHECK_EQUAL(feed.state, FEED_GAP);
    ask();
    CHECK_EQUAL(asked_count, 0);
    CHECK_EQUAL(delivered_count, 1); /* strict: nothing behind the hole */
    wait(RETRY_NS), ask();
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    check_asked(0, 2, 3);
}

static void reply_that_comes_late_counts_all_the_same(void)
{
    setup(), open_hole(true, false);
    for (uint32_t attempt = 0; attempt < options.request_attempts; attempt++)
        ask(), wait(TIMEOUT_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
    give(FEED_LINE_RECOVERY, 2, 3);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 5);
}

static void progress_starts_the_count_of_time_outs_again(void)
{
    setup(), open_hole(true, false);
    ask(), wait(TIMEOUT_NS), ask(), wait(TIMEOUT_NS), ask();
    give(FEED_LINE_RECOVERY, 2, 1);
    ask(), wait(TIMEOUT_NS), ask(), wait(TIMEOUT_NS);
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    ask(), wait(TIMEOUT_NS);
    CHECK_EQUAL(feed.state, FEED_GAP);
}

static void broken_and_foreign_replies_are_counted_and_change_nothing(void)
{
    uint8_t datagram[MOLDUDP64_HEADER_SIZE - 1] = {0};

    setup(), open_hole(true, false);
    ask();
    CHECK_EQUAL(feed_accept(&feed, FEED_LINE_RECOVERY, datagram, sizeof(datagram), now_ns), FEED_ACCEPT_MALFORMED);
    for (int repeat = 0; repeat < 5; repeat++)
        CHECK_EQUAL(give_session("SESSION000", FEED_LINE_RECOVERY, 2, 3), FEED_ACCEPT_SESSION_MISMATCH);
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    CHECK_EQUAL(feed.session_ordinal, 0);
    CHECK_EQUAL(delivered_count, 1);
    CHECK_EQUAL(feed.statistics.lines[FEED_LINE_RECOVERY].session_mismatches, 5);
}

static void full_buffer_drops_the_newcomer_and_asks_for_it_later(void)
{
    setup(), start(true, false);
    give(0, 1, 1);
    for (uint64_t sequence = 3; sequence < 3 + SLOTS; sequence++)
        give(0, sequence, 1);
    CHECK_EQUAL(give(0, 3 + SLOTS, 1), FEED_ACCEPT_REORDER_FULL);
    wait(HOLD_NS), ask();
    check_asked(0, 2, 1);
    give(FEED_LINE_RECOVERY, 2, 1);
    CHECK_EQUAL(last_delivered, 2 + SLOTS);
    CHECK(feed.statistics.reorder_packets_max == SLOTS && feed.statistics.reorder_full_drops == 1);
    wait(TIMEOUT_NS), ask();
    check_asked(0, 3 + SLOTS, 1);
    give(FEED_LINE_RECOVERY, 3 + SLOTS, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void without_services_a_strict_feed_waits_in_gap_for_a_line(void)
{
    setup(), open_hole(false, false);
    CHECK_EQUAL(feed.state, FEED_GAP);
    wait(10 * RETRY_NS);
    CHECK_EQUAL(delivered_count, 1);
    give(1, 2, 3);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 5);
}

static void lines_that_were_down_resume_live_or_with_a_hole(void)
{
    setup(), start(true, false);
    give(0, 1, 1);
    wait(SILENCE_NS + 1);
    CHECK_EQUAL(feed.state, FEED_DOWN);
    give(0, 2, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    wait(SILENCE_NS + 1);
    give(1, 5, 1);
    CHECK_EQUAL(feed.state, FEED_DOWN);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    check_asked(0, 3, 2);
}

static void end_of_session_waits_for_its_recovery(void)
{
    setup(), start(true, false);
    give(0, 1, 1), give(0, 3, 1), give(0, 4, MOLDUDP64_COUNT_END);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    give(FEED_LINE_RECOVERY, 2, 1);
    CHECK_EQUAL(feed.state, FEED_ENDED);
    CHECK_EQUAL(delivered_count, 3);
}

/* ---- snapshots ---- */

static void too_large_a_hole_goes_to_the_snapshot_at_once(void)
{
    setup(), start(true, true);
    give(0, 1, 1), give(0, 200, 1);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(asked_count, 0);
    CHECK(feed_wants_snapshot(&feed));
    CHECK_EQUAL(feed.state, FEED_RESYNC);
}

static void exhausted_requests_go_to_the_snapshot(void)
{
    setup(), open_hole(true, true);
    for (uint32_t attempt = 0; attempt < options.request_attempts; attempt++)
        ask(), wait(TIMEOUT_NS);
    CHECK(feed_wants_snapshot(&feed));
    CHECK_EQUAL(feed.state, FEED_RESYNC);
}

static void nothing_is_handed_out_until_the_join_and_then_all_behind_it(void)
{
    setup(), open_hole(false, true);
    CHECK(feed_wants_snapshot(&feed) && !feed_snapshot_running(&feed));
    feed_snapshot_started(&feed, now_ns);
    CHECK(!feed_wants_snapshot(&feed) && feed_snapshot_running(&feed));
    CHECK_EQUAL(give(1, 2, 3), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(give(0, 6, 2), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(delivered_count, 1);
    CHECK_EQUAL(feed.state, FEED_RESYNC);
    CHECK(join(4));
    CHECK_EQUAL(delivered_count, 5);
    CHECK_EQUAL(last_delivered, 7);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.statistics.recovered_messages_snapshot, 2);
    CHECK_EQUAL(feed.episodes[0].way, FEED_WAY_SNAPSHOT);
}

static void snapshot_ahead_of_the_lines_drops_what_it_has(void)
{
    setup(), open_hole(false, true);
    feed_snapshot_started(&feed, now_ns);
    CHECK(join(9));
    CHECK_EQUAL(feed.entry_count, 0);
    CHECK_EQUAL(give(0, 6, 3), FEED_ACCEPT_DUPLICATE);
    CHECK_EQUAL(give(0, 9, 1), FEED_ACCEPT_DELIVERABLE);
    CHECK_EQUAL(last_delivered, 9);
}

static void snapshot_behind_the_buffer_leaves_a_hole_to_ask_for(void)
{
    setup(), start(true, true);
    give(0, 1, 1), give(0, 200, 1);
    wait(HOLD_NS);
    feed_snapshot_started(&feed, now_ns);
    CHECK(join(195));
    CHECK(feed.state != FEED_LIVE);
    wait(HOLD_NS), ask();
    CHECK_EQUAL(feed.state, FEED_RECOVERING);
    check_asked(0, 195, 5);
    give(FEED_LINE_RECOVERY, 195, 5);
    CHECK_EQUAL(feed.state, FEED_RECOVERING); /* no line has spoken since the snapshot was asked for */
    give(0, 201, 0);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void snapshot_older_than_what_was_delivered_goes_back(void)
{
    setup(), start(true, true);
    give(0, 1, 20), give(0, 200, 1);
    wait(HOLD_NS);
    feed_snapshot_started(&feed, now_ns);
    delivered_count = 0;
    CHECK(join(15));
    CHECK_EQUAL(feed.next_sequence, 15);
    CHECK(feed.state != FEED_LIVE);
    give(1, 15, 6);
    CHECK_EQUAL(first_delivered, 15); /* again, into the emptied book */
}

static void snapshots_that_fail_in_a_row_are_a_gap_until_the_retry(void)
{
    setup(), open_hole(false, true);
    for (uint32_t attempt = 0; attempt < options.snapshot_attempts; attempt++) {
        CHECK(feed_wants_snapshot(&feed));
        feed_snapshot_started(&feed, now_ns);
        feed_snapshot_failed(&feed, now_ns);
    }
    CHECK(!feed_wants_snapshot(&feed));
    CHECK_EQUAL(feed.state, FEED_GAP);
    give(1, 2, 3); /* of no use: the book is empty */
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(delivered_count, 1);
    wait(RETRY_NS);
    CHECK(feed_wants_snapshot(&feed));
    feed_snapshot_started(&feed, now_ns);
    CHECK(join(2));
    CHECK_EQUAL(feed.state, FEED_RESYNC);
    give(0, 6, 0);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.statistics.snapshots_failed, options.snapshot_attempts);
}

static void snapshot_that_takes_too_long_is_given_up(void)
{
    setup(), open_hole(false, true);
    feed_snapshot_started(&feed, now_ns);
    wait(SNAPSHOT_NS);
    CHECK(!feed_snapshot_running(&feed) && feed_wants_snapshot(&feed));
    CHECK(!join(6));
    feed_snapshot_failed(&feed, now_ns); /* nothing runs: nothing happens */
    CHECK_EQUAL(feed.statistics.snapshots_failed, 1);
}

static void lines_that_bring_it_before_the_start_make_the_snapshot_unwanted(void)
{
    setup(), open_hole(false, true);
    give(1, 2, 3);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK(!feed_wants_snapshot(&feed));
}

/* ---- sessions ---- */

static void successor_of_an_ended_session_is_followed_at_once(void)
{
    setup(), start(false, false);
    give(0, 1, 2), give(0, 3, MOLDUDP64_COUNT_END);
    CHECK_EQUAL(feed.state, FEED_ENDED);
    delivered_count = 0;
    give_session("SESSION002", 0, 1, 2);
    CHECK_EQUAL(feed.session_ordinal, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(delivered_count, 2);
    give(1, 3, MOLDUDP64_COUNT_END), give(1, 1, 2), give(1, 2, 1); /* stragglers of the slower line */
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(feed.session_ordinal, 1);
    CHECK_EQUAL(feed.statistics.session_rolls, 1);
}

static void new_session_is_followed_when_confirmed_and_its_start_recovered(void)
{
    setup(), start(true, false);
    give(0, 1, 1);
    CHECK_EQUAL(give_session("SESSION002", 0, 1, 1), FEED_ACCEPT_SESSION_MISMATCH);
    CHECK_EQUAL(feed.state, FEED_GAP);
    CHECK_EQUAL(give_session("SESSION002", 0, 2, 1), FEED_ACCEPT_SESSION_MISMATCH);
    CHECK_EQUAL(feed.session_ordinal, 0);
    CHECK_EQUAL(give_session("SESSION002", 0, 3, 1), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.session_ordinal, 1);
    wait(HOLD_NS), wait(RETRY_NS), ask();
    check_asked(0, 1, 2);
    delivered_count = 0;
    give_session("SESSION002", FEED_LINE_RECOVERY, 1, 2);
    CHECK_EQUAL(delivered_count, 3);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void packets_of_the_old_session_between_keep_it(void)
{
    setup(), start(false, false);
    give(0, 1, 1);
    for (uint64_t sequence = 2; sequence < 8; sequence++) {
        give_session("SESSION002", 1, sequence, 1);
        CHECK_EQUAL(feed.state, FEED_GAP);
        give(0, sequence, 1);
        CHECK_EQUAL(feed.state, FEED_LIVE);
    }
    CHECK_EQUAL(feed.session_ordinal, 0);
}

static void roll_with_a_snapshot_service_joins_one(void)
{
    setup(), start(true, true);
    give(0, 1, 1), give(0, 2, MOLDUDP64_COUNT_END);
    delivered_count = 0;
    CHECK_EQUAL(give_session("SESSION002", 0, 1, 2), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.state, FEED_RESYNC);
    CHECK(feed_wants_snapshot(&feed));
    CHECK_EQUAL(delivered_count, 0);
    feed_snapshot_started(&feed, now_ns);
    CHECK(join(2));
    CHECK_EQUAL(delivered_count, 1);
    CHECK_EQUAL(feed.state, FEED_RESYNC);
    give_session("SESSION002", 0, 3, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
}

static void roll_under_a_running_snapshot_makes_it_worthless(void)
{
    setup(), open_hole(false, true);
    feed_snapshot_started(&feed, now_ns);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        give_session("SESSION002", 0, sequence, 1);
    CHECK(!feed_snapshot_running(&feed) && feed_wants_snapshot(&feed));
    CHECK(!join(6));
    CHECK_EQUAL(feed.state, FEED_RESYNC);
}

/* ---- suspects ---- */

static void jump_is_believed_when_two_datagrams_show_it(void)
{
    setup();
    options.unconfirmed_jump_messages = 0;
    start(true, false);
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 1000000, 1), FEED_ACCEPT_SUSPECT);
    wait(10 * HOLD_NS);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    give(0, 2, 1), give(1, 3, 1);
    CHECK_EQUAL(feed.state, FEED_LIVE);
    CHECK_EQUAL(give(0, 6, 1), FEED_ACCEPT_SUSPECT);
    CHECK_EQUAL(give(1, 7, 1), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.entry_count, 2);
    wait(HOLD_NS), ask();
    check_asked(0, 4, 2);
}

static void witnesses_agree_in_either_order_and_a_repeat_is_none(void)
{
    setup();
    options.unconfirmed_jump_messages = 0;
    start(true, false);
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 9, 1), FEED_ACCEPT_SUSPECT);
    CHECK_EQUAL(give(0, 9, 1), FEED_ACCEPT_SUSPECT);
    CHECK_EQUAL(feed.entry_count, 0);
    CHECK_EQUAL(give(0, 8, 1), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.entry_count, 2);
    wait(HOLD_NS), ask();
    check_asked(0, 2, 6);
}

static void heartbeats_of_one_line_show_a_lost_tail(void)
{
    setup();
    options.unconfirmed_jump_messages = 0;
    start(true, false);
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 5, 0), FEED_ACCEPT_SUSPECT);
    CHECK_EQUAL(give(0, 5, 0), FEED_ACCEPT_HEARTBEAT);
    wait(HOLD_NS), ask();
    check_asked(0, 2, 3);
}

static void several_suspects_wait_and_the_oldest_gives_way(void)
{
    setup();
    options.unconfirmed_jump_messages = 0;
    start(true, false);
    give(0, 1, 1);
    for (uint64_t index = 1; index <= FEED_SUSPECT_COUNT + 1; index++)
        wait(1), CHECK_EQUAL(give(0, index * 1000, 1), FEED_ACCEPT_SUSPECT);
    CHECK_EQUAL(give(1, 1001, 1), FEED_ACCEPT_SUSPECT); /* 1000 had to go, 2000 now */
    CHECK_EQUAL(give(1, 3001, 1), FEED_ACCEPT_BUFFERED);
    CHECK_EQUAL(feed.entry_count, 2);
}

static void late_packets_of_every_past_session_change_nothing(void)
{
    setup();
    start(false, false);
    give(0, 1, 1);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        give_session("SESSION002", 0, sequence, 1);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        give_session("SESSION003", 0, sequence, 1);
    CHECK_EQUAL(feed.session_ordinal, 2);
    for (uint64_t sequence = 2; sequence <= 9; sequence++)
        CHECK_EQUAL(give(1, sequence, 1), FEED_ACCEPT_SESSION_MISMATCH);
    CHECK_EQUAL(feed.session_ordinal, 2);
    CHECK(!feed.session_suspect);
}

static void suspect_that_delivery_has_reached_in_part_brings_only_the_rest(void)
{
    setup();
    options.unconfirmed_jump_messages = 0;
    start(true, false);
    give(0, 1, 1);
    CHECK_EQUAL(give(0, 4, 3), FEED_ACCEPT_SUSPECT);
    give(1, 2, 4);
    CHECK_EQUAL(feed.next_sequence, 7);
    CHECK_EQUAL(delivered_count, 6);
    CHECK_EQUAL(feed.statistics.lines[0].win_messages, 2);
    CHECK_EQUAL(feed.statistics.lines[1].win_messages, 4);
}

int main(void)
{
    RUN(nothing_is_asked_for_within_the_hold_back);
    RUN(hole_is_asked_for_once_and_its_reply_brings_live_back);
    RUN(partial_reply_asks_for_the_rest_at_once);
    RUN(requests_are_bounded_in_size_and_number);
    RUN(disjoint_holes_are_asked_for_at_the_same_time);
    RUN(hole_at_the_tail_grows_with_what_is_announced);
    RUN(reply_overlapping_what_waits_brings_only_the_missing);
    RUN(line_that_fills_the_hole_meanwhile_makes_the_reply_a_duplicate);
    RUN(unanswered_request_is_repeated_and_then_given_up);
    RUN(reply_that_comes_late_counts_all_the_same);
    RUN(progress_starts_the_count_of_time_outs_again);
    RUN(broken_and_foreign_replies_are_counted_and_change_nothing);
    RUN(full_buffer_drops_the_newcomer_and_asks_for_it_later);
    RUN(without_services_a_strict_feed_waits_in_gap_for_a_line);
    RUN(lines_that_were_down_resume_live_or_with_a_hole);
    RUN(end_of_session_waits_for_its_recovery);
    RUN(too_large_a_hole_goes_to_the_snapshot_at_once);
    RUN(exhausted_requests_go_to_the_snapshot);
    RUN(nothing_is_handed_out_until_the_join_and_then_all_behind_it);
    RUN(snapshot_ahead_of_the_lines_drops_what_it_has);
    RUN(snapshot_behind_the_buffer_leaves_a_hole_to_ask_for);
    RUN(snapshot_older_than_what_was_delivered_goes_back);
    RUN(snapshots_that_fail_in_a_row_are_a_gap_until_the_retry);
    RUN(snapshot_that_takes_too_long_is_given_up);
    RUN(lines_that_bring_it_before_the_start_make_the_snapshot_unwanted);
    RUN(successor_of_an_ended_session_is_followed_at_once);
    RUN(new_session_is_followed_when_confirmed_and_its_start_recovered);
    RUN(packets_of_the_old_session_between_keep_it);
    RUN(roll_with_a_snapshot_service_joins_one);
    RUN(roll_under_a_running_snapshot_makes_it_worthless);
    RUN(jump_is_believed_when_two_datagrams_show_it);
    RUN(witnesses_agree_in_either_order_and_a_repeat_is_none);
    RUN(heartbeats_of_one_line_show_a_lost_tail);
    RUN(suspect_that_delivery_has_reached_in_part_brings_only_the_rest);
    RUN(several_suspects_wait_and_the_oldest_gives_way);
    RUN(late_packets_of_every_past_session_change_nothing);
    return check_result();
}
