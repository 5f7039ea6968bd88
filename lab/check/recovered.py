"""recovered: the feed reached LIVE, came back to it after every blindness, and got every message that it wanted.

The engine's stamped states say when it was LIVE. The taps say what reached it: a feed that calls itself LIVE
behind messages that no line, no reply and no snapshot brought has not recovered, it has forgotten.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.units import format_duration

__all__ = ["check"]

NAME = "recovered"
EXPECTED = "LIVE again after every blindness, nothing missing"
IN_SYNC = ("LIVE", "ENDED")


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    engine, quality = evidence.data.engine, evidence.measurement.feed
    blindness = quality.blindness
    state = engine.final_feed_state
    if not engine.alive:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no states")
    if state not in IN_SYNC:
        observed = f"the feed ended in {state or 'an unknown state'}"
        return (failed if state else unknown)(NAME, expected=EXPECTED, observed=observed)
    if not blindness.complete:
        why = "the engine could not remember all of its state changes, nor all of its holes"
        return unknown(NAME, expected=EXPECTED, observed="not all states are known", evidence=why)
    if not blindness.first_live_ns:
        return failed(NAME, expected=EXPECTED, observed="the feed was never LIVE")
    count = len(blindness.stretches)
    times = f"{count:,} times" if count != 1 else "once"
    if blindness.unrecovered:
        last = next(stretch for stretch in blindness.stretches if not stretch.recovered)
        why = f"LIVE was left for {last.cause or 'an unknown cause'} at message {last.first_sequence}"
        observed = f"blind {times}, {blindness.unrecovered:,} of them to the end"
        return failed(NAME, expected=EXPECTED, observed=observed, evidence=why)
    observed = f"blind {times}, LIVE again each time" if count else "never blind"
    if quality.unrestored:
        why = f"{quality.unrestored:,} messages reached the engine by no line, no reply and no snapshot"
        report = unknown if evidence.data.tap.lost else failed
        return report(NAME, expected=EXPECTED, observed=observed, evidence=why)
    longest = max((stretch.length_ns for stretch in blindness.stretches), default=0)
    evidence_of = f"longest {format_duration(longest)}, {format_duration(blindness.total_ns)} in all"
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=evidence_of if count else "")
