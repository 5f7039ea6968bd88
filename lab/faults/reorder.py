"""reorder: packets of a line fall behind the ones after them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import FaultOptions, Line, register
from lab.faults.impairment import ImpairmentOptions, SenderFault
from lab.faults.rule import Action, Rule
from lab.quantities import Count, as_tuple

__all__ = ["Reorder", "ReorderOptions"]


class ReorderOptions(ImpairmentOptions):
    """Send packets later than their successors."""

    do: Annotated[Literal["reorder"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Line, ...],
        as_tuple,
        Field(min_length=1, max_length=2, description="Lines that do it: [A], [B] or [A, B]."),
    ] = ("A", "B")
    distance: Annotated[
        Count, Field(ge=1, le=128, description="Packets of its line that overtake a packet taken.")
    ] = 1


@register
class Reorder(SenderFault[ReorderOptions]):
    name: ClassVar[str] = "reorder"
    options_model: ClassVar[type[FaultOptions]] = ReorderOptions

    def rule(self) -> Rule:
        return self.options.rule(Action.REORDER, amount=self.options.distance)
