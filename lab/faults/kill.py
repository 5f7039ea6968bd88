"""kill: the kill switch is thrown for a while, once or many times over.

The exchange throws it, in the engine's control page: it keeps the time of the run, and the market goes on around the
command, which it would not if a lab that shares the exchange's core had to wake up for it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.faults.base import ExchangePlan, Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import Count, Duration, FrozenModel

__all__ = ["Kill", "KillOptions"]

REPEAT_MAX = 100_000


class Repeat(FrozenModel):
    """The same again, later in the run."""

    times: Annotated[Count, Field(ge=2, le=REPEAT_MAX, description="How often in all, the first included.")]
    every_ns: Annotated[
        Duration, Field(alias="every", ge=1, description="From one command to the next, such as 20ms.")
    ]


class KillOptions(FaultOptions):
    """Throw the kill switch, then release it; ``kill.*`` is the time from the command to the last order."""

    do: Annotated[Literal["kill"], Field(description="The fault's name.")]
    for_ns: Annotated[Duration, Field(alias="for", ge=1, description="How long it holds, such as 5ms.")]
    at: Annotated[Trigger, Field(description="When it is thrown first.")]
    repeat: Annotated[Repeat | None, Field(description="More commands behind the first one.")] = None

    @model_validator(mode="after")
    def at_a_time(self) -> Self:
        if self.at.time_ns is None:
            raise ValueError("at: the exchange throws it at a time of its schedule; give time, such as 1s")
        return self

    @model_validator(mode="after")
    def released_before_the_next(self) -> Self:
        if self.repeat is not None and self.repeat.every_ns <= self.for_ns:
            raise ValueError("repeat: every must be longer than for, or the switch is never released")
        return self

    def times_ns(self) -> list[int]:
        """When it is thrown, since the first packet."""
        first_ns = self.at.time_ns or 0
        times, every_ns = (self.repeat.times, self.repeat.every_ns) if self.repeat else (1, 0)
        return [first_ns + index * every_ns for index in range(times)]


@register
class Kill(Fault[KillOptions]):
    name: ClassVar[str] = "kill"
    options_model: ClassVar[type[FaultOptions]] = KillOptions
    armed: ClassVar[bool] = True

    def settings(self, plan: ExchangePlan) -> dict[str, Any]:
        return {
            "switches": [
                {"at_ns": at_ns + after_ns, "value": value}
                for at_ns in self.options.times_ns()
                for after_ns, value in ((0, 1), (self.options.for_ns, 0))
            ]
        }

    def inject(self, context: FaultContext) -> None:
        """The exchange throws it by itself."""

    def heal(self, context: FaultContext) -> None:
        """The exchange has released it, or the run is over and its engine with it."""
