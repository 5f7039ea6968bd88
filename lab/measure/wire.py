"""Packets and market taps in; when each packet, and each message, first reached the engine's port out.

Heartbeats and end-of-session packets carry no message and are left out. A packet that a fault dropped or
corrupted at the tap did reach the wire (pacing counts it) but brought the engine nothing (latency does not
start there). A retransmission may be cut into packets of other lengths than the published ones, so it is found
by its range of messages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import LINE_NAMES, TAP_CORRUPTED, TAP_DROPPED_BY_FAULT, TAP_HARMED, Rows

__all__ = ["NEVER", "WireArrivals", "first_arrivals", "locate", "messages_of"]

NEVER = int(np.iinfo(np.int64).max)
END_OF_SESSION = 0xFFFF
PUBLISHED_LINES = 2

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WireArrivals:
    """``at_wire[line, packet]`` with harmed packets, ``at_engine[line, packet]`` without; NEVER where none came.

    ``ranges`` are the taps that match no published packet: (stamp_ns, sequence, count, line). ``seen``,
    ``dropped`` and ``corrupted`` count by line, copies included.
    """

    at_wire: Integers
    at_engine: Integers
    ranges: Rows
    dropped: tuple[int, ...]
    corrupted: tuple[int, ...]
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

    def covered(self, packets: Rows) -> NDArray[np.bool_]:
        """``[line, packet]``: every message of the packet reached the engine on that line, however it was cut."""
        result: NDArray[np.bool_] = self.at_engine != NEVER
        end = packets["first_sequence"] + packets["count"].astype(np.uint64)
        for line in range(len(LINE_NAMES)):
            ranges = self.ranges[self.ranges["line"] == line]
            if len(ranges) == 0:
                continue
            ranges = ranges[np.argsort(ranges["sequence"], kind="stable")]
            reach = np.maximum.accumulate(ranges["sequence"] + ranges["count"].astype(np.uint64))
            begins = np.concatenate([[True], ranges["sequence"][1:] > reach[:-1]])
            starts = ranges["sequence"][begins]
            ends = reach[np.append(np.flatnonzero(begins)[1:] - 1, len(reach) - 1)]
            within = np.searchsorted(starts, packets["first_sequence"], side="right").astype(np.int64) - 1
            result[line] |= (within >= 0) & (ends[np.maximum(within, 0)] >= end)
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


def messages_of(packets: Rows, index: Integers) -> tuple[Integers, NDArray[np.uint64]]:
    """(packet, position) of every message of the packets ``index``, in their order."""
    count = packets["count"][index].astype(np.int64)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    positions = np.repeat(packets["first_sequence"][index], count) + offset.astype(np.uint64)
    return np.repeat(index, count), positions


def first_arrivals(packets: Rows, market_taps: Rows) -> WireArrivals:
    """First arrivals by line. ``packets`` must be in order of ``first_sequence``."""
    carries = (market_taps["count"] > 0) & (market_taps["count"] != END_OF_SESSION)
    taps = market_taps[carries & (market_taps["line"] < len(LINE_NAMES))]
    at_wire = np.full((len(LINE_NAMES), len(packets)), NEVER, np.int64)
    at_engine = at_wire.copy()
    first = packets["first_sequence"]
    index = np.searchsorted(first, taps["sequence"])
    safe = np.minimum(index, max(len(first) - 1, 0))
    begins = np.zeros(len(taps), bool)
    if len(first):
        begins = first[safe] == taps["sequence"]
    whole = begins & (packets["count"][safe] == taps["count"]) if len(first) else begins
    flags = taps["flags"]
    harmed = (flags & TAP_HARMED) != 0
    on_wire = whole | (begins & harmed)  # the count may be what was corrupted
    np.minimum.at(at_wire, (taps["line"][on_wire], safe[on_wire]), taps["stamp_ns"][on_wire])
    arrived = whole & ~harmed
    np.minimum.at(at_engine, (taps["line"][arrived], safe[arrived]), taps["stamp_ns"][arrived])
    lines = range(len(LINE_NAMES))
    return WireArrivals(
        at_wire=at_wire,
        at_engine=at_engine,
        ranges=taps[~whole & ~harmed],
        dropped=tuple(_flagged(taps, line, TAP_DROPPED_BY_FAULT) for line in lines),
        corrupted=tuple(_flagged(taps, line, TAP_CORRUPTED) for line in lines),
        seen=tuple(int((taps["line"] == line).sum()) for line in lines),
    )


def _flagged(taps: Rows, line: int, flag: int) -> int:
    return int(((taps["line"] == line) & ((taps["flags"] & flag) != 0)).sum())
