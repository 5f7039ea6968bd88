"""What one run left behind, before any judgement: the input of matching, checks and reports.

``RunData`` holds raw rows (``lab.measure.rows``) and small typed reports of each process. Nothing in it is
derived, so that a stored run can be measured and judged again by a later version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.measure.noise import NoiseData
from lab.measure.rows import (
    DECISIONS,
    DROP_COPY,
    MARKET_TAPS,
    ORDER_ARRIVALS,
    ORDER_MESSAGES,
    PACKETS,
    Rows,
)
from lab.measure.two_lines import TwoLineData

__all__ = [
    "ClockInfo",
    "EngineReport",
    "Episode",
    "Event",
    "ExchangeReport",
    "FaultRecord",
    "FloorData",
    "HostReport",
    "Join",
    "RunData",
    "Session",
    "TapReport",
    "Transition",
    "empty_rows",
]


def empty_rows() -> dict[str, Rows]:
    """Zero-length arrays of every raw table, for a run that died early."""
    return {
        "packets": np.empty(0, PACKETS),
        "market_taps": np.empty(0, MARKET_TAPS),
        "order_arrivals": np.empty(0, ORDER_ARRIVALS),
        "decisions": np.empty(0, DECISIONS),
        "drop_copy": np.empty(0, DROP_COPY),
    }


@dataclass(frozen=True, kw_only=True)
class ClockInfo:
    """The domain every stamp is in, how good the stamps are, and how far two of them may disagree."""

    domain: str = "CLOCK_MONOTONIC"
    grade: str = "sw-driver"  # hw | sw-driver | sw-app: what the packets really got
    uncertainty_ns: int = 0
    stamps_by_grade: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TapReport:
    """Completeness of the wire taps. ``lost`` counts records that found the ring full."""

    lost: int
    capacity: int
    peak: int = 0  # deepest the ring has been, records; 0 = not known


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One change of the engine's feed state, as written by the engine. States are FEED_STATES names."""

    at_ns: int
    before: str
    after: str
    cause: str
    sequence: int = 0


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A hole in the feed as the engine remembers it: when it was found, when LIVE was left and reached again.

    ``left_ns`` is 0 when the hole was closed while LIVE, ``live_ns`` when LIVE was not reached again.
    ``first_sequence`` is the position of the first missing message, ``messages`` how many were missing when
    the hole was declared, ``way`` what closed it: none, lines, request or snapshot.
    """

    found_ns: int
    left_ns: int
    live_ns: int
    first_sequence: int
    messages: int
    way: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Episode:
        """From a row of engine.json's ``feed_episodes``."""
        numbers = ("found_ns", "left_ns", "live_ns", "first_sequence", "messages")
        return cls(**{name: int(row[name]) for name in numbers}, way=str(row["way"]).lower())


@dataclass(frozen=True, kw_only=True)
class Join:
    """A snapshot was joined: messages from ``skipped_from`` up to ``sequence`` (positions) never came.

    ``emptied``: there was no snapshot to fill the book, a new session began with an empty one.
    """

    sequence: int
    skipped_from: int
    at_ns: int
    emptied: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Join:
        """From a row of engine.json's ``feed_joins``."""
        return cls(
            sequence=int(row["sequence"]),
            skipped_from=int(row["skipped_from"]),
            at_ns=int(row["at_ns"]),
            emptied=bool(row.get("emptied", False)),
        )


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session of the feed; positions of its first and last message, both included."""

    session: str
    ordinal: int
    first_position: int
    last_position: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Session:
        """From a row of exchange.json's ``sessions``."""
        return cls(
            session=str(row["session"]).strip(),
            ordinal=int(row["ordinal"]),
            first_position=int(row["first_position"]),
            last_position=int(row["last_position"]),
        )


@dataclass(frozen=True, kw_only=True)
class EngineReport:
    """engine.json. ``positions`` is by symbol (stock locate), in shares; ``risk`` counts blocks by reason.

    ``exit_code`` is None while the process's end is unknown; ``reason_names`` maps a decision's reason code
    to its name. ``feed`` may nest one level (``lines`` -> ``A`` -> counter). ``episodes`` and ``joins`` are in
    order of time; those that found no room in the engine's memory are counted as lost.
    """

    alive: bool
    exit_code: int | None
    wire: str
    wire_mode: str = ""
    final_feed_state: str = ""
    feed: Mapping[str, object] = field(default_factory=dict)
    book: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, int] = field(default_factory=dict)
    risk: Mapping[str, int] = field(default_factory=dict)
    orders: Mapping[str, int] = field(default_factory=dict)
    loop: Mapping[str, int] = field(default_factory=dict)
    positions: Mapping[int, int] = field(default_factory=dict)
    transitions: Sequence[Transition] = ()
    transitions_lost: int = 0
    episodes: Sequence[Episode] = ()
    episodes_lost: int = 0
    joins: Sequence[Join] = ()
    joins_lost: int = 0
    recovery: Mapping[str, object] = field(default_factory=dict)
    wires: Mapping[str, object] = field(default_factory=dict)
    journal: Mapping[str, int] = field(default_factory=dict)
    reason_names: Mapping[int, str] = field(default_factory=dict)
    strategies: Mapping[str, Any] = field(default_factory=dict)
    risk_state: Mapping[str, Any] = field(default_factory=dict)
    stderr_tail: str = ""


