"""The engine's book against the plain-Python one: valid days, hostile streams, each outcome and top."""

from typing import Any

from engine_book import EngineBook
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from itch_reference import decode, encode
from reference_book import ReferenceBook

SYMBOLS = 4


def compare(engine: EngineBook, reference: ReferenceBook) -> None:
    """Everything that can be read out of a book."""
    assert engine.rows().tolist() == reference.rows()
    assert [engine.top(symbol) for symbol in range(SYMBOLS)] == [
        reference.top(symbol) for symbol in range(SYMBOLS)
    ]
    assert engine.outcomes == reference.outcomes
    assert engine.book.complete == reference.complete
    assert engine.book.statistics.symbol_mismatches == reference.symbol_mismatches
    assert (engine.book.order_count, engine.book.level_count) == (
        len(reference.orders),
        reference.level_count,
    )


def play(messages: list[bytes], **capacities: int) -> tuple[EngineBook, ReferenceBook]:
    engine = EngineBook(
        **{"order_capacity": 256, "level_capacity": 256, "symbol_count": SYMBOLS} | capacities
    )
    reference = ReferenceBook(**{"symbol_count": SYMBOLS} | capacities)
    for message in messages:
        fields = decode(message)
        assert engine.apply(message) == reference.apply(fields), fields
        symbol = fields["stock_locate"] % SYMBOLS
        assert engine.top(symbol) == reference.top(symbol), fields
    compare(engine, reference)
    return engine, reference


@st.composite
def valid_days(draw: st.DrawFn) -> list[bytes]:
    """Messages as a venue sends them: only standing orders are named, never more shares than there are."""
    standing: dict[int, tuple[int, int]] = {}  # reference -> symbol, shares
    messages: list[bytes] = []
    prices = st.integers(1, draw(st.sampled_from([3, 60, 2**32 - 1])))
    shares = st.integers(1, 500)
    stride = draw(st.sampled_from([1, 2, 8, 4096]))
    for number in range(draw(st.integers(1, 120))):
        kind = draw(st.sampled_from("AAFECXDU")) if standing else "A"
        new = 1000 + number * stride
        if kind in "AF":
            symbol, count = draw(st.integers(1, SYMBOLS - 1)), draw(shares)
            side = draw(st.sampled_from([b"B", b"S"]))
            messages.append(
                encode(
                    kind,
                    stock_locate=symbol,
                    order_reference=new,
                    side=side,
                    shares=count,
                    price=draw(prices),
                )
            )
            standing[new] = symbol, count
            continue
        reference = draw(st.sampled_from(sorted(standing)))
        symbol, count = standing.pop(reference)
        values: dict[str, Any] = {"stock_locate": symbol, "order_reference": reference}
        if kind == "U":
            standing[new] = symbol, draw(shares)
            values |= {"new_order_reference": new, "shares": standing[new][1], "price": draw(prices)}
        elif kind in "ECX":
            taken = draw(st.integers(1, count))
            values["cancelled_shares" if kind == "X" else "executed_shares"] = taken
            if taken < count:
                standing[reference] = symbol, count - taken
        messages.append(encode(kind, **values))
    return messages


references = st.one_of(st.integers(0, 24), st.sampled_from([2**64 - 1, 2**32, 2**32 + 8, 2**63]))
quantities = st.one_of(st.integers(0, 6), st.sampled_from([2**32 - 1, 2**31]))
prices = st.one_of(st.integers(0, 24), st.sampled_from([2**32 - 1, 2**32 - 2]))
locates = st.one_of(st.just(1), st.integers(0, SYMBOLS), st.just(65535))
common = {"stock_locate": locates, "order_reference": references}
hostile_messages = st.one_of(
    st.builds(
        encode,
        st.sampled_from("AF"),
        **common,
        side=st.sampled_from([b"B", b"S", b"B", b"S", b"b", b"\0"]),
        shares=quantities,
        price=prices,
    ),
    st.builds(encode, st.sampled_from("EC"), **common, executed_shares=quantities),
    st.builds(encode, st.just("X"), **common, cancelled_shares=quantities),
    st.builds(encode, st.just("D"), **common),
    st.builds(
        encode, st.just("U"), **common, new_order_reference=references, shares=quantities, price=prices
    ),
    st.builds(encode, st.sampled_from("PQBSRHI"), stock_locate=locates),
)


@settings(max_examples=200, deadline=None)
@given(messages=valid_days())
def test_valid_day_gives_the_reference_book_and_stays_complete(messages: list[bytes]) -> None:
    engine, _ = play(messages)
    assert engine.book.complete
    assert engine.outcomes == {"applied": len(messages)}


@settings(max_examples=600, deadline=None)
@given(
    messages=st.lists(hostile_messages, max_size=80),
    orders=st.sampled_from([1, 3, 256]),
    levels=st.sampled_from([1, 4, 256]),
)
@example(
    messages=[
        encode("A", stock_locate=1, order_reference=1, side=b"B", shares=10, price=100),
        encode("A", stock_locate=1, order_reference=2, side=b"B", shares=20, price=90),
        encode("U", stock_locate=1, order_reference=1, new_order_reference=2, shares=5, price=95),
        encode("U", stock_locate=1, order_reference=2, new_order_reference=2, shares=20, price=90),
    ],
    orders=256,
    levels=256,
)
def test_hostile_stream_gives_the_reference_book_outcome_by_outcome(
    messages: list[bytes], orders: int, levels: int
) -> None:
    engine, _ = play(messages, order_capacity=orders, level_capacity=levels)
    for outcome in engine.outcomes:
        event(outcome)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sides_of_hundreds_of_levels_split_and_merge_like_the_reference(data: st.DataObject) -> None:
    prices = data.draw(st.lists(st.integers(1, 400), min_size=60, max_size=250, unique=True))
    side = data.draw(st.sampled_from([b"B", b"S"]))
    leaving = data.draw(st.permutations(range(len(prices))))
    stay = data.draw(st.integers(0, 40))
    adds = [
        encode("A", stock_locate=1, order_reference=number, side=side, shares=1 + number, price=price)
        for number, price in enumerate(prices)
    ]
    deletes = [encode("D", stock_locate=1, order_reference=number) for number in leaving[stay:]]
    engine, _ = play(adds + deletes)
    assert engine.book.level_count == stay
    blocks = engine.book.block_count
    assert blocks <= stay // 2  # beyond the first; two neighbours hold four levels or more
    play(adds + deletes + [adds[number] for number in leaving[stay:]])


def test_references_of_one_stride_fill_the_index_to_its_capacity() -> None:
    for stride in (1, 8, 1 << 20, 1 << 40):
        adds = [
            encode("A", stock_locate=1, order_reference=number * stride, side=b"B", shares=1, price=number)
            for number in range(1, 257)
        ]
        engine, _ = play(adds)
        assert engine.book.order_count == 256
        extra = encode("A", stock_locate=1, order_reference=5 << 50, side=b"B", shares=1, price=1)
        assert engine.apply(extra) == "full"
        deletes = [encode("D", stock_locate=1, order_reference=number * stride) for number in range(1, 257)]
        play(adds + deletes[::-1])
