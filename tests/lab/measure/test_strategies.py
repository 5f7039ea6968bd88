"""The engine's account of its strategies: reigns, triggers nobody could foresee, samples around a swap, the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.data import FaultRecord
from lab.measure.match import SAMPLES
from lab.measure.rows import DECISIONS, MISSING
from lab.measure.strategies import (
    SWAP_WINDOW_NS,
    around_swaps,
    beginnings,
    foreign,
    reigns,
    strategy_block,
    triggers_with,
)


def change(
    sequence: int, after: str, generation: int, cause: str = "deployed", at_ns: int = 0
) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "after": after,
        "after_generation": generation,
        "cause": cause,
        "at_ns": at_ns,
        "before": "",
        "before_generation": 0,
        "detail": 97 if cause == "deployed" else 7_500,
    }


SLOW = [change(100, "bad_slow", 1), change(150, "touch_taker", 0, "time")]


def decisions(*sequences: int) -> Any:
    rows = np.zeros(len(sequences), DECISIONS)
    rows["trigger_sequence"] = sequences
    return rows


def test_a_reign_lasts_to_the_next_change() -> None:
    (slow, taker) = reigns(SLOW)
    assert (slow.first, slow.end, taker.first) == (100, 150, 150)
    assert beginnings(SLOW) == [100, 150]
    assert reigns([]) == []


def test_only_objects_the_oracle_does_not_know_are_foreign() -> None:
    taker = [change(10, "touch_taker", 1), change(20, "quoter", 2), change(30, "touch_taker", 1, "operator")]
    assert [reign.first for reign in foreign(taker, known=True)] == [20]
    assert [reign.first for reign in foreign(taker, known=False)] == [10, 20, 30]
    assert [reign.first for reign in foreign(SLOW, known=True)] == [100]


@given(
    expected=st.sets(st.integers(1, 300)),
    own=st.lists(st.integers(1, 300)),
    spans=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 100)), max_size=3),
)
def test_foreign_reigns_have_the_engines_own_triggers_and_all_else_the_oracles(
    expected: set[int], own: list[int], spans: list[tuple[int, int]]
) -> None:
    changes, at = [], 1
    for first, length in spans:
        at += first
        changes += [change(at, "quoter", 1), change(at + length, "touch_taker", 0, "time")]
        at += length
    found = triggers_with(
        np.array(sorted(expected), "<u8"), decisions(*own), foreign(changes, known=True)
    ).tolist()
    inside = [
        number
        for pair in zip(changes[::2], changes[1::2], strict=True)
        for number in range(pair[0]["sequence"], pair[1]["sequence"])
    ]
    assert found == sorted((expected - set(inside)) | (set(own) & set(inside)))


def test_samples_around_a_swap_are_those_within_the_window() -> None:
    samples = np.zeros(4, SAMPLES)
    half = SWAP_WINDOW_NS // 2
    samples["wire_ns"] = [10**9, 10**9 + half, 10**9 - half - 1, MISSING]
    changes = [change(1, "quoter", 1, at_ns=10**9)]
    assert around_swaps(samples, changes).tolist() == [True, False, False, False]
    assert around_swaps(samples, changes, 1).tolist() == [False, True, False, False]
    assert around_swaps(samples, changes, -1).tolist() == [False, False, True, False]


def test_figures_count_what_was_asked_refused_and_put_out() -> None:
    faults = [
        FaultRecord(name="deploy", injected_ns=5, healed_ns=6),
        FaultRecord(name="deploy", injected_ns=7),
        FaultRecord(name="pause", injected_ns=7),
    ]
    block = strategy_block({"changes": SLOW, "active": {"name": "touch_taker"}}, faults)
    assert (block["asked"], block["refused"], block["deployed"]) == (2, 1, 1)
    assert block["rolled_back"]["count"] == block["rolled_back"]["time"] == 1
    assert block["rolled_back"]["crash"] == 0
    assert block["reign_messages_max"] == 50
    assert block["swap_lag_messages_max"] == 3


def test_an_engine_that_left_no_account_has_no_figures_but_zeros() -> None:
    block = strategy_block({}, [])
    assert (block["deployed"], block["rolled_back"]["count"], block["changes"]) == (0, 0, [])
