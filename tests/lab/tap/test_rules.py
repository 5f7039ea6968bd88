"""Rules on real wires: which packets they take is what the same rule says without a wire, and what a scenario meant."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_bench import DROPPED, END_OF_SESSION, Bench, bench, datagram, fields

from lab.errors import UsageError
from lab.faults import Sessions
from lab.faults.rule import POSITION_SHIFT, Action, Pattern, Rule, rule_seed
from lab.tap import Tap, market_rows, predict
from lab.tap.tap import lib
from lab.topology import Topology

privileged = pytest.mark.privileged


def drop(sequence: int | None = 1, packets: int | None = None, **parts: object) -> Rule:
    return Rule(action=Action.DROP, sequence=sequence, packets=packets, **parts)  # type: ignore[arg-type]


def stream(seed: int, packets: int) -> list[tuple[int, int]]:
    """(first message, messages) of packets of one line; now and then a heartbeat."""
    generator, first, made = random.Random(seed), 1, []
    for _ in range(packets):
        count = 0 if generator.random() < 0.05 else generator.randint(1, 4)
        made.append((first, count))
        first += count
    return made


def dropped(wires: Bench, line: int = 0) -> list[int]:
    return [row[1] for row in wires.rows() if row[0] == line and row[4] & DROPPED]


# The same answers on the wire as without one

CHAIN = {"good_to_bad": 0.05, "bad_to_good": 0.3, "probability": 0.9, "probability_good": 0.01}
RULES = {
    "a run": drop(40, 9),
    "a run that comes back": drop(40, 9, windows=5, repeat_every=60),
    "each third of a window": drop(11, 60, pattern=Pattern.EVERY, every=3),
    "each third, again and again": drop(11, 30, pattern=Pattern.EVERY, every=3, windows=4, repeat_every=95),
    "by chance": drop(1, pattern=Pattern.RANDOM, probability=0.1),
    "by chance, in windows": drop(5, 40, pattern=Pattern.RANDOM, probability=0.5, windows=6, repeat_every=70),
    "in clusters": drop(1, pattern=Pattern.GILBERT_ELLIOTT, **CHAIN),
    "in clusters, in windows": drop(
        9, 50, pattern=Pattern.GILBERT_ELLIOTT, windows=3, repeat_every=120, **CHAIN
    ),
    "all": drop(1, pattern=Pattern.RANDOM, probability=1.0),
}


@privileged
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_the_wire_takes_what_the_rule_takes_without_a_wire(
    topology: Topology, tmp_path: Path, rule: Rule
) -> None:
    packets = stream(3, 240)
    with bench(topology, tmp_path, impairing=True, market_capacity=1024) as wires:
        numbers = [wires.impair(rule, place, seed=77, index=2) for place in ("A", "B")]
        for first, count in packets:
            for line in (0, 1):
                wires.send(datagram(first, count, size=12), line=line)
        rows = wires.rows()
        stamps = market_rows(wires.tap.market_path)
        for line, place in enumerate(("A", "B")):
            mine = stamps[stamps["line"] == line]
            expected = (
                predict(
                    fields(rule, place, seed=77, index=2),
                    positions=mine["sequence"].tolist(),
                    messages=mine["count"].tolist(),
                    times_ns=mine["stamp_ns"].tolist(),
                )
                > 0
            )
            assert expected.tolist() == [bool(row[4] & DROPPED) for row in rows if row[0] == line]
            taken = mine[expected & (mine["count"] > 0)]
            result = wires.tap.rule_result(place, numbers[line])
            assert result.hit == len(taken) > 0
            assert [result.first_hit_ns, result.last_hit_ns] == taken["stamp_ns"][[0, -1]].tolist()
            kept = [first for first, _ in packets]
            for first in mine["sequence"][expected].tolist():
                kept.remove(first)
            assert wires.passed_sequences(len(kept), line) == kept


@privileged
def test_lines_lose_apart_by_chance_and_alike_when_they_are_told_to(
    topology: Topology, tmp_path: Path
) -> None:
    for together in (False, True):
        with bench(topology, tmp_path, impairing=True, market_capacity=1024) as wires:
            rule = drop(pattern=Pattern.RANDOM, probability=0.3, together=together)
            for place in ("A", "B"):
                wires.impair(rule, place)
            for number in range(1, 101):
                for line in (0, 1):
                    wires.send(datagram(number), line=line)
            assert (dropped(wires, 0) == dropped(wires, 1)) is together


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(0, 4))
@settings(max_examples=200)
def test_seeds_are_those_of_the_c(seed: int, index: int, line: int) -> None:
    assert rule_seed(seed, index, line) == lib.impairment_seed(seed, index, line)


@given(
    st.integers(0, 2**63 - 1),
    st.sampled_from(sorted(RULES)),
    st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_the_same_seed_takes_the_same_packets_and_chance_follows_the_seed(
    seed: int, name: str, packets_seed: int
) -> None:
    packets = stream(packets_seed, 400)
    parts = {
        "positions": [first for first, _ in packets],
        "messages": [count for _, count in packets],
        "times_ns": list(range(1, 401)),
    }
    rule = fields(RULES[name], seed=seed)
    assert predict(rule, **parts).tolist() == predict(rule, **parts).tolist()
    if RULES[name].pattern in (Pattern.RUN, Pattern.EVERY):
        other = fields(RULES[name], seed=seed + 1)
        assert predict(rule, **parts).tolist() == predict(other, **parts).tolist()


# Windows


@privileged
def test_a_rule_drops_its_number_of_packets_from_the_one_that_carries_its_sequence(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.impair(drop(9, 2))
        for first in range(1, 22, 4):  # four messages a packet: 9 is the first of the third
            wires.send(datagram(first, 4))
            wires.send(datagram(first, 4), line=1)
        assert dropped(wires) == [9, 13]
        assert wires.passed_sequences(4) == [1, 5, 17, 21]
        assert wires.passed_sequences(6, 1) == [1, 5, 9, 13, 17, 21], "the other line loses nothing"
        result = wires.tap.rule_result("A", rule)
        stamps = market_rows(wires.tap.market_path)
        taken = stamps[stamps["flags"] == DROPPED]["stamp_ns"].tolist()
        assert (result.seen, result.hit, result.windows) == (2, 2, 1)
        assert [result.first_hit_ns, result.last_hit_ns] == taken


@privileged
def test_a_sequence_in_the_middle_of_a_packet_takes_that_packet(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(drop(7, 1))
        for first in (1, 5, 9):
            wires.send(datagram(first, 4))
        assert wires.passed_sequences(2) == [1, 9]


@privileged
def test_every_window_is_remembered_with_its_stamps(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True, market_capacity=256) as wires:
        for place in ("A", "B"):
            wires.impair(drop(10, 3, windows=4, repeat_every=20), place)
        for number in range(1, 91):
            wires.send(datagram(number))
            wires.send(datagram(number), line=1)
        wires.rows()
        stamps = market_rows(wires.tap.market_path)
        found = wires.tap.windows()
        assert len(found) == wires.tap.counts().windows == 8
        for line, place in enumerate(("A", "B")):
            mine = [window for window in found if window.place == place]
            assert [(w.number, w.position, w.packets) for w in mine] == [
                (1, 10, 3),
                (2, 30, 3),
                (3, 50, 3),
                (4, 70, 3),
            ]
            for window in mine:
                at = (stamps["line"] == line) & (stamps["sequence"] >= window.position)
                assert [window.first_ns, window.last_ns] == stamps[at]["stamp_ns"][[0, 2]].tolist()


@privileged
def test_windows_beyond_the_memory_take_their_packets_and_are_counted(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True, market_capacity=2048) as wires:
        rule = wires.impair(drop(1, 1, windows=1_100, repeat_every=1))
        for number in range(1, 1_201):
            wires.send(datagram(number, size=1))
        wires.settle()
        assert wires.tap.rule_result("A", rule).hit == 1_100
        assert wires.tap.counts().windows == 1_100
        windows = wires.tap.windows()
        assert [window.position for window in windows] == list(range(1, 1_025))


@privileged
def test_a_rule_by_time_begins_and_ends_at_its_times(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = drop(None, time_ns=30_000_000, for_ns=40_000_000)
        start_ns = time.monotonic_ns()
        wires.impair(rule, start_ns=start_ns)
        for number in range(1, 11):
            wires.send(datagram(number))
            time.sleep(0.01)
        wires.rows()
        for row in market_rows(wires.tap.market_path):
            inside = start_ns + 30_000_000 <= row["stamp_ns"] < start_ns + 70_000_000
            assert bool(row["flags"] & DROPPED) == inside
        assert 0 < len(dropped(wires)) < 10


@privileged
def test_an_open_run_takes_heartbeats_too_and_other_patterns_take_none(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        run = wires.impair(drop(1, 3))
        chance = wires.impair(drop(1, pattern=Pattern.RANDOM, probability=1.0), "B")
        for line in (0, 1):
            wires.send(datagram(1, 1), line=line)
            wires.send(datagram(2, 0), line=line)
            wires.send(datagram(2, 2), line=line)
            wires.send(datagram(4, END_OF_SESSION), line=line)
            wires.send(datagram(4, 1), line=line)
            wires.send(datagram(5, 0), line=line)
        flags = [(row[0], row[4]) for row in wires.rows()]
        assert [flag for line, flag in flags if line == 0] == [1, 1, 1, 1, 1, 0]
        assert [flag for line, flag in flags if line == 1] == [1, 0, 1, 0, 1, 0]
        assert (wires.tap.rule_result("A", run).hit, wires.tap.rule_result("A", run).controls) == (3, 2)
        assert wires.tap.rule_result("B", chance).controls == 0


@privileged
def test_positions_go_on_over_a_session_roll_and_windows_with_them(
    topology: Topology, tmp_path: Path
) -> None:
    names = ("TAILGATE01", "OTHER", "THIRD")
    with bench(topology, tmp_path, impairing=True, sessions=names) as wires:
        sessions = Sessions(rolls=(21, 41))
        rule = drop(15, 2, windows=3, repeat_every=15)  # 15, 30 and 45 of the stream
        wires.tap.impair("A", rule.fields("A", seed=1, index=0, start_ns=0, sessions=sessions))
        late = drop(47, 1)
        wires.tap.impair("A", late.fields("A", seed=1, index=1, start_ns=0, sessions=sessions))
        for number in range(1, 51):
            ordinal = (number - 1) // 20
            name = names[ordinal].ljust(10).encode()
            wires.send(datagram((number - 1) % 20 + 1, session=name))
        wires.send(datagram(3, session=b"NOBODYS   "))
        rows = wires.rows()
        expected = [sessions.position(number) for number in range(1, 51)]
        assert [row[1] for row in rows] == [*expected, 255 << POSITION_SHIFT | 3]
        assert dropped(wires) == [sessions.position(number) for number in (15, 16, 30, 31, 45, 46, 47)]


def test_a_message_of_the_stream_has_the_position_of_its_session() -> None:
    sessions = Sessions(rolls=(50_000, 60_000))
    assert sessions.position(49_999) == 49_999
    assert sessions.position(50_000) == 1 << POSITION_SHIFT | 1
    assert sessions.position(60_005) == 2 << POSITION_SHIFT | 6


# Several rules


@privileged
def test_rules_of_a_line_take_apart_and_count_apart(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        late, early, both = (
            wires.impair(drop(first, packets)) for first, packets in ((8, 1), (3, 2), (4, 2))
        )
        for number in range(1, 11):
            wires.send(datagram(number))
        assert wires.passed_sequences(6) == [1, 2, 6, 7, 9, 10]
        assert [wires.tap.rule_result("A", rule).hit for rule in (late, early, both)] == [1, 2, 2]


@privileged
def test_a_rule_that_nothing_reaches_says_that_it_took_nothing(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.impair(drop(1_000, 4))
        wires.send(datagram(998, 2))
        wires.settle()
        result = wires.tap.rule_result("A", rule)
        assert (result.seen, result.hit, result.first_hit_ns, result.last_hit_ns) == (0, 0, 0, 0)
        assert wires.tap.windows() == []


@privileged
def test_cleared_rules_take_no_more_and_tell_what_they_took(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.impair(drop(1, 5))
        wires.send(datagram(1))
        wires.settle()
        wires.tap.clear_rules()
        wires.tap.clear_rules()
        wires.send(datagram(2))
        assert wires.passed_sequences(1) == [2]
        assert wires.tap.rule_result("A", rule).hit == 1


@privileged
def test_a_ninth_rule_on_a_line_is_refused(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        for number in range(8):
            assert wires.impair(drop(number + 1, 1)) == number
        with pytest.raises(UsageError, match="faults on A"):
            wires.impair(drop(9, 1))
        assert wires.impair(drop(9, 1), "B") == 0
        wires.send(datagram(8))
        assert dropped(wires) == [8], "the eighth is looked at"
        with pytest.raises(ValueError, match="no rule 1"):
            wires.tap.rule_result("B", 1)


@privileged
def test_a_tap_that_does_not_impair_looks_at_no_rule(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        wires.impair(drop(1, 5))
        wires.send(datagram(1))
        assert dropped(wires) == []


@privileged
def test_a_fifth_session_is_refused(topology: Topology, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 sessions"):
        Tap(
            topology,
            line_port=1,
            gateway_port=2,
            market_capacity=16,
            frame_capacity=16,
            directory=tmp_path,
            sessions=[f"S{number}" for number in range(5)],
        )
