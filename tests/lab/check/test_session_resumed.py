"""session_resumed in each verdict: a run whose order session changed its transport once, right but for one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic

from lab.check import Verdict, judge
from lab.measure import RunData, measure_run

ROW = {"sequence": 5, "attempts": 1, "from": "af_xdp", "to": "kernel", "cause": "command"}


def changed(data: RunData, *rows: dict[str, Any], **counters: int) -> RunData:
    kinds = data.drop_copy["kind"]
    answers = {"accepted": int((kinds == b"A").sum()), "executions": int((kinds == b"E").sum())}
    wires = {
        "orders": "kernel",
        "order_changes": [{**ROW, **row} for row in rows],
        "order_change_count": len(rows),
        "line_changes": [],
        "line_change_count": 0,
        "bypass": {},
    }
    orders = {**data.engine.orders, **answers, **counters}
    return replace(data, engine=replace(data.engine, orders=orders, wires=wires))


def verdict(data: RunData) -> tuple[Verdict, str]:
    scenario = synthetic.scenario(expect={"session_resumed": True})
    measurement = measure_run(data, late_after_ns=scenario.measure.late_after_ns)
    (result,) = [one for one in judge(data, measurement, scenario).checks if one.name == "session_resumed"]
    return result.verdict, f"{result.observed} {result.evidence}"


@pytest.fixture(scope="module")
def run() -> RunData:
    return synthetic.run(packets=600)


def middle(run: RunData) -> int:
    return int(np.median(run.order_arrivals["stamp_ns"]))


def test_a_change_that_was_resumed_with_orders_behind_it_passes(run: RunData) -> None:
    at = middle(run)
    found, said = verdict(changed(run, {"at_ns": at - 1_000_000, "up_ns": at}))
    assert found is Verdict.PASS, said
    assert "1 resumed" in said
    assert "1.00 ms" in said


def test_a_change_that_was_never_resumed_fails(run: RunData) -> None:
    found, said = verdict(changed(run, {"at_ns": middle(run), "up_ns": 0}))
    assert (found, "not resumed" in said) == (Verdict.FAIL, True)


def test_an_answer_that_never_came_fails(run: RunData) -> None:
    at = middle(run)
    found, said = verdict(changed(run, {"at_ns": at - 1, "up_ns": at}, executions=10**6))
    assert (found, "answers" in said) == (Verdict.FAIL, True)


def test_no_order_behind_the_change_fails(run: RunData) -> None:
    last = int(run.order_arrivals["stamp_ns"].max())
    found, said = verdict(changed(run, {"at_ns": last, "up_ns": last + 1}))
    assert (found, "no order behind" in said) == (Verdict.FAIL, True)


def test_without_a_change_or_an_account_it_is_unknown(run: RunData) -> None:
    assert verdict(changed(run))[0] is Verdict.UNKNOWN
    assert verdict(replace(run, engine=replace(run.engine, wires={})))[0] is Verdict.UNKNOWN
