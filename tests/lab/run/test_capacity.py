"""The search for the highest rate without loss, what a trial's verdict is, and from where its latencies run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.measure.rows import DECISIONS, MARKET_TAPS, ORDER_ARRIVALS, PACKETS
from lab.run.capacity import (
    ORDERS_MAX,
    PRECISION,
    ROUND,
    SEARCH_FROM,
    SEARCH_MAX,
    SYMBOLS,
    TRIALS_MAX,
    Trial,
    Verdict,
    highest_free,
    latencies,
    measure_capacity,
    parts_p99,
    refusals,
    search,
    trial_plan,
    triggering,
    twice,
)
from traffic.config import ModelSource

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


def test_the_highest_free_rate_is_that_of_any_trial_of_the_wire() -> None:
    trials = [
        Trial(**{**TRIAL, "rate_per_s": rate, "reached_per_s": reached, "wire": wire})
        for wire, rate, reached in (("a", 8, 8), ("a", 4, 4), ("a", 9, 1), ("b", 20, 20))
    ]
    assert [highest_free(trials, wire) for wire in "abc"] == [8, 20, 0]


@pytest.mark.parametrize(
    ("answers", "verdict", "tries"),
    [(["FREE"], "FREE", 1), (["LOST", "FREE"], "FREE", 2), (["SLOW", "LOST"], "LOST", 2)],
)
def test_a_rate_of_the_search_is_given_up_when_it_is_not_free_twice(
    answers: list[Verdict], verdict: Verdict, tries: int
) -> None:
    given_ = iter(answers)
    assert twice(lambda: next(given_)) == verdict
    assert len(answers) - len(list(given_)) == tries


def test_a_latency_runs_from_the_first_stamp_of_the_triggers_packet() -> None:
    packets = np.zeros(3, PACKETS)
    packets["first_sequence"], packets["count"] = (1, 31, 61), 30
    stamps = np.zeros(6, MARKET_TAPS)
    stamps["sequence"], stamps["line"] = (1, 1, 31, 31, 91, 61), (1, 0, 0, 1, 0, 2)
    stamps["stamp_ns"], stamps["count"] = (95, 100, 200, 210, 290, 300), (30, 30, 30, 30, 0, 30)
    orders = np.zeros(4, ORDER_ARRIVALS)
    orders["trigger_sequence"], orders["stamp_ns"] = (1, 30, 45, 61), (150, 160, 240, 400)
    times, answered = latencies(packets, stamps, orders)
    assert times.tolist() == [55, 65, 40]  # the last came on the recovery wire alone
    assert answered["trigger_sequence"].tolist() == [1, 30, 45]
    assert latencies(packets, stamps[:0], orders)[0].tolist() == []
    assert latencies(packets, stamps, orders[:0])[0].tolist() == []


def test_the_parts_of_a_latency_are_split_at_the_engines_own_stamps() -> None:
    orders = np.zeros(3, ORDER_ARRIVALS)
    orders["trigger_sequence"], orders["stamp_ns"] = (30, 7, 9), (1_000, 2_000, 3_000)
    decisions = np.zeros(4, DECISIONS)
    decisions["trigger_sequence"], decisions["reason"] = (7, 30, 30, 11), (0, 9, 0, 0)
    decisions["rx_ns"] = (1_900, 1, 800, 5)
    times = np.array([300, 120, 50], np.int64)  # begun at 700, 1_880; the third decision was not kept
    assert parts_p99(times, orders, decisions) == (100, 200)
    assert parts_p99(times, orders, decisions[:0]) == (-1, -1)
    assert parts_p99(times[:0], orders[:0], decisions) == (-1, -1)


def test_only_packets_that_triggered_an_order_are_looked_at() -> None:
    packets = np.zeros(4, PACKETS)
    packets["first_sequence"], packets["count"] = (1, 31, 61, 91), 30
    orders = np.zeros(3, ORDER_ARRIVALS)
    orders["trigger_sequence"] = (60, 31, 120)
    assert triggering(packets, orders)["first_sequence"].tolist() == [31, 91]
    assert triggering(packets, orders[:0]).size == 0


def test_what_a_whole_feed_never_makes_the_engine_count_is_a_refusal() -> None:
    decode = {"unknown_types": 0, "length_errors": 0, "long_messages": 0}
    book = {"ignored": 5, "applied": 9, "unknown_reference": 0, "order_count": 3, "complete": 1}
    assert refusals({"decode": decode, "book": book}) == {}
    faulty = {"decode": {**decode, "length_errors": 1}, "book": {**book, "unknown_reference": 2}}
    assert refusals(faulty) == {"length_errors": 1, "unknown_reference": 2}


@pytest.mark.parametrize("seconds", [1, 60])
@pytest.mark.parametrize("rate", [1_000_000, 5_000_000])
def test_a_long_trial_goes_round_and_has_room_for_its_orders(rate: int, seconds: int) -> None:
    plan = trial_plan("net_memif", rate, seconds * 10**9, number=0)
    source = ModelSource.model_validate(plan.source)
    assert (source.messages, source.cycle_messages) == (rate * seconds, ROUND)
    cooldown = plan.engine.parameters.cooldown_messages
    assert cooldown >= 50_000
    assert source.messages * SYMBOLS // cooldown <= ORDERS_MAX
    assert plan.engine.recovery == ()


@pytest.mark.parametrize(
    ("rates", "duration", "said"),
    [(["5M/s"], "300s", "at most 1,000,000,000"), (["fast"], "1s", "fast"), (["1M/s"], "1", "1")],
)
def test_what_cannot_be_tried_is_a_usage_error(rates: list[str], duration: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        measure_capacity(
            wires=["af_xdp"], rates=rates, duration=duration, searching=False, prefix="x", console=None
        )
