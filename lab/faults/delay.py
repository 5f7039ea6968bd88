"""delay: packets of a line are sent late, as over a longer path."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import FaultOptions, Line, register
from lab.faults.impairment import ImpairmentOptions, SenderFault
from lab.faults.rule import Action, Rule
from lab.quantities import Duration, as_tuple

__all__ = ["Delay", "DelayOptions"]


class DelayOptions(ImpairmentOptions):
    """Hold packets back before they are sent; without an end, the line is behind for the whole run."""

    do: Annotated[Literal["delay"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Line, ...],
        as_tuple,
        Field(min_length=1, max_length=2, description="Lines that are late: [A], [B] or [A, B]."),
    ] = ("B",)
    by_ns: Annotated[Duration, Field(alias="by", ge=1, description="How late, such as 50us.")]


@register
class Delay(SenderFault[DelayOptions]):
    name: ClassVar[str] = "delay"
    options_model: ClassVar[type[FaultOptions]] = DelayOptions

    def rule(self) -> Rule:
        return self.options.rule(Action.DELAY, delay_ns=self.options.by_ns)
