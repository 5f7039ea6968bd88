"""Options shared by the faults that harm a line's packets: when, which packets, how often; a ``Rule`` comes out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import Field, model_validator

from lab.faults.base import ExchangePlan, Fault, FaultContext, FaultOptions, Trigger
from lab.faults.chance import Chance
from lab.faults.rule import Action, Pattern, Place, Rule
from lab.quantities import Count, Duration, FrozenModel

__all__ = ["GilbertElliott", "ImpairmentOptions", "Repeat", "SenderFault", "WireFault"]

COUNT_MAX = 2**32 - 1
PATTERNS = ("every", "probability", "gilbert_elliott")


class Repeat(FrozenModel):
    """The same again, further on in the stream."""

    times: Annotated[Count, Field(ge=2, le=COUNT_MAX, description="Windows in all, the first one included.")]
    every: Annotated[
        Count, Field(ge=1, description="Feed messages from the begin of one window to that of the next.")
    ]


class GilbertElliott(FrozenModel):
    """A line that is good or bad for a while: a Markov chain of two states, one step a packet."""

    good_to_bad: Annotated[Chance, Field(gt=0, description="Chance that a good line turns bad.")]
    bad_to_good: Annotated[Chance, Field(gt=0, description="Chance that a bad line turns good.")]
    while_bad: Annotated[Chance, Field(gt=0, description="Share of packets taken while bad.")] = 1.0
    while_good: Annotated[Chance, Field(description="Share of packets taken while good.")] = 0.0


class ImpairmentOptions(FaultOptions):
    """Each window begins at ``at`` and spans ``packets``; within it the pattern says which packets are taken."""

    at: Annotated[
        Trigger, Field(description="The first window begins with the packet carrying this message, or then.")
    ]
    packets: Annotated[
        Count | None,
        Field(ge=1, le=COUNT_MAX, description="Consecutive data packets a window spans; no end by default."),
    ] = None
    for_ns: Annotated[
        Duration | None,
        Field(alias="for", ge=1, description="How long it lasts, with at: {time: ...}, such as 200ms."),
    ] = None
    every: Annotated[
        Count | None, Field(ge=1, le=COUNT_MAX, description="Only each n-th packet of a window is taken.")
    ] = None
    probability: Annotated[
        Chance | None, Field(gt=0, description="Packets of a window are taken by chance, such as 0.1%.")
    ] = None
    gilbert_elliott: Annotated[
        GilbertElliott | None, Field(description="Packets of a window are taken in clusters.")
    ] = None
    repeat: Annotated[Repeat | None, Field(description="More windows behind the first one.")] = None
    together: Annotated[
        bool, Field(description="Chance falls alike on all lines; by default each has its own.")
    ] = False

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines it harms."""
        lines: tuple[Place, ...] = getattr(self, "lines", ())
        return lines

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        given = [name for name in PATTERNS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} are two patterns; give one")
        if self.for_ns is not None and self.at.time_ns is None:
            raise ValueError("for: needs at: {time: ...}; from a sequence on, say how many packets")
        if len(set(self.places)) < len(self.places):
            raise ValueError("a line is named twice")
        if self.repeat is not None:
            self._check_repeat(self.repeat)
        return self

    def _check_repeat(self, repeat: Repeat) -> None:
        if self.packets is None:
            raise ValueError("repeat: needs packets:, or the first window never ends")
        if repeat.every < self.packets:
            raise ValueError(
                f"a window of {self.packets} packets is not over {repeat.every} messages later, when the next begins"
            )

    def last_sequence(self) -> int | None:
        """The feed message with which the last window begins; None when that depends on the time."""
        if self.at.sequence is None:
            return None
        return (
            self.at.sequence + (self.repeat.times - 1) * self.repeat.every
            if self.repeat
            else self.at.sequence
        )

    def rule(self, action: Action, **effect: Any) -> Rule:
        """The rule of these options; ``effect`` is what the action needs besides."""
        pattern: dict[str, Any] = {"pattern": Pattern.RUN}
        if self.every is not None:
            pattern = {"pattern": Pattern.EVERY, "every": self.every}
        elif self.probability is not None:
            pattern = {"pattern": Pattern.RANDOM, "probability": self.probability}
        elif self.gilbert_elliott is not None:
            chain = self.gilbert_elliott
            pattern = {
                "pattern": Pattern.GILBERT_ELLIOTT,
                "good_to_bad": chain.good_to_bad,
                "bad_to_good": chain.bad_to_good,
                "probability": chain.while_bad,
                "probability_good": chain.while_good,
            }
        return Rule(
            action=action,
            sequence=self.at.sequence,
            time_ns=self.at.time_ns,
            for_ns=self.for_ns,
            packets=self.packets,
            windows=self.repeat.times if self.repeat else 1,
            repeat_every=self.repeat.every if self.repeat else 0,
            together=self.together,
            **pattern,
            **effect,
        )


Options = TypeVar("Options", bound=ImpairmentOptions)


class WireFault(Fault[Options]):
    """Armed before traffic starts: the wires' program counts, so the harm is exact at any rate."""

    armed: ClassVar[bool] = True
    on_wire: ClassVar[bool] = True

    @abstractmethod
    def rule(self) -> Rule: ...

    def inject(self, context: FaultContext) -> None:
        for place in self.options.places:
            context.impair(place, self.rule())

    def heal(self, context: FaultContext) -> None:
        context.clear_rules()


class SenderFault(Fault[Options]):
    """Executed by the exchange, which knows of it before it starts: a wire can neither copy a packet nor hold it."""

    armed: ClassVar[bool] = True

    @abstractmethod
    def rule(self) -> Rule: ...

    def settings(self, plan: ExchangePlan) -> dict[str, Any]:
        return {"impairments": [self.rule().settings(self.options.places, plan.sessions)]}

    def inject(self, context: FaultContext) -> None:
        """The exchange begins by itself."""

    def heal(self, context: FaultContext) -> None:
        """And ends by itself."""
