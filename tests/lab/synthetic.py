"""Synthetic runs for tests: a seeded RunData that is right by construction, with knobs that make it wrong.

``run()`` gives a run in which every number is known from the arguments; the pathological ones are made from
it with ``dataclasses.replace`` by the tests that need them.
"""

from __future__ import annotations

import numpy as np

from lab.measure import (
    EngineReport,
    Event,
    ExchangeReport,
    FaultRecord,
    FloorData,
    HostReport,
    RunData,
    TapReport,
    Transition,
)
from lab.measure.rows import BOOK, DECISIONS, DROP_COPY, MARKET_TAPS, ORDER_ARRIVALS, PACKETS, Rows
from lab.scenario import Scenario

START_NS = 1_000_000_000_000


def packets_rows(
    generator: np.random.Generator, *, count: int, gap_ns: int, messages: int, bursts: bool = False
) -> Rows:
    rows = np.zeros(count, PACKETS)
    per_packet = generator.integers(1, messages + 1, count)
    rows["count"] = per_packet
    rows["first_sequence"] = 1 + np.concatenate([[0], np.cumsum(per_packet)[:-1]])
    gaps = generator.exponential(gap_ns, count).astype(np.int64) + 1_000
    if bursts:
        index = np.arange(count)
        inside = (index % 2_000) < 200
        gaps[inside] = 2_000
        rows["burst"] = np.where(inside, index // 2_000, -1)
    else:
        rows["burst"] = -1
    rows["intended_ns"] = START_NS + np.cumsum(gaps) - gaps[0]
    rows["bytes"] = 20 + 38 * per_packet
    rows["sent_ns"] = (rows["intended_ns"] + generator.integers(50, 800, count))[:, None] + np.array([0, 350])
    rows["message_offset"] = np.concatenate([[0], np.cumsum(38 * per_packet)[:-1]])
    return rows


def tap_rows(generator: np.random.Generator, packets: Rows, *, heartbeats: int = 3) -> Rows:
    parts = []
    for line in (0, 1):
        rows = np.zeros(len(packets), MARKET_TAPS)
        rows["stamp_ns"] = packets["sent_ns"][:, line] + generator.integers(600, 2_000, len(packets))
        rows["sequence"] = packets["first_sequence"]
        rows["count"] = packets["count"]
        rows["line"] = line
        rows["length"] = packets["bytes"]
        parts.append(rows)
        beats = np.zeros(heartbeats, MARKET_TAPS)
        beats["stamp_ns"] = (packets["intended_ns"][-1] if len(packets) else START_NS) + 1_000_000
        beats["sequence"] = packets["first_sequence"][-1] if len(packets) else 1
        beats["count"][-1:] = 0xFFFF
        beats["line"] = line
        parts.append(beats)
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["stamp_ns"], kind="stable")]


def token(sequence: int, *, letter: str = "T", ordinal: int = 0) -> bytes:
    return f"{letter}{sequence:012X}{ordinal}".encode()


def order_rows(sequences: Rows, stamps: Rows, *, letter: str = "T") -> Rows:
    rows = np.zeros(len(sequences), ORDER_ARRIVALS)
    rows["stamp_ns"] = stamps
    rows["trigger_sequence"] = sequences
    rows["token"] = [token(int(s), letter=letter) for s in sequences]
    return rows


def first_arrival_ns(packets: Rows, taps: Rows, sequences: Rows) -> Rows:
    """Independent of lab.measure: by dictionary."""
    first: dict[int, int] = {}
    for row in taps:
        if 0 < row["count"] < 0xFFFF and not row["flags"] & 1:
            for message in range(int(row["sequence"]), int(row["sequence"]) + int(row["count"])):
                first[message] = min(first.get(message, 2**63 - 1), int(row["stamp_ns"]))
    return np.array([first[int(s)] for s in sequences], np.int64)


def book_rows(generator: np.random.Generator, *, count: int) -> Rows:
    rows = np.zeros(count, BOOK)
    rows["symbol"] = np.sort(generator.integers(1, 6, count))
    rows["side"] = np.where(generator.random(count) < 0.5, b"B", b"S")
    rows["price"] = 1_000_000 + generator.integers(0, 50, count) * 100
    rows["reference"] = np.arange(1, count + 1)
    rows["shares"] = generator.integers(1, 500, count)
    rows = np.sort(rows, order=["symbol", "side", "price", "reference"])
    for index in range(1, count):
        before, row = rows[index - 1], rows[index]
        same = all(before[name] == row[name] for name in ("symbol", "side", "price"))
        rows["position"][index] = before["position"] + 1 if same else 0
    return rows


