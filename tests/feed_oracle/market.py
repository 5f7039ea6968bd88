"""A small random market: valid ITCH 5.0 messages, and the book that stands after any number of them.

The book is ReferenceBook, which knows nothing of feeds. A market is cut into sessions by World; each session has
numbers of its own from 1, and either a market of its own or the rest of the one before.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.engine.book.reference_book import ReferenceBook, Row
from tests.engine.feed.itch_reference import decode, encode

__all__ = ["History", "MarketAt", "Session", "flow", "stock_of"]

TICK = 100
LAST_BID = 100_000  # bids stand at or below it, asks above: nothing ever crosses
FLOW = (("A", 42), ("F", 6), ("E", 11), ("C", 4), ("X", 10), ("D", 12), ("U", 10), ("P", 3), ("H", 2))


def stock_of(symbol: int) -> bytes:
    return b"SYM%d" % symbol


class _Flow:
    def __init__(self, chance: random.Random, symbols: int) -> None:
        self.chance = chance
        self.messages: list[bytes] = []
        self.orders: dict[int, list[int]] = {}  # reference: symbol, side, shares
        self.halted: set[int] = set()
        self.reference = chance.randrange(1, 1000)
        self.match = 0
        self.say("S", event_code=b"O")
        for symbol in range(1, symbols + 1):
            self.say("R", stock_locate=symbol, stock=stock_of(symbol), round_lot_size=100)
            self.say("H", stock_locate=symbol, stock=stock_of(symbol), trading_state=b"T")

    def say(self, kind: str, **values: int | bytes) -> None:
        self.messages.append(encode(kind, timestamp=34_200_000_000_000 + len(self.messages), **values))

    def price(self, side: int) -> int:
        steps = min(int(self.chance.expovariate(0.5)), 9)
        return LAST_BID - steps * TICK if side == ord("B") else LAST_BID + (steps + 1) * TICK

    def new_reference(self) -> int:
        self.reference += self.chance.randrange(1, 5)
        return self.reference

    def enter(self, kind: str, symbol: int) -> None:
        side, reference = self.chance.choice(b"BS"), self.new_reference()
        shares = self.chance.randrange(1, 9) * 100
        self.orders[reference] = [symbol, side, shares]
        mpid: dict[str, bytes] = {"mpid": b"MAKR"} if kind == "F" else {}
        self.say(
            kind,
            stock_locate=symbol,
            order_reference=reference,
            side=bytes([side]),
            shares=shares,
            stock=stock_of(symbol),
            price=self.price(side),
            **mpid,
        )

    def act(self, kind: str, symbols: int) -> None:
        symbol = self.chance.randrange(1, symbols + 1)
        if kind == "H":
            self.halted ^= {symbol}
            state = b"H" if symbol in self.halted else b"T"
            self.say("H", stock_locate=symbol, stock=stock_of(symbol), trading_state=state)
        elif kind == "P":
            self.match += 1
            self.say(
                "P",
                stock_locate=symbol,
                side=b"B",
                shares=100,
                stock=stock_of(symbol),
                price=LAST_BID,
                match_number=self.match,
            )
        elif kind in "AF" or not self.orders:
            self.enter("A" if kind not in "AF" else kind, symbol)
        else:
            self.change(kind)

    def change(self, kind: str) -> None:
        reference = self.chance.choice(list(self.orders))
        symbol, side, shares = order = self.orders[reference]
        named = {"stock_locate": symbol, "order_reference": reference}
        if kind == "D" or (kind == "X" and shares == 1):
            del self.orders[reference]
            self.say("D", **named)
        elif kind == "U":
            del self.orders[reference]
            new, shares = self.new_reference(), self.chance.randrange(1, 9) * 100
            self.orders[new] = [symbol, side, shares]
            self.say("U", **named, new_order_reference=new, shares=shares, price=self.price(side))
        else:
            whole = kind != "X" and self.chance.random() < 0.3
            taken = shares if whole else self.chance.randrange(1, shares) if shares > 1 else shares
            order[2] -= taken
            if not order[2]:
                del self.orders[reference]
            self.match += 1
            if kind == "X":
                self.say("X", **named, cancelled_shares=taken)
            elif kind == "E":
                self.say("E", **named, executed_shares=taken, match_number=self.match)
            else:
                self.say(
                    "C",
                    **named,
                    executed_shares=taken,
                    match_number=self.match,
                    printable=b"Y",
                    price=LAST_BID,
                )


def flow(seed: int, messages: int, symbols: int) -> list[bytes]:
    """``messages`` messages behind the reference data; every one is valid after those before it."""
    market = _Flow(random.Random(seed), symbols)
    kinds, weights = zip(*FLOW, strict=True)
    for kind in market.chance.choices(kinds, weights, k=messages):
        market.act(kind, symbols)
    return market.messages


@dataclass(frozen=True)
class Session:
    """One MoldUDP64 session: message k is ``messages[k - 1]``; ``before`` was in the book when it began."""

    name: bytes
    messages: Sequence[bytes]
    before: Sequence[bytes] = ()


@dataclass(frozen=True)
class History:
    sessions: Sequence[Session]
    symbols: int

    def named(self, name: bytes) -> int | None:
        """Which session has that name; None: no session of this venue."""
        return next((index for index, session in enumerate(self.sessions) if session.name == name), None)


@dataclass
class MarketAt:
    """A cursor over the history; going on is cheap, going back starts again."""

    history: History
    _session: int = -1
    _count: int = 0
    _book: ReferenceBook = field(default_factory=ReferenceBook)
    halted: set[int] = field(default_factory=set)

    def _apply(self, message: bytes) -> None:
        fields = decode(message)
        outcome = self._book.apply(fields)
        assert outcome in ("applied", "ignored"), f"the market itself is not valid: {outcome}"
        if fields["type"] == b"H":
            change = self.halted.discard if fields["trading_state"] == b"T" else self.halted.add
            change(fields["stock_locate"])

    def book(self, session: int, count: int) -> ReferenceBook:
        """The book after message ``count`` of a session; 0: as it began."""
        if session != self._session or count < self._count:
            self._session, self._count, self._book, self.halted = session, 0, ReferenceBook(), set()
            for message in self.history.sessions[session].before:
                self._apply(message)
        for message in self.history.sessions[session].messages[self._count : count]:
            self._apply(message)
        self._count = max(self._count, count)
        return self._book

    def rows(self, session: int, count: int) -> list[Row]:
        return self.book(session, count).rows()
