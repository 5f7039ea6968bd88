"""The book by order against a dictionary sorted on demand."""

from random import Random
from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given
from hypothesis import strategies as st

Row = tuple[int, int, int, int]


class EngineOrders:
    def __init__(self, capacity: int = 64, symbols: int = 4) -> None:
        options = ffi.new("struct mbo_book_options *", {"order_capacity": capacity, "symbol_count": symbols})
        size = lib.mbo_book_memory_size(options)
        self.memory = ffi.new("char[]", size + lib.MBO_BOOK_MEMORY_ALIGNMENT)
        skip = -int(ffi.cast("uintptr_t", self.memory)) % lib.MBO_BOOK_MEMORY_ALIGNMENT
        self.book = ffi.new("struct mbo_book *")
        assert lib.mbo_book_init(self.book, options, self.memory + skip, size) == 0

    def call(self, name: str, *arguments: int) -> str:
        outcome = getattr(lib, f"mbo_book_{name}")(self.book, *arguments)
        return ffi.string(lib.mbo_book_outcome_name(outcome)).decode()

    def side(self, symbol: int, side: int) -> list[Row]:
        rows = ffi.new("struct mbo_book_row[]", 64)
        count = lib.mbo_book_export(self.book, symbol, side, rows, 64)
        return [(row.identity, row.priority, row.price, row.quantity) for row in rows[0:count]]


@given(st.randoms(use_true_random=False))
def test_any_orders_leave_the_book_of_the_reference(random: Random) -> None:
    capacity = random.randint(1, 24)
    engine = EngineOrders(capacity)
    orders: dict[tuple[int, int], Any] = {}  # (symbol, identity) -> side, priority, arrival, price, quantity
    for arrival in range(120):
        symbol, identity = random.randrange(4), random.randrange(16)
        side, priority = random.randrange(2), random.randrange(6)
        price, quantity = random.choice([-(2**62), -1, 0, 3, 2**62]), random.randint(0, 9)
        key, values = (symbol, identity), (symbol, side, identity, priority, price, quantity)
        match random.randrange(7):
            case 0 | 1 | 2:
                fits = len(orders) < capacity
                expected = "duplicate" if key in orders else "applied" if fits else "full"
                assert engine.call("new", *values) == expected
                if expected == "applied":
                    orders[key] = (side, priority, arrival, price, quantity)
            case 3 | 4:
                assert engine.call("update", *values) == ("applied" if key in orders else "unknown_order")
                if key in orders:
                    stays = orders[key][:2] == (side, priority) and orders[key][3] == price
                    orders[key] = (side, priority, orders[key][2] if stays else arrival, price, quantity)
            case 5:
                expected = "applied" if orders.pop(key, None) else "unknown_order"
                assert engine.call("delete", symbol, identity) == expected
            case _:
                if random.random() < 0.2:
                    lib.mbo_book_clear(engine.book, symbol)
                    orders = {other: value for other, value in orders.items() if other[0] != symbol}
        assert engine.book.order_count == len(orders)
        check_sides(engine, orders)


def check_sides(engine: EngineOrders, orders: dict[tuple[int, int], Any]) -> None:
    for symbol in range(4):
        for side in range(2):
            rows = sorted(
                ((-price, price)[side], priority, arrival, identity, quantity)
                for (of, identity), (on, priority, arrival, price, quantity) in orders.items()
                if (of, on) == (symbol, side)
            )
            expected = [(row[3], row[1], (-row[0], row[0])[side], row[4]) for row in rows]
            assert engine.side(symbol, side) == expected
            best = lib.mbo_book_best(engine.book, symbol, side)
            if not expected:
                assert best == ffi.NULL
                continue
            at_best = [row[3] for row in expected if row[2] == expected[0][2]]
            assert (best.price, best.quantity, best.order_count) == (
                expected[0][2],
                sum(at_best),
                len(at_best),
            )


def test_queue_is_by_priority_and_not_by_arrival() -> None:
    engine = EngineOrders()
    for identity, priority in ((1, 30), (2, 10), (3, 20)):
        engine.call("new", 0, 0, identity, priority, 100, 5)
    assert [row[0] for row in engine.side(0, 0)] == [2, 3, 1]
    assert engine.call("update", 0, 0, 2, 40, 100, 5) == "applied"  # more quantity: to the back
    assert [row[0] for row in engine.side(0, 0)] == [3, 1, 2]


@pytest.mark.parametrize(("symbol", "side"), [(4, 0), (0, 2), (65_535, 0)])
def test_symbol_and_side_out_of_range_are_refused(symbol: int, side: int) -> None:
    engine = EngineOrders()
    assert engine.call("new", symbol, side, 1, 1, 1, 1) == "bad"
    assert engine.call("update", symbol, side, 1, 1, 1, 1) == "bad"
    assert engine.side(symbol, side) == []
    assert lib.mbo_book_find(engine.book, symbol, 1) == ffi.NULL


def test_identities_belong_to_their_instrument() -> None:
    engine = EngineOrders()
    assert engine.call("new", 0, 0, 7, 1, 10, 1) == engine.call("new", 1, 1, 7, 1, 20, 2) == "applied"
    assert engine.call("delete", 0, 7) == "applied"
    assert engine.side(1, 1) == [(7, 1, 20, 2)]


@pytest.mark.parametrize(("orders", "symbols"), [(0, 1), (1, 0), (2**24 + 1, 1), (1, 65_537)])
def test_options_out_of_range_are_refused(orders: int, symbols: int) -> None:
    options = ffi.new("struct mbo_book_options *", {"order_capacity": orders, "symbol_count": symbols})
    assert lib.mbo_book_memory_size(options) == 0
