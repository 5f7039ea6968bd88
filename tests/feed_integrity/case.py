"""One case of the property: frozen values that say everything about a world, its faults and the engine's policy.

``draw_case()`` makes a case of integers from any source (a seeded generator, Hypothesis); every draw's low end is
the plain, harmless choice, so that whoever makes the integers smaller makes the case simpler. Same case, same run.
Numbers of messages count from 1 through the whole stream, over session rolls, as in scenario files.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Protocol, TypeVar

__all__ = [
    "CONNECTIONS",
    "CORRUPTIONS",
    "Case",
    "Draws",
    "Fault",
    "Policy",
    "RandomDraws",
    "RequestServer",
    "Roll",
    "compact",
    "draw_case",
    "from_text",
]

T = TypeVar("T")

CORRUPTIONS = ("truncate", "count", "zero_block", "bits", "length", "session", "sequence", "trailing")
CONNECTIONS = (
    "clean",  # the whole snapshot
    "cut",  # closed in the middle of it
    "refused",  # closed at once
    "rejected_session",  # log-in rejected: S
    "rejected_user",  # log-in rejected: A
    "stalled",  # log-in accepted, then heartbeats only
    "silent",  # not even that
    "garbled",  # a message shorter than its type
    "garbled_end",  # an end-of-snapshot message without a number
    "ended",  # SoupBinTCP end of session instead of the rest
    "unframed",  # a SoupBinTCP packet of length 0
)


class Draws(Protocol):
    def integer(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""


class RandomDraws:
    """Draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(f"case {seed}")

    def integer(self, low: int, high: int) -> int:
        return self._generator.randint(low, high)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Harm to packets of some lines: a window opens with the packet that carries message ``at`` and spans
    ``packets`` data packets of the line; the pattern picks among them: every n-th, by chance, or in clusters.

    Lines: A, B, R (replies of the re-request server). ``amount``: copies, distance, bits, bytes or messages.
    """

    do: str = "drop"
    lines: str = "AB"
    at: int = 1
    packets: int = 1
    every: int = 1
    percent: int = 0
    clusters: tuple[int, int] | None = None  # chances in percent that good turns bad and bad turns good
    amount: int = 1
    by_us: int = 0
    what: str = ""


@dataclass(frozen=True, kw_only=True)
class Roll:
    """Message ``at`` of the stream is message 1 of a new session."""

    at: int
    end_previous: bool = True
    keeps_book: bool = False  # the market goes on: only a snapshot tells its book


@dataclass(frozen=True, kw_only=True)
class RequestServer:
    """The re-request server and its failings. All but ``messages_max`` are healed when the faults end."""

    messages_max: int = 0  # in a reply; 0: as many as fit
    delay_us: int = 0
    loss_percent: int = 0
    lose: int = 0  # the first so many requests get no answer
    refuse: bool = False
    burst: int = 0  # so many answers, then one a millisecond; 0: no limit
    history: int = 0  # messages back from the newest; 0: all
    stale_percent: int = 0  # answers that come again, much later


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The engine's; the fields are those of its configuration."""

    requests: bool = True
    snapshots: bool = True
    strict: bool = True
    follow_sessions: bool = True
    session_given: bool = True
    first_seen: bool = False  # begins with whatever it hears first; needs a snapshot to be LIVE
    confirm_packets: int = 3
    jump_messages: int = 0
    hold_back_us: int = 500
    line_silence_us: int = 20_000
    reorder_packets: int = 512
    request_messages: int = 1024
    request_outstanding: int = 4
    request_attempts: int = 3
    request_timeout_us: int = 1000
    give_up_messages: int = 100_000
    snapshot_attempts: int = 3
    snapshot_timeout_us: int = 10_000
    retry_us: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Case:
    seed: int = 0
    messages: int = 100
    symbols: int = 1
    packing: int = 1  # most messages in a packet
    own_boundaries: bool = False  # each line packs for itself
    gap_us: int = 100  # between packets, about
    pauses: int = 0  # silences of some milliseconds
    skew_us: int = 0  # line B behind line A
    first: int = 1  # number of the first message of the first session
    rolls: tuple[Roll, ...] = ()
    ends: bool = False  # the last session ends after the last message
    reflector: bool = False  # the engine answers every message and keeps no book
    faults: tuple[Fault, ...] = ()
    requests: RequestServer = field(default_factory=RequestServer)
    connections: tuple[str, ...] = ()  # what becomes of the snapshot connections, in turn; then all are clean
    chunk: int = 0  # most bytes of the snapshot in a piece; 0: all at once
    snapshot_delay_us: int = 0
    tick_us: int = 200  # the engine's timer
    policy: Policy = field(default_factory=Policy)

    def __str__(self) -> str:
        """The expression that makes the case, defaults left out."""
        return compact(self)

    @property
    def session_given(self) -> bool:
        """The engine is told the first session. It must be where a later one goes on with the book: who takes that
        one for the first would rightly begin with an empty book. So it is where the first begins with a number of
        its own, which a later one does not have."""
        return self.policy.session_given or self.first > 1 or any(roll.keeps_book for roll in self.rolls)

    @property
    def first_seen(self) -> bool:
        """Without snapshots it would rightly be LIVE with what it has heard, which is not the venue's book."""
        return self.policy.first_seen and self.policy.snapshots


def compact(value: object) -> str:
    """repr() without the fields that have their default; what ``from_text`` reads."""
    if isinstance(value, tuple):
        return f"({''.join(compact(item) + ', ' for item in value).rstrip()})"
    if not is_dataclass(value) or isinstance(value, type):
        return f'"{value}"' if isinstance(value, str) else repr(value)
    plain = type(value)() if not isinstance(value, Roll) else Roll(at=0)
    given = [(item.name, getattr(value, item.name)) for item in fields(value)]
    shown = [f"{name}={compact(set_to)}" for name, set_to in given if set_to != getattr(plain, name)]
    return f"{type(value).__name__}({', '.join(shown)})"


