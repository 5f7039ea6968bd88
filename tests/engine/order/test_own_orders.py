"""Own orders: what single messages do to position, open shares, best own prices and mass cancels."""

from __future__ import annotations

import pytest
from c_orders import OUTCOMES, Table, key, reach
from engine._engine import ffi, lib


def test_a_replacement_counts_for_what_it_adds_and_moves_the_shares_when_it_comes() -> None:
    table = Table()
    reach(table, "partial")  # 100 sent, 40 executed
    assert table.replace_sent(1, 2, 200, price=5) == "ok"
    assert table.symbol().open_buy_shares == 160  # 60 are open; 160 would be
    assert (table.state(1), table.state(2)) == ("pending_replace_partial", "pending")
    assert table.apply("replaced", 2, previous=1, shares=160, price=5) == "ok"
    assert (table.state(1), table.state(2)) == ("replaced", "live")
    assert (table.symbol().open_buy_shares, table.symbol().open_buy_orders) == (160, 1)
    assert lib.own_orders_find(table.c, key(2)).chain_shares == 40


def test_a_replacement_whose_order_is_executed_first_is_abandoned() -> None:
    table = Table()
    reach(table, "pending_replace")
    assert table.apply("executed", 1, shares=100, match=7) == "ok"
    assert (table.state(1), table.state(2)) == ("filled", "dead")
    assert (table.symbol().open_buy_shares, table.symbol().position) == (0, 100)
    assert table.c.counters.abandoned == 1


def test_a_rejected_replacement_leaves_the_order_as_it_was() -> None:
    table = Table()
    reach(table, "pending_replace_partial")
    assert table.apply("rejected", 2) == "ok"
    assert (table.state(1), table.state(2)) == ("partial", "rejected")
    assert table.symbol().open_buy_shares == 60
    assert table.cancel_sent(1) == "ok"


def test_best_own_prices_are_those_of_orders_that_may_rest() -> None:
    table = Table()
    assert table.sent(1, "B", price=100, rests=True) == "ok"
    table.sent(2, "B", price=101)  # immediate or cancel
    table.sent(3, "B", price=99, rests=True)
    table.sent(4, "S", price=105, rests=True)
    table.sent(5, "T", price=104, rests=True)
    own = table.symbol()
    assert (own.own_best_bid, own.own_best_ask) == (100, 104)
    assert (own.open_buy_orders, own.open_sell_orders) == (3, 2)
    table.apply("rejected", 1)
    table.apply("accepted", 5, side="T", shares=100, price=106)
    assert (own.own_best_bid, own.own_best_ask) == (99, 105)
    table.apply("rejected", 3)
    assert (own.own_best_bid, own.own_best_ask) == (0, 105)


def mass(table: Table) -> list[int]:
    """Sequences of the orders that a mass cancel yields now; each is noted."""
    found = []
    while True:
        token_key = lib.own_orders_cancel_next(table.c)
        if token_key == 0:
            return found
        assert lib.own_orders_cancel_sent(table.c, token_key) == lib.OWN_ORDERS_OK
        found.append(token_key >> 16)


def test_a_mass_cancel_takes_what_is_meant_and_says_when_all_is_acknowledged() -> None:
    table = Table(open_max=8)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_NONE
    for number, symbol in enumerate((1, 1, 2, 1), start=1):
        table.sent(number, symbol=symbol)
        table.apply("accepted", number, shares=100)
    table.replace_sent(4, 5, 100)
    lib.own_orders_cancel_all(table.c, 1, b"T")
    assert mass(table) == [1, 2, 4, 5]
    assert mass(table) == []
    table.apply("canceled", 1, shares=100)
    table.apply("executed", 2, shares=100, match=1)  # it crossed the cancel
    assert (
        table.apply("replaced", 5, previous=4, shares=100) == "ok"
    )  # so did this; its own cancel is on its way
    assert table.state(5) == "pending_cancel"
    assert mass(table) == []
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_UNDER_WAY
    table.apply("cancel_pending", 5)
    mass(table), mass(table)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_HELD
    table.apply("canceled", 5, shares=100)
    mass(table), mass(table)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_ACKNOWLEDGED
    assert table.state(3) == "live"


def test_a_mass_cancel_of_another_strategy_takes_nothing() -> None:
    table = Table()
    table.sent(1)
    lib.own_orders_cancel_all(table.c, lib.OWN_CANCEL_ALL_SYMBOLS, b"Q")
    assert mass(table) == []
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_ACKNOWLEDGED


def test_execution_after_a_cancel_is_still_in_the_position() -> None:
    table = Table()
    reach(table, "canceled")
    assert table.apply("executed", 1, shares=60, match=9) == "accounted"
    assert table.symbol().position == 60
    assert table.symbol().open_buy_shares == 0
    assert not lib.own_orders_trusted(table.c)


@pytest.mark.parametrize("kind", ["executed", "canceled"])
def test_more_shares_than_are_open_are_accounted_and_close_the_order(kind: str) -> None:
    table = Table()
    reach(table, "live")
    assert table.apply(kind, 1, shares=101, match=9) == "accounted"
    assert table.state(1) == ("filled" if kind == "executed" else "canceled")
    assert table.symbol().position == (101 if kind == "executed" else 0)
    assert table.symbol().open_buy_shares == 0


