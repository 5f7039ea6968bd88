"""Measuring whole runs: denominators that add up, pacing, the floor, and runs in which things went wrong."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import UndecidedError
from lab.measure import Measurement, RunData, empty_rows, figure_blocks, look_up, measure_run
from lab.measure.match import STAGE_COLUMNS
from lab.measure.rows import DECISIONS, MISSING, require_rows

LATE_NS = 10_000_000


@pytest.fixture(scope="module")
def run() -> RunData:
    return synthetic.run()


def measure(data: RunData) -> Measurement:
    return measure_run(data, late_after_ns=LATE_NS)


def test_a_sound_run_has_every_number_it_was_made_with(run: RunData) -> None:
    counts = measure(run).counts
    assert counts.published == int(run.packets["count"].sum())
    assert counts.triggers == counts.published // 5
    assert counts.matched == counts.orders == len(run.order_arrivals)
    assert counts.risk_blocked == int((run.decisions["reason"] != 0).sum())
    assert (counts.unmatched, counts.duplicate, counts.late, counts.unexpected) == (0, 0, 0, 0)


def test_wire_to_wire_is_order_arrival_minus_first_arrival(run: RunData) -> None:
    measurement = measure(run)
    samples = measurement.samples
    first = synthetic.first_arrival_ns(run.packets, run.market_taps, samples["trigger_sequence"])
    ordered = {int(row["trigger_sequence"]): int(row["stamp_ns"]) for row in run.order_arrivals}
    expected = [
        ordered[int(sequence)] - int(wire) if int(sequence) in ordered else MISSING
        for sequence, wire in zip(samples["trigger_sequence"], first, strict=True)
    ]
    assert samples["wire_to_wire_ns"].tolist() == expected


def test_response_starts_at_the_intended_time_so_a_late_exchange_counts(run: RunData) -> None:
    samples = measure(run).samples
    matched = samples[samples["response_ns"] != MISSING]
    assert (matched["response_ns"] >= matched["wire_to_wire_ns"]).all()
    assert (matched["response_ns"] == matched["order_ns"] - matched["intended_ns"]).all()


@given(st.integers(0, 2**32), st.integers(1, 9), st.floats(0, 1), st.data())
@settings(max_examples=25, deadline=None)
def test_the_denominators_add_up_whatever_is_lost(
    seed: int, every: int, share: float, draw: st.DataObject
) -> None:
    data = synthetic.run(seed=seed, packets=60, every=every, blocked_share=share, floor=False)
    generator = np.random.default_rng(seed)

    def thin(rows: np.ndarray) -> np.ndarray:
        return rows[generator.random(len(rows)) >= draw.draw(st.floats(0, 1))]

    data = replace(
        data,
        market_taps=thin(data.market_taps),
        order_arrivals=thin(data.order_arrivals),
        decisions=thin(data.decisions),
        expected_triggers=draw.draw(st.sampled_from([data.expected_triggers, None])),
    )
    counts = measure(data).counts
    assert counts.triggers == counts.matched + counts.unmatched + counts.risk_blocked
    assert counts.matched <= counts.orders == len(data.order_arrivals)


def test_a_run_that_left_nothing_is_measured_as_nothing(run: RunData) -> None:
    data = replace(run, **empty_rows(), expected_triggers=np.empty(0, "<u8"), floor=None, started_ns=0)
    measurement = measure(data)
    assert measurement.counts.to_json() == dict.fromkeys(measurement.counts.to_json(), 0)
    blocks = figure_blocks(data, measurement)
    assert blocks["latency_ns"]["wire_to_wire"]["count"] == 0
    assert look_up(blocks, "wire_to_wire.p99") is None
    assert look_up(blocks, "share.late") is None
    assert look_up(blocks, "wire_to_wire.p50_over_floor") is None


def test_a_repeated_order_is_counted_and_the_first_one_is_timed(run: RunData) -> None:
    again = run.order_arrivals[:3].copy()
    again["stamp_ns"] += 1_000
    data = replace(run, order_arrivals=np.concatenate([run.order_arrivals, again]))
    measurement = measure(data)
    assert measurement.counts.duplicate == 3
    assert (measurement.samples["wire_to_wire_ns"] == measure(run).samples["wire_to_wire_ns"]).all()


def test_an_order_for_no_trigger_is_unexpected(run: RunData) -> None:
    stray = synthetic.order_rows(np.array([6], np.uint64), np.array([synthetic.START_NS + 10**6]))
    counts = measure(replace(run, order_arrivals=np.concatenate([run.order_arrivals, stray]))).counts
    assert counts.unexpected == 1
    assert counts.orders == len(run.order_arrivals) + 1


def test_an_order_slower_than_the_bound_is_late(run: RunData) -> None:
    orders = run.order_arrivals.copy()
    orders["stamp_ns"][:7] += LATE_NS
    assert measure(replace(run, order_arrivals=orders)).counts.late == 7


def test_a_negative_latency_is_counted_and_never_recorded(run: RunData) -> None:
    orders = run.order_arrivals.copy()
    orders["stamp_ns"][:2] -= 1_000_000
    series = measure(replace(run, order_arrivals=orders)).series["wire_to_wire"]
    assert series.histogram.negative == 2
    assert series.histogram.count == len(orders) - 2


def test_packets_out_of_order_are_put_in_order(run: RunData) -> None:
    shuffled = run.packets[np.random.default_rng(3).permutation(len(run.packets))]
    assert (measure(replace(run, packets=shuffled)).samples == measure(run).samples).all()


def test_without_an_oracle_the_triggers_are_the_engines_own() -> None:
    measurement = measure(synthetic.run(oracle=False, packets=200, floor=False))
    assert measurement.triggers_from == "engine"
    assert measurement.counts.unmatched == 0


def test_pacing_counts_missing_early_and_near_packets_of_each_line(run: RunData) -> None:
    taps = run.market_taps.copy()
    line_a = np.flatnonzero((taps["line"] == 0) & (taps["count"] > 0) & (taps["count"] < 0xFFFF))
    taps["stamp_ns"][line_a[:4]] -= 50_000
    taps = np.delete(taps, line_a[-6:])
    data = replace(run, market_taps=taps)
    measurement = measure(data)
    line, other = measurement.pacing
    assert (line.line, line.missing, line.early) == ("A", 6, 4)
    assert (other.line, other.missing, other.early) == ("B", 0, 0)
    errors = np.abs(
        np.array([min_stamp(taps, 0, packet) for packet in run.packets[:-6]])
        - run.packets["intended_ns"][:-6]
    )
    assert line.within["2us"] == int((errors <= 2_000).sum())
    share = look_up(figure_blocks(data, measurement), "pacing.within_2us")
    assert share == Fraction(100 * line.within["2us"], len(run.packets))


def min_stamp(taps: np.ndarray, line: int, packet: np.void) -> int:
    rows = taps[(taps["line"] == line) & (taps["sequence"] == packet["first_sequence"])]
    return int(rows["stamp_ns"][(rows["count"] > 0) & (rows["count"] < 0xFFFF)].min())


def test_a_line_that_is_not_there_is_left_out(run: RunData) -> None:
    packets = run.packets.copy()
    packets["sent_ns"][:, 1] = 0
    data = replace(run, packets=packets, market_taps=run.market_taps[run.market_taps["line"] == 0])
    assert [line.line for line in measure(data).pacing] == ["A"]


def test_the_intervals_of_a_series_add_up_to_the_whole() -> None:
    measurement = measure(synthetic.run(packets=300, gap_ns=20_000_000, floor=False))
    series = measurement.series["wire_to_wire"]
    assert len(series.intervals) > 3
    assert sum(part.count for _, _, part in series.intervals) == series.histogram.count
    starts = [start for start, _, _ in series.intervals]
    assert starts == sorted(starts)
    assert all((start - measurement.started_ns) % 1_000_000_000 == 0 for start in starts)


def test_the_floor_is_measured_over_its_own_triggers(run: RunData) -> None:
    floor = measure(run).floor
    assert floor is not None
    assert floor.triggers == floor.matched == floor.wire_to_wire.count
    blocks = figure_blocks(run, measure(run))
    ratio = look_up(blocks, "wire_to_wire.p50_over_floor")
    assert ratio is not None
    latency = blocks["latency_ns"]
    assert ratio * latency["wire_floor"]["p50"] == latency["wire_to_wire"]["p50"]


def test_cold_orders_are_reported_apart_and_stay_in_the_whole(run: RunData) -> None:
    measurement = measure(run)
    assert measurement.counts.cold > 0
    cold = measurement.series["wire_to_wire_cold"].histogram.count
    assert 0 < cold <= measurement.counts.cold
    assert measurement.series["wire_to_wire"].histogram.count == measurement.counts.matched


def test_the_blocks_hold_what_each_part_reported() -> None:
    data = synthetic.run(packets=300, faults=True)
    blocks = figure_blocks(data, measure(data))
    assert look_up(blocks, "faults.fired") == 1
    assert look_up(blocks, "faults.detected") == 0
    assert look_up(blocks, "faults.count") is None
    assert look_up(blocks, "share.count") is None
    counts = blocks["counts"]
    assert look_up(blocks, "share.matched") == Fraction(100 * counts["matched"], counts["triggers"])
    assert look_up(blocks, "order_flow.risk.collar") == blocks["counts"]["risk_blocked"]
    assert look_up(blocks, "order_flow.executed") == blocks["counts"]["matched"]
    assert look_up(blocks, "exchange.loop_stall_max_ns") == 45_000
    assert look_up(blocks, "host.steal_ns") == 10_000_000
    assert look_up(blocks, "feed.lines.A.packets") == 300
    assert set(blocks["stages"]) == set(STAGE_COLUMNS)


def test_rows_of_another_layout_are_refused_with_what_to_do() -> None:
    with pytest.raises(UndecidedError, match=r"decisions\.npy has the columns .*next: rebuild"):
        require_rows(np.zeros(1, [("x", "<u4")]), DECISIONS, "decisions.npy")
