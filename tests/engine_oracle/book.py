"""The displayed book by order, recounted: best prices are looked for in all orders of a symbol each time.

Specification: ITCH 5.0 (effect on the visible book) and the rules of engine/book/book.h for what is not entered.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine_oracle.itch import BOOK_TYPES, Event

__all__ = ["Book", "Displayed", "Top"]

U32 = 2**32 - 1


@dataclass(frozen=True)
class Top:
    bid: int = 0
    ask: int = 0
    bid_shares: int = 0
    ask_shares: int = 0

    @property
    def valid(self) -> bool:
        return 0 < self.bid < self.ask


@dataclass
class Displayed:
    symbol: int
    side: str
    price: int
    shares: int


class Book:
    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.orders: dict[int, Displayed] = {}
        self.complete = True

    def top(self, symbol: int) -> Top:
        bids = [order for order in self.orders.values() if order.symbol == symbol and order.side == "B"]
        asks = [order for order in self.orders.values() if order.symbol == symbol and order.side == "S"]
        bid = max((order.price for order in bids), default=0)
        ask = min((order.price for order in asks), default=0)
        bid_shares = sum(order.shares for order in bids if order.price == bid)
        ask_shares = sum(order.shares for order in asks if order.price == ask)
        return Top(bid, ask, min(bid_shares, U32), min(ask_shares, U32))

    def price_of(self, reference: int) -> int:
        order = self.orders.get(reference)
        return order.price if order else 0

    def apply(self, event: Event) -> bool:
        """True: a strategy is to hear of it."""
        if event.kind not in BOOK_TYPES:
            return True
        order = self.orders.get(event.reference)
        if event.kind in "AF":
            return self._add(event, order)
        if order is None:
            return False
        if order.symbol != event.symbol:
            self.complete = False
        if event.kind == "U":
            return self._replace(event, order)
        if event.kind == "D":
            del self.orders[event.reference]
            return True
        if event.shares > order.shares:
            self.complete = False
        order.shares -= event.shares
        if order.shares <= 0:
            del self.orders[event.reference]
        return True

    def _add(self, event: Event, order: Displayed | None) -> bool:
        if order is not None:
            self.complete = False
            return False
        return self._enter(event.reference, Displayed(event.symbol, event.side, event.price, event.shares))

    def _replace(self, event: Event, order: Displayed) -> bool:
        if event.new_reference != event.reference and event.new_reference in self.orders:
            self.complete = False
            return False
        del self.orders[event.reference]
        self._enter(event.new_reference, Displayed(order.symbol, order.side, event.price, event.shares))
        return True

    def _enter(self, reference: int, order: Displayed) -> bool:
        if order.shares == 0:
            return False
        if (
            order.price == 0
            or order.side not in ("B", "S")
            or order.symbol == 0
            or len(self.orders) >= self.capacity
        ):
            self.complete = False
            return False
        self.orders[reference] = order
        return True
