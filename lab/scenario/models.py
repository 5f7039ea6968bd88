"""A scenario as frozen values: every key, unit, range and default of the YAML, and nothing else.

YAML names have no units in them ("duration: 10s"); attributes do (``duration_ns``). Reading files, line
numbers and checks across sections are in ``lab.scenario.load``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from engine.risk_table import RiskTable
from lab.faults import FaultOptions, registered
from lab.quantities import Count, Duration, FrozenModel, Rate, ThresholdField, as_tuple
from lab.scenario.dpdk import Dpdk, dpdk_filled
from lab.scenario.noise import Noise
from lab.scenario.ports import Ports
from lab.scenario.recovery import Feed, Recovery, Service
from lab.scenario.trex import Driver, Port, Trex
from lab.scenario.venue import TWO_LINES, Mdp3, TwoLines, Venue, venue_conflicts

__all__ = [
    "Bursts",
    "Capacity",
    "Engine",
    "Measure",
    "Orders",
    "Packing",
    "Parameter",
    "RiskLimits",
    "Scenario",
    "StrategyParameters",
    "Traffic",
    "Watchdog",
    "traffic_conflicts",
]

MODEL_ONLY = ("symbols", "duration", "arrivals", "bursts")
RECORDED_ONLY = ("speed", "gap_max")
MODEL_DEFAULTS = {
    "source": "model",
    "symbols": 100,
    "rate": "100k/s",
    "duration": "5s",
    "arrivals": "hawkes",
}
RECORDED_DEFAULTS = {"speed": 1.0}


def traffic_conflicts(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, message) for each key of a traffic mapping that cannot stand beside the others."""
    if value.get("source") == TWO_LINES:
        return venue_conflicts(value)
    sources = [key for key in value if key in ("source", "file", "pcap") and value[key] is not None]
    conflicts = [(key, f"a second source; {sources[0]} is given already") for key in sources[1:]]
    recorded = bool(sources) and sources[0] != "source"
    foreign, owner = (MODEL_ONLY, "source: model") if recorded else (RECORDED_ONLY, "file: and pcap:")
    conflicts += [(key, f"belongs to {owner} only") for key in foreign if value.get(key) is not None]
    return conflicts + venue_conflicts(value)


class Packing(FrozenModel):
    """How messages share packets."""

    messages_max: Annotated[Count, Field(ge=1, le=1000, description="Most messages in one packet.")] = 4
    gap_min_ns: Annotated[
        Duration,
        Field(alias="gap_min", description="Messages closer together than this share a packet."),
    ] = 4_000


class Bursts(FrozenModel):
    """Regular bursts on top of the arrival process, as at an auction or a news print."""

    messages: Annotated[Count, Field(ge=1, description="Messages in a burst.")]
    every_ns: Annotated[Duration, Field(alias="every", ge=1, description="Time from one burst to the next.")]
    spacing_ns: Annotated[
        Duration, Field(alias="spacing", description="Time between packets of a burst.")
    ] = 2_000
    packing: Annotated[Count, Field(ge=1, le=1000, description="Messages in each packet of a burst.")] = 8


