"""What the venue says about own orders in, position and open shares out: an independent model.

Written from the rules in prose, with dictionaries and no table; slow on purpose. Keys are tokens.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

__all__ = ["Order", "Orders"]

OPEN = ("pending", "live", "partial")


@dataclass
class Order:
    side: str
    shares: int
    symbol: int
    state: str = "pending"
    open: int = 0
    executions: dict[int, int] = field(default_factory=dict)  # match -> shares now


@dataclass
class Orders:
    open_max: int
    dead_keep: int
    orders: dict[str, Order] = field(default_factory=dict)
    dead: deque[str] = field(default_factory=deque)
    position: Counter[int] = field(default_factory=Counter)
    discrepancies: int = 0

    def open_shares(self, symbol: int, *, buy: bool) -> int:
        return sum(o.open for o in self.orders.values() if o.symbol == symbol and (o.side == "B") == buy)

    def sent(self, token: str, side: str, shares: int, symbol: int) -> str:
        if token in self.orders:
            return "duplicate"
        if sum(order.state in OPEN for order in self.orders.values()) >= self.open_max:
            return "full"
        self.orders[token] = Order(side, shares, symbol, open=shares)
        return "ok"

    def apply(
        self, kind: str, token: str, *, shares: int = 0, match: int = 0, live: bool = True, side: str = ""
    ) -> str:
        order = self.orders.get(token)
        if order is None:
            self.discrepancies += 1
            return "unknown"
        before = order.state
        outcome = getattr(self, f"_{kind}", self._never)(
            order, shares=shares, match=match, live=live, side=side
        )
        self.discrepancies += outcome != "ok"
        if before in OPEN and order.state not in OPEN:
            self.dead.append(token)
            if len(self.dead) > self.dead_keep:
                del self.orders[self.dead.popleft()]
        return str(outcome)

    def _move(self, order: Order, shares: int) -> None:
        self.position[order.symbol] += shares if order.side == "B" else -shares

    def _accepted(self, order: Order, *, shares: int, live: bool, side: str, **_: int) -> str:
        if order.state != "pending" or side != order.side:
            return "unexpected"
        order.state = "live" if live else "dead"
        order.shares, order.open = shares, shares if live else 0
        return "ok"

    def _rejected(self, order: Order, **_: object) -> str:
        if order.state != "pending":
            return "unexpected"
        order.state, order.open = "rejected", 0
        return "ok"

    def _executed(self, order: Order, *, shares: int, match: int, **_: object) -> str:
        usual = order.state in ("live", "partial") and shares <= order.open
        if order.state in OPEN:
            order.state = "filled" if shares >= order.open else "partial"
        order.open = max(0, order.open - shares)
        order.executions[match] = shares
        self._move(order, shares)
        return "ok" if usual else "accounted"

    def _canceled(self, order: Order, *, shares: int, **_: object) -> str:
        if order.state not in OPEN:
            return "unexpected"
        usual = order.state != "pending" and shares <= order.open
        if shares >= order.open:
            order.state = "canceled"
        elif order.state == "pending":
            order.state = "live"
        order.open = max(0, order.open - shares)
        return "ok" if usual else "accounted"

    def _revised(self, order: Order, match: int, shares: int) -> str:
        if order.state in ("pending", "live") or not order.executions.get(match):
            return "unexpected"
        self._move(order, shares - order.executions[match])
        order.executions[match] = shares
        return "accounted" if order.state in ("rejected", "dead") else "ok"

    def _corrected(self, order: Order, *, shares: int, match: int, **_: object) -> str:
        return self._revised(order, match, shares)

    def _broken(self, order: Order, *, match: int, **_: object) -> str:
        return self._revised(order, match, 0)

    def _notice(self, order: Order, **_: object) -> str:
        return "ok" if order.state in ("live", "partial") else "unexpected"

    _cancel_pending = _cancel_rejected = _priority = _notice

    def _never(self, order: Order, **_: object) -> str:
        return "unexpected"
