"""Matching again, one row at a time with dictionaries: slow, plain, sharing nothing with lab.measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

END_OF_SESSION = 0xFFFF


@dataclass
class NaiveSample:
    status: str
    intended_ns: int | None
    wire_ns: int | None
    wire_line: int | None
    other_line_ns: int | None
    order_ns: int | None
    orders: int
    decided: bool
    wire_to_wire_ns: int | None
    response_ns: int | None


@dataclass
class NaiveMatching:
    samples: list[NaiveSample] = field(default_factory=list)
    duplicate_orders: int = 0
    unexpected_orders: list[int] = field(default_factory=list)
    unpublished: list[int] = field(default_factory=list)
    sent_not_seen: list[int] = field(default_factory=list)


def minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def match(packets: Any, taps: Any, decisions: Any, orders: Any, triggers: list[int]) -> NaiveMatching:
    intended = {
        int(packet["first_sequence"]) + offset: int(packet["intended_ns"])
        for packet in packets
        for offset in range(int(packet["count"]))
    }
    arrivals: dict[tuple[int, int], int] = {}
    for tap in taps:
        if tap["flags"] & 3 or tap["count"] in (0, END_OF_SESSION):
            continue
        for message in range(int(tap["sequence"]), int(tap["sequence"]) + int(tap["count"])):
            key = (message, int(tap["line"]))
            arrivals[key] = min(arrivals.get(key, 1 << 62), int(tap["stamp_ns"]))
    result = NaiveMatching()
    tokens: set[tuple[int, int]] = set()
    for order in orders:
        key = (int(order["trigger_sequence"]), int(order["ordinal"]))
        result.duplicate_orders += key in tokens
        tokens.add(key)
        if key[0] not in triggers:
            result.unexpected_orders.append(key[0])
    for trigger in triggers:
        mine = [int(order["stamp_ns"]) for order in orders if order["trigger_sequence"] == trigger]
        own = [decision for decision in decisions if decision["trigger_sequence"] == trigger]
        first = min(own, key=lambda decision: int(decision["ordinal"])) if own else None
        lines = {line: arrivals[trigger, line] for line in (0, 1, 2) if (trigger, line) in arrivals}
        wire_line = min(lines, key=lambda line: (lines[line], line)) if lines else None
        wire_ns = None if wire_line is None else lines[wire_line]
        order_ns = min(mine) if mine else None
        reason = 0 if first is None else int(first["reason"])
        if trigger not in intended:
            result.unpublished.append(trigger)
        if first is not None and reason == 0 and not mine:
            result.sent_not_seen.append(trigger)
        result.samples.append(
            NaiveSample(
                status="matched" if mine else "blocked" if reason else "unmatched",
                intended_ns=intended.get(trigger),
                wire_ns=wire_ns,
                wire_line=wire_line,
                other_line_ns=lines.get(1 - wire_line) if wire_line in (0, 1) else None,
                order_ns=order_ns,
                orders=len(mine),
                decided=first is not None,
                wire_to_wire_ns=minus(order_ns, wire_ns),
                response_ns=minus(order_ns, intended.get(trigger)),
            )
        )
    return result


def covered(packets: Any, taps: Any, line: int) -> list[bool]:
    """Whether every message of each packet came on ``line``."""
    arrived = {
        message
        for tap in taps
        if tap["line"] == line and not tap["flags"] & 3 and tap["count"] not in (0, END_OF_SESSION)
        for message in range(int(tap["sequence"]), int(tap["sequence"]) + int(tap["count"]))
    }
    return [
        all(int(packet["first_sequence"]) + offset in arrived for offset in range(int(packet["count"])))
        for packet in packets
    ]
