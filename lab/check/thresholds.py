"""A figure of the run against the scenario's threshold; UNKNOWN when the figure is absent or too thin."""

from __future__ import annotations

from fractions import Fraction

from lab.check.base import CheckResult, Evidence, failed, passed, unknown
from lab.measure.figures import look_up, too_few_samples
from lab.measure.histogram import PERCENTILES
from lab.measure.match import Status
from lab.measure.rows import FEED_LIVE
from lab.scenario.figures import canonical, figure_for, nearest
from lab.units import Kind, Threshold, format_quantity

__all__ = ["check_threshold", "figure_names"]

FLOOR_SHARE = 0.99


def check_threshold(name: str, evidence: Evidence) -> CheckResult:
    """Exact comparison in the figure's base unit; a percentile needs a sample above it to be believed."""
    threshold = evidence.scenario.expect[name]
    figure = canonical(name)
    value = look_up(evidence.blocks, figure)
    if value is None:
        close = nearest(figure, figure_names(evidence.blocks))
        hint = f"nearest: {', '.join(close)}" if close else "nothing of a similar name was measured"
        head = figure.rpartition(".")[0]
        count = look_up(evidence.blocks, f"{head.removesuffix('.')}.count") if head else None
        reason = "there were no samples" if count == 0 else f"this run did not measure it; {hint}"
        return unknown(name, expected=str(threshold), observed="not measured", evidence=reason)
    known = figure_for(figure)
    kind = known.kind if known else threshold.kind
    observed = format_quantity(value, kind)
    thin = too_few_samples(evidence.blocks, figure)
    if thin is not None:
        return unknown(name, expected=str(threshold), observed=observed, evidence=thin)
    if figure.endswith("_over_floor") and (doubt := _thin_floor(evidence)):
        return unknown(name, expected=str(threshold), observed=observed, evidence=doubt)
    if figure.startswith("response.") and threshold.operator in ("<", "<="):
        late = _unanswered(evidence, figure, threshold)
        if late is not None:
            return failed(name, expected=str(threshold), observed=late[0], evidence=late[1])
    report = passed if threshold.holds(value) else failed
    return report(
        name, expected=str(threshold), observed=observed, evidence=_evidence(evidence, figure, value, kind)
    )


def _thin_floor(evidence: Evidence) -> str | None:
    """Why the floor is no floor: the reflector may have answered only the quick triggers."""
    floor = evidence.measurement.floor
    if floor is None or floor.matched >= FLOOR_SHARE * floor.triggers:
        return None
    return (
        f"the reflector answered {floor.matched:,} of {floor.triggers:,} messages, so its floor is in doubt"
    )


def _unanswered(evidence: Evidence, figure: str, threshold: Threshold) -> tuple[str, str] | None:
    """(observed, evidence) when triggers that an outage left unanswered break the bound; None when it holds.

    A trigger that got no answer while the engine was blind or silent took longer than any bound. Leaving it
    out would be coordinated omission by another door. Rejections by risk while LIVE are answers of their own.
    """
    samples = evidence.measurement.samples
    outage = (samples["status"] == Status.BLOCKED) & (samples["feed_state"] != FEED_LIVE)
    missing = int(((samples["status"] == Status.UNMATCHED) | outage).sum())
    quantile = {"max": Fraction(1), **PERCENTILES}.get(figure.rpartition(".")[2])
    histogram = evidence.measurement.series["response"].histogram
    if missing == 0 or quantile is None:
        return None
    total = histogram.count + missing
    why = f"{missing:,} of {total:,} triggers were never answered"
    rank = -(-quantile.numerator * total // quantile.denominator)
    if rank > histogram.count:
        return "no answer", why
    value = histogram.value_at(Fraction(rank, histogram.count))
    if value is None or threshold.holds(value):
        return None
    return format_quantity(value, Kind.DURATION), f"{why}; they rank above every answer"


def _evidence(evidence: Evidence, figure: str, value: int | float | Fraction, kind: Kind) -> str:
    head, _, tail = figure.rpartition(".")
    count = look_up(evidence.blocks, f"{head}.count")
    if tail.endswith("_over_floor"):
        point = tail.removesuffix("_over_floor")
        above, floor = (
            look_up(evidence.blocks, f"{head}.{point}"),
            look_up(evidence.blocks, f"wire_floor.{point}"),
        )
        return f"{head}.{point} {above} ns over wire_floor.{point} {floor} ns"
    if kind is Kind.DURATION and count is not None and tail != "count":
        return f"{value} ns of {int(count):,} samples"
    return ""


def figure_names(blocks: object, prefix: str = "") -> list[str]:
    """Every dotted name that the blocks hold a number for, without the latency_ns prefix."""
    if isinstance(blocks, dict):
        return [
            name
            for key, value in blocks.items()
            for name in figure_names(
                value, prefix if key == "latency_ns" and not prefix else f"{prefix}.{key}".lstrip(".")
            )
        ]
    return [prefix] if isinstance(blocks, int | float) else []
