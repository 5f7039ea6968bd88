"""The recovery wire: replies to re-requests are stamped as line 2, re-requests counted, and all of it can be lost."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import pytest
from wire_bench import DROPPED, PORT, REQUEST_PORT, SNAPSHOT_PORT, Bench, bench, datagram, frame

from lab.faults.rule import POSITION_SHIFT, Action, Pattern, Rule
from lab.tap import market_rows
from lab.topology import Topology

pytestmark = pytest.mark.privileged

REPLIES, REQUESTS = 2, 3  # ways of the bench


def reply(sequence: int, count: int = 1, **parts: Any) -> bytes:
    return frame(datagram(sequence, count, **parts), source_port=REQUEST_PORT, port=40_000)


def request(sequence: int, count: int = 1, session: bytes = b"TAILGATE01") -> bytes:
    return frame(session + struct.pack(">QH", sequence, count), source_port=40_000, port=REQUEST_PORT)


def snapshot(size: int) -> bytes:
    return frame(bytes(20 + size), source_port=SNAPSHOT_PORT, port=40_001, protocol=6)


def drop(sequence: int, packets: int, **parts: Any) -> Rule:
    return Rule(action=Action.DROP, sequence=sequence, packets=packets, **parts)


def asked(wires: Bench, count: int) -> list[int]:
    return wires.passed_sequences(count, REQUESTS)


def test_replies_are_recorded_as_line_2_and_passed_to_the_kernel(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        before_ns = time.monotonic_ns()
        sent = [reply(7, 3), reply(10), reply(11, 0)]
        for each in sent:
            wires.send_frame(each, REPLIES)
        wires.send(datagram(12))
        assert wires.passed(3, REPLIES) == sent
        assert wires.rows() == [(2, 7, 3, 134, 0), (2, 10, 1, 58, 0), (2, 11, 0, 20, 0), (0, 12, 1, 58, 0)]
        stamps = market_rows(wires.tap.market_path)["stamp_ns"]
        assert before_ns < stamps.min() <= stamps.max() < time.monotonic_ns()


def test_re_requests_are_counted_on_their_way_out_and_not_recorded(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path) as wires:
        for sequence in (5, 6, 7):
            wires.send_frame(request(sequence, 10), REQUESTS)
        assert asked(wires, 3) == [5, 6, 7]
        assert wires.rows() == []
        assert wires.tap.counts().requests == 3


@pytest.mark.parametrize(
    "data",
    [frame(datagram(1)), frame(datagram(1), source_port=REQUEST_PORT, protocol=6), reply(1)[:61]],
    ids=["another port", "TCP of that port", "less than a header"],
)
def test_what_is_no_reply_passes_unrecorded(topology: Topology, tmp_path: Path, data: bytes) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(drop(1, 5), "recovery")
        wires.send_frame(data, REPLIES)
        wires.sent = 0  # nothing counts it
        assert wires.passed(1, REPLIES) == [data]
        assert wires.rows() == []


def test_replies_are_dropped_by_the_messages_they_bring(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.impair(drop(20, 2), "recovery")
        for sequence in (10, 15, 20, 25, 30):
            wires.send_frame(reply(sequence, 5), REPLIES)
        assert wires.passed_sequences(3, REPLIES) == [10, 15, 30]
        assert [row[1] for row in wires.rows() if row[4] & DROPPED] == [20, 25]
        assert wires.tap.rule_result("recovery", rule).hit == 2
        assert [(window.place, window.packets) for window in wires.tap.windows()] == [("recovery", 2)]


def test_re_requests_are_dropped_by_the_messages_they_ask_for(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.impair(drop(20, 2), "requests")
        for sequence in (10, 20, 20, 20):
            wires.send_frame(request(sequence, 10), REQUESTS)
        assert asked(wires, 2) == [10, 20]
        counts = wires.tap.counts()
        assert (counts.requests, wires.tap.rule_result("requests", rule).hit) == (4, 2)


def test_a_part_of_all_re_requests_is_dropped_by_pattern(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(Rule(action=Action.DROP, sequence=1, pattern=Pattern.EVERY, every=2), "requests")
        for sequence in range(1, 9):
            wires.send_frame(request(sequence, 0), REQUESTS)
        assert asked(wires, 4) == [1, 3, 5, 7]


def test_frames_of_the_snapshot_are_dropped_by_time_and_by_count(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = Rule(action=Action.DROP, time_ns=0, packets=3)
        wires.impair(rule, "snapshot", start_ns=time.monotonic_ns())
        sent = [snapshot(size) for size in range(6)]
        for each in sent:
            wires.send_frame(each, REPLIES)
        assert wires.passed(3, REPLIES) == sent[3:]
        assert wires.tap.counts().snapshot_frames == 6
        assert wires.tap.rule_result("snapshot", 0).hit == 3
        assert wires.rows() == []


def test_numbers_on_the_recovery_wire_are_positions_of_their_session(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True, sessions=("TAILGATE01", "TAILGATE02")) as wires:
        second = 1 << POSITION_SHIFT
        for place in ("recovery", "requests"):
            rule = Rule(action=Action.DROP, sequence=second | 4, packets=1)
            wires.impair(rule, place)  # type: ignore[arg-type]
        for session in (b"TAILGATE01", b"TAILGATE02"):
            wires.send_frame(reply(4, session=session), REPLIES)
            wires.send_frame(request(4, session=session), REQUESTS)
        assert [(row[1], row[4]) for row in wires.rows()] == [(4, 0), (second | 4, DROPPED)]
        assert len(wires.passed(1, REPLIES)) == len(wires.passed(1, REQUESTS)) == 1


def test_without_a_request_port_the_recovery_wire_is_left_alone(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, request_port=0) as wires:
        wires.send_frame(reply(1), REPLIES)
        wires.send_frame(request(1), REQUESTS)
        wires.sent = 0
        assert len(wires.passed(1, REPLIES)) == len(wires.passed(1, REQUESTS)) == 1
        assert wires.rows() == []
        assert wires.tap.counts().requests == 0


def test_a_line_that_carries_replies_is_no_line(topology: Topology, tmp_path: Path) -> None:
    """The port of the lines means nothing on the recovery wire, and the other way round."""
    with bench(topology, tmp_path) as wires:
        wires.send_frame(frame(datagram(1), port=PORT), REPLIES)
        wires.send_frame(reply(2))
        wires.sent = 1
        wires.settle()
        assert wires.rows() == []
        assert wires.tap.counts().not_market_data == (1, 0)
