"""pause: the engine process stands still for a while, as under a hypervisor that takes its core away."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import Duration

__all__ = ["Pause", "PauseOptions"]


class PauseOptions(FaultOptions):
    """Stop the engine, then let it go on; the market does not wait."""

    do: Annotated[Literal["pause"], Field(description="The fault's name.")]
    for_ns: Annotated[
        Duration, Field(alias="for", ge=1, description="How long it stands still, such as 50ms.")
    ]
    at: Annotated[Trigger, Field(description="When it stops: sequence or time.")]

    def duration_ns(self) -> int | None:
        return self.for_ns


@register
class Pause(Fault[PauseOptions]):
    name: ClassVar[str] = "pause"
    options_model: ClassVar[type[FaultOptions]] = PauseOptions

    def inject(self, context: FaultContext) -> None:
        context.pause_engine()

    def heal(self, context: FaultContext) -> None:
        context.resume_engine()
