"""``ports:`` of a scenario: the host's own interfaces that stand for wires; a wire not named keeps its veth pair.

Lines A and B may name the engine's end alone: the cable then leads to a TRex server's own port (``far_end_problems``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.faults import FaultOptions
from lab.quantities import FrozenModel

if TYPE_CHECKING:
    from lab.scenario.models import Measure, Traffic

__all__ = ["PortPair", "Ports", "far_end_problems"]

WIRE_NAMES = ("A", "B", "order", "recovery")
Port = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/]+$")]


class PortPair(FrozenModel):
    """The two ports of one wire, cabled to each other or to one switch. An interface, or a PCI address."""

    exchange: Annotated[
        Port | None,
        Field(
            description="The exchange's end, such as enp1s0f0 or 0000:01:00.0. Lines A and B have none when it is a "
            "TRex server's own port that the cable leads to."
        ),
    ] = None
    engine: Annotated[Port, Field(description="The engine's end.")]


class Ports(FrozenModel):
    """Which interfaces are the wires, and how far the lab may go with them."""

    A: Annotated[PortPair | None, Field(description="Line A.")] = None
    B: Annotated[PortPair | None, Field(description="Line B.")] = None
    order: Annotated[PortPair | None, Field(description="The order wire.")] = None
    recovery: Annotated[PortPair | None, Field(description="The recovery wire.")] = None
    allow_default_route: Annotated[
        bool,
        Field(description="Take a port although routes of this host lead over it. It is put back after."),
    ] = False
    stamps: Annotated[
        Literal["auto", "hardware", "software"],
        Field(
            description="auto: the card's own stamps where a named port has them for every packet; hardware: ask for "
            "them on every named port; software: the XDP hook's."
        ),
    ] = "auto"

    @property
    def wires(self) -> dict[str, tuple[str | None, str]]:
        """Wire -> (exchange's port, engine's port), of the wires that are named. None: the far end is another's."""
        pairs = {name: getattr(self, name) for name in WIRE_NAMES}
        return {name: (pair.exchange, pair.engine) for name, pair in pairs.items() if pair is not None}

    @model_validator(mode="after")
    def every_port_once(self) -> Self:
        named = [port for pair in self.wires.values() for port in pair if port is not None]
        twice = sorted({port for port in named if named.count(port) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice; each end of each wire has a port of its own")
        return self


def far_end_problems(
    ports: Ports | None,
    traffic: Traffic | None,
    measure: Measure | None,
    faults: Sequence[tuple[int, FaultOptions]],
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(where, what) of what cannot be with wires whose far end is not ours."""
    far = [name for name, ends in ports.wires.items() if ends[0] is None] if ports is not None else []
    lines = [name for name in far if name in ("A", "B")]
    for name in far:
        if name not in lines:
            yield ("ports", name, "exchange"), "is required: the exchange itself is at that end"
    if not lines:
        return
    if len(lines) == 1:
        why = "TRex sends both lines: leave the exchange's end out of A and of B, or of neither"
        yield ("ports", lines[0], "exchange"), why
    if traffic is not None and (traffic.driver != "trex" or not traffic.ports):
        yield (
            ("ports", lines[0], "exchange"),
            "without it somebody else has to send: traffic: {driver: trex, server: HOST, ports: [0, 1]}",
        )
    if measure is not None and measure.wire_floor:
        yield (
            ("measure", "wire_floor"),
            "the exchange measures it, and has no end of these lines; say wire_floor: false",
        )
    for index, fault in faults:
        if fault.do == "link_down" and getattr(fault, "port", None) in lines:
            yield (
                ("faults", index, "port"),
                "the far end of that wire is TRex's: its link is not ours to take down",
            )
