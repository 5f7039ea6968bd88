"""A million messages of the exchange's model: the engine's book against itchcpp and the plain-Python book."""

import random
from typing import Any

import numpy as np
import pytest
from engine_book import ROW_DTYPE, EngineBook
from itchcpp_stream import apply_stream
from reference_book import ReferenceBook

from traffic.config import ModelSource, PackingConfig
from traffic.market.order_flow import order_flow_stream


def model_arena(*, symbols: int, messages: int, seed: int) -> np.ndarray[Any, Any]:
    source = ModelSource(kind="model", symbols=symbols, messages=messages)
    return order_flow_stream(
        source, seed=seed, session=b"TAILGATE01", packing=PackingConfig(), bursts=None
    ).arena


def offsets_of(arena: np.ndarray[Any, Any]) -> list[int]:
    """Where each message begins, and the end."""
    data, offsets = arena.tobytes(), [0]
    while offsets[-1] < len(data):
        offset = offsets[-1]
        offsets.append(offset + 2 + (data[offset] << 8 | data[offset + 1]))
    return offsets


def compare(engine: EngineBook, reference: ReferenceBook, *, symbols: int) -> None:
    rows = engine.rows()
    expected = np.array(reference.rows(), ROW_DTYPE)
    assert rows.size == expected.size
    assert np.array_equal(rows, expected), rows[rows != expected][:3]
    for symbol in range(1, symbols + 1):
        assert engine.top(symbol) == reference.top(symbol), symbol
    assert engine.outcomes == reference.outcomes
    assert (engine.book.order_count, engine.book.level_count) == (
        len(reference.orders),
        reference.level_count,
    )


@pytest.mark.parametrize(
    ("symbols", "messages", "prefixes", "seed"),
    [(500, 1_000_000, 6, 11), (20, 100_000, 20, 12), (1, 20_000, 60, 13)],
)
def test_model_day_gives_one_book_in_engine_and_itchcpp_at_every_prefix(
    symbols: int, messages: int, prefixes: int, seed: int
) -> None:
    arena = model_arena(symbols=symbols, messages=messages, seed=seed)
    offsets = offsets_of(arena)
    assert len(offsets) == messages + 1
    stops = sorted({*random.Random(seed).sample(range(1, messages), prefixes), messages})
    engine, reference = EngineBook(), ReferenceBook()
    stream = apply_stream(reference, arena.tobytes())
    done = 0
    for stop in stops:
        assert engine.apply_framed(arena[offsets[done] : offsets[stop]]) == stop - done
        assert next(count for count in stream if count == stop)
        done = stop
        compare(engine, reference, symbols=symbols)
    assert next(stream, None) is None
    assert engine.book.complete
    assert engine.outcomes.keys() <= {"applied", "ignored"}
    assert {row[0] for row in reference.rows()} == set(range(1, symbols + 1)), "a symbol ends without orders"
