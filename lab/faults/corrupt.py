"""corrupt: a wire spoils packets on their way to the engine, which gets them all the same."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.faults.base import FaultOptions, Service, register
from lab.faults.impairment import ImpairmentOptions, WireFault
from lab.faults.rule import Action, Corruption, Rule
from lab.quantities import Count, as_tuple

__all__ = ["Corrupt", "CorruptOptions"]

What = Literal["bits", "truncate", "count", "zero_block", "checksum"]
AMOUNT_MAX = {"bits": 64, "truncate": 1472, "count": 65_535}


class CorruptOptions(ImpairmentOptions):
    """Spoil packets. Where the UDP checksum would give the harm away to the kernel it is set to none (0)."""

    do: Annotated[Literal["corrupt"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Literal["A", "B", "recovery"], ...],
        as_tuple,
        Field(
            min_length=1, max_length=3, description="Lines A and B, and recovery (replies to re-requests)."
        ),
    ] = ("A", "B")
    what: Annotated[
        What,
        Field(
            description="bits: flips bits of the payload at seeded places; truncate: cuts bytes off its end; count: "
            "adds to its message count; zero_block: its first message becomes empty; checksum: a wrong UDP checksum."
        ),
    ]
    amount: Annotated[
        Count | None,
        Field(ge=1, le=65_535, description="How many bits, bytes or messages; 1 when it is left out."),
    ] = None

    @model_validator(mode="after")
    def amount_has_a_meaning(self) -> Self:
        if self.amount is None:
            return self
        if self.what not in AMOUNT_MAX:
            raise ValueError(f"amount: means nothing to {self.what}")
        if self.amount > AMOUNT_MAX[self.what]:
            raise ValueError(f"amount: {self.what} takes at most {AMOUNT_MAX[self.what]}")
        return self

    def services(self) -> frozenset[Service]:
        return frozenset({"requests"}) if "recovery" in self.lines else frozenset()


@register
class Corrupt(WireFault[CorruptOptions]):
    name: ClassVar[str] = "corrupt"
    options_model: ClassVar[type[FaultOptions]] = CorruptOptions

    def rule(self) -> Rule:
        corruption = Corruption[self.options.what.upper()]
        amount = (self.options.amount or 1) if self.options.what in AMOUNT_MAX else 0
        return self.options.rule(Action.CORRUPT, corruption=corruption, amount=amount)
