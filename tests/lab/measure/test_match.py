"""Matching: the vectorised matcher against a naive one over small random worlds, then known pathologies."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure.match import NO_LINE, STAGE_COLUMNS, Status, match_triggers
from lab.measure.rows import DECISIONS, LINE_NAMES, MARKET_TAPS, MISSING, ORDER_ARRIVALS, PACKETS, Rows
from lab.measure.wire import first_arrivals

STAMPS = st.integers(1, 10_000)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Packets with holes; taps lost, repeated, dropped, cut up; orders and decisions of any kind."""
    packets, sequence = [], draw(st.integers(1, 3))
    for _ in range(draw(st.integers(0, 6))):
        count = draw(st.integers(1, 3))
        packets.append((sequence, count, draw(STAMPS)))
        sequence += count + draw(st.sampled_from([0, 0, 0, 1]))
    rows = np.zeros(len(packets), PACKETS)
    for row, (first, count, at) in zip(rows, packets, strict=True):
        row["first_sequence"], row["count"], row["intended_ns"] = first, count, at
    message = st.integers(1, sequence + 2)
    whole = st.sampled_from([(first, count) for first, count, _ in packets] or [(1, 1)])
    cut = st.tuples(message, st.sampled_from([0, 1, 2, 3, 0xFFFF]))
    taps = draw(
        st.lists(
            st.tuples(st.one_of(whole, cut), STAMPS, st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 2])),
            max_size=14,
        )
    )
    market = np.zeros(len(taps), MARKET_TAPS)
    for row, ((first, count), at, line, flags) in zip(market, taps, strict=True):
        row["sequence"], row["count"], row["stamp_ns"], row["line"], row["flags"] = (
            first,
            count,
            at,
            line,
            flags,
        )
    sent = draw(st.lists(st.tuples(message, STAMPS, st.integers(0, 1)), max_size=8))
    orders = np.zeros(len(sent), ORDER_ARRIVALS)
    for row, (trigger, at, ordinal) in zip(orders, sent, strict=True):
        row["trigger_sequence"], row["stamp_ns"], row["ordinal"] = trigger, at, ordinal
    made = draw(
        st.lists(
            st.tuples(message, st.integers(0, 1), st.sampled_from([0, 0, 3])),
            max_size=8,
            unique_by=lambda t: t[:2],
        )
    )
    decisions = np.zeros(len(made), DECISIONS)
    for row, (trigger, ordinal, reason) in zip(decisions, made, strict=True):
        row["trigger_sequence"], row["ordinal"], row["reason"] = trigger, ordinal, reason
    triggers = sorted(draw(st.sets(message, max_size=8)))
    return {"packets": rows, "taps": market, "orders": orders, "decisions": decisions, "triggers": triggers}


def known(value: Any) -> int | None:
    return None if value == MISSING else int(value)


@given(worlds())
@settings(max_examples=300, deadline=None)
def test_matching_agrees_with_a_naive_matcher(world: dict[str, Any]) -> None:
    expected = naive.match(
        world["packets"], world["taps"], world["decisions"], world["orders"], world["triggers"]
    )
    found = match_triggers(
        packets=world["packets"],
        wire=first_arrivals(world["packets"], world["taps"]),
        decisions=world["decisions"],
        order_arrivals=world["orders"],
        triggers=np.array(world["triggers"], np.uint64),
    )
    assert len(found.samples) == len(expected.samples)
    for row, sample in zip(found.samples, expected.samples, strict=True):
        assert Status(row["status"]).name.lower() == sample.status
        assert (None if row["wire_line"] == NO_LINE else row["wire_line"]) == sample.wire_line
        for name in ("intended_ns", "wire_ns", "other_line_ns", "order_ns", "wire_to_wire_ns", "response_ns"):
            assert known(row[name]) == getattr(sample, name), name
        assert (row["orders"], bool(row["decided"])) == (sample.orders, sample.decided)
    assert found.duplicate_orders == expected.duplicate_orders
    assert sorted(found.unexpected_orders.tolist()) == sorted(expected.unexpected_orders)
    assert found.unpublished.tolist() == expected.unpublished
    assert found.sent_not_seen.tolist() == expected.sent_not_seen


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_a_packet_is_covered_when_every_message_came_however_it_was_cut(world: dict[str, Any]) -> None:
    found = first_arrivals(world["packets"], world["taps"]).covered(world["packets"])
    for line in range(3):
        assert found[line].tolist() == naive.covered(world["packets"], world["taps"], line)


