"""The oracle again, with nothing but a dict of orders and everything else recomputed; and streams to try it on."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st

from lab.oracle import OracleResult, Reflector, Reset, SessionRange, StreamError, TouchTaker, replay

LENGTHS = {
    **{"S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36},
    **{"F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20},
    "O": 48,
}
Trigger = tuple[int, int, bytes, int, int]
Row = tuple[int, bytes, int, int, int, int]


# The second implementation


@dataclass
class Order:
    symbol: int
    side: str
    price: int
    shares: int


@dataclass
class Touch:
    previous: tuple[int, int] | None = None
    imbalance_state: int = 0
    last_trigger: int = 0


@dataclass
class Brute:
    strategy: TouchTaker | Reflector
    sessions: Sequence[SessionRange] = ()
    resets: Sequence[Reset] = ()
    orders: dict[int, Order] = field(default_factory=dict)  # by reference, in the order of their arrival
    touches: dict[int, Touch] = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
    skipped: list[Trigger] = field(default_factory=list)
    skipped_messages: int = 0
    locates: list[int] = field(default_factory=list)
    types: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    duplicates: int = 0
    suppressed: int = 0
    crossed: int = 0

    def run(self, stream: bytes, first_sequence: int) -> int | None:
        """Returns the offset with which the oracle must raise StreamError, None for a good stream."""
        positions = [
            position
            for session in self.sessions
            for position in range(session.first_position, session.last_position + 1)
        ]
        offset, number, begun = 0, 0, 0
        while offset < len(stream):
            length = int.from_bytes(stream[offset : offset + 2], "big")
            message = stream[offset + 2 : offset + 2 + length]
            if offset + 2 > len(stream) or len(message) < length:
                return offset
            if length == 0:
                if offset + 2 < len(stream):
                    return offset + 2
                return None
            kind = chr(message[0])
            if length < LENGTHS.get(kind, 0) or (kind in "AF" and message[19:20] not in (b"B", b"S")):
                return offset
            sequence = positions[number] if positions else first_sequence + number
            while begun < sum(reset.position <= sequence for reset in self.resets):
                self.touches = {}
                self.orders = {} if self.resets[begun].empties_book else self.orders
                begun += 1
            skips = any(reset.skipped_from <= sequence < reset.position for reset in self.resets)
            before = len(self.triggers), self.suppressed
            self.locates.append(int.from_bytes(message[1:3], "big") if length >= 3 else 0)
            self.types[kind] = self.types.get(kind, 0) + 1
            symbol = self.apply(kind, message)
            if isinstance(self.strategy, Reflector):
                if sequence % self.strategy.every == 0:
                    self.triggers.append((sequence, 0, b"", 0, 0))
                if symbol is not None:
                    self.top(symbol)
            elif symbol is not None:
                self.decide(symbol, sequence, self.strategy)
            if skips:
                self.skipped_messages += 1
                self.skipped += self.triggers[before[0] :]
                self.triggers, self.suppressed = self.triggers[: before[0]], before[1]
            offset, number = offset + 2 + length, number + 1
        return None

    def apply(self, kind: str, message: bytes) -> int | None:
        if kind in "AF":
            _, symbol, reference, side, shares, _, price = struct.unpack(">cH8xQcI8sI", message[:36])
            if reference in self.orders:
                self.duplicates += 1
                return None
            if shares == 0:
                return None
            self.orders[reference] = Order(symbol, side.decode(), price, shares)
        elif kind in "ECXDU":
            reference = int.from_bytes(message[11:19], "big")
            if reference not in self.orders:
                self.unknown += 1
                return None
            old = self.orders[reference]
            symbol = old.symbol
            if kind == "U":
                new, shares, price = struct.unpack(">QII", message[19:35])
                if new in self.orders and new != reference:
                    self.duplicates += 1
                    return None
                del self.orders[reference]
                self.orders[new] = Order(symbol, old.side, price, shares)
            elif kind == "D":
                old.shares = 0
            else:
                old.shares -= int.from_bytes(message[19:23], "big")
        else:
            return None
        self.orders = {reference: order for reference, order in self.orders.items() if order.shares > 0}
        return int(symbol)

    def best(self, symbol: int, side: str) -> tuple[int, int] | None:
        orders = [order for order in self.orders.values() if order.symbol == symbol and order.side == side]
        if not orders:
            return None
        price = (max if side == "B" else min)(order.price for order in orders)
        return price, min(2**32 - 1, sum(order.shares for order in orders if order.price == price))

    def top(self, symbol: int) -> tuple[int, int, int, int] | None:
        bid, ask = self.best(symbol, "B"), self.best(symbol, "S")
        if bid is None or ask is None:
            return None
        if bid[0] >= ask[0]:
            self.crossed += 1
            return None
        return bid + ask

    def decide(self, symbol: int, sequence: int, rules: TouchTaker) -> None:
        touch = self.touches.setdefault(symbol, Touch())
        top = self.top(symbol)
        if top is None:
            touch.previous, touch.imbalance_state = None, 0
            return
        bid_price, bid_shares, ask_price, ask_shares = top
        up = touch.previous is not None and bid_price > touch.previous[0]
        down = touch.previous is not None and ask_price < touch.previous[1]
        signal = 1 if up else -1 if down else 0
        lean = 1000 * (bid_shares - ask_shares)
        bound = rules.imbalance_permille * (bid_shares + ask_shares)
        state = 1 if lean >= bound else -1 if -lean >= bound else 0
        if signal == 0 and state not in (0, touch.imbalance_state):
            signal = state
        touch.imbalance_state, touch.previous = state, (bid_price, ask_price)
        if signal == 0:
            return
        if touch.last_trigger and sequence - touch.last_trigger < rules.cooldown_messages:
            self.suppressed += 1
            return
        touch.last_trigger = sequence
        side, price, shares = (b"B", ask_price, ask_shares) if signal > 0 else (b"S", bid_price, bid_shares)
        self.triggers.append((sequence, symbol, side, price, min(rules.order_shares, shares)))

    def book(self) -> list[Row]:
        queue: dict[tuple[int, bytes, int], int] = {}
        rows = []
        for reference, order in self.orders.items():
            key = (order.symbol, order.side.encode(), order.price)
            queue[key] = queue.get(key, -1) + 1
            rows.append((*key, queue[key], reference, order.shares))
        return sorted(rows)


def compare(
    stream: bytes,
    first_sequence: int,
    strategy: TouchTaker | Reflector,
    sessions: Sequence[SessionRange] = (),
    resets: Sequence[Reset] = (),
) -> OracleResult | None:
    """Both implementations say the same; None when they agree that the stream is malformed."""
    brute = Brute(strategy, sessions, resets)
    malformed_at = brute.run(stream, first_sequence)
    if malformed_at is not None:
        with pytest.raises(StreamError, match=rf"^byte {malformed_at}: ") as caught:
            replay(stream, first_sequence=first_sequence, strategy=strategy)
        assert caught.value.offset == malformed_at
        return None
    result = replay(
        stream, first_sequence=first_sequence, strategy=strategy, sessions=sessions, resets=resets
    )
    assert result.triggers.tolist() == brute.triggers
    assert result.skipped_triggers.tolist() == brute.skipped
    assert result.skipped_messages == brute.skipped_messages
    assert result.locates.tolist() == brute.locates
    assert result.book.tolist() == brute.book()
    assert result.type_counts == brute.types
    assert result.messages == sum(brute.types.values())
    assert result.unknown_references == brute.unknown
    assert result.duplicate_references == brute.duplicates
    assert result.suppressed == brute.suppressed
    assert result.crossed_events == brute.crossed
    return result


# Streams


def framed(kind: str, body: bytes, *, symbol: int = 1, longer: int = 0) -> bytes:
    message = struct.pack(">cHHHI", kind.encode("latin-1"), symbol, 0, 0, 0) + body
    message += bytes(max(0, LENGTHS.get(kind, 0) - len(message)) + longer)
    return struct.pack(">H", len(message)) + message


REFERENCES = st.one_of(st.integers(1, 12), st.sampled_from([0, 2**64 - 1]))
PRICES = st.one_of(st.integers(1000, 1006), st.sampled_from([0, 2**32 - 1]))
SHARES = st.one_of(st.integers(0, 12), st.sampled_from([1, 1000, 2**31, 2**32 - 1]))
SYMBOLS = st.sampled_from([1, 1, 1, 2, 0, 65535])
SIDES = st.sampled_from([b"B", b"S"])
OTHERS = st.sampled_from([kind for kind in LENGTHS if kind not in "AFECXDU"] + ["G", "\0", "\xff"])

ADDS = st.builds(
    lambda kind, symbol, longer, reference, side, shares, price: framed(
        kind, struct.pack(">QcI8sI", reference, side, shares, b"TEST", price), symbol=symbol, longer=longer
    ),
    st.sampled_from("AF"),
    SYMBOLS,
    st.sampled_from([0, 0, 0, 5]),
    REFERENCES,
    SIDES,
    SHARES,
    PRICES,
)
REDUCTIONS = st.builds(
    lambda kind, symbol, *values: framed(kind, struct.pack(">QI", *values), symbol=symbol),
    st.sampled_from("ECX"),
    SYMBOLS,
    REFERENCES,
    SHARES,
)
DELETES = st.builds(lambda reference: framed("D", struct.pack(">Q", reference)), REFERENCES)
REPLACES = st.builds(
    lambda *values: framed("U", struct.pack(">QQII", *values)), REFERENCES, REFERENCES, SHARES, PRICES
)
ADVERSARIAL = st.lists(
    st.one_of(ADDS, ADDS, ADDS, REDUCTIONS, DELETES, REPLACES, st.builds(framed, OTHERS, st.just(b""))),
    max_size=60,
).map(b"".join)


@st.composite
def orderly(draw: st.DrawFn) -> bytes:
    """As an exchange would send: fresh references, reductions of standing orders only, never too much."""
    standing: dict[int, int] = {}
    stream, fresh = [], 1
    for _ in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from("AAAAFECXDUU")) if standing else "A"
        shares, price = draw(st.integers(1, 30)), draw(st.integers(1000, 1004))
        if kind in "AF":
            side = draw(SIDES)
            price += 3 if side == b"S" else 0
            body = struct.pack(">QcI8sI", fresh, side, shares, b"TEST", price)
            stream.append(framed(kind, body, symbol=draw(st.integers(1, 2))))
            standing[fresh], fresh = shares, fresh + 1
            continue
        reference = draw(st.sampled_from(sorted(standing)))
        if kind == "U":
            stream.append(framed(kind, struct.pack(">QQII", reference, fresh, shares, price)))
            del standing[reference]
            standing[fresh], fresh = shares, fresh + 1
        elif kind == "D":
            stream.append(framed(kind, struct.pack(">Q", reference)))
            del standing[reference]
        else:
            shares = min(shares, standing[reference])
            stream.append(framed(kind, struct.pack(">QI", reference, shares)))
            standing[reference] -= shares
            if not standing[reference]:
                del standing[reference]
    return b"".join(stream)


SEQUENCES = st.sampled_from([1, 2, 1000, 2**48 - 1])
STRATEGIES: st.SearchStrategy[TouchTaker | Reflector] = st.one_of(
    st.builds(
        TouchTaker,
        order_shares=st.sampled_from([1, 5, 100, 2**32 - 1]),
        imbalance_permille=st.sampled_from([0, 1, 333, 800, 1000, 1001, 65535]),
        cooldown_messages=st.sampled_from([0, 0, 1, 2, 7]),
    ),
    st.builds(Reflector, every=st.integers(1, 9)),
)
