"""One experiment with a feed, as small frozen values: what is sent, what breaks, what helps, what is wanted.

Everything random in it comes from ``seed``; the rest are few small numbers, so that a failing case shrinks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

__all__ = ["Case", "Corruption", "Do", "Fault", "Policy", "Requests", "Roll", "Snapshots", "random_case"]

Do = Literal["drop", "duplicate", "reorder", "delay", "corrupt"]
Corruption = Literal["bits", "truncate", "count", "zero_block", "session", "ahead", "back"]
DOES: tuple[Do, ...] = ("drop", "duplicate", "reorder", "delay", "corrupt")
CORRUPTIONS: tuple[Corruption, ...] = ("bits", "truncate", "count", "zero_block", "session", "ahead", "back")


@dataclass(frozen=True)
class Fault:
    """On one line or both: datagrams ``first`` to ``first + count - 1`` of a line, heartbeats counted.

    ``every`` takes each n-th of them, ``chance`` (percent) some by chance, ``cluster`` makes that a Gilbert-Elliott
    chain. ``amount``: copies of a duplicate, distance of a reorder, microseconds of a delay, bytes or messages of a
    corruption.
    """

    do: Do = "drop"
    lines: Literal["A", "B", "AB"] = "AB"
    first: int = 0
    count: int = 1
    every: int = 1
    chance: int = 100
    cluster: bool = False
    amount: int = 1
    what: Corruption = "bits"


@dataclass(frozen=True)
class Requests:
    """How the re-request server behaves while faults last; afterwards it answers everything quickly."""

    delay_us: int = 100
    jitter_us: int = 0
    loss: int = 0  # percent of requests
    lose_first: int = 0
    refuse: bool = False
    reply_max: int = 40  # messages in one reply
    duplicate: int = 0  # percent of replies that come twice
    stale: int = 0  # percent of replies that are followed by an earlier reply once more
    corrupt: int = 0  # percent of replies that come truncated
    history: int = 0  # so far behind the newest message is answered; 0: everything


@dataclass(frozen=True)
class Snapshots:
    """How the snapshot service behaves; afterwards every connection gets its whole snapshot."""

    delay_us: int = 200
    chunk: int = 1000  # bytes in a piece
    gap_us: int = 20  # between pieces
    reject: int = 0  # so many log-ins are rejected first
    cut: int = 0  # then so many connections are cut
    cut_after: int = 100  # bytes
    stall: int = 0  # then so many say nothing
    lag: int = 0  # the snapshot is so many messages old
    debug: bool = False  # debug packets and heartbeats in between


@dataclass(frozen=True)
class Roll:
    """A new session. ``fresh``: with a market of its own, else the market goes on under new numbers."""

    percent: int = 50  # of the messages before it
    fresh: bool = True
    end_previous: bool = True


@dataclass(frozen=True)
class Policy:
    """engine.feed, as far as it decides about recovery."""

    named: bool = True  # the session is in the configuration
    best_effort: bool = False
    follow: bool = True
    confirm: int = 3
    jump: int = 0
    hold_back_us: int = 200
    silence_us: int = 0
    reorder_packets: int = 64
    request_max: int = 64
    outstanding: int = 4
    attempts: int = 3
    timeout_us: int = 500
    give_up: int = 100_000
    snapshot_attempts: int = 2
    snapshot_timeout_us: int = 20_000
    retry_us: int = 3_000


@dataclass(frozen=True)
class Case:
    seed: int = 1
    messages: int = 100
    symbols: int = 2
    spacing_us: int = 20  # mean time between messages
    packing: int = 3  # most messages in a datagram of line A
    packing_b: int = 0  # the same for B; 0: the datagrams of A
    skew_us: int = 5  # B is so much later
    pauses: int = 0  # silences with heartbeats only
    faults: tuple[Fault, ...] = ()
    requests: Requests | None = Requests()
    snapshots: Snapshots | None = Snapshots()
    policy: Policy = Policy()
    roll: Roll | None = None
    ends: bool = False

    def __repr__(self) -> str:
        return _short(self)

    @property
    def size(self) -> tuple[int, int, int]:
        """What a smaller case is smaller in."""
        return len(self.faults) + (self.roll is not None), len(repr(self)), self.messages

    def as_scenario(self) -> str:
        """A scenario file for the lab that does much the same, as far as a scenario can say it."""
        from tests.feed_oracle.scenario import as_scenario

        return as_scenario(self)

    def smaller(self) -> Iterator[Case]:
        """Simpler cases, the simplest first."""
        for messages in (20, self.messages // 4, self.messages // 2, self.messages * 3 // 4):
            if 5 <= messages < self.messages:
                yield replace(self, messages=messages)
        for index in range(len(self.faults)):
            yield replace(self, faults=self.faults[:index] + self.faults[index + 1 :])
        for index, fault in enumerate(self.faults):
            for simpler in _simpler(fault):
                yield replace(self, faults=(*self.faults[:index], simpler, *self.faults[index + 1 :]))
        plain = Case(seed=self.seed, messages=self.messages)
        for field in fields(Case):
            default = getattr(plain, field.name)
            value = getattr(self, field.name)
            if field.name not in ("seed", "messages", "faults") and value != default:
                yield replace(self, **{field.name: default})
                if value is not None and field.name in ("requests", "snapshots", "policy", "roll"):
                    for part in fields(value):
                        if getattr(value, part.name) != part.default:
                            yield replace(self, **{field.name: replace(value, **{part.name: part.default})})


def _simpler(fault: Fault) -> Iterator[Fault]:
    tries: list[dict[str, Any]] = [
        *({"count": count} for count in (1, fault.count // 2, fault.count - 1) if count),
        *({"first": first} for first in (0, fault.first // 2, fault.first - 1) if first >= 0),
        {"every": 1},
        {"chance": 100},
        {"cluster": False},
        *({"amount": amount} for amount in (1, fault.amount // 2) if amount),
    ]
    for change in tries:
        simpler = replace(fault, **change)
        if simpler != fault:
            yield simpler


def _short(value: object) -> str:
    """Only what is not the default, so that a case fits into a report."""
    if isinstance(value, tuple):
        return "(" + "".join(f"{_short(item)}, " for item in value).rstrip() + ")"
    if not isinstance(value, Case | Fault | Requests | Snapshots | Roll | Policy):
        return repr(value)
    parts = [
        f"{field.name}={_short(getattr(value, field.name))}"
        for field in fields(value)
        if getattr(value, field.name) != field.default or (isinstance(value, Case) and field.name == "seed")
    ]
    return f"{type(value).__name__}({', '.join(parts)})"


def _random_fault(chance: random.Random, datagrams: int) -> Fault:
    do = chance.choices(DOES, (5, 1, 2, 2, 3))[0]
    lines: Literal["A", "B", "AB"] = chance.choice(("A", "B", "AB", "AB"))
    first = chance.randrange(datagrams)
    count = chance.choice((1, 2, 5, 10, 30, datagrams))
    if chance.random() < 0.12:
        first, count = 0, chance.randrange(1, datagrams)  # a late start
    fault = Fault(do=do, lines=lines, first=first, count=count)
    pattern = chance.randrange(4)
    if pattern == 1:
        fault = replace(fault, every=chance.choice((2, 3, 7)))
    elif pattern == 2:
        fault = replace(fault, chance=chance.choice((2, 10, 30, 60)))
    elif pattern == 3:
        fault = replace(fault, chance=chance.choice((10, 20, 40)), cluster=True)
    if do == "duplicate":
        return replace(fault, amount=chance.choice((1, 2, 4)))
    if do == "reorder":
        return replace(fault, amount=chance.choice((1, 3, 10, 40)))
    if do == "delay":
        return replace(fault, amount=chance.choice((30, 150, 600, 3000)))
    if do == "corrupt":
        return replace(fault, what=chance.choice(CORRUPTIONS), amount=chance.choice((1, 3, 17)))
    return fault


def random_case(seed: int) -> Case:
    """One of all the cases, by its number."""
    chance = random.Random(f"case {seed}")
    some = chance.choice

    def rarely(value: int, share: float = 0.25) -> int:
        return value if chance.random() < share else 0

    messages = some((30, 60, 100, 100, 200, 400))
    packing = some((1, 2, 4, 8))
    datagrams = max(2, 2 * messages // (packing + 1))
    requests = Requests(
        delay_us=some((20, 100, 400, 1500)),
        jitter_us=some((0, 0, 100, 1000)),
        loss=rarely(some((10, 50, 90))),
        lose_first=rarely(some((1, 3, 10))),
        refuse=chance.random() < 0.1,
        reply_max=some((1, 3, 10, 40, 40)),
        duplicate=rarely(40),
        stale=rarely(40),
        corrupt=rarely(40),
        history=rarely(some((20, 80)), 0.15),
    )
    snapshots = Snapshots(
        delay_us=some((50, 200, 1000, 4000)),
        chunk=some((1, 7, 64, 500, 10_000)),
        gap_us=some((0, 1, 20, 100)),
        reject=rarely(some((1, 3)), 0.15),
        cut=rarely(some((1, 3)), 0.2),
        cut_after=some((0, 1, 40, 200, 2000)),
        stall=rarely(1, 0.15),
        lag=rarely(some((1, 5, 40)), 0.15),
        debug=chance.random() < 0.2,
    )
    if snapshots.chunk < 64:
        snapshots = replace(snapshots, gap_us=min(snapshots.gap_us, 1))
    service = chance.random()
    with_snapshots = service < 0.8
    policy = Policy(
        named=chance.random() < 0.8,
        best_effort=chance.random() < 0.1,
        follow=chance.random() < 0.93,
        confirm=some((2, 3, 3, 5)),
        jump=some((0, 0, 8, 64)),
        hold_back_us=some((0, 50, 200, 1000)),
        silence_us=some((0, 0, 4000, 12_000)),
        reorder_packets=some((1, 4, 16, 64, 64, 256)),
        request_max=some((1, 5, 64, 1000)),
        outstanding=some((1, 2, 4, 8)),
        attempts=some((1, 3, 5)),
        timeout_us=some((200, 500, 2000)),
        give_up=some((1, 10, 50, 100_000, 100_000)),
        snapshot_attempts=some((1, 2, 5)),
        snapshot_timeout_us=some((3000, 20_000)),
        retry_us=some((1000, 3000, 10_000)),
    )
    roll = None
    if chance.random() < 0.25:
        roll = Roll(
            percent=some((5, 30, 50, 80, 97)),
            fresh=not with_snapshots or chance.random() < 0.5,
            end_previous=chance.random() < 0.5,
        )
    return Case(
        seed=chance.randrange(10_000),
        messages=messages,
        symbols=some((2, 3, 4)),
        spacing_us=some((2, 10, 20, 50)),
        packing=packing,
        packing_b=rarely(some((1, 3, 8)), 0.4),
        skew_us=some((0, 1, 5, 50)),
        pauses=rarely(some((1, 2)), 0.3),
        faults=tuple(_random_fault(chance, datagrams) for _ in range(some((0, 1, 1, 2, 2, 3, 5)))),
        requests=requests if service < 0.7 or 0.8 <= service < 0.93 else None,
        snapshots=snapshots if with_snapshots else None,
        policy=policy,
        roll=roll,
        ends=chance.random() < 0.3,
    )
