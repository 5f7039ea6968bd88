"""Measured series in; latency.hlog (HdrHistogram log v1.3, one tag a series) and one .hgrm per series out.

Values are nanoseconds. Interval_Max is in milliseconds, as HdrHistogram's own writers have it, and interval
times are seconds since the first packet, whose wall-clock time is the log's StartTime and BaseTime.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lab.measure import Series
from lab.measure.histogram import HALF, HIGHEST_NS, Histogram
from lab.results.files import write_text

__all__ = ["HLOG", "hgrm_text", "write_hgrm", "write_hlog"]

HLOG = "latency.hlog"
LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
SECOND_NS = 1_000_000_000
MAX_UNIT_NS = 1_000_000
TICKS_PER_HALF_DISTANCE = 5
SUB_BUCKETS = 2 * HALF
BUCKETS = (HIGHEST_NS // SUB_BUCKETS).bit_length() + 1  # each doubles the range of the one before


def write_hlog(path: Path, series: Mapping[str, Series], *, started_ns: int, started_utc_ns: int) -> None:
    """Every interval of every series, in order of time. A series without intervals is one interval from 0."""
    intervals: list[tuple[int, int, str, Histogram]] = []
    for name, one in series.items():
        whole = ((started_ns, SECOND_NS, one.histogram),)
        for start_ns, length_ns, histogram in one.intervals or whole:
            if histogram.count:
                intervals.append((start_ns, length_ns, name, histogram))
    intervals.sort(key=lambda interval: interval[0])
    start = datetime.fromtimestamp(started_utc_ns / SECOND_NS, UTC)
    seconds = f"{started_utc_ns // SECOND_NS}.{started_utc_ns % SECOND_NS // 1_000_000:03d}"
    lines = [
        "#[Logged by tailgate, values in nanoseconds]",
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {seconds} (seconds since epoch), {start:%a %b %d %H:%M:%S UTC %Y}]",
        f"#[BaseTime: {seconds} (seconds since epoch)]",
        LEGEND,
    ]
    for start_ns, length_ns, name, histogram in intervals:
        largest_ns = histogram.figures().max or 0
        lines.append(
            f"Tag={name},{(start_ns - started_ns) / SECOND_NS:.3f},{length_ns / SECOND_NS:.3f},"
            f"{largest_ns / MAX_UNIT_NS:.3f},{histogram.to_hdr().encode().decode('ascii')}"
        )
    write_text(path, "\n".join(lines) + "\n")


def write_hgrm(directory: Path, series: Mapping[str, Series]) -> None:
    """``<series>.hgrm`` in ns, for every series that has a sample."""
    for name, one in series.items():
        if one.histogram.count:
            write_text(directory / f"{name}.hgrm", hgrm_text(one.histogram))


def hgrm_text(histogram: Histogram) -> str:
    """The percentile distribution in the layout of HdrHistogram's outputPercentileDistribution.

    A line is due at 0% and then at steps that halve each time the distance to 100% has halved; every level is
    reported at the first recorded bucket that reaches it, and the last line is 100% at the maximum.
    """
    lowest, highest, counts = histogram.buckets()
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    level = 0.0
    for value, reached in zip(highest.tolist(), cumulative.tolist(), strict=True):
        while level < 100.0 and 100.0 * reached / total >= level:
            share = level / 100.0
            lines.append(f"{value:12.3f} {share:2.12f} {reached:10d} {1.0 / (1.0 - share):14.2f}")
            halvings = int(math.log2(100.0 / (100.0 - level)))
            level += 100.0 / (TICKS_PER_HALF_DISTANCE * 2 ** (halvings + 1))
            if reached == total:
                break
    lines.append(f"{float(highest[-1]):12.3f} {1.0:2.12f} {total:10d}")
    middle = lowest + (highest - lowest + 1) // 2
    mean = float((middle * counts).sum()) / total
    deviation = math.sqrt(float((((middle - mean) ** 2) * counts).sum()) / total)
    lines += [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]",
        f"#[Max     = {float(highest[-1]):12.3f}, TotalCount     = {total:12d}]",
        f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {SUB_BUCKETS:12d}]",
    ]
    return "\n".join(lines) + "\n"
