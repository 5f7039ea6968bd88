"""touch_taker in C against the independent Python reading of the same text."""

from __future__ import annotations

from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_touch_taker import Top, TouchTaker, Trigger

BOOK_KINDS = [
    lib.EVENT_ADD,
    lib.EVENT_EXECUTE,
    lib.EVENT_EXECUTE_PRICE,
    lib.EVENT_REDUCE,
    lib.EVENT_DELETE,
    lib.EVENT_REPLACE,
]


class Taker:
    """A struct touch_taker with its memory and one output."""

    def __init__(self, **options: int) -> None:
        self.memory = ffi.new("struct touch_taker_symbol[65536]")
        self.c: Any = ffi.new("struct touch_taker *")
        values = {"order_shares": 100, "imbalance_permille": 800, "cooldown_messages": 0} | options
        assert lib.touch_taker_init(self.c, ffi.new("struct touch_taker_options *", values), self.memory) == 0
        self.output = ffi.new("struct strategy_output *")

    def on_event(
        self, sequence: int, symbol: int, top: Top, kind: int = lib.EVENT_EXECUTE, stock: bytes = b""
    ) -> Any:
        event = ffi.new("struct event *", {"sequence": sequence, "symbol": symbol, "kind": kind})
        ffi.buffer(event.stock)[:] = stock.ljust(8, b" " if stock else b"\0")
        self.output.count = 0
        lib.touch_taker_on_event(self.c, event, ffi.new("struct book_top *", top), self.output)
        return self.output.orders[0] if self.output.count else None

    def on_top(self, sequence: int, symbol: int, top: Top) -> Trigger | None:
        order = self.on_event(sequence, symbol, top)
        if order is None:
            return None
        assert (order.ordinal, order.time_in_force) == (0, 0)
        return order.trigger_sequence, order.symbol, order.side.decode(), order.shares, order.price


prices = st.one_of(st.integers(0, 12), st.sampled_from([2**32 - 2, 2**32 - 1]))
shares = st.one_of(st.integers(0, 30), st.integers(0, 2**32 - 1), st.just(2**32 - 1))
tops = st.tuples(st.integers(1, 3), st.integers(0, 2), st.tuples(prices, prices, shares, shares))


@settings(max_examples=300, deadline=None)
@given(
    moves=st.lists(tops, max_size=60),
    order_shares=st.sampled_from([1, 10, 100, 2**32 - 1]),
    imbalance_permille=st.sampled_from([0, 1, 333, 800, 1000, 1001, 1_000_000]),
    cooldown_messages=st.sampled_from([0, 1, 2, 5, 2**64 - 1]),
)
def test_random_tops_trigger_exactly_what_the_text_says(
    moves: list[tuple[int, int, Top]], order_shares: int, imbalance_permille: int, cooldown_messages: int
) -> None:
    options = {
        "order_shares": order_shares,
        "imbalance_permille": imbalance_permille,
        "cooldown_messages": cooldown_messages,
    }
    taker, model = Taker(**options), TouchTaker(**options)
    sequence = triggers = 0
    for step, symbol, top in moves:
        sequence += step
        expected = model.on_top(sequence, symbol, top)
        assert taker.on_top(sequence, symbol, top) == expected
        triggers += expected is not None
    assert (taker.c.triggers, taker.c.suppressed) == (triggers, model.suppressed)


def test_first_valid_top_triggers_only_on_imbalance() -> None:
    assert Taker().on_top(1, 1, (10, 11, 100, 100)) is None
    assert Taker().on_top(1, 1, (10, 11, 900, 100)) == (1, 1, "B", 100, 11)
    assert Taker().on_top(1, 1, (10, 11, 899, 100)) is None
    assert Taker().on_top(1, 1, (10, 11, 30, 270)) == (1, 1, "S", 30, 10)


def test_higher_bid_buys_and_lower_ask_sells_and_both_at_once_buys() -> None:
    for top, side in (((11, 14, 5, 5), "B"), ((10, 13, 5, 5), "S"), ((11, 13, 5, 5), "B")):
        taker = Taker()
        assert taker.on_top(1, 1, (10, 14, 5, 5)) is None
        trigger = taker.on_top(2, 1, top)
        assert trigger is not None
        assert trigger[2] == side


def test_an_invalid_top_forgets_the_one_before() -> None:
    taker = Taker()
    taker.on_top(1, 1, (10, 14, 5, 5))
    taker.on_top(2, 1, (0, 14, 0, 5))
    assert taker.on_top(3, 1, (12, 14, 5, 5)) is None


def test_lasting_imbalance_triggers_once() -> None:
    taker = Taker()
    assert taker.on_top(1, 1, (10, 11, 900, 10)) is not None
    assert taker.on_top(2, 1, (10, 11, 901, 10)) is None
    assert taker.on_top(3, 1, (10, 11, 10, 10)) is None
    assert taker.on_top(4, 1, (10, 11, 900, 10)) is not None


def test_cooldown_counts_feed_messages_and_suppressed_triggers() -> None:
    taker = Taker(cooldown_messages=10)
    taker.on_top(1, 1, (10, 20, 5, 5))
    assert taker.on_top(2, 1, (11, 20, 5, 5)) is not None
    assert taker.on_top(11, 1, (12, 20, 5, 5)) is None
    assert taker.on_top(12, 1, (13, 20, 5, 5)) is not None
    assert taker.c.suppressed == 1


@pytest.mark.parametrize("kind", range(lib.EVENT_KIND_COUNT))
def test_only_book_changes_are_looked_at(kind: int) -> None:
    order = Taker().on_event(1, 1, (10, 11, 900, 10), kind)
    assert (order is not None) == (kind in BOOK_KINDS)


def test_stock_is_learnt_from_directory_and_add_and_kept() -> None:
    taker = Taker()
    taker.on_event(1, 7, (0, 0, 0, 0), lib.EVENT_DIRECTORY, b"MSFT")
    taker.on_event(2, 8, (0, 0, 0, 0), lib.EVENT_ADD, b"IBM")
    for symbol, stock in ((7, b"MSFT    "), (8, b"IBM     "), (9, bytes(8))):
        order = taker.on_event(3, symbol, (10, 11, 900, 10))
        assert bytes(ffi.buffer(order.stock)) == stock


def test_every_symbol_has_a_state_of_its_own_up_to_the_last() -> None:
    taker = Taker()
    assert taker.on_top(1, 65535, (10, 11, 900, 10)) is not None
    assert taker.on_top(2, 0, (10, 11, 900, 10)) is not None


def test_full_output_takes_no_fifth_order() -> None:
    taker = Taker()
    event = ffi.new("struct event *", {"sequence": 1, "symbol": 1, "kind": lib.EVENT_ADD})
    taker.output.count = lib.STRATEGY_ORDERS_MAX
    lib.touch_taker_on_event(taker.c, event, ffi.new("struct book_top *", (10, 11, 900, 10)), taker.output)
    assert taker.output.count == lib.STRATEGY_ORDERS_MAX


@pytest.mark.parametrize(
    "options", [{"order_shares": 0}, {"order_shares": 1, "imbalance_permille": 1_000_001}]
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    memory = ffi.new("struct touch_taker_symbol[65536]")
    made = ffi.new("struct touch_taker_options *", options)
    assert lib.touch_taker_init(ffi.new("struct touch_taker *"), made, memory) < 0


def test_no_memory_is_refused() -> None:
    options = ffi.new("struct touch_taker_options *", {"order_shares": 1})
    assert lib.touch_taker_init(ffi.new("struct touch_taker *"), options, ffi.NULL) < 0
