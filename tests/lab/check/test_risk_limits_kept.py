"""risk_limits_kept in each verdict: orders on the wire within a table of limits, but for one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic

from lab.check import CheckResult, Evidence, Verdict, registered_checks
from lab.measure import figure_blocks, measure_run
from lab.measure.rows import DROP_COPY, ORDER_MESSAGES, TOPS, Rows
from lab.scenario import Scenario

GAP_NS = 10_000_000
Terms = tuple[str, int, int]  # side, shares, price

WITHIN: list[Terms] = [("B", 100, 1000), ("S", 100, 1010), ("B", 50, 1005)] * 20


def token(number: int) -> bytes:
    return f"T{number:012X}0".encode()


def messages_of(orders: list[Terms], gap_ns: int) -> Rows:
    rows = np.zeros(len(orders), ORDER_MESSAGES)
    rows["stamp_ns"] = 10**12 + gap_ns * np.arange(len(orders))
    rows["kind"], rows["stock"] = b"O", b"ACME    "
    rows["token"] = [token(number) for number in range(1, len(orders) + 1)]
    for name, column in zip(("side", "shares", "price"), zip(*orders, strict=True), strict=True):
        rows[name] = column
    return rows


def drop_copy_of(messages: Rows) -> Rows:
    """Every order accepted, executed, gone."""
    rows = np.zeros(2 * len(messages), DROP_COPY)
    for name in ("token", "side", "stock", "shares", "price"):
        rows[name] = np.repeat(messages[name], 2)
    rows["kind"] = [b"A", b"E"] * len(messages)
    rows["symbol"] = 5
    return rows


def judged(
    risk: dict[str, Any], orders: list[Terms] = WITHIN, *, gap_ns: int = GAP_NS, tops: Rows | None = None
) -> CheckResult:
    messages = messages_of(orders, gap_ns) if orders else np.empty(0, ORDER_MESSAGES)
    data = replace(
        synthetic.run(packets=20), order_messages=messages, drop_copy=drop_copy_of(messages), tops=tops
    )
    measured = measure_run(data, late_after_ns=10_000_000)
    evidence = Evidence(
        data=data,
        measurement=measured,
        blocks=figure_blocks(data, measured),
        scenario=Scenario.model_validate({"title": "t", "engine": {"risk": risk}}),
    )
    return registered_checks()["risk_limits_kept"].check(evidence)


def test_orders_within_every_limit_pass() -> None:
    table = {"order_shares_max": 100, "notional_max": 101_000, "price_max": 1010, "position_max": 1100}
    assert judged({**table, "order_rate_per_s": 100, "order_burst": 1}).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"order_shares_max": 99}, "100 shares"),
        ({"notional_max": 100_999}, "100 x 1010"),
        ({"price_max": 1009}, "price 1010"),
        ({"position_max": 1000}, "position of 1050"),
        ({"order_rate_per_s": 50, "order_burst": 2}, "more orders than 50"),
        ({"message_rate_per_s": 50, "message_burst": 2}, "more messages than 50"),
        ({"symbols": [{"locate": 5, "restricted": True}]}, "restricted"),
        ({"unlisted": "restricted"}, "restricted"),
        (
            {"profiles": {"p": {"order_shares_max": 60}}, "symbols": [{"locate": 5, "profile": "p"}]},
            "100 shares",
        ),
    ],
)
def test_an_order_against_a_limit_fails_and_is_named(table: dict[str, Any], words: str) -> None:
    answer = judged(table)
    assert answer.verdict is Verdict.FAIL
    assert words in answer.evidence


def test_a_burst_is_allowed_once() -> None:
    table = {"order_rate_per_s": 1, "order_burst": len(WITHIN)}
    assert judged(table, gap_ns=1000).verdict is Verdict.PASS
    assert judged({**table, "order_burst": len(WITHIN) - 1}, gap_ns=1000).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("bid", "ask", "verdict"), [(995, 1005, "PASS"), (900, 1005, "FAIL"), (0, 1005, "FAIL")]
)
def test_the_collar_is_that_of_the_book_behind_the_cause(bid: int, ask: int, verdict: str) -> None:
    tops = np.array([(1, bid, ask)], TOPS)
    assert judged({"collar_permille": 10}, [("B", 100, 1005)], tops=tops).verdict.value == verdict


def test_without_orders_nothing_is_known() -> None:
    assert judged({}, []).verdict is Verdict.UNKNOWN
