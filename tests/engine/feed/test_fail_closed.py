"""What must not make the feed LIVE, lose a recovery or stop one: each test is a way in which that once went wrong."""

from engine._engine import lib
from engine_feed import BEST_EFFORT, END, RECOVERY, SESSION, EngineFeed, datagram

NEW = b"SESSION002"
HOLD_BACK_NS, TIMEOUT_NS = 1_000, 5_000
OVERDUE_NS = 2 + HOLD_BACK_NS  # of a hole that was found at 2


def feed_of(**options: int | bytes) -> EngineFeed:
    short = {
        "hold_back_ns": HOLD_BACK_NS,
        "request_timeout_ns": TIMEOUT_NS,
        "retry_ns": 0,
        "line_silence_ns": 0,
    }
    return EngineFeed(**{**short, **options})


def packet(first: int, count: int = 1, session: bytes = SESSION) -> bytes:
    return datagram(first, [b"%d" % (first + index) for index in range(count)], session=session)


def with_hole(first: int, end: int, **options: int | bytes) -> EngineFeed:
    """Messages below `first` are delivered, [first, end) are missing, `end` waits; the hold-back is over."""
    feed = feed_of(**options)
    feed.accept(0, packet(1, first - 1), 1)
    feed.accept(0, packet(end), 2)
    feed.timer(OVERDUE_NS)
    return feed


def heartbeat(sequence: int) -> bytes:
    return datagram(sequence, count=0)


# Joining


def test_a_late_start_hands_nothing_out_before_its_snapshot() -> None:
    feed = feed_of(first_sequence=0, snapshots=True)
    feed.accept(0, packet(5000), 1)
    feed.accept(0, packet(5001), 2)
    assert (feed.state, feed.wants_snapshot, feed.numbers) == ("SYNC", True, [])
    feed.start_snapshot(3)
    assert feed.join(5001, 4)
    feed.accept(0, heartbeat(5002), 5)
    assert (feed.state, feed.numbers) == ("LIVE", [5001])


def test_a_broken_first_number_does_not_outlive_the_late_start() -> None:
    feed = feed_of(first_sequence=0, snapshots=True, unconfirmed_jump_messages=0)
    feed.accept(0, packet(1 << 50), 1)
    for sequence in range(500, 520):
        feed.accept(0, packet(sequence), sequence)
    feed.start_snapshot(600)
    assert feed.join(510, 700)
    feed.accept(0, heartbeat(520), 701)
    assert (feed.state, feed.numbers) == ("LIVE", list(range(510, 520)))


def test_what_a_full_buffer_dropped_while_joining_is_still_missing_afterwards() -> None:
    feed = with_hole(2, 10, snapshots=True, reorder_packet_count=4)
    feed.start_snapshot(3_000)
    for sequence in range(11, 20):
        feed.accept(0, packet(sequence), 3_000 + sequence)
    assert feed.join(12, 4_000)
    assert (feed.numbers[-1], feed.state) == (13, "RESYNC")


def test_a_snapshot_older_than_what_was_delivered_leaves_that_missing() -> None:
    feed = feed_of(snapshots=True, requests=True, give_up_messages=1)
    feed.accept(0, packet(1, 99), 1)
    feed.accept(0, heartbeat(105), 2)
    feed.timer(OVERDUE_NS)
    feed.start_snapshot(3_000)
    assert feed.join(90, 4_000)
    assert feed.state == "RESYNC"


def test_a_snapshot_number_beyond_belief_is_refused() -> None:
    feed = with_hole(2, 10, snapshots=True)
    feed.start_snapshot(3_000)
    assert not feed.join(10**15, 4_000)
    assert feed.state == "RESYNC"


def test_a_book_emptied_without_need_is_not_live() -> None:
    feed = feed_of(snapshots=True)
    feed.accept(0, packet(1), 1)
    lib.feed_snapshot_started(feed.feed, 2)
    assert (feed.state, feed.snapshot_running) == ("RESYNC", True)


def test_a_snapshot_alone_is_not_live_before_a_line_was_heard() -> None:
    feed = feed_of(snapshots=True)
    lib.feed_snapshot_started(feed.feed, 1)
    assert feed.join(1, 2)
    assert feed.state != "LIVE"
    feed.accept(0, packet(1), 3)
    feed.accept(0, packet(2), 4)
    assert (feed.state, feed.numbers) == ("LIVE", [1, 2])


