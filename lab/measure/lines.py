"""Taps in; what each line delivered, which line won each packet and by how much, and what neither brought, out.

Everything here is the wire's own evidence: the engine is not asked. A packet counts for a line when all its
messages reached the engine on it at least once, neither dropped nor corrupted by a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.histogram import PERCENTILES
from lab.measure.rows import LINE_NAMES, POSITION_SESSION_SHIFT, TAP_HARMED, Rows
from lab.measure.wire import END_OF_SESSION, NEVER, PUBLISHED_LINES, WireArrivals

__all__ = ["LineQuality", "Skew", "WireGaps", "line_qualities", "signed_figures", "skew_of", "wire_gaps"]

LENGTHS = (1, 10, 100, 1_000)  # first length of each class of gaps

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LineQuality:
    """One line. published == seen + lost. ``wins`` came first of both lines or alone, ``alone`` only here.

    ``duplicates`` are copies beyond the first; ``out_of_order`` first copies that came behind a later packet.
    """

    line: str
    packets_published: int
    packets_seen: int
    lost: int
    duplicates: int
    out_of_order: int
    wins: int
    alone: int
    dropped_by_fault: int
    corrupted_by_fault: int

    @property
    def lost_percent(self) -> float:
        return 100 * self.lost / self.packets_published if self.packets_published else 0.0

    def to_json(self) -> dict[str, int | float]:
        block: dict[str, int | float] = {name: value for name, value in vars(self).items() if name != "line"}
        return {**block, "lost_percent": self.lost_percent}


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Packets that both lines brought: arrival on B minus arrival on A (ns), and when the first of them came."""

    difference: Integers
    at: Integers

    def won_by(self, line: int) -> tuple[Integers, Integers]:
        """(margin, time) of the packets that ``line`` brought first; a tie is A's."""
        mine = self.difference >= 0 if line == 0 else self.difference < 0
        return np.abs(self.difference[mine]), self.at[mine]


@dataclass(frozen=True, kw_only=True)
class WireGaps:
    """Runs of packets of one session that reached the engine on neither A nor B. Lengths are in messages."""

    lengths: Integers
    packets: NDArray[np.bool_]

    def to_json(self) -> dict[str, Any]:
        edges = [*LENGTHS, np.inf]
        classes = {
            _class_name(low, high): int(((self.lengths >= low) & (self.lengths < high)).sum())
            for low, high in pairwise(edges)
        }
        return {
            "count": len(self.lengths),
            "messages": int(self.lengths.sum()),
            "messages_max": int(self.lengths.max(initial=0)),
            "lengths": classes,
        }


def _class_name(low: float, high: float) -> str:
    if high == np.inf:
        return f"{low:.0f}_up"
    return f"{low:.0f}_to_{high - 1:.0f}"


def line_qualities(
    packets: Rows, market_taps: Rows, wire: WireArrivals, covered: NDArray[np.bool_]
) -> tuple[LineQuality, ...]:
    """Lines A and B; one that is not there at all (nothing sent, nothing seen) is left out."""
    first = wire.at_engine[:PUBLISHED_LINES]
    here = covered[:PUBLISHED_LINES]
    winner = np.where(first.min(axis=0, initial=NEVER) == NEVER, -1, first.argmin(axis=0))
    result = []
    for line in range(PUBLISHED_LINES):
        if line > 0 and not wire.seen[line] and not (packets["sent_ns"][:, line] > 0).any():
            continue
        copies, late = _copies(market_taps, line)
        seen = int(here[line].sum())
        result.append(
            LineQuality(
                line=LINE_NAMES[line],
                packets_published=len(packets),
                packets_seen=seen,
                lost=len(packets) - seen,
                duplicates=copies,
                out_of_order=late,
                wins=int((winner == line).sum()),
                alone=int((here[line] & ~here[1 - line]).sum()),
                dropped_by_fault=wire.dropped[line],
                corrupted_by_fault=wire.corrupted[line],
            )
        )
    return tuple(result)


def _copies(market_taps: Rows, line: int) -> tuple[int, int]:
    """(copies beyond the first, first copies behind a packet of a higher number) of one line, as they came."""
    rows = market_taps[
        (market_taps["line"] == line)
        & (market_taps["count"] > 0)
        & (market_taps["count"] != END_OF_SESSION)
        & ((market_taps["flags"] & TAP_HARMED) == 0)
    ]
    sequence = rows["sequence"][np.argsort(rows["stamp_ns"], kind="stable")]
    _, firsts = np.unique(sequence, return_index=True)
    ordered = sequence[np.sort(firsts)]
    highest = np.maximum.accumulate(ordered)
    return len(sequence) - len(firsts), int((ordered < highest).sum())


def skew_of(wire: WireArrivals) -> Skew:
    first = wire.at_engine[:PUBLISHED_LINES]
    both = (first != NEVER).all(axis=0)
    return Skew(difference=first[1, both] - first[0, both], at=first[:, both].min(axis=0, initial=NEVER))


def wire_gaps(packets: Rows, covered: NDArray[np.bool_]) -> WireGaps:
    """``packets`` in order of their positions."""
    lost: NDArray[np.bool_] = ~np.asarray(covered[:PUBLISHED_LINES].any(axis=0))
    index = np.flatnonzero(lost)
    if len(index) == 0:
        return WireGaps(lengths=np.zeros(0, np.int64), packets=lost)
    session = packets["first_sequence"][index] >> np.uint64(POSITION_SESSION_SHIFT)
    begins = np.concatenate([[True], (np.diff(index) > 1) | (np.diff(session) > 0)])
    lengths = np.add.reduceat(packets["count"][index].astype(np.int64), np.flatnonzero(begins))
    return WireGaps(lengths=lengths, packets=lost)


def signed_figures(values: Integers) -> dict[str, int | None]:
    """The percentiles of a latency block, exactly, of values that may be negative; None without samples."""
    ordered = np.sort(values)
    count = len(ordered)
    if count == 0:
        return {"count": 0, "min": None, **dict.fromkeys(PERCENTILES), "max": None}
    ranks = {
        name: max(1, -(-share.numerator * count // share.denominator)) for name, share in PERCENTILES.items()
    }
    points = {name: int(ordered[rank - 1]) for name, rank in ranks.items()}
    return {"count": count, "min": int(ordered[0]), **points, "max": int(ordered[-1])}
