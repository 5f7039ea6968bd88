"""``ports:`` of a scenario: the host's own interfaces that stand for wires; a wire not named keeps its veth pair."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.quantities import FrozenModel

__all__ = ["PortPair", "Ports"]

WIRE_NAMES = ("A", "B", "order", "recovery")
Port = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/]+$")]


class PortPair(FrozenModel):
    """The two ports of one wire, cabled to each other or to one switch. An interface, or a PCI address."""

    exchange: Annotated[Port, Field(description="The exchange's end, such as enp1s0f0 or 0000:01:00.0.")]
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
    def wires(self) -> dict[str, tuple[str, str]]:
        """Wire -> (exchange's port, engine's port), of the wires that are named."""
        pairs = {name: getattr(self, name) for name in WIRE_NAMES}
        return {name: (pair.exchange, pair.engine) for name, pair in pairs.items() if pair is not None}

    @model_validator(mode="after")
    def every_port_once(self) -> Self:
        named = [port for pair in self.wires.values() for port in pair]
        twice = sorted({port for port in named if named.count(port) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice; each end of each wire has a port of its own")
        return self
