"""stall: the engine's hot loop stands still while the rest of its process runs, as when a core is taken away."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import Duration

__all__ = ["Stall", "StallOptions"]


class StallOptions(FaultOptions):
    """Stop the hot loop alone, then let it go on; the engine's watchdog does not stop."""

    do: Annotated[Literal["stall"], Field(description="The fault's name.")]
    for_ns: Annotated[Duration, Field(alias="for", ge=1, description="How long it stands still, such as 2s.")]
    at: Annotated[Trigger, Field(description="When it stops: sequence or time.")]

    def duration_ns(self) -> int | None:
        return self.for_ns


@register
class Stall(Fault[StallOptions]):
    name: ClassVar[str] = "stall"
    options_model: ClassVar[type[FaultOptions]] = StallOptions

    def inject(self, context: FaultContext) -> None:
        context.stall_engine()

    def heal(self, context: FaultContext) -> None:
        context.unstall_engine()
