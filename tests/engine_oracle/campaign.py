"""Many worlds in a row, and the smallest case that shows a difference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from tests.engine_oracle.case import Case
from tests.engine_oracle.judge import Difference, MakeEngine, run_case, run_seed
from tests.engine_oracle.subject import EngineSubject

__all__ = ["Failure", "Tally", "campaign", "shrink"]


@dataclass(frozen=True)
class Failure:
    case: Case
    key: str
    why: str

    def __str__(self) -> str:
        steps = "\n".join(f"  {number}: {step!r}" for number, step in enumerate(self.case.steps, start=1))
        return f"{self.why}\nseed {self.case.seed}, {self.case.setup!r}\n{steps}"


@dataclass
class Tally:
    cases: int = 0
    steps: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        def row(counter: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))

        return (
            f"{self.cases} cases, {self.steps} steps in {self.seconds:.0f} s, {len(self.failures)} differ\n"
            f"reasons: {row(self.reasons)}\nsent: {row(self.actions)}\nwarnings: {row(self.warnings)}\n"
            f"records: {row(self.records)}\nfeed: {row(self.states)}"
        )


def campaign(
    seeds: Iterable[int],
    make_engine: MakeEngine = EngineSubject,
    *,
    stop_after: int | None = None,
    notice: Callable[[int, Failure], None] = lambda seed, failure: None,
) -> Tally:
    """Runs the worlds with these numbers and counts what they exercised."""
    tally, began = Tally(), time.monotonic()
    for seed in seeds:
        tally.cases += 1
        try:
            outcome = run_seed(seed, make_engine)
        except Difference as difference:
            failure = Failure(difference.case, difference.key, difference.why)
            tally.failures.append(failure)
            notice(seed, failure)
            if stop_after is not None and len(tally.failures) >= stop_after:
                break
            continue
        tally.steps += len(outcome.case.steps)
        for name in ("reasons", "actions", "warnings", "records", "states"):
            getattr(tally, name).update(getattr(outcome, name))
    tally.seconds = time.monotonic() - began
    return tally


def _difference(case: Case, make_engine: MakeEngine) -> Failure | None:
    try:
        run_case(case, make_engine)
    except Difference as difference:
        return Failure(difference.case, difference.key, difference.why)
    return None


def shrink(failure: Failure, make_engine: MakeEngine = EngineSubject, *, seconds: float = 30.0) -> Failure:
    """Leaves out steps, then messages of datagrams, as long as the same key differs."""
    deadline = time.monotonic() + seconds

    def better(case: Case) -> Failure | None:
        if time.monotonic() > deadline:
            return None
        found = _difference(case, make_engine)
        return found if found is not None and found.key == failure.key else None

    size = max(1, len(failure.case.steps) // 2)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(failure.case.steps):
            steps = failure.case.steps
            smaller = better(replace(failure.case, steps=steps[:at] + steps[at + size :]))
            if smaller is not None:
                failure = smaller
            else:
                at += size
        size //= 2
    for number in range(len(failure.case.steps)):
        failure = _fewer_messages(failure, number, better)
    return failure


def _fewer_messages(failure: Failure, number: int, better: Callable[[Case], Failure | None]) -> Failure:
    at = 0
    while number < len(failure.case.steps):
        steps = failure.case.steps
        name = "messages" if hasattr(steps[number], "messages") else "payloads"
        parts = getattr(steps[number], name, ())
        if at >= len(parts) or len(parts) < 2:
            return failure
        fewer = replace(steps[number], **{name: parts[:at] + parts[at + 1 :]})
        smaller = better(replace(failure.case, steps=(*steps[:number], fewer, *steps[number + 1 :])))
        if smaller is not None:
            failure = smaller
        else:
            at += 1
    return failure
