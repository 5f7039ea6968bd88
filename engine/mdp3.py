"""CME MDP 3.0 channel step by step: datagrams of its feeds go in, events, books and states come out; no network.

Like ``binding.py`` this module touches the engine's C: it only calls, checks and converts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib

__all__ = [
    "ARRIVAL_ROW",
    "EVENT_ROW",
    "SIDES",
    "SOURCES",
    "Level",
    "Mdp3Channel",
    "Mdp3Error",
    "Mdp3Options",
    "Mdp3View",
    "channel_options",
    "numbers",
    "text",
]

EVENT_ROW = np.dtype(
    [("sequence", "<u8"), ("time_ns", "<u8"), ("order_reference", "<u8"), ("new_order_reference", "<u8")]
    + [("match", "<u8"), ("wide_shares", "<u8"), ("price", "<u4"), ("shares", "<u4"), ("symbol", "<u2")]
    + [("kind", "u1"), ("side", "S1"), ("flag", "S1"), ("venue_type", "u1"), ("venue", "u1")]
    + [("indicator", "u1"), ("stock", "S8"), ("wide_price", "<i8"), ("priority", "<u8"), ("security", "<i4")]
    + [("report_sequence", "<u4"), ("order_count", "<u4"), ("level", "u1"), ("action", "u1")]
    + [("price_exponent", "i1"), ("reserved", "u1")]
)
ARRIVAL_ROW = np.dtype(
    [("position", "<u8"), ("first_ns", "<u8"), ("second_ns", "<u8"), ("line", "u1"), ("pad", "V7")]
)
ORDER_ROW = np.dtype([("identity", "<u8"), ("priority", "<u8"), ("price", "<i8"), ("quantity", "<u8")])
SOURCES = {
    "A": 0, "B": 1, "snapshot_A": 2, "snapshot_B": 3, "order_snapshot_A": 4, "order_snapshot_B": 5,
    "definition_A": 6, "definition_B": 7,
}  # fmt: skip
SIDES = ("bid", "ask", "implied_bid", "implied_ask")
BATCH = 4096  # events fetched at once

Level = tuple[int, int, int]  # price mantissa, quantity, orders


class Mdp3Error(Exception):
    """The channel refused its options; the text says so."""


@dataclass(frozen=True, kw_only=True)
class Mdp3Options:
    """Options of a channel; the manual is in engine/feed/mdp3_channel.h and mdp3_arbiter.h. Times in ns."""

    hold_back_ns: int = 1_000_000
    line_silence_ns: int = 65_000_000_000
    first_sequence: int = 0
    reorder_packet_count: int = 1024
    reorder_packet_bytes: int = 1536
    arrival_count: int = 8192
    confirm_packets: int = 2
    instrument_count: int = 1024
    order_capacity: int = 0
    event_capacity: int = 8192
    join_capacity: int = 65_536
    depth: int = 10
    implied_depth: int = 2
    snapshots: bool = True
    natural_refresh: bool = False
    status_required: bool = True


def text(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


def numbers(struct: Any) -> dict[str, int]:
    """Every integer field of a C struct, by name."""
    names = [name for name, field in ffi.typeof(struct).fields if field.type.kind == "primitive"]
    return {name: int(getattr(struct, name)) for name in names}


def channel_options(options: Mdp3Options) -> Any:
    """``struct mdp3_channel_options``."""
    target = ffi.new("struct mdp3_channel_options *")
    lib.mdp3_channel_options_default(target)
    arbiter = {name for name, _ in ffi.typeof("struct mdp3_arbiter_options").fields}
    for field in fields(options):
        owner = target.arbiter if field.name in arbiter else target
        setattr(owner, field.name, getattr(options, field.name))
    return target


class Mdp3View:
    """What a channel has made so far: states, books, counters. Securities are the venue's SecurityID."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    @property
    def state(self) -> str:
        return text(lib.feed_state_name(self._channel.state)).upper()

    @property
    def next_sequence(self) -> int:
        """The MsgSeqNum that is due."""
        return int(self._channel.arbiter.next_sequence)

    @property
    def securities(self) -> list[int]:
        """Every instrument that was named, in the order of its index: an event's symbol is the place here + 1."""
        channel = self._channel
        return [int(channel.instruments[index].security) for index in range(channel.instrument_count)]

    def _index(self, security: int) -> int:
        index = int(lib.mdp3_channel_find(self._channel, security))
        if index < 0:
            raise KeyError(security)
        return index

    def instrument_state(self, security: int) -> str:
        """State of the book by price."""
        return text(
            lib.feed_state_name(lib.mdp3_instrument_state(self._channel, self._index(security)))
        ).upper()

    def orders_state(self, security: int) -> str:
        """State of the book by order."""
        state = lib.mdp3_instrument_orders_state(self._channel, self._index(security))
        return text(lib.feed_state_name(state)).upper()

    def tradable(self, security: int) -> bool:
        """The gate's answer; False for a security that was never named."""
        index = int(lib.mdp3_channel_find(self._channel, security))
        return index >= 0 and bool(lib.mdp3_instrument_tradable(self._channel, index))

    def instrument(self, security: int) -> dict[str, int]:
        """Numbers of one instrument: next RptSeq, trading status (255 not known), halt reason, ..."""
        return numbers(self._channel.instruments[self._index(security)])

    def book(self, security: int) -> dict[str, list[Level | None]]:
        """Sides of the book by price, best first; None where a level is not known, cut behind the last level."""
        book = self._channel.instruments[self._index(security)].book
        return {name: self._side(book.sides[index]) for index, name in enumerate(SIDES)}

    @staticmethod
    def _side(side: Any) -> list[Level | None]:
        levels: list[Level | None] = []
        for index in range(side.depth):
            level, bit = side.levels[index], 1 << index
            if side.filled & bit:
                levels.append((int(level.price), int(level.quantity), int(level.order_count)))
            elif side.known & bit:
                break
            else:
                levels.append(None)
        return levels

    def orders(self, security: int) -> dict[str, NDArray[Any]]:
        """The book by order, ORDER_ROW per side: best price first, then by priority."""
        index, capacity = self._index(security), int(self._channel.orders.order_count)
        sides = {}
        for side, name in enumerate(SIDES[:2]):
            rows = np.empty(max(capacity, 1), ORDER_ROW)
            pointer = ffi.cast("struct mbo_book_row *", ffi.from_buffer(rows))
            sides[name] = rows[
                : lib.mbo_book_export(ffi.addressof(self._channel, "orders"), index, side, pointer, capacity)
            ]
        return sides

    def arrivals(self) -> NDArray[Any]:
        """Packets that came on both lines since the last call, ARRIVAL_ROW in the order of the second copies."""
        parts = []
        count = BATCH
        while count == BATCH:
            rows = np.empty(BATCH, ARRIVAL_ROW)
            pointer = ffi.cast("struct mdp3_arrival *", ffi.from_buffer(rows))
            count = lib.mdp3_arbiter_arrivals(ffi.addressof(self._channel, "arbiter"), pointer, BATCH)
            parts.append(rows[:count])
        return np.concatenate(parts)

    def counters(self) -> dict[str, int]:
        """Counters of channel and arbiter by name, and ``template_<number>`` for each message type seen."""
        statistics = self._channel.statistics
        templates = {
            f"template_{number}": int(count) for number, count in enumerate(statistics.templates) if count
        }
        malformed = {"snapshot_malformed": sum(statistics.snapshot_malformed)}
        return numbers(statistics) | numbers(self._channel.arbiter.statistics) | templates | malformed

    def line_counters(self, line: int) -> dict[str, int]:
        """Counters of one line; ``malformed_<outcome>`` for each fault seen."""
        statistics = self._channel.arbiter.statistics.lines[line]
        malformed = {
            f"malformed_{text(lib.mdp3_outcome_name(outcome))}": int(count)
            for outcome, count in enumerate(statistics.malformed)
            if count
        }
        return numbers(statistics) | malformed

    def transitions(self) -> list[dict[str, Any]]:
        """Remembered changes of the channel's state, oldest first."""
        capacity = lib.MDP3_TRANSITION_COUNT
        rows = ffi.new("struct mdp3_transition[]", capacity)
        count = lib.mdp3_channel_transitions(self._channel, rows, capacity)
        return [
            {
                "at_ns": int(row.at_ns),
                "position": int(row.position),
                "before": text(lib.feed_state_name(getattr(row, "from"))).upper(),
                "after": text(lib.feed_state_name(row.to)).upper(),
                "cause": text(lib.mdp3_cause_name(row.cause)),
            }
            for row in rows[0:count]
        ]


