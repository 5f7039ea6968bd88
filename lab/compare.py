"""Two stored runs in; each figure side by side with its ratio, confidence intervals and every doubt out.

Nothing is averaged: a percentile is compared with the same percentile of the other run. The intervals are of
order statistics: for the quantile q of n samples, the ranks l and u for which a binomial(n, q) count lies in
[l, u) with at least 95% probability. They assume nothing of the distribution, only that samples are
independent, which stalls break: read an interval as the least doubt that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lab.measure.histogram import PERCENTILES, supports
from lab.measure.match import STAGE_COLUMNS
from lab.measure.rows import MISSING, Rows
from lab.results import StoredRun

__all__ = [
    "Comparison",
    "FigureComparison",
    "Interval",
    "PointComparison",
    "compare_runs",
    "interval_of",
    "interval_ranks",
]

CONFIDENCE = 0.95
POINTS = ("p50", "p90", "p99", "p99_9", "max")
INTERVAL_POINTS = ("p50", "p99")
METRICS = (
    "wire_to_wire",
    "response",
    "wire_floor",
    "pacing_error",
    "recovery.gap",
    "won_by.A",
    "won_by.B",
    *(f"stage.{stage}" for stage in STAGE_COLUMNS),
)
SAMPLED = {
    "wire_to_wire": "wire_to_wire_ns",
    "response": "response_ns",
    **{f"stage.{stage}": f"{stage}_ns" for stage in STAGE_COLUMNS},
}
JUDGED = ("samples.parquet", "summary.json")
NOT_THE_EXPERIMENT = ("title", "description", "expect")
SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A percentile lies between these two samples with at least 95% confidence."""

    low_ns: int
    high_ns: int

    def overlaps(self, other: Interval) -> bool:
        return self.low_ns <= other.high_ns and other.low_ns <= self.high_ns


@dataclass(frozen=True, kw_only=True)
class PointComparison:
    """``ratio`` is b/a; None where a run has too few samples for the percentile, or a is 0.

    ``change`` is "slower" or "faster" (b against a) when the intervals are apart, "same" when they overlap,
    and None where there is no interval.
    """

    point: str
    a_ns: int | None
    b_ns: int | None
    ratio: float | None
    a_interval: Interval | None = None
    b_interval: Interval | None = None

    @property
    def overlap(self) -> bool | None:
        if self.a_interval is None or self.b_interval is None:
            return None
        return self.a_interval.overlaps(self.b_interval)

    @property
    def change(self) -> str | None:
        if self.a_interval is None or self.b_interval is None:
            return None
        if self.a_interval.overlaps(self.b_interval):
            return "same"
        return "slower" if self.b_interval.low_ns > self.a_interval.high_ns else "faster"

    def to_json(self) -> dict[str, Any]:
        def pair(interval: Interval | None) -> list[int] | None:
            return None if interval is None else [interval.low_ns, interval.high_ns]

        return {
            "a": self.a_ns,
            "b": self.b_ns,
            "ratio": self.ratio,
            "a_interval": pair(self.a_interval),
            "b_interval": pair(self.b_interval),
            "overlap": self.overlap,
            "change": self.change,
        }


@dataclass(frozen=True, kw_only=True)
class FigureComparison:
    """One series of both runs; values in ns."""

    metric: str
    a_count: int
    b_count: int
    points: tuple[PointComparison, ...]

    def to_json(self) -> dict[str, Any]:
        count = {"a": self.a_count, "b": self.b_count}
        return {"count": count, **{point.point: point.to_json() for point in self.points}}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``comparable`` is False when hosts, experiments, clocks or files differ; ``warnings`` say in what."""

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    comparable: bool
    warnings: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    figures: tuple[FigureComparison, ...]

    def figure(self, metric: str) -> FigureComparison | None:
        return next((figure for figure in self.figures if figure.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "a": dict(self.a),
            "b": dict(self.b),
            "comparable": self.comparable,
            "warnings": list(self.warnings),
            "confidence": CONFIDENCE,
            "counts": {name: {"a": a, "b": b} for name, (a, b) in self.counts.items()},
            "latency_ns": {figure.metric: figure.to_json() for figure in self.figures},
        }


def compare_runs(a: StoredRun, b: StoredRun) -> Comparison:
    """``a`` is the base. UsageError when a run's samples cannot be read."""
    unlike = [
        *_unlike_hosts(a, b),
        *_unlike_scenarios(a, b),
        *_unlike_clocks(a, b),
        *_damaged(a),
        *_damaged(b),
    ]
    doubts = [*_undecided(a), *_undecided(b), *_unrecovered(a), *_unrecovered(b)]
    figures = tuple(figure for metric in METRICS for figure in [_figure(metric, a, b)] if figure is not None)
    counts_a, counts_b = a.summary.get("counts", {}), b.summary.get("counts", {})
    return Comparison(
        a=_identity(a),
        b=_identity(b),
        comparable=not unlike,
        warnings=(*unlike, *doubts),
        counts={name: (counts_a[name], counts_b[name]) for name in counts_a if name in counts_b},
        figures=figures,
    )


def interval_ranks(count: int, quantile: Fraction) -> tuple[int, int] | None:
    """Ranks (from 1) of the samples that enclose ``quantile``; None when there are too few for 95%."""
    if count == 0:
        return None
    q = float(quantile)
    middle, spread = count * q, (count * q * (1 - q)) ** 0.5
    low = max(0, int(middle - 12 * spread - 20))  # beyond 12 standard deviations nothing is left to add up
    high = min(count, int(middle + 12 * spread + 20))
    k = np.arange(low, high, dtype=np.float64)
    logarithm = np.concatenate([[0.0], np.cumsum(np.log((count - k) / (k + 1) * (q / (1 - q))))])
    weight = np.exp(logarithm - logarithm.max())
    below = np.cumsum(weight) / weight.sum()  # below[i]: P(X <= low + i)
    tail = (1 - CONFIDENCE) / 2
    lower = int(np.searchsorted(below, tail, side="right")) + low  # largest l with P(X <= l - 1) <= tail
    upper = (
        int(np.searchsorted(below, 1 - tail, side="left")) + low + 1
    )  # smallest u with P(X <= u - 1) >= ...
    return (lower, upper) if lower >= 1 and upper <= count else None


