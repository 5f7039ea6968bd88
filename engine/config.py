"""The engine's configuration: one JSON object in, one frozen EngineConfig out; unknown keys are errors."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "BookConfig",
    "EngineConfig",
    "FeedConfig",
    "GatewayConfig",
    "JournalConfig",
    "LineConfig",
    "RecoveryConfig",
    "RiskConfig",
    "ServerConfig",
    "SnapshotConfig",
    "StrategyConfig",
]


def ipv4(text: str) -> str:
    """The address as it was written; ValueError when it is none."""
    IPv4Address(text)
    return text


def power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"{value} is not a power of two")
    return value


Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[int, Field(ge=0, lt=2**63)]
Address = Annotated[str, AfterValidator(ipv4)]
PRINTABLE = r"^[ -~]*$"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class LineConfig(Frozen):
    """One line of the feed. ``socket_map`` is an inherited XSKMAP descriptor; None: our own program."""

    wire: Literal["af_xdp", "kernel"] = "af_xdp"
    interface: Annotated[str, Field(min_length=1, max_length=15)]
    queue: Annotated[int, Field(ge=0, le=63)] = 0
    socket_map: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    group: Address
    port: Annotated[int, Field(ge=1, le=65535)]


class GatewayConfig(Frozen):
    """The venue's order gateway: SoupBinTCP over TCP."""

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)]
    username: Annotated[str, Field(min_length=1, max_length=6, pattern=PRINTABLE)]
    password: Annotated[str, Field(min_length=1, max_length=10, pattern=PRINTABLE)]
    session: Annotated[str, Field(max_length=10, pattern=PRINTABLE)] = ""


class ServerConfig(Frozen):
    """Where a service listens."""

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)]


class SnapshotConfig(ServerConfig):
    """The snapshot service: GLIMPSE over SoupBinTCP."""

    username: Annotated[str, Field(min_length=1, max_length=6, pattern=PRINTABLE)]
    password: Annotated[str, Field(min_length=1, max_length=10, pattern=PRINTABLE)]


class RecoveryConfig(Frozen):
    """The services that bring back what both lines lost; without one, its step is left out."""

    requests: ServerConfig | None = None
    snapshots: SnapshotConfig | None = None


class FeedConfig(Frozen):
    """Order of delivery and how far recovery goes; the meaning of each is in engine/feed/feed.h.

    ``first_sequence`` 0 joins at the first message seen; an empty session takes the first one seen.
    """

    session: Annotated[str, Field(max_length=10, pattern=PRINTABLE)] = ""
    first_sequence: Number = 1
    delivery: Literal["strict", "best_effort"] = "strict"
    follow_sessions: bool = True
    session_confirm_packets: Annotated[int, Field(ge=1, le=255)] = 3
    unconfirmed_jump_messages: Number = 0
    hold_back_ns: Nanoseconds = 1_000_000
    line_silence_ns: Nanoseconds = 3_000_000_000
    reorder_packets: Annotated[int, Field(ge=1, le=1 << 20), AfterValidator(power_of_two)] = 16_384
    request_messages_max: Annotated[int, Field(ge=1, le=65_534)] = 1024
    request_outstanding_max: Annotated[int, Field(ge=1, le=8)] = 4
    request_attempts: Annotated[int, Field(ge=1, le=255)] = 5
    request_timeout_ns: Annotated[int, Field(ge=1, lt=2**63)] = 2_000_000
    give_up_messages: Annotated[int, Field(ge=1, lt=2**63)] = 100_000
    snapshot_attempts: Annotated[int, Field(ge=1, le=255)] = 5
    snapshot_timeout_ns: Annotated[int, Field(ge=1, lt=2**63)] = 2_000_000_000
    retry_ns: Nanoseconds = 100_000_000


class BookConfig(Frozen):
    """Capacities, fixed at start."""

    orders: Annotated[int, Field(ge=1, le=1 << 28)] = 1_048_576
    levels: Annotated[int, Field(ge=1, le=1 << 28)] = 262_144


class StrategyConfig(Frozen):
    """The strategy and its parameters; each ignores the other's."""

    name: Literal["touch_taker", "reflector"] = "touch_taker"
    order_shares: Annotated[int, Field(ge=1, le=999_999)] = 100
    imbalance_permille: Annotated[int, Field(ge=0, le=1_000_000)] = 800
    cooldown_messages: Number = 0
    every: Annotated[int, Field(ge=1, lt=2**63)] = 100


class RiskConfig(Frozen):
    """Hard limits; shares, 1/10000 of the currency unit, per symbol where that makes sense."""

    order_shares_max: Annotated[int, Field(ge=0, le=999_999)] = 1_000
    notional_max: Annotated[int, Field(ge=0, lt=2**63)] = 10_000_000_000
    price_max: Annotated[int, Field(ge=0, le=1_999_999_900)] = 1_999_999_900
    collar_permille: Annotated[int, Field(ge=0, le=1000)] = 100
    position_max: Annotated[int, Field(ge=0, le=10**15)] = 100_000
    order_rate_per_s: Annotated[int, Field(ge=0, le=10**9)] = 100_000
    order_burst: Annotated[int, Field(ge=0, le=10**9)] = 10_000
    allow_unannounced: bool = True
    late_after_ns: Nanoseconds = 10_000_000


class JournalConfig(Frozen):
    """The journal: its file, and the ring in front of it (engine/journal/journal.h).

    The drain thread, on ``cpu``, sleeps until ``drain_above`` bytes wait; None: half of the ring.
    """

    path: Path
    ring_bytes: Annotated[int, Field(ge=1 << 18, le=1 << 34), AfterValidator(power_of_two)] = 64 << 20
    drain_above: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None


class EngineConfig(Frozen):
    """Everything the engine is told before it starts."""

    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    output: Path | None = None
    control: Path | None = None
    die_with_parent: bool = True
    stages: bool = True
    journal: JournalConfig | None = None
    lines: Annotated[tuple[LineConfig, ...], Field(max_length=2)] = ()
    gateway: GatewayConfig | None = None
    recovery: RecoveryConfig = RecoveryConfig()
    feed: FeedConfig = FeedConfig()
    book: BookConfig = BookConfig()
    strategy: StrategyConfig = StrategyConfig()
    risk: RiskConfig = RiskConfig()
    open_orders: Annotated[int, Field(ge=1, le=1 << 20)] = 65_536
    decisions: Annotated[int, Field(ge=1, le=1 << 26)] = 1_048_576
