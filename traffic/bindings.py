"""The C core as typed Python: arrays and plain values enter and leave. Only this module touches ffi and lib.

Arrays are numpy, memory is always Python's: every object keeps what it gave to C.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traffic._traffic import ffi, lib

__all__ = [
    "BOOK_DTYPE",
    "DROP_COPY_DTYPE",
    "PACKET_DTYPE",
    "PROGRESS_BYTES",
    "Exchange",
    "ExchangeOptions",
    "ItchScan",
    "LineOptions",
    "OpenError",
    "PublishedBook",
    "ScheduleOptions",
    "arrival_offsets",
    "build_schedule",
    "die_with_parent",
    "generate_model",
    "itch_length",
    "packet_sums",
    "scan_itch",
]

Bytes = NDArray[np.uint8]
Times = NDArray[np.int64]
Records = NDArray[np.void]

PACKET_DTYPE = np.dtype(
    [("first_sequence", "<u8"), ("count", "<u2"), ("burst", "<i4"), ("bytes", "<u4"), ("intended_ns", "<i8"),
     ("sent_ns", "<i8", (2,)), ("message_offset", "<u8")]
)  # fmt: skip
DROP_COPY_DTYPE = np.dtype(
    [("at_ns", "<i8"), ("kind", "S1"), ("token", "S14"), ("side", "S1"), ("symbol", "<u2"), ("stock", "S8"),
     ("shares", "<u4"), ("price", "<u4"), ("match", "<u8"), ("order_reference", "<u8"),
     ("published_sequence", "<u8"), ("reason", "S1")]
)  # fmt: skip
BOOK_DTYPE = np.dtype(
    [("symbol", "<u2"), ("side", "S1"), ("price", "<u4"), ("position", "<u4"), ("reference", "<u8"),
     ("shares", "<u4")]
)  # fmt: skip
PROGRESS_BYTES = 80
MODEL_FRAME_BYTES_MAX = 52
_OUTCOMES = ("not_book", "applied", "unknown_reference", "duplicate_reference", "malformed", "full")
_ARRIVALS = MappingProxyType({"even": 0, "poisson": 1, "hawkes": 2})
_SCAN_OUTCOMES = ("ok", "truncated", "too_short", "too_long")
_DOINGS = ("wait", "send", "book", "orders")

assert PACKET_DTYPE.itemsize == ffi.sizeof("struct packet_record")
assert DROP_COPY_DTYPE.itemsize == ffi.sizeof("struct drop_copy_row")
assert BOOK_DTYPE.itemsize == ffi.sizeof("struct published_row")
assert ffi.sizeof("struct exchange_progress") == PROGRESS_BYTES


class OpenError(Exception):
    """A socket could not be opened; `errno` is the system's."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


def _zeroed(size: int) -> Bytes:
    """Zeroed memory aligned to a cache line; untouched pages cost nothing."""
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + size]


def _touched(memory: NDArray[Any]) -> NDArray[Any]:
    """The same memory with every page present: a first touch in the busy loop can cost it a millisecond."""
    memory.view(np.uint8).fill(0)
    return memory


def _pointer(kind: str, array: NDArray[Any]) -> Any:
    return ffi.cast(kind, array.ctypes.data)


def itch_length(message_type: int) -> int:
    """Length in bytes of a known ITCH 5.0 type, 0 for an unknown one."""
    return int(lib.itch50_length(message_type))


@dataclass(frozen=True, kw_only=True)
class ItchScan:
    """What a run of framed messages holds; `outcome` other than "ok" names why the scan stopped."""

    outcome: str
    messages: int
    size: int
    length_errors: int
    unknown_types: int
    bytes_behind: int
    bad_offset: int
    bad_length: int
    bad_type: int
    types: Mapping[str, int]


