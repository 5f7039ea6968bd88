"""Tables of limits: from YAML to bytes and back, and what a step engine does under one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_bytes import accepted, add, enters_in, executed, mold, reduce

from engine import Engine, EngineConfig
from engine.config import BookConfig, FeedConfig, RiskConfig
from engine.risk_build import build_risk_table, risk_table_bytes, verify_risk_table
from engine.risk_table import (
    RiskProfile,
    RiskSession,
    RiskSoft,
    RiskSymbol,
    RiskTable,
    RiskTableError,
    RiskTrips,
    load_risk_table,
)

BOOK = (add(1, "B", 100, 10_000), add(2, "S", 100, 10_100))
RAISE = add(3, "B", 100, 10_050)
MS = 1_000_000

TEXT = """
order_shares_max: 500
notional_max: 2_000_000_000
collar_permille: 30
last_collar_permille: 20
position_max: 10000
gross_exposure_max: 5000000000000
net_exposure_max: 1000000000000
open_orders_max: 200
message_rate_per_s: 1000
message_burst: 100
quote_age_max_ns: 5000000
duplicate_window_ns: 1000000
valid_for_ns: 86400000000000
session: {open_ns: 34200000000000, close_ns: 57600000000000}
soft: {order_shares: 400, position_max: 8000, order_tokens_permille: 200}
trips: {at_once: [limits_invalid, limits_stale], counted: [message_rate], breaches: 5, after_fill: [position]}
profiles:
  small: {order_shares_max: 100, position_max: 500}
unlisted: restricted
symbols:
  - {stock: AAPL}
  - {stock: ZVZZT, profile: small, short: false}
  - {locate: 99, restricted: true}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "limits.yaml"
    path.write_text(text)
    return path


