"""An independent order gateway in plain Python: what the venue's rules (traffic/exchange/gateway.h) make of requests.

Requests and published messages go in one after the other; rows of the drop copy come out as
(kind, token, side, shares, price, reason). Nothing here calls the code under test.
"""

import struct
from dataclasses import dataclass, field

from traffic_reference import ReferenceBook

SHARES_MAX, PRICE_MAX = 999_999, 1_999_999_900
UNTIL_CLOSE = 99_998
Row = tuple[bytes, bytes, bytes, int, int, bytes]


@dataclass
class Order:
    token: bytes
    side: bytes
    price: int
    time_in_force: int
    shares: int
    open: int
    executed: int = 0  # of the whole chain
    stock: bytes = b"ACME    "


@dataclass
class ReferenceGateway:
    """One stock, ACME, with stock locate 1."""

    book: ReferenceBook = field(default_factory=ReferenceBook)
    orders: dict[bytes, Order] = field(default_factory=dict)
    resting: list[bytes] = field(default_factory=list)  # oldest first
    rows: list[Row] = field(default_factory=list)

    def publish(self, message: bytes) -> None:
        """The book follows; then every resting order that the touch has come to is executed at its own price."""
        self.book.apply(message)
        for token in list(self.resting):
            order = self.orders[token]
            touch = self._touch(order)
            if touch:
                self._execute(order, min(order.open, touch[1]), order.price, b"A")

    def request(self, message: bytes) -> None:
        kind = chr(message[0])
        if kind == "O":
            self._enter(message)
        elif kind == "U":
            self._replace(message)
        elif kind == "X":
            self._cancel(message)
        else:
            self._modify(message)

    def _row(self, kind: str, order: Order, shares: int, price: int, reason: bytes = b"") -> None:
        self.rows.append((kind.encode(), order.token, order.side, shares, price, reason))

    def _touch(self, order: Order) -> tuple[int, int] | None:
        """(price, shares) of the other side when the order can trade with it."""
        levels: dict[int, int] = {}
        for _, side, price, shares in self.book.orders.values():
            if side != (b"B" if order.side == b"B" else b"S"):
                levels[price] = levels.get(price, 0) + shares
        if not levels:
            return None
        best = min(levels) if order.side == b"B" else max(levels)
        through = order.price >= best if order.side == b"B" else order.price <= best
        return (best, levels[best]) if through else None

    def _execute(self, order: Order, shares: int, price: int, liquidity: bytes) -> None:
        self._row("E", order, shares, price, liquidity)
        order.open -= shares
        order.executed += shares
        self._forget(order)

    def _take_away(self, order: Order, shares: int, reason: bytes) -> None:
        self._row("C", order, shares, order.price, reason)
        order.open -= shares
        self._forget(order)

    def _forget(self, order: Order) -> None:
        if order.open == 0 and order.token in self.resting:
            self.resting.remove(order.token)

    def _match(self, order: Order, minimum: int) -> None:
        touch = self._touch(order)
        shares = min(order.open, touch[1]) if touch else 0
        if touch and shares >= minimum:
            self._execute(order, shares, touch[0], b"R")
        if order.open == 0:
            return
        if order.time_in_force == 0:
            self._take_away(order, order.open, b"I")
        else:
            self.resting.append(order.token)

    @staticmethod
    def _wrong(order: Order, display: bytes, minimum: int) -> bytes:
        if order.stock != b"ACME    ":
            return b"S"
        if not 0 < order.shares <= SHARES_MAX:
            return b"Z"
        if not 0 < order.price <= PRICE_MAX:
            return b"X"
        if order.side not in (b"B", b"S", b"T", b"E") or order.time_in_force > 99_999:
            return b"O"
        if display not in (b"Y", b"A", b"N"):
            return b"D"
        return b"N" if minimum > order.shares else b""

    def _enter(self, message: bytes) -> None:
        _, token, side, shares, stock, price, time_in_force, _, display, _, _, minimum, _, _ = struct.unpack(
            ">c14scI8sII4scccIcc", message
        )
        order = Order(token, side, price, time_in_force, shares, 0, stock=stock)
        if token in self.orders:
            self._row("D", order, shares, price)
            return
        self.orders[token] = order
        self._row("O", order, shares, price)
        if reason := self._wrong(order, display, minimum):
            self._row("J", order, shares, price, reason)
            return
        order.open = shares
        self._row("A", order, shares, price)
        self._match(order, minimum)

    def _replace(self, message: bytes) -> None:
        _, old_token, token, shares, price, time_in_force, display, _, minimum = struct.unpack(
            ">c14s14sIIIccI", message
        )
        old = self.orders.get(old_token)
        told = Order(token, b"", price, time_in_force, shares, 0)
        self._row("U", old or told, shares, price)
        if old is None or old.open == 0:
            return
        if token in self.orders:
            self._row("D", told, shares, price)
            return
        good = shares <= SHARES_MAX and shares > old.executed
        new = Order(
            token, old.side, price, time_in_force, shares - old.executed if good else 0, 0, old.executed
        )
        if self._wrong(new, display, minimum):
            self._take_away(old, old.open, b"U")
            return
        self.orders[token] = new
        if old_token in self.resting:
            self.resting.remove(old_token)
        old.open, new.open = 0, new.shares
        self._row("R", new, new.shares, price)
        self._match(new, minimum)

    def _cancel(self, message: bytes) -> None:
        _, token, shares = struct.unpack(">c14sI", message)
        order = self.orders.get(token)
        self._row("X", order or Order(token, b"", 0, 0, 0, 0), shares, 0)
        if order is None:
            return
        keep = max(0, shares - order.executed)
        if keep < order.open:
            self._take_away(order, order.open - keep, b"U")

    def _modify(self, message: bytes) -> None:
        _, token, side, shares = struct.unpack(">c14scI", message)
        order = self.orders.get(token)
        if order is None:
            return
        self._row("M", order, shares, 0)
        sale = order.side != b"B" and side in (b"S", b"T", b"E")
        if order.open == 0 or not (side == order.side or sale) or not 0 < shares <= SHARES_MAX:
            return
        order.side = side
        if shares <= order.executed:
            self._take_away(order, order.open, b"U")
            return
        order.open = shares - order.executed
        self._row("m", order, order.open, order.price)