def scan_itch(data: Bytes, *, strict: bool, stamps_ns: Times | None = None) -> ItchScan:
    """Check framed messages; fills `stamps_ns` (one a message) where given."""
    scan = ffi.new("struct itch50_scan *")
    stamps = ffi.NULL if stamps_ns is None else _pointer("int64_t *", stamps_ns)
    outcome = lib.itch50_scan(_pointer("const uint8_t *", data), data.size, strict, stamps, scan)
    types = {chr(letter): int(scan.types[letter]) for letter in range(256) if scan.types[letter]}
    return ItchScan(
        outcome=_SCAN_OUTCOMES[outcome],
        messages=scan.messages,
        size=scan.bytes,
        length_errors=scan.length_errors,
        unknown_types=scan.unknown_types,
        bytes_behind=scan.bytes_behind,
        bad_offset=scan.bad_offset,
        bad_length=scan.bad_length,
        bad_type=scan.bad_type,
        types=MappingProxyType(types),
    )


def arrival_offsets(kind: str, *, seed: int, rate_per_s: int, count: int) -> Times:
    """Offsets in ns of `count` messages; kind is even, poisson or hawkes."""
    offsets_ns = np.empty(count, np.int64)
    lib.arrivals_fill(_ARRIVALS[kind], seed, rate_per_s, _pointer("int64_t *", offsets_ns), count)
    return offsets_ns


def generate_model(*, seed: int, symbols: int, messages: int) -> Bytes:
    """Framed messages of the order-flow model, times 0."""
    memory = _zeroed(lib.model_bytes(symbols))
    model = ffi.new("struct model *")
    options = ffi.new("struct model_options *", {"seed": seed, "messages": messages, "symbols": symbols})
    lib.model_init(model, options, _pointer("void *", memory))
    arena = np.empty(messages * MODEL_FRAME_BYTES_MAX, np.uint8)
    size = lib.model_run(model, _pointer("uint8_t *", arena))
    return arena[:size]


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """See market/schedule.h; a stamp_base_ns of -1 leaves the messages' times alone."""

    first_sequence: int = 1
    messages_max: int = 1
    gap_min_ns: int = 0
    stamp_base_ns: int = -1
    burst_messages: int = 0
    burst_every_ns: int = 0
    burst_spacing_ns: int = 0
    burst_packing: int = 1


def build_schedule(arena: Bytes, times_ns: Times, options: ScheduleOptions) -> Records:
    """Packet records (PACKET_DTYPE) with intended offsets from 0; stamps the arena where asked."""
    packets: Records = np.empty(times_ns.size, PACKET_DTYPE)
    given = ffi.new(
        "struct schedule_options *",
        {
            "first_sequence": options.first_sequence,
            "gap_min_ns": options.gap_min_ns,
            "burst_every_ns": options.burst_every_ns,
            "burst_spacing_ns": options.burst_spacing_ns,
            "stamp_base_ns": options.stamp_base_ns,
            "messages_max": options.messages_max,
            "burst_messages": options.burst_messages,
            "burst_packing": options.burst_packing,
        },
    )
    count = lib.schedule_build(
        given, _pointer("uint8_t *", arena), _pointer("const int64_t *", times_ns), times_ns.size,
        _pointer("struct packet_record *", packets),
    )  # fmt: skip
    return packets[:count]


def packet_sums(arena: Bytes, packets: Records) -> NDArray[np.uint16]:
    """One's complement sum of each packet's message blocks."""
    sums = np.empty(packets.size, np.uint16)
    lib.schedule_sums(
        _pointer("const uint8_t *", arena), _pointer("const struct packet_record *", packets), packets.size,
        _pointer("uint16_t *", sums),
    )  # fmt: skip
    return sums


