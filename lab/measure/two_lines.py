"""Packets of a two-line replay, a row for each line's copy, go in; a row a number, and each line's times, come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import Rows
from lab.measure.wire import NEVER

__all__ = ["TwoLineData", "merged"]

LINES = 2


@dataclass(frozen=True, kw_only=True)
class TwoLineData:
    """What a run of venue mdp3 leaves besides its packets.

    ``intended_ns[line, packet]`` is when each line's copy was to be sent, as the capture has it (scaled by its speed);
    NEVER where the capture has none. ``arrivals`` are the engine's LINE_ARRIVALS. Books are LEVELS: the engine's at
    the end (None: it left none), and those of an independent reader, of the packets that ``reached`` the engine's ports
    and of ``all`` packets. ``live`` are the securities whose book the engine calls right at the end.
    """

    intended_ns: NDArray[np.int64]
    arrivals: Rows
    engine_levels: Rows | None
    reached_levels: Rows
    all_levels: Rows
    live: tuple[int, ...]


def merged(packets: Rows, lines: NDArray[np.uint8]) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """(a row a number in order, intended_ns[line, packet], row of the first copy of each number).

    ``packets`` has a row for each copy that was to be sent on ``lines``; of a line's copies with the same number the
    first counts. A merged row has the times of both lines, and is intended when the earlier copy is.
    """
    numbers, first_copy = np.unique(packets["first_sequence"], return_index=True)
    rows = packets[first_copy].copy()
    rows["sent_ns"] = 0
    intended = np.full((LINES, len(numbers)), NEVER, np.int64)
    for line in range(LINES):
        mine = np.flatnonzero(lines == line)
        here, first = np.unique(packets["first_sequence"][mine], return_index=True)
        place, row = np.searchsorted(numbers, here), mine[first]
        intended[line, place] = packets["intended_ns"][row]
        rows["sent_ns"][place, line] = packets["sent_ns"][row, line]
    rows["intended_ns"] = intended.min(axis=0, initial=NEVER)
    return rows, intended, first_copy
