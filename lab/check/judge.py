"""Evidence in; every check's result and the verdict of the run out.

FAIL if any check failed; else UNKNOWN if any could not be decided, or if there was none; else PASS.
A latency that breaks its bound while the lab itself was not on firm ground (GROUND) is UNKNOWN: it may be the
host's latency, not the engine's.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lab.check.base import CheckResult, Evidence, Registered, Verdict, registered_checks, unknown
from lab.check.thresholds import check_threshold
from lab.measure.data import RunData
from lab.measure.figures import figure_blocks
from lab.measure.measurement import Measurement
from lab.scenario.figures import canonical, figure_for
from lab.scenario.models import Scenario
from lab.units import Kind

__all__ = ["Checked", "judge", "verdict_of"]

GROUND = ("samples", "tap_complete", "clock", "pacing", "burst_shape")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """``blocks`` are the numbers that were judged: those of summary.json."""

    checks: tuple[CheckResult, ...]
    verdict: Verdict
    blocks: Mapping[str, Any]


def judge(data: RunData, measurement: Measurement, scenario: Scenario) -> Checked:
    """Always-on checks first, then the scenario's expectations in their order."""
    evidence = Evidence(
        data=data, measurement=measurement, blocks=figure_blocks(data, measurement), scenario=scenario
    )
    known = registered_checks()
    results = [_guarded(item, evidence) for item in known.values() if item.runs_unasked(scenario)]
    for name in scenario.expect:
        item = known.get(canonical(name))
        if item is None:
            item = Registered(name=name, check=partial(check_threshold, name), always=False)
        if not item.runs_unasked(scenario):
            results.append(_guarded(item, evidence))
    results = _on_firm_ground(results, scenario)
    return Checked(checks=tuple(results), verdict=verdict_of(results), blocks=evidence.blocks)


def _on_firm_ground(results: Sequence[CheckResult], scenario: Scenario) -> list[CheckResult]:
    """Failed latency thresholds become UNKNOWN when a check of the lab itself did not pass."""
    doubts = [
        result.name for result in results if result.name in GROUND and result.verdict is not Verdict.PASS
    ]
    if not doubts:
        return list(results)
    because = f"not the engine's alone while {', '.join(doubts)} did not pass"
    return [
        replace(result, verdict=Verdict.UNKNOWN, evidence="; ".join(filter(None, (result.evidence, because))))
        if result.verdict is Verdict.FAIL and result.name in scenario.expect and _is_latency(result.name)
        else result
        for result in results
    ]


def _is_latency(name: str) -> bool:
    figure = canonical(name)
    known = figure_for(figure)
    return figure.endswith("_over_floor") or (known is not None and known.kind is Kind.DURATION)


def verdict_of(results: Sequence[CheckResult]) -> Verdict:
    """No check at all is UNKNOWN: nothing was shown."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    if not verdicts or Verdict.UNKNOWN in verdicts:
        return Verdict.UNKNOWN
    return Verdict.PASS


def _guarded(item: Registered, evidence: Evidence) -> CheckResult:
    try:
        return item.check(evidence)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return unknown(
            item.name,
            expected="a check that runs",
            observed="the check itself crashed",
            evidence=f"{type(error).__name__}: {error} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})",
        )
