"""Own orders as the venue's answers leave them: state, open shares, positions; every sum is recounted when asked for.

Specification: OUCH 4.2 (meaning of each answer), engine/order/own_order.h and own_orders.h.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tests.engine_oracle.ouch import Answer

__all__ = ["DEAD", "Own", "OwnOrders"]

DEAD = ("FILLED", "CANCELED", "REJECTED", "DEAD", "REPLACED")
PENDING = ("PENDING", "PENDING_NEW_CANCEL")
WAITS_CANCEL = ("PENDING_CANCEL", "PENDING_CANCEL_PARTIAL", "PENDING_NEW_CANCEL")
CANCELABLE = {
    "PENDING": "PENDING_NEW_CANCEL",
    "LIVE": "PENDING_CANCEL",
    "PARTIAL": "PENDING_CANCEL_PARTIAL",
    "PENDING_REPLACE": "PENDING_CANCEL",
    "PENDING_REPLACE_PARTIAL": "PENDING_CANCEL_PARTIAL",
}
REPLACEABLE = {"LIVE": "PENDING_REPLACE", "PARTIAL": "PENDING_REPLACE_PARTIAL"}
PARTLY = {
    "LIVE": "PARTIAL",
    "PARTIAL": "PARTIAL",
    **{state: "PENDING_CANCEL_PARTIAL" for state in ("PENDING_CANCEL", "PENDING_CANCEL_PARTIAL")},
    **{state: "PENDING_REPLACE_PARTIAL" for state in ("PENDING_REPLACE", "PENDING_REPLACE_PARTIAL")},
}
BACK = {
    **{"PENDING_CANCEL": "LIVE", "PENDING_CANCEL_PARTIAL": "PARTIAL"},
    **{"PENDING_REPLACE": "LIVE", "PENDING_REPLACE_PARTIAL": "PARTIAL"},
}


@dataclass
class Own:
    key: int
    symbol: int
    side: str
    price: int
    shares: int
    open: int
    time_in_force: int
    state: str = "PENDING"
    executed: int = 0
    canceled: int = 0
    chain: int = 0  # executed by the orders that it replaced
    total: int = 0  # a replacement's intended total, executed shares included
    partner: Own | None = None
    replacement: bool = False
    changing: bool = False
    held: bool = False
    executions: dict[int, list[int]] = field(default_factory=dict)  # match: shares, price, number

    @property
    def is_open(self) -> bool:
        return self.state not in DEAD

    @property
    def is_pending(self) -> bool:
        return self.state in PENDING

    @property
    def letter(self) -> int:
        return self.key & 255

    @property
    def done(self) -> int:
        return self.chain + self.executed

    @property
    def buys(self) -> bool:
        return self.side == "B"


class OwnOrders:
    def __init__(self, open_max: int) -> None:
        self.open_max = open_max
        self.executions_max = 1 << (2 * open_max - 1).bit_length()
        self.orders: dict[int, Own] = {}  # in the order of sending
        self.dead: deque[Own] = deque()
        self.positions: dict[int, int] = {}
        self.marks: dict[int, int] = {}
        self.discrepancies = 0
        self.executions = 0
        self.filled = False  # the last answer moved a position

    # what they add up to

    def open_orders(self, symbol: int | None = None) -> list[Own]:
        return [order for order in self.orders.values() if order.is_open and symbol in (None, order.symbol)]

    def open_shares(self, symbol: int, buys: bool) -> int:
        return sum(order.open for order in self.open_orders(symbol) if order.buys == buys)

    def open_value(self, symbol: int, buys: bool) -> int:
        return sum(order.open * order.price for order in self.open_orders(symbol) if order.buys == buys)

    def best(self, symbol: int, buys: bool) -> int:
        prices = [o.price for o in self.open_orders(symbol) if o.buys == buys and o.time_in_force > 0]
        return (max(prices) if buys else min(prices)) if prices else 0

    @property
    def full(self) -> bool:
        return len(self.open_orders()) >= self.open_max

    @property
    def symbols(self) -> set[int]:
        return {order.symbol for order in self.orders.values()} | set(self.positions)

    # what is sent

    def sent(self, order: Own) -> None:
        self.orders[order.key] = order

    def cancel(self, order: Own) -> bool:
        if order.state not in CANCELABLE:
            return False
        order.state = CANCELABLE[order.state]
        return True

    def replace(self, order: Own, made: Own) -> None:
        order.state = REPLACEABLE[order.state]
        order.partner, made.partner, made.replacement = made, order, True
        self.orders[made.key] = made
        self._recount(made)

    def can_replace(self, order: Own) -> bool:
        return order.state in REPLACEABLE

    def _recount(self, made: Own | None) -> None:
        """A replacement adds what it would have more than the order it replaces."""
        if made is not None and made.replacement and made.is_pending and made.partner is not None:
            made.open = max(0, made.total - made.partner.done - made.partner.open)

    def _bury(self, order: Own, state: str) -> None:
        order.state, order.open = state, 0
        self.dead.append(order)
        if len(self.dead) > self.open_max:
            del self.orders[self.dead.popleft().key]

    def _die(self, order: Own, state: str) -> None:
        """An order ends; the replacement that was asked for it never comes to be."""
        made, order.partner = order.partner, None
        self._bury(order, state)
        if made is not None and made.partner is order:
            made.partner = None
            if made.replacement and made.is_pending:
                self._bury(made, "DEAD")

    # what the venue says

    def apply(self, said: Answer) -> bool:
        """False: it was not expected."""
        self.filled = False
        if said.kind == "S":
            return True
        if said.key == 0:
            return True
        order = self.orders.get(said.key)
        expected = order is not None and self._apply(said, order)
        if not expected:
            self.discrepancies += 1
        return expected

    def _apply(self, said: Answer, order: Own) -> bool:
        if said.kind == "A":
            return self._accepted(said, order)
        if said.kind == "U":
            return self._replaced(said, order)
        if said.kind in "EG":
            return self._executed(said, order)
        if said.kind in "CD":
            return self._canceled(said, order)
        if said.kind == "J":
            return self._rejected(order)
        if said.kind in "FB":
            return self._corrected(said, order)
        if not order.is_open or order.is_pending:
            return False
        if said.kind == "P":
            order.held = True
            return True
        if said.kind == "I":
            order.held = order.changing = False
            if order.state in WAITS_CANCEL:
                order.state = BACK[order.state]
            return True
        if said.kind == "T":
            order.price = said.price
            return True
        return False

    def _accepted(self, said: Answer, order: Own) -> bool:
        if not order.is_pending or order.replacement or said.shares > order.shares or said.side != order.side:
            return False
        order.price, order.shares, order.open = said.price, said.shares, said.shares
        order.time_in_force = said.time_in_force
        if said.state == "D":
            self._die(order, "DEAD")
        else:
            order.state = "LIVE" if order.state == "PENDING" else "PENDING_CANCEL"
        return True

    def _replaced(self, said: Answer, made: Own) -> bool:
        before = made.partner
        if not made.replacement or not made.is_pending or before is None or before.key != said.previous_key:
            return False
        made.chain, made.partner, before.partner = before.done, None, None
        self._bury(before, "REPLACED")
        made.price, made.shares, made.open = said.price, said.shares, said.shares
        made.time_in_force = said.time_in_force
        if said.state == "D":
            self._die(made, "DEAD")
        else:
            made.state = "LIVE" if made.state == "PENDING" else "PENDING_CANCEL"
        return True

    def _move(self, order: Own, shares: int, price: int) -> None:
        self.positions[order.symbol] = self.positions.get(order.symbol, 0) + (
            shares if order.buys else -shares
        )
        self.filled = shares != 0
        if price:
            self.marks[order.symbol] = price

    def _executed(self, said: Answer, order: Own) -> bool:
        expected = order.state in PARTLY
        self.executions += 1
        order.executions[said.match] = [said.shares, said.price, self.executions]
        order.executed += said.shares
        self._move(order, said.shares, said.price)
        if said.shares < order.open:
            order.open -= said.shares
            order.state = PARTLY.get(order.state, order.state)
            self._recount(order.partner)
        elif order.is_open:
            self._die(order, "FILLED")
        return expected

    def _canceled(self, said: Answer, order: Own) -> bool:
        expected = order.is_open and not order.is_pending
        taken = min(said.shares, order.open)
        order.canceled += taken
        order.changing = False
        if said.shares < order.open:
            order.open -= said.shares
            self._recount(order.partner)
        elif order.is_open:
            self._die(order, "CANCELED")
        return expected

    def _rejected(self, order: Own) -> bool:
        if not order.is_pending:
            return False
        before = order.partner if order.replacement else None
        if before is not None:
            before.partner, order.partner = None, None
            if before.state in REPLACEABLE.values():
                before.state = BACK[before.state]
        self._bury(order, "REJECTED")
        return True

    def _corrected(self, said: Answer, order: Own) -> bool:
        execution = order.executions.get(said.match)
        if execution is None or execution[0] == 0 or self.executions - execution[2] >= self.executions_max:
            return False
        was = execution[0]
        execution[:2] = [said.shares, said.price] if said.kind == "F" else [0, execution[1]]
        self._move(order, execution[0] - was, 0)
        if said.kind == "F":
            order.executed += execution[0] - was
        return True
