"""What became of each fault: stamps of the wires, of the exchange and of the engine go in, ``FaultRecord`` out.

Detection and recovery are the engine's own state changes. A fault that comes back has windows; each is detected
when the feed leaves LIVE before the next one begins, and recovered when it is LIVE again. The record of the fault
has the first detection, and a recovery only when every window that was detected was recovered: the last of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lab.faults.rule import POSITION_SHIFT
from lab.measure.data import FaultRecord, Transition
from lab.measure.rows import PACKETS, Rows
from lab.tap import RuleResult, Window, predict

__all__ = [
    "ExchangeAccount",
    "Taken",
    "exchange_account",
    "record_of_injection",
    "record_of_kill",
    "record_of_roll",
    "record_of_sender",
    "record_of_wire",
]

NEVER_NS = 2**63 - 1
WINDOWS_REMEMBERED = 1024
DONE = {"drop": "dropped", "corrupt": "corrupted"}
WORDS = {
    "A": "line A: {} packets {}",
    "B": "line B: {} packets {}",
    "recovery": "{} replies {}",
    "requests": "{} re-requests {}",
    "snapshot": "{} snapshot frames {}",
}

Span = tuple[int, int]  # first and last stamp


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one rule of a fault did in its place."""

    place: str
    number: int
    result: RuleResult


@dataclass(frozen=True, kw_only=True)
class ExchangeAccount:
    """What the exchange wrote down: its impairments' counters, one mapping a rule and line, and its PACKETS rows."""

    impairments: Sequence[Mapping[str, Any]] = ()
    packets: Rows = field(default_factory=lambda: np.empty(0, PACKETS))
    switches: Sequence[Mapping[str, Any]] = ()

    def of_rule(self, number: int) -> list[Mapping[str, Any]]:
        return [row for row in self.impairments if row["rule"] == number]

    def session_start_ns(self, ordinal: int) -> int:
        """When the first packet of a session was sent; 0: never."""
        begun = self.packets[self.packets["first_sequence"] >> np.uint64(POSITION_SHIFT) == ordinal]
        return int(begun["sent_ns"][0, 0]) if len(begun) else 0

    def windows_of(self, rule: Mapping[str, int]) -> dict[int, Span]:
        """Intended times of the first and last packet that each window of a rule took of what was published."""
        packets = self.packets
        taken_in = predict(
            rule,
            positions=packets["first_sequence"],
            messages=packets["count"],
            times_ns=packets["intended_ns"],
        )
        spans = {}
        for number in np.unique(taken_in[taken_in > 0]).tolist():
            times = packets["intended_ns"][taken_in == number]
            spans[int(number)] = (int(times[0]), int(times[-1]))
        return spans


def exchange_account(directory: Path | None) -> ExchangeAccount:
    """Reads what an exchange left in ``directory``; empty when there is nothing."""
    if directory is None or not (directory / "exchange.json").exists():
        return ExchangeAccount()
    raw = json.loads((directory / "exchange.json").read_text())
    packets = np.load(directory / "packets.npy", allow_pickle=False)
    return ExchangeAccount(
        impairments=raw.get("impairments", ()), packets=packets, switches=raw.get("switches", ())
    )


def record_of_injection(
    name: str, injected_ns: int, healed_ns: int, transitions: Sequence[Transition]
) -> FaultRecord:
    """A fault that the lab injected itself."""
    detected_ns, recovered_ns, _ = followed_by(
        ((injected_ns, healed_ns),) if injected_ns else (), transitions
    )
    return FaultRecord(
        name=name,
        injected_ns=injected_ns,
        healed_ns=healed_ns,
        detected_ns=detected_ns,
        recovered_ns=recovered_ns,
        detail="" if injected_ns else "its trigger was never reached",
    )


def record_of_wire(
    name: str, taken: Sequence[Taken], windows: Sequence[Window], transitions: Sequence[Transition]
) -> FaultRecord:
    """A fault that the wires fired; times are their stamps."""
    fired = [one.result for one in taken if one.result.hit]
    spans = spans_of(taken, windows)
    detected_ns, recovered_ns, story = followed_by(spans, transitions)
    details = [told(name, one) for one in taken]
    if len(spans) > 1:
        details.append(story)
    if len(windows) == WINDOWS_REMEMBERED:
        details.append(f"windows behind the first {WINDOWS_REMEMBERED} are not remembered one by one")
    return FaultRecord(
        name=name,
        injected_ns=min((result.first_hit_ns for result in fired), default=0),
        healed_ns=max((result.last_hit_ns for result in fired), default=0),
        detected_ns=detected_ns,
        recovered_ns=recovered_ns,
        detail=", ".join(details),
        windows=spans,
    )


