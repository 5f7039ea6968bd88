"""What a receiver of the feed must offer to be judged, and the engine behind that face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from engine import Engine, EngineConfig
from engine.config import (
    BookConfig,
    FeedConfig,
    RecoveryConfig,
    RiskConfig,
    ServerConfig,
    SnapshotConfig,
    StrategyConfig,
)
from engine.step import orders_in
from tests.engine.book.reference_book import Row
from tests.engine.venue_bytes import Enter, accepted, canceled
from tests.feed_oracle.case import Case

__all__ = ["PASSWORD", "POSITION_SHIFT", "SESSIONS", "USERNAME", "EngineReceiver", "Join", "Receiver", "Sent"]

USERNAME, PASSWORD = "U", "P"
SESSIONS = (b"TAILGATE01", b"TAILGATE02")
POSITION_SHIFT = 40  # position = ordinal of the session << 40 | number
LINES = {"A": 0, "B": 1, "recovery": 2}


@dataclass(frozen=True)
class Sent:
    """An order that left: why (a position), and what it wants."""

    position: int
    symbol: int
    side: str
    price: int
    shares: int


@dataclass(frozen=True)
class Join:
    """Delivery went on at ``position``; nothing from ``skipped_from`` up to it was delivered."""

    position: int
    skipped_from: int


class Receiver(Protocol):
    """Time is the caller's and does not go back."""

    def datagram(self, line: str, data: bytes, now_ns: int) -> None: ...
    def timer(self, now_ns: int) -> None: ...
    def take_orders(self) -> list[Sent]: ...
    def take_requests(self) -> list[bytes]: ...
    def snapshot_open(self, now_ns: int) -> bytes: ...
    def snapshot_bytes(self, data: bytes, now_ns: int) -> None: ...
    def snapshot_close(self, now_ns: int) -> None: ...
    def rows(self) -> list[Row]: ...
    def joins(self) -> list[Join]: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...

    @property
    def wants_snapshot(self) -> bool: ...
    @property
    def snapshot_is_open(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def session(self) -> bytes: ...
    @property
    def position(self) -> int:
        """Of the next message to deliver."""
        ...

    @property
    def delivered(self) -> int: ...


def engine_config(case: Case) -> EngineConfig:
    policy = case.policy
    return EngineConfig(
        feed=FeedConfig(
            session=SESSIONS[0].decode() if policy.named else "",
            delivery="best_effort" if policy.best_effort else "strict",
            follow_sessions=policy.follow,
            session_confirm_packets=policy.confirm,
            unconfirmed_jump_messages=policy.jump,
            hold_back_ns=policy.hold_back_us * 1000,
            line_silence_ns=policy.silence_us * 1000,
            reorder_packets=policy.reorder_packets,
            request_messages_max=policy.request_max,
            request_outstanding_max=policy.outstanding,
            request_attempts=policy.attempts,
            request_timeout_ns=policy.timeout_us * 1000,
            give_up_messages=policy.give_up,
            snapshot_attempts=policy.snapshot_attempts,
            snapshot_timeout_ns=policy.snapshot_timeout_us * 1000,
            retry_ns=policy.retry_us * 1000,
        ),
        recovery=RecoveryConfig(
            requests=ServerConfig(address="10.0.0.1", port=1) if case.requests else None,
            snapshots=SnapshotConfig(
                address="10.0.0.1", port=2, username=USERNAME, password=PASSWORD, names_session=True
            )
            if case.snapshots
            else None,
        ),
        book=BookConfig(orders=4096, levels=1024),
        strategy=StrategyConfig(imbalance_permille=500),
        risk=RiskConfig(late_after_ns=10**15),
        decisions=4096,
        open_orders=64,
    )


class EngineReceiver:
    """The engine, step by step. Reads a few fields of its C directly: a copy of everything per step is too slow."""

    def __init__(self, case: Case) -> None:
        self._engine = Engine(engine_config(case))
        self._runner: Any = self._engine._runner
        self._c: Any = self._runner._engine
        self._orders_seen = 0
        self._now_ns = 0

    def datagram(self, line: str, data: bytes, now_ns: int) -> None:
        self._now_ns = now_ns
        self._runner.step(LINES[line], data, now_ns)

    def timer(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._runner.step_timer(now_ns)

    def take_orders(self) -> list[Sent]:
        if self._c.statistics.orders == self._orders_seen:
            return []
        self._orders_seen = int(self._c.statistics.orders)
        return self._take_sent()

    def _take_sent(self) -> list[Sent]:
        """Every order is accepted and canceled at once, so that none stays open."""
        orders = []
        for order in orders_in(self._runner.take_sent()):
            token = order.raw[4:18].decode()
            enter = Enter(
                token=token,
                side=order.side,
                shares=order.shares,
                stock=order.stock.ljust(8),
                price=order.price,
            )
            self._runner.receive(accepted(enter) + canceled(enter, order.shares), self._now_ns)
            symbol = int(order.stock.removeprefix("SYM"))
            orders.append(Sent(order.trigger_sequence, symbol, order.side, order.price, order.shares))
        return orders

    def take_requests(self) -> list[bytes]:
        return self._engine.take_requests()

    def snapshot_open(self, now_ns: int) -> bytes:
        self._engine.take_snapshot_sent()
        self._engine.snapshot_open(now_ns)
        return self._engine.take_snapshot_sent()

    def snapshot_bytes(self, data: bytes, now_ns: int) -> None:
        self._now_ns = now_ns
        self._runner.receive_snapshot(data, now_ns)

    def snapshot_close(self, now_ns: int) -> None:
        self._engine.snapshot_close(now_ns)

    def rows(self) -> list[Row]:
        return [tuple(row) for row in self._engine.book().tolist()]

    def joins(self) -> list[Join]:
        return [Join(join["sequence"], join["skipped_from"]) for join in self._runner._joins()]

    def counters(self) -> dict[str, int]:
        report = self._runner._feed_report()
        lines = report.pop("lines")
        counters = {name: value for name, value in report.items() if isinstance(value, int)}
        for name in ("malformed", "suspects", "session_mismatches"):
            counters[name] = sum(line[name] for line in lines.values())
        book = self._runner._book_report()
        counters["book_faults"] = int(not book["complete"]) + book["unknown_reference"]
        counters["orders"] = self._orders_seen
        counters["left_over_orders"] = len(self._take_sent())
        return counters

    def close(self) -> None:
        self._engine.close()

    @property
    def wants_snapshot(self) -> bool:
        return self._engine.wants_snapshot

    @property
    def snapshot_is_open(self) -> bool:
        return self._engine.snapshot_is_open

    @property
    def state(self) -> str:
        return self._engine.feed_state

    @property
    def session(self) -> bytes:
        return bytes(self._c.feed.session)

    @property
    def position(self) -> int:
        feed = self._c.feed
        return int(feed.position_base) | int(feed.next_sequence)

    @property
    def delivered(self) -> int:
        return int(self._c.feed.statistics.delivered)
