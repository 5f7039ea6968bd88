"""Published ITCH 5.0 messages enter; the orders and the book that a perfect engine would have had leave.

The rules are in oracle.h. This is the only Python module that touches the oracle's `ffi` and `lib`.

    ValueError
      StreamError    the stream is no series of framed ITCH 5.0 messages; carries the byte offset
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lab._lab import ffi, lib

__all__ = [
    "BOOK_DTYPE",
    "TRIGGER_DTYPE",
    "OracleResult",
    "Reflector",
    "Reset",
    "SessionRange",
    "StreamError",
    "TouchTaker",
    "replay",
]

TRIGGER_DTYPE = np.dtype(
    [("sequence", "<u8"), ("symbol", "<u2"), ("side", "S1"), ("price", "<u4"), ("shares", "<u4")]
)
BOOK_DTYPE = np.dtype(
    [
        ("symbol", "<u2"),
        ("side", "S1"),
        ("price", "<u4"),
        ("position", "<u4"),
        ("reference", "<u8"),
        ("shares", "<u4"),
    ]
)

_SEQUENCE_MAX = 2**48 - 1  # what an order token can carry


class StreamError(ValueError):
    """Malformed stream. `offset` is the byte of the stream where the message at fault (its length) begins."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(f"byte {offset}: {message}")
        self.offset = offset


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}, must be {least}..{most}")


@dataclass(frozen=True, kw_only=True)
class TouchTaker:
    """Parameters of touch_taker. Above 1000 permille no imbalance signals; 0 messages is no cooldown."""

    order_shares: int = 100
    imbalance_permille: int = 800
    cooldown_messages: int = 0

    def __post_init__(self) -> None:
        _check("order_shares", self.order_shares, 1, 2**32 - 1)
        _check("imbalance_permille", self.imbalance_permille, 0, 2**16 - 1)
        _check("cooldown_messages", self.cooldown_messages, 0, _SEQUENCE_MAX)


@dataclass(frozen=True, kw_only=True)
class Reflector:
    """Every message whose sequence is a multiple of `every` is a trigger, whatever it says."""

    every: int

    def __post_init__(self) -> None:
        _check("every", self.every, 1, _SEQUENCE_MAX)


@dataclass(frozen=True, kw_only=True)
class SessionRange:
    """The positions of one session's messages, both ends included, in the order of the stream."""

    first_position: int
    last_position: int

    def __post_init__(self) -> None:
        _check("first_position", self.first_position, 1, _SEQUENCE_MAX)
        _check("last_position", self.last_position, self.first_position, _SEQUENCE_MAX)


