"""Own orders that meet, and that do not: rows of a drop copy written by hand, and against a plain list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.check import CheckResult, Evidence, Verdict, registered_checks
from lab.measure import figure_blocks, measure_run
from lab.measure.rows import DROP_COPY, Rows
from lab.measure.venue_orders import replay_orders
from lab.scenario import Scenario

Entry = tuple[bytes, bytes, bytes, int, int]  # kind, token, side, shares, price


def rows_of(*entries: Entry) -> Rows:
    rows = np.zeros(len(entries), DROP_COPY)
    for row, (kind, token, side, shares, price) in zip(rows, entries, strict=True):
        row["kind"], row["token"], row["side"], row["shares"], row["price"] = kind, token, side, shares, price
        row["symbol"] = 1
    return rows


def judged(*entries: Entry) -> CheckResult:
    data = replace(synthetic.run(packets=20), drop_copy=rows_of(*entries))
    measured = measure_run(data, late_after_ns=10_000_000)
    scenario = Scenario.model_validate({"title": "t"})
    evidence = Evidence(
        data=data, measurement=measured, blocks=figure_blocks(data, measured), scenario=scenario
    )
    return registered_checks()["no_self_cross"].check(evidence)


def test_two_sides_with_a_spread_pass() -> None:
    assert judged((b"A", b"1", b"B", 100, 99), (b"A", b"2", b"S", 100, 100)).verdict is Verdict.PASS


def test_a_buy_at_the_price_of_an_own_sale_fails() -> None:
    answer = judged((b"A", b"1", b"S", 100, 100), (b"A", b"2", b"B", 100, 100))
    assert answer.verdict is Verdict.FAIL
    assert "B at 100 met S at 100" in answer.evidence


def test_a_replacement_counts_from_its_new_price_on_and_the_old_one_is_gone() -> None:
    first = [(b"A", b"1", b"S", 100, 100), (b"U", b"1", b"S", 100, 110), (b"R", b"3", b"S", 100, 110)]
    assert judged(*first, (b"A", b"2", b"B", 100, 105)).verdict is Verdict.PASS
    assert judged(*first, (b"A", b"2", b"B", 100, 110)).verdict is Verdict.FAIL


def test_what_is_filled_or_canceled_meets_nothing() -> None:
    for kind in (b"E", b"C"):
        gone = ((b"A", b"1", b"S", 100, 100), (kind, b"1", b"S", 100, 100))
        assert judged(*gone, (b"A", b"2", b"B", 100, 100)).verdict is Verdict.PASS


def test_without_an_order_nothing_is_known() -> None:
    assert judged().verdict is Verdict.UNKNOWN


OPENED = st.lists(
    st.tuples(st.sampled_from([b"B", b"S"]), st.integers(1, 9), st.integers(90, 99)), min_size=1, max_size=9
)
ACTIONS = st.lists(
    st.tuples(st.sampled_from([b"E", b"C", b"m", b"R"]), st.integers(0, 20), st.integers(1, 9))
)


@settings(max_examples=50)
@given(opened=OPENED, actions=ACTIONS)
def test_open_shares_and_positions_are_those_of_a_plain_account(
    opened: list[tuple[bytes, int, int]], actions: list[tuple[bytes, int, int]]
) -> None:
    account = {f"{at}".encode(): [side, shares] for at, (side, shares, _) in enumerate(opened)}
    entries = [(b"A", f"{at}".encode(), *order) for at, order in enumerate(opened)]
    position = 0
    for number, (kind, which, shares) in enumerate(actions):
        live = [token for token, (_, left) in account.items() if left]
        if not live:
            break
        token = live[which % len(live)]
        side, left = account[token]
        assert isinstance(side, bytes)
        assert isinstance(left, int)
        taken = min(shares, left)
        if kind == b"R":
            new = f"r{number}".encode()
            entries += [(b"U", token, side, shares, 95), (b"R", new, side, shares, 95)]
            account[token], account[new] = [side, 0], [side, shares]
        elif kind == b"m":
            entries.append((kind, token, side, shares, 95))
            account[token] = [side, shares]
        else:
            entries.append((kind, token, side, taken, 95))
            account[token] = [side, left - taken]
            position += (taken if side == b"B" else -taken) if kind == b"E" else 0
    *_, (venue, _, _) = replay_orders(rows_of(*entries))
    expected = {token: left for token, (_, left) in account.items() if left}
    assert {token: order.shares for token, order in venue.open.items()} == expected
    assert venue.positions.get(1, 0) == position
