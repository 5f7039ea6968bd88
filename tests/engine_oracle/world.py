"""A seeded world: what happens next, given what the engine (as the model has it) has sent so far."""

from __future__ import annotations

import random

from tests.engine_oracle import itch
from tests.engine_oracle.case import (
    QUOTER,
    Answers,
    Corrupt,
    Datagram,
    EndSession,
    Heartbeat,
    Kill,
    KillStrategy,
    KillSymbol,
    Late,
    Publish,
    Rearm,
    Release,
    Setup,
    Step,
    Timer,
    Withdraw,
)
from tests.engine_oracle.market import Market
from tests.engine_oracle.model import EngineModel
from tests.engine_oracle.strategies import PUPPET, Puppet
from tests.engine_oracle.tables import random_limits
from tests.engine_oracle.venue import Venue

__all__ = ["World"]

US, MS = 1_000, 1_000_000
SYMBOLS = (1, 2, 7, 65)  # 1 and 65 share their set of recent orders
STRATEGIES = (("touch_taker", 5), ("shared_touch_taker", 1), ("quoter", 4), ("puppet", 9), ("reflector", 1))
KILLED = "TQPP"  # letters
DEADLINE_NS = 12_000 * MS  # the gateway is silent for less than its fifteen seconds


class World:
    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(f"engine {seed}")
        self.length = chance.choice((40, 80, 120, 160))
        self.symbols = SYMBOLS[: chance.choice((1, 2, 4))]
        self.setup = self._setup()
        self.market = Market(chance, self.symbols, dirty=chance.random() < 0.06)
        self.venue = Venue(chance)
        self.prompt = chance.choice((0.9, 0.5, 0.2))  # how soon the venue answers
        self.trouble = chance.choice((0.0, 0.03, 0.12))  # control actions
        self.passed_ns = 0
        self.count = 0
        self.held = 0  # datagrams that were kept back
        self.shut: dict[str, Step] = {}  # what keeps orders from passing, and how it ends

    def _setup(self) -> Setup:
        chance = self.chance
        quoter = dict(QUOTER) | {
            "width_ticks": chance.choice((0, 1, 2)),
            "skew_ticks": chance.choice((0, 1, 2)),
            "skew_max": chance.choice((0, 1, 3)),
            "position_max": chance.choice((100, 200, 500)),
            "symbol_count": chance.choice((2, 66, 66)),
            "retry_messages": chance.choice((0, 1, 4)),
        }
        return Setup(
            strategy=chance.choices(*zip(*STRATEGIES, strict=True))[0],
            order_shares=chance.choice((100, 100, 50, 1_000)),
            imbalance_permille=chance.choice((0, 200, 500, 800, 1_001)),
            cooldown_messages=chance.choice((0, 0, 3)),
            every=chance.choice((1, 3)),
            quoter=tuple(quoter.items()),
            limits=random_limits(chance, self.symbols),
            book_orders=chance.choice((4_096,) * 11 + (12,)),
            open_orders=chance.choice((64,) * 6 + (2, 4)),
            hold_back_ns=chance.choice((MS, MS, 10 * US)),
            silence_ns=chance.choice((3_000 * MS, 50 * MS)),
        )

    def _pause(self) -> int:
        pauses = (0, 1, US, 100 * US, MS, 10 * MS, 60 * MS, 1_500 * MS)
        pause = self.chance.choices(pauses, (3, 6, 30, 20, 10, 6, 3, 0.5))[0]
        if self.passed_ns + pause > DEADLINE_NS:
            pause = 0
        self.passed_ns += pause
        return pause

    def step(self, model: EngineModel, sent: list[bytes]) -> Step | None:
        """What happens next; None: that was all."""
        self.venue.hear(sent)
        self.count += 1
        if self.count == 1:
            return Datagram(messages=tuple(self.market.opening()))
        if self.count > self.length:
            return None
        chance, after_ns = self.chance, self._pause()
        if self.held and chance.random() < 0.25:
            self.held -= 1
            return Release(after_ns=after_ns, line=chance.randrange(2))
        if self.shut and chance.random() < 0.1:
            return self.shut.pop(chance.choice(sorted(self.shut)))
        if chance.random() < self.trouble:
            return self._remember(self._control(after_ns))
        if self.venue.requests and chance.random() < self.prompt:
            return Answers(after_ns=after_ns, payloads=tuple(self.venue.answers(chance.choice((1, 2, 8)))))
        roll = chance.random()
        if roll < 0.12:
            return Timer(after_ns=after_ns)
        if roll < 0.24:
            return Answers(after_ns=after_ns, payloads=tuple(self.venue.news()))
        if roll < 0.26:
            return Heartbeat(after_ns=after_ns, line=chance.randrange(2))
        if self.setup.strategy == "puppet" and chance.random() < 0.55:
            messages = tuple(self._string(model) for _ in range(chance.choice((1, 1, 2))))
        else:
            messages = tuple(self.market.message() for _ in range(chance.choice((1, 2, 4, 8))))
        hold = chance.random() < 0.02
        self.held += hold
        return Datagram(
            after_ns=after_ns,
            messages=messages,
            line=chance.randrange(2),
            hold=hold,
            again=chance.random() < 0.1,
        )

    def _remember(self, step: Step) -> Step:
        """Notes how to undo what shuts the gate."""
        match step:
            case Kill(on=True):
                self.shut["all"] = Kill(on=False)
            case KillSymbol(symbol=symbol, on=True):
                self.shut[f"symbol {symbol}"] = KillSymbol(symbol=symbol, on=False)
            case KillStrategy(strategy=strategy, on=True):
                self.shut[f"strategy {strategy}"] = KillStrategy(strategy=strategy, on=False)
            case Late(on=True):
                self.shut["late"] = Late(on=False)
            case Withdraw() | Corrupt() | Publish():
                self.shut["limits"] = Publish(limits=random_limits(self.chance, self.symbols))
        return step

    def _control(self, after_ns: int) -> Step:
        chance = self.chance
        symbol = chance.choice(self.symbols)
        roll = chance.randrange(100)
        if roll < 12:
            return Kill(after_ns=after_ns, on=chance.random() < 0.4)
        if roll < 24:
            return KillSymbol(after_ns=after_ns, symbol=symbol, on=chance.random() < 0.5)
        if roll < 30:
            return KillStrategy(
                after_ns=after_ns, strategy=ord(chance.choice(KILLED)), on=chance.random() < 0.6
            )
        if roll < 45:
            return Rearm(after_ns=after_ns, who=chance.randrange(1, 99))
        if roll < 70:
            ahead = chance.choice((0, 0, 0, 0, -5 * MS, 10**9, 10**9 + 1, 2 * 10**9))
            limits = random_limits(chance, self.symbols)
            return Publish(after_ns=after_ns, limits=limits, ahead_ns=max(ahead, -self.passed_ns))
        if roll < 74:
            return Withdraw(after_ns=after_ns)
        if roll < 84:
            what = chance.choice(("head", "limits", "account", "soft", "trips", "profile0", symbol))
            return Corrupt(after_ns=after_ns, what=what, word=chance.randrange(8), bit=chance.randrange(64))
        if roll < 92:
            return Late(after_ns=after_ns, on=chance.random() < 0.4)
        if roll < 95 and self.count > self.length * 3 // 4:
            if roll == 92:
                return EndSession(after_ns=after_ns)
            if roll == 93:
                return Heartbeat(after_ns=after_ns, end=True)
            return Answers(after_ns=after_ns, payloads=tuple(self.venue.nonsense()))
        return Timer(after_ns=after_ns)

    def _string(self, model: EngineModel) -> bytes:
        """A trade that makes the puppet ask for something."""
        chance = self.chance
        some, symbol = chance.choice, chance.choice(self.symbols)
        kind = chance.choices(("new", "replace", "cancel"), (45, 30, 25))[0]
        mine = [order for order in model.own.orders.values() if order.is_open or chance.random() < 0.05]
        side, target, most = some("BS"), 0, 2
        if kind != "new" and mine:
            order = some([one for one in mine if one.time_in_force] or mine)
            target, symbol, most = order.key >> 16 << 8 | (order.key >> 8 & 255), order.symbol, order.open
        top = model.book.top(symbol)
        price = some((top.bid, top.ask, (top.bid + top.ask) // 2)) or 10_000
        price += some((-100, 0, 0, 0, 0, 100))
        shares = some((50, 100, 100, 100, 150, 300))
        if kind == "cancel":
            shares = 0 if chance.random() < 0.6 else chance.randrange(1, max(2, most + 1))
        time_in_force = some((0, 30, 99_998, 99_999))
        if chance.random() < 0.03:
            shares = some((0, 1_001, 999_999, 1_000_000, 2**32 - 1))
        if chance.random() < 0.03:
            price = some((0, 1, 1_999_999_900, 1_999_999_901, 2**32 - 1))
        if chance.random() < 0.02:
            time_in_force = some((100_000, 2**18 - 1))
        if chance.random() < 0.02:
            side = some("bTE ")
        match = Puppet.match(
            kind, symbol, time_in_force, target, hold=chance.random() < 0.15, named=chance.random() < 0.2
        )
        stock = self.market.stock(symbol)
        when = self.market.time_ns
        return itch.trade(PUPPET, when, shares, price, stock, match, side=side)
