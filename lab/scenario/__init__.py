"""Scenarios: YAML in, frozen ``Scenario`` values out; every problem is reported at once with its line."""

from __future__ import annotations

from lab.scenario.freeze import freeze
from lab.scenario.load import load_frozen, load_scenario, load_scenarios
from lab.scenario.models import (
    Bursts,
    Capacity,
    Engine,
    Measure,
    Packing,
    Parameter,
    RiskLimits,
    Scenario,
    StrategyParameters,
    Traffic,
)
from lab.scenario.recovery import Feed, Recovery
from lab.scenario.schema import scenario_schema

__all__ = [
    "Bursts",
    "Capacity",
    "Engine",
    "Feed",
    "Measure",
    "Packing",
    "Parameter",
    "Recovery",
    "RiskLimits",
    "Scenario",
    "StrategyParameters",
    "Traffic",
    "freeze",
    "load_frozen",
    "load_scenario",
    "load_scenarios",
    "scenario_schema",
]
