"""clock: no effect comes before its cause. One negative latency means that two stamps are not comparable."""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.match import STAGE_COLUMNS
from lab.measure.rows import MISSING, TAP_CORRUPTED, Rows
from lab.measure.wire import locate

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
    lines = evidence.measurement.arbitration
    if lines is not None and lines.early:
        doubts.append(f"arrivals: {lines.early:,} read by the engine before the tap saw the packet")
    floor = evidence.measurement.floor
    if floor is not None and floor.wire_to_wire.negative:
        doubts.append(f"wire_floor: {floor.wire_to_wire.negative:,} negative")
    if doubts and (early := _from_corrupted(evidence)):
        doubts.append(
            f"{early:,} of these triggers reached the engine in a packet that a fault had corrupted first"
        )
    if doubts:
        return unknown(NAME, expected=EXPECTED, observed=doubts[0], evidence="; ".join(doubts))
    if lines is not None and not lines.both:
        return unknown(NAME, expected=EXPECTED, observed="no two stamps of one packet")
    return passed(
        NAME,
        expected=EXPECTED,
        observed="none" if lines is None else f"none, of {lines.both:,} packets read on both lines",
        evidence=f"domain {clock.domain}, grade {clock.grade}, uncertainty {clock.uncertainty_ns} ns",
    )


def _negative(samples: Rows, name: str, *, allowed_ns: int) -> list[str]:
    values = samples[f"{name}_ns"]
    bad = (values != MISSING) & (values < -allowed_ns)
    if not bad.any():
        return []
    worst, first = int(values[bad].min()), int(samples["trigger_sequence"][bad][0])
    return [f"{name}: {int(bad.sum()):,} negative, worst {worst} ns, first at message {first}"]


def _from_corrupted(evidence: Evidence) -> int:
    """Negative latencies of triggers whose packet came damaged before it came whole: the engine took it as it was."""
    samples, wire, data = evidence.measurement.samples, evidence.measurement.wire, evidence.data
    negative = np.zeros(len(samples), bool)
    for name in ("wire_to_wire_ns", "wire_in_ns"):
        negative |= (samples[name] != MISSING) & (samples[name] < 0)
    corrupted = data.market_taps[(data.market_taps["flags"] & TAP_CORRUPTED) != 0]
    if len(corrupted) == 0 or not negative.any():
        return 0
    packets = data.packets[np.argsort(data.packets["first_sequence"], kind="stable")]
    packet = locate(packets, samples["trigger_sequence"][negative])
    damaged = np.unique(locate(packets, corrupted["sequence"]))
    earlier = wire.at_wire[:, packet].min(axis=0) < wire.at_engine[:, packet].min(axis=0)
    return int((np.isin(packet, damaged[damaged >= 0]) & earlier).sum())
