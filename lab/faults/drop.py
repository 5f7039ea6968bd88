"""drop: the wire loses consecutive packets of one or both lines, from one that carries a sequence."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Line, SequenceTrigger, register
from lab.quantities import Count, as_tuple

__all__ = ["Drop", "DropOptions"]


class DropOptions(FaultOptions):
    """Lose packets on the way to the engine, after the exchange sent them."""

    do: Annotated[Literal["drop"], Field(description="The fault's name.")]
    lines: Annotated[
        tuple[Line, ...],
        as_tuple,
        Field(min_length=1, max_length=2, description="Lines that lose them: [A], [B] or [A, B]."),
    ] = ("A", "B")
    packets: Annotated[Count, Field(ge=1, description="Consecutive packets lost on each line.")]
    at: Annotated[
        SequenceTrigger, Field(description="The first packet lost is the one carrying this message.")
    ]


@register
class Drop(Fault[DropOptions]):
    """Armed before traffic starts: the wire program counts, so the loss is exact at any rate."""

    name: ClassVar[str] = "drop"
    options_model: ClassVar[type[FaultOptions]] = DropOptions
    armed: ClassVar[bool] = True

    def inject(self, context: FaultContext) -> None:
        for line in self.options.lines:
            context.drop_packets(line, self.options.at.sequence, self.options.packets)

    def heal(self, context: FaultContext) -> None:
        for line in self.options.lines:
            context.clear_drops(line)
