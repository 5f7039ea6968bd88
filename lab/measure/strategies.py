"""The engine's account of its strategies goes in; who answered which messages, and what the swaps cost, comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.data import FaultRecord
from lab.measure.rows import MISSING, Rows

__all__ = [
    "SWAP_WINDOW_NS",
    "Reign",
    "around_swaps",
    "beginnings",
    "foreign",
    "reigns",
    "strategy_block",
    "triggers_with",
]

SWAP_WINDOW_NS = 50_000_000  # before, around (half of it on either side) and after a swap
NEVER = 2**63
ORACLE_KNOWS = "touch_taker"
CAUSES = ("operator", "time", "orders", "rejections", "crash", "hang", "output")

Changes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Reign:
    """A strategy that came by a swap answered the messages ``first`` up to, not including, ``end``."""

    name: str
    generation: int
    first: int
    end: int


def reigns(changes: Changes) -> list[Reign]:
    ends = [int(row["sequence"]) for row in changes[1:]] + [NEVER]
    return [
        Reign(
            name=str(row["after"]),
            generation=int(row["after_generation"]),
            first=int(row["sequence"]),
            end=end,
        )
        for row, end in zip(changes, ends, strict=False)  # nobody reigns when nothing has changed
    ]


def beginnings(changes: Changes) -> list[int]:
    """Messages at which the active strategy began anew."""
    return [int(row["sequence"]) for row in changes]


def foreign(changes: Changes, *, known: bool) -> list[Reign]:
    """Reigns of strategies that the oracle cannot foresee; ``known``: it has the parameters of touch_taker's object."""
    return [
        reign
        for reign in reigns(changes)
        if reign.generation and not (known and reign.name == ORACLE_KNOWS) and reign.end > reign.first
    ]


def _within(sequences: Rows, spans: Sequence[Reign]) -> NDArray[np.bool_]:
    inside = np.zeros(len(sequences), bool)
    for span in spans:
        inside |= (sequences >= span.first) & (sequences < span.end)
    return inside


def triggers_with(expected: Rows, decisions: Rows, spans: Sequence[Reign]) -> Rows:
    """The oracle's triggers, but in foreign reigns the messages for which the engine itself decided something."""
    if not spans:
        return expected
    own = np.unique(decisions["trigger_sequence"])
    return np.union1d(expected[~_within(expected, spans)], own[_within(own, spans)]).astype("<u8")


def around_swaps(samples: Rows, changes: Changes, windows: int = 0) -> NDArray[np.bool_]:
    """Samples whose packet arrived in the window around a swap or a rollback, or so many ``windows`` after that one."""
    near = np.zeros(len(samples), bool)
    for row in changes:
        begin_ns = int(row["at_ns"]) - SWAP_WINDOW_NS // 2 + windows * SWAP_WINDOW_NS
        near |= (samples["wire_ns"] >= begin_ns) & (samples["wire_ns"] < begin_ns + SWAP_WINDOW_NS)
    near &= samples["wire_ns"] != MISSING
    return near


def strategy_block(account: Mapping[str, Any], faults: Sequence[FaultRecord]) -> dict[str, Any]:
    """``strategy`` of summary.json. ``reign_messages_max``: the longest that one which was put out had answered for;
    ``swap_lag_messages_max``: how far behind its planned message one was swapped in."""
    changes = account.get("changes", ())
    causes = Counter(str(row["cause"]) for row in changes)
    deployed = causes.pop("deployed", 0)
    put_out = [
        reign.end - reign.first for reign in reigns(changes) if reign.generation and reign.end != NEVER
    ]
    lags = [
        int(row["sequence"]) - int(row["detail"])
        for row in changes
        if row["cause"] == "deployed" and row["detail"]
    ]
    asked = [fault for fault in faults if fault.name == "deploy" and fault.injected_ns]
    return {
        "asked": len(asked),
        "deployed": deployed,
        "refused": sum(1 for fault in asked if not fault.healed_ns),
        "rolled_back": {"count": sum(causes.values()), **{cause: causes[cause] for cause in CAUSES}},
        "reign_messages_max": max(put_out, default=0),
        "swap_window_ns": SWAP_WINDOW_NS,
        "swap_lag_messages_max": max(lags, default=0),
        "active": dict(account.get("active", {})),
        "changes": [dict(row) for row in changes],
        "changes_lost": int(account.get("changes_lost", 0)),
    }
