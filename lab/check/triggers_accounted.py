"""triggers_accounted: every message that should cause an order is matched, blocked by risk, or has an excuse.

Excuses for an unmatched trigger are: its packet never reached the engine, a snapshot skipped its message, or the
feed was not LIVE around its arrival. A trigger that arrived while LIVE and left neither an order nor a rejection
is a FAIL, and so is an order that the engine says it sent and that nobody saw, an order for a message that is not a
trigger, an order that the risk gate had blocked, and an order that went out twice (more often than the engine says it
has sent orders again after a disconnect, or received twice by the exchange).
"""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, trades, unknown
from lab.check.feed_state import live_throughout
from lab.measure.match import Status
from lab.measure.recovery import skipped_by
from lab.measure.rows import MISSING, Rows
from lab.measure.wire import NEVER

__all__ = ["check"]

NAME = "triggers_accounted"
EXPECTED = "triggers == matched + risk_blocked + unmatched, each unmatched one explained"
AROUND_NS = 1_000_000  # a gap is seen by the packet after it, and acted on within a poll


@register(NAME, always=trades)
def check(evidence: Evidence) -> CheckResult:
    counts, matching = evidence.measurement.counts, evidence.measurement.matching
    samples = matching.samples
    observed = f"{counts.triggers:,} == {counts.matched:,} + {counts.risk_blocked:,} + {counts.unmatched:,}"
    if counts.triggers == 0:
        why = "nothing in this run could cause an order"
        return unknown(NAME, expected=EXPECTED, observed="no trigger", evidence=why)
    if counts.triggers != counts.matched + counts.risk_blocked + counts.unmatched:
        return failed(NAME, expected=EXPECTED, observed=observed, evidence="the sum does not hold")
    doubts: list[str] = []
    if len(matching.unpublished):
        doubts.append(_some("triggers are in no published packet", matching.unpublished))
    wrong: list[str] = []
    if len(matching.unexpected_orders):
        wrong.append(_some("orders answer a message that is not a trigger", matching.unexpected_orders))
    if len(matching.sent_not_seen):
        text = _some("orders were sent by the engine and seen by nobody", matching.sent_not_seen)
        (doubts if evidence.data.tap.lost else wrong).append(text)
    _judge_orders(evidence, wrong, doubts)
    silent = samples[(samples["status"] == Status.UNMATCHED) & ~samples["decided"]]
    excused = _judge_silent(evidence, silent, wrong, doubts)
    if counts.skipped:
        excused.append(f"{counts.skipped:,} more triggers were in messages skipped by a snapshot")
    if evidence.data.engine.joins_lost:
        why = "snapshots were joined that the engine could not remember, so the triggers after them are in doubt"
        doubts.append(f"{evidence.data.engine.joins_lost:,} {why}")
    notes = [*wrong, *doubts, *excused]
    if len(matching.unexpected_decisions):
        notes.append(_some("decisions are not in the expected triggers", matching.unexpected_decisions))
    if evidence.measurement.triggers_from == "engine":
        notes.append("no oracle ran: the triggers are those the engine itself reported")
    report = failed if wrong else unknown if doubts else passed
    return report(NAME, expected=EXPECTED, observed=observed, evidence="; ".join(notes))


def _judge_orders(evidence: Evidence, wrong: list[str], doubts: list[str]) -> None:
    """Orders that should not exist: past a risk gate that had said no, or a second time."""
    data = evidence.data
    if len(data.order_arrivals) == 0:
        return
    ordered = _keys(data.order_arrivals)
    blocked = data.decisions[data.decisions["reason"] != 0]
    leaked = np.isin(_keys(blocked), ordered)
    if leaked.any():
        wrong.append(_some("orders left although risk had blocked them", blocked["trigger_sequence"][leaked]))
    tokens, times = np.unique(data.order_arrivals["token"], return_counts=True)
    received = data.drop_copy["token"][data.drop_copy["kind"] == b"O"]
    known, received_times = np.unique(received, return_counts=True)
    ignored = data.drop_copy["token"][data.drop_copy["kind"] == b"D"]
    taken_twice = known[received_times > 1]
    if len(taken_twice):
        wrong.append(f"{len(taken_twice):,} tokens were received as new orders more than once")
    witnessed = np.union1d(taken_twice, ignored)
    again = tokens[times > 1]
    resent = data.engine.orders.get("resent_orders", 0)
    if len(again) and int((times - 1).sum()) > resent:
        confirmed = np.isin(again, witnessed)
        if confirmed.any():
            wrong.append(f"{int(confirmed.sum()):,} tokens were sent more than once, by the drop copy too")
        if not confirmed.all():
            doubts.append(f"{int((~confirmed).sum()):,} tokens were seen twice by the tap only")


def _keys(rows: Rows) -> Rows:
    """One number for a trigger and the ordinal of its order."""
    keys: Rows = rows["trigger_sequence"] * np.uint64(256) + rows["ordinal"]
    return keys


def _judge_silent(evidence: Evidence, silent: Rows, wrong: list[str], doubts: list[str]) -> list[str]:
    """Triggers with no decision at all: the engine missed them, and either it had a reason or it did not."""
    if len(silent) == 0:
        return []
    excused = []
    skipped = skipped_by(evidence.data.engine.joins, silent["trigger_sequence"]) != NEVER
    if skipped.any():
        excused.append(f"{int(skipped.sum()):,} triggers were skipped by the snapshot")
    unreached = ~skipped & (silent["wire_ns"] == MISSING)
    reached = silent[~skipped & ~unreached]
    if unreached.any():
        excused.append(f"{int(unreached.sum()):,} triggers never reached the engine")
    if len(reached) == 0:
        return excused
    engine = evidence.data.engine
    if not engine.transitions or engine.transitions_lost:
        doubts.append(
            _some(
                "triggers have no decision and the feed's states are not known", reached["trigger_sequence"]
            )
        )
        return excused
    at = reached["wire_ns"]
    live = live_throughout(engine.transitions, at - AROUND_NS, at + AROUND_NS)
    if live.any():
        wrong.append(
            _some("triggers arrived while LIVE and left no decision", reached["trigger_sequence"][live])
        )
    if not live.all():
        excused.append(
            f"{int((~live).sum()):,} triggers arrived while the feed was not LIVE, or about to change"
        )
    return excused


def _some(what: str, sequences: Rows) -> str:
    shown = ", ".join(str(int(sequence)) for sequence in np.unique(sequences)[:3])
    return f"{len(sequences):,} {what} (messages {shown}{', ...' if len(sequences) > 3 else ''})"
