"""What a strict feed does about a hole: each step of the policy, each bound, each way back to LIVE."""

from __future__ import annotations

from typing import Any

import pytest
from engine_feed import END, SESSION, EngineFeed, datagram

A, B, RECOVERY = 0, 1, 2
HOLD_BACK_NS, TIMEOUT_NS, RETRY_NS = 10, 100, 1_000
NEXT_SESSION = b"SESSION002"


def message(sequence: int) -> bytes:
    return str(sequence).encode()


def packet(first: int, count: int = 1, session: bytes = SESSION) -> bytes:
    return datagram(first, [message(first + index) for index in range(count)], session=session)


def strict(**options: int | bytes) -> EngineFeed:
    """Both services, small numbers, one datagram is enough for a hole."""
    policy: dict[str, Any] = {
        "hold_back_ns": HOLD_BACK_NS,
        "requests": True,
        "snapshots": True,
        "request_timeout_ns": TIMEOUT_NS,
        "request_attempts": 2,
        "snapshot_attempts": 2,
        "retry_ns": RETRY_NS,
        "reorder_packet_count": 64,
    }
    return EngineFeed(**{**policy, **options})


def with_hole(first: int, last: int, **options: int | bytes) -> EngineFeed:
    """LIVE up to the hole, which has outlived its hold-back at 20 ns."""
    feed = strict(**options)
    for sequence in range(1, first):
        feed.accept(A, packet(sequence), 1)
    feed.accept(A, packet(last + 1), 5)
    feed.timer(20)
    return feed


def numbers(feed: EngineFeed) -> list[int]:
    return [one.sequence for one in feed.delivered]


def test_a_hole_is_asked_for_when_its_hold_back_is_over_and_not_before() -> None:
    feed = strict()
    feed.accept(A, packet(1), 1)
    feed.accept(A, packet(4), 5)
    feed.timer(14)
    assert (feed.state, feed.requests()) == ("LIVE", [])
    feed.timer(15)
    assert (feed.state, feed.requests()) == ("RECOVERING", [(2, 2)])
    assert feed.requests() == []  # never twice at a time


def test_a_whole_reply_ends_in_live_with_everything_in_order() -> None:
    feed = with_hole(2, 3)
    assert feed.requests() == [(2, 2)]
    feed.accept(RECOVERY, packet(2, 2), 30)
    assert (feed.state, numbers(feed)) == ("LIVE", [1, 2, 3, 4])
    assert [one.line for one in feed.delivered] == [A, RECOVERY, RECOVERY, A]
    assert feed.statistics.recovered_messages_requests == 2


def test_the_rest_of_a_partial_reply_is_asked_for_at_once() -> None:
    feed = with_hole(2, 6)
    assert feed.requests() == [(2, 5)]
    feed.accept(RECOVERY, packet(2, 2), 30)
    assert feed.requests() == [(4, 3)]
    assert feed.statistics.requests_partial == 1


def test_a_large_hole_is_split_into_requests_up_to_the_bound() -> None:
    feed = with_hole(2, 11, request_messages_max=3, request_outstanding_max=2)
    assert feed.requests() == [(2, 3), (5, 3)]
    feed.accept(RECOVERY, packet(5, 3), 30)
    assert feed.requests() == [(8, 3)]


def test_several_holes_are_asked_for_at_the_same_time() -> None:
    feed = with_hole(2, 3)
    feed.accept(A, packet(7), 6)
    feed.accept(A, packet(9), 6)
    feed.timer(30)
    assert feed.requests() == [(2, 2), (5, 2), (8, 1)]


def test_what_is_lost_while_asking_is_asked_for_too() -> None:
    feed = with_hole(2, 3)
    assert feed.requests() == [(2, 2)]
    feed.accept(A, packet(8), 30)
    feed.timer(30 + HOLD_BACK_NS)
    assert feed.requests() == [(5, 3)]


def test_a_slow_line_that_fills_the_hole_ends_the_recovery() -> None:
    feed = with_hole(2, 3)
    feed.requests()
    feed.accept(B, packet(2, 2), 40)
    assert (feed.state, numbers(feed)) == ("LIVE", [1, 2, 3, 4])
    assert feed.statistics.recovered_messages_lines == 2
    feed.timer(40 + TIMEOUT_NS)
    assert feed.requests() == []


