"""Intended times and stamps of the wire enter; how far the generator kept the gaps and the shape of bursts leaves.

A generator's own word is never asked: a gap is the difference of two stamps. Every source of frames on a line (a
driver) is looked at by itself: the exchange's market data, its noise, and whatever else sends by a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import RunData
from lab.measure.histogram import Histogram
from lab.measure.noise import NoiseData, noise_arrivals
from lab.measure.rows import LINE_NAMES, Rows
from lab.measure.wire import NEVER, PUBLISHED_LINES, WireArrivals

__all__ = ["BurstShapes", "LineGaps", "gaps_of", "measure_gaps"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BurstShapes:
    """A value a burst of two frames or more, in ns: its worst gap error, how much longer it took than intended, its
    intended and its least and largest actual gap, and its intended start. ``incomplete`` lack a frame and have none."""

    worst: Integers
    stretch: Integers
    meant: Integers
    least: Integers
    largest: Integers
    at: Integers
    incomplete: int

    @property
    def count(self) -> int:
        return len(self.worst) + self.incomplete


@dataclass(frozen=True, kw_only=True)
class LineGaps:
    """One driver on one line. Gaps are between frames that are neighbours in the plan and both arrived."""

    driver: str
    line: str
    frames: int
    missing: int
    intended: Integers
    actual: Integers
    bursts: BurstShapes

    @property
    def error(self) -> Integers:
        error: Integers = np.abs(self.actual - self.intended)
        return error

    def to_json(self) -> dict[str, Any]:
        return {
            "driver": self.driver,
            "line": self.line,
            "frames": self.frames,
            "missing": self.missing,
            "intended_ns": Histogram.of(self.intended).figures().to_json(),
            "actual_ns": Histogram.of(self.actual).figures().to_json(),
            "error_ns": Histogram.of(self.error).figures().to_json(),
            "bursts": {
                "count": self.bursts.count,
                "incomplete": self.bursts.incomplete,
                "worst_ns": Histogram.of(self.bursts.worst).figures().to_json(),
                "stretch_ns": Histogram.of(np.abs(self.bursts.stretch)).figures().to_json(),
            },
        }


def gaps_of(*, driver: str, line: str, intended: Rows, arrival: Rows, burst: Rows) -> LineGaps:
    """``intended`` in the order of the plan, ``arrival`` of the same frames (NEVER: none), ``burst`` -1 outside of one.

    The numbers of bursts are the driver's: any value that the frames of one burst share and those of others do not.
    """
    before, behind = arrival[:-1], arrival[1:]
    both = (before != NEVER) & (behind != NEVER)
    return LineGaps(
        driver=driver,
        line=line,
        frames=len(intended),
        missing=int((arrival == NEVER).sum()),
        intended=np.diff(intended)[both],
        actual=behind[both] - before[both],
        bursts=_bursts(intended, arrival, burst),
    )


def _bursts(intended: Rows, arrival: Rows, burst: Rows) -> BurstShapes:
    inside = np.flatnonzero(burst >= 0)
    order = inside[np.argsort(burst[inside], kind="stable")]
    number = burst[order]
    starts = np.flatnonzero(np.append(True, number[1:] != number[:-1])) if len(order) else order
    sizes = np.diff(np.append(starts, len(order)))
    starts, sizes = starts[sizes >= 2], sizes[sizes >= 2]
    rows: list[tuple[int, int, int, int, int, int]] = []
    incomplete = 0
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        frames = order[start : start + size]
        if (arrival[frames] == NEVER).any():
            incomplete += 1
            continue
        meant, came = np.diff(intended[frames]), np.diff(arrival[frames])
        rows.append(
            (
                int(np.abs(came - meant).max()),
                int(came.sum() - meant.sum()),
                int(np.median(meant)),
                int(came.min()),
                int(came.max()),
                int(intended[frames[0]]),
            )
        )
    table = np.array(rows, np.int64).reshape(-1, 6)
    return BurstShapes(
        worst=table[:, 0],
        stretch=table[:, 1],
        meant=table[:, 2],
        least=table[:, 3],
        largest=table[:, 4],
        at=table[:, 5],
        incomplete=incomplete,
    )


def measure_gaps(data: RunData, packets: Rows, wire: WireArrivals) -> Mapping[str, LineGaps]:
    """By name: A and B are the market data's, noise_A and noise_B what the exchange sent beside it."""
    found: dict[str, LineGaps] = {}
    for line in range(PUBLISHED_LINES):
        name = LINE_NAMES[line]
        intended = packets["intended_ns"] if data.two_lines is None else data.two_lines.intended_ns[line]
        meant = np.flatnonzero(intended != NEVER)
        meant = meant[np.argsort(intended[meant], kind="stable")]
        arrival = wire.at_wire[line][meant]
        if len(meant) and (arrival != NEVER).any():
            found[name] = gaps_of(
                driver="exchange" if data.generator is None else "trex",
                line=name,
                intended=intended[meant],
                arrival=arrival,
                burst=packets["burst"][meant].astype(np.int64),
            )
    if data.noise is not None:
        found |= _noise(data.noise)
    return found


def _noise(noise: NoiseData) -> dict[str, LineGaps]:
    found = {}
    for line in range(PUBLISHED_LINES):
        records, arrival = noise_arrivals(noise, line)
        if not len(records):
            continue
        burst = records["burst"].astype(np.int64)
        streams = records["stream"].astype(np.int64)
        found[f"noise_{LINE_NAMES[line]}"] = gaps_of(
            driver="noise",
            line=LINE_NAMES[line],
            intended=records["intended_ns"],
            arrival=arrival,
            burst=np.where(burst < 0, -1, streams << 32 | burst),
        )
    return found
