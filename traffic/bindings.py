"""The C core as typed Python, but for the exchange itself: arrays and plain values enter and leave.

Only this module, exchange_bindings.py, impairment_bindings.py and noise_bindings.py touch ffi and lib. Arrays are numpy
and memory is always Python's: every object keeps what it gave to C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traffic._traffic import ffi, lib

__all__ = [
    "BOOK_DTYPE",
    "DROP_COPY_DTYPE",
    "MOLD_HEADER_BYTES",
    "PACKET_DTYPE",
    "Bytes",
    "ClosedModel",
    "ItchScan",
    "PublishedBook",
    "Records",
    "ScheduleOptions",
    "arrival_offsets",
    "build_schedule",
    "counters_of",
    "generate_closed_model",
    "generate_model",
    "itch_length",
    "packet_sums",
    "pointer",
    "scan_itch",
    "touched",
    "zeroed",
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
MODEL_FRAME_BYTES_MAX = 52
MOLD_HEADER_BYTES = 20
_OUTCOMES = ("not_book", "applied", "unknown_reference", "duplicate_reference", "malformed", "full")
_ARRIVALS = MappingProxyType({"even": 0, "poisson": 1, "hawkes": 2})
_SCAN_OUTCOMES = ("ok", "truncated", "too_short", "too_long")

assert PACKET_DTYPE.itemsize == ffi.sizeof("struct packet_record")
assert DROP_COPY_DTYPE.itemsize == ffi.sizeof("struct drop_copy_row")
assert BOOK_DTYPE.itemsize == ffi.sizeof("struct published_row")


def zeroed(size: int) -> Bytes:
    """Zeroed memory aligned to a cache line; untouched pages cost nothing."""
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + size]


def touched(memory: NDArray[Any]) -> NDArray[Any]:
    """The same memory with every page present: a first touch in the busy loop can cost it a millisecond."""
    memory.view(np.uint8).fill(0)
    return memory


def pointer(kind: str, array: NDArray[Any]) -> Any:
    """Where the array's memory is, as a C pointer of this kind; the array has to be kept."""
    return ffi.cast(kind, array.ctypes.data)


def counters_of(struct: Any) -> dict[str, int]:
    """Every field of a C struct of counters, by name."""
    return {name: int(getattr(struct, name)) for name, _ in ffi.typeof(struct).fields}


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
    stamps = ffi.NULL if stamps_ns is None else pointer("int64_t *", stamps_ns)
    outcome = lib.itch50_scan(pointer("const uint8_t *", data), data.size, strict, stamps, scan)
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
    lib.arrivals_fill(_ARRIVALS[kind], seed, rate_per_s, pointer("int64_t *", offsets_ns), count)
    return offsets_ns


def generate_model(*, seed: int, symbols: int, messages: int) -> Bytes:
    """Framed messages of the order-flow model, times 0."""
    return _run_model(seed=seed, symbols=symbols, messages=messages, closes=False)[0]


@dataclass(frozen=True, kw_only=True)
class ClosedModel:
    """Messages of the order-flow model, times 0: the start of the day, then a round that leaves no order behind.

    `references` and `matches` are how many numbers a round takes up.
    """

    arena: Bytes
    opening_messages: int
    opening_bytes: int
    references: int
    matches: int


def generate_closed_model(*, seed: int, symbols: int, messages: int) -> ClosedModel:
    """A round of `messages`, at least 32 a symbol, behind the start of the day."""
    opening = int(lib.model_opening_messages(symbols))
    arena, model, _memory = _run_model(seed=seed, symbols=symbols, messages=opening + messages, closes=True)
    if model.book.live_orders:
        raise ValueError(f"a round of {messages} messages of {symbols} symbols does not close")
    return ClosedModel(
        arena=arena,
        opening_messages=opening,
        opening_bytes=int(model.opening_bytes),
        references=int(model.reference) - lib.MODEL_REFERENCES_BEGIN,
        matches=int(model.match) - lib.MODEL_MATCHES_BEGIN,
    )


