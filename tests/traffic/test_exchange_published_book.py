"""The published book against a book of Python lists, on any stream."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from traffic_reference import (
    ReferenceBook,
    add,
    cancel,
    delete,
    executed,
    executed_price,
    frame,
    head,
    messages_of,
    replace,
)

from traffic.bindings import PublishedBook, generate_model

references = st.integers(0, 12)
shares = st.integers(1, 300)
prices = st.integers(1, 9)
messages = st.one_of(
    st.builds(add, references, st.sampled_from("BS"), shares, prices, locate=st.sampled_from([0, 1, 65535])),
    st.builds(executed, references, shares),
    st.builds(executed_price, references, shares),
    st.builds(cancel, references, shares),
    st.builds(delete, references),
    st.builds(replace, references, references, shares, prices),
)


def as_tuples(book: PublishedBook) -> list[tuple[object, ...]]:
    return [tuple(row) for row in book.rows().tolist()]


def array(framed: bytes) -> np.ndarray:
    return np.frombuffer(framed, np.uint8)


@given(st.lists(messages, max_size=120))
def test_it_holds_the_same_queues_as_the_reference_after_every_message(stream: list[bytes]) -> None:
    book, reference = PublishedBook(orders_max=16, levels_max=400), ReferenceBook()
    for message in stream:
        book.apply(array(frame(message)))
        reference.apply(message)
        assert as_tuples(book) == reference.rows()
    counters = book.counters()
    assert counters["unknown_reference"] == reference.unknown
    assert counters["duplicate_reference"] == reference.duplicate
    assert counters["excess_shares"] == reference.excess
    assert counters["full"] == counters["malformed"] == 0


def test_it_follows_the_model_through_a_long_stream() -> None:
    arena = generate_model(seed=11, symbols=30, messages=60_000)
    reference = ReferenceBook()
    adds = 0
    for message in messages_of(arena.tobytes()):
        reference.apply(message)
        adds += message[:1] in b"AF"
    book = PublishedBook.for_stream(arena, adds=adds)
    assert book.apply(arena) == arena.size
    assert as_tuples(book) == reference.rows()
    assert book.counters()["full"] == 0


def test_a_replacement_goes_to_the_tail_and_inherits_side_and_symbol() -> None:
    book = PublishedBook(orders_max=8, levels_max=64)
    stream = [add(1, "S", 10, 5, locate=9), add(2, "S", 20, 5, locate=9), replace(1, 3, 30, 5)]
    book.apply(array(frame(*stream)))
    assert as_tuples(book) == [(9, b"S", 5, 0, 2, 20), (9, b"S", 5, 1, 3, 30)]


def test_a_partial_cancel_keeps_the_place_in_the_queue() -> None:
    book = PublishedBook(orders_max=8, levels_max=64)
    book.apply(array(frame(add(1, "B", 10, 5), add(2, "B", 20, 5), cancel(1, 4))))
    assert as_tuples(book) == [(1, b"B", 5, 0, 1, 6), (1, b"B", 5, 1, 2, 20)]


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=30))
def test_any_bytes_are_survived_and_counted(junk: list[bytes]) -> None:
    book = PublishedBook(orders_max=64, levels_max=1024)
    assert book.apply(array(frame(*junk) + b"\0")) == len(frame(*junk))
    counters = book.counters()
    outcomes = ("not_book", "applied", "unknown_reference", "duplicate_reference", "malformed", "full")
    assert sum(counters[name] for name in outcomes) == len(junk)


def test_short_messages_zero_shares_and_strange_sides_count_as_malformed() -> None:
    book = PublishedBook(orders_max=8, levels_max=64)
    book.apply(array(frame(add(1, "B", 1, 1)[:-1], add(1, "B", 0, 1), add(1, "Q", 1, 1), head("E"))))
    assert book.counters()["malformed"] == 4
    assert not as_tuples(book)


def test_a_book_given_too_little_memory_counts_what_it_had_no_room_for() -> None:
    book = PublishedBook(orders_max=2, levels_max=4)
    book.apply(array(frame(add(1, "B", 1, 1), add(2, "B", 1, 1), add(3, "B", 1, 1), add(4, "S", 1, 9))))
    assert book.counters()["full"] == 2
    assert [row[4] for row in as_tuples(book)] == [1, 2]


def test_thousands_of_prices_on_one_side_keep_their_order() -> None:
    generator = np.random.default_rng(1)
    prices = generator.permutation(np.arange(1, 3001))
    stream = frame(*(add(1 + index, "S", 1, int(price)) for index, price in enumerate(prices)))
    book = PublishedBook.for_stream(array(stream), adds=3000)
    book.apply(array(stream))
    assert book.rows()["price"].tolist() == sorted(prices.tolist())
    book.apply(array(frame(*(delete(1 + index) for index in range(3000)))))
    assert book.counters()["live_orders"] == 0