def test_broken_trade_reverses_the_position_once() -> None:
    table = Table()
    reach(table, "filled")
    assert table.symbol().position == 100
    assert table.apply("broken", 1, match=7) == "ok"
    assert (table.symbol().position, table.symbol().broken_shares) == (0, 100)
    assert table.apply("broken", 1, match=7) == "unexpected"
    assert table.symbol().position == 0


def test_correction_moves_the_position_by_the_difference() -> None:
    table = Table()
    reach(table, "filled")
    assert table.apply("corrected", 1, match=7, shares=70) == "ok"
    assert table.symbol().position == 70


def test_broken_trade_older_than_the_ring_is_unexpected_and_changes_nothing() -> None:
    table = Table(executions_max=2)
    table.sent(1)
    table.apply("accepted", 1, shares=100)
    for match in range(1, 5):
        table.apply("executed", 1, shares=10, match=match)
    assert table.apply("broken", 1, match=1) == "unexpected"
    assert table.apply("broken", 1, match=4) == "ok"
    assert table.symbol().position == 30


def test_full_table_refuses_and_stores_nothing() -> None:
    table = Table(open_max=2)
    assert [table.sent(number) for number in (1, 2, 3)] == ["ok", "ok", "full"]
    assert lib.own_orders_full(table.c)
    assert table.state(3) == "free"
    assert table.symbol().open_buy_shares == 200
    table.apply("rejected", 1)
    assert table.sent(3) == "ok"


def test_dead_order_is_recycled_only_after_dead_keep_further_deaths() -> None:
    table = Table(open_max=1, dead_keep=3)
    for number in range(1, 5):
        table.sent(number)
        table.apply("rejected", number)
        assert [table.state(old) for old in range(max(1, number - 2), number + 1)] == ["rejected"] * min(
            3, number
        )
    assert table.state(1) == "free"
    assert table.c.counters.recycled == 1
    assert table.apply("executed", 1, shares=5, match=1) == "unknown"
    assert table.c.counters.unknown_executions == 1
    assert table.symbol().position == 0


def test_token_of_another_form_is_foreign_and_no_discrepancy() -> None:
    table = Table()
    event = ffi.new("struct own_event *", {"kind": lib.OWN_EVENT_EXECUTED, "shares": 5})
    assert OUTCOMES[lib.own_orders_apply(table.c, event)] == "foreign"
    assert lib.own_orders_trusted(table.c)


def test_system_event_is_remembered() -> None:
    table = Table()
    event = ffi.new("struct own_event *", {"kind": lib.OWN_EVENT_SYSTEM, "reason": b"E"})
    assert OUTCOMES[lib.own_orders_apply(table.c, event)] == "system"
    assert table.c.system_event == b"E"


def test_withdrawn_order_leaves_no_trace_in_open_shares() -> None:
    table = Table()
    table.sent(1)
    assert lib.own_orders_withdraw(table.c, key(1))
    assert (table.state(1), table.symbol().open_buy_shares, table.c.open_count) == ("free", 0, 0)
    table.sent(2)
    table.apply("accepted", 2, shares=100)
    assert not lib.own_orders_withdraw(table.c, key(2))
    assert not lib.own_orders_withdraw(table.c, key(3))


def test_replayed_accepted_of_a_run_before_is_adopted() -> None:
    table = Table()
    values = {"kind": lib.OWN_EVENT_ACCEPTED, "shares": 30, "side": b"S", "state": b"L", "token_key": key(5)}
    event = ffi.new("struct own_event *", values)
    assert OUTCOMES[lib.own_orders_adopt(table.c, event, 7)] == "ok"
    assert table.state(5) == "live"
    assert table.symbol(7).open_sell_shares == 30
    table.apply("executed", 5, shares=30, match=1)
    assert table.symbol(7).position == -30
    assert lib.own_orders_trusted(table.c)


def test_undecodable_message_costs_the_trust() -> None:
    table = Table()
    lib.own_orders_note_undecodable(table.c)
    assert not lib.own_orders_trusted(table.c)


@pytest.mark.parametrize(
    "values",
    [{"open_max": 0}, {"dead_keep": 0}, {"executions_max": 0}, {"open_max": 2**24}, {"dead_keep": 2**32 - 1}],
)
def test_options_out_of_range_need_no_bytes(values: dict[str, int]) -> None:
    good = {"open_max": 1, "dead_keep": 1, "executions_max": 1}
    assert lib.own_orders_bytes(ffi.new("struct own_orders_options *", good | values)) == 0


def test_memory_too_small_or_crooked_is_refused() -> None:
    options = ffi.new("struct own_orders_options *", {"open_max": 1, "dead_keep": 1, "executions_max": 1})
    size = lib.own_orders_bytes(options)
    memory = ffi.new("char[]", size + 64)
    aligned = memory + (-int(ffi.cast("uintptr_t", memory)) % 64)
    table = ffi.new("struct own_orders *")
    assert lib.own_orders_init(table, options, aligned, size - 1) < 0
    assert lib.own_orders_init(table, options, aligned + 8, size) < 0