def interval_of(values: Rows, quantile: Fraction) -> Interval | None:
    """The interval of a quantile of ``values`` (ns, in any order)."""
    ranks = interval_ranks(len(values), quantile)
    if ranks is None:
        return None
    places = [rank - 1 for rank in ranks]
    ordered = np.partition(values, places)
    return Interval(low_ns=int(ordered[places[0]]), high_ns=int(ordered[places[1]]))


def _figure(metric: str, a: StoredRun, b: StoredRun) -> FigureComparison | None:
    blocks = _block(a, metric), _block(b, metric)
    counts = tuple(int(block.get("count") or 0) for block in blocks)
    if not any(counts):
        return None
    values = tuple(_values(run, metric) for run in (a, b))
    points = []
    for point in POINTS:
        a_ns, b_ns = (block.get(point) for block in blocks)
        quantile = PERCENTILES.get(point)
        believed = all(supports(count, quantile) if quantile else count for count in counts)
        ratio = b_ns / a_ns if believed and a_ns and b_ns is not None else None
        intervals: list[Interval | None] = [None, None]
        if quantile is not None and point in INTERVAL_POINTS:
            intervals = [None if one is None else interval_of(one, quantile) for one in values]
        points.append(
            PointComparison(
                point=point,
                a_ns=a_ns,
                b_ns=b_ns,
                ratio=ratio,
                a_interval=intervals[0],
                b_interval=intervals[1],
            )
        )
    return FigureComparison(metric=metric, a_count=counts[0], b_count=counts[1], points=tuple(points))


def _block(run: StoredRun, metric: str) -> Mapping[str, Any]:
    block: Any = run.summary.get("latency_ns", {})
    for part in metric.split("."):
        block = block.get(part, {})
    return block if isinstance(block, Mapping) else {}


def _values(run: StoredRun, metric: str) -> Rows | None:
    """The samples behind a series, chosen as ``lab.measure`` chose them; None for series that have none."""
    if metric == "recovery.gap":
        recoveries = run.summary.get("feed_quality", {}).get("recoveries", [])
        gaps = [one["gap_ns"] for one in recoveries if one["gap_ns"] is not None and one["gap_ns"] >= 0]
        return np.array(gaps, np.int64)
    column = SAMPLED.get(metric)
    if column is None:
        return None
    samples = run.columns(column, "status")
    values = samples[column]
    keep = (values != MISSING) & (values >= 0)
    if metric.startswith("stage."):
        keep &= samples["status"] == "matched"
    kept: Rows = values[keep]
    return kept


def _identity(run: StoredRun) -> dict[str, Any]:
    commit = run.manifest.get("commit") or {}
    return {
        "name": run.name,
        "path": str(run.path),
        "scenario": run.summary.get("scenario"),
        "verdict": run.summary.get("verdict"),
        "commit": commit.get("id"),
        "dirty": commit.get("dirty"),
    }


def _unlike_hosts(a: StoredRun, b: StoredRun) -> list[str]:
    hosts = [run.manifest.get("host") for run in (a, b)]
    for run, host in zip((a, b), hosts, strict=True):
        if not host:
            return [f"the host of {run.name} is not known: it has no complete manifest.json"]
    return _differences("hosts", *[host or {} for host in hosts])


def _unlike_scenarios(a: StoredRun, b: StoredRun) -> list[str]:
    """Everything that shapes the run; what is expected of it, and its texts, may differ."""
    flat = []
    for run in (a, b):
        content = run.scenario.model_dump(mode="json", by_alias=True, exclude={"parameters"})
        flat.append(_flattened({key: content[key] for key in content if key not in NOT_THE_EXPERIMENT}))
    return _differences("scenarios", *flat)


def _unlike_clocks(a: StoredRun, b: StoredRun) -> list[str]:
    clocks = [run.summary.get("clock", {}) for run in (a, b)]
    return _differences("stamps", *[{key: clock.get(key) for key in ("domain", "grade")} for clock in clocks])


def _differences(what: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    if not keys:
        return []
    shown = [f"{key} {_word(a.get(key))} against {_word(b.get(key))}" for key in keys[:SHOWN]]
    rest = f", and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return [f"{what} differ: {', '.join(shown)}{rest}"]


def _word(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _flattened(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items = [(f"{prefix}.{key}" if prefix else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{prefix}[{index}]", item) for index, item in enumerate(value)]
    else:
        return {prefix: value}
    return {name: leaf for key, item in items for name, leaf in _flattened(item, key).items()}


def _damaged(run: StoredRun) -> list[str]:
    wrong = run.damaged(JUDGED)
    return [f"{run.name}: {', '.join(wrong)} changed since the run"] if wrong else []


def _undecided(run: StoredRun) -> list[str]:
    if run.summary.get("verdict") != "UNKNOWN":
        return []
    names = [check["name"] for check in run.summary.get("checks", []) if check["verdict"] == "UNKNOWN"]
    return [f"{run.name} is UNKNOWN ({', '.join(names) or 'no check'}): its figures are in doubt"]


def _unrecovered(run: StoredRun) -> list[str]:
    count = run.summary.get("feed_quality", {}).get("unrecovered") or 0
    return [f"{run.name}: {count} of its losses had no recovery to time"] if count else []
