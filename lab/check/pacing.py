"""pacing: the exchange sent when it intended to, and what it sent reached the wire; or nothing is valid."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.figures import look_up, too_few_samples
from lab.units import format_duration, format_duration_exact

__all__ = ["check"]

NAME = "pacing"


@register(NAME, always=True)
def check(evidence: Evidence) -> CheckResult:
    bound_ns = evidence.scenario.measure.pacing_bound_ns
    expected = f"pacing_error.p99 <= {format_duration_exact(bound_ns)}"
    p99_ns = look_up(evidence.blocks, "pacing_error.p99")
    if p99_ns is None:
        return unknown(NAME, expected=expected, observed="no packet reached the wire")
    worst_ns = look_up(evidence.blocks, "pacing_error.max") or 0
    observed = f"p99 {format_duration(float(p99_ns))}, max {format_duration(float(worst_ns))}"
    thin = too_few_samples(evidence.blocks, "pacing_error.p99")
    if thin is not None:
        return unknown(NAME, expected=expected, observed=observed, evidence=thin)
    if p99_ns > bound_ns:
        stall = look_up(evidence.blocks, "exchange.loop_stall_max_ns") or 0
        why = f"the exchange's loop stood still for up to {format_duration(float(stall))}"
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    doubts = []
    links = {getattr(fault, "port", None) for fault in evidence.scenario.faults}
    for line in evidence.measurement.pacing:
        if line.missing and line.line not in links:
            doubts.append(
                f"line {line.line}: {line.missing:,} of {line.packets:,} packets never reached the wire"
                f" ({line.unsent:,} of them were not sent) and no fault explains it"
            )
    if doubts:
        return unknown(NAME, expected=expected, observed=doubts[0], evidence="; ".join(doubts))
    lines = [
        f"line {line.line}: {line.packets - line.missing:,} of {line.packets:,} packets,"
        f" {line.early:,} early, latest {format_duration(line.late_max_ns)}"
        for line in evidence.measurement.pacing
    ]
    return passed(NAME, expected=expected, observed=observed, evidence="; ".join(lines))
