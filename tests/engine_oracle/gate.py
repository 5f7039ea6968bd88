"""The risk gate: every order against every limit, in the order that engine/risk/risk.h gives; trips, kills, records.

All sums over orders are recounted at every question; time is the caller's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from tests.engine_oracle.book import Top
from tests.engine_oracle.limits import Hard, Table
from tests.engine_oracle.orders import OwnOrders
from tests.engine_oracle.terms import (
    Bucket,
    Context,
    Replaced,
    Request,
    far_from_last,
    far_from_middle,
    increase,
    terms,
)

__all__ = ["Gate"]

WARNINGS = (  # in the order of their numbers
    *("order_shares", "notional", "collar", "position", "order_rate", "collar_last"),
    *("net_exposure", "gross_exposure", "open_orders", "message_rate"),
)


class Gate:
    def __init__(self, orders: OwnOrders) -> None:
        self.own = orders
        self.published: Table | None = None  # None: withdrawn, or none yet
        self.publications = 0
        self.seen = 0
        self.table: Table | None = None  # in force; its first lines are a copy
        self.in_place: Table | None = None  # where its symbols and profiles are read
        self.missing = False
        self.generation = 0
        self.killed = False  # the switch for all
        self.kill_seen = False
        self.dead_symbols: set[int] = set()
        self.dead_strategies: set[int] = set()
        self.commands: deque[tuple[str, int]] = deque()
        self.tripped: str | None = None
        self.lost = ""
        self.trip_on_loss: tuple[str, ...] = ()
        self.orders, self.messages = Bucket(), Bucket()
        self.recent: dict[int, deque[tuple[tuple[int, str, int, int], int]]] = {}
        self.breach_first_ns = 0
        self.breaches = 0
        self.decisions = 0
        self.answers: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.records: list[
            tuple[int, int, str, str, int, int]
        ] = []  # at, decisions, kind, reason, subject, who
        self.wishes: list[tuple[str, int]] = []  # scope, subject
        self.wish_count = 0
        self.trips = 0

    # control

    def publish(self, table: Table) -> None:
        self.published = table
        self.publications += 1

    def withdraw(self) -> None:
        self.published = None
        self.publications += 1

    def kill_symbol(self, symbol: int, on: bool) -> None:
        (self.dead_symbols.add if on else self.dead_symbols.discard)(symbol)
        if on:
            self.commands.append(("symbol", symbol))

    def kill_strategy(self, strategy: int, on: bool) -> None:
        (self.dead_strategies.add if on else self.dead_strategies.discard)(strategy)
        if on:
            self.commands.append(("strategy", strategy))

    def rearm(self, who: int) -> None:
        self.commands.append(("rearm", who))

    # exposure

    def symbol_value(self, symbol: int) -> int:
        return self.own.positions.get(symbol, 0) * self.own.marks.get(symbol, 0)

    def exposure(self) -> tuple[int, int, int, int]:
        """V, B, S and gross."""
        value = buys = sells = gross = 0
        for symbol in self.own.symbols:
            v, b, s = self._parts(symbol)
            value, buys, sells, gross = value + v, buys + b, sells + s, gross + max(v + b, s - v)
        return value, buys, sells, gross

    def _parts(self, symbol: int) -> tuple[int, int, int]:
        own = self.own
        return self.symbol_value(symbol), own.open_value(symbol, True), own.open_value(symbol, False)

    # once per poll

    def poll(self, now_ns: int) -> None:
        if self.killed and not self.kill_seen:
            self._record(now_ns, "kill", "kill_switch")
            self._wish("all", 0)
        elif self.kill_seen and not self.killed:
            self._record(now_ns, "kill_over", "kill_switch")
        self.kill_seen = self.killed
        while self.commands:
            what, number = self.commands.popleft()
            if what == "rearm":
                self._record(now_ns, "rearm", self.tripped or "none", 0, number)
                self.tripped, self.breaches = None, 0
            else:
                self._record(now_ns, f"kill_{what}", f"kill_{what}", number, 0)
                self._wish(what, number)
        self._take_up(now_ns)
        self._note_loss(self._loss(now_ns), now_ns)

    def _record(self, now_ns: int, kind: str, reason: str, subject: int = 0, who: int = 0) -> None:
        self.records.append((now_ns, self.decisions, kind, reason, subject, who))

    def _wish(self, scope: str, subject: int) -> None:
        self.wish_count += 1
        self.wishes.append((scope, subject))

    def _take_up(self, now_ns: int) -> None:
        if self.seen == self.publications:
            return
        self.seen = self.publications
        self.missing = self.published is None
        if self.published is None:
            return
        self.table, self.in_place = self.published.copy(), self.published
        self.generation = self.table.generation
        limits = self.table.limits
        self.orders.configure(limits.order_rate_per_s, limits.order_burst, now_ns)
        self.messages.configure(limits.message_rate_per_s, limits.message_burst, now_ns)
        self.trip_on_loss = limits.trips.at_once
        self.lost = ""
        self._record(now_ns, "table", "none")

    def _loss(self, now_ns: int, symbol: int | None = None) -> str:
        table = self.table
        if self.missing or table is None:
            return "limits_missing"
        if table.broken & {"head", "limits", "account", "soft"}:
            return "limits_invalid"
        if symbol is not None and self._broken_in_place(symbol):
            return "limits_invalid"
        return "limits_stale" if table.stale(now_ns) else ""

    def _broken_in_place(self, symbol: int) -> bool:
        """The symbol's entry or its profile."""
        if self.in_place is None:
            return False
        return bool({symbol, self.in_place.profile(symbol)} & self.in_place.broken)

    def _warn(self, reasons: list[str], now_ns: int) -> None:
        for reason in reasons:
            if not self.warnings[reason]:
                self._record(now_ns, "warn", reason)
            self.warnings[reason] += 1

    def _note_loss(self, loss: str, now_ns: int) -> None:
        """Recorded once for a table, unless the reason is another."""
        if not loss:
            return
        if loss != self.lost:
            self._record(now_ns, "table_lost", loss)
            self.lost = loss
        if loss in self.trip_on_loss:
            self.trip(loss, now_ns)

    def trip(self, reason: str, now_ns: int) -> None:
        if self.tripped is None:
            self.tripped = reason
            self.trips += 1
            self._record(now_ns, "trip", reason)
            self._wish("all", 0)

    # an order

    def check(self, request: Request, top: Top, context: Context, replaced: Replaced | None = None) -> str:
        """ "none": it may leave."""
        now_ns = context.now_ns
        self._take_up(now_ns)
        self.orders.fill(now_ns)
        self.messages.fill(now_ns)
        reason = next(self._refusals(request, top, context, replaced), "none")
        self.answers[reason] += 1
        if reason == "none":
            self.orders.take()
            self.messages.take()
            self._remember(request, now_ns)
            self._warn(sorted(self._soft(request, top, context, replaced), key=WARNINGS.index), now_ns)
        self.decisions += 1
        if reason != "none":
            self._breach(reason, now_ns)
        return reason

    def cancel(self, now_ns: int) -> None:
        self.messages.fill(now_ns)
        if not self.messages.empty:
            self.messages.take()

    def _refusals(
        self, request: Request, top: Top, context: Context, replaced: Replaced | None
    ) -> Iterator[str]:
        now_ns, symbol = context.now_ns, request.symbol
        if self.killed:
            yield "kill_switch"
        loss = self._loss(now_ns, symbol)
        if loss:
            yield loss
        if self.tripped is not None:
            yield "tripped"
        if symbol in self.dead_symbols:
            yield "kill_symbol"
        if context.strategy in self.dead_strategies:
            yield "kill_strategy"
        if not context.session_up:
            yield "session_down"
        table = self.table
        assert table is not None
        limits = table.limits
        if limits.session is not None and not (
            limits.session.open_ns <= context.market_ns < limits.session.close_ns
        ):
            yield "session_hours"
        if not context.feed_live:
            yield "feed_not_live"
        if limits.feed_age_max_ns is not None and now_ns - context.feed_ns >= limits.feed_age_max_ns:
            yield "feed_age"
        if not context.book_complete:
            yield "book_incomplete"
        if context.late:
            yield "late"
        if limits.quote_age_max_ns is not None and now_ns - context.quote_ns >= limits.quote_age_max_ns:
            yield "quote_age"
        if not (context.trading_state == "T" or (context.trading_state == "" and limits.allow_unannounced)):
            yield "halted"
        if table.restricted(symbol):
            yield "restricted"
        yield from self._terms(request, table.hard(symbol), top, context)
        yield from self._totals(request, table, replaced)
        if self._crosses_itself(request):
            yield "self_cross"
        if self._is_duplicate(request, now_ns):
            yield "duplicate"
        count = len(self.own.open_orders()) + (replaced is None)
        if limits.open_orders_max is not None and count > limits.open_orders_max:
            yield "open_orders"
        if self.own.full:
            yield "own_orders_full"
        if self.orders.empty:
            yield "order_rate"
        if self.messages.empty:
            yield "message_rate"

    @staticmethod
    def _terms(request: Request, hard: Hard, top: Top, context: Context) -> Iterator[str]:
        named = request.stock[:1] not in (b"", b"\0", b" ")
        if (
            request.side not in ("B", "S")
            or not named
            or request.ordinal > 9
            or request.time_in_force > 99_999
            or not 0 < request.sequence < 1 << 48
        ):
            yield "request_invalid"
        if not 0 < request.shares <= hard.shares:
            yield "order_shares"
        if not 0 < request.price <= hard.price:
            yield "price_invalid"
        if request.value > hard.notional:
            yield "notional"
        if not top.valid or far_from_middle(request.price, top, hard.collar):
            yield "collar"
        if hard.last_collar is not None and (
            context.last_price == 0 or far_from_last(request.price, context.last_price, hard.last_collar)
        ):
            yield "collar_last"

    def _totals(self, request: Request, table: Table, replaced: Replaced | None) -> Iterator[str]:
        symbol, limits = request.symbol, table.limits
        shares, value = increase(request, replaced)
        if shares > 0:
            after = self._position_after(request, shares)
            if not request.buys and after < 0 and not table.may_short(symbol):
                yield "short_sale"
            if (after if request.buys else -after) > table.hard(symbol).position:
                yield "position"
        if value > 0:
            net, gross, raised = self._exposure_after(request, value)
            if limits.net_exposure_max is not None and net > limits.net_exposure_max:
                yield "net_exposure"
            if limits.gross_exposure_max is not None and raised and gross > limits.gross_exposure_max:
                yield "gross_exposure"

    def _position_after(self, request: Request, shares: int) -> int:
        position = self.own.positions.get(request.symbol, 0)
        still = self.own.open_shares(request.symbol, request.buys) + shares
        return position + still if request.buys else position - still

    def _exposure_after(self, request: Request, value: int) -> tuple[int, int, bool]:
        """Net in the order's direction, gross, and whether gross was raised."""
        total, buys, sells, gross = self.exposure()
        v, b, s = self._parts(request.symbol)
        more = (v + b + value, s - v) if request.buys else (v + b, s + value - v)
        after = gross - max(v + b, s - v) + max(more)
        return (total + buys if request.buys else sells - total) + value, after, after > gross

    def _crosses_itself(self, request: Request) -> bool:
        other = self.own.best(request.symbol, not request.buys)
        return other != 0 and (request.price >= other if request.buys else request.price <= other)

    def _is_duplicate(self, request: Request, now_ns: int) -> bool:
        window = self.table.limits.duplicate_window_ns if self.table else 0
        same = terms(request)
        return any(
            same == passed and now_ns - at_ns < window
            for passed, at_ns in self.recent.get(request.symbol % 64, ())
        )

    def _remember(self, request: Request, now_ns: int) -> None:
        self.recent.setdefault(request.symbol % 64, deque(maxlen=8)).append((terms(request), now_ns))

    # soft limits, asked behind a pass

    def _soft(self, request: Request, top: Top, context: Context, replaced: Replaced | None) -> Iterator[str]:
        assert self.table is not None
        soft = self.table.limits.soft
        shares, value = increase(request, replaced)
        if soft.order_shares is not None and request.shares > soft.order_shares:
            yield "order_shares"
        if soft.notional is not None and request.value > soft.notional:
            yield "notional"
        if soft.collar_permille is not None and far_from_middle(request.price, top, soft.collar_permille):
            yield "collar"
        if soft.last_collar_permille is not None and far_from_last(
            request.price, context.last_price, soft.last_collar_permille
        ):
            yield "collar_last"
        if shares > 0 and soft.position_max is not None:
            after = self._position_after(request, shares)
            if (after if request.buys else -after) > soft.position_max:
                yield "position"
        if value > 0:
            net, gross, raised = self._exposure_after(request, value)
            if soft.net_exposure is not None and net > soft.net_exposure:
                yield "net_exposure"
            if soft.gross_exposure is not None and raised and gross > soft.gross_exposure:
                yield "gross_exposure"
        count = len(self.own.open_orders()) + (replaced is None)
        if soft.open_orders is not None and count > soft.open_orders:
            yield "open_orders"
        if self.orders.below(soft.order_tokens_permille):
            yield "order_rate"
        if self.messages.below(soft.message_tokens_permille):
            yield "message_rate"

    # trips

    def _breach(self, reason: str, now_ns: int) -> None:
        if reason.startswith("limits_"):
            self._note_loss(reason, now_ns)
            return
        if self.tripped is not None or self.table is None or reason == "kill_switch":
            return
        trips = self.table.limits.trips
        if "trips" in self.table.broken:
            self.trip("limits_invalid", now_ns)
        elif reason in trips.at_once:
            self.trip(reason, now_ns)
        elif reason in trips.counted:
            if self.breaches == 0 or now_ns - self.breach_first_ns >= trips.window_ns:
                self.breaches, self.breach_first_ns = 0, now_ns
            self.breaches += 1
            if self.breaches >= trips.breaches:
                self.trip(reason, now_ns)

    def filled(self, symbol: int, now_ns: int) -> None:
        """An execution was accounted."""
        if self.tripped is not None or self.table is None or self.missing:
            return
        if self.table.broken or self._broken_in_place(symbol):
            self.trip("limits_invalid", now_ns)
            return
        limits, hard = self.table.limits, self.table.hard(symbol)
        value, buys, sells, gross = self.exposure()
        over = {
            "position": abs(self.own.positions.get(symbol, 0)) > hard.position,
            "net_exposure": limits.net_exposure_max is not None
            and max(value + buys, sells - value) > limits.net_exposure_max,
            "gross_exposure": limits.gross_exposure_max is not None and gross > limits.gross_exposure_max,
        }
        for reason, is_over in over.items():
            if is_over and reason in limits.trips.after_fill:
                self.trip(reason, now_ns)
