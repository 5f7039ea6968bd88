"""pacing: the exchange sent when it intended to, and what it sent reached the wire; or nothing is valid."""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.figures import look_up, too_few_samples
from lab.measure.rows import LINE_NAMES
from lab.measure.wire import NEVER
from lab.units import format_duration, format_duration_exact

__all__ = ["check"]

NAME = "pacing"
CARRIER_NS = 20_000_000  # after link up, until the carrier is back


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
    for line in evidence.measurement.pacing:
        unexplained = _missing_with_link_up(evidence, line.line) if line.missing else 0
        if unexplained:
            doubts.append(
                f"line {line.line}: {unexplained:,} of {line.packets:,} packets never reached the wire"
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


def _missing_with_link_up(evidence: Evidence, line: str) -> int:
    """Packets that never reached the wire although no fault had taken its link down at their time."""
    packets = evidence.data.packets
    intended = packets["intended_ns"][np.argsort(packets["first_sequence"], kind="stable")]
    missing = intended[evidence.measurement.wire.at_wire[LINE_NAMES.index(line)] == NEVER]
    explained = np.zeros(len(missing), bool)
    for fault, record in zip(evidence.scenario.faults, evidence.data.faults, strict=False):
        if getattr(fault, "port", None) == line and record.injected_ns:
            until_ns = record.healed_ns + CARRIER_NS if record.healed_ns else NEVER
            explained |= (missing >= record.injected_ns - CARRIER_NS) & (missing <= until_ns)
    return int((~explained).sum())
