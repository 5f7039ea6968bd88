"""The engine's configuration: one JSON object in, one frozen EngineConfig out; unknown keys are errors."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from engine.risk_table import RiskTable

__all__ = [
    "DEVARGS",
    "BookConfig",
    "BudgetConfig",
    "ControlConfig",
    "DpdkConfig",
    "EngineConfig",
    "FeedConfig",
    "GatewayConfig",
    "JournalConfig",
    "LineConfig",
    "Mdp3Config",
    "OrdersConfig",
    "RecoveryConfig",
    "RiskConfig",
    "ServerConfig",
    "SnapshotConfig",
    "StrategiesConfig",
    "StrategyConfig",
    "WatchdogConfig",
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
# A virtual device, net_DRIVER and what follows, or a PCI address; then key=value pairs.
DEVARGS = r"^(net_[a-z_]+[0-9]*|([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])(,[!-~]+)?$"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DpdkConfig(Frozen):
    """The device of a line on DPDK (engine/io/dpdk.h): whole devargs. Huge pages: the first line's word holds."""

    device: Annotated[str, Field(max_length=511, pattern=DEVARGS)]
    hugepages: Literal["auto", "no", "yes"] = "auto"


class LineConfig(Frozen):
    """One line of the feed. ``socket_map`` is an inherited XSKMAP descriptor; None: our own program."""

    wire: Literal["af_xdp", "kernel", "dpdk"] = "af_xdp"
    dpdk: DpdkConfig | None = None
    interface: Annotated[str, Field(min_length=1, max_length=15)]
    queue: Annotated[int, Field(ge=0, le=63)] = 0
    socket_map: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    group: Address
    port: Annotated[int, Field(ge=1, le=65535)]

    @model_validator(mode="after")
    def _has_device(self) -> Self:
        if (self.wire == "dpdk") != (self.dpdk is not None):
            raise ValueError("wire dpdk needs dpdk.device, and no other wire has one")
        return self


class GatewayConfig(Frozen):
    """The venue's order gateway: SoupBinTCP over TCP."""

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)]
    username: Annotated[str, Field(min_length=1, max_length=6, pattern=PRINTABLE)]
    password: Annotated[str, Field(min_length=1, max_length=10, pattern=PRINTABLE)]
    session: Annotated[str, Field(max_length=10, pattern=PRINTABLE)] = ""
    protocol: Literal["ouch42", "ouch50"] = "ouch42"


class OrdersConfig(Frozen):
    """What carries the order session: the kernel's TCP, or our own on the bypass wire that leads to the gateway."""

    wire: Literal["kernel", "af_xdp"] = "kernel"
    queue: Annotated[int, Field(ge=0, le=63)] = 0


class WatchdogConfig(Frozen):
    """When a port leaves the bypass by itself (engine/wire_watch.h). Not automatic: by command only."""

    automatic: bool = True
    period_ns: Annotated[int, Field(ge=1_000_000, le=10_000_000_000)] = 20_000_000
    stall_ns: Annotated[int, Field(ge=1_000_000, lt=2**63)] = 1_000_000_000
    wire_down_ns: Annotated[int, Field(ge=1_000_000, lt=2**63)] = 500_000_000


class ServerConfig(Frozen):
    """Where a service listens."""

    address: Address
    port: Annotated[int, Field(ge=1, le=65535)]


class SnapshotConfig(ServerConfig):
    """The snapshot service: GLIMPSE over SoupBinTCP.

    ``names_session``: its Login Accepted names the feed's session, and a snapshot of another one is refused.
    """

    username: Annotated[str, Field(min_length=1, max_length=6, pattern=PRINTABLE)]
    password: Annotated[str, Field(min_length=1, max_length=10, pattern=PRINTABLE)]
    names_session: bool = False


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


class RiskConfig(RiskTable):
    """The table of limits that the engine starts with, and what the engine itself calls late."""

    late_after_ns: Nanoseconds = 10_000_000


class JournalConfig(Frozen):
    """The journal: its file, and the ring in front of it (engine/journal/journal.h).

    The drain thread, on ``cpu``, sleeps until ``drain_above`` bytes wait; None: half of the ring.
    """

    path: Path
    ring_bytes: Annotated[int, Field(ge=1 << 18, le=1 << 34), AfterValidator(power_of_two)] = 64 << 20
    drain_above: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None