@dataclass(frozen=True, kw_only=True)
class Reset:
    """The engine began anew at `position` and never got the messages from `skipped_from` up to it."""

    position: int
    skipped_from: int
    empties_book: bool = False

    def __post_init__(self) -> None:
        _check("skipped_from", self.skipped_from, 1, 2**64 - 1)
        _check("position", self.position, self.skipped_from, 2**64 - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class OracleResult:
    """What should have happened. The arrays are read-only.

    `triggers` (TRIGGER_DTYPE) are in feed order; a reflector's have only a sequence, which is a position.
    `skipped_triggers` are those of messages that a reset skipped: an engine that lost nothing would have had
    them. `book` (BOOK_DTYPE) is what the stream leaves, sorted by symbol, side, price and queue place,
    whatever the strategy. `locates` (u2) is the stock locate that each message carries. `type_counts` has
    the types seen, unknown ones too. `unknown_references` and `duplicate_references` count messages that
    were not applied, `suppressed` signals within the cooldown, `crossed_events` the applied events that
    left the book of their symbol locked or crossed.
    """

    messages: int
    triggers: npt.NDArray[np.void]
    skipped_triggers: npt.NDArray[np.void]
    skipped_messages: int
    locates: npt.NDArray[np.uint16]
    book: npt.NDArray[np.void]
    type_counts: dict[str, int]
    unknown_references: int
    duplicate_references: int
    suppressed: int
    crossed_events: int


def replay(
    stream: bytes | mmap.mmap,
    *,
    strategy: TouchTaker | Reflector,
    first_sequence: int = 1,
    sessions: Sequence[SessionRange] = (),
    resets: Sequence[Reset] = (),
) -> OracleResult:
    """Replay u16-length framed ITCH 5.0 messages, numbered from `first_sequence` (1..2^48-1), or by `sessions`.

    Raises StreamError for a malformed stream, MemoryError, and ValueError for a number out of range, for
    sessions that do not hold the stream's messages exactly, and for sessions or resets out of order.
    """
    _check("first_sequence", first_sequence, 1, _SEQUENCE_MAX)
    for before, after in itertools.pairwise(sessions):
        _check("first_position", after.first_position, before.last_position + 1, _SEQUENCE_MAX)
    for earlier, later in itertools.pairwise(resets):
        _check("skipped_from", later.skipped_from, earlier.position, 2**64 - 1)
    options, _keep = _options(first_sequence, sessions, resets, strategy)
    oracle = lib.oracle_create(options)
    if oracle == ffi.NULL:
        raise MemoryError("no memory for the oracle")
    try:
        with ffi.from_buffer("uint8_t[]", stream) as data:
            status = lib.oracle_replay(oracle, data, len(data))
        summary = lib.oracle_summary(oracle)
        if status != lib.ORACLE_OK:
            raise _error(status, summary)
        held = sum(session.last_position - session.first_position + 1 for session in sessions)
        if sessions and held != summary.messages:
            raise ValueError(f"the sessions hold {held} messages, the stream {summary.messages}")
        return OracleResult(
            messages=summary.messages,
            triggers=_rows(summary.triggers, TRIGGER_DTYPE, lib.oracle_copy_triggers, oracle),
            skipped_triggers=_rows(summary.skipped_triggers, TRIGGER_DTYPE, lib.oracle_copy_skipped, oracle),
            skipped_messages=summary.skipped_messages,
            locates=_rows(summary.messages, np.dtype("<u2"), lib.oracle_copy_locates, oracle),
            book=_rows(summary.orders, BOOK_DTYPE, lib.oracle_copy_book, oracle),
            type_counts={chr(byte): count for byte, count in enumerate(summary.type_counts) if count},
            unknown_references=summary.unknown_references,
            duplicate_references=summary.duplicate_references,
            suppressed=summary.suppressed,
            crossed_events=summary.crossed_events,
        )
    finally:
        lib.oracle_destroy(oracle)


def _rows(count: int, dtype: np.dtype[Any], copy: Any, oracle: Any) -> npt.NDArray[Any]:
    rows = np.zeros(count, dtype)
    copy(oracle, ffi.from_buffer(rows))
    rows.flags.writeable = False
    return rows


def _options(
    first_sequence: int,
    sessions: Sequence[SessionRange],
    resets: Sequence[Reset],
    strategy: TouchTaker | Reflector,
) -> tuple[Any, tuple[Any, Any]]:
    """The C options, and what must live as long as they do."""
    ranges = [(one.first_position, one.last_position) for one in sessions] or [
        (first_sequence, _SEQUENCE_MAX)
    ]
    session_rows = ffi.new("struct oracle_session[]", ranges)
    reset_rows = ffi.new(
        "struct oracle_reset[]", [(one.skipped_from, one.position, one.empties_book) for one in resets]
    )
    options = ffi.new("struct oracle_options *")
    options.sessions, options.session_count = session_rows, len(ranges)
    options.resets, options.reset_count = reset_rows, len(resets)
    if isinstance(strategy, Reflector):
        options.strategy = lib.ORACLE_REFLECTOR
        options.every = strategy.every
    else:
        options.strategy = lib.ORACLE_TOUCH_TAKER
        options.order_shares = strategy.order_shares
        options.imbalance_permille = strategy.imbalance_permille
        options.cooldown_messages = strategy.cooldown_messages
    return options, (session_rows, reset_rows)


def _error(status: int, summary: Any) -> StreamError | MemoryError:
    message, length, kind = summary.messages + 1, summary.error_length, chr(summary.error_type)
    if status == lib.ORACLE_NO_MEMORY:
        return MemoryError(f"no memory for the oracle at message {message}")
    if status == lib.ORACLE_TRUNCATED:
        what = f"message {message} of {length} bytes" if length else f"the length of message {message}"
        said = f"the stream ends inside {what}"
    elif status == lib.ORACLE_SHORT:
        least = lib.oracle_message_bytes(summary.error_type)
        said = f"message {message} of type {kind!r} has {length} bytes, needs {least}"
    elif status == lib.ORACLE_SIDE:
        said = f"message {message} of type {kind!r} has a side that is neither B nor S"
    else:
        said = f"bytes follow the end mark after {summary.messages} messages"
    return StreamError(said, offset=summary.error_offset)
