"""drop: a wire loses packets on their way, by count, by pattern or by chance, once or again and again."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.faults.base import FaultOptions, Service, register
from lab.faults.impairment import PATTERNS, ImpairmentOptions, WireFault
from lab.faults.rule import Action, Place, Rule
from lab.quantities import as_tuple

__all__ = ["Drop", "DropOptions"]

SERVICES: dict[Place, Service] = {"recovery": "requests", "requests": "requests", "snapshot": "snapshots"}


class DropOptions(ImpairmentOptions):
    """Lose packets after they were sent: market data, replies and snapshot on the way to the engine, re-requests on
    the way to the exchange. Every packet of an open window means heartbeats too."""

    do: Annotated[Literal["drop"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Place, ...],
        as_tuple,
        Field(
            min_length=1,
            max_length=5,
            description="What is lost: lines A and B, recovery (replies to re-requests), requests (re-requests), "
            "snapshot (frames of the snapshot's connection).",
        ),
    ] = ("A", "B")

    @model_validator(mode="after")
    def ends(self) -> Self:
        whole = not any(getattr(self, name) is not None for name in PATTERNS)
        if whole and self.packets is None and self.for_ns is None:
            raise ValueError("say how many packets: or for: how long, or which packets with a pattern")
        if "snapshot" in self.lines and self.at.time_ns is None:
            raise ValueError("frames of a snapshot carry no message numbers; say at: {time: ...}")
        if "snapshot" in self.lines and self.repeat is not None:
            raise ValueError("frames of a snapshot carry no message numbers, which repeat: counts")
        return self

    def services(self) -> frozenset[Service]:
        return frozenset(SERVICES[place] for place in self.lines if place in SERVICES)


@register
class Drop(WireFault[DropOptions]):
    name: ClassVar[str] = "drop"
    options_model: ClassVar[type[FaultOptions]] = DropOptions

    def rule(self) -> Rule:
        return self.options.rule(Action.DROP)
