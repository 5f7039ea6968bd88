"""How long orders leave behind the kill switch: from stamps, a sample a command."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.data import FaultRecord
from lab.measure.kill import kill_samples
from lab.measure.rows import ORDER_ARRIVALS


def arrivals(*stamps_ns: int) -> np.ndarray:
    rows = np.zeros(len(stamps_ns), ORDER_ARRIVALS)
    rows["stamp_ns"] = stamps_ns
    return rows


def kill(*windows: tuple[int, int]) -> FaultRecord:
    return FaultRecord(name="kill", injected_ns=windows[0][0] if windows else 0, windows=windows)


def test_the_last_order_before_the_release_counts() -> None:
    samples, thrown = kill_samples([kill((100, 200), (300, 400))], arrivals(90, 103, 107, 250, 500))
    assert (samples.tolist(), thrown.tolist()) == ([7, 0], [100, 300])


def test_other_faults_and_runs_without_orders_give_nothing() -> None:
    assert (
        kill_samples([FaultRecord(name="pause", injected_ns=1, windows=((1, 2),))], arrivals(1))[0].size == 0
    )
    assert kill_samples([kill((1, 5))], arrivals())[0].tolist() == [0]


@given(
    st.lists(st.integers(0, 1000), max_size=30),
    st.lists(st.integers(0, 1000), min_size=2, max_size=10, unique=True),
)
def test_every_window_by_itself(stamps: list[int], edges: list[int]) -> None:
    edges = sorted(edges)[: len(edges) // 2 * 2]
    windows = list(zip(edges[::2], edges[1::2], strict=True))
    samples, _ = kill_samples([kill(*windows)], arrivals(*stamps))
    for (begin, end), sample in zip(windows, samples.tolist(), strict=True):
        inside = [stamp for stamp in stamps if begin <= stamp < end]
        assert sample == (max(inside) - begin if inside else 0)
