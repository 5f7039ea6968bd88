"""What the gate is asked and told, and its arithmetic: one order, the world around it, buckets of tokens, distances."""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine_oracle.book import Top

__all__ = [
    "REASONS",
    "Bucket",
    "Context",
    "Replaced",
    "Request",
    "far_from_last",
    "far_from_middle",
    "increase",
    "terms",
]

REASONS = [
    "kill_switch",
    "limits_missing",
    "limits_invalid",
    "limits_stale",
    "tripped",
    "kill_symbol",
    "kill_strategy",
    "session_down",
    "session_hours",
    "feed_not_live",
    "feed_age",
    "book_incomplete",
    "late",
    "quote_age",
    "halted",
    "restricted",
    "request_invalid",
    "order_shares",
    "price_invalid",
    "notional",
    "collar",
    "collar_last",
    "short_sale",
    "position",
    "net_exposure",
    "gross_exposure",
    "self_cross",
    "duplicate",
    "open_orders",
    "own_orders_full",
    "order_rate",
    "message_rate",
]
TOKEN = 10**9


@dataclass(frozen=True, kw_only=True)
class Request:
    sequence: int
    symbol: int
    side: str
    shares: int
    price: int
    time_in_force: int
    ordinal: int
    stock: bytes

    @property
    def buys(self) -> bool:
        return self.side == "B"

    @property
    def value(self) -> int:
        return self.shares * self.price


@dataclass(frozen=True, kw_only=True)
class Replaced:
    shares: int
    price: int


@dataclass(frozen=True, kw_only=True)
class Context:
    now_ns: int
    feed_live: bool
    book_complete: bool
    session_up: bool
    late: bool
    trading_state: str  # "": never announced
    strategy: int
    last_price: int
    market_ns: int
    quote_ns: int
    feed_ns: int


class Bucket:
    """Tokens of 1e-9; fills with time, never beyond its burst."""

    def __init__(self) -> None:
        self.credit = 10**9 * TOKEN
        self.at_ns = 0
        self.rate = self.burst = 10**9

    def configure(self, rate: int, burst: int, now_ns: int) -> None:
        self.fill(now_ns)
        self.rate, self.burst = rate, burst
        self.credit = min(self.credit, burst * TOKEN)

    def fill(self, now_ns: int) -> None:
        if now_ns > self.at_ns:
            self.credit = min(self.credit + (now_ns - self.at_ns) * self.rate, self.burst * TOKEN)
            self.at_ns = now_ns

    def take(self) -> None:
        self.credit -= TOKEN

    @property
    def empty(self) -> bool:
        return self.credit < TOKEN

    def below(self, permille: int) -> bool:
        return self.credit * 1000 < self.burst * TOKEN * permille


def terms(request: Request) -> tuple[int, str, int, int]:
    return request.symbol, request.side, request.price, request.shares


def increase(request: Request, replaced: Replaced | None) -> tuple[int, int]:
    """Shares and value that come on top of what is open."""
    if replaced is None:
        return request.shares, request.value
    shares = max(0, request.shares - replaced.shares)
    return shares, max(0, request.value - replaced.shares * replaced.price)


def far_from_middle(price: int, top: Top, permille: int) -> bool:
    return abs(2 * price - (top.bid + top.ask)) * 1000 > permille * (top.bid + top.ask)


def far_from_last(price: int, last: int, permille: int) -> bool:
    return abs(price - last) * 1000 > permille * last