class PublishedBook:
    """The exchange's own book (exchange/published_book.h)."""

    def __init__(self, *, orders_max: int, levels_max: int) -> None:
        self._memory = _zeroed(lib.published_book_bytes(orders_max, levels_max))
        self.book = ffi.new("struct published_book *")
        lib.published_book_init(self.book, _pointer("void *", self._memory), orders_max, levels_max)

    @classmethod
    def for_stream(cls, arena: Bytes, *, adds: int) -> "PublishedBook":
        """A book just large enough for `arena`, which has `adds` A and F messages, every page touched."""
        trial = cls(orders_max=max(adds, 1), levels_max=lib.published_book_levels_bound(adds))
        trial.apply(arena)
        book = cls(orders_max=max(trial.book.live_orders_peak, 1), levels_max=max(trial.book.levels_used, 1))
        lib.published_book_touch(book.book)
        return book

    def apply(self, framed: Bytes) -> int:
        """Apply framed messages; returns the bytes consumed."""
        return int(
            lib.published_book_apply_framed(self.book, _pointer("const uint8_t *", framed), framed.size)
        )

    def rows(self) -> Records:
        """Every order (BOOK_DTYPE) sorted by symbol, side, price, position."""
        rows: Records = np.zeros(self.book.live_orders, BOOK_DTYPE)
        lib.published_book_export(self.book, _pointer("struct published_row *", rows))
        return rows

    def counters(self) -> dict[str, int]:
        """Messages by outcome, live orders, excess shares."""
        counts = {name: int(self.book.outcomes[index]) for index, name in enumerate(_OUTCOMES)}
        counts["live_orders"] = int(self.book.live_orders)
        counts["excess_shares"] = int(self.book.excess_shares)
        return counts


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """One line; addresses are packed, 4 bytes."""

    interface: str
    source: bytes
    group: bytes
    port: int


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """Everything an `Exchange` needs; `session` is the 10 bytes on the wire."""

    arena: Bytes
    packets: Records
    first_sequence: int
    session: bytes
    lines: Sequence[LineOptions]
    gateway_address: bytes
    gateway_port: int
    gateway_session: str
    username: str
    password: str
    heartbeat_ns: int
    lead_ns: int = 0
    cpu: int | None = None
    notify_fd: int = -1
    orders_max: int = 1 << 16


def _counters(struct: Any) -> dict[str, int]:
    return {name: int(getattr(struct, name)) for name, _ in ffi.typeof(struct).fields}


def _packed_address(address: bytes) -> int:
    return int.from_bytes(address, "little")  # the bytes in memory are in network order


