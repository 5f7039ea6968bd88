"""Did the engine drop and count every frame of other channels that reached its port, and nothing else?

Judged where the engine is handed the feed's port and nothing else (af_xdp, net_af_xdp): on kernel sockets the kernel
drops what was not joined, and net_af_packet counts every frame of the wire. Frames that found no room in the ring were
dropped before the engine could count them.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.figures import look_up
from lab.scenario.dpdk import handed_over
from lab.scenario.models import Scenario

__all__ = ["check"]

NAME = "noise_dropped"
EXPECTED = "every frame of other channels dropped and counted"


def _wanted(scenario: Scenario) -> bool:
    return bool(scenario.traffic.noise) and all(handed_over(scenario.engine, name) for name in "AB")


@register(NAME, always=_wanted)
def check(evidence: Evidence) -> CheckResult:
    noise = evidence.data.noise
    if noise is None:
        return unknown(NAME, expected=EXPECTED, observed="there was no noise")
    if not noise.discarded:
        return unknown(NAME, expected=EXPECTED, observed="the engine did not say what it dropped")
    if look_up(evidence.blocks, "wires.lines.changes"):
        return unknown(
            NAME, expected=EXPECTED, observed="part of the run was on kernel sockets, which count no frames"
        )
    seen = {name: int((noise.taps["line"] == line).sum()) for line, name in enumerate("AB")}
    lost = int(look_up(evidence.blocks, "feed.wire_drops") or 0)
    story = [f"{name}: {noise.discarded.get(name, 0):,} of {seen[name]:,}" for name in "AB" if seen[name]]
    observed = "; ".join(story) or "none reached the wire"
    missing = sum(seen.values()) - sum(noise.discarded.values())
    if not any(seen.values()):
        return unknown(NAME, expected=EXPECTED, observed=observed)
    if not 0 <= missing <= lost:
        return failed(
            NAME,
            expected=EXPECTED,
            observed=observed,
            evidence=f"{missing:,} were not counted and {lost:,} found no room in the ring",
        )
    rest = f"{missing:,} found no room in the ring" if missing else ""
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=rest)
