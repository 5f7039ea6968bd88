"""The lab's reader of MDP 3.0 books against a made-up venue that knows the truth, and against the engine."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).resolve().parents[2] / "engine" / "mdp3"))
from mdp3_layouts import INT_NULL, encode, packet
from venue import Venue

from engine.config import EngineConfig
from engine.venue import Mdp3Runner
from lab.measure.rows import LEVELS, Rows
from lab.oracle.mdp3_books import books_after

SIDES = ("bid", "ask", "implied_bid", "implied_ask")


def by_engine(packets: list[bytes]) -> Rows:
    config = EngineConfig.model_validate(
        {"venue": "mdp3", "book": {"orders": 64, "levels": 64}, "decisions": 64, "open_orders": 64}
    )
    runner, now_ns = Mdp3Runner(config), 1_000
    try:
        for payload in packets:
            now_ns += 10_000_000
            runner.step(0, payload, now_ns)
            runner.step_timer(now_ns + 5_000_000)
        return np.sort(runner.levels(), order=["security", "side", "level"])
    finally:
        runner.close()


def by_venue(venue: Venue) -> set[tuple[Any, ...]]:
    return {
        (security, side, level, True, *values)
        for security, truth in venue.committed.items()
        for side, name in enumerate(SIDES)
        for level, values in enumerate(truth.levels[name], 1)
    }


@pytest.mark.parametrize("long_quantities", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_without_loss_its_books_are_the_venues(seed: int, long_quantities: bool) -> None:
    venue = Venue(seed, 6, long_quantities=long_quantities)
    for _ in range(400):
        venue.event()
    venue.heartbeat()
    depths = {one.security: one.depth for one in venue.instruments}
    rows = books_after(venue.packets)
    full = {
        security for security, depth in depths.items() if depth == 10
    }  # without definitions all are 10 deep
    mine = {row for row in map(tuple, rows.tolist()) if row[0] in full}
    assert mine == {row for row in by_venue(venue) if row[0] in full}
    assert mine


@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.01, 0.1, 0.5]), events=st.integers(1, 150))
@settings(max_examples=40)
def test_with_any_loss_the_engine_and_it_know_the_same_levels(seed: int, loss: float, events: int) -> None:
    venue, random = Venue(seed, 4, long_quantities=seed % 2 == 1), Random(seed)
    for _ in range(events):
        venue.event()
    venue.heartbeat()
    left = [payload for payload in venue.packets if random.random() >= loss]
    assert np.array_equal(by_engine(left), books_after(left))


def level(report: int, price: int, place: int = 1, action: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "security": 5, "report": report, "type": b"0", "action": action, "level": place, "price": price, "size": 3,
        "orders": 1, **more,
    }  # fmt: skip


def told(*entries: dict[str, Any], end: bool = True, number: int = 1) -> bytes:
    return packet(number, encode(46, {"indicator": 0x80 if end else 0}, list(entries)))


@pytest.mark.parametrize(
    ("packets", "rows"),
    [
        ([told(level(1, 50))], [(5, 0, 1, True, 50, 3, 1)]),
        ([told(level(1, 50), end=False)], []),
        ([told(level(1, 50), end=False), told(number=3)], [(5, 0, 1, True, 50, 3, 1)]),
        ([told(level(1, 50), level(2, 50, action=2))], []),
        ([told(level(1, 50, orders=INT_NULL))], [(5, 0, 1, True, 50, 3, 0)]),
        ([told({"security": 5, "report": 9, "type": b"J"})], []),
        ([told(level(1, 50)), packet(2, encode(4, {"indicator": 0x80}))], []),
        ([packet(1, encode(12))], []),
    ],
    ids=[
        "new",
        "not over",
        "cut by a hole",
        "deleted",
        "no orders",
        "book reset",
        "channel reset",
        "heartbeat",
    ],
)
def test_it_reads_what_the_specification_says(packets: list[bytes], rows: list[tuple[Any, ...]]) -> None:
    assert books_after(packets).tolist() == rows
    assert by_engine(packets).tolist() == rows


def test_a_number_that_is_not_the_next_makes_the_book_unknown_but_for_what_it_tells() -> None:
    rows = books_after([told(level(1, 50)), told(level(3, 49, place=2), number=2)])
    assert rows.dtype == LEVELS
    known = [row for row in rows.tolist() if row[3]]
    assert known == [(5, 0, 2, True, 49, 3, 1)]
    assert len(rows) == 10 + 10 + 2 + 2
