"""A seed goes in; the clean stream of ITCH 5.0 messages of a small market comes out, as one venue would send it.

Orderly flow over a few symbols: directory, trading states, adds, executions, cancels, deletes, replaces, trades.
Only standing orders are named, no more shares are taken than stand, and the book never crosses. At a reset (a new
session that starts afresh) the market is empty again and announces its symbols anew.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from itch_reference import decode, encode
from reference_book import ReferenceBook

__all__ = ["Stream", "stock_of", "stream"]

FLOW = "AAAAAAFEECXXDDUUPH"
PRICE = 10_000
LEVELS = 6
STANDING_MAX = 40  # above it the market prefers to take orders away


def stock_of(locate: int) -> bytes:
    return b"SYM%05d" % locate


@dataclass(frozen=True)
class Stream:
    """The messages, what each says, and the messages at which the book begins anew (the first one is not named)."""

    messages: tuple[bytes, ...]
    fields: tuple[dict[str, Any], ...]
    resets: frozenset[int]


class _Market:
    """One session's market; ``announce`` and then ``flow`` give its messages."""

    def __init__(self, generator: random.Random, symbols: int, next_reference: int) -> None:
        self.generator = generator
        self.symbols = symbols
        self.book = ReferenceBook()
        self.next_reference = next_reference
        self.next_match = 1
        self.middle = dict.fromkeys(range(1, symbols + 1), PRICE)
        self.halted: set[int] = set()

    def announce(self) -> Iterator[bytes]:
        yield encode("S", event_code=b"O")
        for locate in range(1, self.symbols + 1):
            yield encode(
                "R", stock_locate=locate, stock=stock_of(locate), market_category=b"Q", round_lot_size=100
            )
        for locate in range(1, self.symbols + 1):
            yield encode("H", stock_locate=locate, stock=stock_of(locate), trading_state=b"T")

    def flow(self) -> Iterator[bytes]:
        while True:
            kind = self.generator.choice(FLOW)
            if self.halted and self.generator.random() < 0.2:
                kind = "H"
            standing = len(self.book.orders)
            if standing < 2 * self.symbols and kind not in "AF":
                kind = "A"
            elif standing > STANDING_MAX and kind in "AF":
                kind = "D"
            message = self._message(kind)
            outcome = self.book.apply(decode(message))
            assert outcome in ("applied", "ignored"), outcome
            yield message

    def _message(self, kind: str) -> bytes:
        draw = self.generator
        if kind in "AF":
            return self._add(kind)
        if kind in "PH":
            locate = min(self.halted, default=0) if kind == "H" else 0
            locate = locate or draw.randint(1, self.symbols)
            return self._trade(locate) if kind == "P" else self._state(locate)
        reference = draw.choice(list(self.book.orders))
        locate, side, _, shares = self.book.orders[reference]
        named: dict[str, Any] = {"stock_locate": locate, "order_reference": reference}
        if kind == "D":
            return encode("D", **named)
        if kind == "U":
            new, self.next_reference = self.next_reference, self.next_reference + draw.choice((1, 2, 8))
            price = self._price(locate, side)
            return encode("U", **named, new_order_reference=new, shares=draw.randint(1, 5) * 100, price=price)
        taken = shares if draw.random() < 0.3 else draw.randint(1, shares)
        if kind == "X":
            return encode("X", **named, cancelled_shares=taken)
        self.next_match += 1
        named |= {"executed_shares": taken, "match_number": self.next_match}
        return encode("E", **named) if kind == "E" else encode("C", **named, printable=b"Y", price=PRICE)

    def _price(self, locate: int, side: bytes) -> int:
        """A price near the middle that does not cross."""
        self.middle[locate] += self.generator.randint(-1, 1)
        bid, ask, _, _ = self.book.top(locate)
        away = self.generator.randrange(LEVELS)
        if side == b"B":
            return min(self.middle[locate] - away, ask - 1 if ask else 2**31)
        return max(self.middle[locate] + 1 + away, bid + 1)

    def _add(self, kind: str) -> bytes:
        draw = self.generator
        locate, side = draw.randint(1, self.symbols), draw.choice((b"B", b"S"))
        new, self.next_reference = self.next_reference, self.next_reference + draw.choice((1, 2, 8))
        return encode(
            kind,
            stock_locate=locate,
            order_reference=new,
            side=side,
            shares=draw.randint(1, 9) * 100,
            stock=stock_of(locate),
            price=self._price(locate, side),
        )

    def _trade(self, locate: int) -> bytes:
        self.next_match += 1
        return encode(
            "P",
            stock_locate=locate,
            side=b"B",
            shares=100,
            stock=stock_of(locate),
            price=PRICE,
            match_number=self.next_match,
        )

    def _state(self, locate: int) -> bytes:
        self.halted ^= {locate}
        state = b"H" if locate in self.halted else b"T"
        return encode("H", stock_locate=locate, stock=stock_of(locate), trading_state=state)


@lru_cache(maxsize=32)
def stream(*, seed: int, count: int, symbols: int, resets: tuple[int, ...] = ()) -> Stream:
    """``count`` messages; the same arguments give the same bytes."""
    generator = random.Random(f"market {seed}")
    messages: list[bytes] = []
    next_reference = 1
    bounds = (0, *sorted(set(resets) - {0}), count)
    for end in bounds[1:]:
        market = _Market(generator, symbols, next_reference)
        for message in market.announce():
            if len(messages) < end:
                messages.append(message)
                market.book.apply(decode(message))
        flow = market.flow()
        while len(messages) < end:
            messages.append(next(flow))
        next_reference = generator.choice((1, market.next_reference))  # a new day may use references again
    fields = tuple(decode(message) for message in messages)
    return Stream(messages=tuple(messages), fields=fields, resets=frozenset(bounds[1:-1]))
