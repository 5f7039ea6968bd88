"""A case in the words of a scenario file, so that the lab can do on wires what was found in simulated time."""

from __future__ import annotations

from tests.feed_oracle.case import Case, Fault
from tests.feed_oracle.lines import END, Plan, Transit, plan_of

__all__ = ["as_scenario"]

SAYABLE = {"truncate", "count", "zero_block", "bits"}


def as_scenario(case: Case) -> str:
    """What a scenario cannot say stands in it as a comment."""
    plan = plan_of(case)
    lines = [
        f"title: Case {case.seed} of the feed's oracle",
        f"seed: {case.seed}",
        "traffic:",
        "  source: model",
        f"  symbols: {case.symbols}",
        f"  rate: {1_000_000 // max(1, case.spacing_us)}/s",
        "  duration: 1s",
        f"  packing: {case.packing}",
    ]
    recovery = _recovery(case)
    lines += [f"  recovery: {{{recovery}}}"] * bool(recovery)
    lines += ["engine:", f"  feed: {{{_feed(case)}}}"]
    faults = [said for fault in case.faults for said in _fault(fault, plan)]
    if case.roll is not None:
        at = len(plan.history.sessions[0].messages) + 1
        previous = str(case.roll.end_previous).lower()
        faults.append(f"  - {{do: session_roll, end_previous: {previous}, at: {{sequence: {at}}}}}")
    lines += ["faults:", *faults] if faults else ["faults: []"]
    for service, there in (("re-requests", case.requests), ("snapshots", case.snapshots)):
        if there is None:
            lines.append(f"# without a service for {service}")
    lines += [
        "expect:",
        "  recovered: true",
        '  orders_while_blind: "== 0"',
        "  book_matches_oracle: true",
        f"# {case!r}",
    ]
    return "\n".join(lines) + "\n"


def _recovery(case: Case) -> str:
    said = []
    if case.requests is not None:
        requests = case.requests
        said.append(f"messages_max: {requests.reply_max}")
        said.append(f"delay: {requests.delay_us}us")
        said += [f"loss: {requests.loss / 100}"] * bool(requests.loss)
        said += [f"lose_requests: {requests.lose_first}"] * bool(requests.lose_first)
        said += ["refuse: true"] * requests.refuse
        said += [f"history: {requests.history}"] * bool(requests.history)
    if case.snapshots is not None:
        snapshots = case.snapshots
        said.append(f"snapshot_delay: {snapshots.delay_us}us")
        if snapshots.cut:
            said.append(f"snapshot_cut_connections: {snapshots.cut}")
            said.append(f"snapshot_cut_after: {snapshots.cut_after // 40}")
        said += ["snapshot_refuse: true"] * bool(snapshots.reject)
        said += ["snapshot_stall: true"] * bool(snapshots.stall)
    return ", ".join(said)


def _feed(case: Case) -> str:
    policy = case.policy
    said = [
        f"hold_back: {policy.hold_back_us}us",
        f"request_messages: {policy.request_max}",
        f"request_outstanding: {policy.outstanding}",
        f"request_attempts: {policy.attempts}",
        f"request_timeout: {policy.timeout_us}us",
        f"give_up: {policy.give_up}",
        f"snapshot_attempts: {policy.snapshot_attempts}",
        f"snapshot_timeout: {policy.snapshot_timeout_us}us",
        f"retry: {policy.retry_us}us",
    ]
    said += [f"line_silence: {policy.silence_us}us"] * bool(policy.silence_us)
    said += ["delivery: best_effort"] * policy.best_effort
    return ", ".join(said)


def _fault(fault: Fault, plan: Plan) -> list[str]:
    """One window on each line; a fault on both lines whose windows begin alike is one."""
    return [
        f"  - {{{_words(fault, line)}, at: {{sequence: {sequence}}}}}"
        for line in fault.lines
        if (sequence := _begins(plan.sent[line], fault.first)) is not None
    ]


def _begins(sent: tuple[Transit, ...], first: int) -> int | None:
    """The message that opens a fault's window, None: there is no such datagram."""
    return next((transit.first for transit in sent[first:] if transit.count not in (0, END)), None)


def _words(fault: Fault, line: str) -> str:
    said = [f"do: {fault.do}", f"lines: [{line}]", f"packets: {fault.count}"]
    if fault.cluster:
        chances = f"good_to_bad: {fault.chance / 100}, bad_to_good: 0.3"
        said.append(f"gilbert_elliott: {{{chances}}}")
    elif fault.chance != 100:
        said.append(f"probability: {fault.chance / 100}")
    elif fault.every != 1:
        said.append(f"every: {fault.every}")
    said += {
        "drop": [],
        "duplicate": [f"copies: {min(fault.amount, 8)}"],
        "reorder": [f"distance: {fault.amount}"],
        "delay": [f"by: {fault.amount}us"],
        "corrupt": [f"what: {fault.what if fault.what in SAYABLE else 'bits'}"],
    }[fault.do]
    return ", ".join(said)
