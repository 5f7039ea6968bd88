"""Integer nanoseconds in; HdrHistogram counts (1 ns to 100 s, 3 significant digits) and percentiles out.

The counts are laid out exactly as HdrHistogram lays them out, so recording is one vectorised index and one
bincount, merging is addition, and ``to_hdr()`` hands the same counts to the ``hdrh`` library for encoding.
A percentile is the highest value equivalent to the sample of rank ceil(q * count), as in HdrHistogram for
Java and C, and exact arithmetic decides the rank. Negative values are never recorded: they are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

__all__ = ["HIGHEST_NS", "PERCENTILES", "Histogram", "LatencyFigures", "supports"]

HIGHEST_NS = 100_000_000_000
SIGNIFICANT_DIGITS = 3
HALF_BITS = 10  # 2 * 10^3 values need 11 bits: 2048 sub-buckets, half of which are new in each bucket
HALF = 1 << HALF_BITS
MASK = 2 * HALF - 1

PERCENTILES: dict[str, Fraction] = {
    "p50": Fraction(50, 100),
    "p90": Fraction(90, 100),
    "p99": Fraction(99, 100),
    "p99_9": Fraction(999, 1000),
    "p99_99": Fraction(9999, 10000),
}

Integers = NDArray[np.int64]


def supports(count: int, quantile: Fraction) -> bool:
    """True when at least one sample lies above ``quantile``: p99.9 needs 1000 samples, p99.99 needs 10000."""
    return count > 0 and count * (1 - quantile) >= 1


@dataclass(frozen=True, kw_only=True)
class LatencyFigures:
    """Percentiles in ns; None without samples. Unsupported percentiles are still given: see supports()."""

    count: int
    min: int | None
    p50: int | None
    p90: int | None
    p99: int | None
    p99_9: int | None
    p99_99: int | None
    max: int | None

    def to_json(self) -> dict[str, int | None]:
        return dict(vars(self))


class Histogram:
    """HdrHistogram counts of one figure. ``negative`` and ``saturated`` values are counted beside them."""

    length = int(HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS).counts_len)

    def __init__(self) -> None:
        self.counts: Integers = np.zeros(self.length, np.int64)
        self.negative = 0
        self.saturated = 0

    @classmethod
    def of(cls, values: NDArray[Any]) -> Histogram:
        histogram = cls()
        histogram.record(values)
        return histogram

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def record(self, values: NDArray[Any]) -> None:
        """Records every value >= 0; negative ones are counted in ``negative``, those above 100 s saturate."""
        values = np.asarray(values, np.int64)
        negative = values < 0
        self.negative += int(negative.sum())
        values = values[~negative]
        self.saturated += int((values > HIGHEST_NS).sum())
        index = _index_of(np.minimum(values, HIGHEST_NS))
        self.counts += np.bincount(index, minlength=self.length)

    def add(self, other: Histogram) -> None:
        """Merges ``other`` into this one, sample for sample."""
        self.counts += other.counts
        self.negative += other.negative
        self.saturated += other.saturated

    def value_at(self, quantile: Fraction) -> int | None:
        """Highest value equivalent to the sample of rank ceil(quantile * count); None without samples."""
        cumulative = np.cumsum(self.counts)
        total = int(cumulative[-1])
        if total == 0:
            return None
        rank = max(1, -(-quantile.numerator * total // quantile.denominator))
        return _highest_equivalent(int(np.searchsorted(cumulative, rank)))

    def figures(self) -> LatencyFigures:
        used = np.flatnonzero(self.counts)
        if len(used) == 0:
            return LatencyFigures(count=0, min=None, max=None, **dict.fromkeys(PERCENTILES))
        return LatencyFigures(
            count=self.count,
            min=_lowest_equivalent(int(used[0])),
            max=_highest_equivalent(int(used[-1])),
            **{name: self.value_at(quantile) for name, quantile in PERCENTILES.items()},
        )

    def buckets(self) -> tuple[Integers, Integers, Integers]:
        """(lowest equivalent ns, highest equivalent ns, count) of every used bucket, ascending."""
        used = np.flatnonzero(self.counts)
        bucket = (used >> HALF_BITS) - 1
        shift = np.maximum(bucket, 0)
        lowest = np.where(bucket < 0, used, ((used & (HALF - 1)) + HALF) << shift)
        return lowest, lowest + (1 << shift) - 1, self.counts[used]

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(share of samples at or below, highest equivalent value ns) for every used bucket, ascending."""
        _, highest, counts = self.buckets()
        cumulative = np.cumsum(counts)
        total = cumulative[-1] if len(counts) else 1
        return cumulative / total, highest.astype(np.float64)

    def to_hdr(self) -> Any:
        """The same counts in ``hdrh``'s HdrHistogram, for encoding and for .hgrm files."""
        hdr = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
        for index in np.flatnonzero(self.counts).tolist():
            hdr.record_value(_lowest_equivalent(index), int(self.counts[index]))
        return hdr


def _index_of(values: Integers) -> Integers:
    bits = np.frexp((values | MASK).astype(np.float64))[1].astype(np.int64)  # exact below 2^53
    bucket = bits - (HALF_BITS + 1)
    return ((bucket + 1) << HALF_BITS) + (values >> bucket) - HALF


def _lowest_equivalent(index: int) -> int:
    bucket = (index >> HALF_BITS) - 1
    if bucket < 0:
        return index
    return ((index & (HALF - 1)) + HALF) << bucket


def _highest_equivalent(index: int) -> int:
    bucket = max((index >> HALF_BITS) - 1, 0)
    return _lowest_equivalent(index) + (1 << bucket) - 1