def test_snapshots_that_never_lead_to_live_are_a_gap_after_the_attempts() -> None:
    feed = with_hole(2, 10, snapshots=True, snapshot_attempts=3)
    now_ns = 3_000
    for _ in range(3):
        feed.start_snapshot(now_ns)
        assert feed.join(5, now_ns)
        now_ns += HOLD_BACK_NS + 1
        feed.timer(now_ns)
    assert (feed.state, feed.wants_snapshot) == ("GAP", False)


def test_a_busy_line_does_not_keep_a_snapshot_from_timing_out() -> None:
    feed = with_hole(2, 4, snapshots=True, snapshot_timeout_ns=5_000)
    feed.start_snapshot(2_000)
    for sequence in range(5, 20):
        feed.accept(0, packet(sequence), 2_000 + 1_000 * sequence)
    assert feed.wants_snapshot


# Requests


def test_a_busy_line_does_not_keep_requests_from_timing_out() -> None:
    feed = with_hole(2, 4, requests=True)
    assert feed.requests() == [(2, 2)]
    for sequence in range(5, 20):
        feed.accept(0, packet(sequence), 2_000 + 1_000 * sequence)
    assert feed.statistics.request_timeouts > 0
    assert feed.requests() == [(2, 2)]


def test_a_hole_behind_the_first_is_measured_too() -> None:
    feed = with_hole(2, 3, requests=True, snapshots=True, give_up_messages=10)
    feed.accept(0, packet(100), 2)
    assert feed.requests()[0] == (2, 1)
    feed.accept(RECOVERY, packet(2), 2_500)
    feed.timer(2_600 + HOLD_BACK_NS)
    assert feed.wants_snapshot


def test_with_a_full_buffer_only_what_comes_next_is_asked_for() -> None:
    feed = feed_of(requests=True, reorder_packet_count=4)
    feed.accept(0, packet(1), 1)
    for sequence in (3, 5, 7, 9):
        feed.accept(0, packet(sequence), 2)
    feed.timer(OVERDUE_NS)
    assert feed.requests() == [(2, 1)]


def test_a_request_that_a_line_has_answered_gives_its_place_up_and_does_not_time_out() -> None:
    feed = feed_of(requests=True)
    for sequence in (1, 3, 5):
        feed.accept(0, packet(sequence), 2)
    feed.timer(OVERDUE_NS)
    assert feed.requests() == [(2, 1), (4, 1)]
    feed.accept(1, packet(4), 2_000)
    feed.timer(2_001)
    assert feed.feed.request_count == 1
    feed.timer(OVERDUE_NS + TIMEOUT_NS)
    assert feed.statistics.request_timeouts == 1


def test_recovered_messages_are_handed_out_before_the_feed_is_live() -> None:
    feed = feed_of(requests=True)
    feed.accept(0, packet(1), 1)
    feed.accept(0, heartbeat(4), 2)
    feed.timer(OVERDUE_NS)
    feed.requests()
    feed.accept(RECOVERY, packet(2, 2), 3_000)
    assert [message.state for message in feed.delivered[1:]] == ["RECOVERING", "RECOVERING"]
    assert feed.state == "LIVE"


def test_a_reply_ahead_of_everything_opens_no_hole() -> None:
    feed = feed_of(requests=True, unconfirmed_jump_messages=0)
    feed.accept(0, packet(1), 1)
    assert feed.accept(RECOVERY, packet(900), 2) == "suspect"
    assert feed.accept(RECOVERY, packet(901), 2) == "suspect"
    feed.timer(OVERDUE_NS)
    assert feed.state == "LIVE"


def test_a_heartbeat_on_the_recovery_port_does_not_stand_for_a_line() -> None:
    feed = feed_of(line_silence_ns=100)
    feed.accept(0, packet(1), 1)
    feed.timer(1_000)
    feed.accept(RECOVERY, heartbeat(2), 1_001)
    assert feed.state == "DOWN"


