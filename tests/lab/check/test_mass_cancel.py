"""Kills with open orders: what was meant, asked for, answered and left, and the check's three verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import synthetic

from lab.check import CheckResult, Evidence, registered_checks
from lab.measure import figure_blocks, measure_run
from lab.measure.data import FaultRecord
from lab.measure.kill import kill_samples, mass_cancel_block, new_orders
from lab.measure.rows import DROP_COPY, ORDER_MESSAGES, Rows
from lab.scenario import Scenario

BASE = 10**12
Entry = tuple[int, str, str, int, str]  # at, kind, token, symbol, reason


def drop_copy(*entries: Entry) -> Rows:
    rows = np.zeros(len(entries), DROP_COPY)
    for row, (at, kind, token, symbol, reason) in zip(rows, entries, strict=True):
        row["at_ns"], row["kind"], row["token"], row["symbol"] = BASE + at, kind, token, symbol
        row["reason"], row["shares"], row["side"], row["price"] = reason, 100, b"B", 1000
    return rows


def messages(*entries: tuple[int, str, str]) -> Rows:
    rows = np.zeros(len(entries), ORDER_MESSAGES)
    for row, (at, kind, token) in zip(rows, entries, strict=True):
        row["stamp_ns"], row["kind"], row["token"] = BASE + at, kind, token
    return rows


def kill(begin: int, end: int, *, name: str = "kill", subject: str = "") -> FaultRecord:
    window = (BASE + begin, BASE + end)
    return FaultRecord(name=name, injected_ns=window[0], windows=(window,), subject=subject)


def run(faults: list[FaultRecord], rows: Rows, asked: Rows) -> Any:
    return replace(synthetic.run(packets=20), drop_copy=rows, order_messages=asked, faults=tuple(faults))


def judged(data: Any) -> CheckResult:
    measured = measure_run(data, late_after_ns=10_000_000)
    evidence = Evidence(
        data=data,
        measurement=measured,
        blocks=figure_blocks(data, measured),
        scenario=Scenario.model_validate({"title": "t"}),
    )
    return registered_checks()["mass_cancel_acknowledged"].check(evidence)


OPEN = [(1, "A", "QA", 1, ""), (2, "A", "QB", 2, ""), (3, "A", "TC", 1, "")]


def test_what_is_open_is_asked_for_and_acknowledged() -> None:
    rows = drop_copy(
        *OPEN,
        *((at, kind, token, 1, "U") for at, token in ((12, "QA"), (13, "QB"), (14, "TC")) for kind in "XC"),
    )
    asked = messages((11, "X", "QA"), (11, "X", "QB"), (12, "X", "TC"))
    data = run([kill(10, 50)], rows, asked)
    block = mass_cancel_block(data)
    assert (block["open"], block["asked"], block["acknowledged"], block["left_open"]) == (3, 3, 3, 0)
    assert (block["last_cancel_max_ns"], block["last_answer_max_ns"]) == (2, 4)
    answer = judged(data)
    assert (answer.verdict.value, answer.observed) == ("PASS", "3 of 3 asked for")


def test_an_order_that_is_left_open_fails() -> None:
    rows = drop_copy(*OPEN, (12, "C", "QA", 1, "U"), (13, "C", "TC", 1, "U"))
    answer = judged(run([kill(10, 50)], rows, messages((11, "X", "QA"), (11, "X", "TC"))))
    assert (answer.verdict.value, "1 orders left open" in answer.evidence) == ("FAIL", True)


def test_without_an_open_order_nothing_was_tried() -> None:
    assert judged(run([kill(10, 50)], drop_copy(), messages())).verdict.value == "UNKNOWN"


def test_a_symbol_and_a_strategy_are_about_their_own_orders() -> None:
    asked = messages((11, "X", "QA"), (11, "X", "QB"))
    rows = drop_copy(*OPEN, (12, "C", "QA", 1, "U"), (12, "C", "QB", 2, "U"), (13, "C", "TC", 1, "U"))
    for subject, tokens in (("symbol 1", 2), ("letter Q", 2), ("letter T", 1), ("symbol 2", 1)):
        block = mass_cancel_block(run([kill(10, 11, name="kill x", subject=subject)], rows, asked))
        assert (subject, block["open"]) == (subject, tokens)


def test_an_order_that_comes_behind_the_command_is_meant_too_and_a_fill_overtakes_its_cancel() -> None:
    late = [(11, "A", "QD", 1, ""), (12, "E", "QD", 1, "R")]
    data = run([kill(10, 50)], drop_copy(*late), messages((13, "X", "QD")))
    block = mass_cancel_block(data)
    assert (block["open"], block["asked"], block["acknowledged"], block["overtaken"]) == (1, 1, 0, 1)
    assert judged(data).verdict.value == "PASS"


def test_a_partial_kill_looks_at_its_own_orders_until_the_rearm() -> None:
    rows = drop_copy((1, "O", "QA", 1, ""), (1, "O", "QB", 2, ""), (1, "O", "QC", 1, ""))
    data = run(
        [
            kill(10, 11, name="kill symbol", subject="symbol 1"),
            FaultRecord(name="rearm", injected_ns=BASE + 30, healed_ns=BASE + 31),
        ],
        rows,
        messages((12, "O", "QA"), (20, "O", "QB"), (40, "O", "QC")),
    )
    assert kill_samples(data.faults, new_orders(data))[0].tolist() == [2]
