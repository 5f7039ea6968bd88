"""MDP 3.0 packets in order go in, as bytes; every book by price as an independent reader has it comes out.

The second opinion on the engine's books, from CME's specification and in plain Python: it shares nothing with the
engine but the rules. A hole in the numbers ends the event that had begun; an entry whose RptSeq is not the instrument's
next one, or that contradicts its book, makes the whole book unknown, and what is told from then on makes it known level
by level. A new week's numbers, books by order, definitions and snapshots are not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.measure.rows import LEVELS, Rows

__all__ = ["Mdp3Books", "books_after"]

HEADER_BYTES, MESSAGE_HEADER = 12, struct.Struct("<5H")
SCHEMA = 1
END, RESENT = 0x80, 0x20
CHANNEL_RESET = 4
INT_NULL, PRICE_NULL = 2**31 - 1, 2**63 - 1
NEW, CHANGE, DELETE, DELETE_THRU, DELETE_FROM, OVERLAY = range(6)
SIDES = {b"0": 0, b"1": 1, b"E": 2, b"F": 3}
BOOK_RESET = b"J"
DEPTH, IMPLIED_DEPTH = 10, 2

LEVEL_ENTRY = struct.Struct("<qiiIiBBc")  # price size security report orders level action type
LONG_LEVEL_ENTRY = struct.Struct("<qQiIiBBc")
LEVEL_TEMPLATES = {32: LEVEL_ENTRY, 46: LEVEL_ENTRY, 64: LONG_LEVEL_ENTRY}
# every other message with RptSeq: where SecurityID stands in an entry; RptSeq follows it
REPORTS = {42: 12, 48: 12, 65: 16, 37: 4, 66: 8, 35: 8, 51: 8, 67: 16, 33: 12, 49: 12, 34: 24, 50: 24}
ORDER_TEMPLATES = (43, 47)
DEFINITIONS = (27, 29, 41, 54, 55, 56, 57, 58, 63)
INDICATORS = {  # where MatchEventIndicator stands in the root
    **dict.fromkeys((*LEVEL_TEMPLATES, *REPORTS, *ORDER_TEMPLATES, CHANNEL_RESET), 8),
    **dict.fromkeys(DEFINITIONS, 0),
    30: 26,
    39: 31,
}

Values = tuple[int, int | None, int]  # price, quantity (None: the venue sent none), orders
Level = Values | None  # None: known to be empty
UNKNOWN: Any = "unknown"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry with a RptSeq; ``side`` None: it changes no level, ``reset``: the book is empty now."""

    security: int
    report: int
    side: int | None = None
    level: int = 0
    action: int = 0
    values: Values = (0, None, 0)
    reset: bool = False


def _empty() -> list[list[Level]]:
    return [[None] * depth for depth in (DEPTH, DEPTH, IMPLIED_DEPTH, IMPLIED_DEPTH)]


@dataclass
class Book:
    """One instrument's four sides, best level first, and the RptSeq that is due."""

    sides: list[list[Level]] = field(default_factory=_empty)
    due: int = 1

    def forget(self) -> None:
        self.sides = [[UNKNOWN] * len(side) for side in self.sides]

    def apply(self, entry: Entry) -> None:
        if entry.report != self.due:
            self.forget()
        self.due = entry.report + 1
        if entry.reset:
            self.sides = _empty()
        elif entry.side is not None and not self._tell(entry):
            self.forget()
            self._tell(entry)

    def _tell(self, entry: Entry) -> bool:
        """Changes the side; False when that contradicts what was known of it."""
        assert entry.side is not None
        side, index = self.sides[entry.side], entry.level - 1
        price, quantity, _ = entry.values
        depth, action = len(side), entry.action
        if action > OVERLAY or not 0 <= index < depth:
            return False
        if action in (NEW, CHANGE, OVERLAY) and (price == PRICE_NULL or quantity is None):
            return False
        above, here = side[index - 1] if index else entry.values, side[index]
        if action == NEW:
            side.insert(index, entry.values)
            del side[depth:]
            return above is not None
        if action in (CHANGE, OVERLAY):
            side[index] = entry.values
            return above is not None if action == OVERLAY else self._same(here, price)
        right = self._same(here, price) if action == DELETE else here is not None
        begin, end = {DELETE: (index, index + 1), DELETE_THRU: (0, index + 1), DELETE_FROM: (index, depth)}[
            action
        ]
        del side[begin:end]
        side += [None] * (depth - len(side))
        return right

    @staticmethod
    def _same(here: Level, price: int) -> bool:
        return here is UNKNOWN or (here is not None and price in (here[0], PRICE_NULL))

    def rows(self, security: int) -> Iterator[tuple[int | None, ...]]:
        """LEVELS rows: each side up to its first level that is known to be empty."""
        for number, side in enumerate(self.sides):
            for level, values in enumerate(side, 1):
                if values is None:
                    break
                known = values is not UNKNOWN
                yield (security, number, level, known, *(values if known else (0, 0, 0)))


