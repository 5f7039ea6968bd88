"""When faults fire and heal, with hands that only write down what they were asked to do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.faults import Fault
from lab.faults.rule import POSITION_SHIFT
from lab.measure.data import Transition
from lab.measure.rows import PACKETS
from lab.run import faults
from lab.run.faults import IDLE_NS, LOOK_NS, Nemesis, Reached
from lab.scenario import Scenario
from lab.tap import RuleResult, Window

MS = 1_000_000
PAUSE = {"do": "pause", "for": "20ms", "at": {"time": "1s"}}
DOWN = {"do": "link_down", "port": "A", "for": "5ms", "at": {"sequence": 100}}
DROP = {"do": "drop", "lines": ["A", "B"], "packets": 3, "at": {"sequence": 50}}
DELAY = {"do": "delay", "lines": ["B"], "by": "50us", "packets": 10, "at": {"sequence": 5}}
ROLL = {"do": "session_roll", "at": {"sequence": 41}}
PID = 4_242


class Hands:
    """Topology, tap, engine and clock in one; ``done`` is what they did, in order."""

    exchange = "here-exchange"
    engine = "here-engine"
    pid = PID
    alive = True

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.now_ns = 1_000 * MS
        self.results: dict[tuple[str, int], RuleResult] = {}
        self.taken: list[Window] = []
        self.broken: set[str] = set()

    def monotonic_ns(self) -> int:
        return self.now_ns

    def set_link(self, namespace: str, interface: str, *, up: bool) -> None:
        self._do("link", interface, "up" if up else "down")

    def impair(self, place: str, rule: Mapping[str, int]) -> int:
        when = "from_position" if "from_position" in rule else "from_ns"
        self._do("rule", place, when, rule[when], rule.get("packets", 0))
        return 0

    def clear_rules(self) -> None:
        self._do("clear")

    def rule_result(self, place: str, number: int) -> RuleResult:
        return self.results.get((place, number), result())

    def windows(self) -> list[Window]:
        return self.taken

    def send(self, message: Mapping[str, Any]) -> None:
        self._do("told", message["do"], message["set"])

    def kill(self, pid: int, sent: int) -> None:
        assert pid == PID
        self._do(signal.Signals(sent).name)

    def _do(self, *what: Any) -> None:
        self.done.append(what if len(what) > 1 else what[0])
        if what[0] in self.broken:
            raise OSError(f"{what[0]} cannot be done")


def result(hit: int = 0, first_ns: int = 0, last_ns: int = 0, controls: int = 0) -> RuleResult:
    return RuleResult(
        seen=hit,
        hit=hit,
        controls=controls,
        windows=1 if hit else 0,
        first_hit_ns=first_ns,
        last_hit_ns=last_ns,
    )


def window(place: str, number: int, first_ns: int, last_ns: int) -> Window:
    return Window(
        place=place, rule=0, number=number, position=1, packets=2, first_ns=first_ns, last_ns=last_ns
    )


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(faults, "time", hands)
    monkeypatch.setattr(os, "kill", hands.kill)
    return hands


def nemesis(hands: Hands, *options: dict[str, Any]) -> Nemesis:
    scenario = Scenario.model_validate({"title": "Faults fire", "faults": list(options)})
    parts: Any = {"topology": hands, "tap": hands, "engine": hands, "exchange": hands}
    return Nemesis(scenario.faults, seed=7, **parts)


def at(messages: int = 0, since_ms: float = 0) -> Reached:
    return Reached(messages=messages, since_start_ns=int(since_ms * MS))


def record(nemesis: Nemesis, *transitions: Transition) -> Any:
    (found,) = nemesis.records(transitions)
    return found


def change(at_ns: int, before: str, after: str) -> Transition:
    return Transition(at_ns=at_ns, before=before, after=after, cause="a test", sequence=1)


# Triggers


def test_a_fault_fires_at_its_sequence_and_not_before(hands: Hands) -> None:
    wires = nemesis(hands, DOWN)
    wires.step(at(messages=99, since_ms=5_000))
    assert hands.done == []
    wires.step(at(messages=100))
    wires.step(at(messages=101))
    assert hands.done == [("link", "line_a", "down")]


def test_a_fault_fires_at_its_time_and_not_before(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE)
    wires.step(at(messages=10**9, since_ms=999.999))
    assert hands.done == []
    wires.step(at(since_ms=1_000))
    assert hands.done == ["SIGSTOP"]


def test_a_fault_heals_once_after_its_time(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE)
    wires.step(at(since_ms=1_000))
    hands.now_ns += 20 * MS - 1
    wires.step(at(since_ms=1_019))
    assert hands.done == ["SIGSTOP"]
    assert wires.waiting
    hands.now_ns += 1
    wires.step(at(since_ms=1_020))
    wires.step(at(since_ms=2_000))
    assert hands.done == ["SIGSTOP", "SIGCONT"]
    assert not wires.waiting


def test_faults_with_one_trigger_fire_in_the_order_of_the_file(hands: Hands) -> None:
    wires = nemesis(hands, {**DOWN, "port": "B"}, DOWN)
    wires.step(at(messages=100))
    assert hands.done == [("link", "line_b", "down"), ("link", "line_a", "down")]


def test_drops_are_armed_before_the_start_and_wait_for_nobody(hands: Hands) -> None:
    wires = nemesis(hands, DROP)
    wires.arm()
    assert hands.done == [("rule", "A", "from_position", 50, 3), ("rule", "B", "from_position", 50, 3)]
    assert not wires.waiting
    wires.start(hands.now_ns)
    wires.step(at(messages=10**6, since_ms=10**6))
    assert len(hands.done) == 2


def test_a_drop_by_time_is_armed_when_the_start_is_known(hands: Hands) -> None:
    wires = nemesis(hands, {"do": "drop", "lines": ["B"], "for": "5ms", "at": {"time": "3ms"}}, DROP)
    wires.arm()
    assert [done[1] for done in hands.done] == ["A", "B"]
    wires.start(hands.now_ns + 100 * MS)
    assert hands.done[2:] == [("rule", "B", "from_ns", hands.now_ns + 103 * MS, 0)]
    assert not wires.waiting


def test_a_message_behind_a_session_roll_is_waited_for_at_its_position(hands: Hands) -> None:
    wires = nemesis(hands, {**DROP, "at": {"sequence": 90}}, {"do": "session_roll", "at": {"sequence": 81}})
    wires.arm()
    assert hands.done[0] == ("rule", "A", "from_position", 1 << POSITION_SHIFT | 10, 3)


def test_what_the_exchange_plays_is_neither_armed_nor_waited_for(hands: Hands) -> None:
    wires = nemesis(hands, DELAY, ROLL)
    wires.arm()
    wires.start(hands.now_ns)
    wires.step(at(messages=10**6, since_ms=10**6))
    assert hands.done == []
    assert not wires.waiting


def test_the_exchange_is_told_at_the_trigger_and_told_again_to_behave(hands: Hands) -> None:
    wires = nemesis(hands, {"do": "refuse_requests", "for": "20ms", "at": {"sequence": 100}})
    wires.step(at(messages=100))
    hands.now_ns += 20 * MS
    wires.step(at(messages=200))
    assert hands.done == [("told", "recovery", {"refuse": True}), ("told", "recovery", {"refuse": False})]
    assert not wires.waiting


def test_the_gateway_is_told_of_the_cuts_and_to_behave_at_the_end(hands: Hands) -> None:
    wires = nemesis(hands, {"do": "disconnect", "times": 3, "orders": 5, "at": {"sequence": 100}})
    wires.step(at(messages=100))
    assert not wires.waiting
    wires.heal()
    cuts = {"cuts": 3, "cut_orders": 5, "cut_seed": 1}
    assert [done for done in hands.done if done[0] == "told"] == [
        ("told", "gateway", cuts),
        ("told", "gateway", {}),
    ]


def test_a_fault_that_lasts_to_the_end_keeps_nobody_waiting(hands: Hands) -> None:
    wires = nemesis(hands, {"do": "cut_snapshot", "connections": 2, "at": {"time": "0s"}})
    assert wires.waiting
    wires.step(at(since_ms=0))
    assert not wires.waiting
    assert wires.sleep_ns(at()) == IDLE_NS
    wires.heal()
    assert [done[2]["snapshot_cut_connections"] for done in hands.done if done[0] == "told"] == [2, 0]


def test_a_dead_exchange_is_told_nothing(hands: Hands) -> None:
    wires = nemesis(hands, {"do": "refuse_requests", "at": {"time": "0s"}})
    wires.step(at(since_ms=0))
    hands.alive = False
    wires.heal()
    assert hands.done[1:] == ["clear"]


def test_the_lab_sleeps_until_something_is_due(hands: Hands) -> None:
    assert nemesis(hands).sleep_ns(at()) == IDLE_NS
    assert nemesis(hands, DROP).sleep_ns(at()) == IDLE_NS
    assert nemesis(hands, DOWN).sleep_ns(at()) == LOOK_NS
    assert nemesis(hands, PAUSE).sleep_ns(at(since_ms=990)) == 10 * MS
    assert nemesis(hands, PAUSE).sleep_ns(at(since_ms=1_010)) == 0
    paused = nemesis(hands, PAUSE)
    paused.step(at(since_ms=1_000))
    hands.now_ns += 15 * MS
    assert paused.sleep_ns(at(since_ms=1_015)) == 5 * MS


# Healing


def test_healing_undoes_what_was_injected_and_twice_is_the_same(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE, DOWN, DROP)
    wires.arm()
    wires.step(at(messages=100, since_ms=1_000))
    hands.done.clear()
    wires.heal()
    assert hands.done == ["SIGCONT", ("link", "line_a", "up"), "clear"]
    wires.heal()
    assert hands.done[3:] == ["clear"]


def test_healing_what_never_happened_does_nothing(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE, DOWN)
    wires.heal()
    assert hands.done == ["clear"]
    assert wires.events == []


def test_a_dead_engine_is_not_sent_a_signal(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE)
    wires.step(at(since_ms=1_000))
    hands.alive = False
    wires.heal()
    assert hands.done == ["SIGSTOP", "clear"]


def test_a_fault_that_cannot_be_healed_leaves_no_other_unhealed(hands: Hands) -> None:
    wires = nemesis(hands, DOWN, PAUSE)
    wires.step(at(messages=100, since_ms=1_000))
    hands.done.clear()
    hands.broken.add("link")
    with pytest.raises(OSError, match="link cannot be done"):
        wires.heal()
    assert "SIGCONT" in hands.done
    assert hands.done[-1] == "clear"


def test_a_fault_whose_injection_fails_is_healed(hands: Hands) -> None:
    wires = nemesis(hands, DOWN)
    hands.broken.add("link")
    with pytest.raises(OSError, match="link cannot be done"):
        wires.step(at(messages=100))
    hands.broken.clear()
    wires.heal()
    assert hands.done[1:] == [("link", "line_a", "up"), "clear"]


# Records


def test_a_fault_that_never_fired_says_so(hands: Hands) -> None:
    wires = nemesis(hands, PAUSE)
    wires.step(at(since_ms=10))
    wires.heal()
    found = record(wires)
    assert found.detail == "its trigger was never reached"
    assert (found.injected_ns, found.healed_ns, found.detected_ns, found.recovered_ns) == (0, 0, 0, 0)


def test_times_are_those_of_injecting_healing_detecting_and_recovering(hands: Hands) -> None:
    wires = nemesis(hands, DOWN)
    injected_ns = hands.now_ns
    wires.step(at(messages=100))
    hands.now_ns += 5 * MS
    wires.step(at(messages=200))
    early = change(injected_ns - 1, "LIVE", "GAP")
    lost = change(injected_ns + 3, "LIVE", "DOWN")
    back = change(injected_ns + 9, "DOWN", "LIVE")
    found = record(wires, early, lost, back)
    assert (found.name, found.injected_ns, found.healed_ns) == (
        "link_down",
        injected_ns,
        injected_ns + 5 * MS,
    )
    assert (found.detected_ns, found.recovered_ns) == (injected_ns + 3, injected_ns + 9)
    assert [event.what for event in wires.events] == ["link_down injected", "link_down healed"]


def test_the_end_of_the_session_is_no_detection(hands: Hands) -> None:
    wires = nemesis(hands, DOWN)
    wires.step(at(messages=100))
    found = record(wires, change(hands.now_ns + 3, "LIVE", "ENDED"))
    assert (found.detected_ns, found.recovered_ns) == (0, 0)


def test_a_drop_has_the_stamps_of_the_wire_over_both_lines(hands: Hands) -> None:
    wires = nemesis(hands, DROP)
    wires.arm()
    hands.results["A", 0] = result(3, 20, 40)
    hands.results["B", 0] = result(2, 15, 30, controls=4)
    hands.taken = [window("B", 1, 15, 30), window("A", 1, 20, 40)]
    found = record(wires)
    assert (found.injected_ns, found.healed_ns) == (15, 40)
    assert found.detail == "line A: 3 packets dropped, line B: 2 packets dropped and 4 heartbeats"
    assert found.windows == ((15, 40),)


def test_a_drop_that_nothing_reached_says_that_it_dropped_nothing(hands: Hands) -> None:
    wires = nemesis(hands, DROP)
    wires.arm()
    found = record(wires)
    assert found.injected_ns == 0
    assert found.detail == "line A: 0 packets dropped, line B: 0 packets dropped"
    assert found.windows == ()


def repeated(hands: Hands) -> Nemesis:
    wires = nemesis(hands, {**DROP, "repeat": {"times": 3, "every": 100}})
    wires.arm()
    hands.results["A", 0] = hands.results["B", 0] = result(9, 100, 350)
    for place in ("A", "B"):
        hands.taken += [window(place, number, number * 100, number * 100 + 50) for number in (1, 2, 3)]
    return wires


def test_each_window_of_a_repeated_drop_is_noticed_and_recovered_for_itself(hands: Hands) -> None:
    changes = [
        change(110, "LIVE", "GAP"),
        change(120, "GAP", "RECOVERING"),
        change(160, "RECOVERING", "LIVE"),
        change(310, "LIVE", "GAP"),
        change(380, "GAP", "LIVE"),
    ]
    found = record(repeated(hands), *changes)
    assert found.windows == ((100, 150), (200, 250), (300, 350))
    assert (found.injected_ns, found.healed_ns) == (100, 350)
    assert (found.detected_ns, found.recovered_ns) == (110, 380)
    assert found.detail.endswith("3 windows, 2 noticed, 2 recovered")


def test_one_window_that_is_never_recovered_leaves_the_fault_unrecovered(hands: Hands) -> None:
    changes = [change(110, "LIVE", "GAP"), change(160, "GAP", "LIVE"), change(310, "LIVE", "GAP")]
    found = record(repeated(hands), *changes)
    assert (found.detected_ns, found.recovered_ns) == (110, 0)
    assert found.detail.endswith("3 windows, 2 noticed, 1 recovered")


def exchange_files(folder: Path, *impairments: dict[str, Any], published: int = 80) -> Path:
    """Packets of one message, a microsecond apart from 1000 on; the second session begins with the 41st."""
    packets = np.zeros(80, PACKETS)
    numbers = np.arange(80, dtype=np.uint64)
    packets["first_sequence"] = (numbers // 40 << np.uint64(POSITION_SHIFT)) + numbers % 40 + 1
    packets["count"] = 1
    packets["intended_ns"] = 1_000 + numbers * 1_000
    packets["sent_ns"] = packets["intended_ns"][:, None] + 7
    np.save(folder / "packets.npy", packets[:published])
    (folder / "exchange.json").write_text(json.dumps({"impairments": list(impairments)}))
    return folder


def test_a_fault_of_the_exchange_has_the_times_that_the_exchange_wrote_down(
    hands: Hands, tmp_path: Path
) -> None:
    wires = nemesis(hands, DROP, {**DELAY, "repeat": {"times": 2, "every": 20}})
    wires.arm()
    wires.start(1_000)
    row = {"rule": 0, "line": "B", "windows": 2, "hit": 20, "first_hit_ns": 5_000, "last_hit_ns": 34_000}
    _, found = wires.records([change(5_500, "LIVE", "GAP")], exchange_files(tmp_path, row))
    assert (found.name, found.injected_ns, found.healed_ns) == ("delay", 5_000, 34_000)
    assert found.windows == ((5_000, 14_000), (25_000, 34_000))
    assert (found.detected_ns, found.recovered_ns) == (5_500, 0)
    assert found.detail == "line B: 20 packets, 2 windows, 1 noticed, 0 recovered"


def test_a_session_roll_happens_with_the_first_packet_of_its_session(hands: Hands, tmp_path: Path) -> None:
    wires = nemesis(hands, ROLL)
    changes = [change(41_020, "LIVE", "RESYNC"), change(41_030, "RESYNC", "LIVE")]
    (found,) = wires.records(changes, exchange_files(tmp_path))
    assert (found.injected_ns, found.healed_ns) == (41_007, 41_007)
    assert (found.detected_ns, found.recovered_ns) == (41_020, 41_030)


def test_what_the_exchange_never_came_to_did_not_happen(hands: Hands, tmp_path: Path) -> None:
    row = {"rule": 0, "line": "B", "windows": 0, "hit": 0, "first_hit_ns": 0, "last_hit_ns": 0}
    wires = nemesis(hands, ROLL, DELAY)
    roll, delay = wires.records([], exchange_files(tmp_path, row, published=40))
    assert (roll.injected_ns, roll.detail) == (0, "its message was never published")
    assert (delay.injected_ns, delay.detail, delay.windows) == (0, "line B: 0 packets", ())
    assert [record.injected_ns for record in wires.records([], tmp_path / "nothing")] == [0, 0]


def test_every_fault_that_the_wire_fires_is_armed(hands: Hands) -> None:
    wires = nemesis(hands, DROP, DOWN)
    armed: list[Fault[Any]] = [planned.fault for planned in wires._planned if planned.fault.armed]
    assert [fault.name for fault in armed] == ["drop"]
