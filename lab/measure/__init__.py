"""Measurement: what a run left behind in; latencies, denominators and figures out. Judging is lab.check's."""

from __future__ import annotations

from lab.measure.data import (
    ClockInfo,
    EngineReport,
    Episode,
    Event,
    ExchangeReport,
    FaultRecord,
    FloorData,
    HostReport,
    Join,
    RunData,
    Session,
    TapReport,
    Transition,
    empty_rows,
)
from lab.measure.feed_quality import FeedQuality
from lab.measure.figures import figure_blocks, look_up
from lab.measure.histogram import Histogram, LatencyFigures, supports
from lab.measure.match import Matching, Status
from lab.measure.measurement import Counts, Measurement, Series, measure_run

__all__ = [
    "ClockInfo",
    "Counts",
    "EngineReport",
    "Episode",
    "Event",
    "ExchangeReport",
    "FaultRecord",
    "FeedQuality",
    "FloorData",
    "Histogram",
    "HostReport",
    "Join",
    "LatencyFigures",
    "Matching",
    "Measurement",
    "RunData",
    "Series",
    "Session",
    "Status",
    "TapReport",
    "Transition",
    "empty_rows",
    "figure_blocks",
    "look_up",
    "measure_run",
    "supports",
]