def _number(value: Any) -> Any:
    """A number from the text that a ${parameter} leaves; anything else is the model's to judge."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Traffic(FrozenModel):
    """What the market sends: exactly one of ``source: model``, ``source: two_lines``, ``file:`` or ``pcap:``."""

    source: Annotated[
        Literal["model", "two_lines"] | None,
        Field(
            description="model: a seeded market model (the default); two_lines: the capture file: has both lines of "
            "a CME MDP 3.0 channel, each is replayed as it was."
        ),
    ] = None
    file: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        as_tuple,
        Field(
            min_length=1,
            description="ITCH 5.0 file, or several to be played in a row; with two_lines the capture.",
        ),
    ] = None
    pcap: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        as_tuple,
        Field(min_length=1, description="Capture (pcap, pcapng) of a MoldUDP64 feed, or a list of them."),
    ] = None
    lines: Annotated[
        TwoLines | None, Field(description="Group and port of each line in the capture of two_lines.")
    ] = None
    symbols: Annotated[Count | None, Field(ge=1, le=65535, description="Symbols of the model.")] = None
    rate_per_s: Annotated[
        Rate | None,
        Field(
            alias="rate", ge=1, description="Messages per second; for file and pcap: replaces its own timing."
        ),
    ] = None
    duration_ns: Annotated[
        Duration | None, Field(alias="duration", ge=1, description="How long the model publishes.")
    ] = None
    arrivals: Annotated[
        Literal["hawkes", "poisson", "even"] | None,
        Field(description="Arrival process of the model: self-exciting, memoryless or evenly spaced."),
    ] = None
    packing: Annotated[
        Packing,
        BeforeValidator(lambda value: {"messages_max": value} if isinstance(value, int | str) else value),
        Field(description="Most messages per packet, or a mapping with messages_max and gap_min."),
    ] = Packing()
    bursts: Annotated[Bursts | None, Field(description="Regular bursts; none by default.")] = None
    speed: Annotated[
        float | None,
        BeforeValidator(_number),
        Field(gt=0, le=1000, description="Plays a file or capture this many times as fast as recorded."),
    ] = None

    gap_max_ns: Annotated[
        Duration | None,
        Field(alias="gap_max", description="Longer silences of a file or capture are shortened to this."),
    ] = None
    heartbeat_ns: Annotated[
        Duration,
        Field(alias="heartbeat", ge=1_000_000, description="Silence after which a line sends a heartbeat."),
    ] = 1_000_000_000
    driver: Annotated[Driver, Field(description="Who sends the market: the exchange itself, or TRex.")] = (
        "exchange"
    )
    server: Annotated[
        str, Field(min_length=1, description="The TRex server: local (the lab runs it), or a host.")
    ] = "local"
    ports: Annotated[
        tuple[Port, ...],
        as_tuple,
        Field(description="TRex's ports of A and B; none: the lab's wires."),
    ] = ()
    trex: Annotated[Trex, Field(description="How TRex plays it.")] = Trex()
    recovery: Annotated[
        Recovery, Field(description="Limits and failings of the exchange's recovery services.")
    ] = Recovery()
    noise: Annotated[
        tuple[Noise, ...],
        as_tuple,
        Field(
            max_length=16, description="STL profiles played on the lines beside the market; none by default."
        ),
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def one_source(cls, value: Any) -> Any:
        """Fills the defaults that belong to the source, and refuses keys that belong to another one."""
        if not isinstance(value, dict):
            return value
        conflicts = traffic_conflicts(value)
        if conflicts:
            raise ValueError("; ".join(f"{key}: {message}" for key, message in conflicts))
        filled = dict(value)
        if isinstance(filled.get("speed"), int) and not isinstance(filled["speed"], bool):
            filled["speed"] = float(filled["speed"])
        recorded = any(value.get(key) is not None for key in ("file", "pcap"))
        if filled.get("source") == TWO_LINES and not (filled.get("file") and filled.get("lines")):
            raise ValueError(
                "source: two_lines needs file: (a capture) and lines: {A: GROUP:PORT, B: GROUP:PORT}"
            )
        for key, default in (RECORDED_DEFAULTS if recorded else MODEL_DEFAULTS).items():
            if filled.get(key) is None:
                filled[key] = default
        return filled

    @property
    def kind(self) -> Literal["model", "itch_file", "pcap", "two_lines"]:
        """The exchange's name for the source."""
        if self.source == TWO_LINES:
            return TWO_LINES
        return "itch_file" if self.file else "pcap" if self.pcap else "model"

    @property
    def messages(self) -> int | None:
        """How many messages the model publishes (rate x duration); None for files."""
        if self.rate_per_s is None or self.duration_ns is None:
            return None
        return self.rate_per_s * self.duration_ns // 1_000_000_000


class StrategyParameters(FrozenModel):
    """Parameters of touch_taker and reflector; each strategy ignores the other's."""

    order_shares: Annotated[Count, Field(ge=1, le=999_999, description="Shares asked for by one order.")] = (
        100
    )
    imbalance_permille: Annotated[
        Count, Field(ge=1, le=1000, description="Imbalance at the touch that is a signal, in 1/1000.")
    ] = 800
    cooldown_messages: Annotated[
        Count, Field(description="Feed messages that must pass before a symbol triggers again.")
    ] = 0
    every: Annotated[
        Count, Field(ge=1, description="Reflector: every message whose sequence is a multiple of this.")
    ] = 100


