"""link_down: the engine's end of one wire loses its link, and gets it back."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Port, Trigger, register
from lab.quantities import Duration

__all__ = ["LinkDown", "LinkDownOptions"]


class LinkDownOptions(FaultOptions):
    """Take a link down for a while."""

    do: Annotated[Literal["link_down"], Field(description="The fault's name.")]
    port: Annotated[Port, Field(description="Which wire: A, B, order or recovery.")]
    for_ns: Annotated[
        Duration, Field(alias="for", ge=1, description="How long it stays down, such as 200ms.")
    ]
    at: Annotated[Trigger, Field(description="When it goes down: sequence or time.")]

    def duration_ns(self) -> int | None:
        return self.for_ns


@register
class LinkDown(Fault[LinkDownOptions]):
    name: ClassVar[str] = "link_down"
    options_model: ClassVar[type[FaultOptions]] = LinkDownOptions

    def inject(self, context: FaultContext) -> None:
        context.set_link(self.options.port, up=False)

    def heal(self, context: FaultContext) -> None:
        context.set_link(self.options.port, up=True)
