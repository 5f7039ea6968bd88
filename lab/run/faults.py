"""Fires a scenario's faults at their triggers, heals them on every way out, and keeps the times.

A fault that waits for a sequence number is looked at every millisecond, one that waits for a time is slept
for. Faults that the wire itself fires (drop) are armed before the start; their times are the wire's own stamps.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lab.faults import Fault, FaultOptions, fault_for
from lab.measure.data import Event, FaultRecord, Transition
from lab.run.child import Child
from lab.tap import Tap
from lab.topology import Topology
from lab.topology.wires import WIRES

__all__ = ["Nemesis", "Reached"]

IDLE_NS = 250_000_000
LOOK_NS = 1_000_000  # between two looks while a fault waits for a sequence number


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far the market is: what triggers are compared with."""

    messages: int
    since_start_ns: int


@dataclass
class Planned:
    fault: Fault[Any]
    options: FaultOptions
    injected_ns: int = 0
    healed_ns: int = 0


class Nemesis:
    """The hands that faults have in one pass; see ``lab.faults.FaultContext``."""

    def __init__(
        self, options: Sequence[FaultOptions], *, topology: Topology, tap: Tap, engine: Child
    ) -> None:
        self._topology = topology
        self._tap = tap
        self._engine = engine
        self._planned = [Planned(fault_for(option), option) for option in options]
        self._rules: dict[int, list[tuple[str, int]]] = {}
        self._arming = 0
        self._downed: set[str] = set()
        self._paused = False
        self.events: list[Event] = []

    @property
    def waiting(self) -> bool:
        """True while a fault is still to be fired or healed by us."""
        return any(not planned.fault.armed and planned.healed_ns == 0 for planned in self._planned)

    def sleep_ns(self, reached: Reached) -> int:
        """How long nothing will be due; the less the lab wakes, the less it takes from the exchange's core."""
        now_ns = time.monotonic_ns()
        waits = [IDLE_NS]
        for planned in self._planned:
            trigger: Any = planned.options.at
            if planned.fault.armed or planned.healed_ns:
                continue
            if planned.injected_ns:
                waits.append(planned.injected_ns + (planned.options.duration_ns() or IDLE_NS) - now_ns)
            elif trigger.sequence is not None:
                waits.append(LOOK_NS)
            else:
                waits.append(int(trigger.time_ns) - reached.since_start_ns)
        return max(0, min(waits))

    def arm(self) -> None:
        """Before the start: the faults that the wire fires by itself."""
        for index, planned in enumerate(self._planned):
            if planned.fault.armed:
                self._arming = index
                planned.fault.inject(self)

    def step(self, reached: Reached) -> None:
        """Fires and heals what is due."""
        now_ns = time.monotonic_ns()
        for planned in self._planned:
            if planned.fault.armed or planned.healed_ns:
                continue
            if planned.injected_ns == 0:
                if self._due(planned.options, reached):
                    planned.injected_ns = now_ns
                    planned.fault.inject(self)
                    self._note("fault", f"{planned.fault.name} injected")
                continue
            duration_ns = planned.options.duration_ns()
            if duration_ns is not None and now_ns >= planned.injected_ns + duration_ns:
                self._heal(planned)

    @staticmethod
    def _due(options: FaultOptions, reached: Reached) -> bool:
        trigger: Any = options.at
        if trigger.sequence is not None:
            return reached.messages >= int(trigger.sequence)
        return reached.since_start_ns >= int(trigger.time_ns)

    def _heal(self, planned: Planned) -> None:
        planned.fault.heal(self)
        planned.healed_ns = time.monotonic_ns()
        self._note("fault", f"{planned.fault.name} healed")

    def heal(self) -> None:
        """Heals everything, whatever happened before; one that cannot be healed keeps no other broken.

        Safe to call twice.
        """
        with ExitStack() as stack:  # the last one first, all of them, and then raises what was raised
            stack.callback(self._tap.clear_drops)
            stack.callback(self._raise_links)
            stack.callback(self.resume_engine)
            for planned in reversed(self._planned):
                if not planned.fault.armed and planned.injected_ns and not planned.healed_ns:
                    stack.callback(self._heal, planned)

    def _raise_links(self) -> None:
        for port in sorted(self._downed):
            self.set_link(port, up=True)

    def _note(self, kind: str, what: str) -> None:
        self.events.append(Event(at_ns=time.monotonic_ns(), kind=kind, what=what))

    def drop_packets(self, line: str, sequence: int, packets: int) -> None:
        rule = self._tap.drop(line, sequence=sequence, packets=packets)
        self._rules.setdefault(self._arming, []).append((line, rule))

    def clear_drops(self, line: str) -> None:
        self._tap.clear_drops()

    def set_link(self, port: str, *, up: bool) -> None:
        self._topology.set_link(self._topology.exchange, WIRES[port].interface, up=up)
        (self._downed.discard if up else self._downed.add)(port)

    def pause_engine(self) -> None:
        os.kill(self._engine.pid, signal.SIGSTOP)
        self._paused = True

    def resume_engine(self) -> None:
        if self._paused and self._engine.alive:
            os.kill(self._engine.pid, signal.SIGCONT)
        self._paused = False

    def records(self, transitions: Sequence[Transition]) -> list[FaultRecord]:
        """What happened; detection and recovery are the engine's own state changes after the injection."""
        return [self._record(index, planned, transitions) for index, planned in enumerate(self._planned)]

    def _record(self, index: int, planned: Planned, transitions: Sequence[Transition]) -> FaultRecord:
        injected_ns, healed_ns, detail = planned.injected_ns, planned.healed_ns, ""
        if planned.fault.armed:
            results = [(line, self._tap.drop_result(line, rule)) for line, rule in self._rules.get(index, [])]
            fired = [result for _, result in results if result.dropped]
            injected_ns = min((result.first_drop_ns for result in fired), default=0)
            healed_ns = max((result.last_drop_ns for result in fired), default=0)
            detail = ", ".join(f"line {line}: {result.dropped} packets dropped" for line, result in results)
        elif injected_ns == 0:
            detail = "its trigger was never reached"
        lost = [t for t in transitions if injected_ns and t.at_ns >= injected_ns and t.before == "LIVE"]
        detected_ns = lost[0].at_ns if lost and lost[0].after != "ENDED" else 0
        back = [t for t in transitions if detected_ns and t.at_ns > detected_ns and t.after == "LIVE"]
        return FaultRecord(
            name=planned.fault.name,
            injected_ns=injected_ns,
            healed_ns=healed_ns,
            detected_ns=detected_ns,
            recovered_ns=back[0].at_ns if back else 0,
            detail=detail,
        )
