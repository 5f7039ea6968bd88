"""switch_wire: the operator's command to change the engine's wires while it runs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import as_tuple

__all__ = ["SwitchWire", "SwitchWireOptions"]


class SwitchWireOptions(FaultOptions):
    """Change lines and order session to kernel sockets, or to the bypass."""

    do: Annotated[Literal["switch_wire"], Field(description="The fault's name.")]
    to: Annotated[
        Literal["kernel", "af_xdp", "dpdk"],
        Field(description="Where to; af_xdp and dpdk: back to the bypass that the engine has."),
    ]
    ports: Annotated[
        tuple[Literal["A", "B", "order"], ...],
        as_tuple,
        Field(min_length=1, max_length=3, description="Which of A, B and order; all by default."),
    ] = ("A", "B", "order")
    at: Annotated[Trigger, Field(description="When: sequence or time.")]


@register
class SwitchWire(Fault[SwitchWireOptions]):
    name: ClassVar[str] = "switch_wire"
    options_model: ClassVar[type[FaultOptions]] = SwitchWireOptions

    def inject(self, context: FaultContext) -> None:
        context.switch_wires(self.options.ports, self.options.to)

    def heal(self, context: FaultContext) -> None:
        pass