@dataclass(frozen=True, kw_only=True)
class ExchangeReport:
    """exchange.json: the exchange's own counters and the longest its loop stood still.

    ``types`` counts the published messages by ITCH type letter; empty when that is not known.
    ``recovery`` counts what the re-request and snapshot services were asked; empty when there were none.
    ``unknown_types`` and ``length_errors`` count published messages that are not ITCH 5.0 as specified.
    """

    counters: Mapping[str, int] = field(default_factory=dict)
    loop_stall_max_ns: int = 0
    loop_stall_count: int = 0
    exit_code: int | None = 0
    types: Mapping[str, int] = field(default_factory=dict)
    unknown_types: int = 0
    length_errors: int = 0
    recovery: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HostReport:
    """What the host did to the run while traffic was published. ``knobs`` is what two runs must share."""

    steal_ns: int = 0
    stall_max_ns: int = 0  # the longest either busy loop was seen standing still
    stall_count: int = 0
    involuntary_switches: int = 0
    knobs: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FaultRecord:
    """One fault as it really happened; times are 0 when they did not happen (yet).

    ``windows`` are the repetitions: the stamps of the first and the last packet that each one harmed, or of injection
    and healing where the lab itself did it. ``subject`` is what a kill was about: "" all, else "symbol 5", "letter Q".
    """

    name: str
    injected_ns: int
    healed_ns: int = 0
    detected_ns: int = 0
    recovered_ns: int = 0
    detail: str = ""
    windows: tuple[tuple[int, int], ...] = ()
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A line of events.jsonl: fault, state change, command, or the lab's own step."""

    at_ns: int
    kind: str
    what: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FloorData:
    """The wire-floor run: same wires, engine in reflector mode; raw rows only."""

    packets: Rows
    market_taps: Rows
    order_arrivals: Rows
    every: int
    tap: TapReport


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Everything measured in one run. Row layouts are in ``lab.measure.rows``.

    ``expected_triggers`` are the oracle's trigger sequences (sorted u8), or None when no oracle ran;
    ``skipped_triggers`` are those of messages that a snapshot skipped, which no engine could answer.
    ``sessions`` are in order, and empty for a run that had one. ``message_locates`` is the stock locate of
    every published message (u2, in order), or None. All sequences are positions: session ordinal << 40 | sequence.
    ``engine_book`` and ``exchange_book`` are BOOK rows, or None when that side wrote none.
    ``started_ns`` is the intended time of the first packet. ``two_lines`` is there with venue mdp3 only, whose
    sequences are MsgSeqNum. ``tops`` are TOPS rows, of an independent book, of messages that orders name as their
    cause; None when no limit asks for them. ``noise`` is what was sent beside the market, None when nothing was.
    cause; None when no limit asks for them. ``generator`` is what TRex told of itself, when it was TRex.
    """

    packets: Rows
    market_taps: Rows
    order_arrivals: Rows
    drop_copy: Rows
    engine: EngineReport
    exchange: ExchangeReport
    tap: TapReport
    decisions: Rows = field(default_factory=lambda: np.empty(0, DECISIONS))
    order_messages: Rows = field(default_factory=lambda: np.empty(0, ORDER_MESSAGES))
    clock: ClockInfo = field(default_factory=ClockInfo)
    host: HostReport = field(default_factory=HostReport)
    started_ns: int = 0
    expected_triggers: Rows | None = None
    skipped_triggers: Rows | None = None
    sessions: Sequence[Session] = ()
    message_locates: Rows | None = None
    engine_book: Rows | None = None
    exchange_book: Rows | None = None
    floor: FloorData | None = None
    faults: Sequence[FaultRecord] = ()
    events: Sequence[Event] = ()
    two_lines: TwoLineData | None = None
    tops: Rows | None = None
    noise: NoiseData | None = None
    generator: Mapping[str, Any] | None = None
