"""One experiment: how the engine is set up, and what happens to it, action by action, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.config import BudgetConfig, RiskConfig
from engine.risk_table import RiskTable

__all__ = [
    "Answers",
    "Case",
    "Corrupt",
    "Datagram",
    "EndSession",
    "Heartbeat",
    "Kill",
    "KillStrategy",
    "KillSymbol",
    "Late",
    "Publish",
    "Rearm",
    "Release",
    "Setup",
    "Step",
    "Timer",
    "Withdraw",
]

QUOTER = (
    *(("order_shares", 100), ("width_ticks", 1), ("skew_ticks", 1), ("skew_max", 3), ("tick", 100)),
    *(("position_max", 500), ("symbol_count", 16), ("retry_messages", 4)),
)


AMPLE = BudgetConfig(
    **{"event_ns_max": 10**9, "hang_ns": 400_000_000, "order_burst": 10**6, "order_permille": 4_000},
    **{"rejection_burst": 10**6, "rejection_permille": 4_000},
)


@dataclass(frozen=True, kw_only=True)
class Setup:
    strategy: str = "touch_taker"  # touch_taker, shared_touch_taker, quoter, puppet, reflector
    order_shares: int = 100
    imbalance_permille: int = 800
    cooldown_messages: int = 0
    every: int = 3
    quoter: tuple[tuple[str, int], ...] = QUOTER
    limits: RiskConfig = field(default_factory=lambda: RiskConfig(late_after_ns=0))
    book_orders: int = 4_096
    open_orders: int = 64
    hold_back_ns: int = 1_000_000
    silence_ns: int = 3_000_000_000
    budget: BudgetConfig = AMPLE  # of a shared object


@dataclass(frozen=True, kw_only=True)
class Step:
    """``after_ns`` later than the action before."""

    after_ns: int = 1_000


@dataclass(frozen=True, kw_only=True)
class Datagram(Step):
    """The next messages of the feed on a line; ``hold``: kept back until Release. ``again``: on the other line too."""

    messages: tuple[bytes, ...]
    line: int = 0
    hold: bool = False
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Release(Step):
    """The oldest datagram that was kept back comes now."""

    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Heartbeat(Step):
    line: int = 0
    end: bool = False


@dataclass(frozen=True, kw_only=True)
class Timer(Step):
    pass


@dataclass(frozen=True, kw_only=True)
class Answers(Step):
    """Messages of the order gateway, without frames."""

    payloads: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class EndSession(Step):
    """The order gateway ends the session."""


@dataclass(frozen=True, kw_only=True)
class Late(Step):
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class Kill(Step):
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class KillSymbol(Step):
    symbol: int
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class KillStrategy(Step):
    strategy: int
    on: bool = True


@dataclass(frozen=True, kw_only=True)
class Rearm(Step):
    who: int = 1


@dataclass(frozen=True, kw_only=True)
class Publish(Step):
    """A new table, created ``ahead_ns`` from now."""

    limits: RiskTable
    ahead_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Withdraw(Step):
    pass


@dataclass(frozen=True, kw_only=True)
class Corrupt(Step):
    """A stray write: into a line of the gate's copy, or in place into the entry of a symbol or a profile."""

    what: str | int  # head, limits, account, soft, trips; a symbol's number; a profile's name
    word: int = 1
    bit: int = 0


@dataclass(frozen=True, kw_only=True)
class Case:
    seed: int
    setup: Setup
    steps: tuple[Step, ...]