def test_a_table_in_yaml_becomes_a_sealed_table(tmp_path: Path) -> None:
    table = load_risk_table(write(tmp_path, TEXT))
    made = build_risk_table(table, generation=7, created_ns=1000, locates={"AAPL": 13, "ZVZZT": 8_000})
    rules = made.rules
    assert rules.head.generation == rules.limits.generation == 7
    assert rules.head.valid_until_ns == 1000 + 86_400_000_000_000
    assert (rules.head.session_open_ns, rules.head.session_close_ns) == (
        34_200_000_000_000,
        57_600_000_000_000,
    )
    assert (rules.limits.order_shares_max, rules.limits.position_short_max) == (500, 10_000)
    assert (rules.account.open_orders_max, rules.account.last_collar_permille) == (200, 20)
    assert (rules.soft.order_shares, rules.soft.order_tokens_permille) == (400, 200)
    assert rules.soft.notional == 2**64 - 1, "no warning was asked for"
    assert rules.trips.at_once == 1 << 14 | 1 << 20
    assert rules.trips.profile_count == 2
    assert (made.profiles[1].order_shares_max, made.profiles[1].notional_max) == (100, 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order_shares_max: [", "line 1: "),
        ("order_shares: 5", "order_shares: Extra inputs"),
        ("order_shares_max: 1000000", "order_shares_max: Input should be less than or equal to 999999"),
        ("order_shares_max: 5.5", "order_shares_max: Input should be a valid integer"),
        ("collar_permille: -1", "collar_permille: Input should be greater"),
        ("trips: {at_once: [kill_switch]}", "trips.at_once.0: Input should be 'feed_not_live'"),
        ("trips: {after_fill: [collar]}", "trips.after_fill.0: "),
        ("symbols: [{stock: AAPL, profile: big}]", "there is no profile big"),
        ("symbols: [{stock: AAPL, locate: 3}]", "symbols.0: Value error, give either stock or locate"),
        ("symbols: [{stock: AAPL}, {stock: AAPL}]", "symbols.1: AAPL is listed twice"),
        ("soft: {order_shares: 1001}", "soft.order_shares: 1001 lies above the hard limit 1000"),
        ("session: {open_ns: 2, close_ns: 1}", "session: Value error, closes before it opens"),
        ("- 1", "table: Input should be an object"),
        ("2026-01-01", "only numbers, names, lists and mappings"),
        ("", "table: Input should be an object"),
    ],
)
def test_a_wrong_table_is_one_line_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RiskTableError) as caught:
        load_risk_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RiskTableError, match="No such file"):
        load_risk_table(tmp_path / "none.yaml")
    (tmp_path / "raw.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RiskTableError, match="not UTF-8 text"):
        load_risk_table(tmp_path / "raw.yaml")


def test_a_symbol_that_the_feed_does_not_have_is_refused() -> None:
    table = RiskTable(symbols=(RiskSymbol(stock="NOPE"),))
    with pytest.raises(RiskTableError, match=r"symbols.0: the feed has no symbol NOPE"):
        build_risk_table(table, generation=1, created_ns=0, locates={"AAPL": 1})
    twice = RiskTable(symbols=(RiskSymbol(stock="AAPL"), RiskSymbol(locate=1)))
    with pytest.raises(RiskTableError, match=r"symbols.1: the same symbol as symbols.0"):
        build_risk_table(twice, generation=1, created_ns=0, locates={"AAPL": 1})


SEALED = risk_table_bytes(build_risk_table(RiskTable(), generation=3, created_ns=0))


def test_bytes_of_a_table_come_back() -> None:
    assert risk_table_bytes(verify_risk_table(SEALED)) == SEALED
    with pytest.raises(RiskTableError, match="bytes, not"):
        verify_risk_table(SEALED[:-1])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SEALED) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_bytes_that_were_changed_anywhere_are_refused(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(SEALED)
    for place, bits in changes:
        raw[place] ^= bits
    if raw != SEALED:
        with pytest.raises(RiskTableError):
            verify_risk_table(bytes(raw))


# Under a step engine


def engine_with(**risk: Any) -> Engine:
    return Engine(
        EngineConfig(
            decisions=1_024,
            open_orders=64,
            book=BookConfig(orders=4_096, levels=1_024),
            feed=FeedConfig(delivery="best_effort", unconfirmed_jump_messages=2**62),
            risk=RiskConfig(**risk),
        )
    )


def reasons(engine: Engine) -> list[str]:
    names = engine.report()["reason_names"]
    return [names[int(row["reason"])] for row in engine.decisions()]


ONE_EACH: dict[str, dict[str, Any]] = {
    "restricted": {"symbols": (RiskSymbol(locate=1, restricted=True),)},
    "order_shares": {
        "profiles": {"small": RiskProfile(order_shares_max=99)},
        "symbols": (RiskSymbol(locate=1, profile="small"),),
    },
    "session_hours": {"session": RiskSession(open_ns=10, close_ns=10)},
    "feed_age": {"feed_age_max_ns": 0},
    "quote_age": {"quote_age_max_ns": 0},
    "collar_last": {"last_collar_permille": 1000},  # nothing was traded yet
    "net_exposure": {"net_exposure_max": 100 * 10_100 - 1},
    "gross_exposure": {"gross_exposure_max": 100 * 10_100 - 1},
    "open_orders": {"open_orders_max": 0},
    "message_rate": {"message_burst": 0},
    "none": {"net_exposure_max": 100 * 10_100, "gross_exposure_max": 100 * 10_100, "open_orders_max": 1},
}  # fmt: skip


@pytest.mark.parametrize("reason", ONE_EACH)
def test_each_limit_of_a_table_reaches_the_engine(reason: str) -> None:
    with engine_with(**ONE_EACH[reason]) as engine:
        engine.step(mold(1, *BOOK, RAISE))
        assert reasons(engine) == [reason]


def test_a_sale_that_opens_a_short_needs_permission() -> None:
    with engine_with(unlisted="no_short") as engine:
        engine.step(mold(1, *BOOK, add(4, "S", 100, 10_075)))
        assert reasons(engine) == ["short_sale"]


def test_the_account_follows_the_venues_answers() -> None:
    with engine_with(trips=RiskTrips(after_fill=("position",))) as engine:
        (order,) = enters_in(b"".join(order.raw for order in engine.step(mold(1, *BOOK, RAISE))))
        assert engine.report()["risk_state"]["exposure"] == {
            "gross": 1_010_000, "net_long": 1_010_000, "net_short": 0, "open_orders": 1, "lost": False
        }  # fmt: skip
        engine.receive(accepted(order) + executed(order, 60))
        exposure = engine.report()["risk_state"]["exposure"]
        price = exposure["net_short"] // -60
        assert exposure["open_orders"] == 1
        assert exposure["net_long"] == 60 * price + 40 * 10_100
        engine.receive(executed(order, 40, match=2))
        exposure = engine.report()["risk_state"]["exposure"]
        assert (exposure["open_orders"], exposure["net_long"]) == (0, 100 * price)
        assert engine.report()["risk_state"]["tripped"] is None


def test_lower_limits_than_what_was_filled_trip_the_gate_until_it_is_armed_again() -> None:
    with engine_with() as engine:
        (order,) = enters_in(b"".join(order.raw for order in engine.step(mold(1, *BOOK, RAISE))))
        tight = RiskTable(position_max=50, trips=RiskTrips(after_fill=("position",)))
        assert engine.risk_control.publish(tight, created_ns=0) == 2
        engine.timer(now_ns=1)
        engine.receive(accepted(order) + executed(order, 100), now_ns=2)
        state = engine.report()["risk_state"]
        assert (state["tripped"], state["mass_cancels"]) == ("position", 1)
        engine.risk_control.publish(RiskTable(), created_ns=0)
        engine.step(mold(4, add(9, "B", 100, 10_060)), now_ns=3)
        assert reasons(engine) == ["none", "tripped"]
        assert engine.risk_control.rearm(1234)
        engine.step(mold(5, add(10, "B", 100, 10_070)), now_ns=4)
        assert reasons(engine)[-1] == "none"
        kinds = [(row["kind"], row["reason"], row["who"]) for row in engine.report()["risk_state"]["records"]]
        assert kinds == [
            ("table", "none", 0), ("table", "none", 0), ("trip", "position", 0), ("table", "none", 0),
            ("rearm", "position", 1234),
        ]  # fmt: skip


def test_kills_and_a_withdrawn_table_stop_orders_and_are_recorded() -> None:
    with engine_with() as engine:
        control = engine.risk_control
        control.kill_symbol(1)
        engine.step(mold(1, *BOOK, RAISE))
        control.kill_symbol(1, on=False)
        control.kill_strategy(ord("T"))
        engine.step(mold(4, add(9, "B", 100, 10_060)))
        control.kill_strategy(ord("T"), on=False)
        control.withdraw()
        engine.step(mold(5, add(10, "B", 100, 10_070)))
        assert reasons(engine) == ["kill_symbol", "kill_strategy", "limits_missing"]
        kinds = [row["kind"] for row in engine.report()["risk_state"]["records"]]
        assert kinds == ["table", "kill_symbol", "kill_strategy", "table_lost"]


def test_soft_limits_warn_and_let_pass() -> None:
    with engine_with(soft=RiskSoft(order_shares=99, open_orders=1)) as engine:
        engine.step(mold(1, *BOOK, RAISE))
        assert reasons(engine) == ["none"]
        assert engine.report()["risk_state"]["warnings"] == {"order_shares": 1}


def test_a_stale_table_closes_the_gate() -> None:
    with engine_with(valid_for_ns=5 * MS, trips=RiskTrips(at_once=("limits_stale",))) as engine:
        engine.step(mold(1, *BOOK, RAISE), now_ns=5 * MS - 1)
        engine.step(mold(4, add(9, "B", 100, 10_060)), now_ns=5 * MS)
        assert reasons(engine) == ["none", "limits_stale"]
        assert engine.report()["risk_state"]["tripped"] == "limits_stale"


def test_the_last_price_is_that_of_the_resting_order() -> None:
    trade = reduce("E", 1, 1)
    with engine_with(last_collar_permille=10) as engine:
        engine.step(mold(1, *BOOK, trade, RAISE))
        assert reasons(engine) == ["none"], "10 100 is 1 % above 10 000"
    with engine_with(last_collar_permille=9) as engine:
        engine.step(mold(1, *BOOK, trade, RAISE))
        assert reasons(engine) == ["collar_last"]
