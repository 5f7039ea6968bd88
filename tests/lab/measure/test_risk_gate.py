"""Closures of the gate from its records, and the orders that the wire saw before, in and behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.risk_gate import CLOSURE_SLACK_NS, closures, per_second_max, risk_gate_block
from lab.measure.rows import ORDER_MESSAGES, Rows

BASE_NS = 10**12


def record(kind: str, after_ns: int, reason: str = "none") -> dict[str, Any]:
    return {"at_ns": BASE_NS + after_ns, "kind": kind, "reason": reason, "subject": 0, "who": 0}


def messages(*after_ns: int, kind: bytes = b"O") -> Rows:
    rows = np.zeros(len(after_ns), ORDER_MESSAGES)
    rows["stamp_ns"] = BASE_NS + np.array(after_ns, np.int64)
    rows["kind"] = kind
    return rows


def block(records: list[dict[str, Any]], orders: Rows) -> dict[str, Any]:
    run = synthetic.run(packets=50)
    state = {
        "generation": 1, "tripped": None, "trips": 1, "rearms": 1, "mass_cancels": 1,
        "warnings": {"position": 3, "collar": 2}, "exposure": {"gross": 5}, "records_lost": 0, "records": records,
    }  # fmt: skip
    return risk_gate_block(replace(run, order_messages=orders, engine=replace(run.engine, risk_state=state)))


def test_a_closure_lasts_until_what_opens_it() -> None:
    records = [
        record("table", 0),
        record("trip", 10),
        record("kill", 20),
        record("rearm", 30),
        record("trip", 50),
    ]
    times = [(begin - BASE_NS, end - BASE_NS if end < 2**62 else None) for begin, end in closures(records)]
    assert times == [(10, 30), (20, None), (50, None)]


def test_orders_are_counted_before_in_and_behind_a_closure() -> None:
    late = CLOSURE_SLACK_NS
    records = [record("trip", 100), record("rearm", 100 + 10 * late)]
    orders = messages(1, 99, 100 + late, 101 + late, 100 + 11 * late, 100 + 12 * late)
    found = block(records, orders)
    assert (found["orders_before_closure"], found["orders_while_closed"], found["orders_reopened"]) == (
        2,
        1,
        2,
    )
    assert (found["closures"], found["warnings"]["count"]) == (1, 5)


def test_a_cancel_is_no_order() -> None:
    assert block([record("kill", 0)], messages(CLOSURE_SLACK_NS * 2, kind=b"X"))["orders_while_closed"] == 0


def test_a_warning_leads_by_the_time_to_the_first_refusal() -> None:
    run = synthetic.run(packets=50, blocked_share=0.5)
    first_ns = int(run.decisions["risk_ns"][run.decisions["reason"] == 3].min())
    records = [{**record("warn", 0, "collar"), "at_ns": first_ns - 77}]
    state = {**block([], messages()), "warnings": {}, "records": records}
    data = replace(run, engine=replace(run.engine, risk_state=state))
    assert risk_gate_block(data)["warning_lead_min_ns"] == 77


@given(st.lists(st.integers(0, 5 * 10**9), max_size=60))
def test_most_orders_in_a_second_is_what_counting_says(after_ns: list[int]) -> None:
    naive = max((sum(0 <= other - one < 10**9 for other in after_ns) for one in after_ns), default=0)
    assert per_second_max(messages(*after_ns)) == naive
