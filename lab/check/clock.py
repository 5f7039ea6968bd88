"""clock: no effect comes before its cause. One negative latency means that two stamps are not comparable."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.match import STAGE_COLUMNS
from lab.measure.rows import MISSING, Rows

__all__ = ["check"]

NAME = "clock"
EXPECTED = "no negative latency"


@register(NAME, always=True)
def check(evidence: Evidence) -> CheckResult:
    samples, clock = evidence.measurement.samples, evidence.data.clock
    doubts = []
    for name in ("wire_to_wire", "response"):
        doubts += _negative(samples, name, allowed_ns=0)
    for stage in STAGE_COLUMNS:
        doubts += _negative(samples, stage, allowed_ns=clock.uncertainty_ns)
    floor = evidence.measurement.floor
    if floor is not None and floor.wire_to_wire.negative:
        doubts.append(f"wire_floor: {floor.wire_to_wire.negative:,} negative")
    if doubts:
        return unknown(NAME, expected=EXPECTED, observed=doubts[0], evidence="; ".join(doubts))
    return passed(
        NAME,
        expected=EXPECTED,
        observed="none",
        evidence=f"domain {clock.domain}, grade {clock.grade}, uncertainty {clock.uncertainty_ns} ns",
    )


def _negative(samples: Rows, name: str, *, allowed_ns: int) -> list[str]:
    values = samples[f"{name}_ns"]
    bad = (values != MISSING) & (values < -allowed_ns)
    if not bad.any():
        return []
    worst, first = int(values[bad].min()), int(samples["trigger_sequence"][bad][0])
    return [f"{name}: {int(bad.sum()):,} negative, worst {worst} ns, first at message {first}"]
