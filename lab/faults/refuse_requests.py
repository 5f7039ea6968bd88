"""refuse_requests: the re-request server falls silent for a while."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Service, Trigger, register
from lab.quantities import Duration

__all__ = ["RefuseRequests", "RefuseRequestsOptions"]


class RefuseRequestsOptions(FaultOptions):
    """Answer no re-request. MoldUDP64 has no refusal: the engine hears nothing."""

    do: Annotated[Literal["refuse_requests"], Field(description="The fault's name.")]
    at: Annotated[Trigger, Field(description="When it falls silent: sequence or time.")]
    for_ns: Annotated[
        Duration | None,
        Field(alias="for", ge=1, description="How long, such as 200ms; to the end of the run by default."),
    ] = None

    def duration_ns(self) -> int | None:
        return self.for_ns

    def services(self) -> frozenset[Service]:
        return frozenset({"requests"})


@register
class RefuseRequests(Fault[RefuseRequestsOptions]):
    name: ClassVar[str] = "refuse_requests"
    options_model: ClassVar[type[FaultOptions]] = RefuseRequestsOptions

    def inject(self, context: FaultContext) -> None:
        context.set_recovery({"refuse": True})

    def heal(self, context: FaultContext) -> None:
        context.set_recovery({"refuse": False})
