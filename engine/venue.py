"""An engine's config goes in; the Runner of its venue comes out. That of MDP 3.0 reports its channel and its books.

Market data only: the report of an MDP 3.0 run has no decisions, orders or positions, and says so.
Like ``binding.py`` this module touches the engine's C: it only calls, checks and converts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from engine.binding import Runner
from engine.config import EngineConfig
from engine.mdp3 import SIDES, Mdp3View, numbers

__all__ = ["EVENT_KINDS", "LEVEL_ROW", "Mdp3Runner", "runner_for"]

LEVEL_ROW = np.dtype(
    [("security", "<i4"), ("side", "u1"), ("level", "u1"), ("known", "?")]
    + [("price", "<i8"), ("quantity", "<u8"), ("order_count", "<u4")]
)
INSTRUMENT_ROW = ("security", "state", "status", "expected_report")
PREFIX = "EVENT_"
# enum event_kind by number; the other enums of the header have longer prefixes
EVENT_KINDS = {
    number: name
    for number, name in ffi.typeof("enum event_kind").elements.items()
    if name not in ("EVENT_KIND_COUNT",)
}


class Mdp3Runner(Runner):
    """The engine process's runner when both lines carry MDP 3.0; ``channel`` reads what the loop made."""

    def __init__(self, config: EngineConfig, *, wired: bool = True, first_table: bytes | None = None) -> None:
        super().__init__(config, wired=wired, first_table=first_table)
        self._venue = lib.runner_mdp3(self._runner)
        self.channel = Mdp3View(ffi.addressof(self._venue, "channel"))

    @property
    def mdp3(self) -> Any:
        return self._venue

    @property
    def polling(self) -> bool:
        return int(self._venue.statistics.polls) > 0

    @property
    def feed_state(self) -> str:
        return self.channel.state

    def step(self, line: int, datagram: bytes, now_ns: int) -> None:
        lib.venue_mdp3_step(self._venue, line, datagram, len(datagram), now_ns)

    def step_timer(self, now_ns: int) -> None:
        lib.venue_mdp3_timer(self._venue, now_ns)

    def levels(self) -> NDArray[Any]:
        """Every level of every book by price, LEVEL_ROW, each side up to its first level known to be empty."""
        rows = []
        for security in self.channel.securities:
            book = self.channel.book(security)
            for side, name in enumerate(SIDES):
                for level, values in enumerate(book[name], 1):
                    rows.append((security, side, level, values is not None, *(values or (0, 0, 0))))
        return np.array(rows, LEVEL_ROW)

    def write_results(self, output: Path) -> dict[str, Any]:
        """Writes levels.npy and arrivals.npy (engine.mdp3.ARRIVAL_ROW); returns engine.json's content."""
        np.save(output / "levels.npy", self.levels())
        np.save(output / "arrivals.npy", self.channel.arrivals())
        return self.report()

    def report(self) -> dict[str, Any]:
        """Counters of lines, channel, books and loop."""
        channel, statistics = self.channel, self._venue.statistics
        counters = channel.counters()
        templates = {
            name.removeprefix("template_"): count
            for name, count in counters.items()
            if name.startswith("template_")
        }
        return {
            "venue": "mdp3",
            "market_data_only": "no strategy, no order session; the risk gate stays closed",
            "wire": self._wire_report(),
            "feed": {
                "state": channel.state,
                "next_sequence": channel.next_sequence,
                **{name: count for name, count in counters.items() if not name.startswith("template_")},
                "lines": {name: self._line(line) for line, name in enumerate("AB")},
            },
            "types": templates,
            "events": self._events(),
            "book": self._books(),
            "instruments": [self._instrument(security) for security in channel.securities],
            "loop": numbers(statistics),
            "transitions": [
                {"sequence": row.pop("position"), **row}
                for row in (dict(one) for one in channel.transitions())
            ],
            "transitions_lost": counters["transitions_lost"],
            "journal": self.journal_report(),
        }

    def _line(self, line: int) -> dict[str, int]:
        counters = self.channel.line_counters(line)
        faults = [count for name, count in counters.items() if name.startswith("malformed_")]
        return {**counters, "malformed": sum(faults)}

    def _events(self) -> dict[str, Any]:
        tally = self._venue.tally
        kinds = {
            EVENT_KINDS[kind].removeprefix(PREFIX).lower(): int(count)
            for kind, count in enumerate(tally.kinds)
            if count
        }
        return {
            "count": int(tally.events),
            "kinds": kinds,
            "unknown_kinds": int(tally.unknown_kinds),
            "digest": f"{int(tally.digest):016x}",
        }

    def _books(self) -> dict[str, int]:
        states = [self.channel.instrument_state(security) for security in self.channel.securities]
        return {"instruments": len(states), "live": states.count("LIVE")}

    def _instrument(self, security: int) -> dict[str, Any]:
        known = self.channel.instrument(security)
        values = (
            security,
            self.channel.instrument_state(security),
            known["status"],
            known["expected_report"],
        )
        return dict(zip(INSTRUMENT_ROW, values, strict=True))


def runner_for(config: EngineConfig, *, wired: bool = True, first_table: bytes | None = None) -> Runner:
    """The runner of the config's venue; arguments and EngineError as Runner()."""
    venue = Mdp3Runner if config.venue == "mdp3" else Runner
    return venue(config, wired=wired, first_table=first_table)
