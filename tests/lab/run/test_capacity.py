"""The search for the highest rate without loss, what a trial's verdict is, and from where its latencies run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.measure.rows import MARKET_TAPS, ORDER_ARRIVALS, PACKETS
from lab.run.capacity import (
    PRECISION,
    SEARCH_FROM,
    SEARCH_MAX,
    TRIALS_MAX,
    Trial,
    Verdict,
    latencies,
    measure_capacity,
    search,
)

TRIAL: dict[str, Any] = {
    "wire": "af_xdp", "rate_per_s": 1000, "reached_per_s": 1000, "messages": 50, "delivered": 50, "lost": (0, 0),
    "missed": 0, "gaps": 0, "orders": 1, "p50_ns": 1, "p99_ns": 1, "max_ns": 1, "late_max_ns": 0, "steal_ns": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "FREE"),
        ({"lost": (0, 1)}, "LOST"),
        ({"gaps": 1}, "LOST"),
        ({"delivered": 49}, "LOST"),
        ({"reached_per_s": 989}, "SLOW"),
        ({"reached_per_s": 989, "lost": (1, 0)}, "LOST"),
        ({"reached_per_s": 990}, "FREE"),
    ],
)
def test_a_trial_is_free_only_at_its_rate_and_without_any_loss(changed: dict[str, Any], verdict: str) -> None:
    assert Trial(**{**TRIAL, **changed}).verdict == verdict


@given(limit=st.integers(1, 2 * SEARCH_MAX), beyond=st.sampled_from(["LOST", "SLOW"]))
def test_the_search_finds_the_limit_within_its_precision(limit: int, beyond: Verdict) -> None:
    asked: list[int] = []

    def attempt(rate: int) -> Verdict:
        asked.append(rate)
        return "FREE" if rate <= limit else beyond

    found = search(attempt)
    assert found <= min(limit, SEARCH_MAX)
    assert len(asked) <= TRIALS_MAX
    if limit < SEARCH_FROM:
        assert (found, len(asked)) == (0, 1)
    else:
        assert found in asked
        assert found * PRECISION >= min(limit, SEARCH_MAX)


def test_a_latency_runs_from_the_first_stamp_of_the_triggers_packet() -> None:
    packets = np.zeros(3, PACKETS)
    packets["first_sequence"], packets["count"] = (1, 31, 61), 30
    stamps = np.zeros(6, MARKET_TAPS)
    stamps["sequence"], stamps["line"] = (1, 1, 31, 31, 91, 61), (1, 0, 0, 1, 0, 2)
    stamps["stamp_ns"], stamps["count"] = (95, 100, 200, 210, 290, 300), (30, 30, 30, 30, 0, 30)
    orders = np.zeros(4, ORDER_ARRIVALS)
    orders["trigger_sequence"], orders["stamp_ns"] = (1, 30, 45, 61), (150, 160, 240, 400)
    assert latencies(packets, stamps, orders).tolist() == [
        55,
        65,
        40,
    ]  # the last came on the recovery wire alone
    assert latencies(packets, stamps[:0], orders).tolist() == []
    assert latencies(packets, stamps, orders[:0]).tolist() == []


@pytest.mark.parametrize(
    ("rates", "duration", "said"),
    [(["5M/s"], "300s", "at most 1,000,000,000"), (["fast"], "1s", "fast"), (["1M/s"], "1", "1")],
)
def test_what_cannot_be_tried_is_a_usage_error(rates: list[str], duration: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        measure_capacity(
            wires=["af_xdp"], rates=rates, duration=duration, searching=False, prefix="x", console=None
        )
