"""Gaps and bursts by stamps: what was meant, what came, and bursts that lost their shape."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from lab.measure import measure_run
from lab.measure.gaps import gaps_of
from lab.measure.noise import NOISE, NoiseData, noise_arrivals
from lab.measure.rows import MARKET_TAPS, Rows
from lab.measure.wire import NEVER


def array(*values: int) -> Rows:
    return np.array(values, np.int64)


def test_a_gap_is_between_neighbours_of_the_plan_that_both_came() -> None:
    one = gaps_of(
        driver="x",
        line="A",
        intended=array(0, 10, 20, 30, 40),
        arrival=array(100, 112, NEVER, 130, 139),
        burst=array(-1, -1, -1, -1, -1),
    )
    assert (one.frames, one.missing) == (5, 1)
    assert one.intended.tolist() == [10, 10]
    assert one.actual.tolist() == [12, 9]
    assert one.error.tolist() == [2, 1]
    assert one.bursts.count == 0


def test_each_burst_has_its_worst_gap_and_its_stretch() -> None:
    one = gaps_of(
        driver="x",
        line="A",
        intended=array(0, 10, 20, 5, 15, 25, 500, 510, 900),
        arrival=array(0, 2, 4, 10, 25, 40, 600, NEVER, 950),
        burst=array(4, 4, 4, 9, 9, 9, 1, 1, 3),  # the last one has a single frame: no gap, no shape
    )
    shapes = one.bursts
    assert (shapes.count, shapes.incomplete) == (3, 1)
    assert shapes.worst.tolist() == [8, 5]
    assert shapes.stretch.tolist() == [-16, 10]
    assert shapes.meant.tolist() == [10, 10]
    assert (shapes.least.tolist(), shapes.largest.tolist()) == ([2, 15], [2, 15])


def test_bursts_that_interleave_are_told_apart() -> None:
    intended = array(0, 0, 10, 10, 20, 20)
    one = gaps_of(
        driver="x", line="A", intended=intended, arrival=intended + 7, burst=array(1, 2, 1, 2, 1, 2)
    )
    assert one.bursts.worst.tolist() == [0, 0]


def noise(intended: Rows, sent: Rows, stamps: Rows, line: int = 0) -> NoiseData:
    records = np.zeros(len(intended), NOISE)
    records["intended_ns"], records["sent_ns"], records["line"] = intended, sent, line
    records["bytes"], records["burst"] = 100, -1
    taps = np.zeros(len(stamps), MARKET_TAPS)
    taps["stamp_ns"], taps["line"], taps["count"] = stamps, line, 1
    return NoiseData(records=records, taps=taps, streams=())


def test_as_many_stamps_as_frames_belong_together_one_by_one() -> None:
    data = noise(array(0, 10, 20), array(1, 11, 21), array(50, 51, 52))
    assert noise_arrivals(data, 0)[1].tolist() == [50, 51, 52]


def test_a_frame_that_was_not_sent_has_no_stamp() -> None:
    data = noise(array(0, 10, 20), array(1, 0, 21), array(5, 25))
    assert noise_arrivals(data, 0)[1].tolist() == [5, NEVER, 25]


@given(
    gaps=st.lists(st.integers(100, 10_000), min_size=1, max_size=40),
    lost=st.sets(st.integers(0, 39)),
    delay=st.integers(1, 99),
)
def test_lost_frames_are_found_where_each_arrives_before_the_next_is_sent(
    gaps: list[int], lost: set[int], delay: int
) -> None:
    sent = np.cumsum(np.array(gaps, np.int64))
    kept = np.array([place not in lost for place in range(len(sent))])
    data = noise(sent, sent, (sent + delay)[kept])
    assert noise_arrivals(data, 0)[1].tolist() == np.where(kept, sent + delay, NEVER).tolist()


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_run_has_the_gaps_of_its_lines(name: str) -> None:
    data = synthetic.run(packets=600, bursts=True)
    measured = measure_run(data, late_after_ns=10_000_000).gaps
    assert set(measured) == {"A", "B"}
    one = measured[name]
    assert (one.driver, one.line, one.frames) == ("exchange", name, 600)
    assert one.bursts.count == len(set(data.packets["burst"].tolist()) - {-1}) > 0
    block = one.to_json()
    assert block["error_ns"]["count"] == 599 - one.missing
    assert block["bursts"]["count"] == one.bursts.count
