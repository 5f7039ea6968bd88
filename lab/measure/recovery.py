"""Losses at the wire and the engine's blindness in; how long each loss took from the first drop to LIVE again out.

What was lost is known from the taps: packets that a fault dropped or corrupted on line A or B. When each of their
messages was restored is known from the taps too (the other line, a reply to a re-request) or from the snapshot
that skipped it. The stretch of blindness in which it was restored is the one it caused. A loss is therefore all
that one window of one fault took and one stretch brought back: it begins with the first drop, and ends with LIVE.
A loss that the other line made good while the feed stayed LIVE, or while it was blind for another reason, is none.

Stretches that no dropped packet explains are losses of their own. They begin with the fault where one of
OUTAGES is known, and else when the first missing message was on the wire, or should have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.measure.blindness import Blindness, Stretch
from lab.measure.data import FaultRecord, Join
from lab.measure.rows import TAP_HARMED, Rows
from lab.measure.wire import END_OF_SESSION, NEVER, PUBLISHED_LINES, WireArrivals, locate, messages_of

__all__ = ["OUTAGES", "Recovery", "recoveries_of", "skipped_by"]

OUTAGES = ("link_down", "pause", "session_roll")  # faults whose begin is the begin of what they cost
OUTAGE_REACH_NS = 1_000_000_000  # how long after such a fault its gap may be found
SAME_NS = 1_000  # a window of a rule begins with the stamp of a packet that it took

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """``live_ns`` is 0 when LIVE was not reached again; ``fault`` "" when none is known to have caused it.

    ``messages`` counts those that the taps saw harmed and the stretch restored; 0 when they saw nothing.
    """

    lost_ns: int
    live_ns: int
    fault: str = ""
    messages: int = 0

    @property
    def gap_ns(self) -> int | None:
        return self.live_ns - self.lost_ns if self.live_ns else None

    def to_json(self) -> dict[str, int | str | None]:
        return {**vars(self), "gap_ns": self.gap_ns}


def recoveries_of(
    *,
    packets: Rows,
    market_taps: Rows,
    wire: WireArrivals,
    blindness: Blindness,
    joins: Sequence[Join],
    faults: Sequence[FaultRecord],
) -> tuple[Recovery, ...]:
    """In order of time. ``packets`` in order of their positions."""
    stretches = list(blindness.stretches)
    if blindness.complete:  # what was lost before the first LIVE was recovered by it, or never
        live_ns = blindness.first_live_ns
        until_ns = live_ns or blindness.end_ns
        stretches.insert(0, Stretch(left_ns=0, until_ns=until_ns, recovered=bool(live_ns), cause=""))
    harmed = market_taps[(market_taps["line"] < PUBLISHED_LINES) & ((market_taps["flags"] & TAP_HARMED) != 0)]
    windows = _windows(faults, np.sort(harmed["stamp_ns"]))
    carries = (harmed["count"] > 0) & (harmed["count"] != END_OF_SESSION)
    losses = _Losses(packets, harmed[carries], wire, stretches, joins)
    found, explained = losses.recoveries(windows, faults)
    explained.update(index for index, stretch in enumerate(stretches) if stretch.left_ns == 0)
    found += _outages(faults, stretches, explained)
    rest = [one for index, one in enumerate(stretches) if index not in explained and not one.silent]
    dropped = set(harmed["stamp_ns"].tolist()) if rest else set()
    for stretch, lost_ns in zip(rest, _first_missing(rest, packets, wire), strict=True):
        inside = [fault for first_ns, last_ns, fault in windows if first_ns <= lost_ns <= last_ns]
        fault = faults[inside[-1]].name if inside and lost_ns in dropped else ""
        live_ns = stretch.until_ns if stretch.recovered else 0
        found.append(Recovery(lost_ns=lost_ns, live_ns=live_ns, fault=fault))
    return tuple(sorted(found, key=lambda recovery: recovery.lost_ns))


def skipped_by(joins: Sequence[Join], positions: NDArray[np.uint64]) -> Integers:
    """When the snapshot that skipped each position was joined; NEVER for those that none did."""
    when = np.full(len(positions), NEVER, np.int64)
    for join in joins:
        inside = (positions >= np.uint64(join.skipped_from)) & (positions < np.uint64(join.sequence))
        when[inside] = np.minimum(when[inside], join.at_ns)
    return when


class _Losses:
    """A row per message that was harmed on line A or B: when, and in which stretch it was restored (or -1)."""

    def __init__(
        self,
        packets: Rows,
        harmed: Rows,
        wire: WireArrivals,
        stretches: Sequence[Stretch],
        joins: Sequence[Join],
    ) -> None:
        self.stretches = stretches
        self.left = np.array([stretch.left_ns for stretch in stretches], np.int64)
        self.until = np.array([stretch.until_ns for stretch in stretches], np.int64)
        index = locate(packets, harmed["sequence"])
        stamp = harmed["stamp_ns"][index >= 0]
        packet, inverse = np.unique(index[index >= 0], return_inverse=True)
        dropped = np.full(len(packet), NEVER, np.int64)
        np.minimum.at(dropped, inverse, stamp)
        supplied = wire.at_engine[:PUBLISHED_LINES, packet].min(axis=0, initial=NEVER)
        while_blind = (supplied == NEVER) | (self._stretch_at(supplied) >= 0)
        packet, dropped = packet[while_blind], dropped[while_blind]
        carrier, position = messages_of(packets, packet)
        self.dropped_ns = np.repeat(dropped, packets["count"][packet])
        self._restore(wire.for_messages(carrier, position), skipped_by(joins, position))

    def _restore(self, arrivals: Integers, skipped: Integers) -> None:
        supplied = arrivals[:PUBLISHED_LINES].min(axis=0, initial=NEVER)
        restored = np.where(skipped != NEVER, skipped, np.minimum(supplied, arrivals[PUBLISHED_LINES]))
        by_line = (restored == supplied) & (supplied != NEVER)
        stretch = self._stretch_at(restored)
        late = by_line & (stretch >= 0)
        late[late] &= self.dropped_ns[late] > self.left[stretch[late]]
        stretch[late] = -1  # blind already, for another reason
        open_end = bool(self.stretches) and not self.stretches[-1].recovered
        never = (restored == NEVER) & open_end & (self.dropped_ns <= self.until.max(initial=0))
        stretch[never] = len(self.stretches) - 1
        self.stretch = stretch

    def _stretch_at(self, when: Integers) -> Integers:
        """Index of the stretch that holds each moment, its ends included; -1 for none."""
        index = np.searchsorted(self.left, when, side="right").astype(np.int64) - 1
        inside = (index >= 0) & (when <= np.append(self.until, 0)[index])
        return np.where(inside, index, -1)

    def recoveries(
        self, windows: Sequence[tuple[int, int, int]], faults: Sequence[FaultRecord]
    ) -> tuple[list[Recovery], set[int]]:
        """One for each window and stretch that share messages; and the stretches so explained."""
        order = np.argsort(self.dropped_ns, kind="stable")
        order = order[self.stretch[order] >= 0]
        dropped, stretch_of = self.dropped_ns[order], self.stretch[order]
        window = np.full(len(order), len(windows), np.int64)  # of none
        for number, (first_ns, last_ns, _) in enumerate(windows):  # the longest first: the shortest has it
            low, high = np.searchsorted(dropped, first_ns), np.searchsorted(dropped, last_ns, side="right")
            window[low:high] = number
        first_window = np.full(len(self.stretches), len(windows), np.int64)
        np.minimum.at(first_window, stretch_of, window)
        window = np.where(
            window == len(windows), first_window[stretch_of], window
        )  # beside a window: part of it
        groups, firsts, counts = np.unique(
            window * len(self.stretches) + stretch_of, return_index=True, return_counts=True
        )
        found, explained = [], set()
        for group, first, count in zip(groups.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            number, index = divmod(group, len(self.stretches))
            stretch = self.stretches[index]
            found.append(
                Recovery(
                    lost_ns=int(dropped[first]),
                    live_ns=stretch.until_ns if stretch.recovered else 0,
                    fault=faults[windows[number][2]].name if number < len(windows) else "",
                    messages=count,
                )
            )
            explained.add(index)
        return found, explained


def _windows(faults: Sequence[FaultRecord], harmed_ns: Integers) -> list[tuple[int, int, int]]:
    """(first ns, last ns, fault) of every window in which line A or B lost packets, the longest first.

    Windows of one fault that overlap, as those of its two lines do, are one.
    """
    found = []
    for index, fault in enumerate(faults):
        if not fault.injected_ns:
            continue
        merged: list[list[int]] = []
        for first_ns, last_ns in sorted(fault.windows or [(fault.injected_ns, fault.healed_ns or NEVER)]):
            if merged and first_ns <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], last_ns)
            else:
                merged.append([first_ns, last_ns])
        found += [(first_ns, last_ns, index) for first_ns, last_ns in merged]
    place = np.searchsorted(harmed_ns, [first_ns - SAME_NS for first_ns, _, _ in found])
    nearest = np.append(harmed_ns, NEVER)[place]
    kept = [
        window for window, at_ns in zip(found, nearest.tolist(), strict=True) if at_ns <= window[0] + SAME_NS
    ]
    return sorted(kept, key=lambda window: window[0] - window[1])


def _outages(
    faults: Sequence[FaultRecord], stretches: Sequence[Stretch], explained: set[int]
) -> list[Recovery]:
    """The first unexplained stretch behind each fault that cut the engine off; adds it to ``explained``."""
    found = []
    for fault in faults:
        if fault.name not in OUTAGES or not fault.injected_ns:
            continue
        for first_ns, last_ns in fault.windows or [(fault.injected_ns, fault.healed_ns or NEVER)]:
            until_ns = min(last_ns, NEVER - OUTAGE_REACH_NS) + OUTAGE_REACH_NS
            for index, stretch in enumerate(stretches):
                if index not in explained and first_ns <= stretch.left_ns <= until_ns:
                    live_ns = stretch.until_ns if stretch.recovered else 0
                    found.append(Recovery(lost_ns=first_ns, live_ns=live_ns, fault=fault.name))
                    explained.add(index)
                    break
    return found


def _first_missing(stretches: Sequence[Stretch], packets: Rows, wire: WireArrivals) -> list[int]:
    """When each first missing message was on the wire, or should have been; else when LIVE was left."""
    found = []
    wanted = np.array([stretch.first_sequence for stretch in stretches], np.uint64)
    for stretch, index in zip(stretches, locate(packets, wanted).tolist(), strict=True):
        known = []
        if index >= 0:
            on_wire = wire.at_wire[:PUBLISHED_LINES, index].min(initial=NEVER)
            known = [int(on_wire), int(packets["intended_ns"][index])]
        found.append(next((at_ns for at_ns in known if at_ns <= stretch.left_ns), stretch.left_ns))
    return found
