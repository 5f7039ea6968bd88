"""pacing: the exchange sent when it intended to, and what it sent reached the wire; or nothing is valid.

Packets that a fault of the scenario made the exchange hold back were late on purpose: they are left out, and the
line that has the more of the others is judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.figures import look_up, too_few_samples
from lab.measure.histogram import Histogram
from lab.measure.rows import LINE_NAMES, Rows
from lab.measure.wire import NEVER
from lab.units import format_duration, format_duration_exact

__all__ = ["check"]

NAME = "pacing"
CARRIER_NS = 20_000_000  # after link up, until the carrier is back
HOLDING_BACK = ("delay", "reorder")  # faults that the exchange executes by sending later
HELD_REACH_NS = 1_000_000  # how far from a window's stamps the intended times of its packets may lie
NO_FIGURES: Mapping[str, int | None] = {"count": 0, "p99": None, "max": None}


@register(NAME, always=True)
def check(evidence: Evidence) -> CheckResult:
    bound_ns = evidence.scenario.measure.pacing_bound_ns
    expected = f"pacing_error.p99 <= {format_duration_exact(bound_ns)}"
    figures, left_out = _judged(evidence)
    p99_ns = figures["p99"]
    if p99_ns is None:
        nothing = "every packet was held back by a fault" if left_out else "no packet reached the wire"
        return unknown(NAME, expected=expected, observed=nothing)
    observed = f"p99 {format_duration(float(p99_ns))}, max {format_duration(float(figures['max'] or 0))}"
    thin = too_few_samples({"latency_ns": {"pacing_error": figures}}, "pacing_error.p99")
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
    lines = [left_out] if left_out else []
    lines += [
        f"line {line.line}: {line.packets - line.missing:,} of {line.packets:,} packets,"
        f" {line.early:,} early, latest {format_duration(line.late_max_ns)}"
        for line in evidence.measurement.pacing
    ]
    return passed(NAME, expected=expected, observed=observed, evidence="; ".join(lines))


def _judged(evidence: Evidence) -> tuple[Mapping[str, int | None], str]:
    """(figures of the pacing error, what was left out for a fault that held packets back)."""
    wire = evidence.measurement.wire
    held = {line.line: _held_back(evidence, line.line) for line in evidence.measurement.pacing}
    if not any(mask.any() for mask in held.values()):
        figures: Mapping[str, int | None] = evidence.blocks["latency_ns"].get("pacing_error", NO_FIGURES)
        return figures, ""
    judged = {}
    for line, mask in held.items():
        arrival = wire.at_wire[LINE_NAMES.index(line)]
        kept, intended = ~mask & (arrival != NEVER), _intended(evidence, line)
        judged[line] = np.abs(arrival[kept] - intended[kept])
    line = max(judged, key=lambda name: len(judged[name]))
    without = ", ".join(f"{int(mask.sum()):,} of line {name}" for name, mask in held.items() if mask.any())
    said = f"judged on line {line} without the packets that a fault held back ({without})"
    return Histogram.of(judged[line]).figures().to_json(), said


def _intended(evidence: Evidence, line: str) -> Rows:
    """Intended times in order of the feed, as arrivals are; NEVER: not meant for this line."""
    packets, two = evidence.data.packets, evidence.data.two_lines
    if two is not None:
        mine: Rows = two.intended_ns[LINE_NAMES.index(line)]
        return mine
    ordered: Rows = packets["intended_ns"][np.argsort(packets["first_sequence"], kind="stable")]
    return ordered


def _held_back(evidence: Evidence, line: str) -> NDArray[np.bool_]:
    """Which packets a fault told the exchange to send late on this line, by its windows of time."""
    intended = _intended(evidence, line)
    mask = np.zeros(len(intended), bool)
    for fault, record in zip(evidence.scenario.faults, evidence.data.faults, strict=False):
        if fault.do not in HOLDING_BACK or line not in getattr(fault, "lines", ()) or not record.injected_ns:
            continue
        windows = record.windows or ((record.injected_ns, record.healed_ns or NEVER - HELD_REACH_NS),)
        for first_ns, last_ns in windows:
            mask |= (intended >= first_ns - HELD_REACH_NS) & (intended <= last_ns + HELD_REACH_NS)
    return mask


def _missing_with_link_up(evidence: Evidence, line: str) -> int:
    """Packets that never reached the wire although no fault had taken its link down at their time."""
    intended = _intended(evidence, line)
    missing = intended[
        (evidence.measurement.wire.at_wire[LINE_NAMES.index(line)] == NEVER) & (intended != NEVER)
    ]
    explained = np.zeros(len(missing), bool)
    for fault, record in zip(evidence.scenario.faults, evidence.data.faults, strict=False):
        if getattr(fault, "port", None) == line and record.injected_ns:
            until_ns = record.healed_ns + CARRIER_NS if record.healed_ns else NEVER
            explained |= (missing >= record.injected_ns - CARRIER_NS) & (missing <= until_ns)
    return int((~explained).sum())
