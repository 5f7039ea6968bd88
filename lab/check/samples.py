"""samples: at least one order was timed; a run without a sample shows nothing. Not asked of market data only."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, passed, register, trades, unknown
from lab.measure.figures import look_up

__all__ = ["check"]

NAME = "samples"
EXPECTED = "at least one order timed wire to wire"


@register(NAME, always=trades)
def check(evidence: Evidence) -> CheckResult:
    clipped = sum(one.histogram.saturated for one in evidence.measurement.series.values())
    if clipped:
        why = "the histogram ends there; samples.parquet has the values as measured"
        return unknown(NAME, expected=EXPECTED, observed=f"{clipped:,} values above 100 s", evidence=why)
    count = look_up(evidence.blocks, "wire_to_wire.count") or 0
    if count:
        return passed(NAME, expected=EXPECTED, observed=f"{int(count):,} orders timed")
    counts = evidence.measurement.counts
    why = f"{counts.published:,} messages published, {counts.triggers:,} triggers, {counts.orders:,} orders"
    return unknown(NAME, expected=EXPECTED, observed="none", evidence=why)
