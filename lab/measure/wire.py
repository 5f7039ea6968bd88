"""Packets and market taps in; when each packet, and each message, first reached the engine's port out.

Heartbeats and end-of-session packets carry no message and are left out. A packet that a fault dropped at the
tap did reach the wire (pacing counts it) but not the engine (latency does not start there). A retransmission
may be cut into packets of other lengths than the published ones, so it is found by its range of messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import LINE_NAMES, TAP_DROPPED_BY_FAULT, Rows

__all__ = ["NEVER", "WireArrivals", "first_arrivals", "locate"]

NEVER = int(np.iinfo(np.int64).max)
END_OF_SESSION = 0xFFFF
PUBLISHED_LINES = 2

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WireArrivals:
    """``at_wire[line, packet]`` with drops, ``at_engine[line, packet]`` without; NEVER where none was seen.

    ``ranges`` are the taps that match no published packet: (stamp_ns, sequence, count, line).
    """

    at_wire: Integers
    at_engine: Integers
    ranges: Rows
    dropped: tuple[int, ...]
    seen: tuple[int, ...]

    def for_messages(self, packet: Integers, sequence: NDArray[np.uint64]) -> Integers:
        """First arrival at the engine per line (rows A, B, recovery) of each message; NEVER where none."""
        result = np.full((len(LINE_NAMES), len(sequence)), NEVER, np.int64)
        known = packet >= 0
        result[:, known] = self.at_engine[:, packet[known]]
        if len(self.ranges) == 0 or len(sequence) == 0:
            return result
        order = np.argsort(sequence, kind="stable")
        ordered = sequence[order]
        low = np.searchsorted(ordered, self.ranges["sequence"])
        high = np.searchsorted(ordered, self.ranges["sequence"] + self.ranges["count"].astype(np.uint64))
        width = high - low
        row = np.repeat(np.arange(len(width)), width)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(width) - width, width)
        column = order[low[row] + offset]
        np.minimum.at(result, (self.ranges["line"][row], column), self.ranges["stamp_ns"][row])
        return result


def locate(packets: Rows, sequence: NDArray[np.uint64]) -> Integers:
    """Index of the packet that carries each message; -1 for a message that was never published."""
    if len(packets) == 0:
        return np.full(len(sequence), -1, np.int64)
    first = packets["first_sequence"]
    index = np.searchsorted(first, sequence, side="right").astype(np.int64) - 1
    safe = np.maximum(index, 0)
    inside = (index >= 0) & (sequence < first[safe] + packets["count"][safe].astype(np.uint64))
    return np.where(inside, index, -1)


def first_arrivals(packets: Rows, market_taps: Rows) -> WireArrivals:
    """First arrivals by line. ``packets`` must be in order of ``first_sequence``."""
    carries = (market_taps["count"] > 0) & (market_taps["count"] != END_OF_SESSION)
    taps = market_taps[carries & (market_taps["line"] < len(LINE_NAMES))]
    at_wire = np.full((len(LINE_NAMES), len(packets)), NEVER, np.int64)
    at_engine = at_wire.copy()
    first = packets["first_sequence"]
    index = np.searchsorted(first, taps["sequence"])
    safe = np.minimum(index, max(len(first) - 1, 0))
    whole = np.zeros(len(taps), bool)
    if len(first):
        whole = (first[safe] == taps["sequence"]) & (packets["count"][safe] == taps["count"])
    dropped = (taps["flags"] & TAP_DROPPED_BY_FAULT) != 0
    np.minimum.at(at_wire, (taps["line"][whole], safe[whole]), taps["stamp_ns"][whole])
    arrived = whole & ~dropped
    np.minimum.at(at_engine, (taps["line"][arrived], safe[arrived]), taps["stamp_ns"][arrived])
    lines = range(len(LINE_NAMES))
    return WireArrivals(
        at_wire=at_wire,
        at_engine=at_engine,
        ranges=taps[~whole & ~dropped],
        dropped=tuple(int((dropped & (taps["line"] == line)).sum()) for line in lines),
        seen=tuple(int((taps["line"] == line).sum()) for line in lines),
    )
