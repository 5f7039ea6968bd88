"""Triggers, wire arrivals, decisions and order arrivals in; one row per trigger out, matched by order token.

Matching is causal: the token of an order names the message that caused it. A trigger row is *matched* when an
order carrying its sequence reached the exchange's port, *blocked* when none did and the engine's decision
carries a risk reason, *unmatched* otherwise. Nothing is dropped: every expected trigger has exactly one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import DECISION_FIRST_AFTER_IDLE, DECISION_FIRST_AFTER_START, MISSING, Rows
from lab.measure.wire import NEVER, WireArrivals, locate

__all__ = ["NO_LINE", "SAMPLES", "STAGE_COLUMNS", "Matching", "Status", "match_triggers"]

NO_LINE = 255
STAGE_COLUMNS = ("wire_in", "decode", "book", "strategy", "risk", "encode", "tx", "wire_out")
STAMPS = ("rx_ns", "decode_ns", "book_ns", "strategy_ns", "risk_ns", "encode_ns", "tx_ns")

SAMPLES = np.dtype(
    [
        ("trigger_sequence", "<u8"),
        ("symbol", "<u2"),
        ("side", "S1"),
        ("status", "u1"),
        ("reason", "u1"),
        ("feed_state", "u1"),
        ("cold", "?"),
        ("after_idle", "?"),
        ("decided", "?"),
        ("burst", "<i4"),
        ("wire_line", "u1"),
        ("intended_ns", "<i8"),
        ("wire_ns", "<i8"),
        ("other_line_ns", "<i8"),
        ("order_ns", "<i8"),
        ("wire_to_wire_ns", "<i8"),
        ("response_ns", "<i8"),
        *((f"{stage}_ns", "<i8") for stage in STAGE_COLUMNS),
        ("orders", "<u2"),
    ]
)


class Status(IntEnum):
    MATCHED = 0
    BLOCKED = 1
    UNMATCHED = 2


@dataclass(frozen=True, kw_only=True)
class Matching:
    """``samples`` has a row per trigger, in feed order. The rest counts what fitted no row, with examples.

    ``unexpected_orders`` reached the wire for a message that is not a trigger; ``unpublished`` triggers are
    in no packet; ``sent_not_seen`` decisions say sent, but no order reached the exchange.
    """

    samples: Rows
    duplicate_orders: int
    unexpected_orders: NDArray[np.uint64]
    unexpected_decisions: NDArray[np.uint64]
    unpublished: NDArray[np.uint64]
    sent_not_seen: NDArray[np.uint64]
    repeated_decisions: int


def match_triggers(
    *, packets: Rows, wire: WireArrivals, decisions: Rows, order_arrivals: Rows, triggers: NDArray[np.uint64]
) -> Matching:
    """``triggers`` are sorted, unique feed sequences: the oracle's, or else the engine's own."""
    count = len(triggers)
    samples = np.zeros(count, SAMPLES)
    samples["trigger_sequence"] = triggers
    packet = locate(packets, triggers)
    known = packet >= 0
    samples["intended_ns"] = np.where(known, _take(packets["intended_ns"], packet), MISSING)
    samples["burst"] = np.where(known, _take(packets["burst"], packet), -1)
    _wire_columns(samples, wire.for_messages(packet, triggers))

    orders = order_arrivals[np.lexsort((order_arrivals["stamp_ns"], order_arrivals["trigger_sequence"]))]
    order_rows, order_of = _first_of(orders["trigger_sequence"], triggers)
    has_order = order_of >= 0
    samples["order_ns"] = np.where(has_order, _take(orders["stamp_ns"], order_of), MISSING)
    samples["orders"] = np.minimum(_counts_of(orders["trigger_sequence"], triggers), 65535)

    decided = decisions[np.lexsort((decisions["ordinal"], decisions["trigger_sequence"]))]
    decision_rows, decision_of = _first_of(decided["trigger_sequence"], triggers)
    has_decision = decision_of >= 0
    samples["decided"] = has_decision
    for column in ("symbol", "side", "reason", "feed_state"):
        samples[column][has_decision] = decided[column][decision_of[has_decision]]
    flags = np.where(has_decision, _take(decided["flags"], decision_of), 0)
    samples["cold"] = (flags & DECISION_FIRST_AFTER_START) != 0
    samples["after_idle"] = (flags & DECISION_FIRST_AFTER_IDLE) != 0
    blocked = ~has_order & has_decision & (samples["reason"] != 0)
    samples["status"] = np.select([has_order, blocked], [Status.MATCHED, Status.BLOCKED], Status.UNMATCHED)

    _durations(samples, decided, decision_of)
    key = orders["trigger_sequence"] * np.uint64(256) + orders["ordinal"]
    sent = has_decision & (samples["reason"] == 0) & ~has_order
    return Matching(
        samples=samples,
        duplicate_orders=len(key) - len(np.unique(key)),
        unexpected_orders=orders["trigger_sequence"][~order_rows],
        unexpected_decisions=decided["trigger_sequence"][~decision_rows],
        unpublished=triggers[~known],
        sent_not_seen=triggers[sent],
        repeated_decisions=int(len(decided) - len(np.unique(decided[["trigger_sequence", "ordinal"]]))),
    )


def _take(column: Rows, index: NDArray[np.int64]) -> Rows:
    """``column[index]`` where index may be -1; those places hold a value that the caller masks."""
    if len(column) == 0:
        return np.zeros(len(index), column.dtype)
    return column[np.maximum(index, 0)]


def _first_of(ordered: Rows, wanted: Rows) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(which rows of ``ordered`` are wanted, the first row of each wanted value or -1)."""
    index = np.searchsorted(ordered, wanted).astype(np.int64)
    if len(ordered) == 0:
        return np.zeros(0, bool), np.full(len(wanted), -1, np.int64)
    found = ordered[np.minimum(index, len(ordered) - 1)] == wanted
    place = np.searchsorted(wanted, ordered)
    inside = np.zeros(len(ordered), bool)
    if len(wanted):
        inside = wanted[np.minimum(place, len(wanted) - 1)] == ordered
    return inside, np.where(found, index, -1)