class RiskLimits(RiskTable):
    """The keys of engine/risk/README.md, with their units in their names; one left out has the engine's default."""

    late_after_ns: Annotated[
        Duration | None,
        Field(alias="late_after", ge=1, description="An order older than this since its packet is not sent."),
    ] = None

    @model_validator(mode="after")
    def symbols_have_numbers(self) -> Self:
        for index, symbol in enumerate(self.symbols):
            if symbol.stock is not None:
                raise ValueError(
                    f"symbols.{index}: give the locate; the engine starts before the feed names {symbol.stock}"
                )
        return self


def _tuples(value: Any) -> Any:
    """The lists of YAML as the tuples that a table of limits has."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


class Capacity(FrozenModel):
    """Sizes fixed before start; the engine never allocates afterwards."""

    orders: Annotated[Count, Field(ge=1, description="Resting orders the book can hold.")] = 1_000_000
    levels: Annotated[Count, Field(ge=1, description="Price levels the book can hold.")] = 200_000


class Orders(FrozenModel):
    """What carries the order session."""

    wire: Annotated[
        Literal["auto", "kernel", "af_xdp"],
        Field(
            description="The kernel's TCP, or the engine's own TCP on the bypass wire. "
            "auto: the engine's own where the lines are read by af_xdp or dpdk and it was built with one."
        ),
    ] = "auto"


class Watchdog(FrozenModel):
    """When the engine moves a port from the bypass to kernel sockets by itself."""

    automatic: Annotated[bool, Field(description="false: by command only.")] = True
    period_ns: Annotated[
        Duration, Field(alias="period", ge=1_000_000, description="Time between two looks.")
    ] = 20_000_000
    stall_ns: Annotated[
        Duration, Field(alias="stall", ge=1_000_000, description="The hot loop stood still for this long.")
    ] = 1_000_000_000
    wire_down_ns: Annotated[
        Duration, Field(alias="wire_down", ge=1_000_000, description="A wire had no carrier for this long.")
    ] = 500_000_000


class Budget(FrozenModel):
    """What a strategy in a shared object may use before it is put out."""

    event_ns: Annotated[
        Duration,
        Field(
            alias="event",
            ge=100,
            le=1_000_000_000,
            description="One call; the fourth slow one of 64 is too many.",
        ),
    ] = 5_000


class Engine(FrozenModel):
    """The device under test."""

    venue: Annotated[
        Venue,
        Field(description="itch50: MoldUDP64, ITCH 5.0 and orders; mdp3: CME MDP 3.0, market data only."),
    ] = "itch50"
    mdp3: Annotated[Mdp3, Field(description="Line arbitration and books of venue mdp3.")] = Mdp3()
    wire: Annotated[
        Literal["af_xdp", "kernel", "dpdk"],
        Field(description="What reads the lines: kernel bypass by AF_XDP or DPDK, or plain sockets."),
    ] = "af_xdp"
    dpdk: Annotated[Dpdk | None, Field(description="The devices of wire dpdk.")] = None
    orders: Annotated[Orders, Field(description="What carries the order session.")] = Orders()
    watchdog: Annotated[Watchdog, Field(description="When it leaves the bypass by itself.")] = Watchdog()
    strategy: Annotated[
        Literal["touch_taker", "reflector"],
        Field(description="touch_taker trades on the touch; reflector answers with the least possible work."),
    ] = "touch_taker"
    budget: Annotated[Budget, Field(description="What a strategy that is deployed may use.")] = Budget()
    parameters: Annotated[StrategyParameters, Field(description="The strategy's parameters.")] = (
        StrategyParameters()
    )
    risk: Annotated[
        RiskLimits,
        BeforeValidator(lambda value: {} if value == "default" else _tuples(value)),
        Field(description="Risk limits as in engine/risk/README.md, or the word default."),
    ] = RiskLimits()
    feed: Annotated[Feed, Field(description="Line arbitration, and recovery of what both lines lost.")] = (
        Feed()
    )
    recovery: Annotated[
        tuple[Service, ...],
        as_tuple,
        Field(
            max_length=2,
            description="Recovery services the engine may use: requests, snapshots, both (the default) or [].",
        ),
    ] = ("requests", "snapshots")
    capacity: Annotated[Capacity, Field(description="Sizes of the book.")] = Capacity()
    protocol: Annotated[
        Literal["ouch42", "ouch50"], Field(description="What the order session speaks: OUCH 4.2 or 5.0.")
    ] = "ouch42"
    journal: Annotated[
        bool, Field(description="Record every input and output, so that tailgate replay can run them again.")
    ] = True

    @model_validator(mode="before")
    @classmethod
    def dpdk_has_devices(cls, value: Any) -> Any:
        return dpdk_filled(value)


class Measure(FrozenModel):
    """What is measured besides the run itself, and what makes the run itself valid."""

    wire_floor: Annotated[
        bool, Field(description="Measure the same wires with a reflector first; not with venue mdp3.")
    ] = True
    wire_floor_duration_ns: Annotated[
        Duration, Field(alias="wire_floor_duration", ge=1, description="How long the floor is measured.")
    ] = 1_000_000_000
    late_after_ns: Annotated[
        Duration, Field(alias="late_after", ge=1, description="A response slower than this is counted late.")
    ] = 10_000_000
    pacing_bound_ns: Annotated[
        Duration,
        Field(
            alias="pacing_bound",
            ge=1,
            description="The run is UNKNOWN when the p99 of pacing_error is above this.",
        ),
    ] = 50_000
    gap_bound_ns: Annotated[
        Duration | None,
        Field(
            alias="gap_bound",
            ge=1,
            description="The run is UNKNOWN when more than 1% of the bursts, of any driver, have a gap on the wire "
            "that is off by more than this; not judged by default.",
        ),
    ] = None
    line_bound_ns: Annotated[
        Duration,
        Field(
            alias="line_bound",
            ge=1,
            description="Two lines: arrivals closer than this are not judged, margins must agree within it.",
        ),
    ] = 20_000


class Parameter(FrozenModel):
    """A value the command line gives: --set NAME=VALUE replaces ${NAME} in any text of the file."""

    help: Annotated[str, Field(min_length=1, description="What to give, in a sentence.")]
    default: Annotated[
        str | None,
        BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value),
        Field(description="Used when the command line says nothing; without it the value is required."),
    ] = None


def _fault(value: Any) -> Any:
    """Picks the options model by ``do``; the loader has already reported unknown names with their line."""
    if isinstance(value, FaultOptions):
        return value
    if not isinstance(value, Mapping) or "do" not in value:
        raise ValueError("a fault is a mapping with do: NAME")
    fault = registered().get(str(value["do"]))
    if fault is None:
        raise ValueError(f"unknown fault {value['do']!r}; known: {', '.join(registered())}")
    return fault.options_model.model_validate(value)


if TYPE_CHECKING:
    AnyFault = FaultOptions
else:
    from pydantic import SerializeAsAny

    AnyFault = Annotated[SerializeAsAny[FaultOptions], BeforeValidator(_fault)]


class Scenario(FrozenModel):
    """One experiment: one hypothesis (the title), what drives it, what breaks, and what must hold."""

    title: Annotated[str, Field(min_length=1, description="The hypothesis, as a sentence.")]
    description: Annotated[str, Field(description="Background, for the report.")] = ""
    seed: Annotated[
        int, Field(ge=0, lt=2**63, description="The same seed and commit give the same experiment.")
    ] = 1
    parameters: Annotated[
        dict[str, Parameter], Field(description="Values from the command line, used as ${name}.")
    ] = Field(default_factory=dict)
    traffic: Annotated[Traffic, Field(description="What the market sends.")] = Field(
        default_factory=lambda: Traffic.model_validate({})
    )
    engine: Annotated[Engine, Field(description="The device under test.")] = Engine()
    faults: Annotated[
        tuple[AnyFault, ...], as_tuple, Field(description="What breaks, and when; in order of the file.")
    ] = ()
    measure: Annotated[Measure, Field(description="What is measured, and what makes the run valid.")] = (
        Measure()
    )
    ports: Annotated[Ports, Field(description="Interfaces of this host that stand for wires.")] = Ports()
    expect: Annotated[
        dict[str, ThresholdField],
        Field(description="Figures and named checks with the threshold that must hold."),
    ] = Field(default_factory=dict)
    name: Annotated[str, Field(exclude=True, description="The file's name without .yaml.")] = "scenario"
    path: Annotated[Path | None, Field(exclude=True)] = None

    @model_validator(mode="after")
    def reflector_has_no_oracle(self) -> Self:
        if self.engine.strategy == "reflector" and "book_matches_oracle" in self.expect:
            raise ValueError("the reflector decodes nothing, so book_matches_oracle cannot hold")
        return self
