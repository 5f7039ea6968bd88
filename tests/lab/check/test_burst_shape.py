"""burst_shape and noise_dropped in each of their verdicts, on runs that are right but for one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic

from lab.check import CheckResult, Verdict, judge
from lab.measure import RunData, measure_run
from lab.measure.noise import NOISE, NoiseData
from lab.measure.rows import MARKET_TAPS, Rows
from lab.scenario import Scenario

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
BURSTS, FRAMES, SPACING_NS, EVERY_NS = 200, 16, 10_000, 1_000_000
NOISE_KEY = [{"profile": "microburst"}]


def with_noise(arrival: Rows, **changes: Any) -> RunData:
    """A run whose noise on line A is bursts that were meant evenly spaced and arrived like this (NEVER: lost)."""
    records = np.zeros(BURSTS * FRAMES, NOISE)
    records["intended_ns"] = plan()
    records["sent_ns"] = plan() + 100
    records["burst"] = np.repeat(np.arange(BURSTS), FRAMES)
    records["bytes"] = 200
    taps = np.zeros(len(arrival), MARKET_TAPS)
    taps["stamp_ns"], taps["count"] = arrival, 1
    discarded = {"A": len(taps), "B": 0}
    data = NoiseData(records=records, taps=taps, streams=(), discarded=discarded)
    return replace(synthetic.run(packets=600), noise=replace(data, **changes))


def plan() -> Rows:
    starts = synthetic.START_NS + np.arange(BURSTS, dtype=np.int64) * EVERY_NS
    return (starts[:, None] + np.arange(FRAMES) * SPACING_NS).ravel()


def bursts(spoil: int, how: Rows) -> Rows:
    """Arrivals as planned, 3 us late; frames of the first ``spoil`` bursts come ``how`` after their start."""
    arrival = (plan() + 3_000).reshape(BURSTS, FRAMES)
    arrival[:spoil] = arrival[:spoil, :1] + how
    return arrival.ravel()


CLUMPED = np.concatenate([np.arange(8) * 2_200, 80_000 + np.arange(8) * 2_200])  # as TRex in low-end mode
SMEARED = np.arange(FRAMES) * 45_000


def scenario(**measure: Any) -> Scenario:
    return synthetic.scenario(measure=measure, traffic={"noise": NOISE_KEY})


def judged(data: RunData, what: Scenario) -> dict[str, CheckResult]:
    measurement = measure_run(data, late_after_ns=what.measure.late_after_ns)
    return {check.name: check for check in judge(data, measurement, what).checks}


def shape(arrival: Rows, **changes: Any) -> CheckResult:
    return judged(with_noise(arrival, **changes), scenario(gap_bound="20us"))["burst_shape"]


def test_bursts_as_planned_pass() -> None:
    result = shape(bursts(0, CLUMPED))
    assert result.verdict is PASS
    assert "noise_A: 0 of 200 bursts misshapen" in f"{result.observed}; {result.evidence}"


@pytest.mark.parametrize(
    ("how", "kind", "apart"),
    [
        (CLUMPED, "clumped", "frames meant 10.0 us apart came 2.20 us to 64.6 us apart"),
        (SMEARED, "smeared", "frames meant 10.0 us apart came 45.0 us to 45.0 us apart"),
    ],
)
def test_more_than_one_in_a_hundred_is_unknown_and_said_in_words(how: Rows, kind: str, apart: str) -> None:
    assert shape(bursts(2, how)).verdict is PASS
    result = shape(bursts(3, how))
    assert result.verdict is UNKNOWN
    assert result.observed == f"noise_A: 3 of 200 bursts misshapen (3 {kind}); in the worst, {apart}"


def test_a_burst_that_lacks_a_frame_is_misshapen() -> None:
    arrival = bursts(0, CLUMPED)
    result = shape(np.delete(arrival, [3, 20, 40]))
    assert result.verdict is UNKNOWN
    assert "3 of 200 bursts misshapen (3 incomplete)" in result.observed


def test_without_a_bound_nothing_is_judged_unless_it_is_asked_for() -> None:
    data = with_noise(bursts(100, CLUMPED))
    assert "burst_shape" not in judged(data, scenario())
    asked = synthetic.scenario(expect={"burst_shape": True})
    assert judged(data, asked)["burst_shape"].verdict is UNKNOWN


def test_a_line_without_bursts_is_judged_by_its_gaps() -> None:
    data = synthetic.run(packets=600)
    wide, narrow = (synthetic.scenario(measure={"gap_bound": bound}) for bound in ("1ms", "1ns"))
    assert judged(data, wide)["burst_shape"].verdict is PASS
    result = judged(data, narrow)["burst_shape"]
    assert result.verdict is UNKNOWN
    assert "gaps off by" in result.observed


def test_a_latency_that_breaks_its_bound_is_unknown_too() -> None:
    what = synthetic.scenario(
        measure={"gap_bound": "20us"}, traffic={"noise": NOISE_KEY}, expect={"wire_to_wire.p50": "< 1ns"}
    )
    assert judged(with_noise(bursts(0, CLUMPED)), what)["wire_to_wire.p50"].verdict is FAIL
    assert judged(with_noise(bursts(9, CLUMPED)), what)["wire_to_wire.p50"].verdict is UNKNOWN


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, PASS),
        ({"discarded": {"A": BURSTS * FRAMES - 1, "B": 0}}, FAIL),
        ({"discarded": {"A": BURSTS * FRAMES, "B": 1}}, FAIL),
        ({"discarded": {}}, UNKNOWN),
    ],
)
def test_the_engine_drops_and_counts_every_frame_of_other_channels(
    changes: dict[str, Any], verdict: Verdict
) -> None:
    data = with_noise(bursts(0, CLUMPED), **changes)
    assert judged(data, scenario())["noise_dropped"].verdict is verdict


def test_a_frame_that_found_no_room_in_the_ring_was_not_the_engines_to_count() -> None:
    data = with_noise(bursts(0, CLUMPED), discarded={"A": BURSTS * FRAMES - 5, "B": 0})
    full = replace(data, engine=replace(data.engine, feed={**data.engine.feed, "wire_drops": 5}))
    result = judged(full, scenario())["noise_dropped"]
    assert (result.verdict, result.evidence) == (PASS, "5 found no room in the ring")


def test_kernel_sockets_count_no_frames_and_are_not_judged() -> None:
    what = synthetic.scenario(traffic={"noise": NOISE_KEY}, engine={"wire": "kernel"})
    assert "noise_dropped" not in judged(with_noise(bursts(0, CLUMPED)), what)


def test_figures_of_gaps_and_noise_can_be_expected() -> None:
    expect: dict[str, object] = {
        "gaps.noise_A.error_ns.p99": "< 20us",
        "gaps.noise_A.bursts.worst_ns.max": "< 20us",
        "gaps.noise_A.missing": "== 0",
        "noise.lines.A.at_wire": f"== {BURSTS * FRAMES}",
    }
    what = synthetic.scenario(expect=expect, traffic={"noise": NOISE_KEY})
    results = judged(with_noise(bursts(0, CLUMPED)), what)
    assert {results[name].verdict for name in expect} == {PASS}, results
