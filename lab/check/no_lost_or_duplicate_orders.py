"""no_lost_or_duplicate_orders: what the engine sent is what the exchange received, each order exactly once.

Three witnesses: the engine's decisions to send, the tokens that the tap read on the wire, and the drop copy. An order
may be on the wire more than once, when a session that was lost sends again what was not answered; in the drop copy it
is received once, and what came again is marked as ignored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.rows import Rows

__all__ = ["check", "order_keys"]

NAME = "no_lost_or_duplicate_orders"
EXPECTED = "every order that was sent is received once"
ORDINALS = 16  # of the orders of one trigger: a token has one decimal digit


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    data = evidence.data
    decided = data.decisions[data.decisions["reason"] == 0]
    sent = decided["trigger_sequence"].astype(np.uint64) * np.uint64(ORDINALS) + decided["ordinal"]
    received, foreign = order_keys(data.drop_copy["token"][data.drop_copy["kind"] == b"O"])
    seen, _ = order_keys(data.order_arrivals["token"])
    if doubt := _doubt(evidence, len(decided)):
        return unknown(NAME, expected=EXPECTED, observed="the witnesses are not complete", evidence=doubt)
    lost = np.setdiff1d(sent, received)
    keys, times = np.unique(received, return_counts=True)
    twice, invented = keys[times > 1], np.setdiff1d(received, sent)
    unseen = np.setdiff1d(received, seen)
    wrong = [
        _some("orders were sent and never received", lost),
        _some("orders were received more than once", twice),
        _some("orders were received that the engine did not send", invented),
        _some("orders were received that nobody saw on the wire", unseen),
        f"{foreign:,} orders have a token of another form" if foreign else "",
    ]
    again = len(seen) - len(np.unique(seen))
    disconnects = data.engine.orders.get("disconnects", 0)
    observed = f"{len(sent):,} sent, {len(received):,} received"
    how = f"{disconnects:,} disconnects, {again:,} orders more than once on the wire"
    if any(wrong):
        why = "; ".join([*filter(None, wrong), how])
        return failed(NAME, expected=EXPECTED, observed=observed, evidence=why)
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=how)


def order_keys(tokens: Rows) -> tuple[NDArray[np.uint64], int]:
    """(trigger sequence and ordinal of each token as one number, how many tokens are of another form)."""
    keys = []
    for token in tokens.tolist():
        digits, ordinal = token[1:13], token[13:14]
        if len(token) == 14 and ordinal.isdigit() and all(digit in b"0123456789ABCDEF" for digit in digits):
            keys.append(int(digits, 16) * ORDINALS + int(ordinal))
    return np.array(keys, np.uint64), len(tokens) - len(keys)


def _doubt(evidence: Evidence, decided: int) -> str:
    data = evidence.data
    if not data.engine.alive:
        return "the engine left no decisions"
    if lost := data.engine.orders.get("decisions_lost", 0):
        return f"{lost:,} decisions found no room in the engine's log"
    if lost := data.exchange.counters.get("rows_lost", 0):
        return f"{lost:,} rows found no room in the drop copy"
    if data.tap.lost:
        return f"the tap lost {data.tap.lost:,} records"
    if decided == 0:
        return "no order was sent"
    return ""


def _some(what: str, keys: NDArray[np.uint64]) -> str:
    if len(keys) == 0:
        return ""
    shown = ", ".join(str(int(key) // ORDINALS) for key in keys[:3])
    return f"{len(keys):,} {what} (messages {shown}{', ...' if len(keys) > 3 else ''})"
