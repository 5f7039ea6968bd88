"""faults_fired: every fault of the scenario took place, each of its repetitions too.

A run in which one did not shows nothing of it. A repetition is a window that harmed a packet, so those that are left
to chance are not counted: none of their packets may have been taken.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.faults import FaultOptions

__all__ = ["check"]

NAME = "faults_fired"
WINDOWS_REMEMBERED = 1024  # by the tap
CHANCES = ("probability", "gilbert_elliott")


@register(NAME, always=lambda scenario: bool(scenario.faults))
def check(evidence: Evidence) -> CheckResult:
    planned, records = evidence.scenario.faults, evidence.data.faults
    expected = f"all {len(planned)} took place" if len(planned) != 1 else "it took place"
    fired = [record for record in records if record.injected_ns]
    observed = f"{len(fired)} of {len(planned)}"
    if len(fired) < len(planned):
        quiet = [
            f"{record.name}: {record.detail or 'not injected'}"
            for record in records
            if not record.injected_ns
        ]
        why = "; ".join(quiet) or "the lab kept no record of it"
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    short = [
        f"{record.name}: {len(record.windows):,} of {wanted:,} windows harmed a packet"
        for fault, record in zip(planned, records, strict=False)
        if (wanted := _certain_windows(fault)) > 1 and len(record.windows) < min(wanted, WINDOWS_REMEMBERED)
    ]
    if short:
        return unknown(NAME, expected=expected, observed=short[0], evidence="; ".join(short))
    details = "; ".join(f"{record.name}: {record.detail}" for record in fired if record.detail)
    return passed(NAME, expected=expected, observed=observed, evidence=details)


def _certain_windows(fault: FaultOptions) -> int:
    """How often the fault is to harm something for certain."""
    repeat = getattr(fault, "repeat", None)
    if repeat is None or any(getattr(fault, chance, None) is not None for chance in CHANCES):
        return 1
    return int(repeat.times)
