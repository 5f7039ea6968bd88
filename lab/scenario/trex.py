"""Who sends the market: the keys ``driver``, ``server``, ``ports`` and ``trex`` of ``traffic``.

The exchange's own lines are the default. With ``driver: trex`` the same market is rendered to files that a TRex server
plays; recovery, orders and the published book stay the exchange's. In a file that is to run under both, the other keys
may stay: ``driver: exchange`` does not look at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from lab.faults import FaultOptions, SenderFault, SessionRollOptions, fault_for
from lab.quantities import Count, Duration, FrozenModel, Rate, as_tuple
from lab.scenario.dpdk import is_shared

if TYPE_CHECKING:
    from lab.scenario.models import Engine, Traffic

__all__ = ["Background", "Driver", "Latency", "Port", "Trex", "shared_problems", "trex_problems"]

Driver = Literal["exchange", "trex"]
Port = Annotated[int | str, Field(union_mode="left_to_right")]
LOCAL = "local"


def _number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str | int) and not isinstance(value, bool) else value
    except ValueError:
        return value


class Background(FrozenModel):
    """A steady stream of UDP packets that is none of the engine's business, beside the market on one line."""

    line: Annotated[Literal["A", "B"], Field(description="On whose wire.")] = "A"
    rate_per_s: Annotated[Rate, Field(alias="rate", ge=1, description="Packets per second.")]
    size: Annotated[Count, Field(ge=64, le=1518, description="Bytes of a frame, its FCS included.")] = 256
    group: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$", description="Multicast group.")] = (
        "239.99.9.9"
    )
    port: Annotated[Count, Field(ge=1, le=65535, description="UDP port.")] = 9999


class Latency(FrozenModel):
    """TRex's own latency stream over line A's wire, to the engine's end and back."""

    rate_per_s: Annotated[Rate, Field(alias="rate", ge=1, le=100_000, description="Probes per second.")] = (
        1000
    )
    size: Annotated[Count, Field(ge=64, le=1518, description="Bytes of a frame, its FCS included.")] = 128


class Trex(FrozenModel):
    """How TRex plays the market."""

    speed_up: Annotated[
        float,
        BeforeValidator(_number),
        Field(gt=0, le=1000, description="Gaps of the files are divided by this when they are played."),
    ] = 1.0
    gap_min_ns: Annotated[
        Duration, Field(alias="gap_min", description="No gap between packets is played shorter than this.")
    ] = 0
    lead_in_ns: Annotated[
        Duration,
        Field(
            alias="lead_in",
            ge=1_000_000_000,
            le=60_000_000_000,
            description="Heartbeats before the market, by which the lab learns when the server began.",
        ),
    ] = 3_000_000_000
    folder: Annotated[
        str | None,
        Field(
            pattern=r"^/",
            description="A folder that a remote server shares: the lab writes the files here.",
        ),
    ] = None
    server_folder: Annotated[
        str | None,
        Field(pattern=r"^/", description="Where the server finds that folder; none: at the same path."),
    ] = None
    rpc_port: Annotated[Count, Field(ge=1, le=65535, description="The server's RPC port.")] = 4501
    publish_port: Annotated[Count, Field(ge=1, le=65535, description="The server's publisher port.")] = 4500
    force: Annotated[bool, Field(description="Take ports that another user of the server has.")] = False
    background: Annotated[
        tuple[Background, ...], as_tuple, Field(max_length=8, description="Streams beside the market.")
    ] = ()
    latency: Annotated[Latency | None, Field(description="TRex's latency stream; none by default.")] = None


def shared_problems(
    traffic: Traffic | None, engine: Engine | None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What driver: trex cannot do with lines in memory that it shares with the engine."""
    if traffic is None or engine is None or traffic.driver != "trex":
        return
    memif = [str(port) for port in traffic.ports if str(port).startswith("memif:")]
    if not is_shared(engine):
        if memif:
            why = "leave ports out, and the lab joins both: engine: {wire: dpdk, dpdk: {device: net_memif}}"
            yield ("traffic", "ports"), f"{memif[0]}: {why}"
        return
    if traffic.server != LOCAL:
        yield (
            ("traffic", "server"),
            "the engine's lines are memory of this machine (net_memif): server: local",
        )
    elif traffic.ports:
        yield (
            ("traffic", "ports"),
            "the engine's lines are shared memory (net_memif), whose ends the lab makes: leave out",
        )
    elif traffic.noise or traffic.trex.background or traffic.trex.latency:
        key = "noise" if traffic.noise else "trex"
        yield (
            ("traffic", key),
            "beside the market there is no second port on lines in shared memory (net_memif)",
        )
    if not engine.journal:
        yield (
            ("engine", "journal"),
            "no tap sees lines in shared memory: TRex's packets have their stamps in the journal",
        )


def trex_problems(
    traffic: Traffic | None, faults: Sequence[tuple[int, FaultOptions]]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What driver: trex does not play, each with its key."""
    if traffic is None or traffic.driver != "trex":
        return
    local = traffic.server == LOCAL
    if traffic.kind == "two_lines":
        yield ("traffic", "driver"), "trex plays MoldUDP64: source: two_lines has a protocol of its own"
    for index, one in enumerate(traffic.noise):
        if one.at_ns or one.duration_ns is not None:
            yield (
                ("traffic", "noise", index),
                "trex starts it ahead of the market and ends it behind: no at, no duration",
            )
    for index, port in enumerate(traffic.ports):
        if not local and not isinstance(port, int):
            yield ("traffic", "ports", index), f"{port!r}: a remote server's ports are numbers, such as 0"
        elif local and isinstance(port, int):
            yield ("traffic", "ports", index), f"{port}: a local server is told an interface or PCI address"
    if traffic.ports and len(traffic.ports) != 2:
        yield ("traffic", "ports"), "two: of line A and of line B"
    if not local and not traffic.ports:
        yield ("traffic", "ports"), "a remote server needs them: the numbers of its ports for A and B"
    if not local and traffic.trex.folder is None:
        yield (
            ("traffic", "trex"),
            "a remote server needs folder: it reads the files by itself (push_remote), from a folder shared with it",
        )
    if traffic.trex.server_folder is not None and traffic.trex.folder is None:
        yield ("traffic", "trex", "server_folder"), "is the server's path of folder, which is not given"
    beside = traffic.trex.background or traffic.trex.latency or traffic.noise
    if beside and (not local or traffic.ports):
        yield (
            ("traffic", "noise" if traffic.noise else "trex"),
            "what is sent beside the market is for a local server on the lab's own wires",
        )
    for index, fault in faults:
        lines = {"A", "B"} & set(getattr(fault, "lines", ()))
        if isinstance(fault, SessionRollOptions) or (isinstance(fault_for(fault), SenderFault) and lines):
            yield (
                ("faults", index),
                f"{fault.do} is played by the exchange's own lines, which driver: trex leaves out",
            )
