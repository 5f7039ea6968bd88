"""session_resumed: every change of the order session's transport ended in the same session, and orders went on.

Three witnesses: the engine's account of each change, the stamps of orders behind the last one, and the exchange's drop
copy, of which the engine must have every answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown

__all__ = ["check"]

NAME = "session_resumed"
EXPECTED = "every change resumed, no answer lost, orders behind the last"
ANSWERS = {"accepted": b"A", "executions": b"E"}


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    data = evidence.data
    if not data.engine.alive or not data.engine.wires:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no account of its wires")
    changes = cast(Sequence[Mapping[str, Any]], data.engine.wires["order_changes"])
    if not changes:
        return unknown(NAME, expected=EXPECTED, observed="the session never changed its transport")
    open_ends = [row for row in changes if not row["up_ns"]]
    if open_ends:
        row = open_ends[0]
        why = f"{row['from']} to {row['to']} ({row['cause']}), {row['attempts']} attempts"
        return failed(NAME, expected=EXPECTED, observed=f"{len(open_ends)} changes not resumed", evidence=why)
    for answer, kind in ANSWERS.items():
        sent, received = int((data.drop_copy["kind"] == kind).sum()), data.engine.orders.get(answer, 0)
        if sent != received:
            return failed(
                NAME,
                expected=EXPECTED,
                observed=f"{received:,} of {sent:,} answers",
                evidence=f"{answer}: what the engine counts is not what the exchange sent",
            )
    last = changes[-1]
    behind = int((data.order_arrivals["stamp_ns"] > last["up_ns"]).sum())
    if not behind:
        return failed(NAME, expected=EXPECTED, observed="no order behind the last change")
    longest = max(row["up_ns"] - row["at_ns"] for row in changes)
    return passed(
        NAME,
        expected=EXPECTED,
        observed=f"{len(changes)} resumed, {behind:,} orders behind",
        evidence=f"down for {longest / 1e6:.2f} ms at most; the last to {last['to']} because of {last['cause']},"
        f" from message {last['sequence']:,} on",
    )
