"""The sections of a scenario go in; out comes what is wrong only when they are seen together.

A fault after the end of the traffic, a fault of a service that the engine does not use, more rules than a wire has
room for, sessions that cannot follow each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from engine.risk_table import RiskTableError, load_risk_table
from lab.faults import (
    FIRST_SESSION,
    CtlOptions,
    FaultOptions,
    SenderFault,
    SessionRollOptions,
    fault_for,
    session_names,
    wire_places_of,
)
from lab.scenario.document import KeyPath
from lab.scenario.dpdk import dpdk_problems
from lab.scenario.models import Engine, Traffic
from lab.scenario.ports import Ports
from lab.scenario.trex import shared_problems, trex_problems
from lab.scenario.venue import venue_problems
from lab.units import format_duration_exact

__all__ = ["problems_across", "unusable_tables"]

RULES_MAX = 8  # a line on the wire; all together in the exchange
ROLLS_MAX = 3  # four sessions

Found = tuple[KeyPath, str]  # where, what


def problems_across(
    traffic: Traffic | None,
    engine: Engine | None,
    faults: Sequence[tuple[int, FaultOptions]],
    expected: Collection[str] = (),
    ports: Ports | None = None,
) -> Iterator[Found]:
    """``faults`` with their index in the file; a section that could not be read is None."""
    yield from venue_problems(traffic, engine, faults, expected)
    yield from trex_problems(traffic, faults)
    yield from shared_problems(traffic, engine)
    yield from dpdk_problems(engine, faults, ports)
    yield from _rolls(faults)
    yield from _rules(faults)
    if engine is not None and engine.venue != "mdp3":
        yield from _services(engine, faults)
    if traffic is not None and traffic.kind == "model" and traffic.duration_ns is not None:
        yield from _after_the_end(traffic, traffic.duration_ns, faults)


def _after_the_end(
    traffic: Traffic, duration_ns: int, faults: Sequence[tuple[int, FaultOptions]]
) -> Iterator[Found]:
    messages = traffic.messages or 0
    if messages == 0:
        yield ("traffic", "rate"), "rate x duration is less than one message"
    if traffic.bursts is not None and traffic.bursts.every_ns >= duration_ns:
        yield ("traffic", "bursts", "every"), "the first burst comes after the end of the traffic"
    for index, noise in enumerate(traffic.noise):
        if noise.at_ns >= duration_ns:
            end = format_duration_exact(duration_ns)
            yield ("traffic", "noise", index, "at"), f"after the end of the traffic, which lasts {end}"
    for index, fault in faults:
        here: KeyPath = ("faults", index)
        time_ns = getattr(fault.at, "time_ns", None)
        if time_ns is not None and time_ns >= duration_ns:
            end = format_duration_exact(duration_ns)
            yield (*here, "at", "time"), f"after the end of the traffic, which lasts {end}"
        sequence, last = fault.at.sequence, fault.last_sequence()
        if sequence is not None and sequence > messages > 0:
            yield (
                (*here, "at", "sequence"),
                f"after the end of the traffic, which has {messages} messages",
            )
        elif last is not None and last > messages > 0:
            yield (
                (*here, "repeat"),
                f"the last time is message {last}, after the end of the traffic, which has {messages} messages",
            )


def unusable_tables(faults: Sequence[tuple[int, FaultOptions]]) -> Iterator[Found]:
    """Files with tables of limits that the engine would refuse, or not find, in mid-run."""
    for index, fault in faults:
        if isinstance(fault, CtlOptions) and fault.arguments.path is not None:
            try:
                load_risk_table(Path(fault.arguments.path))
            except RiskTableError as error:
                yield ("faults", index, "with", "path"), str(error)


def _services(engine: Engine, faults: Sequence[tuple[int, FaultOptions]]) -> Iterator[Found]:
    for index, fault in faults:
        for service in sorted(fault.services() - set(engine.recovery)):
            yield ("faults", index), f"{fault.do} harms {service}, which engine.recovery leaves out"


def _rules(faults: Sequence[tuple[int, FaultOptions]]) -> Iterator[Found]:
    wire: Counter[str] = Counter()
    sender = 0
    for index, fault in faults:
        places = wire_places_of(fault)
        wire.update(places)
        full = [place for place in places if wire[place] == RULES_MAX + 1]
        if full:
            yield ("faults", index, "lines"), f"{full[0]} takes at most {RULES_MAX} faults"
        if isinstance(fault_for(fault), SenderFault):
            sender += 1
            if sender == RULES_MAX + 1:
                yield ("faults", index), f"the exchange takes at most {RULES_MAX} faults"


def _rolls(faults: Sequence[tuple[int, FaultOptions]]) -> Iterator[Found]:
    rolls = [(index, fault) for index, fault in faults if isinstance(fault, SessionRollOptions)]
    names = session_names([fault for _, fault in rolls])
    taken = {FIRST_SESSION: 1}
    for number, (index, fault) in enumerate(sorted(rolls, key=lambda roll: roll[1].at.sequence), 1):
        here: KeyPath = ("faults", index)
        name = names[fault.at.sequence]
        if number > ROLLS_MAX:
            yield here, f"a run has at most {ROLLS_MAX + 1} sessions"
        elif fault.at.sequence in taken.values():
            yield (*here, "at", "sequence"), "a session begins with this message already"
        elif name in taken:
            yield (*here, "session"), f"a session is called {name} already"
        taken[name] = fault.at.sequence
