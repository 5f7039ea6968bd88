"""The engine's feed state over time, rebuilt from its stamped transitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import Transition
from lab.measure.rows import Rows

__all__ = ["live_at_some_moment", "live_throughout"]


def live_throughout(transitions: Sequence[Transition], from_ns: Rows, until_ns: Rows) -> NDArray[np.bool_]:
    """For each interval: True when the state was LIVE at its start and did not change before its end."""
    at, live = _states(transitions)
    start = np.searchsorted(at, from_ns, side="right")
    end = np.searchsorted(at, until_ns, side="right")
    result: NDArray[np.bool_] = live[start] & (start == end)
    return result


def live_at_some_moment(
    transitions: Sequence[Transition], from_ns: Rows, until_ns: Rows
) -> NDArray[np.bool_]:
    """For each interval: True when the state was LIVE at its start, or became LIVE before its end."""
    at, live = _states(transitions)
    start = np.searchsorted(at, from_ns, side="right")
    end = np.searchsorted(at, until_ns, side="right")
    reached = np.cumsum(live)
    result: NDArray[np.bool_] = live[start] | (reached[end] > reached[start])
    return result


def _states(transitions: Sequence[Transition]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(times of the changes, whether LIVE before the first and after each of them)."""
    ordered = sorted(transitions, key=lambda transition: transition.at_ns)
    at = np.array([transition.at_ns for transition in ordered], np.int64)
    return at, np.array([False, *(transition.after == "LIVE" for transition in ordered)])
