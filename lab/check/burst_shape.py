"""Did the generator keep its plan? Bursts that reached the wire smeared or clumped beyond ``measure.gap_bound``.

A burst is misshapen when one of its gaps is off by more than the bound, or a frame of it never came. More than one in a
hundred of them, of any driver on any line, and the run is UNKNOWN: what was measured is not what was meant. A driver
without bursts is judged by all its gaps, p99 of their error. Only stamps of the wire are asked.
"""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.gaps import BurstShapes, LineGaps
from lab.measure.histogram import PERCENTILES, Histogram, supports
from lab.scenario.models import Scenario
from lab.units import format_duration, format_duration_exact

__all__ = ["check"]

NAME = "burst_shape"
TOLERATED_PERCENT = 1


def _wanted(scenario: Scenario) -> bool:
    return scenario.measure.gap_bound_ns is not None


@register(NAME, always=_wanted)
def check(evidence: Evidence) -> CheckResult:
    bound_ns = evidence.scenario.measure.gap_bound_ns
    if bound_ns is None:
        return unknown(
            NAME, expected="measure.gap_bound", observed="no bound is given", evidence="set measure.gap_bound"
        )
    expected = (
        f"gaps within {format_duration_exact(bound_ns)} of the plan, {TOLERATED_PERCENT}% of bursts excepted"
    )
    gaps = evidence.measurement.gaps
    if not gaps:
        return unknown(NAME, expected=expected, observed="no frame reached the wire")
    doubts: list[str] = []
    good: list[str] = []
    for name, one in gaps.items():
        doubt, said = _bursts(name, one.bursts, bound_ns) if one.bursts.count else _plain(name, one, bound_ns)
        (doubts if doubt else good).append(said)
    if doubts:
        return unknown(NAME, expected=expected, observed=doubts[0], evidence="; ".join([*doubts[1:], *good]))
    return passed(NAME, expected=expected, observed=good[0], evidence="; ".join(good[1:]))


def _bursts(name: str, bursts: BurstShapes, bound_ns: int) -> tuple[bool, str]:
    """(too many are misshapen, the story in words)."""
    bad = bursts.worst > bound_ns
    smeared = int((bad & (bursts.stretch > bound_ns)).sum())
    clumped = int(bad.sum()) - smeared
    wrong = int(bad.sum()) + bursts.incomplete
    head = f"{name}: {wrong:,} of {bursts.count:,} bursts"
    kinds = [
        f"{count:,} {what}"
        for count, what in ((smeared, "smeared"), (clumped, "clumped"), (bursts.incomplete, "incomplete"))
        if count
    ]
    if not len(bursts.worst):
        return wrong > 0, f"{head} misshapen ({', '.join(kinds)})"
    place = int(np.argmax(bursts.worst))
    meant, least, largest = (
        format_duration(float(each[place])) for each in (bursts.meant, bursts.least, bursts.largest)
    )
    worst = f"in the worst, frames meant {meant} apart came {least} to {largest} apart"
    if not wrong:
        return False, f"{head} misshapen; {worst}"
    return 100 * wrong > TOLERATED_PERCENT * bursts.count, f"{head} misshapen ({', '.join(kinds)}); {worst}"


def _plain(name: str, gaps: LineGaps, bound_ns: int) -> tuple[bool, str]:
    figures = Histogram.of(gaps.error).figures()
    if figures.p99 is None or not supports(figures.count, PERCENTILES["p99"]):
        return True, f"{name}: {figures.count:,} gaps; p99 needs 100"
    said = f"{name}: gaps off by {format_duration(float(figures.p99))} at p99"
    return figures.p99 > bound_ns, said
