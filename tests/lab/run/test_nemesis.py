"""When faults fire and heal, with hands that only write down what they were asked to do."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from lab.faults import Fault
from lab.measure.data import Transition
from lab.run import faults
from lab.run.faults import IDLE_NS, LOOK_NS, Nemesis, Reached
from lab.scenario import Scenario
from lab.tap import DropResult

MS = 1_000_000
PAUSE = {"do": "pause", "for": "20ms", "at": {"time": "1s"}}
DOWN = {"do": "link_down", "port": "A", "for": "5ms", "at": {"sequence": 100}}
DROP = {"do": "drop", "lines": ["A", "B"], "packets": 3, "at": {"sequence": 50}}
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
        self.results: dict[tuple[str, int], DropResult] = {}
        self.broken: set[str] = set()

    def monotonic_ns(self) -> int:
        return self.now_ns

    def set_link(self, namespace: str, interface: str, *, up: bool) -> None:
        self._do("link", interface, "up" if up else "down")

    def drop(self, line: str, *, sequence: int, packets: int) -> int:
        self._do("drop", line, sequence, packets)
        return 0

    def clear_drops(self) -> None:
        self._do("clear")

    def drop_result(self, line: str, rule: int) -> DropResult:
        empty = DropResult(left=3, dropped=0, first_drop_ns=0, last_drop_ns=0)
        return self.results.get((line, rule), empty)

    def kill(self, pid: int, sent: int) -> None:
        assert pid == PID
        self._do(signal.Signals(sent).name)

    def _do(self, *what: Any) -> None:
        self.done.append(what if len(what) > 1 else what[0])
        if what[0] in self.broken:
            raise OSError(f"{what[0]} cannot be done")


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(faults, "time", hands)
    monkeypatch.setattr(os, "kill", hands.kill)
    return hands


def nemesis(hands: Hands, *options: dict[str, Any]) -> Nemesis:
    scenario = Scenario.model_validate({"title": "Faults fire", "faults": list(options)})
    parts: Any = {"topology": hands, "tap": hands, "engine": hands}
    return Nemesis(scenario.faults, **parts)


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
    assert hands.done == [("drop", "A", 50, 3), ("drop", "B", 50, 3)]
    assert not wires.waiting
    wires.step(at(messages=10**6, since_ms=10**6))
    assert len(hands.done) == 2


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
    hands.results["A", 0] = DropResult(left=0, dropped=3, first_drop_ns=20, last_drop_ns=40)
    hands.results["B", 0] = DropResult(left=1, dropped=2, first_drop_ns=15, last_drop_ns=30)
    found = record(wires)
    assert (found.injected_ns, found.healed_ns) == (15, 40)
    assert found.detail == "line A: 3 packets dropped, line B: 2 packets dropped"


def test_a_drop_that_nothing_reached_says_that_it_dropped_nothing(hands: Hands) -> None:
    wires = nemesis(hands, DROP)
    wires.arm()
    found = record(wires)
    assert found.injected_ns == 0
    assert found.detail == "line A: 0 packets dropped, line B: 0 packets dropped"


def test_every_fault_that_the_wire_fires_is_armed(hands: Hands) -> None:
    wires = nemesis(hands, DROP, DOWN)
    armed: list[Fault[Any]] = [planned.fault for planned in wires._planned if planned.fault.armed]
    assert [fault.name for fault in armed] == ["drop"]