def test_a_lost_request_is_sent_again_and_a_late_reply_does_no_harm() -> None:
    feed = with_hole(2, 3)
    feed.requests()
    feed.timer(20 + TIMEOUT_NS)
    assert feed.requests() == [(2, 2)]
    assert feed.statistics.request_timeouts == 1
    feed.accept(RECOVERY, packet(2, 2), 130)
    assert feed.accept(RECOVERY, packet(2, 2), 131) == "duplicate"
    assert numbers(feed) == [1, 2, 3, 4]


def test_requests_in_vain_lead_to_the_snapshot() -> None:
    feed = with_hole(2, 3)
    for attempt in (1, 2):
        assert feed.requests() == [(2, 2)]
        feed.timer(20 + attempt * TIMEOUT_NS)
    assert (feed.state, feed.wants_snapshot, feed.requests()) == ("RESYNC", True, [])
    assert feed.transitions()[-1] == ("RECOVERING", "RESYNC", "requests_exhausted")


def test_a_hole_too_large_goes_to_the_snapshot_at_once() -> None:
    feed = with_hole(2, 30, give_up_messages=28)
    assert feed.wants_snapshot
    assert feed.transitions()[-1] == ("LIVE", "RESYNC", "hole_too_large")


def test_nothing_is_delivered_from_the_start_of_a_snapshot_to_its_join() -> None:
    feed = with_hole(2, 30, give_up_messages=28)
    feed.start_snapshot(40)
    feed.accept(A, packet(2, 29), 41)
    assert numbers(feed) == [1]
    assert feed.join(25, 50)
    assert (feed.state, numbers(feed)) == ("LIVE", [1, *range(25, 32)])


def test_a_hole_behind_a_snapshot_is_asked_for() -> None:
    feed = with_hole(2, 30, give_up_messages=28)
    feed.start_snapshot(40)
    feed.join(28, 50)
    feed.timer(50 + HOLD_BACK_NS)
    assert (feed.state, feed.requests()) == ("RECOVERING", [(28, 3)])


def test_a_snapshot_ahead_of_everything_heard_is_joined_too() -> None:
    feed = with_hole(2, 30, give_up_messages=28)
    feed.start_snapshot(40)
    assert feed.join(40, 50)
    assert (feed.state, feed.feed.next_sequence) == ("RESYNC", 40)
    feed.accept(A, packet(39), 51)
    assert numbers(feed) == [1]
    feed.accept(A, datagram(40, count=0), 52)
    assert feed.state == "LIVE"


def test_a_snapshot_of_another_session_lets_nothing_out() -> None:
    """Both lines died and the session rolled before the snapshot was asked for; G does not say of which it is."""
    feed = with_hole(2, 30, give_up_messages=28)
    feed.start_snapshot(40)
    feed.join(31, 50)
    assert feed.state == "RESYNC"
    feed.accept(A, packet(31, session=NEXT_SESSION), 60)
    assert feed.state == "RESYNC"


def test_failed_snapshots_end_in_gap_and_all_begins_again_after_the_retry() -> None:
    feed = with_hole(2, 30, give_up_messages=28)
    for _ in range(2):
        feed.start_snapshot(40)
        feed.lose_snapshot(45)
    assert (feed.state, feed.wants_snapshot) == ("GAP", False)
    feed.timer(45 + RETRY_NS)
    assert (feed.state, feed.wants_snapshot) == ("RESYNC", True)


def test_a_snapshot_that_takes_too_long_is_given_up() -> None:
    feed = with_hole(2, 30, give_up_messages=28, snapshot_timeout_ns=50)
    feed.start_snapshot(40)
    feed.timer(90)
    assert not feed.snapshot_running
    assert not feed.join(31, 91)
    assert feed.state == "RESYNC"


def test_without_services_a_strict_feed_waits_for_the_line() -> None:
    feed = with_hole(2, 3, requests=False, snapshots=False)
    assert (feed.state, numbers(feed), feed.requests()) == ("GAP", [1], [])
    feed.accept(B, packet(2, 2), 5_000)
    assert (feed.state, numbers(feed)) == ("LIVE", [1, 2, 3, 4])


def test_a_loss_at_the_tail_shows_in_the_heartbeat() -> None:
    feed = strict()
    feed.accept(A, packet(1), 1)
    feed.accept(A, datagram(3, count=0), 5)
    feed.timer(20)
    assert feed.requests() == [(2, 1)]