class Exchange:
    """The busy loop (exchange/exchange.h): open, start, command, join, read."""

    def __init__(self, options: ExchangeOptions, *, book: PublishedBook, progress: Bytes) -> None:
        self._options = options
        self._book = book
        self._progress = progress
        self._sums = packet_sums(options.arena, options.packets)
        slots = 1 << (2 * options.orders_max - 1).bit_length()
        rows_max = 4 * options.orders_max
        store_bytes = options.orders_max * (66 + 40 + 28 + 3 * 3) + 4096
        messages_max = 3 * options.orders_max + 16
        self._orders = _touched(_zeroed(slots * ffi.sizeof("struct gateway_order")))
        self._rows: Records = _touched(np.zeros(rows_max, DROP_COPY_DTYPE))
        self._store = _touched(_zeroed(store_bytes))
        self._offsets = _touched(np.zeros(messages_max, np.uint64))
        self._texts = [
            ffi.new("char[]", text.encode())
            for text in (options.username, options.password, options.gateway_session)
        ]
        self._interfaces = [ffi.new("char[]", line.interface.encode()) for line in options.lines]
        self._session = ffi.new("uint8_t[10]", options.session)
        self._memory = _touched(_zeroed(lib.exchange_bytes()))
        self._exchange = ffi.cast("struct exchange *", self._memory.ctypes.data)
        self._given = ffi.new("struct exchange_options *")
        given = self._given
        given.arena = _pointer("const uint8_t *", options.arena)
        given.packets = _pointer("struct packet_record *", options.packets)
        given.sums = _pointer("const uint16_t *", self._sums)
        given.packet_count = options.packets.size
        given.first_sequence = options.first_sequence
        given.heartbeat_ns = options.heartbeat_ns
        given.lead_ns = options.lead_ns
        given.session = self._session
        given.line_count = len(options.lines)
        for index, line in enumerate(options.lines):
            given.lines[index].interface = self._interfaces[index]
            given.lines[index].source = _packed_address(line.source)
            given.lines[index].group = _packed_address(line.group)
            given.lines[index].port = line.port
        given.cpu = -1 if options.cpu is None else options.cpu
        given.notify = options.notify_fd
        given.book = book.book
        given.progress = _pointer("struct exchange_progress *", progress)
        given.gateway.book = book.book
        given.gateway.orders = _pointer("struct gateway_order *", self._orders)
        given.gateway.order_slots = slots
        given.gateway.orders_max = options.orders_max
        given.gateway.rows = _pointer("struct drop_copy_row *", self._rows)
        given.gateway.rows_max = rows_max
        port = given.gateway.port
        port.address = _packed_address(options.gateway_address)
        port.port = options.gateway_port
        port.username, port.password, port.session = self._texts
        port.store = _pointer("uint8_t *", self._store)
        port.store_bytes = store_bytes
        port.offsets = _pointer("uint64_t *", self._offsets)
        port.messages_max = messages_max

    def open(self) -> None:
        """Open lines and gateway; OpenError says which could not."""
        error = ffi.new("char[200]")
        outcome = lib.exchange_open(self._exchange, self._given, error, 200)
        if outcome:
            raise OpenError(ffi.string(error).decode(errors="replace"), -outcome)

    def gateway_port(self) -> int:
        """The TCP port in use."""
        return int(lib.order_port_number(ffi.addressof(self._exchange.gateway.port)))

    def start_thread(self) -> None:
        """Start the busy loop: heartbeats and orders until start() gives the schedule a time."""
        outcome = lib.exchange_start(self._exchange)
        if outcome:
            raise OSError(-outcome, f"cannot start the exchange thread: {os.strerror(-outcome)}")

    def start(self, at_ns: int) -> None:
        """Publish, the first packet at `at_ns` (CLOCK_MONOTONIC)."""
        lib.exchange_command_start(self._exchange, at_ns)

    def stop(self) -> None:
        """End the session and wait for the loop to be gone; then close all sockets."""
        lib.exchange_command_stop(self._exchange)
        lib.exchange_join(self._exchange)
        lib.exchange_close(self._exchange)

    def published_ns(self) -> int:
        """When the last packet was out, 0 before."""
        return int(self._exchange.counters.published_ns)

    def published_packets(self) -> Records:
        """The packet records that were sent, times absolute."""
        return self._options.packets[: self._exchange.next_packet]

    def drop_copy(self) -> Records:
        """Every event of the gateway in order (DROP_COPY_DTYPE)."""
        return self._rows[: self._exchange.gateway.rows_used]

    def counters(self) -> dict[str, object]:
        """Loop, lines, gateway, order port and book."""
        exchange = self._exchange
        loop = exchange.counters
        return {
            "loop": {
                "polls": int(loop.polls),
                "polls_forced": int(loop.polls_forced),
                "late_max_ns": int(loop.late_max_ns),
                "pin_error": os.strerror(exchange.pin_error) if exchange.pin_error else None,
                "stalls": {
                    name: {"count": int(loop.stall_count[index]), "max_ns": int(loop.stall_max_ns[index])}
                    for index, name in enumerate(_DOINGS)
                },
            },
            "lines": [
                {
                    "packets": int(exchange.lines[index].packets),
                    "errors": int(exchange.lines[index].errors),
                    "heartbeats": int(exchange.lines[index].heartbeats),
                    "last_error": os.strerror(exchange.lines[index].last_error)
                    if exchange.lines[index].last_error
                    else None,
                }
                for index in range(len(self._options.lines))
            ],
            "gateway": _counters(exchange.gateway.counters),
            "order_port": _counters(exchange.gateway.port.counters),
            "book": self._book.counters(),
        }


def die_with_parent(parent: int) -> bool:
    """Ask the kernel to kill this process when process `parent` dies; False: it is gone already."""
    return int(lib.exchange_die_with_parent(parent)) == 0