def run(
    *,
    seed: int = 1,
    packets: int = 2_000,
    gap_ns: int = 20_000,
    messages: int = 4,
    every: int = 5,
    blocked_share: float = 0.02,
    floor: bool = True,
    bursts: bool = False,
    oracle: bool = True,
    faults: bool = False,
) -> RunData:
    """Every ``every``-th message is a trigger; each is answered in 6 to 12 us unless risk blocks it."""
    generator = np.random.default_rng(seed)
    published = packets_rows(generator, count=packets, gap_ns=gap_ns, messages=messages, bursts=bursts)
    taps = tap_rows(generator, published)
    total = int(published["count"].sum())
    triggers = np.arange(every, total + 1, every, dtype=np.uint64)
    arrived = first_arrival_ns(published, taps, triggers)
    decisions = np.zeros(len(triggers), DECISIONS)
    decisions["trigger_sequence"] = triggers
    durations = (
        generator.gamma(3.0, [300, 60, 150, 40, 60, 90, 500], (len(triggers), 7)).astype(np.int64) + 20
    )
    spike = generator.random(len(triggers)) < 0.003
    durations[spike, 2] += generator.integers(20_000, 80_000, int(spike.sum()))
    stamps = arrived[:, None] + np.cumsum(durations, axis=1)
    for column, name in enumerate(
        ("rx_ns", "decode_ns", "book_ns", "strategy_ns", "risk_ns", "encode_ns", "tx_ns")
    ):
        decisions[name] = stamps[:, column]
    decisions["price"] = 1_000_000
    decisions["shares"] = 100
    decisions["symbol"] = generator.integers(1, 6, len(triggers))
    decisions["side"] = np.where(generator.random(len(triggers)) < 0.5, b"B", b"S")
    decisions["feed_state"] = 2
    decisions["flags"][:1] = 1
    decisions["flags"][1:] = np.where(generator.random(max(len(triggers) - 1, 0)) < 0.01, 2, 0)
    blocked = generator.random(len(triggers)) < blocked_share
    decisions["reason"] = np.where(blocked, 3, 0)
    decisions["encode_ns"][blocked] = 0
    decisions["tx_ns"][blocked] = 0
    sent = ~blocked
    out = decisions["tx_ns"][sent] + generator.integers(800, 1_500, int(sent.sum()))
    orders = order_rows(triggers[sent], out)
    drop_copy, positions = _drop_copy(decisions[sent], orders)
    book = book_rows(generator, count=40)
    end_ns = int(published["intended_ns"][-1]) if packets else START_NS
    return RunData(
        packets=published,
        market_taps=taps,
        order_arrivals=orders,
        decisions=decisions,
        drop_copy=drop_copy,
        engine=EngineReport(
            alive=True,
            exit_code=0,
            wire="af_xdp",
            wire_mode="copy",
            final_feed_state="ENDED",
            feed={"messages": total, "gaps": 0, "duplicates": total, "lines": {"A": {"packets": packets}}},
            risk={"collar": int(blocked.sum())},
            positions=positions,
            journal={
                "records": 5,
                "bytes": 320,
                "lost": 0,
                "high_water": 64,
                "ring_bytes": 1 << 18,
                "failure": 0,
            },
            reason_names={3: "collar"},
            transitions=(
                Transition(at_ns=START_NS, before="STARTUP", after="LIVE", cause="first message", sequence=1),
                Transition(at_ns=end_ns + 1_500_000, before="LIVE", after="ENDED", cause="end of session"),
            ),
        ),
        exchange=ExchangeReport(
            counters={"orders": len(orders)}, loop_stall_max_ns=45_000, loop_stall_count=2
        ),
        tap=TapReport(lost=0, capacity=1 << 16, peak=1_200),
        host=HostReport(steal_ns=10_000_000, stall_max_ns=45_000, stall_count=3, knobs={"cpu": "synthetic"}),
        started_ns=START_NS,
        expected_triggers=triggers if oracle else None,
        engine_book=book,
        exchange_book=book.copy(),
        floor=_floor(generator) if floor else None,
        faults=(
            FaultRecord(
                name="pause",
                injected_ns=START_NS + (end_ns - START_NS) // 3,
                healed_ns=START_NS + (end_ns - START_NS) // 3 + 2_000_000,
            ),
        )
        if faults
        else (),
        events=(Event(at_ns=START_NS, kind="lab", what="started"),),
    )


def _floor(generator: np.random.Generator) -> FloorData:
    packets = packets_rows(generator, count=1_000, gap_ns=10_000, messages=2)
    taps = tap_rows(generator, packets)
    every = 2
    triggers = np.arange(every, int(packets["count"].sum()) + 1, every, dtype=np.uint64)
    arrived = first_arrival_ns(packets, taps, triggers)
    orders = order_rows(triggers, arrived + generator.integers(2_500, 5_000, len(triggers)), letter="R")
    return FloorData(
        packets=packets,
        market_taps=taps,
        order_arrivals=orders,
        every=every,
        tap=TapReport(lost=0, capacity=4096),
    )


def _drop_copy(decisions: Rows, orders: Rows) -> tuple[Rows, dict[int, int]]:
    rows = np.zeros(3 * len(orders), DROP_COPY)
    positions: dict[int, int] = {}
    for index in range(len(orders)):
        order, decision = orders[index], decisions[index]
        for offset, kind in enumerate((b"O", b"A", b"E")):
            row = rows[3 * index + offset]
            row["at_ns"] = order["stamp_ns"] + 500 * (offset + 1)
            row["kind"] = kind
            row["token"] = order["token"]
            for name in ("side", "symbol", "shares", "price"):
                row[name] = decision[name]
        signed = int(decision["shares"]) * (1 if decision["side"] == b"B" else -1)
        symbol = int(decision["symbol"])
        positions[symbol] = positions.get(symbol, 0) + signed
    return rows, positions


def scenario(*, expect: dict[str, object] | None = None, **sections: object) -> Scenario:
    """A valid scenario with the sections given, as a YAML file would have them."""
    return Scenario.model_validate({"title": "A synthetic run", "expect": expect or {}, **sections})


def without_rows(rows: Rows, gone: Rows) -> Rows:
    """``rows`` without those where ``gone`` is true."""
    kept: Rows = rows[~gone]
    return kept
