"""How long orders still left behind each kill, and what became of the orders that were open then.

A kill is of everything (the switch in the engine's page, or ``kill all``), of a symbol or of a strategy. Its window is
from the command to the release. Orders that are open at the command, or come to the venue inside the window, must be
canceled: asked for on the wire (the tap's word), and answered by the venue (the drop copy's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import FaultRecord, RunData
from lab.measure.rows import Rows
from lab.measure.venue_orders import OpenOrder, VenueOrders

__all__ = ["MassCancel", "kill_samples", "mass_cancel_block", "mass_cancels", "new_orders"]

Integers = NDArray[np.int64]
NEVER_NS = 2**63 - 1
SETTLED_NS = 200_000_000  # behind the release: what is not answered by then never will be


def kills(faults: Sequence[FaultRecord]) -> Iterator[tuple[int, int, str]]:
    """(command, release, subject) of each. One that was given by command holds until a re-arm."""
    rearms = sorted(fault.injected_ns for fault in faults if fault.name == "rearm" and fault.healed_ns)
    for fault in faults:
        if fault.name == "kill":
            yield from ((begin, end, fault.subject) for begin, end in fault.windows)
        elif fault.name.startswith("kill ") and fault.windows:
            begin = fault.windows[0][0]
            yield begin, next((at for at in rearms if at > begin), NEVER_NS), fault.subject


def kill_samples(faults: Sequence[FaultRecord], orders: Rows) -> tuple[Integers, Integers]:
    """(ns from the command to the last order on the wire before the release, time of the command), one a command.

    0 when none came. A switch that does not hold gives about the time it was thrown for. ``orders`` have ``stamp_ns``,
    ``token`` and, where a symbol can be killed, ``symbol``.
    """
    samples, thrown = [], []
    for begin, end, subject in kills(faults):
        meant = orders["stamp_ns"][about(orders, subject)]
        inside = meant[(meant >= begin) & (meant < end)]
        samples.append(int(inside.max()) - begin if len(inside) else 0)
        thrown.append(begin)
    return np.array(samples, np.int64), np.array(thrown, np.int64)


def new_orders(data: RunData) -> Rows:
    """What could trade, as the tap saw it: enters and replaces, with the symbol that the venue knows them by."""
    messages = data.order_messages[np.isin(data.order_messages["kind"], [b"O", b"U"])]
    rows = np.zeros(len(messages), [("stamp_ns", "<i8"), ("token", "S14"), ("symbol", "<i4")])
    rows["stamp_ns"], rows["token"] = messages["stamp_ns"], messages["token"]
    known = data.drop_copy[np.isin(data.drop_copy["kind"], [b"O", b"R"])]
    symbols = dict(zip(known["token"].tolist(), known["symbol"].tolist(), strict=True))
    rows["symbol"] = [symbols.get(token, -1) for token in messages["token"].tolist()]
    return rows


def about(orders: Rows, subject: str) -> NDArray[np.bool_]:
    kind, _, value = subject.partition(" ")
    if kind == "symbol":
        symbols: NDArray[np.bool_] = orders["symbol"] == int(value)
        return symbols
    if kind == "letter":
        return np.char.startswith(orders["token"], value.encode())
    return np.ones(len(orders), bool)


@dataclass
class MassCancel:
    """One kill. ``meant`` orders were open at the command or came before the release; each is ``acknowledged`` as
    canceled, or ``overtaken`` by an execution or a replacement, or ``left_open``. ``asked`` of them the engine."""

    at_ns: int
    end_ns: int
    subject: str
    meant: set[bytes] = field(default_factory=set)
    asked: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)
    left_open: set[bytes] = field(default_factory=set)
    last_cancel_ns: int = 0
    last_answer_ns: int = 0

    def is_about(self, order: OpenOrder) -> bool:
        kind, _, value = self.subject.partition(" ")
        if kind == "symbol":
            return order.symbol == int(value)
        return kind != "letter" or order.token.startswith(value.encode())

    def to_json(self) -> dict[str, Any]:
        unanswered = self.asked - self.acknowledged - self.left_open
        return {
            "at_ns": self.at_ns,
            "subject": self.subject or "all",
            "open": len(self.meant),
            "asked": len(self.asked),
            "acknowledged": len(self.acknowledged),
            "overtaken": len(unanswered),
            "unasked": len(self.meant - self.asked - self.acknowledged),
            "left_open": len(self.left_open),
            "last_cancel_ns": max(0, self.last_cancel_ns - self.at_ns),
            "last_answer_ns": max(0, self.last_answer_ns - self.at_ns),
        }


def mass_cancels(data: RunData) -> list[MassCancel]:
    """One for each kill, in order of time."""
    found = [
        MassCancel(at_ns=begin, end_ns=end, subject=subject) for begin, end, subject in kills(data.faults)
    ]
    found.sort(key=lambda one: one.at_ns)
    horizons = [
        min(one.end_ns + SETTLED_NS if one.end_ns < NEVER_NS else NEVER_NS, following)
        for one, following in zip(found, [*(one.at_ns for one in found[1:]), NEVER_NS], strict=False)
    ]
    venue, waiting = VenueOrders(), iter(_rows(data.drop_copy))
    row = next(waiting, None)
    for one, horizon in zip(found, horizons, strict=True):
        while row is not None and row["at_ns"] < one.at_ns:
            venue.apply(row)
            row = next(waiting, None)
        one.meant |= {order.token for order in venue.open.values() if one.is_about(order)}
        while row is not None and row["at_ns"] < horizon:
            order = venue.apply(row)
            if order is not None and row["at_ns"] < one.end_ns and one.is_about(order):
                one.meant.add(order.token)
            if row["kind"] == b"C" and row["reason"] == b"U" and row["token"] in one.meant:
                one.acknowledged.add(row["token"])
                one.last_answer_ns = int(row["at_ns"])
            row = next(waiting, None)
        one.left_open = one.meant & set(venue.open)
        _asked(one, data.order_messages, horizon)
    return found


def _rows(rows: Rows) -> Iterator[Mapping[str, Any]]:
    names = rows.dtype.names or ()
    return (dict(zip(names, values, strict=True)) for values in rows.tolist())


def _asked(one: MassCancel, messages: Rows, horizon: int) -> None:
    """Cancels on the wire; OUCH 5.0 names an order by the number that its enter or replace had."""
    named = messages[(messages["kind"] == b"O") | (messages["kind"] == b"U")]
    tokens = dict(zip(named["number"].tolist(), named["token"].tolist(), strict=True))
    stamps = messages["stamp_ns"]
    sent = messages[(messages["kind"] == b"X") & (stamps >= one.at_ns) & (stamps < horizon)]
    for row in _rows(sent):
        token = row["token"] or tokens.get(row["number"], b"")
        if token in one.meant:
            one.asked.add(token)
            one.last_cancel_ns = int(row["stamp_ns"])


def mass_cancel_block(data: RunData) -> dict[str, Any]:
    """``mass_cancel`` of summary.json: sums over all kills, and each of them."""
    rows = [one.to_json() for one in mass_cancels(data)]
    sums = ("open", "asked", "acknowledged", "overtaken", "unasked", "left_open")
    times = ("last_cancel_ns", "last_answer_ns")
    return {
        "kills": len(rows),
        "with_open_orders": sum(1 for row in rows if row["open"]),
        **{name: sum(row[name] for row in rows) for name in sums},
        **{
            f"{name.removesuffix('_ns')}_max_ns": max((row[name] for row in rows), default=0)
            for name in times
        },
        "each": rows,
    }
