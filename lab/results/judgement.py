"""A scenario and the RunData it left in; measurement, checks, verdict and the content of summary.json out.

summary.json is schema 1 of the results contract. Everything beyond the contract is an added key, so that a
reader of the contract alone never breaks; a key is never renamed or given another meaning within a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.check import CheckResult, Verdict, judge
from lab.measure import Measurement, RunData, measure_run
from lab.scenario import Scenario

__all__ = ["SCHEMA", "Judgement", "judge_run"]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """``summary`` is the JSON form of everything else here, plus what identifies the run."""

    measurement: Measurement
    summary: Mapping[str, Any]
    checks: tuple[CheckResult, ...]
    verdict: Verdict


def judge_run(scenario: Scenario, data: RunData) -> Judgement:
    """Measures and judges; the same data and scenario always give the same result. Touches no files."""
    measure = scenario.measure
    measurement = measure_run(data, late_after_ns=measure.late_after_ns, line_bound_ns=measure.line_bound_ns)
    checked = judge(data, measurement, scenario)
    blocks = dict(checked.blocks)
    faults = blocks.pop("faults")
    summary = {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "title": scenario.title,
        "description": scenario.description,
        "seed": scenario.seed,
        "verdict": checked.verdict.value,
        "run": _run(scenario, data, measurement),
        **blocks,
        "wires": _wires(data, blocks),
        "engine": _engine(data),
        "checks": [check.to_json() for check in checked.checks],
        "faults": faults,
    }
    if data.generator is not None:
        summary["generator"] = dict(data.generator)
    return Judgement(measurement=measurement, summary=summary, checks=checked.checks, verdict=checked.verdict)


def _run(scenario: Scenario, data: RunData, measurement: Measurement) -> dict[str, Any]:
    """What was played. ``started_ns`` is the zero of time lines; ``duration_ns`` is first to last packet."""
    intended = data.packets["intended_ns"]
    traffic = scenario.traffic
    return {
        "started_ns": measurement.started_ns,
        "duration_ns": int(intended.max()) - measurement.started_ns if len(intended) else 0,
        "packets": len(data.packets),
        "source": traffic.kind,
        "strategy": "none" if data.two_lines else scenario.engine.strategy,
        "venue": scenario.engine.venue,
        "wire": data.engine.wire,
        "wire_mode": data.engine.wire_mode,
        "late_after_ns": scenario.measure.late_after_ns,
        "pacing_bound_ns": scenario.measure.pacing_bound_ns,
        "gap_bound_ns": scenario.measure.gap_bound_ns,
        "sessions": [dict(vars(session)) for session in data.sessions],
    }


def _wires(data: RunData, blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Every wire of the run: what it is made of, how many packets were stamped on it, and how it was changed."""
    changed = blocks["wires"]
    lines = {
        name: {"backend": data.engine.wire, "mode": data.engine.wire_mode, **counters}
        for name, counters in blocks["feed"]["wire"].items()
    }
    bypass = changed.get("in_use") == "af_xdp"
    order = {
        "backend": "af_xdp" if bypass else "kernel",
        "mode": "lwip" if bypass else "tcp",
        "orders": blocks["counts"]["orders"],
    }
    return {**changed, **lines, "order": order}


def _engine(data: RunData) -> dict[str, Any]:
    engine = data.engine
    return {
        "alive": engine.alive,
        "exit_code": engine.exit_code,
        "final_feed_state": engine.final_feed_state,
        "types": dict(engine.types),
        "book": dict(engine.book),
        "orders": dict(engine.orders),
        "loop": dict(engine.loop),
        "transitions": [dict(vars(transition)) for transition in engine.transitions],
        "transitions_lost": engine.transitions_lost,
        "episodes_lost": engine.episodes_lost,
        "joins": [dict(vars(join)) for join in engine.joins],
        "joins_lost": engine.joins_lost,
        "recovery": dict(engine.recovery),
        "reason_names": {str(code): name for code, name in engine.reason_names.items()},
    }
