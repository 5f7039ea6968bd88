"""The engine step by step: one datagram in, the orders it caused out; the same C as on the wire, no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from engine.binding import Runner
from engine.config import EngineConfig
from engine.risk_build import RiskControl

__all__ = ["Engine", "Order"]

ENTER_ORDER_BYTES = 52  # SoupBinTCP frame and OUCH 4.2 Enter Order
LINES = {"A": 0, "B": 1, "recovery": 2}


@dataclass(frozen=True, kw_only=True)
class Order:
    """An Enter Order as it would leave; ``price`` in 1/10000."""

    trigger_sequence: int
    ordinal: int
    side: str
    shares: int
    stock: str
    price: int
    raw: bytes


def orders_in(sent: bytes) -> Iterator[Order]:
    """The Enter Orders in a stretch of the order stream; other packets are passed over."""
    while sent:
        size = 2 + int.from_bytes(sent[:2], "big")
        packet, sent = sent[:size], sent[size:]
        if size == ENTER_ORDER_BYTES and packet[2:4] == b"UO":
            yield Order(
                trigger_sequence=int(packet[5:17], 16),
                ordinal=int(packet[17:18]),
                side=packet[18:19].decode(),
                shares=int.from_bytes(packet[19:23], "big"),
                stock=packet[23:31].decode().rstrip(),
                price=int.from_bytes(packet[31:35], "big"),
                raw=packet,
            )


class Engine:
    """A logged-in engine without wires. Time is the caller's: ``now_ns`` must not go back."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        self._runner = Runner(config or EngineConfig(decisions=65_536))
        self._runner.accept_login(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._runner.finish_journal()
        self._runner.close()

    def step(self, datagram: bytes, *, line: str = "A", now_ns: int = 0) -> list[Order]:
        """Hands over one MoldUDP64 datagram and returns the orders that left."""
        self._runner.step(LINES[line], datagram, now_ns)
        return list(orders_in(self._runner.take_sent()))

    def timer(self, *, now_ns: int) -> list[Order]:
        """Lets time pass: hold-back, silence, heartbeats."""
        self._runner.step_timer(now_ns)
        return list(orders_in(self._runner.take_sent()))

    def receive(self, data: bytes, *, now_ns: int = 0) -> None:
        """Bytes from the order gateway."""
        self._runner.receive(data, now_ns)

    @property
    def risk_control(self) -> RiskControl:
        """Limits, kills and re-arms, as a control thread gives them."""
        return self._runner.risk_control

    def take_requests(self) -> list[bytes]:
        """MoldUDP64 requests that would leave, since the last call; replies come in as line ``recovery``."""
        return self._runner.take_requests()

    @property
    def wants_snapshot(self) -> bool:
        """True while the feed waits for a snapshot and none is under way: call ``snapshot_open``."""
        return self._runner.wants_snapshot

    @property
    def snapshot_is_open(self) -> bool:
        """False once the snapshot was joined, lost or given up."""
        return self._runner.snapshot_open

    def snapshot_open(self, now_ns: int) -> None:
        """The connection to the snapshot service stands; the login is in ``take_snapshot_sent``."""
        self._runner.open_snapshot(now_ns)

    def snapshot_bytes(self, data: bytes, now_ns: int) -> list[Order]:
        """Bytes of the snapshot service, in any pieces; returns the orders that left behind a join."""
        self._runner.receive_snapshot(data, now_ns)
        return list(orders_in(self._runner.take_sent()))

    def snapshot_close(self, now_ns: int) -> None:
        """The connection to the snapshot service is lost."""
        self._runner.lose_snapshot(now_ns)

    def take_snapshot_sent(self) -> bytes:
        """Bytes for the snapshot service since the last call."""
        return self._runner.take_snapshot_sent()

    def deploy(self, path: Path, parameters: Mapping[str, int] | None = None, *, now_ns: int = 0) -> str:
        """Swaps in a strategy from a shared object, which nobody has checked; empty, or why it was not."""
        hands = self._runner.hands
        hands.here()
        loaded = hands.load(path, parameters or {})
        if loaded.slot < 0:
            return str(loaded.why)
        return (
            "" if self._command("deploy", loaded.slot, now_ns) else "the engine cannot swap its strategy now"
        )

    def plan(self, path: Path, *, position: int = 0, at_ns: int = 0, now_ns: int = 0) -> str:
        """The same as soon as feed message ``position`` or a later one is the next, or the time is there."""
        hands = self._runner.hands
        hands.here()
        loaded = hands.load(path, {})
        if loaded.slot < 0:
            return str(loaded.why)
        command, when = ("deploy_at", position) if position else ("deploy_when", at_ns)
        return "" if self._command(command, when << 8 | loaded.slot, now_ns) else "it cannot be planned now"

    def roll_back(self, *, now_ns: int = 0) -> bool:
        """Back to the strategy before; False when there is none."""
        return self._command("rollback", 0, now_ns)

    def enable_line(self, line: str, *, enabled: bool, now_ns: int = 0) -> bool:
        return self._command("line_enable" if enabled else "line_disable", LINES[line], now_ns)

    def _command(self, command: str, argument: int, now_ns: int) -> bool:
        number = self._runner.hands.post(command, argument)
        self._runner.step_timer(now_ns)
        answer = self._runner.hands.answered(number)
        self._runner.hands.reclaim()
        return answer is not None and answer.done

    def strategies(self) -> dict[str, Any]:
        """Which strategies were active when, and what the active one has done."""
        return self._runner.hands.report()

    def kill(self) -> None:
        self._runner.hands.kill()

    def top(self, symbol: int) -> tuple[int, int, int, int]:
        """(bid price, bid shares, ask price, ask shares) of a stock locate; price 0 = empty side."""
        return self._runner.top(symbol)

    @property
    def feed_state(self) -> str:
        return self._runner.feed_state

    def book(self) -> NDArray[Any]:
        return self._runner.book()

    def decisions(self) -> NDArray[Any]:
        return self._runner.decisions()

    def report(self) -> dict[str, Any]:
        return self._runner.report()
