"""Histograms: the same counts as HdrHistogram's own, exact ranks, and what falls outside is counted."""

from fractions import Fraction

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.measure import Histogram, supports
from lab.measure.histogram import HIGHEST_NS, PERCENTILES, SIGNIFICANT_DIGITS

VALUES = st.lists(st.one_of(st.integers(0, 5_000), st.integers(0, HIGHEST_NS)), min_size=1, max_size=200)


@given(VALUES)
@settings(deadline=None)
def test_every_value_is_counted_where_hdrhistogram_counts_it(values: list[int]) -> None:
    reference = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
    for value in values:
        reference.record_value(value)
    mine = Histogram.of(np.array(values))
    assert mine.counts.tolist() == [reference.get_count_at_index(index) for index in range(Histogram.length)]
    figures = mine.figures()
    assert figures.max == reference.get_highest_equivalent_value(max(values))
    assert figures.count == len(values)


@given(VALUES)
@settings(deadline=None)
def test_a_percentile_is_the_bucket_of_the_sample_of_its_rank(values: list[int]) -> None:
    reference = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
    ordered = sorted(values)
    figures = Histogram.of(np.array(values)).figures()
    for name, quantile in PERCENTILES.items():
        rank = max(1, -(-quantile * len(values) // 1))
        assert getattr(figures, name) == reference.get_highest_equivalent_value(ordered[int(rank) - 1])


@given(VALUES, VALUES)
@settings(deadline=None, max_examples=30)
def test_merging_is_recording_everything_in_one(first: list[int], second: list[int]) -> None:
    merged = Histogram.of(np.array(first))
    merged.add(Histogram.of(np.array(second)))
    assert (merged.counts == Histogram.of(np.array(first + second)).counts).all()


@given(VALUES)
@settings(deadline=None, max_examples=30)
def test_what_is_encoded_is_decoded_to_the_same_counts(values: list[int]) -> None:
    mine = Histogram.of(np.array(values))
    decoded = HdrHistogram.decode(mine.to_hdr().encode())
    assert decoded.get_total_count() == len(values)
    assert [decoded.get_count_at_index(index) for index in range(decoded.counts_len)] == mine.counts.tolist()


@given(VALUES)
@settings(deadline=None, max_examples=50)
def test_buckets_hold_every_sample_between_their_ends(values: list[int]) -> None:
    lowest, highest, counts = Histogram.of(np.array(values)).buckets()
    assert counts.sum() == len(values)
    for low, high, count in zip(lowest, highest, counts, strict=True):
        assert sum(low <= value <= high for value in values) == count
        assert high - low <= max(low // 1_000, 0)  # three significant digits


def test_a_negative_value_is_counted_beside_and_never_recorded() -> None:
    histogram = Histogram.of(np.array([-5, 10, -1]))
    assert (histogram.count, histogram.negative) == (1, 2)


def test_a_value_above_the_range_saturates_and_is_counted() -> None:
    histogram = Histogram.of(np.array([HIGHEST_NS + 1, 2**62]))
    assert (histogram.count, histogram.saturated) == (2, 2)
    assert (histogram.figures().max or 0) >= HIGHEST_NS


def test_no_sample_gives_no_figure() -> None:
    figures = Histogram().figures()
    assert figures.count == 0
    assert figures.p50 is figures.max is figures.min is None
    share, values = Histogram().curve()
    assert len(share) == len(values) == 0


@pytest.mark.parametrize(
    ("count", "quantile", "expected"),
    [
        (0, "p50", False),
        (1, "p50", False),
        (2, "p50", True),
        (99, "p99", False),
        (100, "p99", True),
        (999, "p99_9", False),
        (1_000, "p99_9", True),
        (9_999, "p99_99", False),
        (10_000, "p99_99", True),
    ],
)
def test_a_percentile_needs_a_sample_above_it(count: int, quantile: str, expected: bool) -> None:
    assert supports(count, PERCENTILES[quantile]) is expected
    assert not supports(10**9, Fraction(1))
