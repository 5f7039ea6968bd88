"""A seeded market: ITCH messages of a few symbols around one price; crossed, locked, one-sided and halted books."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.engine_oracle import itch
from tests.engine_oracle.tables import OPEN_NS

__all__ = ["Market"]

TICK = 100
MIDDLE = 10_000
LAYOUT = (
    ("A", 40),
    ("E", 12),
    ("C", 4),
    ("X", 8),
    ("D", 14),
    ("U", 12),
    ("P", 4),
    ("Q", 1),
    ("H", 3),
    ("?", 2),
)


@dataclass
class Resting:
    symbol: int
    side: str
    shares: int
    price: int


class Market:
    def __init__(self, chance: random.Random, symbols: tuple[int, ...], *, dirty: bool) -> None:
        self.chance, self.symbols = chance, symbols
        self.dirty = dirty  # messages that a venue does not send: the book is incomplete afterwards
        self.orders: dict[int, Resting] = {}
        self.reference = 0
        self.match = 0
        self.time_ns = OPEN_NS
        self.wide = chance.choice((2, 2, 4, 8))  # prices on each side, in ticks
        self.overlap = chance.choice((0, 0, 1, 2))
        self.sizes = chance.choice(((100, 200, 300), (1, 40, 100, 1_000), (10, 100, 2**31)))
        self.middle = {symbol: MIDDLE for symbol in symbols}

    @staticmethod
    def stock(symbol: int) -> bytes:
        return (b"SYM%d" % symbol).ljust(8)

    def opening(self) -> list[bytes]:
        found = [itch.other("S", 0, self.time_ns)]
        for symbol in self.symbols:
            if self.chance.random() < 0.8:
                found.append(itch.directory(symbol, self.time_ns, self.stock(symbol)))
            if self.chance.random() < 0.9:
                found.append(itch.state(symbol, self.time_ns, self.stock(symbol), "T"))
        return found

    def message(self) -> bytes:
        chance = self.chance
        self.time_ns += chance.randrange(5)
        if self.dirty and chance.random() < 0.01:
            return self._wrong()
        kind = chance.choices(*zip(*LAYOUT, strict=True))[0]
        symbol = chance.choice(self.symbols)
        if kind in "ECXDU" and not self.orders:
            kind = "A"
        if kind == "A":
            return self._add(symbol)
        if kind in "ECXDU":
            return self._change(kind)
        if kind == "H":
            letter = chance.choices("THPQ", (14, 2, 1, 1))[0]
            return itch.state(symbol, self.time_ns, self.stock(symbol), letter)
        self.match += 1
        price = self._price(symbol, chance.choice("BS"))
        if kind == "P":
            return itch.trade(symbol, self.time_ns, 100, price, self.stock(symbol), self.match)
        if kind == "Q":
            shares = chance.choice((0, 500))
            return itch.cross(symbol, self.time_ns, shares, price, self.stock(symbol), self.match)
        return itch.other(chance.choice("SYLVWKJhINOB?"), chance.choice((0, symbol)), self.time_ns)

    def _price(self, symbol: int, side: str) -> int:
        if self.chance.random() < 0.02:
            self.middle[symbol] += self.chance.choice((-5, 5)) * TICK
        away = self.chance.randrange(self.wide) - (self.chance.randrange(self.overlap + 1))
        return self.middle[symbol] + (-away * TICK if side == "B" else (away + 1) * TICK)

    def _add(self, symbol: int) -> bytes:
        chance, side = self.chance, self.chance.choice("BS")
        self.reference += chance.randrange(1, 4)
        order = Resting(symbol, side, chance.choice(self.sizes), self._price(symbol, side))
        if chance.random() < 0.01:
            order.shares = 0
        else:
            self.orders[self.reference] = order
        stock = bytes(8) if self.dirty and chance.random() < 0.05 else self.stock(symbol)
        mpid = b"MPID" if chance.random() < 0.2 else b""
        return itch.add(symbol, self.time_ns, self.reference, side, order.shares, order.price, stock, mpid)

    def _change(self, kind: str) -> bytes:
        chance, when = self.chance, self.time_ns
        reference = chance.choice(list(self.orders)[-12:] if chance.random() < 0.5 else list(self.orders))
        order = self.orders[reference]
        if chance.random() < 0.02:
            return itch.delete(order.symbol, when, reference + 10**6)  # nobody knows it
        if kind == "D":
            del self.orders[reference]
            return itch.delete(order.symbol, when, reference)
        if kind == "U":
            return self._replace(reference, order)
        shares = chance.choice((order.shares, chance.randrange(order.shares + 1)))
        order.shares -= shares
        if order.shares == 0:
            del self.orders[reference]
        self.match += 1
        if kind == "X":
            return itch.reduce(order.symbol, when, reference, shares)
        if kind == "E":
            return itch.execute(order.symbol, when, reference, shares, self.match)
        printable = chance.random() < 0.7
        price = order.price + chance.choice((-TICK, 0, TICK))
        return itch.execute_price(order.symbol, when, reference, shares, self.match, printable, price)

    def _replace(self, reference: int, order: Resting) -> bytes:
        chance = self.chance
        del self.orders[reference]
        self.reference += 1
        new = reference if chance.random() < 0.05 else self.reference
        shares, price = chance.choice(self.sizes), self._price(order.symbol, order.side)
        if chance.random() < 0.03:
            shares = 0
        else:
            self.orders[new] = Resting(order.symbol, order.side, shares, price)
        return itch.replace(order.symbol, self.time_ns, reference, new, shares, price)

    def _wrong(self) -> bytes:
        chance, when, symbol = self.chance, self.time_ns, self.chance.choice(self.symbols)
        stock = self.stock(symbol)
        roll = chance.randrange(6)
        known = chance.choice(list(self.orders)) if self.orders else 1
        if roll == 0:
            return itch.add(symbol, when, known, "B", 100, MIDDLE, stock)
        if roll == 1:
            return itch.add(symbol, when, 10**7 + self.match, "X", 100, MIDDLE, stock)
        if roll == 2:
            return itch.add(symbol, when, 10**8 + self.match, "B", 100, 0, stock)
        if roll == 3:
            order = self.orders.pop(known, None)
            return itch.reduce(order.symbol if order else symbol, when, known, 2**32 - 1)
        if roll == 4:
            return b"A" + bytes(9)
        return itch.add(0, when, 10**9 + self.match, "B", 100, MIDDLE, stock)