def told(name: str, one: Taken) -> str:
    text = WORDS[one.place].format(one.result.hit, DONE[name])
    return f"{text} and {one.result.controls} heartbeats" if one.result.controls else text


def record_of_sender(
    name: str,
    rules: Iterable[Mapping[str, int]],
    number: int,
    account: ExchangeAccount,
    transitions: Sequence[Transition],
) -> FaultRecord:
    """A fault that the exchange played: ``number`` among its impairments, with ``rules``, one for each line."""
    done = account.of_rule(number)
    fired = [row for row in done if row["hit"]]
    windows = merged(account.windows_of(rule) for rule in rules) if fired else ()
    detected_ns, recovered_ns, story = followed_by(windows, transitions)
    details = [f"line {row['line']}: {row['hit']} packets" for row in done]
    return FaultRecord(
        name=name,
        injected_ns=min((int(row["first_hit_ns"]) for row in fired), default=0),
        healed_ns=max((int(row["last_hit_ns"]) for row in fired), default=0),
        detected_ns=detected_ns,
        recovered_ns=recovered_ns,
        detail=", ".join([*details, story] if len(windows) > 1 else details),
        windows=windows,
    )


def record_of_roll(
    name: str, ordinal: int, account: ExchangeAccount, transitions: Sequence[Transition]
) -> FaultRecord:
    """A session roll: it happens with the first packet of the new session, and needs no healing."""
    at_ns = account.session_start_ns(ordinal)
    detected_ns, recovered_ns, _ = followed_by(((at_ns, at_ns),) if at_ns else (), transitions)
    return FaultRecord(
        name=name,
        injected_ns=at_ns,
        healed_ns=at_ns,
        detected_ns=detected_ns,
        recovered_ns=recovered_ns,
        detail="" if at_ns else "its message was never published",
    )


def record_of_kill(
    name: str,
    times_ns: Sequence[int],
    for_ns: int,
    account: ExchangeAccount,
    transitions: Sequence[Transition],
) -> FaultRecord:
    """Commands that the exchange has thrown and released, by the times that they were planned for."""
    done = {(row["at_ns"], row["value"]): int(row["done_ns"]) for row in account.switches if row["done_ns"]}
    spans = tuple(
        (done[at_ns, 1], done[at_ns + for_ns, 0])
        for at_ns in times_ns
        if (at_ns, 1) in done and (at_ns + for_ns, 0) in done
    )
    detected_ns, recovered_ns, _ = followed_by(spans, transitions)
    return FaultRecord(
        name=name,
        injected_ns=spans[0][0] if spans else 0,
        healed_ns=spans[-1][1] if spans else 0,
        detected_ns=detected_ns,
        recovered_ns=recovered_ns,
        detail=f"{len(spans)} of {len(times_ns)} commands",
        windows=spans,
    )


def merged(lines: Iterable[Mapping[int, Span]]) -> tuple[Span, ...]:
    """The windows of one fault, over all its lines, in order of time."""
    spans: dict[int, Span] = {}
    for line in lines:
        for number, (first_ns, last_ns) in line.items():
            least_ns, most_ns = spans.get(number, (first_ns, last_ns))
            spans[number] = (min(least_ns, first_ns), max(most_ns, last_ns))
    return tuple(sorted(spans.values()))


def spans_of(taken: Sequence[Taken], windows: Sequence[Window]) -> tuple[Span, ...]:
    """The windows that the tap remembers of one fault."""
    lines = [
        {w.number: (w.first_ns, w.last_ns) for w in windows if (w.place, w.rule) == (one.place, one.number)}
        for one in taken
    ]
    return merged(lines)


def followed_by(spans: Sequence[Span], transitions: Sequence[Transition]) -> tuple[int, int, str]:
    """(detected, recovered, a sentence): what the engine's feed did after each span."""
    detected, recovered = [], []
    for (first_ns, _), (next_ns, _) in pairwise([*spans, (NEVER_NS, NEVER_NS)]):
        lost = [t for t in transitions if first_ns <= t.at_ns < next_ns and t.before == "LIVE"]
        if not lost or lost[0].after == "ENDED":
            continue
        detected.append(lost[0].at_ns)
        back = [t for t in transitions if t.at_ns > lost[0].at_ns and t.after == "LIVE"]
        if back:
            recovered.append(back[0].at_ns)
    whole = bool(detected) and len(recovered) == len(detected)
    return (
        detected[0] if detected else 0,
        recovered[-1] if whole else 0,
        f"{len(spans)} windows, {len(detected)} noticed, {len(recovered)} recovered",
    )
