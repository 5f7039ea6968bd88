"""The engine itself as a subject: the same C as on the wire, stepped in process, and everything that it shows.

Like ``engine/binding.py`` this module touches the C's memory; it reads, and it writes where a stray write is wanted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from engine._engine import ffi, lib

from engine import Engine, EngineConfig
from engine.config import BookConfig, FeedConfig, StrategiesConfig, StrategyConfig
from engine.risk_table import RiskTable
from engine.strategy_check import shipped_path
from tests.engine_oracle.case import Setup
from tests.engine_oracle.itch import mold
from tests.engine_oracle.ouch import frame

__all__ = ["EngineSubject"]

ROOT = Path(__file__).resolve().parents[2]
LINES = "AB"
HEARTBEAT = b"\x00\x01R"
BUFFERS_AT, SYMBOLS_AT, SYMBOLS = 128, 5 * 64, 65_536  # asserted in limits.h
STATES = [
    "FREE",
    "PENDING",
    "LIVE",
    "PARTIAL",
    "FILLED",
    "CANCELED",
    "REJECTED",
    "DEAD",
    "PENDING_CANCEL",
    "PENDING_CANCEL_PARTIAL",
    "PENDING_REPLACE",
    "PENDING_REPLACE_PARTIAL",
    "PENDING_NEW_CANCEL",
    "REPLACED",
]


def text(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


@cache
def reason_names() -> list[str]:
    return [text(lib.risk_reason_name(code)) for code in range(lib.RISK_REASON_COUNT)]


@cache
def puppet_path() -> Path:
    """The puppet, compiled."""
    made = Path(mkdtemp(prefix="tailgate-puppet-")) / "puppet.so"
    source = Path(__file__).with_name("puppet.c")
    command = ["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{ROOT}"]
    subprocess.run([*command, str(source), "-o", str(made)], check=True, timeout=60)
    return made


class EngineSubject:
    def __init__(self, setup: Setup) -> None:
        built_in = setup.strategy in ("touch_taker", "reflector")
        self.setup = setup
        self.engine = Engine(
            EngineConfig(
                decisions=4_096,
                open_orders=setup.open_orders,
                book=BookConfig(orders=setup.book_orders, levels=4_096),
                feed=FeedConfig(
                    session="TAILGATE01",
                    reorder_packets=128,
                    unconfirmed_jump_messages=2**62,
                    hold_back_ns=setup.hold_back_ns,
                    line_silence_ns=setup.silence_ns,
                ),
                strategy=StrategyConfig(
                    name="reflector" if setup.strategy == "reflector" else "touch_taker",
                    order_shares=setup.order_shares,
                    imbalance_permille=setup.imbalance_permille,
                    cooldown_messages=setup.cooldown_messages,
                    every=setup.every,
                ),
                strategies=StrategiesConfig(budget=setup.budget),
                risk=setup.limits,
                stages=False,
            )
        )
        self.runner = self.engine._runner
        self.raw = self.runner._engine
        self.buffer = ffi.new("uint8_t[]", 1 << 16)
        self.sent: list[bytes] = []
        self.decided = 0
        self.engine_reasons = reason_names()
        if not built_in:
            self._deploy(setup)

    def _deploy(self, setup: Setup) -> None:
        if setup.strategy == "puppet":
            why = self.engine.deploy(puppet_path())
        elif setup.strategy == "quoter":
            why = self.engine.deploy(shipped_path("quoter"), dict(setup.quoter))
        else:
            settings = ("order_shares", "imbalance_permille", "cooldown_messages")
            why = self.engine.deploy(
                shipped_path("touch_taker"), {name: getattr(setup, name) for name in settings}
            )
        assert why == "", why

    def close(self) -> None:
        self.engine.close()

    # what happens to it

    def datagram(
        self, line: int, sequence: int, messages: tuple[bytes, ...], now_ns: int, *, end: bool = False
    ) -> None:
        data = mold(sequence, messages, count=0xFFFF if end else None)
        lib.engine_step(self.raw, line, data, len(data), now_ns)

    def timer(self, now_ns: int) -> None:
        lib.engine_step_timer(self.raw, now_ns)

    def answers(self, payloads: tuple[bytes, ...], now_ns: int) -> None:
        self.runner.receive(b"".join(frame(payload) for payload in payloads), now_ns)

    def end_session(self, now_ns: int) -> None:
        self.runner.receive(b"\x00\x01Z", now_ns)

    def set_late(self, on: bool) -> None:
        self.raw.late = on

    def kill(self, on: bool) -> None:
        (self.runner.hands.kill if on else self.runner.hands.release)()

    def kill_symbol(self, symbol: int, on: bool) -> None:
        self.engine.risk_control.kill_symbol(symbol, on=on)

    def kill_strategy(self, strategy: int, on: bool) -> None:
        self.engine.risk_control.kill_strategy(strategy, on=on)

    def rearm(self, who: int) -> None:
        assert self.engine.risk_control.rearm(who)

    def publish(self, limits: RiskTable, created_ns: int) -> None:
        self.engine.risk_control.publish(limits, created_ns=created_ns)

    def withdraw(self) -> None:
        self.engine.risk_control.withdraw()

    def corrupt(self, what: str | int, word: int, bit: int) -> None:
        if what in ("head", "limits", "account", "soft", "trips"):
            line = ffi.cast("uint64_t *", ffi.addressof(self.raw.risk, what))
            line[word] ^= 1 << bit
            return
        tables = self.raw.risk_memory.tables
        held = int(tables.held) - 1
        if held < 0:
            return
        start = ffi.cast("char *", ffi.addressof(self.raw.risk_memory, "tables")) + BUFFERS_AT
        table = start + held * ffi.sizeof("struct risk_table")
        if isinstance(what, int):
            words, index = ffi.cast("uint64_t *", table + SYMBOLS_AT), what
        else:
            words = ffi.cast("uint64_t *", table + SYMBOLS_AT + 8 * SYMBOLS)
            index = 8 * (1 + int(what.removeprefix("profile"))) + word
        words[index] ^= 1 << bit

    # what it shows

    def take_sent(self) -> list[bytes]:
        """Packets since the last call, heartbeats left out."""
        count = lib.runner_take_sent(self.runner._runner, self.buffer, 1 << 16)
        data = bytes(ffi.buffer(self.buffer, count))
        found = []
        while data:
            size = 2 + int.from_bytes(data[:2], "big")
            packet, data = data[:size], data[size:]
            if packet[2:3] != b"R":
                found.append(packet)
        return found

    def take_decisions(self) -> list[tuple[Any, ...]]:
        rows = self.engine.decisions()[self.decided :] if self.raw.decisions.count > self.decided else []
        self.decided += len(rows)
        return [
            (
                *(int(row["trigger_sequence"]), int(row["symbol"]), row["side"].decode("latin-1")),
                *(int(row["price"]), int(row["shares"]), int(row["ordinal"])),
                *(reason_names()[row["reason"]], text(lib.feed_state_name(row["feed_state"])).upper()),
                int(row["line"]),
            )
            for row in rows
        ]

    def view(self, keys: Iterable[int], symbols: Iterable[int]) -> dict[str, Any]:
        risk, table = self.raw.risk, self.raw.session.own_orders
        return {
            "sent": self.take_sent(),
            "decisions": self.take_decisions(),
            "feed": self.runner.feed_state,
            "book_complete": bool(self.raw.book.complete),
            "open_count": int(table.open_count),
            "discrepancies": bool(table.counters.discrepancies),
            "tops": {symbol: self.runner.top(symbol) for symbol in symbols},
            "own": {symbol: self._own(table.symbols[symbol]) for symbol in symbols},
            "orders": {key: self._order(key) for key in keys},
            "exposure": self._exposure(risk.exposure),
            "tripped": reason_names()[risk.trip_reason] if risk.tripped else None,
            "answers": {
                name: int(count)
                for name, count in zip(reason_names(), risk.reasons, strict=True)
                if count and name != "none"
            },
            "passed": int(risk.reasons[0]),
            "warnings": {
                name: int(count) for name, count in zip(reason_names(), risk.warnings, strict=True) if count
            },
            "wishes": int(risk.cancel_count),
            "records": self._records(risk),
        }

    @staticmethod
    def _own(symbol: Any) -> tuple[int, ...]:
        return (
            *(int(symbol.position), int(symbol.open_buy_shares), int(symbol.open_sell_shares)),
            *(int(symbol.own_best_bid), int(symbol.own_best_ask)),
        )

    def _order(self, key: int) -> tuple[Any, ...] | None:
        order = lib.own_orders_find(ffi.addressof(self.raw.session, "own_orders"), key)
        if order == ffi.NULL:
            return None
        return (
            *(STATES[order.state], order.side.decode(), int(order.price)),
            *(int(order.open_shares), int(order.executed_shares), int(order.canceled_shares)),
        )

    @staticmethod
    def _exposure(exposure: Any) -> tuple[int, ...]:
        return (
            *(int(exposure.value), int(exposure.open_buy), int(exposure.open_sell)),
            *(int(exposure.gross), int(exposure.open_orders)),
        )

    @staticmethod
    def _records(risk: Any) -> list[tuple[Any, ...]]:
        count = int(risk.record_count)
        rows = (risk.records[number % 64] for number in range(max(0, count - 8), count))
        return [
            (
                *(int(row.at_ns), int(row.decisions), text(lib.risk_record_name(row.kind))),
                *(reason_names()[row.reason], int(row.subject), int(row.who)),
            )
            for row in rows
        ]
