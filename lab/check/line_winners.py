"""line_winners: which line won each packet, and by how much, is what the tap saw and what the capture says.

The bound is the scenario's measure.line_bound. Packets that cannot be told apart by it are counted, not judged, and
when too few are left, or the engine or the lab stood still too often, nothing was shown.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.arbitration import Arbitration, late_copies
from lab.units import format_duration_exact

__all__ = ["check"]

NAME = "line_winners"
DECIDED_LEAST = 0.5  # of the packets that came on both lines
STOOD_STILL_MOST = 0.05  # of them: the engine found both copies waiting, or read one late
OFF_SCHEDULE_MOST = 0.05  # of them: the lab did not replay the capture's difference


@register(NAME, always=lambda scenario: scenario.engine.venue == "mdp3")
def check(evidence: Evidence) -> CheckResult:
    lines = evidence.measurement.arbitration
    bound = format_duration_exact(evidence.scenario.measure.line_bound_ns)
    expected = f"winner as at the tap, margins within {bound}"
    if lines is None or not evidence.data.engine.alive:
        return unknown(NAME, expected=expected, observed="the engine left no arrivals")
    if lines.both == 0:
        return unknown(NAME, expected=expected, observed="no packet came on both lines")
    told = _told(lines)
    observed = f"{lines.decided:,} of {lines.both:,} packets decided, {lines.wrong:,} wrong"
    wrong = _wrong(evidence, lines)
    if wrong and (evidence.data.tap.lost or evidence.data.engine.feed.get("arrivals_lost")):
        why = "; ".join([*wrong, "records were lost by the tap or by the engine"])
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    if wrong:
        return failed(NAME, expected=expected, observed=wrong[0], evidence="; ".join([*wrong, told]))
    doubts = _doubts(lines)
    if doubts:
        return unknown(NAME, expected=expected, observed=observed, evidence="; ".join([*doubts, told]))
    return passed(NAME, expected=expected, observed=observed, evidence=told)


def _wrong(evidence: Evidence, lines: Arbitration) -> list[str]:
    found = []
    if lines.wrong:
        numbers = ", ".join(str(number) for number in lines.wrong_numbers)
        found.append(f"{lines.wrong:,} winners are not the line whose copy was first (packets {numbers})")
    if lines.unreported > late_copies(evidence.data.engine):
        found.append(f"{lines.unreported:,} packets came on both lines and the engine does not say so")
    if lines.unfounded or lines.repeated:
        count = lines.unfounded + lines.repeated
        found.append(
            f"{count:,} arrivals of the engine are of no packet that came on both lines, or its second"
        )
    if lines.early:
        found.append(f"{lines.early:,} arrivals are stamped before the copy was on the wire")
    return found


def _doubts(lines: Arbitration) -> list[str]:
    found = []
    if lines.decided < DECIDED_LEAST * lines.both:
        found.append("too few are decided: play the capture slower, or see why the lab was off schedule")
    if lines.off_schedule > OFF_SCHEDULE_MOST * lines.both:
        found.append(f"the lab replayed {lines.off_schedule:,} differences wrongly")
    still = lines.together + lines.late_reads
    if still > STOOD_STILL_MOST * lines.both:
        found.append(f"the engine read {still:,} copies late")
    return found


def _told(lines: Arbitration) -> str:
    winners = ", ".join(
        f"{line} first {tap:,} at the tap ({capture:,} in the capture, {engine:,} by the engine)"
        for line, (capture, tap, engine) in lines.winners.items()
    )
    return (
        f"{winners}; not judged: {lines.close:,} closer than the bound, {lines.off_schedule:,} not replayed as"
        f" captured, {lines.together:,} found waiting together; {lines.late_reads:,} margins off by a late read"
    )
