"""What the risk gate says of itself, and what the wire says of it: closures, warnings, and orders at the wrong time.

A closure is a stretch in which the gate says that nothing passes: from a trip to the re-arm, from the loss of its table
to the next one, from the kill switch to its release. That no order left meanwhile is the tap's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.measure.data import RunData
from lab.measure.rows import Rows

__all__ = ["CLOSURE_SLACK_NS", "closures", "per_second_max", "risk_gate_block"]

SECOND_NS = 1_000_000_000
CLOSURE_SLACK_NS = 2_000_000  # an order that passed just before may still be on its way
NEVER_NS = 2**63 - 1
OPENED_BY = {"trip": "rearm", "table_lost": "table", "kill": "kill_over"}

Records = Sequence[Mapping[str, Any]]


def new_orders(order_messages: Rows) -> Rows:
    """Stamps of what could trade: enters and replaces, sorted."""
    kinds = order_messages["kind"]
    stamps: Rows = np.sort(order_messages["stamp_ns"][(kinds == b"O") | (kinds == b"U")])
    return stamps


def per_second_max(order_messages: Rows) -> int:
    """Most enters and replaces in any second."""
    stamps = new_orders(order_messages)
    ends = np.searchsorted(stamps, stamps + SECOND_NS)
    return int((ends - np.arange(len(stamps))).max(initial=0))


def closures(records: Records) -> list[tuple[int, int]]:
    """(from, to) of each; NEVER_NS when nothing opened it again."""
    found = []
    for index, row in enumerate(records):
        opener = OPENED_BY.get(str(row["kind"]))
        if opener is None:
            continue
        later = (int(other["at_ns"]) for other in records[index + 1 :] if other["kind"] == opener)
        found.append((int(row["at_ns"]), next(later, NEVER_NS)))
    return found


def risk_gate_block(data: RunData) -> dict[str, Any]:
    """``risk_gate`` of summary.json; empty when the engine left no account."""
    state = data.engine.risk_state
    if not state:
        return {}
    records: Records = state["records"]
    closed = closures(records)
    stamps = new_orders(data.order_messages)
    inside = np.zeros(len(stamps), bool)
    for begin, end in closed:
        inside |= (stamps > begin + CLOSURE_SLACK_NS) & (stamps < end)
    opened_ns = min((end for _, end in closed), default=NEVER_NS)
    block: dict[str, Any] = {
        **{name: state[name] for name in ("generation", "tripped", "trips", "rearms", "mass_cancels")},
        "warnings": {**dict(state["warnings"]), "count": sum(state["warnings"].values())},
        "exposure": dict(state["exposure"]),
        "closures": len(closed),
        "orders_before_closure": int((stamps < min((begin for begin, _ in closed), default=0)).sum()),
        "orders_while_closed": int(inside.sum()),
        "orders_reopened": int(((stamps > opened_ns) & ~inside).sum()),
        "records_lost": state["records_lost"],
        "records": [dict(row) for row in records],
    }
    leads = warning_leads(records, data)
    return {**block, "warning_lead_min_ns": min(leads.values())} if leads else block


def warning_leads(records: Records, data: RunData) -> dict[str, int]:
    """By reason: ns from the first warning to the first order that was refused for it."""
    codes = {name: code for code, name in data.engine.reason_names.items()}
    leads = {}
    for row in records:
        if row["kind"] != "warn" or row["reason"] not in codes:
            continue
        refused = data.decisions["risk_ns"][data.decisions["reason"] == codes[row["reason"]]]
        if len(refused):
            leads[str(row["reason"])] = int(refused.min()) - int(row["at_ns"])
    return leads
