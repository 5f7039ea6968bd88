"""A scenario's faults go in; what the exchange and the wires must be told before the start comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lab.faults.base import ExchangePlan, FaultOptions, fault_for
from lab.faults.impairment import SenderFault
from lab.faults.rule import Place, Sessions
from lab.faults.session_roll import SessionRollOptions, session_names

__all__ = ["exchange_settings_of", "impairs_wire", "sender_index_of", "sessions_of", "wire_places_of"]


def rolls_of(faults: Iterable[FaultOptions]) -> list[SessionRollOptions]:
    return [fault for fault in faults if isinstance(fault, SessionRollOptions)]


def sessions_of(faults: Iterable[FaultOptions]) -> Sessions:
    """Where the stream rolls from session to session."""
    return Sessions(rolls=sorted(session_names(rolls_of(faults))))


def exchange_settings_of(faults: Sequence[FaultOptions], seed: int) -> dict[str, Any]:
    """Keys of the exchange's configuration: ``impairments`` and ``sessions``, each only when there are some.

    The exchange draws the chances of its impairments from its own ``seed``, which must be this one.
    """
    plan = ExchangePlan(sessions=sessions_of(faults), names=session_names(rolls_of(faults)))
    told: dict[str, Any] = {}
    for options in faults:
        for key, items in fault_for(options).settings(plan).items():
            told.setdefault(key, []).extend(items)
    if "sessions" in told:
        told["sessions"].sort(key=lambda item: int(item["at_sequence"]))
    return told


def sender_index_of(faults: Sequence[FaultOptions], index: int) -> int:
    """The place among the exchange's ``impairments`` of fault ``index``, which must be one of them."""
    return sum(isinstance(fault_for(options), SenderFault) for options in faults[:index])


def wire_places_of(options: FaultOptions) -> tuple[Place, ...]:
    """Places of the wires where the fault has a rule; none for one that the exchange or the lab executes."""
    places: tuple[Place, ...] = getattr(options, "places", ())
    return places if fault_for(options).on_wire else ()


def impairs_wire(faults: Iterable[FaultOptions]) -> bool:
    """True when the wires' program must look at rules at all."""
    return any(wire_places_of(options) for options in faults)
