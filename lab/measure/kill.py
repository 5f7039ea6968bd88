"""How long orders still left behind each throw of the kill switch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import FaultRecord
from lab.measure.rows import Rows

__all__ = ["kill_samples"]

Integers = NDArray[np.int64]


def kill_samples(faults: Sequence[FaultRecord], order_arrivals: Rows) -> tuple[Integers, Integers]:
    """(ns from the command to the last order on the wire before the release, time of the command), one a command.

    0 when none came. A switch that does not hold gives about the time it was thrown for.
    """
    stamps = np.sort(order_arrivals["stamp_ns"])
    windows = [window for fault in faults if fault.name == "kill" for window in fault.windows]
    thrown = np.array([begin for begin, _ in windows], np.int64)
    released = np.array([end for _, end in windows], np.int64)
    first, behind = np.searchsorted(stamps, thrown), np.searchsorted(stamps, released)
    last = stamps[np.maximum(behind, 1) - 1] if len(stamps) else np.zeros(len(windows), np.int64)
    return np.where(behind > first, last - thrown, 0).astype(np.int64), thrown
