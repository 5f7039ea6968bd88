"""Comparing stored runs: ratios, order-statistic intervals, and when two runs must not be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.compare import Comparison, Interval, compare_runs, interval_of, interval_ranks
from lab.measure import ClockInfo, HostReport, RunData
from lab.results import RunDirectory, StoredRun, judge_run, load_run
from lab.results.samples import write_samples
from lab.scenario import Scenario

SCENARIO = synthetic.scenario()
Store = Callable[..., StoredRun]


@pytest.fixture(scope="module")
def data() -> RunData:
    return synthetic.run(packets=1_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("results")

    def stored(data: RunData, scenario: Scenario = SCENARIO) -> StoredRun:
        run = RunDirectory.create(root, scenario)
        run.write(judge_run(scenario, data), data)
        run.finish()
        return load_run(run.path)

    return stored


@pytest.fixture(scope="module")
def base(data: RunData, store: Store) -> StoredRun:
    return store(data)


def slower(data: RunData, by_ns: int) -> RunData:
    orders = data.order_arrivals.copy()
    orders["stamp_ns"] += by_ns
    return replace(data, order_arrivals=orders)


def change(comparison: Comparison, metric: str, point: str) -> str | None:
    figure = comparison.figure(metric)
    assert figure is not None
    return next(one.change for one in figure.points if one.point == point)


def test_a_run_against_itself_is_the_same_in_everything(base: StoredRun) -> None:
    comparison = compare_runs(base, base)
    assert comparison.comparable
    assert comparison.warnings == ()
    figure = comparison.figure("wire_to_wire")
    assert figure is not None
    assert [point.point for point in figure.points] == ["p50", "p90", "p99", "p99_9", "max"]
    assert all(point.ratio in (1.0, None) for point in figure.points)
    assert change(comparison, "wire_to_wire", "p50") == change(comparison, "wire_to_wire", "p99") == "same"
    assert change(comparison, "wire_to_wire", "p90") is None


def test_a_slower_run_is_slower_where_the_intervals_part(
    base: StoredRun, data: RunData, store: Store
) -> None:
    other = store(slower(data, 20_000))
    comparison = compare_runs(base, other)
    assert comparison.comparable
    assert change(comparison, "wire_to_wire", "p50") == "slower"
    assert change(comparison, "stage.wire_out", "p50") == "slower"
    assert change(comparison, "stage.book", "p50") == "same"
    assert change(compare_runs(other, base), "wire_to_wire", "p50") == "faster"
    figure = comparison.figure("wire_to_wire")
    assert figure is not None
    p50 = figure.points[0]
    assert p50.a_ns is not None
    assert p50.b_ns is not None
    assert p50.ratio == p50.b_ns / p50.a_ns > 3
    assert p50.overlap is False


def test_a_percentile_with_too_few_samples_has_no_ratio(store: Store) -> None:
    few = store(synthetic.run(packets=60, floor=False))
    figure = compare_runs(few, few).figure("wire_to_wire")
    assert figure is not None
    ratios = {point.point: point.ratio for point in figure.points}
    assert ratios["p50"] == ratios["max"] == 1.0
    assert ratios["p99"] is ratios["p99_9"] is None
    assert figure.points[2].a_interval is None


def test_series_that_leave_no_samples_are_compared_without_intervals(base: StoredRun) -> None:
    for metric in ("wire_floor", "pacing_error"):
        figure = compare_runs(base, base).figure(metric)
        assert figure is not None
        assert all(point.a_interval is None and point.change is None for point in figure.points)


def test_the_interval_lies_in_the_samples_of_the_stored_run(base: StoredRun, data: RunData) -> None:
    figure = compare_runs(base, base).figure("wire_to_wire")
    assert figure is not None
    samples = judge_run(SCENARIO, data).measurement.samples
    times = np.sort(samples["wire_to_wire_ns"][samples["status"] == 0])
    interval = figure.points[0].a_interval
    assert interval is not None
    assert interval.low_ns in times
    assert interval.high_ns in times
    assert interval.low_ns <= np.median(times) <= interval.high_ns


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("host", "hosts differ: kernel 6.1 against 6.18"),
        ("unknown host", "is not known: it has no complete manifest.json"),
        ("grade", "stamps differ: grade sw-driver against hw"),
        ("scenario", "scenarios differ: traffic.rate 100k/s against 50k/s"),
        ("seed", "scenarios differ: seed 1 against 2"),
        ("fault", "scenarios differ: faults[0].do nothing against pause"),
        ("damage", "samples.parquet changed since the run"),
    ],
)
def test_unlike_runs_are_not_comparable_and_the_warning_says_in_what(
    data: RunData, store: Store, kind: str, said: str
) -> None:
    like = replace(data, host=HostReport(knobs={"cpu": "synthetic", "kernel": "6.1"}))
    other, scenario = like, SCENARIO
    if kind == "host":
        other = replace(data, host=HostReport(knobs={"cpu": "synthetic", "kernel": "6.18"}))
    elif kind == "grade":
        other = replace(like, clock=ClockInfo(grade="hw"))
    elif kind == "scenario":
        scenario = synthetic.scenario(traffic={"rate": "50k/s"})
    elif kind == "seed":
        scenario = synthetic.scenario(seed=2)
    elif kind == "fault":
        scenario = synthetic.scenario(faults=[{"do": "pause", "for": "1ms", "at": {"time": "1s"}}])
    a, b = store(like), store(other, scenario)
    if kind == "unknown host":
        b = replace(b, manifest={})
    if kind == "damage":
        path = b.path / "samples.parquet"
        other_samples = judge_run(SCENARIO, slower(like, 5)).measurement.samples
        write_samples(path, other_samples, reason_names={})
    comparison = compare_runs(a, b)
    assert not comparison.comparable
    assert any(said in warning for warning in comparison.warnings), comparison.warnings
    assert all("\n" not in warning for warning in comparison.warnings)
    assert comparison.figure("wire_to_wire") is not None, "a caller who forces gets the figures"


def test_what_is_expected_and_how_it_is_called_may_differ(
    base: StoredRun, data: RunData, store: Store
) -> None:
    scenario = synthetic.scenario(expect={"counts.unmatched": "== 0"}, description="Another text.")
    assert compare_runs(base, store(data, scenario)).comparable


def test_many_differences_are_counted_and_not_all_shown(data: RunData, store: Store) -> None:
    def on(**knobs: str) -> StoredRun:
        return store(replace(data, host=HostReport(knobs=knobs)))

    a, b = on(**{name: "1" for name in "abcdef"}), on(**{name: "2" for name in "abcdef"})
    (warning,) = compare_runs(a, b).warnings
    assert warning.endswith("d 1 against 2, and 2 more")


def test_an_undecided_run_is_compared_with_a_warning(base: StoredRun, data: RunData, store: Store) -> None:
    doubtful = store(replace(data, tap=replace(data.tap, lost=1)))
    comparison = compare_runs(base, doubtful)
    assert comparison.comparable
    assert comparison.warnings == (f"{doubtful.name} is UNKNOWN (tap_complete): its figures are in doubt",)


def test_the_json_form_has_every_figure_and_reads_back(base: StoredRun) -> None:
    content = json.loads(json.dumps(compare_runs(base, base).to_json(), allow_nan=False))
    assert content["comparable"] is True
    assert content["a"]["name"] == base.name
    p99 = content["latency_ns"]["wire_to_wire"]["p99"]
    assert set(p99) == {"a", "b", "ratio", "a_interval", "b_interval", "overlap", "change"}
    assert p99["a_interval"][0] <= p99["a"]
    assert content["counts"]["matched"]["a"] == base.summary["counts"]["matched"]


def exact_ranks(count: int, quantile: Fraction) -> tuple[int, int] | None:
    """By sums of exact binomial probabilities."""
    q = quantile
    probability = [math.comb(count, k) * q**k * (1 - q) ** (count - k) for k in range(count + 1)]
    below = [sum(probability[: k + 1], Fraction(0)) for k in range(count + 1)]
    tail = Fraction(25, 1000)
    lower = [rank for rank in range(1, count + 1) if below[rank - 1] <= tail]
    upper = [rank for rank in range(1, count + 1) if below[rank - 1] >= 1 - tail]
    return (max(lower), min(upper)) if lower and upper else None


@pytest.mark.parametrize("quantile", [Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)])
@pytest.mark.parametrize("count", [1, 5, 6, 10, 37, 60, 120])
def test_the_ranks_are_those_of_the_exact_binomial(count: int, quantile: Fraction) -> None:
    assert interval_ranks(count, quantile) == exact_ranks(count, quantile)


@pytest.mark.parametrize("quantile", [Fraction(1, 2), Fraction(99, 100)])
def test_the_ranks_of_millions_are_those_of_the_normal_distribution(quantile: Fraction) -> None:
    count = 4_000_000
    ranks = interval_ranks(count, quantile)
    assert ranks is not None
    spread = 1.96 * math.sqrt(count * quantile * (1 - quantile))
    assert ranks[0] == pytest.approx(count * quantile - spread, abs=3)
    assert ranks[1] == pytest.approx(count * quantile + spread, abs=3)


def test_no_sample_has_no_interval() -> None:
    assert interval_ranks(0, Fraction(1, 2)) is None
    assert interval_of(np.empty(0, np.int64), Fraction(1, 2)) is None


def test_intervals_cover_the_true_median_nineteen_times_in_twenty() -> None:
    generator = np.random.default_rng(5)
    values = generator.pareto(1.5, (400, 101))  # heavy tails, as latencies have
    median = 2 ** (1 / 1.5) - 1
    covered = 0
    for row in values:
        interval = interval_of((row * 10**9).astype(np.int64), Fraction(1, 2))
        assert interval is not None
        covered += interval.low_ns <= median * 10**9 <= interval.high_ns
    assert covered >= 0.92 * 400


@given(st.tuples(*[st.integers(0, 50)] * 4))
@settings(max_examples=100)
def test_intervals_overlap_when_they_share_a_value(ends: tuple[int, int, int, int]) -> None:
    a = Interval(low_ns=min(ends[:2]), high_ns=max(ends[:2]))
    b = Interval(low_ns=min(ends[2:]), high_ns=max(ends[2:]))
    shared = set(range(a.low_ns, a.high_ns + 1)) & set(range(b.low_ns, b.high_ns + 1))
    assert a.overlaps(b) == b.overlaps(a) == bool(shared)


def test_a_run_without_a_trigger_is_compared_without_figures(store: Store) -> None:
    empty = store(synthetic.run(packets=20, every=10_000, floor=False))
    comparison = compare_runs(empty, empty)
    assert comparison.figure("wire_to_wire") is None
    assert comparison.figure("pacing_error") is not None
