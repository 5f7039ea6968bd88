"""What the venue says about own orders in, position and open shares out: an independent model.

Written from the rules in prose, with dictionaries and no table; slow on purpose. Keys are tokens. ``waits`` says what
was asked of an order that the venue knows: nothing, a cancel, or a replace.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

__all__ = ["Order", "Orders"]

SELLS = ("S", "T", "E")


@dataclass
class Order:
    side: str
    shares: int
    symbol: int
    price: int = 1
    rests: bool = False
    life: str = "pending"  # pending, alive, or how it died
    waits: str = ""
    changing: bool = False
    held: bool = False
    open: int = 0
    done: int = 0  # shares executed, gross
    chain: int = 0  # executed by those it replaced
    partner: str | None = None
    executions: dict[int, int] = field(default_factory=dict)  # match -> shares now

    @property
    def is_open(self) -> bool:
        return self.life in ("pending", "alive")

    @property
    def state(self) -> str:
        if self.life == "pending":
            return "pending_new_cancel" if self.waits else "pending"
        if self.life != "alive":
            return self.life
        part = self.done > 0
        if self.waits:
            return f"pending_{self.waits}" + ("_partial" if part else "")
        return "partial" if part else "live"


@dataclass
class Orders:
    open_max: int
    dead_keep: int
    orders: dict[str, Order] = field(default_factory=dict)
    dead: deque[str] = field(default_factory=deque)
    position: Counter[int] = field(default_factory=Counter)
    discrepancies: int = 0

    def _of(self, symbol: int, *, buy: bool) -> list[Order]:
        return [
            o for o in self.orders.values() if o.symbol == symbol and (o.side == "B") == buy and o.is_open
        ]

    def open_shares(self, symbol: int, *, buy: bool) -> int:
        return sum(order.open for order in self._of(symbol, buy=buy))

    def open_count(self, symbol: int, *, buy: bool) -> int:
        return len(self._of(symbol, buy=buy))

    def best(self, symbol: int, *, buy: bool) -> int:
        prices = [order.price for order in self._of(symbol, buy=buy) if order.rests]
        return (max if buy else min)(prices, default=0)

    def sent(
        self, token: str, side: str, shares: int, symbol: int, price: int = 1, rests: bool = False
    ) -> str:
        if token in self.orders:
            return "duplicate"
        if sum(order.is_open for order in self.orders.values()) >= self.open_max:
            return "full"
        self.orders[token] = Order(side, shares, symbol, price, rests, open=shares)
        return "ok"

    def cancel_sent(self, token: str) -> str:
        order = self.orders.get(token)
        if order is None:
            return "unknown"
        if not order.is_open or order.waits == "cancel":
            return "refused"
        order.waits = "cancel"
        return "ok"

    def replace_sent(self, token: str, new: str, total: int, price: int) -> str:
        old = self.orders.get(token)
        if old is None:
            return "unknown"
        if old.life != "alive" or old.waits or old.partner:
            return "refused"
        left = total - old.chain - old.done
        if left <= 0:
            return "invalid"
        outcome = self.sent(new, old.side, left, old.symbol, price, rests=True)
        if outcome == "ok":
            old.waits, old.partner = "replace", new
            order = self.orders[new]
            order.partner, order.chain = token, old.chain + old.done
            order.open = max(0, left - old.open)
        return outcome

    def modify_sent(self, token: str, total: int, side: str) -> str:
        order = self.orders.get(token)
        if order is None:
            return "unknown"
        left = total - order.chain - order.done
        if (side and (side == "B") != (order.side == "B")) or left <= 0 or (not side and left >= order.open):
            return "invalid"
        if order.changing or order.life != "alive" or order.waits:
            return "refused"
        order.changing = True
        return "ok"

    def apply(
        self,
        kind: str,
        token: str,
        *,
        shares: int = 0,
        match: int = 0,
        live: bool = True,
        side: str = "",
        price: int = 1,
        previous: str = "",
    ) -> str:
        if kind == "replaced":
            outcome = self._replaced(previous, token, shares=shares, live=live, side=side, price=price)
        elif token not in self.orders:
            outcome = "unknown"
        else:
            order = self.orders[token]
            was_open = order.is_open
            outcome = getattr(self, f"_{kind}")(
                order, shares=shares, match=match, live=live, side=side, price=price
            )
            if was_open and not order.is_open:
                self._bury(token)
                self._widow(order)
        self.discrepancies += outcome != "ok"
        return str(outcome)

    def _bury(self, token: str) -> None:
        self.dead.append(token)
        if len(self.dead) > self.dead_keep:
            del self.orders[self.dead.popleft()]

    def _widow(self, order: Order) -> None:
        """A dead order's partner: what it was to replace stays, what was to replace it will not come."""
        if order.partner is None:
            return
        token, partner = order.partner, self.orders[order.partner]
        order.partner = partner.partner = None
        if order.life == "rejected":
            if partner.waits == "replace":
                partner.waits = ""
        elif partner.life == "pending":
            partner.life, partner.open = "dead", 0
            self._bury(token)

    def _move(self, order: Order, shares: int) -> None:
        self.position[order.symbol] += shares if order.side == "B" else -shares

    def _accepted(self, order: Order, *, shares: int, live: bool, side: str, price: int, **_: int) -> str:
        if order.life != "pending" or side != order.side:
            return "unexpected"
        order.life = "alive" if live else "dead"
        order.shares, order.open, order.price = shares, shares if live else 0, price
        return "ok"

    def _replaced(self, token: str, new: str, *, shares: int, live: bool, side: str, price: int) -> str:
        old = self.orders.get(token)
        if old is None:
            return "unknown"
        if not old.is_open or new == token or (side == "B") != (old.side == "B"):
            return "unexpected"
        expected = old.life == "alive" and old.waits in ("cancel", "replace")
        order = self.orders.get(new)
        if order is None:
            if sum(each.is_open for each in self.orders.values()) >= self.open_max:
                return "unknown"
            order = self.orders[new] = Order(side, shares, old.symbol, price)
        if order.life != "pending" or (order.side == "B") != (old.side == "B") or order.symbol != old.symbol:
            return "unexpected"
        other = old.partner
        old.partner = None
        if other is not None:
            self.orders[other].partner = None
        if other is not None and other != new and self.orders[other].life == "pending":
            self.orders[other].life, self.orders[other].open = "dead", 0
            self._bury(other)
        if order.partner is not None:
            third = self.orders[order.partner]
            order.partner = third.partner = None
            if third.waits == "replace":
                third.waits = ""
        order.side, order.chain = side, old.chain + old.done
        old.life, old.open = "replaced", 0
        self._bury(token)
        self._accepted(order, shares=shares, live=live, side=side, price=price)
        if not live:
            self._bury(new)
        return "ok" if expected else "accounted"

    def _rejected(self, order: Order, **_: object) -> str:
        if order.life != "pending":
            return "unexpected"
        order.life, order.open = "rejected", 0
        return "ok"

    def _executed(self, order: Order, *, shares: int, match: int, **_: object) -> str:
        usual = order.life == "alive" and shares <= order.open
        if order.is_open:
            order.life = "filled" if shares >= order.open else "alive"
        order.open = max(0, order.open - shares)
        order.done += shares
        order.executions[match] = shares
        self._move(order, shares)
        return "ok" if usual else "accounted"

    def _canceled(self, order: Order, *, shares: int, **_: object) -> str:
        if not order.is_open:
            return "unexpected"
        usual = order.life == "alive" and shares <= order.open
        order.life = "canceled" if shares >= order.open else "alive"
        order.open = max(0, order.open - shares)
        order.changing = False
        return "ok" if usual else "accounted"

    _executed_reference, _self_trade_canceled = _executed, _canceled

    def _revised(self, order: Order, match: int, shares: int) -> str:
        known = order.life not in ("pending",) and (order.life != "alive" or order.done > 0)
        if not known or not order.executions.get(match):
            return "unexpected"
        before = order.executions[match]
        self._move(order, shares - before)
        order.executions[match] = shares
        order.done += max(0, shares - before)
        return "accounted" if order.life in ("rejected", "dead") else "ok"

    def _corrected(self, order: Order, *, shares: int, match: int, **_: object) -> str:
        return self._revised(order, match, shares)

    def _broken(self, order: Order, *, match: int, **_: object) -> str:
        return self._revised(order, match, 0)

    def _cancel_pending(self, order: Order, **_: object) -> str:
        order.held |= order.life == "alive"
        return "ok" if order.life == "alive" else "unexpected"

    def _cancel_rejected(self, order: Order, **_: object) -> str:
        if order.life != "alive":
            return "unexpected"
        order.held = order.changing = False
        if order.waits == "cancel":
            order.waits = ""
        return "ok"

    def _priority(self, order: Order, *, price: int, **_: object) -> str:
        if order.life != "alive":
            return "unexpected"
        order.price = price
        return "ok"

    def _modified(self, order: Order, *, shares: int, side: str, **_: object) -> str:
        if order.life != "alive" or (side == "B") != (order.side == "B") or shares == 0:
            return "unexpected"
        order.side, order.open, order.changing = side, shares, False
        return "ok"

    def _notice(self, order: Order, **_: object) -> str:
        return "ok" if order.life == "alive" else "unexpected"

    _trade_now = _restated = _notice