def _counts_of(ordered: Rows, wanted: Rows) -> NDArray[np.int64]:
    return np.searchsorted(ordered, wanted, side="right") - np.searchsorted(ordered, wanted, side="left")


def _wire_columns(samples: Rows, arrivals: NDArray[np.int64]) -> None:
    if len(samples) == 0:
        return
    line = arrivals.argmin(axis=0)
    first = arrivals.min(axis=0)
    seen = first != NEVER
    samples["wire_ns"] = np.where(seen, first, MISSING)
    samples["wire_line"] = np.where(seen, line, NO_LINE)
    other = np.where(line == 0, arrivals[1], arrivals[0])
    samples["other_line_ns"] = np.where(seen & (line < 2) & (other != NEVER), other, MISSING)


def _durations(samples: Rows, decided: Rows, decision_of: NDArray[np.int64]) -> None:
    samples["wire_to_wire_ns"] = _difference(samples["order_ns"], samples["wire_ns"])
    samples["response_ns"] = _difference(samples["order_ns"], samples["intended_ns"])
    has = decision_of >= 0
    stamps = []
    for name in STAMPS:
        column = _take(decided[name], decision_of)
        stamps.append(np.where(has & (column > 0), column, MISSING))
    points = [samples["wire_ns"], *stamps]
    for stage, before, after in zip(STAGE_COLUMNS[:-1], points[:-1], points[1:], strict=True):
        samples[f"{stage}_ns"] = _difference(after, before)
    # The frame is on the wire before the send call returns: wire_out and tx both start at the encoded order.
    samples["wire_out_ns"] = _difference(samples["order_ns"], stamps[STAMPS.index("encode_ns")])


def _difference(after: Rows, before: Rows) -> NDArray[np.int64]:
    exists = (after != MISSING) & (before != MISSING)
    return np.where(exists, np.where(exists, after, 0) - np.where(exists, before, 0), MISSING)
