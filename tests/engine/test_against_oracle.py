"""The engine against the oracle: any ITCH stream, packed and carried over two lines in any tolerable way.

The oracle shares no code with the engine; both implement the text in engine/strategy/touch_taker.h.
"""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_bytes import add, delete, itch, mold, reduce, replace

from engine import Engine, EngineConfig
from engine.config import BookConfig, FeedConfig, RiskConfig, StrategyConfig
from lab.oracle import Reflector, TouchTaker, replay

SMALL = {
    "decisions": 1_024,
    "open_orders": 64,
    "book": BookConfig(orders=1_024, levels=512),
    "feed": FeedConfig(reorder_packets=128),
}
PRICES = st.one_of(st.integers(1_000, 1_006), st.sampled_from([1, 2**31, 2**32 - 1]))
SHARES = st.one_of(st.integers(0, 12), st.sampled_from([100, 1_000, 2**31, 2**32 - 1]))
SYMBOLS = st.sampled_from([1, 1, 1, 2, 65_535])  # 0 names no stock: the engine enters no order of it
SIDES = st.sampled_from("BS")
OTHERS = [itch("S", b"O"), itch("?", b"unknown"), itch("P", bytes(33)), itch("B", bytes(8))]


@st.composite
def adversarial(draw: st.DrawFn) -> list[bytes]:
    """Unknown and repeated references, too many shares, crossed books; a reference stays with its symbol."""
    messages: list[bytes] = []
    for _ in range(draw(st.integers(0, 60))):
        symbol = draw(SYMBOLS)
        references = st.sampled_from([symbol << 48 | low for low in (1, 2, 3, 4, 5, 2**47)])
        reference, shares, price = draw(references), draw(SHARES), draw(PRICES)
        kind = draw(st.sampled_from("AAAAECXDUU?"))
        if kind == "A":
            messages.append(add(reference, draw(SIDES), shares, price, symbol=symbol))
        elif kind == "D":
            messages.append(delete(reference, symbol=symbol))
        elif kind == "U":
            messages.append(replace(reference, draw(references), shares, price, symbol=symbol))
        elif kind == "?":
            messages.append(draw(st.sampled_from(OTHERS)))
        else:
            messages.append(reduce(kind, reference, shares, symbol=symbol))
    return messages


@st.composite
def orderly(draw: st.DrawFn) -> list[bytes]:
    """As a venue sends: fresh references, nothing reduced that does not stand."""
    standing: dict[int, int] = {}
    symbols: dict[int, int] = {}
    messages: list[bytes] = []
    for fresh in range(1, 1 + draw(st.integers(0, 60))):
        kind = draw(st.sampled_from("AAAAECXDUU")) if standing else "A"
        shares, price = draw(st.integers(1, 30)), draw(st.integers(1_000, 1_004))
        if kind == "A":
            side = draw(SIDES)
            symbols[fresh] = draw(st.integers(1, 2))
            price += 3 if side == "S" else 0
            messages.append(add(fresh, side, shares, price, symbol=symbols[fresh]))
            standing[fresh] = shares
            continue
        reference = draw(st.sampled_from(sorted(standing)))
        if kind == "U":
            symbols[fresh] = symbols[reference]
            messages.append(replace(reference, fresh, shares, price, symbol=symbols[reference]))
            del standing[reference]
            standing[fresh] = shares
        elif kind == "D":
            messages.append(delete(reference, symbol=symbols[reference]))
            del standing[reference]
        else:
            taken = min(shares, standing[reference])
            messages.append(reduce(kind, reference, taken, symbol=symbols[reference]))
            standing[reference] -= taken
            if not standing[reference]:
                del standing[reference]
    return messages


@st.composite
def deliveries(draw: st.DrawFn, messages: list[bytes], first: int) -> list[tuple[str, bytes]]:
    """(line, datagram): packed at will, on one line or both, neighbours now and then swapped, nothing lost."""
    sent: list[tuple[str, bytes]] = []
    position = 0
    while position < len(messages):
        count = draw(st.integers(1, 6))
        datagram = mold(first + position, *messages[position : position + count])
        position += count
        sent += [(line, datagram) for line in draw(st.sampled_from(["A", "B", "AB", "BA"]))]
        if len(sent) > 1 and draw(st.integers(0, 3)) == 0:
            sent[-1], sent[-2] = sent[-2], sent[-1]
    return sent


STRATEGIES = st.builds(
    TouchTaker,
    order_shares=st.sampled_from([1, 5, 100, 999_999]),
    imbalance_permille=st.sampled_from([0, 1, 333, 800, 1_000, 1_001]),
    cooldown_messages=st.sampled_from([0, 0, 1, 2, 7]),
)
FIRST = st.sampled_from([1, 2, 1_000, 2**47])


@settings(deadline=None, max_examples=100)
@given(st.data(), st.one_of(orderly(), adversarial()), STRATEGIES, FIRST)
def test_triggers_and_book_are_those_of_the_oracle(
    data: st.DataObject, messages: list[bytes], strategy: TouchTaker, first: int
) -> None:
    stream = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    expected = replay(stream, first_sequence=first, strategy=strategy)
    config = EngineConfig(
        **{
            **SMALL,
            "feed": FeedConfig(reorder_packets=128, first_sequence=first, unconfirmed_jump_messages=2**62),
        },
        strategy=StrategyConfig(**vars(strategy)),
        risk=RiskConfig(order_shares_max=data.draw(st.sampled_from([0, 1_000]))),
    )
    with Engine(config) as engine:
        sent = [
            order.trigger_sequence
            for line, datagram in data.draw(deliveries(messages, first))
            for order in engine.step(datagram, line=line)
        ]
        decisions = engine.decisions()
        assert np.array_equal(engine.book(), expected.book)
    assert decisions["trigger_sequence"].tolist() == expected.triggers["sequence"].tolist()
    for name in ("symbol", "side", "price", "shares"):
        assert decisions[name].tolist() == expected.triggers[name].tolist(), name
    assert sent == decisions["trigger_sequence"][decisions["reason"] == 0].tolist()


@settings(deadline=None, max_examples=30)
@given(st.data(), adversarial(), st.integers(1, 9), FIRST)
def test_the_reflector_answers_the_oracles_triggers(
    data: st.DataObject, messages: list[bytes], every: int, first: int
) -> None:
    stream = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    expected = replay(stream, first_sequence=first, strategy=Reflector(every=every))
    config = EngineConfig(
        **{
            **SMALL,
            "feed": FeedConfig(reorder_packets=128, first_sequence=first, unconfirmed_jump_messages=2**62),
        },
        strategy=StrategyConfig(name="reflector", every=every),
    )
    with Engine(config) as engine:
        for line, datagram in data.draw(deliveries(messages, first)):
            engine.step(datagram, line=line)
        assert engine.decisions()["trigger_sequence"].tolist() == expected.triggers["sequence"].tolist()
