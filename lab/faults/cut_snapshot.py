"""cut_snapshot: the exchange closes snapshot connections before they have ended."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Service, Trigger, register
from lab.quantities import Count

__all__ = ["CutSnapshot", "CutSnapshotOptions"]


class CutSnapshotOptions(FaultOptions):
    """Cut the next snapshots short; how the engine came to want one is no matter."""

    do: Annotated[Literal["cut_snapshot"], Field(description="The fault's name.")]
    at: Annotated[Trigger, Field(description="From when on: sequence or time; {time: 0s} is the start.")]
    connections: Annotated[
        Count, Field(ge=1, le=2**32 - 1, description="So many connections are cut, one after the other.")
    ] = 1
    after: Annotated[
        Count, Field(le=2**32 - 1, description="Messages of the snapshot sent before the cut.")
    ] = 100

    def services(self) -> frozenset[Service]:
        return frozenset({"snapshots"})


@register
class CutSnapshot(Fault[CutSnapshotOptions]):
    name: ClassVar[str] = "cut_snapshot"
    options_model: ClassVar[type[FaultOptions]] = CutSnapshotOptions

    def inject(self, context: FaultContext) -> None:
        context.set_recovery(
            {
                "snapshot_cut_connections": self.options.connections,
                "snapshot_cut_after": self.options.after,
            }
        )

    def heal(self, context: FaultContext) -> None:
        context.set_recovery({"snapshot_cut_connections": 0})
