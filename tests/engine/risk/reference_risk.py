"""Order, top, context and limits in, reason out: an independent model of the risk gate.

Written from the rules in prose, in exact rational arithmetic. Prices are in 1/10000, times in ns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Context", "Gate", "Limits", "Request", "Top"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    order_shares_max: int = 1000
    notional_max: int = 10**12
    position_long_max: int = 5000
    position_short_max: int = 5000
    price_max: int = 1_999_999_900
    collar_permille: int = 50
    order_burst: int = 10
    order_rate_per_s: int = 1000
    allow_unannounced: int = 1


@dataclass(frozen=True, kw_only=True)
class Request:
    side: str = "B"
    shares: int = 100
    price: int = 1_000_000
    stock: bytes = b"AAPL    "
    ordinal: int = 0
    time_in_force: int = 0
    trigger_sequence: int = 1


@dataclass(frozen=True, kw_only=True)
class Top:
    bid_price: int = 999_900
    ask_price: int = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Context:
    now_ns: int = 0
    position: int = 0
    open_buy_shares: int = 0
    open_sell_shares: int = 0
    live: bool = True
    book_complete: bool = True
    session_up: bool = True
    late: bool = False
    own_orders_full: bool = False
    trading_state: str = "T"


@dataclass
class Gate:
    limits: Limits
    killed: bool = False
    sealed: bool = True
    tokens: Fraction = field(init=False)
    filled_ns: int = 0

    def __post_init__(self) -> None:
        self.tokens = Fraction(self.limits.order_burst)

    def _held(self, now_ns: int) -> Fraction:
        """Tokens at now_ns; time before the last order that passed earns nothing."""
        earned = Fraction(max(0, now_ns - self.filled_ns) * self.limits.order_rate_per_s, 10**9)
        return min(Fraction(self.limits.order_burst), self.tokens + earned)

    def _settle(self, now_ns: int) -> None:
        self.tokens = self._held(now_ns)
        self.filled_ns = max(now_ns, self.filled_ns)

    def replace(self, limits: Limits, now_ns: int) -> None:
        self._settle(now_ns)
        self.limits = limits
        self.tokens = min(self.tokens, Fraction(limits.order_burst))

    def check(self, request: Request, top: Top, context: Context) -> str:
        reason = self._against(request, top, context)
        if reason == "none":
            self._settle(context.now_ns)
            self.tokens -= 1
        return reason

    def _against(self, request: Request, top: Top, context: Context) -> str:
        limits = self.limits
        if self.killed:
            return "kill_switch"
        if not self.sealed:
            return "limits_invalid"
        if not context.session_up:
            return "session_down"
        if not context.live:
            return "feed_not_live"
        if not context.book_complete:
            return "book_incomplete"
        if context.late:
            return "late"
        if context.trading_state != "T" and not (context.trading_state == "\0" and limits.allow_unannounced):
            return "halted"
        return self._against_order(request, top, context)

    def _against_order(self, request: Request, top: Top, context: Context) -> str:
        limits = self.limits
        known = request.side in ("B", "S") and b" " < request.stock[:1] < b"\x7f"
        if (
            not known
            or request.ordinal > 9
            or request.time_in_force > 99_999
            or request.trigger_sequence >= 2**48
        ):
            return "request_invalid"
        if not 0 < request.shares <= limits.order_shares_max:
            return "order_shares"
        if not 0 < request.price <= limits.price_max:
            return "price_invalid"
        if request.shares * request.price > limits.notional_max:
            return "notional"
        if not 0 < top.bid_price < top.ask_price:
            return "collar"
        middle = Fraction(top.bid_price + top.ask_price, 2)
        if abs(request.price - middle) > middle * limits.collar_permille / 1000:
            return "collar"
        if request.side == "B":
            if context.position + context.open_buy_shares + request.shares > limits.position_long_max:
                return "position"
        elif context.position - context.open_sell_shares - request.shares < -limits.position_short_max:
            return "position"
        if context.own_orders_full:
            return "own_orders_full"
        return "none" if self._held(context.now_ns) >= 1 else "order_rate"