class Mdp3Channel(Mdp3View):
    """One channel. Time is the caller's: ``now_ns`` must not go back. Securities are the venue's SecurityID."""

    def __init__(self, options: Mdp3Options | None = None) -> None:
        options = options or Mdp3Options()
        target = channel_options(options)
        size = lib.mdp3_channel_memory_size(target)
        if size == 0:
            raise Mdp3Error(f"an option is out of range: {options}")
        alignment = lib.MDP3_MEMORY_ALIGNMENT
        self._memory = ffi.new("char[]", size + alignment)
        skip = -int(ffi.cast("uintptr_t", self._memory)) % alignment
        super().__init__(ffi.new("struct mdp3_channel *"))
        if lib.mdp3_channel_init(self._channel, target, self._memory + skip, size):
            raise Mdp3Error(f"the channel refused {options}")
        self._events = np.empty(BATCH, EVENT_ROW)
        self._pointer = ffi.cast("struct event *", ffi.from_buffer(self._events))
        self._outcome = 0

    def step(self, source: int, datagram: bytes, now_ns: int) -> NDArray[Any]:
        """Events published because of one UDP payload, EVENT_ROW; ``source`` as in SOURCES, 0 and 1 the lines."""
        channel = self._channel
        self._outcome = lib.mdp3_channel_accept(channel, source, datagram, len(datagram), now_ns)
        return self._take()

    def timer(self, now_ns: int) -> NDArray[Any]:
        """Events published because time has passed: a hole was given up."""
        lib.mdp3_channel_timer(self._channel, now_ns)
        return self._take()

    def end(self, now_ns: int) -> None:
        lib.mdp3_channel_end(self._channel, now_ns)

    def _take(self) -> NDArray[Any]:
        parts = []
        count = BATCH
        while count == BATCH:
            count = lib.mdp3_channel_take(self._channel, self._pointer, BATCH)
            parts.append(self._events[:count].copy())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @property
    def outcome(self) -> str:
        """What became of the last datagram."""
        return text(lib.mdp3_accept_outcome_name(self._outcome))
