"""level_books_match: the engine's books by price are those of an independent reader of the same packets.

The reader (lab/oracle/mdp3_books.py) is given the packets that reached the engine on either line, and all of them: a
book that the engine calls right must be what all packets make of it, whatever was lost.
"""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.arbitration import late_copies
from lab.measure.rows import Rows

__all__ = ["check"]

NAME = "level_books_match"
EXPECTED = "the reader's levels, known and unknown alike"
ORDER = ["security", "side", "level"]
SIDES = ("bid", "ask", "implied bid", "implied ask")


@register(NAME, always=lambda scenario: scenario.engine.venue == "mdp3")
def check(evidence: Evidence) -> CheckResult:
    two, engine = evidence.data.two_lines, evidence.data.engine
    if two is None or two.engine_levels is None:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no books")
    mine, reader = np.sort(two.engine_levels, order=ORDER), np.sort(two.reached_levels, order=ORDER)
    if not len(mine) and not len(reader):
        return unknown(
            NAME, expected=EXPECTED, observed="all books are empty", evidence="nothing was compared"
        )
    for name, left, right in (
        ("of the packets that reached it", mine, reader),
        (
            "that it calls right",
            mine[np.isin(mine["security"], two.live)],
            two.all_levels[np.isin(two.all_levels["security"], two.live)],
        ),
    ):
        if np.array_equal(left, right):
            continue
        where = _difference(left, right)
        late = late_copies(engine)
        spoilt = sum(evidence.measurement.wire.corrupted)
        report = unknown if spoilt or (late and right is reader) else failed
        why = f"{where}; {late:,} copies came after their number was given up" if late else where
        why += f"; {spoilt:,} packets were corrupted by a fault" if spoilt else ""
        return report(NAME, expected=EXPECTED, observed=f"the books {name} differ", evidence=why)
    books, known = len(np.unique(mine["security"])), int(mine["known"].sum())
    return passed(
        NAME,
        expected=EXPECTED,
        observed=f"{len(mine):,} levels of {books:,} books are equal",
        evidence=f"{known:,} known, {len(mine) - known:,} unknown to both; {len(two.live):,} of"
        f" {engine.book['instruments']:,} books are right by the engine, and as all packets make them",
    )


def _difference(mine: Rows, reader: Rows) -> str:
    """The first level that is not in both."""
    ours, theirs = {tuple(row) for row in mine.tolist()}, {tuple(row) for row in reader.tolist()}
    first = min(ours ^ theirs)
    security, side, level = first[:3]
    whose = "the engine's" if first in ours else "the reader's"
    return f"{len(ours ^ theirs):,} differ; first {whose}: security {security} {SIDES[side]} {level}: {first[3:]}"