def test_a_reply_does_not_name_the_session() -> None:
    feed = feed_of(requests=True)
    assert feed.accept(RECOVERY, packet(1, session=NEW), 1) == "session_mismatch"
    feed.accept(0, packet(1), 2)
    assert (feed.state, feed.feed.session_ordinal) == ("LIVE", 0)


# Sessions


def test_a_hole_found_after_a_foreign_datagram_is_asked_for() -> None:
    feed = feed_of(requests=True)
    feed.accept(0, packet(1), 1)
    feed.accept(0, packet(2, session=NEW), 1)
    assert feed.state == "GAP"
    feed.accept(0, packet(4), 2)
    feed.timer(OVERDUE_NS)
    assert feed.requests() == [(2, 2)]


def test_best_effort_asks_before_it_skips_although_a_foreign_datagram_came() -> None:
    feed = feed_of(requests=True, delivery=BEST_EFFORT)
    feed.accept(0, packet(1), 1)
    feed.accept(0, packet(2, session=NEW), 1)
    feed.accept(0, packet(4), 2)
    feed.timer(OVERDUE_NS)
    assert (feed.numbers, feed.statistics.skipped_messages) == ([1], 0)


def test_the_start_of_a_new_session_is_asked_for_where_there_is_no_snapshot() -> None:
    feed = feed_of(requests=True)
    feed.accept(0, packet(1), 1)
    for sequence in (1, 2, 3):
        feed.accept(0, packet(sequence, session=NEW), 2)
    feed.timer(OVERDUE_NS)
    assert (bytes(feed.feed.session), feed.requests()) == (NEW, [(1, 2)])


def test_a_roll_before_the_first_own_datagram_starts_at_message_one() -> None:
    feed = feed_of(session=SESSION, first_sequence=0)
    for sequence in (2, 3, 4):
        feed.accept(0, packet(sequence, session=NEW), sequence)
    assert (feed.feed.session_ordinal, feed.numbers) == (1, [])
    assert feed.state != "LIVE"


def test_one_broken_session_id_is_not_for_good_although_sessions_are_not_followed() -> None:
    feed = feed_of(follow_sessions=False)
    feed.accept(0, packet(1), 1)
    feed.accept(0, packet(2, session=NEW), 2)
    assert feed.state == "GAP"
    feed.accept(0, packet(2), 3)
    assert feed.state == "LIVE"


def test_an_end_reached_by_recovery_goes_through_live() -> None:
    feed = with_hole(2, 3, requests=True)
    feed.accept(0, datagram(4, count=END), OVERDUE_NS)
    feed.requests()
    feed.accept(RECOVERY, packet(2), 3_000)
    assert [after for _, after, _ in feed.transitions()] == ["LIVE", "RECOVERING", "LIVE", "ENDED"]


def test_an_episode_that_the_end_cut_off_is_not_closed_by_the_next_session() -> None:
    feed = feed_of(delivery=BEST_EFFORT)
    feed.accept(0, packet(1), 1)
    feed.accept(0, datagram(4, count=END), 2)
    feed.timer(OVERDUE_NS)
    assert feed.state == "ENDED"
    feed.accept(0, packet(1, session=NEW), 9_000)
    assert [int(episode.live_ns) for episode in feed.episodes()] == [0, 9_000]


# What is told


def test_transitions_carry_positions() -> None:
    feed = feed_of()
    feed.accept(0, packet(1), 1)
    feed.accept(0, datagram(2, count=END), 2)
    feed.accept(0, packet(1, session=NEW), 3)
    assert feed.positions()[-1] >> 40 == 1


def test_a_line_that_made_the_snapshot_unnecessary_is_no_join() -> None:
    feed = with_hole(2, 3, snapshots=True)
    assert feed.state == "RESYNC"
    feed.accept(1, packet(2), 2_000)
    assert feed.transitions()[-1] == ("RESYNC", "LIVE", "recovered")


def test_a_reordered_pair_is_delivered_at_once_and_keeps_its_arrival() -> None:
    feed = feed_of(unconfirmed_jump_messages=0)
    feed.accept(0, packet(1), 1)
    assert feed.accept(0, packet(3), 2) == "suspect"
    feed.accept(0, packet(2), 3)
    assert [(message.sequence, message.arrival_ns) for message in feed.delivered] == [(1, 1), (2, 3), (3, 2)]
    assert feed.state == "LIVE"
