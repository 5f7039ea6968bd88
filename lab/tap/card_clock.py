"""Stamps in a card's own clock go in; CLOCK_MONOTONIC comes out, with how far it may be off.

A PTP hardware clock runs at its own rate and may count from any day (often TAI). While a pass runs, pairs of the two
clocks are read: the card's between two readings of CLOCK_MONOTONIC, the tightest of several tries. Between pairs the
conversion is a straight line. Its uncertainty is half the widest bracket, and what a pair lies off the line through
its neighbours: a servo that steers the card's clock shows there, and one that steps it makes the stamps useless.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.errors import MissingError, UndecidedError

__all__ = ["CARD_ENDS", "CardClock", "CardClocks", "ClockPair", "open_clock"]

CARD_ENDS = ("A", "B", "recovery", "order")  # as TAP_CARD_*; the first three are the lines of market records
FILE = "card_clocks.json"
TRIES = 9
RATE_MAX = 1e-3  # a thousandth off: no quartz is so bad, the clock was set


@dataclass(frozen=True)
class ClockPair:
    """Both clocks at one time, ns. ``bracket_ns``: between the two readings around the card's."""

    monotonic_ns: int
    card_ns: int
    bracket_ns: int


class CardClock:
    """The pairs of one card's clock, and the line through them."""

    def __init__(self, pairs: Sequence[ClockPair], *, name: str) -> None:
        self.pairs, self.name = sorted(pairs, key=lambda pair: pair.card_ns), name

    def to_monotonic(self, card_ns: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """UndecidedError when there is no line through the pairs."""
        pairs = self.pairs
        if len(pairs) < 2 or pairs[0].card_ns == pairs[-1].card_ns:
            raise UndecidedError(f"the clock of {self.name} was not read, so its stamps mean nothing")
        first = pairs[0]
        card = np.array([pair.card_ns - first.card_ns for pair in pairs], np.float64)
        monotonic = np.array([pair.monotonic_ns - first.monotonic_ns for pair in pairs], np.float64)
        brackets = np.array([pair.bracket_ns for pair in pairs], np.float64)
        allowed = RATE_MAX * np.diff(card) + (brackets[1:] + brackets[:-1]) / 2
        if np.any(np.abs(np.diff(monotonic) - np.diff(card)) > allowed):
            raise UndecidedError(
                f"the clock of {self.name} was set while the run went on",
                why="its stamps cannot be compared",
                todo="let ptp4l settle before a run, or stop what steps the clock",
            )
        at = (card_ns.astype(np.int64) - first.card_ns).astype(np.float64)
        on_line = np.interp(at, card, monotonic)
        before, behind = at < card[0], at > card[-1]
        rate = monotonic[-1] / card[-1]
        on_line[before] = at[before] * rate
        on_line[behind] = monotonic[-1] + (at[behind] - card[-1]) * rate
        return (np.rint(on_line).astype(np.int64) + first.monotonic_ns).astype(np.uint64)

    @property
    def uncertainty_ns(self) -> int:
        """Half the widest bracket, and the farthest a pair lies off the line through its neighbours."""
        bracket = max((pair.bracket_ns for pair in self.pairs), default=0)
        off = 0.0
        for one, two, three in zip(self.pairs, self.pairs[1:], self.pairs[2:], strict=False):
            share = (two.card_ns - one.card_ns) / (three.card_ns - one.card_ns)
            line = one.monotonic_ns + share * (three.monotonic_ns - one.monotonic_ns)
            off = max(off, abs(two.monotonic_ns - line))
        return -(-bracket // 2) + int(off + 1)


def open_clock(number: int) -> int:
    """Descriptor of /dev/ptpN. MissingError when it cannot be opened."""
    path = f"/dev/ptp{number}"
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MissingError(
            f"the card's clock {path} cannot be read",
            why=str(error),
            install="root and its driver; or ports: {stamps: software}",
        ) from error


def read_pair(descriptor: int) -> ClockPair:
    """The tightest of a few readings. The kernel's number of a clock behind a descriptor: <linux/posix-timers.h>."""
    clock = (~descriptor << 3) | 3
    found = []
    for _ in range(TRIES):
        before = time.monotonic_ns()
        card = time.clock_gettime_ns(clock)
        after = time.monotonic_ns()
        found.append(ClockPair((before + after) // 2, card, after - before))
    return min(found, key=lambda pair: pair.bracket_ns)


class CardClocks:
    """The clocks of all ends at which cards stamp, read while a pass runs, and kept beside its raw files."""

    def __init__(self, directory: Path, clocks: Mapping[str, int | None]) -> None:
        self._path = directory / FILE
        self._numbers = {end: number for end, number in clocks.items() if number is not None}
        self._open = {number: open_clock(number) for number in set(self._numbers.values())}
        self._pairs: dict[int, list[ClockPair]] = {number: [] for number in self._open}
        self.read()

    def read(self) -> None:
        """One more pair of each. UndecidedError when a clock does not answer: its card may be gone."""
        for number, descriptor in self._open.items():
            try:
                self._pairs[number].append(read_pair(descriptor))
            except OSError as error:
                raise UndecidedError(
                    f"the card's clock /dev/ptp{number} does not answer", why=str(error)
                ) from error

    def close(self) -> None:
        """Reads them once more and writes the file, when there is any clock."""
        if not self._open:
            return
        self.read()
        written = {
            end: {"clock": number, "pairs": [list(vars(pair).values()) for pair in self._pairs[number]]}
            for end, number in self._numbers.items()
        }
        self._path.write_text(json.dumps(written))
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open = {}


def stored_clocks(directory: Path) -> dict[str, CardClock]:
    """What a pass kept; empty when no card of it had a clock."""
    path = directory / FILE
    if not path.exists():
        return {}
    return {
        end: CardClock([ClockPair(*pair) for pair in one["pairs"]], name=f"/dev/ptp{one['clock']} ({end})")
        for end, one in json.loads(path.read_text()).items()
    }


def converted(end: str, card_ns: NDArray[np.uint64], clocks: Mapping[str, CardClock]) -> NDArray[np.uint64]:
    """Stamps of one end in CLOCK_MONOTONIC."""
    return clocks.get(end, CardClock([], name=f"the card at {end}")).to_monotonic(card_ns)
