"""RunData and its wire arrivals in; how good the feed was, and how well the engine got back what it lost, out.

Lines, skew and gaps are the taps' evidence; blindness is the engine's stamped account of itself; a recovery
begins with the first and ends with the second. Counters of requests and snapshots come from both ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.measure.blindness import Blindness, Stretch, blindness_of
from lab.measure.data import RunData
from lab.measure.histogram import Histogram
from lab.measure.lines import (
    LineQuality,
    Skew,
    WireGaps,
    line_qualities,
    signed_figures,
    skew_of,
    wire_gaps,
)
from lab.measure.recovery import Recovery, recoveries_of, skipped_by
from lab.measure.rows import LINE_NAMES, Rows
from lab.measure.wire import NEVER, PUBLISHED_LINES, WireArrivals, messages_of

__all__ = ["WAYS", "FeedQuality", "Staleness", "feed_quality_block", "measure_feed", "services"]

RECOVERY_LINE = LINE_NAMES.index("recovery")
WAYS = ("lines", "requests", "snapshot")
ENGINE_REQUESTS = {"sent": "requests_sent", "timeouts": "request_timeouts", "partial": "requests_partial"}
ENGINE_SNAPSHOTS = {
    "started": "snapshots_started",
    "failed": "snapshots_failed",
    "completed": "snapshots_completed",
}
BY_SYMBOL = "symbols with a message that was published and not delivered in one stretch of blindness"
ALL_SYMBOLS = (
    "all symbols: which messages were missing is not known, and a gap in numbers taints every symbol"
)


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """``most`` symbols were stale at once, ``now`` are at the end, of ``known``; None where that is not known."""

    most: int | None
    now: int | None
    known: int | None
    counted: str

    def to_json(self) -> dict[str, int | str | None]:
        return {"max": self.most, "now": self.now, "known": self.known, "counted": self.counted}


@dataclass(frozen=True, kw_only=True)
class FeedQuality:
    """``unrestored`` messages reached the engine by no way although it was to have them; see ``recovered``.

    ``join_ns`` is from the first packet on the wire to the first LIVE, None when that never came.
    """

    lines: tuple[LineQuality, ...]
    skew: Skew
    gaps: WireGaps
    unrestored: int
    skipped: int
    blindness: Blindness
    recoveries: tuple[Recovery, ...]
    staleness: Staleness
    join_ns: int | None

    @property
    def unrecovered(self) -> int:
        """Losses after which LIVE was not reached again."""
        return sum(recovery.gap_ns is None for recovery in self.recoveries)

    def recovery_samples(self) -> tuple[Rows, Rows]:
        """(recovery.gap in ns, when the loss began) of every loss that was recovered."""
        rows = [(one.gap_ns, one.lost_ns) for one in self.recoveries if one.gap_ns is not None]
        samples = np.array(rows, np.int64).reshape(-1, 2)
        return samples[:, 0], samples[:, 1]


def measure_feed(data: RunData, packets: Rows, wire: WireArrivals) -> FeedQuality:
    """``packets`` in order of their positions, ``wire`` their arrivals."""
    covered = wire.covered(packets)
    blindness = blindness_of(data.engine, end_ns=_end_ns(data, packets))
    gaps = wire_gaps(packets, covered)
    arrived = wire.at_wire[:PUBLISHED_LINES].min(initial=NEVER)
    live_ns = blindness.first_live_ns
    return FeedQuality(
        lines=line_qualities(packets, data.market_taps, wire, covered),
        skew=skew_of(wire),
        gaps=gaps,
        unrestored=_unrestored(data, packets, wire, gaps, live_ns),
        skipped=_skipped(data, packets),
        blindness=blindness,
        recoveries=recoveries_of(
            packets=packets,
            market_taps=data.market_taps,
            wire=wire,
            blindness=blindness,
            joins=data.engine.joins,
            faults=data.faults,
        ),
        staleness=_staleness(data, packets, blindness),
        join_ns=max(0, live_ns - int(arrived)) if live_ns and arrived != NEVER else None,
    )


def _end_ns(data: RunData, packets: Rows) -> int:
    """The latest moment that anything is known of."""
    stamps = [int(data.market_taps["stamp_ns"].max(initial=0)), int(packets["intended_ns"].max(initial=0))]
    return max([*stamps, *(change.at_ns for change in data.engine.transitions)])


def _unrestored(data: RunData, packets: Rows, wire: WireArrivals, gaps: WireGaps, first_live_ns: int) -> int:
    """Messages behind the first LIVE that no line, no reply and no snapshot brought to the engine whole."""
    wanted = gaps.packets & (packets["intended_ns"] >= first_live_ns) & (first_live_ns > 0)
    carrier, position = messages_of(packets, np.flatnonzero(wanted))
    absent = (wire.for_messages(carrier, position) == NEVER).all(axis=0)
    return int((absent & (skipped_by(data.engine.joins, position) == NEVER)).sum())


def _skipped(data: RunData, packets: Rows) -> int:
    """Published messages that a snapshot stood for."""
    begin = packets["first_sequence"].astype(np.int64)
    end = begin + packets["count"]
    total = 0
    for join in data.engine.joins:
        near = slice(
            int(np.searchsorted(end, join.skipped_from, side="right")),
            int(np.searchsorted(begin, join.sequence)),
        )
        inside = np.minimum(end[near], join.sequence) - np.maximum(begin[near], join.skipped_from)
        total += int(inside.sum())
    return total


def _staleness(data: RunData, packets: Rows, blindness: Blindness) -> Staleness:
    locates = data.message_locates
    stretches = blindness.stretches
    open_end = bool(stretches) and not stretches[-1].recovered
    if locates is None or len(locates) != int(packets["count"].sum(dtype=np.int64)):
        known = data.exchange.types.get("R") or None
        most = known if stretches else 0
        return Staleness(most=most, now=most if open_end else 0, known=known, counted=ALL_SYMBOLS)
    counts = _stale_symbols(stretches, packets, locates)
    return Staleness(
        most=max(counts, default=0),
        now=counts[-1] if open_end else 0,
        known=len(np.unique(locates[locates > 0])),
        counted=BY_SYMBOL,
    )


def _stale_symbols(stretches: Sequence[Stretch], packets: Rows, locates: Rows) -> list[int]:
    """For each stretch, symbols of the messages from the first missing one to the last published before LIVE."""
    wanted = np.array([stretch.first_sequence for stretch in stretches], np.uint64)
    until = np.array([stretch.until_ns for stretch in stretches], np.int64)
    first = np.searchsorted(packets["first_sequence"], wanted, side="right").astype(np.int64) - 1
    last = np.searchsorted(packets["intended_ns"], until, side="right")
    starts = np.concatenate([[0], np.cumsum(packets["count"], dtype=np.int64)])
    counts = []
    for index, low, high in zip(range(len(stretches)), first.tolist(), last.tolist(), strict=True):
        begin = 0
        if low >= 0:
            inside = int(wanted[index]) - int(packets["first_sequence"][low])
            begin = int(starts[low]) + min(inside, int(packets["count"][low]))
        part = locates[begin : int(starts[high])]
        counts.append(len(np.unique(part[part > 0])))
    return counts


def feed_quality_block(data: RunData, quality: FeedQuality) -> dict[str, Any]:
    """The ``feed_quality`` block of summary.json; a number that no one reported is null."""
    samples, _ = quality.recovery_samples()
    feed = data.engine.feed
    lines = feed.get("lines")
    malformed = {name: _of(_of(lines, name), "malformed") for name in LINE_NAMES}
    blindness = quality.blindness
    requests, snapshots = services(data.exchange.recovery)
    margins = {LINE_NAMES[line]: quality.skew.won_by(line)[0] for line in range(PUBLISHED_LINES)}
    return {
        "lines": {
            line.line: {**line.to_json(), "malformed": _number(malformed[line.line])}
            for line in quality.lines
        },
        "replies": {**_replies(data.market_taps), "malformed": _number(malformed["recovery"])},
        "skew_ns": signed_figures(quality.skew.difference),
        "won_by_ns": {name: Histogram.of(margin).figures().to_json() for name, margin in margins.items()},
        "gaps": {**quality.gaps.to_json(), "unrestored": quality.unrestored},
        "blind": _blind(blindness, feed),
        "recovered": {way: _number(feed.get(f"recovered_messages_{way}")) for way in WAYS},
        "skipped": quality.skipped,
        "recovery_ns": Histogram.of(samples).figures().to_json(),
        "unrecovered": quality.unrecovered,
        "join_ns": quality.join_ns,
        "stale_symbols": quality.staleness.to_json(),
        "requests": {**_counters(feed, ENGINE_REQUESTS), "exchange": requests},
        "snapshots": {**_counters(feed, ENGINE_SNAPSHOTS), "exchange": snapshots},
        "session_rolls": _number(feed.get("session_rolls")),
        "stretches": [stretch.to_json() for stretch in blindness.stretches],
        "recoveries": [recovery.to_json() for recovery in quality.recoveries],
    }


def _blind(blindness: Blindness, feed: Mapping[str, object]) -> dict[str, Any]:
    """From the stretches; where the engine forgot some of them, its counters."""
    block: dict[str, Any] = {
        "count": len(blindness.stretches),
        "total_ns": blindness.total_ns,
        "max_ns": max((stretch.length_ns for stretch in blindness.stretches), default=0),
        "unrecovered": blindness.unrecovered,
    }
    if not blindness.complete:
        known = {"count": "blind_count", "total_ns": "blind_ns", "max_ns": "blind_ns_max"}
        block = {**_counters(feed, known), "unrecovered": None}
    total_ns, of_ns = block["total_ns"], blindness.of_ns
    percent = None if total_ns is None or not of_ns else 100 * total_ns / of_ns
    return {**block, "of_ns": of_ns, "percent": percent, "complete": blindness.complete}


def _replies(market_taps: Rows) -> dict[str, int]:
    """What the recovery port brought, as the tap saw it."""
    rows = market_taps[(market_taps["line"] == RECOVERY_LINE) & (market_taps["count"] > 0)]
    harmed = rows["flags"] != 0
    return {
        "packets": len(rows),
        "messages": int(rows["count"][~harmed].sum(dtype=np.int64)),
        "harmed_by_fault": int(harmed.sum()),
    }


def services(recovery: Mapping[str, object]) -> tuple[dict[str, int], dict[str, int]]:
    """The exchange's counters of its re-request server, and those of its snapshots, each made flat."""
    requests = _flat({name: value for name, value in recovery.items() if name != "snapshots"})
    snapshots = recovery.get("snapshots")
    return requests, _flat(snapshots) if isinstance(snapshots, Mapping) else {}


def _flat(block: Mapping[str, object], prefix: str = "") -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in block.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}_")
        elif (number := _number(value)) is not None:
            found[f"{prefix}{name}"] = number
    return found


def _counters(feed: Mapping[str, object], names: Mapping[str, str]) -> dict[str, int | None]:
    return {name: _number(feed.get(counter)) for name, counter in names.items()}


def _of(block: object, name: str) -> object:
    return block.get(name) if isinstance(block, Mapping) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
