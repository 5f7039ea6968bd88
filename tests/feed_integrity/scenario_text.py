"""A case goes in; a scenario file with the same policy, services and faults comes out, for ``tailgate run``.

The market is the lab's own model, with as many messages at the same pace. What a scenario cannot say stands in
comments: the rest is a whole scenario all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.feed_integrity.case import Case, Fault
from tests.feed_integrity.schedule import TAIL

__all__ = ["as_scenario"]

LINES = {"A": "A", "B": "B", "R": "recovery"}
SPOILED = ("bits", "truncate", "count", "zero_block")
HEALED_MS = 200  # behind the last faulty message: services are sound from then on
POLICY_OF_THE_LAB = {
    "follow_sessions": True,
    "confirm_packets": 3,
    "jump_messages": 0,
    "reorder_packets": 512,
}


def as_scenario(case: Case, *, broken: str = "") -> str:
    """YAML. ``broken``: what was violated, for the description."""
    rate = max(1, 1_000_000 * (case.packing + 1) // (2 * case.gap_us))
    faulty_ms = -(-1000 * case.messages // rate)
    duration_ms = faulty_ms + HEALED_MS + 1000 * TAIL // rate + 300
    services = [name for name in ("requests", "snapshots") if getattr(case.policy, name)]
    faults, notes = list(_faults(case, faulty_ms)), list(_notes(case))
    traffic = {
        "source": "model",
        "symbols": case.symbols,
        "rate": f"{rate}/s",
        "duration": f"{duration_ms}ms",
        "arrivals": "even",
        "packing": case.packing,
        "heartbeat": "3ms",
    }
    behaviour = _behaviour(case)
    if behaviour:
        traffic["recovery"] = behaviour
    engine: dict[str, Any] = {"feed": _feed(case), "recovery": services}
    expect = {"orders_while_blind": '"== 0"', "recovered": "true"}
    if case.reflector:
        engine |= {"strategy": "reflector", "parameters": {"every": 1}}
    else:
        expect["book_matches_oracle"] = "true"
    return "\n".join(
        [
            f"# python -m tests.feed_integrity --case '{case}'",
            *(f"# Not in a scenario: {note}" for note in notes),
            "title: A small repro of what a feed must not do",
            *([f"description: {_quoted(broken)}"] if broken else []),
            f"seed: {case.seed}",
            f"traffic: {_flow(traffic)}",
            f"engine: {_flow(engine)}",
            *(["faults:"] if faults else []),
            *(f"  - {_flow(fault)}" for fault in faults),
            "measure: {pacing_bound: 20ms, wire_floor: false}",
            "expect:",
            *(f"  {name}: {value}" for name, value in expect.items()),
            "",
        ]
    )


def _faults(case: Case, faulty_ms: int) -> Iterator[dict[str, Any]]:
    if case.skew_us:
        yield {"do": "delay", "lines": ["B"], "by": f"{case.skew_us}us", "at": {"sequence": 1}}
    for roll in case.rolls:
        said: dict[str, Any] = {"do": "session_roll", "at": {"sequence": roll.at}}
        yield said if roll.end_previous else {**said, "end_previous": False}
    for fault in case.faults:
        if _sayable(case, fault):
            yield _fault(fault)
    if case.requests.refuse and case.policy.requests:
        yield {"do": "refuse_requests", "at": {"time": "0s"}, "for": f"{faulty_ms + HEALED_MS}ms"}
    cut = case.connections.count("cut")
    if cut and case.policy.snapshots:
        yield {"do": "cut_snapshot", "connections": cut, "after": 5, "at": {"time": "0s"}}


def _sayable(case: Case, fault: Fault) -> bool:
    served = fault.lines != "R" or case.policy.requests
    return served and (fault.do != "corrupt" or fault.what in SPOILED)


def _fault(fault: Fault) -> dict[str, Any]:
    said: dict[str, Any] = {"do": fault.do, "lines": [LINES[line] for line in fault.lines]}
    if fault.do == "corrupt":
        said["what"] = fault.what
    amount = {"duplicate": "copies", "reorder": "distance"}.get(fault.do)
    if amount:
        said[amount] = fault.amount
    elif fault.do == "corrupt" and fault.what != "zero_block":
        said["amount"] = fault.amount
    elif fault.do == "delay":
        said["by"] = f"{fault.by_us}us"
    if fault.clusters is not None:
        bad, good = fault.clusters
        said["gilbert_elliott"] = {"good_to_bad": f"{bad}%", "bad_to_good": f"{good}%"}
    elif fault.percent:
        said["probability"] = f"{fault.percent}%"
    elif fault.every > 1:
        said["every"] = fault.every
    return {**said, "packets": fault.packets, "at": {"sequence": fault.at}}


def _behaviour(case: Case) -> dict[str, Any]:
    server = case.requests
    said: dict[str, Any] = {}
    if server.messages_max:
        said["messages_max"] = server.messages_max
    if server.delay_us:
        said["delay"] = f"{server.delay_us}us"
    if server.loss_percent:
        said["loss"] = f"{server.loss_percent}%"
    if server.lose:
        said["lose_requests"] = server.lose
    if server.burst:
        said["rate"] = "1000/s"
    if server.history:
        said["history"] = server.history
    if case.snapshot_delay_us:
        said["snapshot_delay"] = f"{case.snapshot_delay_us}us"
    return said


def _feed(case: Case) -> dict[str, Any]:
    policy = case.policy
    said: dict[str, Any] = {
        "hold_back": f"{policy.hold_back_us}us",
        "line_silence": f"{policy.line_silence_us}us",
        "request_messages": policy.request_messages,
        "request_outstanding": policy.request_outstanding,
        "request_attempts": policy.request_attempts,
        "request_timeout": f"{policy.request_timeout_us}us",
        "give_up": policy.give_up_messages,
        "snapshot_attempts": policy.snapshot_attempts,
        "snapshot_timeout": f"{policy.snapshot_timeout_us}us",
        "retry": f"{policy.retry_us}us",
    }
    if case.first_seen:
        said["start"] = "first_seen"
    if not policy.strict:
        said["delivery"] = "best_effort"
    return said


def _notes(case: Case) -> Iterator[str]:
    """What the scenario leaves out."""
    for name, usual in POLICY_OF_THE_LAB.items():
        value = getattr(case.policy, name)
        if value != usual:
            yield f"engine policy {name} = {value}"
    for fault in case.faults:
        if not _sayable(case, fault):
            yield f"{fault}"
    kinds = [kind for kind in case.connections if kind not in ("clean", "cut")]
    if kinds and case.policy.snapshots:
        yield f"snapshot connections {', '.join(kinds)}"
    if case.requests.stale_percent:
        yield f"{case.requests.stale_percent}% of the replies come again later"
    if any(not roll.keeps_book for roll in case.rolls):
        yield "the new session's market begins empty"
    for name in ("first", "own_boundaries", "pauses", "chunk"):
        value = getattr(case, name)
        if value not in (False, 0, 1) or value is True:
            yield f"{name} = {value}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    plain = " ".join(text.split()).replace("'", "''")
    return f"'{plain}'"
