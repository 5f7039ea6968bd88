"""Fires a scenario's faults at their triggers, heals them on every way out, and keeps the times.

A fault that waits for a sequence number is looked at every millisecond, one that waits for a time is slept
for. Faults that the wire or the exchange fires by itself are armed: ``arm()`` before the start for those that wait
for a message, ``start()`` for those that wait for a time, as soon as it is known when publishing begins. Their times
are the wire's own stamps, or what the exchange wrote down.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import UndecidedError
from lab.faults import (
    CtlOptions,
    DeployOptions,
    Fault,
    FaultOptions,
    KillOptions,
    Place,
    Rule,
    SenderFault,
    SessionRollOptions,
    fault_for,
    sender_index_of,
    sessions_of,
)
from lab.faults.rule import POSITION_SHIFT
from lab.measure.data import Event, FaultRecord, Transition
from lab.run.child import Child
from lab.run.deployments import Deployment, Request, record_of_deployment, record_of_request
from lab.run.engine_hands import Freezer, detach_programs, switch_wires
from lab.run.fault_records import (
    ExchangeAccount,
    Taken,
    exchange_account,
    record_of_injection,
    record_of_kill,
    record_of_roll,
    record_of_sender,
    record_of_wire,
)
from lab.tap import Tap, Window
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

    @property
    def waiting(self) -> bool:
        """True while the lab has still to fire it, or to heal it at a time of its own."""
        if self.fault.armed or self.healed_ns:
            return False
        return not self.injected_ns or self.options.duration_ns() is not None


class Nemesis:
    """The hands that faults have in one pass; see ``lab.faults.FaultContext``."""

    def __init__(
        self,
        options: Sequence[FaultOptions],
        *,
        topology: Topology,
        tap: Tap,
        engine: Child,
        exchange: Child | None = None,
        seed: int = 0,
        page: Path | None = None,
        control: Path | None = None,
    ) -> None:
        self._topology = topology
        self._tap = tap
        self._engine = engine
        self._exchange = exchange
        self._seed = seed
        self._page = page
        self._freezer = Freezer(engine.pid)
        self._control = control
        self._deployments: dict[int, Deployment] = {}
        self._requests: dict[int, Request] = {}
        self._sessions = sessions_of(options)
        self._planned = [Planned(fault_for(option), option) for option in options]
        self._rules: dict[int, list[tuple[Place, int]]] = {}
        self._arming = 0
        self._start_ns = 0
        self._downed: set[str] = set()
        self._paused = False
        self.events: list[Event] = []

    @property
    def waiting(self) -> bool:
        """True while a fault is still to be fired or healed by us."""
        asked: list[Deployment | Request] = [*self._deployments.values(), *self._requests.values()]
        under_way = any(request.under_way for request in asked)
        return under_way or any(planned.waiting for planned in self._planned)

    def sleep_ns(self, reached: Reached) -> int:
        """How long nothing will be due; the less the lab wakes, the less it takes from the exchange's core."""
        now_ns = time.monotonic_ns()
        waits = [IDLE_NS]
        for planned in self._planned:
            trigger: Any = planned.options.at
            if not planned.waiting:
                continue
            if planned.injected_ns:
                waits.append(planned.injected_ns + (planned.options.duration_ns() or IDLE_NS) - now_ns)
            elif trigger.sequence is not None:
                waits.append(LOOK_NS)
            else:
                waits.append(int(trigger.time_ns) - reached.since_start_ns)
        return max(0, min(waits))

    def arm(self) -> None:
        """Before the start: the faults that the wire fires by itself at a message, and strategies to be checked."""
        self._arm(timed=False)
        for index, planned in enumerate(self._planned):
            if isinstance(planned.options, DeployOptions) and index not in self._deployments:
                self._arming = index
                planned.fault.inject(self)

    def start(self, at_ns: int) -> None:
        """Once it is known when publishing begins, and before it does: those that the wire fires at a time."""
        self._start_ns = at_ns
        self._arm(timed=True)

    def _arm(self, *, timed: bool) -> None:
        for index, planned in enumerate(self._planned):
            if planned.fault.armed and (planned.options.at.sequence is None) == timed:
                self._arming = index
                planned.fault.inject(self)

    def step(self, reached: Reached) -> None:
        """Fires and heals what is due."""
        now_ns = time.monotonic_ns()
        for index, planned in enumerate(self._planned):
            if not planned.waiting:
                continue
            if planned.injected_ns == 0:
                if self._due(planned.options, reached):
                    self._arming = index
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
            stack.callback(self._tap.clear_rules)
            stack.callback(self._raise_links)
            stack.callback(self.resume_engine)
            stack.callback(self.unstall_engine)
            for request in self._requests.values():
                stack.callback(request.wait)
            for deployment in self._deployments.values():
                stack.callback(deployment.wait)
            for planned in reversed(self._planned):
                if not planned.fault.armed and planned.injected_ns and not planned.healed_ns:
                    stack.callback(self._heal, planned)

    def _raise_links(self) -> None:
        for port in sorted(self._downed):
            self.set_link(port, up=True)

    def _note(self, kind: str, what: str) -> None:
        self.events.append(Event(at_ns=time.monotonic_ns(), kind=kind, what=what))

    def impair(self, place: Place, rule: Rule) -> None:
        index = self._arming
        fields = rule.fields(
            place, seed=self._seed, index=index, start_ns=self._start_ns, sessions=self._sessions
        )
        self._rules.setdefault(index, []).append((place, self._tap.impair(place, fields)))

    def clear_rules(self) -> None:
        self._tap.clear_rules()

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

    def set_gateway(self, settings: Mapping[str, int | bool]) -> None:
        if self._exchange is not None and self._exchange.alive:
            self._exchange.send({"do": "gateway", "set": dict(settings)})

    def stall_engine(self) -> None:
        self._freezer.freeze()

    def unstall_engine(self) -> None:
        self._freezer.thaw()

    def detach_xdp(self, port: Literal["A", "B", "order"]) -> None:
        if port != "order":
            self._tap.withdraw_engine(port)
        elif not detach_programs(self._engine.pid):
            raise UndecidedError(
                "the engine has no XDP program to detach", todo="engine: {orders: {wire: af_xdp}}"
            )

    def switch_wires(
        self, ports: Sequence[Literal["A", "B", "order"]], target: Literal["kernel", "af_xdp", "dpdk"]
    ) -> None:
        assert self._page is not None
        switch_wires(self._page, ports, target)

    def set_recovery(self, settings: Mapping[str, int | bool]) -> None:
        if self._exchange is not None and self._exchange.alive:
            self._exchange.send({"do": "recovery", "set": dict(settings)})

    def command(self, do: str, arguments: Mapping[str, Any]) -> None:
        if self._control is not None and self._engine.alive:
            self._requests[self._arming] = Request(self._control, {"do": do, **arguments})

    def deploy_strategy(self, path: Path, parameters: Mapping[str, int], at: Any) -> None:
        """Before the start: checked and loaded. What waits for a time is planned once it is known when that is."""
        if self._control is None or not self._engine.alive:
            return
        deployment = self._deployments.get(self._arming)
        if deployment is None:
            deployment = self._deployments[self._arming] = Deployment(self._control, path, parameters)
        if at.sequence is not None:
            deployment.plan(at_sequence=int(at.sequence))
        elif self._start_ns:
            deployment.plan(at_ns=self._start_ns + int(at.time_ns))
        deployment.wait()

    def records(
        self,
        transitions: Sequence[Transition],
        exchange: Path | None = None,
        strategies: Sequence[Mapping[str, Any]] = (),
    ) -> list[FaultRecord]:
        """What happened; detection and recovery are the engine's own state changes after the injection.

        ``exchange`` is the directory in which the exchange wrote down what it did; ``strategies`` are the engine's
        own changes of its strategy.
        """
        account = exchange_account(exchange)
        windows = self._tap.windows() if self._rules else []
        return [
            self._record(index, planned, windows, account, transitions, strategies)
            for index, planned in enumerate(self._planned)
        ]

    def _record(
        self,
        index: int,
        planned: Planned,
        windows: Sequence[Window],
        account: ExchangeAccount,
        transitions: Sequence[Transition],
        strategies: Sequence[Mapping[str, Any]],
    ) -> FaultRecord:
        fault, options = planned.fault, planned.options
        if isinstance(options, DeployOptions):
            return record_of_deployment(fault.name, self._deployments.get(index), strategies)
        if isinstance(options, CtlOptions):
            return record_of_request(self._requests.get(index), options.command)
        if isinstance(fault, SenderFault):
            number = sender_index_of([planned.options for planned in self._planned], index)
            return record_of_sender(fault.name, self._fields(fault, number), number, account, transitions)
        if isinstance(options, SessionRollOptions):
            ordinal = self._sessions.position(options.at.sequence) >> POSITION_SHIFT
            return record_of_roll(fault.name, ordinal, account, transitions)
        if isinstance(options, KillOptions):
            return record_of_kill(fault.name, options.times_ns(), options.for_ns, account, transitions)
        if fault.on_wire:
            taken = [
                Taken(place=place, number=number, result=self._tap.rule_result(place, number))
                for place, number in self._rules.get(index, [])
            ]
            return record_of_wire(fault.name, taken, windows, transitions)
        return record_of_injection(fault.name, planned.injected_ns, planned.healed_ns, transitions)

    def _fields(self, fault: SenderFault[Any], number: int) -> list[dict[str, int]]:
        """The rules that the exchange made of its impairment ``number``, one for each line."""
        return [
            fault.rule().fields(
                place, seed=self._seed, index=number, start_ns=self._start_ns, sessions=self._sessions
            )
            for place in fault.options.places
        ]
