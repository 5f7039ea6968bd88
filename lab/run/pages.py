"""The pages that engine and exchange share with the lab, read as values while a run goes on."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UndecidedError

__all__ = [
    "ENGINE_KILL_OFFSET",
    "ENGINE_LINES_OFFSET",
    "EnginePage",
    "EngineState",
    "ExchangePage",
    "ExchangeProgress",
]

EXCHANGE_MAGIC = 0x7461696C67617465
ENGINE_MAGIC = 0x656E67696E657431
EXCHANGE_FIELDS = struct.Struct("<10Q")
ENGINE_FIELDS = struct.Struct("<4Q2I2Q")
ENGINE_STATE_OFFSET = 64
ENGINE_LINES = struct.Struct("<7Q")
ENGINE_LINES_OFFSET = 320  # begins with the numbers that an exchange can follow
ENGINE_KILL_OFFSET = 12  # a 32-bit word, not 0: no order leaves


@dataclass(frozen=True, kw_only=True)
class ExchangeProgress:
    """How far the exchange is. ``state``: 0 ready, 1 publishing, 2 idle, 3 stopped."""

    messages: int
    packets: int
    orders: int
    state: int
    last_intended_ns: int
    stall_max_ns: int
    stall_count: int


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """What the engine last published of itself, at most 100 us ago while it runs."""

    heartbeat_ns: int
    delivered: int
    triggers: int
    orders: int
    feed_state: int
    session_up: bool
    stalls: int
    stall_ns_max: int


@dataclass(frozen=True, kw_only=True)
class LinesHeard:
    """Of lines A and B: the number behind the last message told of, datagrams so far, when the last of them came."""

    next: tuple[int, ...]
    packets: tuple[int, ...]
    heard_ns: tuple[int, ...]


class Page:
    def __init__(self, path: Path, magic: int) -> None:
        with path.open("r+b") as file:
            head = file.read(8)
            if head != magic.to_bytes(8, "little"):
                raise UndecidedError(
                    "not the page expected here", where=str(path), why=f"it begins with {head!r}"
                )
            self._map = mmap.mmap(file.fileno(), 0)

    def close(self) -> None:
        self._map.close()


class ExchangePage(Page):
    """The exchange's progress page."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, EXCHANGE_MAGIC)

    def read(self) -> ExchangeProgress:
        _, messages, packets, orders, state, intended, stall_max, stalls, _, _ = EXCHANGE_FIELDS.unpack_from(
            self._map
        )
        return ExchangeProgress(
            messages=messages,
            packets=packets,
            orders=orders,
            state=state,
            last_intended_ns=intended,
            stall_max_ns=stall_max,
            stall_count=stalls,
        )


class EnginePage(Page):
    """The engine's control page (engine/control.h)."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ENGINE_MAGIC)

    def read(self) -> EngineState:
        heartbeat, delivered, triggers, orders, feed, session, stalls, stall_max = ENGINE_FIELDS.unpack_from(
            self._map, ENGINE_STATE_OFFSET
        )
        return EngineState(
            heartbeat_ns=heartbeat,
            delivered=delivered,
            triggers=triggers,
            orders=orders,
            feed_state=feed,
            session_up=bool(session),
            stalls=stalls,
            stall_ns_max=stall_max,
        )

    def lines(self) -> LinesHeard | None:
        """What the lines told of, as the engine last published it; None: it was about to write."""
        first = ENGINE_LINES.unpack_from(self._map, ENGINE_LINES_OFFSET)
        if first[6] % 2 or ENGINE_LINES.unpack_from(self._map, ENGINE_LINES_OFFSET) != first:
            return None
        return LinesHeard(next=first[0:2], packets=first[2:4], heard_ns=first[4:6])
