"""Synthetic runs whose feed loses packets, and gets them back: every loss and every stamp is known.

``lossy()`` takes a sound run and breaks it in windows of packets. What the engine could not answer while it was
blind is blocked by its risk gate, as in a real run, so that every check but those of the loss itself passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lab.measure import Episode, FaultRecord, Join, RunData, Transition
from lab.measure.rows import MARKET_TAPS, TAP_DROPPED_BY_FAULT, Rows

FOUND_NS = 60_000  # from the packet behind the hole to the end of the hold-back
REPLY_NS = 90_000  # from leaving LIVE to the first reply
REPLY_MESSAGES = 7  # in one reply, so that they are cut differently from what was published
SPACING_NS = 4_000
DELIVERED_NS = 15_000  # from the last reply to LIVE
BLIND = 7  # reason code
RECOVERING = 4


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Packets ``first`` up to ``first + count`` of the run are dropped on ``lines``."""

    first: int
    count: int
    lines: tuple[int, ...] = (0, 1)
    way: str = "request"  # or snapshot, or none


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What must be measured of one loss; stamps 0 when the feed stayed LIVE."""

    dropped_ns: int
    left_ns: int
    live_ns: int
    messages: int


def rows_of(taps: Rows, packet: np.void, lines: tuple[int, ...]) -> Rows:
    chosen: Rows = (
        (taps["sequence"] == packet["first_sequence"])
        & (taps["count"] == packet["count"])
        & np.isin(taps["line"], lines)
    )
    return chosen


def replies(first: int, last: int, *, from_ns: int, messages: int = REPLY_MESSAGES) -> Rows:
    """Messages ``first`` up to ``last`` on the recovery port."""
    starts = list(range(first, last, messages))
    rows = np.zeros(len(starts), MARKET_TAPS)
    for row, start, number in zip(rows, starts, range(len(starts)), strict=True):
        row["stamp_ns"], row["sequence"] = from_ns + SPACING_NS * number, start
        row["count"], row["line"] = min(messages, last - start), 2
    return rows


def lossy(data: RunData, losses: list[Loss], *, windows: bool = True) -> tuple[RunData, list[Truth]]:
    """``losses`` in order, far enough apart. ``windows`` False: the fault knows its first and last drop only."""
    taps, extra, truths = data.market_taps.copy(), [], []
    first_live, last = data.engine.transitions[0], data.engine.transitions[-1]
    transitions, episodes, joins = [first_live], [], []
    for loss in losses:
        packets = data.packets[loss.first : loss.first + loss.count]
        hit = np.zeros(len(taps), bool)
        for packet in packets:
            hit |= rows_of(taps, packet, loss.lines)
        taps["flags"][hit] |= TAP_DROPPED_BY_FAULT
        low = int(packets["first_sequence"][0])
        high = int(packets["first_sequence"][-1] + packets["count"][-1])
        dropped_ns = int(taps["stamp_ns"][hit].min())
        if len(loss.lines) < 2:
            truths.append(Truth(dropped_ns=dropped_ns, left_ns=0, live_ns=0, messages=high - low))
            continue
        behind = data.packets[loss.first + loss.count]
        left_ns = int(taps["stamp_ns"][rows_of(taps, behind, (0, 1))].min()) + FOUND_NS
        transitions.append(step(left_ns, "LIVE", "RECOVERING", "hold-back expired", low))
        live_ns = 0
        if loss.way == "request":
            rows = replies(low, high, from_ns=left_ns + REPLY_NS)
            extra.append(rows)
            live_ns = int(rows["stamp_ns"].max()) + DELIVERED_NS
        elif loss.way == "snapshot":
            at_ns = left_ns + 20 * REPLY_NS
            joins.append(Join(sequence=high, skipped_from=low, at_ns=at_ns))
            transitions.append(step(left_ns + REPLY_NS, "RECOVERING", "RESYNC", "requests exhausted", low))
            live_ns = at_ns + DELIVERED_NS
        if live_ns:
            transitions.append(step(live_ns, transitions[-1].after, "LIVE", "recovered", high))
        episodes.append(
            Episode(
                found_ns=left_ns - FOUND_NS,
                left_ns=left_ns,
                live_ns=live_ns,
                first_sequence=low,
                messages=high - low,
                way=loss.way,
            )
        )
        truths.append(Truth(dropped_ns=dropped_ns, left_ns=left_ns, live_ns=live_ns, messages=high - low))
    if transitions[-1].after == "LIVE":
        transitions.append(replace(last, before="LIVE"))
    spans = tuple(
        (truth.dropped_ns, int(taps["stamp_ns"][np.isin(taps["sequence"], sequences)].max()))
        for truth, sequences in zip(truths, (sequences_of(data, loss) for loss in losses), strict=True)
    )
    fault = FaultRecord(
        name="drop",
        injected_ns=min(first for first, _ in spans),
        healed_ns=max(end for _, end in spans),
        windows=spans if windows else (),
    )
    market = np.concatenate([taps, *extra])
    broken = replace(
        data,
        market_taps=market[np.argsort(market["stamp_ns"], kind="stable")],
        faults=(fault,),
        engine=replace(
            data.engine,
            transitions=tuple(transitions),
            episodes=tuple(episodes),
            joins=tuple(joins),
            final_feed_state=transitions[-1].after,
            reason_names={**data.engine.reason_names, BLIND: "feed"},
            feed={
                **data.engine.feed,
                "requests_sent": len(extra),
                "request_timeouts": 0,
                "requests_partial": 0,
                "snapshots_started": len(joins),
                "snapshots_failed": 0,
                "snapshots_completed": len(joins),
                "recovered_messages_lines": 0,
                "recovered_messages_requests": sum(int(rows["count"].sum()) for rows in extra),
                "recovered_messages_snapshot": sum(join.sequence - join.skipped_from for join in joins),
            },
        ),
        exchange=replace(
            data.exchange,
            recovery={"requests": len(extra), "answered": len(extra), "snapshots": {"started": len(joins)}},
        ),
    )
    return blocked(broken, truths), truths


def sequences_of(data: RunData, loss: Loss) -> Rows:
    sequences: Rows = data.packets["first_sequence"][loss.first : loss.first + loss.count]
    return sequences


def step(at_ns: int, before: str, after: str, cause: str, sequence: int) -> Transition:
    return Transition(at_ns=at_ns, before=before, after=after, cause=cause, sequence=sequence)


def blocked(data: RunData, truths: list[Truth]) -> RunData:
    """Triggers that came between a drop and LIVE are decided at LIVE and blocked; skipped ones are not decided."""
    triggers = data.decisions["trigger_sequence"]
    skipped = np.zeros(len(triggers), bool)
    for join in data.engine.joins:
        skipped |= (triggers >= join.skipped_from) & (triggers < join.sequence)
    decisions = data.decisions.copy()
    late = np.zeros(len(decisions), bool)
    stages = ("rx_ns", "decode_ns", "book_ns", "strategy_ns", "risk_ns")
    for truth in truths:
        if not truth.left_ns:
            continue
        until_ns = truth.live_ns or np.iinfo(np.int64).max
        hit = (decisions["rx_ns"] >= truth.dropped_ns) & (decisions["rx_ns"] <= until_ns)
        for number, stage in enumerate(stages if truth.live_ns else ()):
            decisions[stage][hit] = truth.live_ns - 1_000 + 10 * number
        late |= hit
    decisions["reason"][late], decisions["feed_state"][late] = BLIND, RECOVERING
    decisions["encode_ns"][late] = decisions["tx_ns"][late] = 0
    gone = triggers[late | skipped]
    tokens = data.order_arrivals["token"][np.isin(data.order_arrivals["trigger_sequence"], gone)]
    drop_copy = data.drop_copy[~np.isin(data.drop_copy["token"], tokens)]
    positions: dict[int, int] = {}
    for row in drop_copy[drop_copy["kind"] == b"E"]:
        signed = int(row["shares"]) * (1 if row["side"] == b"B" else -1)
        positions[int(row["symbol"])] = positions.get(int(row["symbol"]), 0) + signed
    expected = data.expected_triggers
    return replace(
        data,
        decisions=decisions[~skipped],
        order_arrivals=data.order_arrivals[~np.isin(data.order_arrivals["trigger_sequence"], gone)],
        drop_copy=drop_copy,
        engine=replace(data.engine, positions=positions),
        expected_triggers=None if expected is None else np.setdiff1d(expected, triggers[skipped]),
        skipped_triggers=triggers[skipped],
    )
