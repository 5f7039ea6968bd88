"""The exchange's drop copy goes in; which of the engine's orders were open when, as the venue had it, comes out.

Written from the meaning of the rows alone (traffic/exchange/gateway.h), row by row: A opens an order, E and C take from
it, m sets it, and R puts a new order in the place of the one that the U before it named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.measure.rows import Rows

__all__ = ["OpenOrder", "VenueOrders", "replay_orders"]


@dataclass(slots=True)
class OpenOrder:
    """An order with shares left."""

    token: bytes
    symbol: int
    side: bytes
    price: int
    shares: int

    @property
    def buys(self) -> bool:
        return self.side == b"B"


class VenueOrders:
    """Open orders and positions by symbol, after the rows applied so far."""

    def __init__(self) -> None:
        self.open: dict[bytes, OpenOrder] = {}
        self.positions: dict[int, int] = {}
        self._of_symbol: dict[int, dict[bytes, OpenOrder]] = {}
        self._asked: bytes = b""  # the order that the last U named

    def of_symbol(self, symbol: int) -> Mapping[bytes, OpenOrder]:
        return self._of_symbol.get(symbol, {})

    def apply(self, row: Mapping[str, Any]) -> OpenOrder | None:
        """The order that the row has put into the market, or None."""
        kind, token, shares = row["kind"], row["token"], int(row["shares"])
        if kind == b"U":
            self._asked = token
        elif kind in (b"A", b"R"):
            if kind == b"R":
                self._close(self._asked)
            order = OpenOrder(token, int(row["symbol"]), row["side"], int(row["price"]), shares)
            self.open[token] = order
            self._of_symbol.setdefault(order.symbol, {})[token] = order
            return order
        elif kind == b"m" and token in self.open:
            self.open[token].shares = shares
        elif kind in (b"E", b"C"):
            if kind == b"E":
                sign = 1 if row["side"] == b"B" else -1
                symbol = int(row["symbol"])
                self.positions[symbol] = self.positions.get(symbol, 0) + sign * shares
            if token in self.open:
                self.open[token].shares -= shares
                if self.open[token].shares <= 0:
                    self._close(token)
        return None

    def _close(self, token: bytes) -> None:
        order = self.open.pop(token, None)
        if order is not None:
            del self._of_symbol[order.symbol][token]


def replay_orders(drop_copy: Rows) -> Iterator[tuple[VenueOrders, Mapping[str, Any], OpenOrder | None]]:
    """(state after it, row, the order that it opened) of every row."""
    venue = VenueOrders()
    names = drop_copy.dtype.names or ()
    for values in drop_copy.tolist():
        row = dict(zip(names, values, strict=True))
        yield venue, row, venue.apply(row)
