"""Many cases in a row, and the smallest one that fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.feed_oracle.case import Case, random_case
from tests.feed_oracle.judge import Violation
from tests.feed_oracle.receiver import EngineReceiver, Receiver
from tests.feed_oracle.world import run

__all__ = ["Failure", "Tally", "campaign", "shrink", "violation_of"]

EXERCISED = {
    "requests": "re-requests",
    "partial": "partial replies",
    "snapshot whole": "snapshots",
    "snapshot cut": "cut snapshots",
    "snapshot reject": "rejected log-ins",
    "snapshot stall": "stalled snapshots",
    "rolled": "rolls",
    "orders": "orders",
    "state GAP": "GAP",
    "state RECOVERING": "RECOVERING",
    "state SYNC": "SYNC",
    "state RESYNC": "RESYNC",
    "state DOWN": "DOWN",
    "state ENDED": "ENDED",
    "foreign": "foreign datagrams",
    "harm ahead": "numbers ahead",
    "harm back": "numbers back",
    "reorder_full": "full buffers",
}


@dataclass(frozen=True)
class Failure:
    case: Case
    why: str

    def __str__(self) -> str:
        return f"{self.why}\n\n{self.case!r}\n\n{self.case.as_scenario()}"


@dataclass
class Tally:
    cases: int = 0
    recovered: int = 0
    seconds: float = 0.0
    used: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        used = ", ".join(f"{title} {self.used[name]}" for name, title in EXERCISED.items())
        return (
            f"{self.cases} cases in {self.seconds:.0f} s, {len(self.failures)} failed; {self.recovered} recovered"
            f" to the end; cases with {used}"
        )


def violation_of(case: Case, receiver: Callable[[Case], Receiver] = EngineReceiver) -> str | None:
    """Why a case fails, None: it does not."""
    try:
        run(case, receiver)
    except Violation as violation:
        return str(violation)
    return None


def kind_of(why: str) -> str:
    """What two failures of one cause have in common: the words at the beginning."""
    words = why.split(": ", 1)[1].split() if ": " in why else why.split()
    return words[0].split("(")[0].rstrip(",")


def shrink(
    case: Case, receiver: Callable[[Case], Receiver] = EngineReceiver, *, seconds: float = 30.0
) -> Failure:
    """The smallest case found that fails in the same way."""
    why = violation_of(case, receiver)
    assert why is not None, "the case does not fail"
    kind, deadline, found = kind_of(why), time.monotonic() + seconds, True
    while found:
        found = False
        for smaller in case.smaller():
            if time.monotonic() > deadline:
                return Failure(case, why)
            if smaller.size >= case.size:
                continue
            reason = violation_of(smaller, receiver)
            if reason is not None and kind_of(reason) == kind:
                case, why, found = smaller, reason, True
                break
    return Failure(case, why)


def campaign(
    seeds: Iterable[int],
    receiver: Callable[[Case], Receiver] = EngineReceiver,
    *,
    stop_after: int | None = None,
    notice: Callable[[int, Failure], None] = lambda seed, failure: None,
) -> Tally:
    """Runs the cases with these numbers and counts what they exercised."""
    tally, began = Tally(), time.monotonic()
    for seed in seeds:
        case = random_case(seed)
        tally.cases += 1
        try:
            outcome = run(case, receiver)
        except Violation as violation:
            failure = Failure(case, str(violation))
            tally.failures.append(failure)
            notice(seed, failure)
            if stop_after is not None and len(tally.failures) >= stop_after:
                break
            continue
        tally.recovered += outcome.done
        for name in EXERCISED:
            tally.used[name] += bool(outcome.seen[name])
        tally.used["partial"] += bool(outcome.counters.get("requests_partial"))
        tally.used["reorder_full"] += bool(outcome.counters.get("reorder_full_drops"))
    tally.seconds = time.monotonic() - began
    return tally