def from_text(text: str) -> Case:
    """A case from its expression, and from nothing else."""
    names = {kind.__name__: kind for kind in (Case, Fault, Roll, RequestServer, Policy)}
    case = eval(text, {"__builtins__": {}}, names)
    assert isinstance(case, Case), f"{text!r} is no case"
    return case


def draw_case(draws: Draws) -> Case:
    messages = draws.integer(20, 260)
    policy = _draw_policy(draws)
    rolls = tuple(_draw_roll(draws, messages, policy) for _ in range(_few(draws, 2)))
    return Case(
        seed=draws.integer(0, 2**16),
        messages=messages,
        symbols=draws.integer(1, 4),
        packing=draws.integer(1, 8),
        own_boundaries=_maybe(draws),
        gap_us=_one(draws, (100, 40, 300)),
        pauses=_few(draws, 4),
        skew_us=_one(draws, (0, 0, 7, 150, 900)),
        first=_one(draws, (1, 1, 1, 2, 2**32 - 64, 2**39)),
        rolls=tuple(sorted({roll.at: roll for roll in rolls}.values(), key=lambda roll: roll.at)),
        ends=_maybe(draws),
        reflector=draws.integer(0, 4) == 4,
        faults=tuple(_draw_fault(draws, messages) for _ in range(draws.integer(0, 6))),
        requests=_draw_server(draws),
        connections=tuple(_one(draws, CONNECTIONS) for _ in range(_few(draws, 4))),
        chunk=_one(draws, (0, 0, 1000, 97, 13)),
        snapshot_delay_us=_one(draws, (0, 0, 300, 3000)),
        tick_us=_one(draws, (200, 100, 400)),
        policy=policy,
    )


def _draw_policy(draws: Draws) -> Policy:
    services = _one(draws, (3, 3, 3, 3, 1, 2, 0))
    return Policy(
        requests=bool(services & 1),
        snapshots=bool(services & 2),
        strict=draws.integer(0, 5) < 5,
        follow_sessions=draws.integer(0, 9) < 9,
        session_given=not _maybe(draws),
        confirm_packets=_one(draws, (3, 2, 4)),
        jump_messages=_one(draws, (0, 0, 1000)),
        hold_back_us=_one(draws, (500, 0, 200, 1500)),
        line_silence_us=_one(draws, (20_000, 6000)),
        reorder_packets=_one(draws, (512, 512, 64, 16)),
        request_messages=_one(draws, (1024, 1024, 8, 1)),
        request_outstanding=_one(draws, (4, 1, 8)),
        request_attempts=_one(draws, (3, 1, 5)),
        request_timeout_us=_one(draws, (1000, 300)),
        give_up_messages=_one(draws, (100_000, 100_000, 100_000, 20, 1)),
        snapshot_attempts=_one(draws, (3, 1)),
        snapshot_timeout_us=_one(draws, (10_000, 5000)),
        retry_us=_one(draws, (10_000, 2000)),
        first_seen=bool(services & 2) and draws.integer(0, 7) == 7,
    )


def _draw_roll(draws: Draws, messages: int, policy: Policy) -> Roll:
    keeps = _maybe(draws) and policy.snapshots
    return Roll(at=draws.integer(2, messages), end_previous=not _maybe(draws), keeps_book=keeps)


def _draw_server(draws: Draws) -> RequestServer:
    if draws.integer(0, 1) == 0:
        return RequestServer(messages_max=_one(draws, (0, 7, 1)))
    return RequestServer(
        messages_max=_one(draws, (0, 7, 1)),
        delay_us=_one(draws, (0, 0, 400, 1500, 6000)),
        loss_percent=_one(draws, (0, 0, 20, 60)),
        lose=_one(draws, (0, 0, 1, 4)),
        refuse=draws.integer(0, 5) == 5,
        burst=_one(draws, (0, 0, 1, 4)),
        history=_one(draws, (0, 0, 10, 60)),
        stale_percent=_one(draws, (0, 0, 50)),
    )


def _draw_fault(draws: Draws, messages: int) -> Fault:
    do = _one(draws, ("drop", "drop", "drop", "duplicate", "reorder", "delay", "corrupt", "corrupt"))
    lines = _one(draws, ("AB", "AB", "A", "B") + (("R",) if do in ("drop", "corrupt") else ()))
    at = _one(draws, (0, 1)) and draws.integer(1, messages)
    packets = (1, 3, 12, 64, 300)[draws.integer(0, 4)]
    pattern = _one(draws, ("each", "each", "every", "chance", "clusters"))
    what = _one(draws, CORRUPTIONS) if do == "corrupt" else ""
    return Fault(
        do=do,
        lines=lines,
        at=at or 1,
        packets=packets,
        every=draws.integer(2, 6) if pattern == "every" else 1,
        percent=_one(draws, (50, 10, 90)) if pattern == "chance" else 0,
        clusters=(_one(draws, (10, 3)), _one(draws, (30, 10))) if pattern == "clusters" else None,
        amount=draws.integer(1, 8) if do in ("duplicate", "reorder", "corrupt") else 1,
        by_us=_one(draws, (150, 700, 4000)) if do == "delay" else 0,
        what=what,
    )


def _one(draws: Draws, choices: Sequence[T]) -> T:
    return choices[draws.integer(0, len(choices) - 1)]


def _maybe(draws: Draws) -> bool:
    return draws.integer(0, 1) == 1


def _few(draws: Draws, most: int) -> int:
    """Mostly none."""
    return max(0, draws.integer(0, 2 * most) - most)
