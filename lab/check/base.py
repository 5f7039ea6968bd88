"""What a check is: a name, a function from evidence to a CheckResult, and the registry both live in.

How to write the next one
    1. Add ``lab/check/<name>.py`` with one function ``check(evidence: Evidence) -> CheckResult`` under
       ``@register("<name>", always=...)``: ``always=True`` runs in every run, a function
       says in which, and otherwise it runs when ``expect`` asks.
    2. Use ``passed``, ``failed`` and ``unknown``. UNKNOWN is for evidence that is missing or doubtful; FAIL
       is for evidence that the engine did wrong. Say in ``evidence`` what a reader would look at next.
    3. Name it in lab/scenario/figures.py CHECKS, import it in lab/check/__init__.py, list it in
       lab/python_sources.txt, and add tests for each of the three verdicts.

An exception inside a check becomes UNKNOWN with the exception as evidence; it can never become PASS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.measure.data import RunData
from lab.measure.measurement import Measurement
from lab.scenario.models import Scenario

__all__ = [
    "CheckResult",
    "Evidence",
    "Registered",
    "Verdict",
    "failed",
    "passed",
    "register",
    "registered_checks",
    "trades",
    "unknown",
]


class Verdict(StrEnum):
    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"

    @property
    def exit_code(self) -> int:
        return {"PASS": 0, "FAIL": 1, "UNKNOWN": 2}[self.value]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One line of the checks table. ``expected`` and ``observed`` are short; ``evidence`` explains."""

    name: str
    verdict: Verdict
    expected: str
    observed: str
    evidence: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "expected": self.expected,
            "observed": self.observed,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All a check may look at. ``blocks`` are the numbers of summary.json."""

    data: RunData
    measurement: Measurement
    blocks: Mapping[str, Any]
    scenario: Scenario


Check = Callable[[Evidence], CheckResult]
Always = bool | Callable[[Scenario], bool]


@dataclass(frozen=True, kw_only=True)
class Registered:
    name: str
    check: Check
    always: Always

    def runs_unasked(self, scenario: Scenario) -> bool:
        """True when the check runs whether or not ``expect`` names it."""
        return self.always(scenario) if callable(self.always) else self.always


_registry: dict[str, Registered] = {}


def trades(scenario: Scenario) -> bool:
    """For ``always``: a run in which orders can leave; of market data only there is nothing to show about them."""
    return scenario.engine.venue != "mdp3"


def register(name: str, *, always: Always) -> Callable[[Check], Check]:
    """Decorator: makes the function the check called ``name``."""

    def add(check: Check) -> Check:
        if name in _registry:
            raise ValueError(f"two checks are called {name!r}")
        _registry[name] = Registered(name=name, check=check, always=always)
        return check

    return add


def registered_checks() -> dict[str, Registered]:
    return dict(_registry)


def passed(name: str, *, expected: str, observed: str, evidence: str = "") -> CheckResult:
    return CheckResult(
        name=name, verdict=Verdict.PASS, expected=expected, observed=observed, evidence=evidence
    )


def failed(name: str, *, expected: str, observed: str, evidence: str = "") -> CheckResult:
    return CheckResult(
        name=name, verdict=Verdict.FAIL, expected=expected, observed=observed, evidence=evidence
    )


def unknown(name: str, *, expected: str, observed: str, evidence: str = "") -> CheckResult:
    return CheckResult(
        name=name, verdict=Verdict.UNKNOWN, expected=expected, observed=observed, evidence=evidence
    )
