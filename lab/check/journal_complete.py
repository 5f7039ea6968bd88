"""journal_complete: every input and output of the engine is in its journal, which can be run again."""

from __future__ import annotations

import os

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.scenario.models import Scenario

__all__ = ["check"]

NAME = "journal_complete"
EXPECTED = "no record lost"


def is_asked(scenario: Scenario) -> bool:
    return scenario.engine.journal


@register(NAME, always=is_asked)
def check(evidence: Evidence) -> CheckResult:
    journal = evidence.data.engine.journal
    if not journal.get("records"):
        return unknown(NAME, expected=EXPECTED, observed="no journal", evidence="engine.json has none")
    lost, failure = journal["lost"], journal["failure"]
    ring = f"ring at most {journal['high_water']:,} of {journal['ring_bytes']:,} bytes full"
    if failure:
        why = os.strerror(failure)
        return unknown(
            NAME, expected=EXPECTED, observed=f"the file could not be written: {why}", evidence=ring
        )
    if lost:
        return unknown(NAME, expected=EXPECTED, observed=f"{lost:,} records lost", evidence=ring)
    observed = f"{journal['records']:,} records, {journal['bytes']:,} bytes, 0 lost"
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=ring)