def test_the_end_of_the_session_waits_for_what_is_missing() -> None:
    feed = with_hole(2, 3)
    feed.accept(A, datagram(5, count=END), 30)
    feed.requests()
    assert feed.state == "RECOVERING"
    feed.accept(RECOVERY, packet(2, 2), 40)
    assert (feed.state, numbers(feed)) == ("ENDED", [1, 2, 3, 4])


def test_a_full_buffer_drops_the_newcomer_which_is_asked_for_later() -> None:
    feed = with_hole(2, 3, reorder_packet_count=2)
    feed.accept(A, packet(5), 30)
    assert feed.accept(A, packet(6), 31) == "reorder_full"
    assert feed.requests() == [(2, 2)]
    feed.accept(RECOVERY, packet(2, 2), 40)
    feed.timer(60)
    assert feed.requests() == [(6, 1)]


def test_a_late_start_joins_a_snapshot_before_it_is_live() -> None:
    feed = strict(first_sequence=0)
    feed.accept(A, packet(500), 1)
    assert (feed.state, feed.wants_snapshot) == ("SYNC", True)
    feed.start_snapshot(2)
    feed.accept(A, packet(501), 3)
    feed.join(501, 9)
    assert (feed.state, numbers(feed)) == ("LIVE", [501])


@pytest.mark.parametrize("confirm", [1, 3])
def test_a_new_session_is_followed_when_it_is_confirmed(confirm: int) -> None:
    feed = strict(session_confirm_packets=confirm)
    feed.accept(A, packet(1), 1)
    for index in range(confirm):
        assert feed.feed.session_ordinal == 0
        feed.accept(A, packet(1 + index, session=NEXT_SESSION), 2)
    assert (feed.feed.session_ordinal, feed.state, feed.wants_snapshot) == (1, "RESYNC", True)
    feed.start_snapshot(3)
    feed.join(confirm + 1, 4)
    feed.accept(A, datagram(confirm + 1, count=0, session=NEXT_SESSION), 4)
    assert feed.state == "LIVE"
    assert feed.accept(B, packet(2), 5) == "session_mismatch"  # a straggler of the old one
    assert feed.state == "LIVE"


def test_one_foreign_datagram_blinds_until_the_own_session_goes_on() -> None:
    feed = strict()
    feed.accept(A, packet(1), 1)
    feed.accept(A, packet(2, session=b"SESSI0N001"), 2)
    assert feed.state == "GAP"
    feed.accept(A, packet(2), 3)
    assert (feed.state, numbers(feed)) == ("LIVE", [1, 2])


def test_a_number_far_ahead_opens_no_hole_until_a_second_datagram_agrees() -> None:
    feed = strict(unconfirmed_jump_messages=0)
    feed.accept(A, packet(1), 1)
    assert feed.accept(A, packet(9_000), 2) == "suspect"
    feed.timer(1_000)
    assert (feed.state, feed.requests()) == ("LIVE", [])
    feed.accept(A, packet(2), 1_001)
    assert feed.accept(A, packet(5), 1_002) == "suspect"
    assert feed.accept(B, packet(5), 1_003) == "duplicate"  # the twin agrees, and both count
    feed.timer(1_020)
    assert feed.requests() == [(3, 2)]


def test_a_line_that_was_silent_with_nothing_missed_is_live_again() -> None:
    feed = strict(line_silence_ns=100)
    feed.accept(A, packet(1), 1)
    feed.timer(200)
    assert feed.state == "DOWN"
    feed.accept(A, packet(2), 300)
    assert feed.state == "LIVE"


def test_lines_that_come_back_behind_a_hole_recover_it_first() -> None:
    feed = strict(line_silence_ns=100)
    feed.accept(A, packet(1), 1)
    feed.timer(200)
    feed.accept(A, packet(4), 300)
    feed.timer(300 + HOLD_BACK_NS)
    assert (feed.state, feed.requests()) == ("RECOVERING", [(2, 2)])


def test_blind_time_and_episodes_are_kept() -> None:
    feed = with_hole(2, 3)
    feed.requests()
    feed.accept(RECOVERY, packet(2, 2), 70)
    statistics = feed.statistics
    assert (statistics.blind_count, statistics.blind_ns, statistics.recoveries) == (1, 50, 1)
    assert statistics.episodes == 1
