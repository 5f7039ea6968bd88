"""Measurement: what a run left behind in; latencies, denominators and figures out. Judging is lab.check's."""

from __future__ import annotations

from lab.measure.data import (
    ClockInfo,
    EngineReport,
    Event,
    ExchangeReport,
    FaultRecord,
    FloorData,
    HostReport,
    RunData,
    TapReport,
    Transition,
    empty_rows,
)
from lab.measure.figures import figure_blocks, look_up
from lab.measure.histogram import Histogram, LatencyFigures, supports
from lab.measure.match import Matching, Status
from lab.measure.measurement import Counts, Measurement, Series, measure_run

__all__ = [
    "ClockInfo",
    "Counts",
    "EngineReport",
    "Event",
    "ExchangeReport",
    "FaultRecord",
    "FloorData",
    "Histogram",
    "HostReport",
    "LatencyFigures",
    "Matching",
    "Measurement",
    "RunData",
    "Series",
    "Status",
    "TapReport",
    "Transition",
    "empty_rows",
    "figure_blocks",
    "look_up",
    "measure_run",
    "supports",
]
