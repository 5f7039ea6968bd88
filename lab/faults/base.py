"""What every fault is made of: trigger, options, the context it may touch, and the registry by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from lab.faults.rule import Place, Rule, Sessions
from lab.quantities import Count, Duration, FrozenModel

__all__ = [
    "ExchangePlan",
    "Fault",
    "FaultContext",
    "FaultOptions",
    "SequenceTrigger",
    "Service",
    "Trigger",
    "fault_for",
    "register",
    "registered",
]

Line = Literal["A", "B"]
Port = Literal["A", "B", "order", "recovery"]
Service = Literal["requests", "snapshots"]


class SequenceTrigger(FrozenModel):
    """When: at the packet that carries this feed message."""

    sequence: Annotated[Count, Field(ge=1, description="Feed message number (1 is the first) that fires it.")]


class Trigger(FrozenModel):
    """When: at a feed message or at an intended time, so that the same seed gives the same experiment."""

    sequence: Annotated[
        Count | None, Field(default=None, description="Feed message number (1 is the first) that fires it.")
    ]
    time_ns: Annotated[
        Duration | None,
        Field(
            default=None,
            alias="time",
            description="Intended time since the first packet, such as 1s.",
        ),
    ]

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        if (self.sequence is None) == (self.time_ns is None):
            raise ValueError("give exactly one of sequence and time")
        if self.sequence == 0:
            raise ValueError("sequence counts from 1")
        return self


class FaultOptions(FrozenModel):
    """Base of every fault's options. ``do`` names the fault, ``at`` says when."""

    do: str
    at: Annotated[SequenceTrigger | Trigger, Field(description="When it happens.")]

    def duration_ns(self) -> int | None:
        """How long after injection the lab heals it; None: at the end of the run."""
        return None

    def last_sequence(self) -> int | None:
        """The feed message at which it begins for the last time; None when that depends on the time."""
        return self.at.sequence

    def services(self) -> frozenset[Service]:
        """Recovery services that the engine must use, or the fault has nothing to break."""
        return frozenset()


class FaultContext(Protocol):
    """The only hands a fault has. Implemented by the lab; every call returns when it has taken effect.

    Undoing calls (``clear_rules``, ``set_link(up=True)``, ``resume_engine``) succeed with nothing to undo.
    """

    def impair(self, place: Place, rule: Rule) -> None:
        """Let the wire apply ``rule`` to the packets of one line."""

    def clear_rules(self) -> None:
        """Disarm whatever ``impair`` left on any line."""

    def set_link(self, port: Port, *, up: bool) -> None:
        """Take the exchange's end of a wire down or up; the engine's end loses or gains its carrier."""

    def pause_engine(self) -> None:
        """Stop the engine process where it stands (SIGSTOP)."""

    def resume_engine(self) -> None:
        """Let it continue (SIGCONT)."""

    def set_gateway(self, settings: Mapping[str, int | bool]) -> None:
        """Tell the exchange how its order gateway behaves from now on; what is not given is as by default."""

    def stall_engine(self) -> None:
        """Stop the engine's hot loop alone."""

    def unstall_engine(self) -> None:
        """Let it continue."""

    def detach_xdp(self, port: Literal["A", "B", "order"]) -> None:
        """End the redirection of packets to the engine's AF_XDP socket."""

    def switch_wires(
        self, ports: Sequence[Literal["A", "B", "order"]], target: Literal["kernel", "af_xdp", "dpdk"]
    ) -> None:
        """Command the engine to change wires, and wait until it has."""

    def set_recovery(self, settings: Mapping[str, int | bool]) -> None:
        """Tell the exchange how its recovery services behave from now on; keys of its ``recovery`` settings."""

    def command(self, do: str, arguments: Mapping[str, Any]) -> None:
        """Give the engine a command over its control socket; returns when it has been given."""

    def deploy_strategy(
        self, path: Path, parameters: Mapping[str, int], at: SequenceTrigger | Trigger
    ) -> None:
        """Let the engine check and load a strategy's shared object, and plan its swap; returns when it has."""


@dataclass(frozen=True, kw_only=True)
class ExchangePlan:
    """What a fault needs to know to write down what the exchange is told before it starts: the session rolls, and
    the names of the new sessions by the message that is their first."""

    sessions: Sessions
    names: Mapping[int, str]


Options = TypeVar("Options", bound=FaultOptions)


class Fault(ABC, Generic[Options]):
    """One fault of one scenario. ``inject`` breaks, ``heal`` repairs; healing twice is the same as once."""

    name: ClassVar[str]
    options_model: ClassVar[type[FaultOptions]]
    armed: ClassVar[bool] = False
    on_wire: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    def settings(self, plan: ExchangePlan) -> dict[str, Any]:
        """What the exchange is told before it starts: ``impairments`` and ``sessions``, to be appended."""
        return {}

    @abstractmethod
    def inject(self, context: FaultContext) -> None: ...

    @abstractmethod
    def heal(self, context: FaultContext) -> None: ...


_registry: dict[str, type[Fault[Any]]] = {}


def register(fault: type[Fault[Any]]) -> type[Fault[Any]]:
    """Class decorator: makes ``fault`` known by its name."""
    if fault.name in _registry:
        raise ValueError(f"two faults are called {fault.name!r}")
    _registry[fault.name] = fault
    return fault


def registered() -> dict[str, type[Fault[Any]]]:
    """Every fault by name, in the order of registration."""
    return dict(_registry)


def fault_for(options: FaultOptions) -> Fault[Any]:
    """The fault that ``options`` describe, ready to inject."""
    return _registry[options.do](options)
