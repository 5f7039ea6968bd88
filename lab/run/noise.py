"""A scenario's noise enters, the exchange's settings for it leave; and what a pass left of it, for measuring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lab.measure.noise import NOISE, NoiseData
from lab.measure.rows import require_rows
from lab.scenario import Scenario
from lab.scenario.dpdk import handed_over
from lab.tap import noise_rows

__all__ = ["noise_data", "noise_settings"]


def noise_settings(scenario: Scenario) -> dict[str, Any]:
    """``noise`` of the exchange's configuration; empty without any, and when TRex sends it."""
    if not scenario.traffic.noise or scenario.traffic.driver == "trex":
        return {}
    return {
        "noise": [
            {
                "profile": one.profile,
                "line": one.line,
                "tunables": one.tunables,
                "direction": one.direction,
                "at_ns": one.at_ns,
                "duration_ns": one.duration_ns,
            }
            for one in scenario.traffic.noise
        ]
    }


def noise_data(scenario: Scenario, *, exchange: Path, engine: Path, taps: Path) -> NoiseData | None:
    """What the exchange sent, the taps saw and the engine dropped; None without noise."""
    if not scenario.traffic.noise:
        return None
    file = exchange / "noise.npy"
    by_trex = scenario.traffic.driver == "trex"  # which has no record of each frame
    report = engine / "engine.json"
    wire = json.loads(report.read_text()).get("wire", {}) if report.exists() else {}
    reads_frames = all(handed_over(scenario.engine, name) for name in "AB")
    return NoiseData(
        records=np.zeros(0, NOISE)
        if by_trex
        else require_rows(np.load(file, allow_pickle=False), NOISE, str(file)),
        taps=noise_rows(taps),
        streams=() if by_trex else json.loads((exchange / "exchange.json").read_text())["noise"],
        discarded={name: int(wire[name]["other_frames"]) for name in "AB" if name in wire}
        if reads_frames
        else {},
    )
