"""xdp_detach: packets are no longer redirected to the engine's AF_XDP socket; they pass to the kernel instead."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register

__all__ = ["XdpDetach", "XdpDetachOptions"]


class XdpDetachOptions(FaultOptions):
    """Take the engine's XDP program off the order wire, or its socket out of a line's program."""

    do: Annotated[Literal["xdp_detach"], Field(description="The fault's name.")]
    port: Annotated[
        Literal["A", "B", "order"],
        Field(
            description="order: the engine's own program is detached. A, B: the tap's program stays, since it stamps, "
            "and loses the engine's socket."
        ),
    ]
    at: Annotated[Trigger, Field(description="When: sequence or time.")]


@register
class XdpDetach(Fault[XdpDetachOptions]):
    """Nothing heals it but the engine, which puts a new program or socket there when it is told to."""

    name: ClassVar[str] = "xdp_detach"
    options_model: ClassVar[type[FaultOptions]] = XdpDetachOptions

    def inject(self, context: FaultContext) -> None:
        context.detach_xdp(self.options.port)

    def heal(self, context: FaultContext) -> None:
        pass
