"""faults_fired: every fault of the scenario took place; a run in which one did not shows nothing of it."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, passed, register, unknown

__all__ = ["check"]

NAME = "faults_fired"


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
    details = "; ".join(f"{record.name}: {record.detail}" for record in fired if record.detail)
    return passed(NAME, expected=expected, observed=observed, evidence=details)
