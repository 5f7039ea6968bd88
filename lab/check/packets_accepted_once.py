"""packets_accepted_once: every packet that reached the engine on either line was taken in exactly once, and no other.

The tap says which numbers reached the engine's ports; the engine's counters say how many packets it took, which line's
copy of each, and how many numbers it gave up. With both lines whole those are all packets of the capture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.arbitration import late_copies
from lab.measure.rows import Rows
from lab.measure.wire import NEVER, PUBLISHED_LINES

__all__ = ["check"]

NAME = "packets_accepted_once"
EXPECTED = "each packet that a line brought, once"


@register(NAME, always=lambda scenario: scenario.engine.venue == "mdp3")
def check(evidence: Evidence) -> CheckResult:
    data = evidence.data
    if not data.engine.alive:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no counters")
    feed: Mapping[str, Any] = data.engine.feed
    reached = (evidence.measurement.wire.at_engine[:PUBLISHED_LINES] != NEVER).any(axis=0)
    wanted, taken = int(reached.sum()), int(feed["delivered"])
    lines = [feed["lines"][name] for name in "AB"]
    wins, late = sum(line["wins"] for line in lines), late_copies(data.engine)
    holes = _holes(np.sort(data.packets["first_sequence"])[reached])
    observed = f"{taken:,} of {wanted:,} packets, each once"
    tapped = [
        evidence.measurement.wire.seen[line] - _kept_off(evidence, line) for line in range(PUBLISHED_LINES)
    ]
    wrong = []
    if taken != wanted:
        wrong.append(f"{wanted:,} packets reached its ports and {taken:,} were taken")
    if wins != taken:
        wrong.append(f"the lines won {wins:,} packets and {taken:,} were taken")
    if feed["gap_packets"] != holes:
        wrong.append(f"{feed['gap_packets']:,} numbers were given up, {holes:,} reached it on neither line")
    for name, line, came in zip("AB", lines, tapped, strict=True):
        if line["packets"] != came:
            wrong.append(f"line {name}: {came:,} packets reached the port and {line['packets']:,} were read")
    spoilt = sum(evidence.measurement.wire.corrupted[:PUBLISHED_LINES])
    if wrong and (data.tap.lost or spoilt):
        wrong.append(f"{data.tap.lost:,} tap records lost, {spoilt:,} packets corrupted by a fault")
        return unknown(NAME, expected=EXPECTED, observed=observed, evidence="; ".join(wrong))
    if wrong and late and taken + feed["gap_packets"] == wanted + holes:
        wrong.append(
            f"{late:,} copies came after their number was given up: a stall, or too short a hold-back"
        )
        return unknown(NAME, expected=EXPECTED, observed=observed, evidence="; ".join(wrong))
    if wrong:
        return failed(NAME, expected=EXPECTED, observed=wrong[0], evidence="; ".join(wrong))
    if wanted == 0:
        return unknown(NAME, expected=EXPECTED, observed="no packet reached the engine")
    of = len(data.packets)
    return passed(
        NAME,
        expected=EXPECTED,
        observed=observed,
        evidence=f"{of:,} in the capture, {holes:,} numbers came on neither line between the first and the last taken; "
        + ", ".join(
            f"line {name}: {line['packets']:,} read, {line['wins']:,} won, {line['duplicates']:,} second copies"
            for name, line in zip("AB", lines, strict=True)
        ),
    )


def _holes(numbers: Rows) -> int:
    """Numbers between the first and the last that no line brought, and be it that the capture has none of them."""
    return int(numbers[-1] - numbers[0]) + 1 - len(numbers) if len(numbers) else 0


def _kept_off(evidence: Evidence, line: int) -> int:
    """Packets of a line that a fault took off the wire at the tap."""
    return evidence.measurement.wire.dropped[line]