def _run_model(*, seed: int, symbols: int, messages: int, closes: bool) -> tuple[Bytes, Any, Bytes]:
    """The arena, the model behind its last message, and the model's memory."""
    memory = zeroed(lib.model_bytes(symbols))
    model = ffi.new("struct model *")
    options = ffi.new(
        "struct model_options *", {"seed": seed, "messages": messages, "symbols": symbols, "closes": closes}
    )
    lib.model_init(model, options, pointer("void *", memory))
    arena = np.empty(messages * MODEL_FRAME_BYTES_MAX, np.uint8)
    size = lib.model_run(model, pointer("uint8_t *", arena))
    return arena[:size], model, memory


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
        given, pointer("uint8_t *", arena), pointer("const int64_t *", times_ns), times_ns.size,
        pointer("struct packet_record *", packets),
    )  # fmt: skip
    return packets[:count]


def packet_sums(
    arena: Bytes, packets: Records, *, header_bytes: int = MOLD_HEADER_BYTES
) -> NDArray[np.uint16]:
    """One's complement sum of what each packet has in the arena: all but the header made when it is sent."""
    sums = np.empty(packets.size, np.uint16)
    lib.schedule_sums(
        pointer("const uint8_t *", arena), pointer("const struct packet_record *", packets), packets.size,
        header_bytes, pointer("uint16_t *", sums),
    )  # fmt: skip
    return sums


PCAP_ENTRY_DTYPE = np.dtype([("at_ns", "<i8"), ("packet", "<u8"), ("sequence", "<u8"), ("count", "<u8")])
PCAP_CONTROL = 2**64 - 1


def pcap_line(
    entries: Records,
    *,
    packets: Records,
    arena: Bytes,
    session: bytes,
    source_mac: bytes,
    source: bytes,
    group: bytes,
    port: int,
) -> Bytes:
    """A pcap file of one line's frames (trex/pcap_line.h); addresses are packed, `session` has 10 bytes."""
    options = ffi.new("struct pcap_line_options *")
    options.source_mac, options.session = source_mac, session
    options.source, options.group = int.from_bytes(source, "little"), int.from_bytes(group, "little")
    options.port = port
    rows = np.ascontiguousarray(entries)
    records = pointer("const struct packet_record *", packets)
    given = pointer("const struct pcap_entry *", rows)
    file = np.empty(int(lib.pcap_line_bytes(given, rows.size, records)), np.uint8)
    sums = packet_sums(arena, packets)
    lib.pcap_line_write(
        options, given, rows.size, records, pointer("const uint16_t *", sums),
        pointer("const uint8_t *", arena), pointer("uint8_t *", file),
    )  # fmt: skip
    return file


class PublishedBook:
    """The exchange's own book (exchange/published_book.h)."""

    def __init__(self, *, orders_max: int, levels_max: int) -> None:
        self._memory = zeroed(lib.published_book_bytes(orders_max, levels_max))
        self.book = ffi.new("struct published_book *")
        lib.published_book_init(self.book, pointer("void *", self._memory), orders_max, levels_max)

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
            lib.published_book_apply_framed(self.book, pointer("const uint8_t *", framed), framed.size)
        )

    def rows(self) -> Records:
        """Every order (BOOK_DTYPE) sorted by symbol, side, price, position."""
        rows: Records = np.zeros(self.book.live_orders, BOOK_DTYPE)
        lib.published_book_export(self.book, pointer("struct published_row *", rows))
        return rows

    def counters(self) -> dict[str, int]:
        """Messages by outcome, live orders, excess shares."""
        counts = {name: int(self.book.outcomes[index]) for index, name in enumerate(_OUTCOMES)}
        counts["live_orders"] = int(self.book.live_orders)
        counts["excess_shares"] = int(self.book.excess_shares)
        return counts
