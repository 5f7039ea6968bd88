"""Published ITCH 5.0 messages and some of their numbers go in; the touch of each one's stock behind it comes out.

A third book, in plain Python, written from the specification alone: orders in one dict, shares by price in another.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import TOPS, Rows

__all__ = ["tops_behind"]

ADD = struct.Struct(
    ">HHIHQcI8sI"
)  # locate, tracking, time in two parts, reference, side, shares, stock, price
REFERENCE = struct.Struct(">Q")
REPLACE = struct.Struct(">QQII")  # old reference, new reference, shares, price
SHARES = struct.Struct(">I")
LOCATE = struct.Struct(">H")
REFERENCE_AT, SHARES_AT = 11, 19

Level = dict[int, int]  # shares by price


class Book:
    """All stocks: of each, the bids and the offers by price."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, bytes, int, int]] = {}  # locate, side, price, shares
        self.levels: dict[tuple[int, bytes], Level] = {}

    def _add(self, reference: int, locate: int, side: bytes, price: int, shares: int) -> None:
        if shares == 0 or reference in self.orders:
            return
        self.orders[reference] = (locate, side, price, shares)
        level = self.levels.setdefault((locate, side), {})
        level[price] = level.get(price, 0) + shares

    def _take(self, reference: int, shares: int | None) -> tuple[int, bytes] | None:
        """All of it when ``shares`` is None; the stock and side that it was of."""
        order = self.orders.pop(reference, None)
        if order is None:
            return None
        locate, side, price, left = order
        taken = left if shares is None else min(shares, left)
        level = self.levels[locate, side]
        level[price] -= taken
        if level[price] == 0:
            del level[price]
        if taken < left:
            self.orders[reference] = (locate, side, price, left - taken)
        return locate, side

    def apply(self, message: bytes) -> None:
        kind = message[:1]
        if kind in (b"A", b"F"):
            locate, _, _, _, reference, side, shares, _, price = ADD.unpack_from(message, 1)
            self._add(reference, locate, side, price, shares)
        elif kind in (b"E", b"C", b"X"):
            (reference,) = REFERENCE.unpack_from(message, REFERENCE_AT)
            self._take(reference, SHARES.unpack_from(message, SHARES_AT)[0])
        elif kind == b"D":
            self._take(REFERENCE.unpack_from(message, REFERENCE_AT)[0], None)
        elif kind == b"U":
            old, new, shares, price = REPLACE.unpack_from(message, REFERENCE_AT)
            if (
                old in self.orders
                and (new == old or new not in self.orders)
                and (was := self._take(old, None))
            ):
                self._add(new, *was, price, shares)

    def top(self, locate: int) -> tuple[int, int]:
        bids, asks = self.levels.get((locate, b"B")), self.levels.get((locate, b"S"))
        return (max(bids) if bids else 0, min(asks) if asks else 0)


def tops_behind(stream: bytes, *, wanted: NDArray[Any], first_sequence: int = 1) -> Rows:
    """TOPS rows, one for each message of ``wanted`` (any order, repeats allowed) that the framed stream holds."""
    numbers = set(np.unique(wanted).tolist())
    book, found = Book(), []
    offset, sequence = 0, first_sequence
    while offset + 2 <= len(stream):
        end = offset + 2 + LOCATE.unpack_from(stream, offset)[0]
        message = stream[offset + 2 : end]
        book.apply(message)
        if sequence in numbers:
            found.append((sequence, *book.top(LOCATE.unpack_from(message, 1)[0])))
        offset, sequence = end, sequence + 1
    return np.array(found, TOPS)
