"""Seeds go in; thousands of cases are played, and what they exercised and what they broke come out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.feed_integrity.case import Case, RandomDraws, draw_case
from tests.feed_integrity.judge import Violation
from tests.feed_integrity.receiver import Receiver
from tests.feed_integrity.shrink import shrink
from tests.feed_integrity.world import Outcome, play

__all__ = ["Broken", "Campaign", "broken_by", "run_campaign", "smallest"]

MakeReceiver = Callable[[Case], Receiver]


@dataclass(frozen=True)
class Broken:
    """A case and what it broke."""

    case: Case
    violation: Violation


@dataclass
class Campaign:
    cases: int = 0
    seconds: float = 0.0
    broken: list[Broken] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.counts["live_owed"] += outcome.liveness
        self.counts["live"] += outcome.live
        for name in ("orders", "books", "requests", "snapshots", "joins", "delivered"):
            self.counts[name] += getattr(outcome, name)
        self.counts.update(outcome.states)

    @property
    def summary(self) -> str:
        """One line."""
        counts = self.counts
        rules = Counter(broken.violation.rule for broken in self.broken)
        broke = ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items()))
        states = " ".join(f"{name} {counts[name]}" for name in sorted(counts) if name.isupper())
        kept = (
            f"{counts['live']} were LIVE in the end, {counts['live_owed']} had to be; {counts['books']} books "
            f"compared, {counts['orders']} orders, {counts['requests']} re-requests, {counts['joins']} snapshots "
            f"of {counts['snapshots']}; cases in {states}"
        )
        said = f" ({broke})" if broke else ""
        return (
            f"{self.cases} cases in {self.seconds:.0f} s, {len(self.broken)} broke the property{said}; {kept}"
        )


def broken_by(case: Case, make_receiver: MakeReceiver) -> Violation | None:
    try:
        play(case, make_receiver)
    except Violation as violation:
        return violation
    return None


def smallest(broken: Broken, make_receiver: MakeReceiver) -> Broken:
    """The simplest case found that breaks the same rule."""
    rule = broken.violation.rule

    def fails(case: Case) -> bool:
        violation = broken_by(case, make_receiver)
        return violation is not None and violation.rule == rule

    case = shrink(broken.case, fails)
    violation = broken_by(case, make_receiver)
    assert violation is not None
    return Broken(case, violation)


def run_campaign(seeds: Iterable[int], make_receiver: MakeReceiver, *, broken_max: int = 20) -> Campaign:
    """A case a seed; ends early when so many are broken."""
    campaign, began = Campaign(), time.monotonic()
    for seed in seeds:
        case = draw_case(RandomDraws(seed))
        campaign.cases += 1
        try:
            campaign.add(play(case, make_receiver))
        except Violation as violation:
            campaign.broken.append(Broken(case, violation))
            if len(campaign.broken) >= broken_max:
                break
    campaign.seconds = time.monotonic() - began
    return campaign
