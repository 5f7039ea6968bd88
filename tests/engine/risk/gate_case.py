"""A random generator in, one history of a gate out, played to the C and to the model at once; any difference asserts.

Histories hold orders and replaces, what the venue does with them, tables published, withdrawn and written over, kills
and re-arms, in any order. Time grows.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from c_gate import REASONS, c_limits, c_request
from engine._engine import ffi, lib
from reference_gate import Model, Profile, Rules, Soft, Trips, World
from reference_risk import Limits, Request, Top

__all__ = ["Case", "rules_into"]

SECOND = 10**9
SYMBOLS = (0, 1, 65, 129, 65_535)  # 1, 65 and 129 share a set of recent orders
BITS = {name: 1 << code for code, name in enumerate(REASONS)}
SCOPES = {lib_value: name for lib_value, name in enumerate(("none", "all", "symbol", "strategy"))}
MEMORY = ffi.new("struct risk_memory *")  # large; wiped by every start


def bits(names: frozenset[str]) -> int:
    return sum(BITS[name] for name in names)


def off(value: int | None, largest: int) -> int:
    return largest if value is None else value


def rules_into(table: Any, rules: Rules) -> None:
    """Fills and seals a struct risk_table."""
    lib.risk_table_default(table, c_limits(rules.limits))
    made = table.rules
    made.head.created_ns, made.head.valid_until_ns = rules.created_ns, rules.valid_until_ns
    made.head.session_open_ns, made.head.session_close_ns = rules.session
    account, soft, trips = made.account, made.soft, made.trips
    for name in (
        "gross_exposure_max", "net_exposure_max", "quote_age_ns_max", "feed_age_ns_max", "duplicate_window_ns",
        "open_orders_max", "message_burst", "message_rate_per_s",
    ):  # fmt: skip
        setattr(account, name, getattr(rules, name))
    account.last_collar_permille = off(rules.last_collar_permille, 2**32 - 1)
    for name in ("notional", "position_long", "position_short", "gross_exposure", "net_exposure"):
        setattr(soft, name, off(getattr(rules.soft, name), 2**64 - 1))
    for name in ("order_shares", "open_orders"):
        setattr(soft, name, off(getattr(rules.soft, name), 2**32 - 1))
    for name in ("collar_permille", "last_collar_permille"):
        setattr(soft, name, off(getattr(rules.soft, name), 2**16 - 1))
    soft.order_tokens_permille = rules.soft.order_tokens_permille
    soft.message_tokens_permille = rules.soft.message_tokens_permille
    trips.at_once, trips.counted = bits(rules.trips.at_once), bits(rules.trips.counted)
    trips.after_fill = bits(rules.trips.after_fill)
    trips.breaches, trips.window_ns = rules.trips.breaches, rules.trips.window_ns
    trips.profile_count = len(rules.profiles) + 1
    for number, profile in enumerate(rules.profiles, start=1):
        target = table.profiles[number]
        for name, value in vars(profile).items():
            setattr(target, name, off(value, 2**32 - 1))
    for symbol, (restricted, short, number) in rules.symbols.items():
        lib.risk_table_set_symbol(table, symbol, restricted * 1 + short * 2, number)
    lib.risk_table_seal(table, rules.generation)


def at_most(random: Random, hard: int | None, *choices: int | None) -> int | None:
    """A soft limit: off, or one of the choices that is not above the hard one."""
    fitting = [choice for choice in choices if choice is None or hard is None or choice <= hard]
    return random.choice([*fitting, None])


class Case:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.now_ns = random.choice([0, 5 * SECOND])
        self.generation = 1
        limits = self.limits()
        self.model = Model(limits)
        self.kill = ffi.new("struct risk_kill_switch *")
        self.c: Any = ffi.new("struct risk *")
        options = ffi.new("struct risk_options *", {"limits": c_limits(limits)[0]})
        options.kill_switch, options.memory = self.kill, MEMORY
        assert lib.risk_init(self.c, options) == 0
        self.table: Any = None  # in force or about to be
        self.symbol = SYMBOLS[0]
        self.open: list[list[Any]] = []  # symbol, side, shares, price of orders at the venue
        self.undo: list[Callable[[], None]] = []  # stray writes to take back

    # what happens

    def mostly(self, usual: Any, *others: Any, share: float = 0.1) -> Any:
        """The usual, or with the given probability one of the others."""
        return self.random.choice(others) if self.random.random() < share else usual

    def limits(self) -> Limits:
        mostly = self.mostly
        return Limits(
            order_shares_max=mostly(1000, 100, 0, 999_999),
            notional_max=mostly(10**9, 2**64 - 1, 10**8, 10**6, 0),
            position_long_max=mostly(5000, 10**15, 500, 0, share=0.3),
            position_short_max=mostly(5000, 10**15, 500, 0, share=0.3),
            price_max=mostly(1_999_999_900, 1_000_000),
            collar_permille=mostly(50, 1000, 1, 0),
            order_burst=mostly(10**9, 5, 1, 0, share=0.2),
            order_rate_per_s=mostly(10**9, 1000, 3, 0, share=0.2),
            allow_unannounced=mostly(1, 0),
        )

    def soft(self, rules: dict[str, Any]) -> Soft:
        random, limits = self.random, rules["limits"]
        return Soft(
            order_shares=at_most(random, limits.order_shares_max, 0, 50, 150),
            notional=at_most(random, limits.notional_max, 0, 10**8),
            collar_permille=at_most(random, limits.collar_permille, 0, 1, 10),
            last_collar_permille=at_most(random, rules["last_collar_permille"], 0, 1, 10),
            position_long=at_most(random, limits.position_long_max, 0, 300),
            position_short=at_most(random, limits.position_short_max, 0, 300),
            net_exposure=at_most(random, rules["net_exposure_max"], 0, 3 * 10**8),
            gross_exposure=at_most(random, rules["gross_exposure_max"], 0, 3 * 10**8),
            open_orders=at_most(random, rules["open_orders_max"], 0, 2),
            order_tokens_permille=random.choice([0, 0, 500, 1000]),
            message_tokens_permille=random.choice([0, 0, 500, 1000]),
        )

    def some(self, names: list[str]) -> frozenset[str]:
        return frozenset(name for name in names if self.random.random() < 0.03)

    def trips(self) -> Trips:
        never = ("none", "kill_switch", "kill_symbol", "kill_strategy", "tripped")
        names = [name for name in REASONS if name not in never]
        return Trips(
            at_once=self.some(names) if self.random.random() < 0.3 else frozenset(),
            counted=self.some(names * 3) if self.random.random() < 0.3 else frozenset(),
            after_fill=frozenset(
                self.random.sample(
                    ["position", "net_exposure", "gross_exposure"], k=self.random.choice([0, 0, 1, 3])
                )
            ),
            breaches=self.random.choice([0, 1, 2, 3]),
            window_ns=self.random.choice([0, 1000, 10 * SECOND]),
        )

    def rules(self) -> Rules:
        mostly, pick, last = self.mostly, self.random.choice, 2**64 - 1
        profile = Profile(
            order_shares_max=mostly(1000, 100), price_max=mostly(1_999_999_900, 1_000_000),
            notional_max=mostly(10**12, 10**8), position_long_max=mostly(10**6, 200),
            position_short_max=mostly(10**6, 200), collar_permille=mostly(1000, 20, 0),
            last_collar_permille=mostly(None, 20),
        )  # fmt: skip
        values: dict[str, Any] = {
            "limits": self.limits(),
            "gross_exposure_max": mostly(2**62 - 1, 10**9, 5 * 10**8, 0, share=0.3),
            "net_exposure_max": mostly(2**62 - 1, 10**9, 5 * 10**8, 0, share=0.3),
            "open_orders_max": mostly(2**32 - 1, 3, 1, 0, share=0.2),
            "last_collar_permille": mostly(None, 1000, 30, share=0.3),
        }
        self.generation += pick([1, 1, 2, 1000])
        return Rules(
            **values,
            generation=self.generation,
            created_ns=mostly(self.now_ns, 0, self.now_ns + SECOND, self.now_ns + SECOND + 1),
            valid_until_ns=mostly(last, self.now_ns + SECOND + 2),
            session=mostly((0, last), (1000, 2000), (500, 500)),
            quote_age_ns_max=mostly(last, 1000, 0),
            feed_age_ns_max=mostly(last, 1000, 0),
            duplicate_window_ns=mostly(0, 1000, SECOND, last, share=0.3),
            message_burst=mostly(10**9, 6, 0),
            message_rate_per_s=mostly(10**9, 2, 0),
            soft=self.soft(values),
            trips=self.trips(),
            profiles=(profile,),
            symbols={
                symbol: (
                    self.random.random() < 0.05,
                    self.random.random() < 0.8,
                    self.random.choice([0, 0, 1]),
                )
                for symbol in SYMBOLS[1:]
            },
        )

    def publish(self) -> None:
        self.undo.clear()
        rules = self.rules()
        tables = ffi.addressof(MEMORY, "tables")
        table = lib.risk_tables_begin(tables)
        rules_into(table, rules)
        assert lib.risk_tables_publish(tables, table) == lib.RISK_TABLE_GOOD
        self.table = table
        self.model.news.append(rules)

    def withdraw(self) -> None:
        self.undo.clear()
        lib.risk_tables_withdraw(ffi.addressof(MEMORY, "tables"))
        self.table = None
        self.model.news.append(None)

    def flip(self, raw: Any, low: int, high: int) -> None:
        place, bit = self.random.randrange(low, high), 1 << self.random.randrange(8)
        before = raw[place]
        raw[place] = bytes([before[0] ^ bit])
        self.undo.append(lambda: raw.__setitem__(place, before))

    def write_over(self) -> None:
        """A stray write to something that is read: the gate's own lines, or the table's symbol or profile."""
        self.poll()  # a table that is waiting would wipe the gate's lines
        if self.model.rules is None:
            return
        where = self.random.choice(["rules", "trips", "symbol"])
        if where == "symbol" and self.table is not None:
            raw = ffi.buffer(ffi.cast("char *", self.table) + 5 * 64 + 8 * self.symbol, 8)
            self.flip(raw, 0, 8)
            self.model.broken_symbols.add(self.symbol)
        elif where == "trips":
            self.flip(ffi.buffer(ffi.addressof(self.c, "trips")), 0, 64)
            self.model.broken_trips = True
        else:
            raw = ffi.buffer(ffi.cast("char *", ffi.addressof(self.c, "head")), 256)
            self.flip(raw, 16, 256)
            self.model.broken_rules = True

    def take_back(self) -> None:
        for undo in reversed(self.undo):
            undo()
        self.undo.clear()
        if not self.model.news:
            self.model.broken_rules = self.model.broken_trips = False
            self.model.broken_symbols = set()

    def switch(self) -> None:
        self.kill.value = self.model.killed = self.random.random() < 0.2

    def kill_one(self) -> None:
        kills, on = ffi.addressof(MEMORY, "kills"), self.random.random() < 0.3
        if len(self.model.commands) > 60:
            return
        if self.random.random() < 0.5:
            lib.risk_kill_symbol(kills, self.symbol, on)
            (self.model.killed_symbols.add if on else self.model.killed_symbols.discard)(self.symbol)
            self.model.commands.extend([("symbol", self.symbol)] * on)
        else:
            lib.risk_kill_strategy(kills, 3, on)
            (self.model.killed_strategies.add if on else self.model.killed_strategies.discard)(3)
            self.model.commands.extend([("strategy", 3)] * on)

    def rearm(self) -> None:
        who = self.random.randrange(2**32)
        if self.random.random() < 0.5 and len(self.model.commands) < 60:
            assert lib.risk_command(ffi.addressof(MEMORY, "kills"), lib.RISK_COMMAND_REARM, 0, who)
            self.model.commands.append(("rearm", who))
        else:
            assert lib.risk_rearm(self.c, who, self.now_ns) == (self.model.tripped is not None)
            self.model.rearm(who)

    def poll(self) -> None:
        lib.risk_poll(self.c, self.now_ns)
        self.model.poll(self.now_ns)

    def cancel(self) -> None:
        lib.risk_note_cancel(self.c, self.now_ns)
        self.model.messages.take(self.now_ns)

    def take_wish(self) -> None:
        wish = ffi.new("struct risk_cancel *")
        found = lib.risk_next_cancel(self.c, wish)
        expected = self.model.cancels.pop(0) if self.model.cancels else None
        assert ((SCOPES[wish.scope], wish.subject) if found else None) == expected

    # orders

    def world(self) -> World:
        random, pick, mostly = self.random, self.random.choice, self.mostly

        def rarely() -> bool:
            return random.random() < 0.01

        return World(
            now_ns=self.now_ns,
            position=pick([0, 100, -100, 400, -450, 4900, -4900, 10**16, -(10**16)]) if random.random() < 0.4 else 0,
            open_buy_shares=pick([0, 0, 100, 4900, 10**16]) if random.random() < 0.3 else 0,
            open_sell_shares=pick([0, 0, 100, 4900, 10**16]) if random.random() < 0.3 else 0,
            live=not rarely(), book_complete=not rarely(), session_up=not rarely(), late=rarely(),
            own_orders_full=rarely(),
            trading_state=mostly("T", "\0", "H"),
            strategy=mostly(0, 3, 65_535),
            last_price=mostly(1_000_000, 990_000, 0),
            market_ns=mostly(1500, 1000, 999, 2000, 500),
            quote_ns=max(0, self.now_ns - mostly(0, 999, 1000, -5)),
            feed_ns=max(0, self.now_ns - mostly(0, 999, 1000, -5)),
            own_best_bid=mostly(0, 990_000, 1_000_000),
            own_best_ask=mostly(0, 1_010_000, 1_000_000),
        )  # fmt: skip

    def order(self) -> None:
        random, pick, mostly = self.random, self.random.choice, self.mostly
        request = Request(
            side=mostly(pick("BS"), "X", share=0.01),
            shares=mostly(pick([100, 100, 50, 200]), 1, 1000, 1001, 0, 999_999, 2**32 - 1),
            price=mostly(
                1_000_000, 999_900, 1_010_000, 990_000, 950_000, 0, 1_999_999_900, 2**32 - 1, share=0.2
            ),
            ordinal=mostly(0, 9, 10, share=0.02),
            time_in_force=mostly(0, 99_999, 100_000, share=0.02),
            trigger_sequence=mostly(1, 2**48 - 1, 2**48, share=0.02),
            stock=mostly(b"AAPL    ", bytes(8), b"\x80       ", share=0.02),
        )
        top = mostly(
            Top(),
            Top(bid_price=0),
            Top(bid_price=1_000_000),
            Top(bid_price=1, ask_price=2**32 - 1),
            share=0.04,
        )
        world, symbol, old = self.world(), self.symbol, None
        if self.open and random.random() < 0.15:
            replaced = random.choice(self.open)
            old, symbol = (replaced[2], replaced[3]), replaced[0]
        context = ffi.new(
            "struct risk_context *",
            {name: value for name, value in vars(world).items() if name not in ("live", "trading_state")},
        )
        context.feed_state = lib.FEED_LIVE if world.live else lib.FEED_GAP
        context.trading_state = world.trading_state.encode("latin-1")
        c_top = ffi.new("struct book_top *", {**vars(top), "bid_shares": 1, "ask_shares": 1})
        asked = c_request(request)
        asked.symbol = symbol
        taken = ffi.new("struct risk_replaced *", old or (0, 0))

        def ask() -> str:
            if old is None:
                return REASONS[lib.risk_check(self.c, asked, c_top, context)]
            return REASONS[lib.risk_check_replace(self.c, asked, taken, c_top, context)]

        context.rehearsal = True
        rehearsed = ask()  # may take up a table, as the check itself would
        before = bytes(ffi.buffer(self.c))
        assert ask() == rehearsed
        assert bytes(ffi.buffer(self.c)) == before, "a rehearsal leaves a trace"
        context.rehearsal = False
        answer = ask()
        assert answer == rehearsed
        assert answer == self.model.check(request, symbol, top, world, old)
        if answer == "none":
            assert self.model.rules is not None
            assert self.c.generation == self.model.rules.generation
            if old is None and random.random() < 0.9:
                lib.risk_on_sent(self.c, symbol, request.side.encode(), request.shares, request.price)
                self.model.change(symbol, request.side, value=request.shares * request.price, orders=1)
                self.open.append([symbol, request.side, request.shares, request.price])

    def venue(self) -> None:
        """Executions, partial cancels and ends, now and then of more than there is."""
        if not self.open:
            return
        index = self.random.randrange(len(self.open))
        symbol, side, left, price = self.open[index]
        excess = self.random.random() < 0.01
        shares = left + 10**6 if excess else self.random.choice([left, max(1, left // 2)])
        what = self.random.choice(["fill", "fill", "cancel", "close"])
        letter = side.encode()
        if what == "fill":
            mark = self.random.choice([price, price, 990_000, 1_020_000, 4_000_000_000])
            lib.risk_on_fill(self.c, symbol, letter, shares, price, mark, self.now_ns)
            moved = shares if side == "B" else -shares
            self.model.change(symbol, side, value=-shares * price, position=moved, mark=mark)
        elif what == "cancel":
            lib.risk_on_cancelled(self.c, symbol, letter, shares, price)
            self.model.change(symbol, side, value=-shares * price)
        if what == "close":
            lib.risk_on_closed(self.c, symbol, letter, left, price)
            self.model.change(symbol, side, value=-left * price, orders=-1)
            del self.open[index]
            return
        self.open[index][2] = max(0, left - shares)
        if self.open[index][2] == 0:
            lib.risk_on_closed(self.c, symbol, letter, 0, price)
            self.model.change(symbol, side, value=0, orders=-1)
            del self.open[index]

    # comparison

    def compare(self) -> None:
        c, model = self.c, self.model
        assert {name: c.reasons[code] for code, name in enumerate(REASONS) if c.reasons[code]} == dict(
            model.reasons
        )
        warnings = {name: c.warnings[code] for code, name in enumerate(REASONS) if c.warnings[code]}
        assert warnings == dict(model.warnings)
        assert c.warned == sum(BITS[name] for name in warnings)
        assert (REASONS[c.trip_reason] if c.tripped else None) == model.tripped
        exposure = c.exposure
        assert exposure.lost == model.lost
        assert exposure.open_orders == model.open_orders
        assert exposure.gross == model.gross
        assert exposure.value + exposure.open_buy == model.net("B")
        assert exposure.open_sell - exposure.value == model.net("S")
        assert c.orders.credit == model.orders.tokens * SECOND
        assert c.messages.credit == model.messages.tokens * SECOND
        count = c.record_count
        assert count == len(model.records)
        for number in range(max(0, count - 64), count):
            row = c.records[number % 64]
            seen = (
                ffi.string(lib.risk_record_name(row.kind)).decode(),
                REASONS[row.reason],
                row.subject,
                row.who,
            )
            assert seen == model.records[number]

    STEPS = (
        ("order", 60), ("venue", 16), ("publish", 3), ("withdraw", 0.3), ("write_over", 0.7), ("take_back", 6),
        ("switch", 1.2), ("kill_one", 1.2), ("rearm", 6), ("poll", 6), ("cancel", 3), ("take_wish", 3),
    )  # fmt: skip

    def play(self, steps: int) -> None:
        names, weights = [name for name, _ in self.STEPS], [weight for _, weight in self.STEPS]
        for _ in range(steps):
            self.symbol = self.random.choice(SYMBOLS)
            self.now_ns += self.random.choice([0, 0, 1, 500, 1000, 10**6, SECOND // 3])
            getattr(self, self.random.choices(names, weights)[0])()
            self.compare()