def one_packet() -> Rows:
    packets = np.zeros(1, PACKETS)
    packets["first_sequence"], packets["count"], packets["intended_ns"] = 1, 4, 1_000
    return packets


def tap(*rows: tuple[int, int, int, int]) -> Rows:
    """(sequence, count, stamp_ns, line)"""
    taps = np.zeros(len(rows), MARKET_TAPS)
    for row, (sequence, count, stamp_ns, line) in zip(taps, rows, strict=True):
        row["sequence"], row["count"], row["stamp_ns"], row["line"] = sequence, count, stamp_ns, line
    return taps


def test_the_first_arrival_on_any_line_is_where_latency_starts() -> None:
    wire = first_arrivals(one_packet(), tap((1, 4, 1_900, 0), (1, 4, 1_500, 1), (1, 4, 1_400, 2)))
    found = wire.for_messages(np.zeros(1, np.int64), np.array([2], np.uint64))
    assert found[:, 0].tolist() == [1_900, 1_500, 1_400]


def test_a_retransmission_cut_differently_is_found_by_its_messages() -> None:
    wire = first_arrivals(one_packet(), tap((3, 2, 2_500, 2)))
    found = wire.for_messages(np.zeros(4, np.int64), np.array([1, 2, 3, 4], np.uint64))
    assert [int(stamp) if stamp < 10_000 else None for stamp in found[LINE_NAMES.index("recovery")]] == [
        None,
        None,
        2_500,
        2_500,
    ]


def test_a_packet_dropped_at_the_tap_reached_the_wire_but_not_the_engine() -> None:
    taps = tap((1, 4, 1_500, 0))
    taps["flags"] = 1
    wire = first_arrivals(one_packet(), taps)
    assert wire.at_wire[0, 0] == 1_500
    assert wire.at_engine[0, 0] > 10_000
    assert wire.dropped[0] == 1


def test_stages_lie_between_successive_stamps_and_a_stage_without_both_is_missing() -> None:
    decisions = np.zeros(1, DECISIONS)
    decisions["trigger_sequence"] = 2
    for index, name in enumerate(("rx", "decode", "book", "strategy", "risk")):
        decisions[f"{name}_ns"] = 2_000 + 10 * index
    decisions["reason"] = 3  # blocked: never encoded, never sent
    found = match_triggers(
        packets=one_packet(),
        wire=first_arrivals(one_packet(), tap((1, 4, 1_950, 0))),
        decisions=decisions,
        order_arrivals=np.zeros(0, ORDER_ARRIVALS),
        triggers=np.array([2], np.uint64),
    )
    (row,) = found.samples
    assert [known(row[f"{stage}_ns"]) for stage in STAGE_COLUMNS] == [50, 10, 10, 10, 10, None, None, None]
    assert row["status"] == Status.BLOCKED


def test_sequences_beyond_a_double_are_not_confused() -> None:
    packets = one_packet()
    packets["first_sequence"] = 2**53
    orders = np.zeros(1, ORDER_ARRIVALS)
    orders["trigger_sequence"], orders["stamp_ns"] = 2**53 + 1, 3_000
    found = match_triggers(
        packets=packets,
        wire=first_arrivals(packets, tap((2**53, 4, 2_000, 0))),
        decisions=np.zeros(0, DECISIONS),
        order_arrivals=orders,
        triggers=np.array([2**53, 2**53 + 1], np.uint64),
    )
    assert [known(value) for value in found.samples["wire_to_wire_ns"]] == [None, 1_000]