class Mdp3Books:
    """Give it packets with ``take()``, in order of their numbers, each once."""

    def __init__(self) -> None:
        self.books: dict[int, Book] = {}
        self._next: int | None = None
        self._pending: list[Entry | None] = []  # of events that are not over; None: a channel reset
        self._resending = False

    def take(self, payload: bytes) -> None:
        number = int.from_bytes(payload[:4], "little")
        if self._next is not None and number != self._next:
            self._commit()
        self._next = number + 1
        offset = HEADER_BYTES
        while offset < len(payload):
            size, root, template, schema, _ = MESSAGE_HEADER.unpack_from(payload, offset)
            if schema == SCHEMA:
                self._message(payload[offset : offset + size], root, template)
            offset += size

    def _message(self, message: bytes, root: int, template: int) -> None:
        place = INDICATORS.get(template)
        if place is None:
            return
        indicator = message[MESSAGE_HEADER.size + place]
        if template in LEVEL_TEMPLATES or template in REPORTS or template in ORDER_TEMPLATES:
            self._hear(bool(indicator & RESENT))
        group = MESSAGE_HEADER.size + root
        if template in LEVEL_TEMPLATES:
            entries = _blocks(message, group)
            self._pending += [_level(block, LEVEL_TEMPLATES[template]) for block in entries]
        elif template in REPORTS:
            for block in _blocks(message, group):
                security, report = struct.unpack_from("<iI", block, REPORTS[template])
                self._pending.append(Entry(security=security, report=report))
        elif template == CHANNEL_RESET:
            self._pending.append(None)
        if indicator & END or template == CHANNEL_RESET:
            self._commit()

    def _hear(self, resent: bool) -> None:
        """Books that come again although no reset was heard: the reset was lost, and no book can be believed."""
        if resent and not self._resending:
            self._commit()
            for book in self.books.values():
                book.forget()
        self._resending = resent

    def _commit(self) -> None:
        for entry in self._pending:
            if entry is None:
                self._resending = True
                self.books = {security: Book() for security in self.books}
            elif entry.report:
                self.books.setdefault(entry.security, Book()).apply(entry)
        self._pending.clear()

    def rows(self) -> Rows:
        """LEVELS rows, in order of security, side and level."""
        found = [row for security, book in sorted(self.books.items()) for row in book.rows(security)]
        return np.array(found, LEVELS)


def _blocks(message: bytes, offset: int) -> list[bytes]:
    """The entries of a group: block length, count, then the blocks."""
    size, count = struct.unpack_from("<HB", message, offset)
    begin = offset + 3
    return [message[begin + size * index : begin + size * (index + 1)] for index in range(count)]


def _level(block: bytes, layout: struct.Struct) -> Entry:
    price, size, security, report, orders, level, action, kind = layout.unpack_from(block)
    null = INT_NULL if layout is LEVEL_ENTRY else 2**64 - 1
    quantity = None if size == null else size % 2**64
    known_orders = 0 if orders == INT_NULL or orders < 0 else orders
    return Entry(
        security=security,
        report=report,
        side=SIDES.get(kind),
        level=level,
        action=action,
        values=(price, quantity, known_orders),
        reset=kind == BOOK_RESET,
    )


def books_after(payloads: Iterable[bytes]) -> Rows:
    """LEVELS rows after all these packets, which are in order."""
    books = Mdp3Books()
    for payload in payloads:
        books.take(payload)
    return books.rows()