class BudgetConfig(Frozen):
    """What a strategy in a shared object may use; the meaning of each is in engine/strategy/slots.h."""

    event_ns_max: Annotated[int, Field(ge=100, le=10**9)] = 5_000
    hang_ns: Annotated[int, Field(ge=10**6, le=10**10)] = 20_000_000
    order_burst: Annotated[int, Field(ge=1, le=10**6)] = 64
    order_permille: Annotated[int, Field(ge=0, le=4000)] = 250
    rejection_burst: Annotated[int, Field(ge=1, le=10**6)] = 16
    rejection_permille: Annotated[int, Field(ge=0, le=4000)] = 20


class StrategiesConfig(Frozen):
    """Strategies in shared objects: SHA-256 of those that may be loaded (none by default), and their budget."""

    allow: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    budget: BudgetConfig = BudgetConfig()


Role = Literal["viewer", "operator", "risk", "admin"]


class ControlConfig(Frozen):
    """The socket that ``tailgate ctl`` talks to: its file's mode, the role of each user id, and the audit trail."""

    socket: Annotated[Path, Field()]
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0600"
    roles: dict[Annotated[str, Field(pattern=r"^[0-9]{1,10}$")], Role] = {}
    audit: Path
    answer_ns: Annotated[int, Field(ge=10**6, le=60 * 10**9)] = 1_000_000_000


class Mdp3Config(Frozen):
    """The channel of venue mdp3; the meaning of each is in engine/feed/mdp3_channel.h and mdp3_arbiter.h.

    No book by order and no recovery feed yet: ``snapshots`` False lets an instrument whose book is wrong be GAP.
    """

    hold_back_ns: Nanoseconds = 1_000_000
    line_silence_ns: Nanoseconds = 65_000_000_000
    first_sequence: Annotated[int, Field(ge=0, lt=2**32)] = 0
    reorder_packet_count: Annotated[int, Field(ge=1, le=1 << 16), AfterValidator(power_of_two)] = 1024
    arrival_count: Annotated[int, Field(ge=1024, le=1 << 20), AfterValidator(power_of_two)] = 8192
    confirm_packets: Annotated[int, Field(ge=1, le=8)] = 2
    instrument_count: Annotated[int, Field(ge=1, le=65_534)] = 1024
    depth: Annotated[int, Field(ge=1, le=10)] = 10
    implied_depth: Annotated[int, Field(ge=0, le=10)] = 2
    snapshots: bool = False
    natural_refresh: bool = False
    status_required: bool = True


class EngineConfig(Frozen):
    """Everything the engine is told before it starts.

    Venue mdp3 is market data only: no gateway, no recovery services; feed, book, strategy and risk are not used.
    """

    venue: Literal["itch50", "mdp3"] = "itch50"
    mdp3: Mdp3Config = Mdp3Config()
    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    output: Path | None = None
    control: Path | None = None
    die_with_parent: bool = True
    stages: bool = True
    journal: JournalConfig | None = None
    lines: Annotated[tuple[LineConfig, ...], Field(max_length=2)] = ()
    gateway: GatewayConfig | None = None
    orders: OrdersConfig = OrdersConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    recovery: RecoveryConfig = RecoveryConfig()
    feed: FeedConfig = FeedConfig()
    book: BookConfig = BookConfig()
    strategy: StrategyConfig = StrategyConfig()
    strategies: StrategiesConfig = StrategiesConfig()
    ctl: ControlConfig | None = None
    risk: RiskConfig = RiskConfig()
    open_orders: Annotated[int, Field(ge=1, le=1 << 20)] = 65_536
    decisions: Annotated[int, Field(ge=1, le=1 << 26)] = 1_048_576

    @model_validator(mode="after")
    def _market_data_only(self) -> Self:
        if self.venue == "mdp3" and (self.gateway or self.recovery.requests or self.recovery.snapshots):
            raise ValueError("venue mdp3 is market data only: leave gateway and recovery out")
        if self.mdp3.arrival_count < self.mdp3.reorder_packet_count:
            raise ValueError("mdp3.arrival_count must be at least mdp3.reorder_packet_count")
        return self
