"""What a fault does to a line goes in; the fields of a ``struct impairment_rule`` come out.

The struct, and which packets a rule takes, are in traffic/exchange/impairment.h: the wires' BPF program and the
exchange both run it. Here are its numbers, its seeds, and the positions that a scenario's message numbers have.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from lab.faults.chance import of_2_32

__all__ = [
    "POSITION_SHIFT",
    "Action",
    "Corruption",
    "Pattern",
    "Place",
    "Rule",
    "Sessions",
    "rule_seed",
]

POSITION_SHIFT = 40  # position = session ordinal << 40 | sequence
MASK = 2**64 - 1

Place = Literal["A", "B", "recovery", "requests", "snapshot"]
LINE_NUMBERS: dict[Place, int] = {"A": 0, "B": 1, "recovery": 2, "requests": 3, "snapshot": 4}


class Action(IntEnum):
    DROP = 1
    DUPLICATE = 2
    REORDER = 3
    DELAY = 4
    CORRUPT = 5


class Pattern(IntEnum):
    RUN = 1
    EVERY = 2
    RANDOM = 3
    GILBERT_ELLIOTT = 4


class Corruption(IntEnum):
    NONE = 0
    BITS = 1
    TRUNCATE = 2
    COUNT = 3
    ZERO_BLOCK = 4
    CHECKSUM = 5


def rule_seed(seed: int, index: int, line: int) -> int:
    """``impairment_seed()``: the first draw of a splitmix64 generator; never 0."""
    state = ((seed ^ (index << 8) ^ line) + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return (state ^ (state >> 31)) or 1


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Where sessions roll: the stream's message ``rolls[i]`` is message 1 of session i + 1. Ascending."""

    rolls: Sequence[int] = ()

    def position(self, sequence: int) -> int:
        """The position that the stream's message ``sequence`` (1 is the first) has on the wire."""
        ordinal = bisect_right(self.rolls, sequence)
        first = self.rolls[ordinal - 1] if ordinal else 1
        return ordinal << POSITION_SHIFT | (sequence - first + 1)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a line's packets are harmed, which of them, and how. Exactly one of ``sequence`` and ``time_ns`` is given.

    ``packets`` None: a window has no end. ``windows`` in all, each begins ``repeat_every`` messages behind the begin
    of the one before. Probabilities are of 2^32.
    """

    action: Action
    sequence: int | None = None
    time_ns: int | None = None
    for_ns: int | None = None
    packets: int | None = None
    windows: int = 1
    repeat_every: int = 0
    pattern: Pattern = Pattern.RUN
    every: int = 0
    probability: float = 0.0
    good_to_bad: float = 0.0
    bad_to_good: float = 0.0
    probability_good: float = 0.0
    amount: int = 0
    delay_ns: int = 0
    corruption: Corruption = Corruption.NONE
    together: bool = False

    def fields(
        self, place: Place, *, seed: int, index: int, start_ns: int, sessions: Sessions
    ) -> dict[str, int]:
        """The struct's fields that are not zero. ``index`` is the fault's in its scenario; ``start_ns`` is when
        publishing starts, in the domain of the clock that the rule will be asked with."""
        line = 0 if self.together else LINE_NUMBERS[place]
        fields = {
            "action": int(self.action),
            "pattern": int(self.pattern),
            "corruption": int(self.corruption),
            "armed": 1,
            "random": rule_seed(seed, index, line),
            "places": rule_seed(seed ^ MASK, index, line),
            "packets": self.packets or 0,
            "repeat_left": self.windows - 1,
            "repeat_every": self.repeat_every,
            "every": self.every,
            "probability": of_2_32(self.probability),
            "good_to_bad": of_2_32(self.good_to_bad),
            "bad_to_good": of_2_32(self.bad_to_good),
            "probability_good": of_2_32(self.probability_good),
            "amount": self.amount,
            "delay_ns": self.delay_ns,
        }
        if self.sequence is not None:
            fields["from_position"] = sessions.position(self.sequence)
        else:
            fields["from_ns"] = start_ns + (self.time_ns or 0)
            if self.for_ns is not None:
                fields["until_ns"] = fields["from_ns"] + self.for_ns
        return {name: value for name, value in fields.items() if value}

    def settings(self, places: Sequence[Place], sessions: Sessions) -> dict[str, Any]:
        """The rule as one of the exchange's ``impairments``; its times count from the first packet."""
        time_ns = self.time_ns or 0
        settings: dict[str, Any] = {
            "from_position": 0 if self.sequence is None else sessions.position(self.sequence),
            "from_ns": time_ns,
            "until_ns": 0 if self.for_ns is None else time_ns + self.for_ns,
            "packets": self.packets or 0,
            "repeat_every": self.repeat_every,
            "repeat_left": self.windows - 1,
            "every": self.every,
            "probability": self.probability,
            "good_to_bad": self.good_to_bad,
            "bad_to_good": self.bad_to_good,
            "probability_good": self.probability_good,
            "amount": self.amount,
            "delay_ns": self.delay_ns,
            "together": self.together,
        }
        names = {"action": self.action.name.lower(), "pattern": self.pattern.name.lower()}
        given = {name: value for name, value in settings.items() if value}
        return {"lines": list(places), **names, **given}
