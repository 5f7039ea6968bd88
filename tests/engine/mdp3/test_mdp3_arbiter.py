"""Two lines into one stream: each packet once, hold-back, window, new numberings, stray packets, bounds."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdp3_layouts import encode, packet

from engine.mdp3 import Mdp3Channel, Mdp3Error, Mdp3Options

MS = 10**6
A, B = 0, 1


def trade(sequence: int, *, sending_ns: int | None = None) -> bytes:
    """A packet whose only event carries its number."""
    message = encode(48, {"indicator": 0x80}, [{"security": 7, "report": 1, "size": sequence % 2**31}])
    return packet(sequence, message, sending_ns=sending_ns)


class Lines:
    """A channel that remembers the numbers it was told, in order."""

    def __init__(self, **options: int) -> None:
        defaults = {"hold_back_ns": MS, "reorder_packet_count": 8, "arrival_count": 64}
        self.channel = Mdp3Channel(Mdp3Options(**(defaults | options)))
        self.now_ns = 1000
        self.heard: list[int] = []

    def give(self, line: int, sequence: int, *, after_ns: int = 10, sending_ns: int | None = None) -> str:
        self.now_ns += after_ns
        events = self.channel.step(line, trade(sequence, sending_ns=sending_ns), self.now_ns)
        self.heard += [int(number) & 0xFFFFFFFF for number in events["sequence"]]
        return self.channel.outcome

    def wait(self, duration_ns: int = 2 * MS) -> None:
        self.now_ns += duration_ns
        events = self.channel.timer(self.now_ns)
        self.heard += [int(number) & 0xFFFFFFFF for number in events["sequence"]]

    def count(self, name: str) -> int:
        return self.channel.counters()[name]


def test_first_copy_wins_and_the_second_is_a_duplicate() -> None:
    lines = Lines()
    assert lines.give(A, 5) == "deliverable"
    assert lines.give(B, 5, after_ns=40) == "duplicate"
    assert lines.give(B, 6) == "deliverable"
    assert lines.give(A, 6, after_ns=7) == "duplicate"
    assert lines.heard == [5, 6]
    rows = [
        (int(row["position"]), int(row["line"]), int(row["second_ns"] - row["first_ns"]))
        for row in lines.channel.arrivals()
    ]
    assert rows == [(5, A, 40), (6, B, 7)]
    counters = lines.channel.line_counters(A)
    assert (counters["wins"], counters["duplicates"], counters["margin_ns_sum"]) == (1, 1, 40)


def test_copies_that_come_together_are_won_by_the_first_caller() -> None:
    lines = Lines()
    lines.give(B, 5, after_ns=0)
    lines.give(A, 5, after_ns=0)
    (row,) = lines.channel.arrivals()
    assert (row["line"], row["first_ns"], row["second_ns"]) == (B, 1000, 1000)


def test_a_third_copy_is_no_second_arrival() -> None:
    lines = Lines()
    for line in (A, A, B, B, A):
        lines.give(line, 5)
    assert len(lines.channel.arrivals()) == 1
    assert lines.channel.line_counters(A)["duplicates"] == lines.channel.line_counters(B)["duplicates"] == 2


def test_the_other_line_fills_a_hole_within_the_hold_back() -> None:
    lines = Lines()
    lines.give(A, 1)
    assert lines.give(A, 3) == "buffered"
    assert lines.give(A, 4) == "buffered"
    assert lines.heard == [1]
    assert lines.give(B, 2) == "deliverable"
    assert lines.heard == [1, 2, 3, 4]
    assert (lines.count("gaps"), lines.count("holes_filled")) == (0, 1)
    assert lines.channel.line_counters(A)["holes"] == 1


def test_a_hole_that_outlives_the_hold_back_is_given_up() -> None:
    lines = Lines()
    lines.give(A, 1)
    lines.give(A, 4)
    lines.wait(MS - 11)
    assert lines.heard == [1]
    lines.wait(11)
    assert lines.heard == [1, 4]
    assert (lines.count("gaps"), lines.count("gap_packets")) == (1, 2)
    assert lines.give(B, 2) == "late"
    assert lines.heard == [1, 4]


def test_each_hole_has_a_hold_back_of_its_own() -> None:
    lines = Lines()
    lines.give(A, 1)
    lines.give(A, 3)
    lines.give(A, 5, after_ns=MS // 2)
    lines.wait(MS // 2)
    assert lines.heard == [1, 3]
    assert lines.give(B, 4) == "deliverable"
    assert lines.heard == [1, 3, 4, 5]
    assert lines.count("gap_packets") == 1


def test_no_hold_back_gives_a_hole_up_at_once() -> None:
    lines = Lines(hold_back_ns=0)
    lines.give(A, 1)
    lines.give(A, 3)
    assert lines.heard == [1, 3]


def test_packets_beyond_the_window_end_the_wait() -> None:
    lines = Lines()
    lines.give(A, 1)
    for sequence in range(3, 10):
        assert lines.give(A, sequence) == "buffered"
    assert lines.give(A, 10) == "stashed"
    assert lines.heard == [1]
    assert lines.give(A, 11) == "stashed"
    assert lines.heard == [1, *range(3, 12)]
    assert lines.count("gap_packets") == 1


def test_a_jump_is_believed_when_a_second_packet_agrees() -> None:
    lines = Lines()
    lines.give(A, 1)
    assert lines.give(A, 1000) == "stashed"
    lines.wait()
    assert lines.heard == [1]
    assert lines.give(B, 1000) == "stashed"
    assert lines.heard == [1, 1000]
    assert lines.count("gap_packets") == 998
    assert lines.give(A, 1001) == "deliverable"


def test_one_stray_packet_changes_nothing() -> None:
    lines = Lines()
    lines.give(A, 10)
    assert lines.give(A, 4_000_000_000) == "stashed"
    assert lines.give(A, 3, sending_ns=2 * 10**18) == "stashed"
    for sequence in range(11, 30):
        assert lines.give(B, sequence, sending_ns=3 * 10**18 + sequence) == "deliverable"
    assert lines.heard == list(range(10, 30))
    assert (lines.count("gaps"), lines.count("sessions_rolled"), lines.count("stray_packets")) == (0, 0, 2)


def test_numbers_that_begin_again_are_a_new_session() -> None:
    lines = Lines()
    lines.give(A, 500)
    assert lines.give(A, 1, sending_ns=2 * 10**18) == "stashed"
    assert lines.give(A, 2, sending_ns=2 * 10**18 + 1) == "stashed"
    assert lines.heard == [500, 1, 2]
    events = lines.channel.step(B, trade(3, sending_ns=2 * 10**18 + 2), lines.now_ns)
    assert int(events["sequence"][0]) == 1 << 40 | 3
    assert lines.count("sessions_rolled") == 1
    assert lines.give(B, 501) == "stashed"  # a straggler of the old week, alone, is not believed
    assert lines.count("gaps") == 0


def test_old_copies_are_no_new_session() -> None:
    lines = Lines()
    for sequence in range(1, 200):
        lines.give(A, sequence)
    for sequence in range(1, 200):
        assert lines.give(B, sequence) == ("late" if sequence < 136 else "duplicate")
    assert lines.count("sessions_rolled") == 0


def test_number_zero_is_none() -> None:
    lines = Lines()
    assert lines.give(A, 0) == "late"
    assert lines.give(A, 7) == "deliverable"
    assert lines.give(A, 0, sending_ns=2 * 10**18) == "late"


def test_malformed_datagrams_are_counted_and_the_other_copy_is_used() -> None:
    lines = Lines()
    lines.give(A, 1)
    lines.channel.step(A, trade(2)[:-1], lines.now_ns)
    assert lines.channel.outcome == "malformed"
    assert lines.give(B, 2) == "deliverable"
    assert lines.heard == [1, 2]
    counters = lines.channel.line_counters(A)
    assert (counters["packets"], counters["malformed_message_cut"]) == (2, 1)


def test_datagrams_too_long_to_wait_are_dropped_but_used_in_sequence() -> None:
    lines = Lines(reorder_packet_bytes=40)
    assert lines.give(A, 1) == "deliverable"
    assert lines.give(A, 3) == "oversize"
    assert lines.give(A, 2) == "deliverable"
    assert lines.channel.line_counters(A)["dropped"] == 1


def test_lines_that_fall_silent_are_down_until_one_is_heard() -> None:
    lines = Lines(line_silence_ns=10 * MS)
    lines.give(A, 1)
    lines.give(B, 1)
    lines.wait(9 * MS)
    lines.give(B, 2)
    lines.wait(9 * MS)
    assert lines.channel.state != "DOWN"
    assert lines.channel.line_counters(A)["down"] == 1
    lines.wait(MS)
    assert lines.channel.state == "DOWN"
    assert lines.channel.instrument_state(7) == "DOWN"
    assert not lines.channel.tradable(7)
    lines.give(A, 3)
    assert lines.channel.state != "DOWN"
    causes = [row["cause"] for row in lines.channel.transitions()]
    assert causes[-2:] == ["lines_silent", "line_resumed"]


def test_unread_arrivals_are_bounded_and_counted() -> None:
    lines = Lines(arrival_count=8)
    for sequence in range(1, 12):
        lines.give(A, sequence)
        lines.give(B, sequence)
    assert lines.count("arrivals_lost") == 3
    assert [int(row["position"]) for row in lines.channel.arrivals()] == list(range(1, 9))


def test_sources_that_are_none_are_refused() -> None:
    lines = Lines()
    assert lines.give(8, 1) == "bad_source"
    lines.channel.end(lines.now_ns)
    assert lines.channel.state == "ENDED"
    assert lines.give(A, 1) == "after_end"


@pytest.mark.parametrize(
    "options",
    [{"reorder_packet_count": 3}, {"arrival_count": 4}, {"confirm_packets": 0}, {"confirm_packets": 9}]
    + [{"reorder_packet_bytes": 11}, {"instrument_count": 0}, {"instrument_count": 65_535}, {"depth": 11}]
    + [{"depth": 0}, {"event_capacity": 63}, {"join_capacity": 0}, {"order_capacity": 2**25}],
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(Mdp3Error):
        Lines(**options)


@given(st.randoms(use_true_random=False))
def test_whatever_arrives_is_delivered_once_in_order_and_adds_up(random: Random) -> None:
    lines = Lines(reorder_packet_count=random.choice([1, 2, 8, 32]), arrival_count=64)
    given_packets = [0, 0]
    sequence = random.randrange(1, 50)
    for _ in range(80):
        sequence += random.choice([-3, -1, 0, 0, 1, 1, 1, 2, 5, 60 if random.random() < 0.05 else 1])
        sequence = max(sequence, 1)
        line = random.randrange(2)
        given_packets[line] += 1
        lines.give(line, sequence, after_ns=random.choice([0, 10, MS]))
        if random.random() < 0.1:
            lines.wait(random.choice([1, MS]))
    assert all(low < high for low, high in zip(lines.heard, lines.heard[1:], strict=False))
    assert len(lines.heard) == lines.count("delivered")
    if lines.heard:
        assert lines.heard[-1] - lines.heard[0] + 1 == len(lines.heard) + lines.count("gap_packets")
    for line in (A, B):
        assert lines.channel.line_counters(line)["packets"] == given_packets[line]
    lines.wait()
    counters = [lines.channel.line_counters(line) for line in (A, B)]
    assert sum(c["wins"] for c in counters) == lines.count("delivered")
