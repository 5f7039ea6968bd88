"""duplicate: the exchange sends packets of a line more than once."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import FaultOptions, Line, register
from lab.faults.impairment import ImpairmentOptions, SenderFault
from lab.faults.rule import Action, Rule
from lab.quantities import Count, as_tuple

__all__ = ["Duplicate", "DuplicateOptions"]


class DuplicateOptions(ImpairmentOptions):
    """Send packets again, right behind themselves."""

    do: Annotated[Literal["duplicate"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Line, ...],
        as_tuple,
        Field(min_length=1, max_length=2, description="Lines that send them: [A], [B] or [A, B]."),
    ] = ("A", "B")
    copies: Annotated[Count, Field(ge=1, le=8, description="How many besides the first.")] = 1


@register
class Duplicate(SenderFault[DuplicateOptions]):
    name: ClassVar[str] = "duplicate"
    options_model: ClassVar[type[FaultOptions]] = DuplicateOptions

    def rule(self) -> Rule:
        return self.options.rule(Action.DUPLICATE, amount=self.options.copies)
