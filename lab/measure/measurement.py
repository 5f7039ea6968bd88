"""RunData in; the Measurement out: a row per trigger, every histogram, every denominator. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.arbitration import Arbitration, arbitrate
from lab.measure.data import FloorData, RunData, empty_rows
from lab.measure.feed_quality import FeedQuality, measure_feed
from lab.measure.gaps import LineGaps, measure_gaps
from lab.measure.histogram import Histogram
from lab.measure.kill import kill_samples, new_orders
from lab.measure.match import STAGE_COLUMNS, Matching, Status, match_triggers
from lab.measure.rows import LINE_NAMES, MISSING, Rows
from lab.measure.strategies import around_swaps
from lab.measure.two_lines import TwoLineData
from lab.measure.wire import END_OF_SESSION, NEVER, PUBLISHED_LINES, WireArrivals, first_arrivals, locate

__all__ = ["WITHIN_NS", "Counts", "FloorMeasurement", "LinePacing", "Measurement", "Series", "measure_run"]

SECOND_NS = 1_000_000_000
WITHIN_NS = {"2us": 2_000, "10us": 10_000, "100us": 100_000}  # bounds of pacing.within_*


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The denominators. triggers == matched + risk_blocked + unmatched; ``orders`` counts every order.

    ``skipped`` are no part of ``triggers``: a snapshot stood for their messages, which no engine could answer.
    """

    published: int
    triggers: int
    orders: int
    matched: int
    unmatched: int
    risk_blocked: int
    duplicate: int
    late: int
    cold: int = 0
    unexpected: int = 0
    skipped: int = 0

    def to_json(self) -> dict[str, int]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Series:
    """One latency figure: the whole run, and (start_ns, length_ns, histogram) per second for the .hlog."""

    name: str
    histogram: Histogram
    intervals: tuple[tuple[int, int, Histogram], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LinePacing:
    """How one line kept to its schedule. ``missing`` packets never reached the wire; ``early`` came too soon.

    ``within`` counts the packets that arrived at most that far from their intended time, on either side.
    """

    line: str
    packets: int
    missing: int
    unsent: int
    early: int
    early_max_ns: int
    late_max_ns: int
    within: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        return {**vars(self), "within": dict(self.within)}


@dataclass(frozen=True, kw_only=True)
class FloorMeasurement:
    """The reflector run over the same wires."""

    wire_to_wire: Histogram
    triggers: int
    matched: int
    tap_lost: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Everything derived from one RunData. ``series`` is by figure name, such as "stage.book".

    ``triggers_from`` says who counted the triggers: "oracle", or "engine" when no oracle ran.
    """

    counts: Counts
    matching: Matching
    wire: WireArrivals
    series: Mapping[str, Series]
    pacing: tuple[LinePacing, ...]
    feed: FeedQuality
    floor: FloorMeasurement | None
    triggers_from: str
    started_ns: int
    arbitration: Arbitration | None = None
    gaps: Mapping[str, LineGaps] = field(default_factory=dict)

    @property
    def samples(self) -> Rows:
        return self.matching.samples


def measure_run(data: RunData, *, late_after_ns: int, line_bound_ns: int = 20_000) -> Measurement:
    """Deterministic and without side effects; linear in rows, seconds for millions of them."""
    packets = _ordered(data.packets)
    wire = first_arrivals(packets, data.market_taps)
    triggers, source = _triggers(data)
    matching = match_triggers(
        packets=packets,
        wire=wire,
        decisions=data.decisions,
        order_arrivals=data.order_arrivals,
        triggers=triggers,
    )
    started_ns = data.started_ns or (int(packets["intended_ns"][0]) if len(packets) else 0)
    series: dict[str, Series] = {}
    _latency_series(series, matching.samples, started_ns, swaps=data.engine.strategies.get("changes", ()))
    pacing = _pacing(series, packets, wire, started_ns, data.two_lines)
    feed = measure_feed(data, packets, wire)
    _feed_series(series, feed, started_ns)
    series["kill"] = _series("kill", *kill_samples(data.faults, new_orders(data)), started_ns)
    floor = _floor(data.floor) if data.floor is not None else None
    if floor is not None:
        series["wire_floor"] = Series(name="wire_floor", histogram=floor.wire_to_wire)
    return Measurement(
        counts=_counts(data, packets, matching, late_after_ns),
        matching=matching,
        wire=wire,
        series=series,
        pacing=pacing,
        feed=feed,
        floor=floor,
        triggers_from=source,
        started_ns=started_ns,
        arbitration=arbitrate(packets, wire, data.two_lines, bound_ns=line_bound_ns)
        if data.two_lines
        else None,
        gaps=measure_gaps(data, packets, wire),
    )


def _ordered(packets: Rows) -> Rows:
    first = packets["first_sequence"]
    if len(first) > 1 and bool((first[1:] < first[:-1]).any()):
        return packets[np.argsort(first, kind="stable")]
    return packets


def _triggers(data: RunData) -> tuple[NDArray[np.uint64], str]:
    if data.expected_triggers is not None:
        return np.unique(data.expected_triggers.astype(np.uint64)), "oracle"
    own = np.concatenate([data.decisions["trigger_sequence"], data.order_arrivals["trigger_sequence"]])
    return np.unique(own.astype(np.uint64)), "engine"


def _counts(data: RunData, packets: Rows, matching: Matching, late_after_ns: int) -> Counts:
    samples = matching.samples
    response = samples["response_ns"]
    return Counts(
        published=int(packets["count"].sum(dtype=np.int64)),
        triggers=len(samples),
        orders=len(data.order_arrivals),
        matched=int((samples["status"] == Status.MATCHED).sum()),
        unmatched=int((samples["status"] == Status.UNMATCHED).sum()),
        risk_blocked=int((samples["status"] == Status.BLOCKED).sum()),
        duplicate=matching.duplicate_orders,
        late=int(((response != MISSING) & (response > late_after_ns)).sum()),
        cold=int((samples["cold"] | samples["after_idle"]).sum()),
        unexpected=len(matching.unexpected_orders),
        skipped=0 if data.skipped_triggers is None else len(data.skipped_triggers),
    )


def _latency_series(
    series: dict[str, Series], samples: Rows, started_ns: int, *, swaps: Sequence[Mapping[str, Any]]
) -> None:
    when = np.where(samples["intended_ns"] == MISSING, started_ns, samples["intended_ns"])

    def put(name: str, column: str, where: NDArray[np.bool_] | None = None) -> None:
        values = samples[column]
        keep = values != MISSING if where is None else (values != MISSING) & where
        series[name] = _series(name, values[keep], when[keep], started_ns)

    put("wire_to_wire", "wire_to_wire_ns")
    put("wire_to_wire_cold", "wire_to_wire_ns", samples["cold"] | samples["after_idle"])
    if swaps:
        for name, windows in (("before_swap", -1), ("swap", 0), ("after_swap", 1)):
            put(f"wire_to_wire_{name}", "wire_to_wire_ns", around_swaps(samples, swaps, windows))
    put("response", "response_ns")
    sent = samples["status"] == Status.MATCHED
    for stage in STAGE_COLUMNS:
        put(f"stage.{stage}", f"{stage}_ns", sent)


def _series(name: str, values: Rows, when: Rows, started_ns: int) -> Series:
    intervals = []
    second = (when - started_ns) // SECOND_NS
    for number in np.unique(second).tolist():
        part = Histogram.of(values[second == number])
        intervals.append((started_ns + number * SECOND_NS, SECOND_NS, part))
    whole = Histogram()
    for _, _, part in intervals:
        whole.add(part)
    return Series(name=name, histogram=whole, intervals=tuple(intervals))


def _pacing(
    series: dict[str, Series],
    packets: Rows,
    wire: WireArrivals,
    started_ns: int,
    two_lines: TwoLineData | None,
) -> tuple[LinePacing, ...]:
    """pacing_error is line A's; line B's is pacing_error_B. A line that is not there at all is left out.

    The lines of a two-line replay have times of their own, and what a line was not to bring is not missing on it.
    """
    result = []
    for line in range(PUBLISHED_LINES):
        intended = packets["intended_ns"] if two_lines is None else two_lines.intended_ns[line]
        arrival = wire.at_wire[line]
        meant = intended != NEVER
        seen = (arrival != NEVER) & meant
        sent = packets["sent_ns"][:, line] > 0
        if line > 0 and not seen.any() and not sent.any():
            continue
        error = arrival[seen] - intended[seen]
        name = "pacing_error" if line == 0 else f"pacing_error_{LINE_NAMES[line]}"
        series[name] = _series(name, np.abs(error), intended[seen], started_ns)
        result.append(
            LinePacing(
                line=LINE_NAMES[line],
                packets=int(meant.sum()),
                missing=int((~seen & meant).sum()),
                unsent=int((~sent & meant).sum()),
                early=int((error < 0).sum()),
                early_max_ns=int(-error.min(initial=0)),
                late_max_ns=int(error.max(initial=0)),
                within={name: int((np.abs(error) <= bound).sum()) for name, bound in WITHIN_NS.items()},
            )
        )
    return tuple(result)


def _feed_series(series: dict[str, Series], feed: FeedQuality, started_ns: int) -> None:
    """recovery.gap, and by how much each line was ahead of the other where both brought the packet."""
    series["recovery.gap"] = _series("recovery.gap", *feed.recovery_samples(), started_ns)
    if len(feed.lines) == PUBLISHED_LINES:
        for line in range(PUBLISHED_LINES):
            name = f"won_by.{LINE_NAMES[line]}"
            series[name] = _series(name, *feed.skew.won_by(line), started_ns)


def _floor(floor: FloorData) -> FloorMeasurement:
    packets = _ordered(floor.packets)
    taps = floor.market_taps[floor.market_taps["count"] != END_OF_SESSION]
    wire = first_arrivals(packets, taps)
    last = int((packets["first_sequence"][-1] + packets["count"][-1]) if len(packets) else 0)
    triggers = np.arange(floor.every, last, floor.every, dtype=np.uint64)
    triggers = triggers[locate(packets, triggers) >= 0]
    matching = match_triggers(
        packets=packets,
        wire=wire,
        decisions=empty_rows()["decisions"],
        order_arrivals=floor.order_arrivals,
        triggers=triggers,
    )
    values = matching.samples["wire_to_wire_ns"]
    return FloorMeasurement(
        wire_to_wire=Histogram.of(values[values != MISSING]),
        triggers=len(triggers),
        matched=int((matching.samples["status"] == Status.MATCHED).sum()),
        tap_lost=floor.tap.lost,
    )
