"""A figure of the run against the scenario's threshold; UNKNOWN when the figure is absent or too thin."""

from __future__ import annotations

from fractions import Fraction

from lab.check.base import CheckResult, Evidence, failed, passed, unknown
from lab.measure.figures import look_up, too_few_samples
from lab.measure.histogram import PERCENTILES, Histogram, supports
from lab.measure.match import Status
from lab.measure.rows import FEED_LIVE
from lab.scenario.figures import canonical, figure_for, nearest
from lab.units import Kind, Threshold, format_quantity

__all__ = ["check_threshold", "figure_names"]

FLOOR_SHARE = 0.99
RECOVERY = ("recovery.gap", "feed_quality.recovery_ns")  # two names of one series


def check_threshold(name: str, evidence: Evidence) -> CheckResult:
    """Exact comparison in the figure's base unit; a percentile needs a sample above it to be believed."""
    threshold = evidence.scenario.expect[name]
    figure = canonical(name)
    value = look_up(evidence.blocks, figure)
    omitted = _omitted(evidence, figure) if threshold.operator in ("<", "<=") else None
    if value is None:
        if omitted is not None and _is_recovery(figure):
            return failed(name, expected=str(threshold), observed="never", evidence=omitted[1])
        return unknown(
            name, expected=str(threshold), observed="not measured", evidence=_absent(evidence, figure)
        )
    known = figure_for(figure)
    kind = known.kind if known else threshold.kind
    observed = format_quantity(value, kind)
    if omitted is not None:
        late = _outranked(evidence, figure, threshold, *omitted)
        if late is not None:
            return failed(name, expected=str(threshold), observed=late[0], evidence=late[1])
    thin = too_few_samples(evidence.blocks, figure)
    if thin is not None:
        return unknown(name, expected=str(threshold), observed=observed, evidence=thin)
    if _is_recovery(figure) and not evidence.measurement.feed.blindness.complete:
        why = "the engine could not remember all of its state changes, so recoveries may be missing"
        return unknown(name, expected=str(threshold), observed=observed, evidence=why)
    if figure.endswith("_over_floor") and (doubt := _thin_floor(evidence)):
        return unknown(name, expected=str(threshold), observed=observed, evidence=doubt)
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


def _absent(evidence: Evidence, figure: str) -> str:
    """Why a figure has no value."""
    head = figure.rpartition(".")[0]
    if _is_recovery(figure):
        return "nothing was lost for long enough to be recovered"
    if head and look_up(evidence.blocks, f"{head}.count") == 0:
        return "there were no samples"
    close = nearest(figure, figure_names(evidence.blocks))
    hint = f"nearest: {', '.join(close)}" if close else "nothing of a similar name was measured"
    return f"this run did not measure it; {hint}"


def _is_recovery(figure: str) -> bool:
    return figure.rpartition(".")[0] in RECOVERY


def _histogram(evidence: Evidence, figure: str) -> Histogram:
    head = figure.rpartition(".")[0]
    return evidence.measurement.series[RECOVERY[0] if head in RECOVERY else head].histogram


def _omitted(evidence: Evidence, figure: str) -> tuple[int, str] | None:
    """(how many samples are missing because they have no end, in words); None when none is.

    A trigger that got no answer while the engine was blind or silent took longer than any bound, and so did a
    loss that was never recovered. Leaving them out would be coordinated omission by another door. Rejections by
    risk while LIVE are answers of their own.
    """
    if figure.startswith("response."):
        samples, skipped = evidence.measurement.samples, evidence.measurement.counts.skipped
        outage = (samples["status"] == Status.BLOCKED) & (samples["feed_state"] != FEED_LIVE)
        missing = int(((samples["status"] == Status.UNMATCHED) | outage).sum()) + skipped
        what = "triggers were never answered"
    elif _is_recovery(figure):
        missing, what = evidence.measurement.feed.unrecovered, "losses were never recovered"
    else:
        return None
    total = missing + _histogram(evidence, figure).count
    return (missing, f"{missing:,} of {total:,} {what}") if missing else None


def _outranked(
    evidence: Evidence, figure: str, threshold: Threshold, missing: int, why: str
) -> tuple[str, str] | None:
    """(observed, evidence) when samples without an end break the bound; None when it holds all the same."""
    quantile = {"max": Fraction(1), **PERCENTILES}.get(figure.rpartition(".")[2])
    histogram = _histogram(evidence, figure)
    total = histogram.count + missing
    if quantile is None or not (quantile == 1 or supports(total, quantile)):
        return None
    rank = -(-quantile.numerator * total // quantile.denominator)
    if rank > histogram.count:
        return "never" if _is_recovery(figure) else "no answer", why
    value = histogram.value_at(Fraction(rank, histogram.count))
    if value is None or threshold.holds(value):
        return None
    return format_quantity(value, Kind.DURATION), f"{why}; they rank above every other"


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
