"""The record layouts of everything a run leaves behind, as numpy dtypes; one place for every reader.

All ``*_ns`` fields are CLOCK_MONOTONIC nanoseconds. A stamp of 0 (or -1 in SAMPLES) means "never happened".
``line`` is 0 for A, 1 for B, 2 for the recovery port. Every sequence is a position: the session's ordinal
<< POSITION_SESSION_SHIFT | the message's number in it, which is that number itself in a run's first session.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import UndecidedError

__all__ = [
    "BOOK",
    "DECISIONS",
    "DROP_COPY",
    "LEVELS",
    "LINE_ARRIVALS",
    "LINE_NAMES",
    "MARKET_TAPS",
    "MISSING",
    "ORDER_ARRIVALS",
    "ORDER_MESSAGES",
    "PACKETS",
    "TOPS",
    "Rows",
    "require_rows",
]

Rows = NDArray[Any]

LINE_NAMES = ("A", "B", "recovery")
MISSING = int(np.iinfo(np.int64).min)  # a duration that does not exist; stored as null in parquet

PACKETS = np.dtype(
    [
        ("first_sequence", "<u8"),
        ("count", "<u2"),
        ("burst", "<i4"),
        ("bytes", "<u4"),
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8", (2,)),
        ("message_offset", "<u8"),
    ]
)

MARKET_TAPS = np.dtype(
    [
        ("stamp_ns", "<i8"),
        ("sequence", "<u8"),
        ("count", "<u2"),
        ("line", "u1"),
        ("flags", "u1"),
        ("length", "<u4"),
    ]
)
TAP_DROPPED_BY_FAULT = 1
TAP_CORRUPTED = 2  # by a fault: it reached the engine's port, and should be refused there
TAP_HARMED = TAP_DROPPED_BY_FAULT | TAP_CORRUPTED

POSITION_SESSION_SHIFT = 40

ORDER_ARRIVALS = np.dtype(
    [("stamp_ns", "<i8"), ("token", "S14"), ("trigger_sequence", "<u8"), ("ordinal", "u1")]
)

ORDER_MESSAGES = np.dtype(  # what the engine asked of the venue, as seen on the wire
    [
        ("stamp_ns", "<i8"),
        ("kind", "S1"),  # O enter, U replace, X cancel, M modify
        (
            "token",
            "S14",
        ),  # of the new order (O, U); of the order it is about (X, M); OUCH 5.0: none for X and M
        ("target", "S14"),  # U: of the order that is to go; OUCH 5.0: none
        ("number", "<u4"),  # OUCH 5.0: the same as token ...
        ("target_number", "<u4"),  # ... and target
        ("side", "S1"),
        ("stock", "S8"),
        ("shares", "<u4"),
        ("price", "<u4"),
    ]
)

DECISIONS = np.dtype(
    [
        ("trigger_sequence", "<u8"),
        ("rx_ns", "<i8"),
        ("decode_ns", "<i8"),
        ("book_ns", "<i8"),
        ("strategy_ns", "<i8"),
        ("risk_ns", "<i8"),
        ("encode_ns", "<i8"),
        ("tx_ns", "<i8"),
        ("price", "<u4"),
        ("shares", "<u4"),
        ("symbol", "<u2"),
        ("side", "S1"),
        ("reason", "u1"),
        ("ordinal", "u1"),
        ("feed_state", "u1"),
        ("flags", "<u2"),
        ("line", "u1"),
        ("pad", "u1"),
    ]
)
DECISION_FIRST_AFTER_START = 1
DECISION_FIRST_AFTER_IDLE = 2

DROP_COPY = np.dtype(
    [
        ("at_ns", "<i8"),
        ("kind", "S1"),
        ("token", "S14"),
        ("side", "S1"),
        ("symbol", "<u2"),
        ("stock", "S8"),
        ("shares", "<u4"),
        ("price", "<u4"),
        ("match", "<u8"),
        ("order_reference", "<u8"),
        ("published_sequence", "<u8"),
        ("reason", "S1"),
    ]
)

BOOK = np.dtype(
    [
        ("symbol", "<u2"),
        ("side", "S1"),
        ("price", "<u4"),
        ("position", "<u4"),
        ("reference", "<u8"),
        ("shares", "<u4"),
    ]
)

LINE_ARRIVALS = np.dtype(  # a packet that both lines of MDP 3.0 brought, by the engine's own clock
    [("position", "<u8"), ("first_ns", "<u8"), ("second_ns", "<u8"), ("line", "u1"), ("pad", "V7")]
)
LEVELS = np.dtype(  # a level of a book by price; side: bid, ask, implied bid, implied ask
    [("security", "<i4"), ("side", "u1"), ("level", "u1"), ("known", "?")]
    + [("price", "<i8"), ("quantity", "<u8"), ("order_count", "<u4")]
)

TOPS = np.dtype(
    [("sequence", "<u8"), ("bid", "<u4"), ("ask", "<u4")]
)  # behind a message; 0: that side is empty

FEED_STATES = ("STARTUP", "SYNC", "LIVE", "GAP", "RECOVERING", "RESYNC", "DOWN", "ENDED")
FEED_LIVE = 2
FEED_ENDED = 7


def require_rows(rows: Rows, layout: np.dtype[Any], name: str) -> Rows:
    """``rows`` when its field names are those of ``layout``; formats may differ in padding only."""
    if rows.dtype.names != layout.names:
        raise UndecidedError(
            f"{name} has the columns {rows.dtype.names}, not {layout.names}",
            why="the program that wrote it and this reader disagree about the record layout",
            todo="rebuild engine and traffic from the same commit: pip install -e .",
        )
    return rows if rows.dtype == layout else rows.astype(layout)
