"""Two lines of one venue in: who was first, and by how much, by the capture, by the tap and by the engine, out.

Three accounts of the same packets. The capture's is what was to be replayed; the tap's is what reached the engine's
ports; the engine's is what it made of that. A packet is decided when capture and tap both have its copies farther apart
than ``bound``, and as far apart as the other says, to within ``bound``; the rest are counted by the reason:

    close         the copies are nearer together than the bound, in the capture or at the tap
    off_schedule  the lab did not replay the capture's difference: its own stall, not the engine's
    together      the engine says the other line, and both copies were there before it read the first: its thread
                  had not been running, and line A is read first
A decided packet whose winner the engine names wrongly, having read the first copy before the second came, is
``wrong``. Margins of the engine that are off by more than the bound, a copy having been read late: ``late_reads``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import EngineReport
from lab.measure.histogram import Histogram
from lab.measure.lines import signed_figures
from lab.measure.rows import Rows
from lab.measure.two_lines import TwoLineData
from lab.measure.wire import NEVER, PUBLISHED_LINES, WireArrivals

__all__ = ["Arbitration", "arbitrate", "late_copies"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Arbitration:
    """Counts of packets that reached the engine's ports on ``both`` lines; see above.

    ``unreported`` of them have no row from the engine, ``unfounded`` rows are of no such packet, ``repeated`` are a
    second row of one. ``early`` rows are stamped before the copy was on the wire. ``winners`` is (capture, tap, engine)
    for each line over the packets judged or not, ``wrong_numbers`` the first wrong ones. ``replay_error`` is the tap's
    margin less the capture's, ``engine_error`` the engine's less the tap's, ns, of all both; ``engine_margin`` by line.
    """

    bound_ns: int
    both: int
    decided: int
    close: int
    off_schedule: int
    together: int
    late_reads: int
    wrong: int
    unreported: int
    unfounded: int
    repeated: int
    early: int
    winners: dict[str, tuple[int, int, int]]
    wrong_numbers: tuple[int, ...]
    replay_error: Integers
    engine_error: Integers
    engine_margin: tuple[Integers, Integers]

    def to_json(self) -> dict[str, Any]:
        margins = {
            name: Histogram.of(margin).figures().to_json()
            for name, margin in zip("AB", self.engine_margin, strict=True)
        }
        return {
            **{name: value for name, value in vars(self).items() if isinstance(value, int)},
            "winners": {
                line: dict(zip(("capture", "tap", "engine"), by, strict=True))
                for line, by in self.winners.items()
            },
            "replay_error_ns": signed_figures(self.replay_error),
            "engine_error_ns": signed_figures(self.engine_error),
            "engine_won_by_ns": margins,
        }


def late_copies(engine: EngineReport) -> int:
    """Copies that came after the engine had given their number up, by its own counters."""
    lines: Any = engine.feed.get("lines") or {}
    return sum(int(line["late"]) for line in lines.values())


def arbitrate(packets: Rows, wire: WireArrivals, two: TwoLineData, *, bound_ns: int) -> Arbitration:
    """``packets`` in order of their numbers."""
    at_engine = wire.at_engine[:PUBLISHED_LINES]
    both = (at_engine != NEVER).all(axis=0) & (two.intended_ns != NEVER).all(axis=0)
    numbers = packets["first_sequence"][both]
    wired, wanted = at_engine[:, both], two.intended_ns[:, both]
    tap, capture = wired[1] - wired[0], wanted[1] - wanted[0]

    rows = two.arrivals[np.argsort(two.arrivals["position"], kind="stable")]
    positions, first_row = np.unique(rows["position"], return_index=True)
    founded = np.isin(positions, numbers)
    mine = rows[first_row[founded]]
    known = np.isin(numbers, positions)
    tap, capture, wired = tap[known], capture[known], wired[:, known]
    line = mine["line"].astype(np.int64)
    column = np.arange(len(mine))
    read_first, read_second = mine["first_ns"].astype(np.int64), mine["second_ns"].astype(np.int64)
    margin = np.where(line == 0, 1, -1) * (read_second - read_first)  # signed as the others: B less A

    close = (np.abs(capture) < bound_ns) | (np.abs(tap) < bound_ns)
    off = ~close & (np.abs(tap - capture) > bound_ns)
    disagrees = (line == 1) != (tap < 0)
    together = ~close & ~off & disagrees & (read_first >= wired.max(axis=0, initial=0))
    wrong = ~close & ~off & disagrees & ~together
    early = (read_first < wired[line, column]) | (read_second < wired[1 - line, column])
    late_reads = ~together & ~wrong & ~close & ~off & (np.abs(margin - tap) > bound_ns)
    return Arbitration(
        bound_ns=bound_ns,
        both=int(both.sum()),
        decided=int((~close & ~off & ~together).sum()),
        close=int(close.sum()),
        off_schedule=int(off.sum()),
        together=int(together.sum()),
        late_reads=int(late_reads.sum()),
        wrong=int(wrong.sum()),
        unreported=len(numbers) - int(known.sum()),
        unfounded=int((~founded).sum()),
        repeated=len(rows) - len(positions),
        early=int(early.sum()),
        winners={
            name: tuple(int(count) for count in counts)  # type: ignore[misc]
            for name, counts in {
                "A": ((capture >= 0).sum(), (tap >= 0).sum(), (line == 0).sum()),
                "B": ((capture < 0).sum(), (tap < 0).sum(), (line == 1).sum()),
            }.items()
        },
        wrong_numbers=tuple(numbers[known][wrong][:3].tolist()),
        replay_error=tap - capture,
        engine_error=np.where(disagrees, margin - tap, np.abs(margin) - np.abs(tap)),
        engine_margin=(np.abs(margin[line == 0]), np.abs(margin[line == 1])),
    )
