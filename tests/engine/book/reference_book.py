"""The order book in plain Python, from the fact sheet alone: order messages enter, rows and tops leave.

Orders stand in dictionaries, which keep the order of entry: a queue is a dictionary by reference, a side a
dictionary of queues by price. Nothing is kept sorted; reading the book out sorts. About 2 us a message.
Outcomes have the names of engine/book/book.h, whose rules for hostile input these are. Calls no engine code.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["ReferenceBook", "Row", "Top"]

Row = tuple[int, bytes, int, int, int, int]  # symbol, side, price, position, reference, shares
Top = tuple[int, int, int, int]  # bid price, ask price, bid shares, ask shares; 0 where a side is empty

SHARES_MAX = 2**32 - 1
FAULTS = frozenset({"duplicate_reference", "overfill", "full", "bad_side", "bad_symbol", "zero_price"})

# an order is a list so that shares can change in place
SYMBOL, SIDE, PRICE, SHARES = range(4)


class ReferenceBook:
    """All symbols; capacities only where a test wants them reached."""

    def __init__(
        self, *, order_capacity: int = 2**31, level_capacity: int = 2**31, symbol_count: int = 65536
    ) -> None:
        self.orders: dict[int, list[Any]] = {}
        self.sides: dict[tuple[int, bytes], dict[int, dict[int, list[Any]]]] = {}
        self.level_count = 0
        self.outcomes: Counter[str] = Counter()
        self.symbol_mismatches = 0
        self._order_capacity = order_capacity
        self._level_capacity = level_capacity
        self._symbol_count = symbol_count

    @property
    def complete(self) -> bool:
        """False once an order is known to be missing or wrong."""
        return not self.symbol_mismatches and not FAULTS & self.outcomes.keys()

    def apply(self, fields: Mapping[str, Any]) -> str:
        """A decoded message (itch_reference.decode()): the outcome's name."""
        kind, symbol = fields["type"], fields["stock_locate"]
        if kind in b"AF":
            outcome = self.add(
                symbol, fields["order_reference"], fields["side"], fields["shares"], fields["price"]
            )
        elif kind in b"EC":
            outcome = self.reduce(symbol, fields["order_reference"], fields["executed_shares"])
        elif kind == b"X":
            outcome = self.reduce(symbol, fields["order_reference"], fields["cancelled_shares"])
        elif kind == b"D":
            outcome = self.delete(symbol, fields["order_reference"])
        elif kind == b"U":
            outcome = self.replace(
                symbol,
                fields["order_reference"],
                fields["new_order_reference"],
                fields["shares"],
                fields["price"],
            )
        else:
            outcome = "ignored"
        self.outcomes[outcome] += 1
        return outcome

    def add(self, symbol: int, reference: int, side: bytes, shares: int, price: int) -> str:
        if side not in (b"B", b"S"):
            return "bad_side"
        if not 0 < symbol < self._symbol_count:
            return "bad_symbol"
        return self._enter(symbol, reference, side, shares, price)

    def reduce(self, symbol: int, reference: int, shares: int) -> str:
        """Executed or cancelled: the order keeps its place until nothing is left."""
        order = self.orders.get(reference)
        if order is None:
            return "unknown_reference"
        self.symbol_mismatches += order[SYMBOL] != symbol
        left = order[SHARES] - shares
        if left > 0:
            order[SHARES] = left
            return "applied"
        self._leave(reference, order)
        return "overfill" if left < 0 else "applied"

    def delete(self, symbol: int, reference: int) -> str:
        order = self.orders.get(reference)
        if order is None:
            return "unknown_reference"
        self.symbol_mismatches += order[SYMBOL] != symbol
        self._leave(reference, order)
        return "applied"

    def replace(self, symbol: int, reference: int, new_reference: int, shares: int, price: int) -> str:
        """Side and symbol are inherited; always to the tail of its level."""
        order = self.orders.get(reference)
        if order is None:
            return "unknown_reference"
        if new_reference != reference and new_reference in self.orders:
            return "duplicate_reference"
        self.symbol_mismatches += order[SYMBOL] != symbol
        self._leave(reference, order)
        return self._enter(order[SYMBOL], new_reference, order[SIDE], shares, price)

    def _enter(self, symbol: int, reference: int, side: bytes, shares: int, price: int) -> str:
        if reference in self.orders:
            return "duplicate_reference"
        if shares == 0:
            return "zero_shares"
        if price == 0:
            return "zero_price"
        if len(self.orders) >= self._order_capacity:
            return "full"
        levels = self.sides.setdefault((symbol, side), {})
        queue = levels.get(price)
        if queue is None:
            if self.level_count >= self._level_capacity:
                return "full"
            queue = levels[price] = {}
            self.level_count += 1
        self.orders[reference] = queue[reference] = [symbol, side, price, shares]
        return "applied"

    def _leave(self, reference: int, order: list[Any]) -> None:
        levels = self.sides[order[SYMBOL], order[SIDE]]
        queue = levels[order[PRICE]]
        del queue[reference], self.orders[reference]
        if not queue:
            del levels[order[PRICE]]
            self.level_count -= 1

    def top(self, symbol: int) -> Top:
        """Best prices and the shares there, saturating at 32 bits."""
        bids, asks = (self.sides.get((symbol, side)) or {} for side in (b"B", b"S"))
        bid, ask = max(bids, default=0), min(asks, default=0)
        return bid, ask, _shares(bids.get(bid)), _shares(asks.get(ask))

    def rows(self) -> list[Row]:
        """Every order, sorted by symbol, side, price and place in the queue."""
        return [
            (symbol, side, price, position, reference, order[SHARES])
            for symbol, side in sorted(self.sides)
            for price in sorted(self.sides[symbol, side])
            for position, (reference, order) in enumerate(self.sides[symbol, side][price].items())
        ]


def _shares(queue: dict[int, list[Any]] | None) -> int:
    return min(SHARES_MAX, sum(order[SHARES] for order in queue.values())) if queue else 0
