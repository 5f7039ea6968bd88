"""A Measurement in; the numeric blocks of summary.json out, and the look-up of a figure by its dotted name.

The result is the JSON form itself (schema 1 of the results contract, without verdict and checks), so that an
expectation, the report and a stored summary all read the same number under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from lab.measure.data import RunData
from lab.measure.feed_quality import feed_quality_block
from lab.measure.histogram import PERCENTILES, supports
from lab.measure.kill import mass_cancel_block
from lab.measure.match import STAGE_COLUMNS
from lab.measure.measurement import Measurement
from lab.measure.noise import noise_block
from lab.measure.risk_gate import per_second_max, risk_gate_block
from lab.measure.rows import LINE_NAMES, Rows
from lab.measure.strategies import strategy_block
from lab.measure.wire import PUBLISHED_LINES
from lab.measure.wires_used import wires_block
from lab.scenario.figures import FAULT_STEPS, SHARES, WITHIN

__all__ = ["DROP_COPY_KINDS", "figure_blocks", "look_up", "too_few_samples"]

PERCENTAGES = {"lost_percent": ("lost", "packets_published"), "percent": ("total_ns", "of_ns")}  # exactly
DROP_COPY_KINDS = {
    b"O": "received",
    b"A": "accepted",
    b"E": "executed",
    b"C": "canceled",
    b"J": "rejected",
    b"X": "cancel_received",
    b"D": "duplicate_ignored",
    b"U": "replace_received",
    b"R": "replaced",
    b"M": "modify_received",
    b"m": "modified",
}
WIRE_KINDS = {b"O": "entered", b"U": "replaces", b"X": "cancels", b"M": "modifies"}
LIQUIDITY_ADDED = b"A"


def figure_blocks(data: RunData, measurement: Measurement) -> dict[str, Any]:
    """clock, counts, latency_ns, pacing, feed, feed_quality, stages, order_flow, risk, exchange, host, tap, faults."""
    series = measurement.series
    latency: dict[str, Any] = {"wire_floor": {}}
    for name, one in series.items():
        head, _, tail = name.rpartition(".")  # stage.book, recovery.gap: a block of its own
        (latency.setdefault(head, {}) if head else latency)[tail] = one.histogram.figures().to_json()
    return {
        "clock": {
            "domain": data.clock.domain,
            "grade": data.clock.grade,
            "uncertainty_ns": data.clock.uncertainty_ns,
            "stamps_by_grade": dict(data.clock.stamps_by_grade),
        },
        "counts": measurement.counts.to_json(),
        "triggers_from": measurement.triggers_from,
        "latency_ns": latency,
        "pacing": {pacing.line: pacing.to_json() for pacing in measurement.pacing},
        "feed": _feed(data, measurement),
        "feed_quality": _feed_quality(data, measurement),
        "stages": {
            stage: {"negative": series[f"stage.{stage}"].histogram.negative} for stage in STAGE_COLUMNS
        },
        "order_flow": {
            **_order_flow(data.drop_copy),
            "wire": {
                **_kinds(data.order_messages, WIRE_KINDS),
                "per_s_max": per_second_max(data.order_messages),
            },
            "risk": dict(data.engine.risk),
        },
        "risk": dict(data.engine.risk),
        "exchange": {
            **data.exchange.counters,
            "recovery": dict(data.exchange.recovery),
            "types": dict(data.exchange.types),
            "unknown_types": data.exchange.unknown_types,
            "length_errors": data.exchange.length_errors,
            "loop_stall_max_ns": data.exchange.loop_stall_max_ns,
            "loop_stall_count": data.exchange.loop_stall_count,
        },
        "host": {
            "steal_ns": data.host.steal_ns,
            "stall_max_ns": data.host.stall_max_ns,
            "stall_count": data.host.stall_count,
            "involuntary_switches": data.host.involuntary_switches,
            **data.host.extra,
        },
        "tap": {"lost": data.tap.lost, "capacity": data.tap.capacity, "peak": data.tap.peak},
        "risk_gate": risk_gate_block(data),
        "mass_cancel": mass_cancel_block(data),
        "strategy": strategy_block(data.engine.strategies, data.faults),
        "wires": wires_block(data.engine.wires),
        "gaps": {name: gaps.to_json() for name, gaps in measurement.gaps.items()},
        **({} if data.noise is None else {"noise": noise_block(data.noise)}),
        "faults": [dict(vars(fault)) for fault in data.faults],
    }


def _feed(data: RunData, measurement: Measurement) -> dict[str, Any]:
    taps = data.market_taps
    wire = {}
    for line, name in enumerate(LINE_NAMES):
        rows = taps[taps["line"] == line]
        if len(rows) == 0 and line >= PUBLISHED_LINES:
            continue
        wire[name] = {
            "packets": measurement.wire.seen[line],
            "dropped_by_fault": measurement.wire.dropped[line],
            "corrupted_by_fault": measurement.wire.corrupted[line],
        }
    for pacing in measurement.pacing:
        wire[pacing.line]["missing"] = pacing.missing
    block: dict[str, Any] = {**data.engine.feed, "final_state": data.engine.final_feed_state, "wire": wire}
    block.setdefault("lines", wire)
    return block


def _feed_quality(data: RunData, measurement: Measurement) -> dict[str, Any]:
    """``arbitration`` is there with venue mdp3."""
    block, lines = feed_quality_block(data, measurement.feed), measurement.arbitration
    return block if lines is None else {**block, "arbitration": lines.to_json()}


def _kinds(rows: Rows, names: Mapping[bytes, str]) -> dict[str, int]:
    kinds, counts = np.unique(rows["kind"], return_counts=True)
    by_kind = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    return {name: int(by_kind.get(kind, 0)) for kind, name in names.items()}


def _order_flow(drop_copy: Rows) -> dict[str, int]:
    executed = drop_copy[drop_copy["kind"] == b"E"]
    return {
        **_kinds(drop_copy, DROP_COPY_KINDS),
        "shares_executed": int(executed["shares"].sum(dtype=np.int64)),
        "executed_resting": int((executed["reason"] == LIQUIDITY_ADDED).sum()),
    }


def look_up(blocks: Mapping[str, Any], name: str) -> int | float | Fraction | None:
    """The figure called ``name`` (canonical spelling); None when the run has no such figure."""
    head, _, tail = name.rpartition(".")
    if tail.endswith("_over_floor"):
        point = tail.removesuffix("_over_floor")
        above, floor = look_up(blocks, f"{head}.{point}"), look_up(blocks, f"wire_floor.{point}")
        return Fraction(above) / Fraction(floor) if above is not None and floor else None
    if head == "share":
        counts = blocks["counts"]
        if tail not in SHARES or not counts["triggers"]:
            return None
        return Fraction(100 * counts[tail], counts["triggers"])
    if head == "faults":
        if tail not in FAULT_STEPS:
            return None
        return sum(1 for fault in blocks["faults"] if fault[f"{FAULT_STEPS[tail]}_ns"])
    if head == "pacing" and tail.startswith("within_"):
        line = blocks["pacing"].get(LINE_NAMES[0])
        if tail not in WITHIN or not line or not line["packets"]:
            return None
        return Fraction(100 * line["within"][tail.removeprefix("within_")], line["packets"])
    if head.startswith("feed_quality.") and tail in PERCENTAGES:
        counted, whole = (look_up(blocks, f"{head}.{counter}") for counter in PERCENTAGES[tail])
        return Fraction(100 * counted) / Fraction(whole) if counted is not None and whole else None
    for root in (blocks.get("latency_ns", {}), blocks):
        value: Any = root
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, int | float | Fraction) and not isinstance(value, bool):
            return value
    return None


def too_few_samples(blocks: Mapping[str, Any], name: str) -> str | None:
    """Why a percentile cannot be judged: fewer samples than it takes for one to lie above it."""
    head, _, tail = name.rpartition(".")
    quantile = PERCENTILES.get(tail.removesuffix("_over_floor"))
    if quantile is None:
        return None
    series = [head, "wire_floor"] if tail.endswith("_over_floor") else [head]
    for one in series:
        count = look_up(blocks, f"{one}.count")
        if count is not None and not supports(int(count), quantile):
            needed = -(-quantile.denominator // (quantile.denominator - quantile.numerator))
            return f"{one} has {int(count):,} samples; {tail} needs {needed:,}"
    return None
