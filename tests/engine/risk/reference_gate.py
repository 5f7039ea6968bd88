"""The whole risk gate as a model: orders, executions, tables and kills in; reasons, sums, warnings and trips out.

Written from the essay of engine/risk/risk.h in plain integers and fractions, without a look at how the gate does it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from fractions import Fraction

from reference_risk import Limits, Request, Top

__all__ = ["Model", "Profile", "Rules", "Soft", "Trips", "World"]

EXPOSURE_MAX = 2**62 - 1
SECOND = 10**9
SOFT_REASONS = (  # in the order of their numbers
    "order_shares", "notional", "collar", "position", "order_rate", "collar_last", "net_exposure", "gross_exposure",
    "open_orders", "message_rate",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Soft:
    """None: off."""

    order_shares: int | None = None
    notional: int | None = None
    collar_permille: int | None = None
    last_collar_permille: int | None = None
    position_long: int | None = None
    position_short: int | None = None
    net_exposure: int | None = None
    gross_exposure: int | None = None
    open_orders: int | None = None
    order_tokens_permille: int = 0
    message_tokens_permille: int = 0


@dataclass(frozen=True, kw_only=True)
class Trips:
    at_once: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    after_fill: frozenset[str] = frozenset()
    breaches: int = 0
    window_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Profile:
    order_shares_max: int
    price_max: int
    notional_max: int
    position_long_max: int
    position_short_max: int
    collar_permille: int
    last_collar_permille: int | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A table. ``symbols``: (restricted, may be sold short, number of a profile or 0); others: allowed, short, 0."""

    generation: int = 0
    created_ns: int = 0
    valid_until_ns: int = 2**64 - 1
    session: tuple[int, int] = (0, 2**64 - 1)
    limits: Limits = field(default_factory=Limits)
    gross_exposure_max: int = EXPOSURE_MAX
    net_exposure_max: int = EXPOSURE_MAX
    quote_age_ns_max: int = 2**64 - 1
    feed_age_ns_max: int = 2**64 - 1
    duplicate_window_ns: int = 0
    open_orders_max: int = 2**32 - 1
    message_burst: int = 10**9
    message_rate_per_s: int = 10**9
    last_collar_permille: int | None = None
    soft: Soft = Soft()
    trips: Trips = Trips()
    profiles: tuple[Profile, ...] = ()  # number 1 first
    symbols: dict[int, tuple[bool, bool, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class World:
    """What an order meets besides the top."""

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
    strategy: int = 0
    last_price: int = 0
    market_ns: int = 0
    quote_ns: int = 0
    feed_ns: int = 0
    own_best_bid: int = 0
    own_best_ask: int = 0


class Bucket:
    def __init__(self, burst: int, rate: int) -> None:
        self.burst, self.rate = burst, rate
        self.tokens, self.at_ns = Fraction(burst), 0

    def held(self, now_ns: int) -> Fraction:
        earned = Fraction(max(0, now_ns - self.at_ns) * self.rate, SECOND)
        return min(Fraction(self.burst), self.tokens + earned)

    def take(self, now_ns: int) -> None:
        tokens = self.held(now_ns)
        self.tokens = tokens - 1 if tokens >= 1 else tokens  # a part of a token stays
        self.at_ns = max(now_ns, self.at_ns)

    def tune(self, burst: int, rate: int, now_ns: int) -> None:
        self.tokens = min(self.held(now_ns), Fraction(burst))
        self.at_ns = max(now_ns, self.at_ns)
        self.burst, self.rate = burst, rate


@dataclass
class Account:
    position: int = 0
    mark: int = 0
    open_buy: int = 0
    open_sell: int = 0

    @property
    def value(self) -> int:
        return self.position * self.mark

    @property
    def worst(self) -> int:
        return max(self.value + self.open_buy, self.open_sell - self.value)


def outside(price: int, around: Fraction, permille: int) -> bool:
    return abs(price - around) * 1000 > around * permille


class Model:
    def __init__(self, limits: Limits, generation: int = 0) -> None:
        self.rules: Rules | None = Rules(generation=generation, limits=limits)
        self.news: list[Rules | None] = []  # published and not taken up yet
        self.broken_rules = self.broken_trips = False
        self.broken_symbols: set[int] = set()
        self.killed = self.seen_killed = False
        self.killed_symbols: set[int] = set()
        self.killed_strategies: set[int] = set()
        self.commands: deque[tuple[str, int]] = deque()
        self.tripped: str | None = None
        self.lost_reason: str | None = None
        self.trip_on_loss: frozenset[str] = frozenset()
        self.orders = Bucket(limits.order_burst, limits.order_rate_per_s)
        self.messages = Bucket(10**9, 10**9)
        self.breaches: list[int] = []  # times: the first of the run, then one for each
        self.accounts: dict[int, Account] = {}
        self.open_orders = 0
        self.lost = False
        self.recent: dict[int, deque[tuple[tuple[int, str, int, int], int]]] = {}
        self.reasons: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.cancels: list[tuple[str, int]] = []
        self.records: list[tuple[str, str, int, int]] = []  # kind, reason, subject, who

    # sums

    def account(self, symbol: int) -> Account:
        return self.accounts.setdefault(symbol, Account())

    @property
    def gross(self) -> int:
        return sum(account.worst for account in self.accounts.values())

    def net(self, side: str) -> int:
        value = sum(account.value for account in self.accounts.values())
        if side == "B":
            return value + sum(account.open_buy for account in self.accounts.values())
        return sum(account.open_sell for account in self.accounts.values()) - value

    # tables, kills, trips

    def look(self, now_ns: int) -> None:
        if not self.news:
            return
        self.rules = self.news[-1]
        self.news = []
        self.broken_rules = self.broken_trips = False
        self.broken_symbols = set()
        if self.rules is None:
            self.lose("limits_missing")
            return
        rules = self.rules
        self.orders.tune(rules.limits.order_burst, rules.limits.order_rate_per_s, now_ns)
        self.messages.tune(rules.message_burst, rules.message_rate_per_s, now_ns)
        self.trip_on_loss = rules.trips.at_once
        self.lost_reason = None
        self.records.append(("table", "none", 0, 0))

    def lose(self, reason: str) -> None:
        if self.lost_reason != reason:
            self.lost_reason = reason
            self.records.append(("table_lost", reason, 0, 0))
        if reason in self.trip_on_loss:
            self.trip(reason)

    def trip(self, reason: str) -> None:
        if self.tripped is None:
            self.tripped = reason
            self.records.append(("trip", reason, 0, 0))
            self.wish("all", 0)

    def rearm(self, who: int) -> None:
        self.records.append(("rearm", self.tripped or "none", 0, who))
        self.tripped = None
        self.breaches = []

    def wish(self, scope: str, subject: int) -> None:
        if len(self.cancels) >= 16:
            self.cancels = []
            scope, subject = "all", 0
        self.cancels.append((scope, subject))

    def stale(self, now_ns: int) -> bool:
        assert self.rules is not None
        return now_ns >= self.rules.valid_until_ns or self.rules.created_ns - now_ns > SECOND

    def poll(self, now_ns: int) -> None:
        if self.killed != self.seen_killed:
            self.seen_killed = self.killed
            self.records.append(("kill" if self.killed else "kill_over", "kill_switch", 0, 0))
            if self.killed:
                self.wish("all", 0)
        for kind, subject in self.commands:
            if kind == "rearm":
                self.rearm(subject)
            else:
                self.records.append((f"kill_{kind}", f"kill_{kind}", subject, 0))
                self.wish(kind, subject)
        self.commands.clear()
        self.look(now_ns)
        if self.rules is None:
            self.lose("limits_missing")
        elif self.broken_rules:
            self.lose("limits_invalid")
        elif self.stale(now_ns):
            self.lose("limits_stale")

    # decisions

    def check(
        self, request: Request, symbol: int, top: Top, world: World, old: tuple[int, int] | None = None
    ) -> str:
        """``old``: open shares and price of the order that this one replaces."""
        now_ns = world.now_ns
        self.look(now_ns)
        reason = self._against_world(symbol, world)
        if reason == "none":
            reason = self._against_order(request, symbol, top, world, old)
        self.reasons[reason] += 1
        if reason != "none":
            self._blocked(reason, now_ns)
            return reason
        self.orders.take(now_ns)
        self.messages.take(now_ns)
        terms = (symbol, request.side, request.price, request.shares)
        self.recent.setdefault(symbol % 64, deque(maxlen=8)).append((terms, now_ns))
        above = self._above_soft(request, symbol, top, world, old)
        for warned in [name for name in SOFT_REASONS if name in above]:
            if not self.warnings[warned]:
                self.records.append(("warn", warned, 0, 0))
            self.warnings[warned] += 1
        return "none"

    def _blocked(self, reason: str, now_ns: int) -> None:
        if reason in ("limits_missing", "limits_invalid", "limits_stale"):
            self.lose(reason)
            return
        if reason in ("kill_switch", "tripped"):
            return
        assert self.rules is not None
        trips = self.rules.trips
        if self.broken_trips:
            self.trip("limits_invalid")
        elif reason in trips.at_once:
            self.trip(reason)
        elif reason in trips.counted:
            if self.breaches and now_ns - self.breaches[0] >= trips.window_ns:
                self.breaches = []
            self.breaches.append(now_ns)
            if len(self.breaches) >= trips.breaches:
                self.trip(reason)

    def _against_world(self, symbol: int, world: World) -> str:
        rules, now_ns = self.rules, world.now_ns
        if self.killed:
            return "kill_switch"
        if rules is None:
            return "limits_missing"
        if self.broken_rules or symbol in self.broken_symbols:
            return "limits_invalid"
        restricted = rules.symbols.get(symbol, (False, True, 0))[0]
        opened, closed = rules.session
        unannounced = world.trading_state == "\0" and rules.limits.allow_unannounced == 1
        tried = {
            "limits_stale": self.stale(now_ns),
            "tripped": self.tripped is not None,
            "kill_symbol": symbol in self.killed_symbols,
            "kill_strategy": world.strategy in self.killed_strategies,
            "session_down": not world.session_up,
            "session_hours": not opened <= world.market_ns < closed,
            "feed_not_live": not world.live,
            "feed_age": max(0, now_ns - world.feed_ns) >= rules.feed_age_ns_max,
            "book_incomplete": not world.book_complete,
            "late": world.late,
            "quote_age": max(0, now_ns - world.quote_ns) >= rules.quote_age_ns_max,
            "halted": world.trading_state != "T" and not unannounced,
            "restricted": restricted,
        }
        return next((reason for reason, against in tried.items() if against), "none")

    def terms(self, symbol: int) -> Profile:
        assert self.rules is not None
        limits = self.rules.limits
        number = self.rules.symbols.get(symbol, (False, True, 0))[2]
        if number:
            return self.rules.profiles[number - 1]
        return Profile(
            order_shares_max=limits.order_shares_max,
            price_max=limits.price_max,
            notional_max=limits.notional_max,
            position_long_max=limits.position_long_max,
            position_short_max=limits.position_short_max,
            collar_permille=limits.collar_permille,
            last_collar_permille=self.rules.last_collar_permille,
        )

    def _adds(self, request: Request, old: tuple[int, int] | None) -> tuple[int, int]:
        """(shares, value) by which the order increases what is open."""
        shares, price = old or (0, 0)
        return max(0, request.shares - shares), max(0, request.shares * request.price - shares * price)

    def _reach(self, request: Request, world: World, shares: int) -> int:
        if request.side == "B":
            return world.position + world.open_buy_shares + shares
        return -(world.position - world.open_sell_shares - shares)

    def _gross_with(self, symbol: int, side: str, value: int) -> int:
        account = self.account(symbol)
        grown = replace(
            account,
            **{
                "open_buy" if side == "B" else "open_sell": value
                + (account.open_buy if side == "B" else account.open_sell)
            },
        )
        return self.gross - account.worst + grown.worst

    def _against_order(
        self, request: Request, symbol: int, top: Top, world: World, old: tuple[int, int] | None
    ) -> str:
        rules, terms, price = self.rules, self.terms(symbol), request.price
        assert rules is not None
        if (
            request.side not in ("B", "S")
            or not b" " < request.stock[:1] < b"\x7f"
            or request.ordinal > 9
            or request.time_in_force > 99_999
            or request.trigger_sequence >= 2**48
        ):
            return "request_invalid"
        if not 0 < request.shares <= terms.order_shares_max:
            return "order_shares"
        if not 0 < price <= terms.price_max:
            return "price_invalid"
        if request.shares * price > terms.notional_max:
            return "notional"
        middle = Fraction(top.bid_price + top.ask_price, 2)
        if not 0 < top.bid_price < top.ask_price or outside(price, middle, terms.collar_permille):
            return "collar"
        last = Fraction(world.last_price)
        if terms.last_collar_permille is not None and (
            last == 0 or outside(price, last, terms.last_collar_permille)
        ):
            return "collar_last"
        shares, value = self._adds(request, old)
        reach = self._reach(request, world, shares)
        may_short = rules.symbols.get(symbol, (False, True, 0))[1]
        if shares and request.side == "S" and not may_short and reach > 0:
            return "short_sale"
        if shares and reach > (terms.position_long_max if request.side == "B" else terms.position_short_max):
            return "position"
        if value and self.net(request.side) + value > rules.net_exposure_max:
            return "net_exposure"
        gross = self._gross_with(symbol, request.side, value)
        if self.lost or (gross > self.gross and gross > rules.gross_exposure_max):
            return "gross_exposure"
        return self._against_flow(request, symbol, world, old)

    def _against_flow(self, request: Request, symbol: int, world: World, old: tuple[int, int] | None) -> str:
        rules, now_ns = self.rules, world.now_ns
        assert rules is not None
        if request.side == "B" and world.own_best_ask and request.price >= world.own_best_ask:
            return "self_cross"
        if request.side == "S" and world.own_best_bid and request.price <= world.own_best_bid:
            return "self_cross"
        terms = (symbol, request.side, request.price, request.shares)
        for known, at_ns in self.recent.get(symbol % 64, ()):
            if known == terms and max(0, now_ns - at_ns) < rules.duplicate_window_ns:
                return "duplicate"
        if self._opens(old) > rules.open_orders_max:
            return "open_orders"
        if world.own_orders_full:
            return "own_orders_full"
        if self.orders.held(now_ns) < 1:
            return "order_rate"
        return "message_rate" if self.messages.held(now_ns) < 1 else "none"

    def _opens(self, old: tuple[int, int] | None) -> int:
        return self.open_orders + (0 if old and old[0] else 1)

    def _above_soft(
        self, request: Request, symbol: int, top: Top, world: World, old: tuple[int, int] | None
    ) -> set[str]:
        """After the tokens were taken."""
        assert self.rules is not None
        soft, price, side = self.rules.soft, request.price, request.side
        shares, value = self._adds(request, old)
        position = soft.position_long if side == "B" else soft.position_short
        gross = self._gross_with(symbol, side, value)
        found = {
            "order_shares": soft.order_shares is not None and request.shares > soft.order_shares,
            "notional": soft.notional is not None and request.shares * price > soft.notional,
            "collar": soft.collar_permille is not None
            and outside(price, Fraction(top.bid_price + top.ask_price, 2), soft.collar_permille),
            "collar_last": soft.last_collar_permille is not None
            and outside(price, Fraction(world.last_price), soft.last_collar_permille),
            "position": position is not None
            and shares > 0
            and self._reach(request, world, shares) > position,
            "net_exposure": soft.net_exposure is not None
            and value > 0
            and self.net(side) + value > soft.net_exposure,
            "gross_exposure": soft.gross_exposure is not None
            and gross > self.gross
            and gross > soft.gross_exposure,
            "open_orders": soft.open_orders is not None and self._opens(old) > soft.open_orders,
            "order_rate": self.orders.tokens * 1000 < self.orders.burst * soft.order_tokens_permille,
            "message_rate": self.messages.tokens * 1000 < self.messages.burst * soft.message_tokens_permille,
        }
        return {reason for reason, above in found.items() if above}

    # what becomes of orders

    def change(
        self, symbol: int, side: str, *, value: int, position: int = 0, orders: int = 0, mark: int = 0
    ) -> None:
        before = self.account(symbol)
        after = replace(
            before,
            position=before.position + position,
            mark=mark or before.mark,
            open_buy=before.open_buy + (value if side == "B" else 0),
            open_sell=before.open_sell + (0 if side == "B" else value),
        )
        held_orders = self.open_orders
        self.accounts[symbol], self.open_orders = after, self.open_orders + orders
        total = sum(account.value for account in self.accounts.values())
        sums = (after.value, after.value + after.open_buy, after.open_sell - after.value, self.gross, total)
        sums += (self.net("B"), self.net("S"))
        if (
            abs(after.position) > 10**15
            or any(abs(number) > EXPOSURE_MAX for number in sums)
            or min(after.open_buy, after.open_sell, self.open_orders) < 0
        ):
            self.lost = True
            self.accounts[symbol], self.open_orders = before, held_orders
        if position:
            self._filled(symbol)

    def _filled(self, symbol: int) -> None:
        if self.rules is None or self.tripped is not None:
            return
        if self.broken_rules or self.broken_trips or symbol in self.broken_symbols:
            self.trip("limits_invalid")
            return
        watched, terms, position = (
            self.rules.trips.after_fill,
            self.terms(symbol),
            self.account(symbol).position,
        )
        over = not -terms.position_short_max <= position <= terms.position_long_max
        if "position" in watched and over:
            self.trip("position")
        elif "net_exposure" in watched and max(self.net("B"), self.net("S")) > self.rules.net_exposure_max:
            self.trip("net_exposure")
        elif "gross_exposure" in watched and (self.lost or self.gross > self.rules.gross_exposure_max):
            self.trip("gross_exposure")
