"""The oracle against a second implementation that keeps nothing but a dict of orders and recomputes the rest.

Streams come from hypothesis (orderly, adversarial, damaged) and from the real captures.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from brute import ADVERSARIAL, SEQUENCES, STRATEGIES, compare, framed, orderly
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.oracle import BOOK_DTYPE, Reflector, TouchTaker, replay


@given(orderly(), SEQUENCES, STRATEGIES)
@settings(deadline=None)
def test_orderly_streams_give_what_brute_force_gives(
    stream: bytes, first: int, strategy: TouchTaker | Reflector
) -> None:
    result = compare(stream, first, strategy)
    assert result is not None
    assert (result.unknown_references, result.duplicate_references) == (0, 0)


@given(ADVERSARIAL, SEQUENCES, STRATEGIES)
@settings(deadline=None, max_examples=300)
def test_adversarial_streams_give_what_brute_force_gives(
    stream: bytes, first: int, strategy: TouchTaker | Reflector
) -> None:
    assert compare(stream, first, strategy) is not None


PLACES = st.integers(0, 4000)


@given(ADVERSARIAL, st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=3), PLACES)
@settings(deadline=None, max_examples=200)
def test_damaged_streams_fail_at_the_byte_where_brute_force_fails(
    stream: bytes, patches: list[tuple[int, int]], keep: int
) -> None:
    damaged = bytearray(stream[:keep])
    for place, value in patches:
        if damaged:
            damaged[place % len(damaged)] = value
    compare(bytes(damaged), 1, TouchTaker())


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_do_worse_than_a_stream_error(stream: bytes) -> None:
    compare(stream, 1, TouchTaker())


def test_a_deep_book_keeps_every_level_and_queue_in_order() -> None:
    random = np.random.default_rng(7)
    stream = []
    for reference, price in enumerate(random.integers(1, 40_000, 30_000).tolist(), start=1):
        side = b"B" if price < 20_000 else b"S"
        stream.append(framed("A", struct.pack(">QcI8sI", reference, side, 1, b"TEST", price)))
    result = replay(b"".join(stream), first_sequence=1, strategy=TouchTaker())
    assert len(result.book) == 30_000
    assert np.array_equal(result.book, np.sort(result.book, order=["side", "price", "position"]))
    assert np.array_equal(result.book, np.sort(result.book, order=["price", "reference"]))


def test_every_order_is_still_found_after_the_book_has_grown_and_shrunk() -> None:
    count = 30_000
    adds = [framed("A", struct.pack(">QcI8sI", n, b"B", n, b"TEST", n % 50)) for n in range(1, count + 1)]
    deletes = [framed("D", struct.pack(">Q", n)) for n in range(1, count + 1) if n % 3]
    again = [framed("A", struct.pack(">QcI8sI", n + count, b"S", 1, b"TEST", 60)) for n in range(count)]
    result = replay(b"".join(adds + deletes + again), first_sequence=1, strategy=TouchTaker())
    assert (result.unknown_references, result.duplicate_references) == (0, 1)  # `count` itself still stands
    bids = result.book[result.book["side"] == b"B"]
    assert sorted(bids["reference"].tolist()) == list(range(3, count + 1, 3))
    assert np.array_equal(bids["reference"], bids["shares"])
    assert len(result.book) - len(bids) == count - 1


# Real captures

REAL = Path(os.environ.get("TAILGATE_REAL", Path(__file__).parents[4] / "shared" / "real")) / "itch"
DAY, OPEN = REAL / "nasdaq_start_of_day_1000.itch", REAL / "nasdaq_2019-12-30_open_1000.itch"


@pytest.mark.real
@pytest.mark.skipif(not (DAY.exists() and OPEN.exists()), reason=f"no real captures in {REAL}")
@pytest.mark.parametrize("first", [1, 100_000])
@pytest.mark.parametrize(
    "strategy", [TouchTaker(), TouchTaker(imbalance_permille=200, cooldown_messages=300), Reflector(every=7)]
)
def test_real_captures_give_what_brute_force_gives(first: int, strategy: TouchTaker | Reflector) -> None:
    result = compare(DAY.read_bytes() + OPEN.read_bytes(), first, strategy)
    assert result is not None
    assert result.messages == 2000
    assert result.duplicate_references == 0
    assert result.crossed_events == 0
    # 394 of orders from before the cut, five of orders that only an unapplied replace brought in.
    assert result.unknown_references == 399
    assert result.book.dtype == BOOK_DTYPE
    if strategy == TouchTaker():
        assert len(result.triggers) == 33
