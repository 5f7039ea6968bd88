"""The book by price against lists: every action, known and unknown levels, implied sides, depth."""

from random import Random
from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given
from hypothesis import strategies as st
from reference_level_book import UNKNOWN, ReferenceBook

NAMES = ("bid", "ask", "implied_bid", "implied_ask")


class EngineBook:
    def __init__(self, depth: int = 10, implied_depth: int = 2) -> None:
        self.book = ffi.new("struct level_book *")
        lib.level_book_init(self.book, depth, implied_depth)

    def apply(
        self, side: str, action: int, level: int, price: int = 5, quantity: int = 1, orders: int = 1
    ) -> str:
        outcome = lib.level_book_apply(self.book, NAMES.index(side), action, level, price, quantity, orders)
        return ffi.string(lib.level_book_outcome_name(outcome)).decode()

    def side(self, name: str) -> list[Any]:
        side = self.book.sides[NAMES.index(name)]
        found: list[Any] = []
        for index in range(side.depth):
            level = side.levels[index]
            values = (level.price, level.quantity, level.order_count)
            assert side.filled >> index & 1 <= side.known >> index & 1
            found.append(values if side.filled >> index & 1 else None if side.known >> index & 1 else UNKNOWN)
        assert side.known >> side.depth == side.filled >> side.depth == 0
        return found

    def known(self) -> bool:
        return bool(lib.level_book_known(self.book))


@given(st.randoms(use_true_random=False))
def test_any_instructions_leave_the_book_of_the_reference(random: Random) -> None:
    depth, implied = random.randint(1, 10), random.randint(0, 10)
    book, reference = EngineBook(depth, implied), ReferenceBook(depth, implied)
    for _ in range(60):
        if random.random() < 0.05:
            lib.level_book_forget(book.book)
            reference.forget()
        if random.random() < 0.02:
            lib.level_book_reset(book.book)
            reference.reset()
        side = random.choice(NAMES)
        action, level = random.randint(0, 5), random.randint(1, 10)
        price, quantity, orders = random.choice([-7, 0, 5]), random.randint(1, 9), random.randint(0, 3)
        outcome = book.apply(side, action, level, price, quantity, orders)
        if level > reference.depths[side]:
            assert outcome == "bad_level"
        else:
            right = reference.apply(side, action, level, price, quantity, orders)
            assert outcome == ("applied" if right else "contradiction")
        for name in NAMES:
            assert book.side(name) == reference.sides[name]


def test_new_shifts_deeper_levels_down_and_drops_what_leaves_the_depth() -> None:
    book = EngineBook(3)
    for level, price in ((1, 30), (2, 20), (3, 10), (2, 25)):
        assert book.apply("bid", 0, level, price) == "applied"
    assert [level[0] for level in book.side("bid")] == [30, 25, 20]


def test_delete_and_new_of_the_best_level_is_a_price_change() -> None:
    book = EngineBook()
    book.apply("ask", 0, 1, 10)
    book.apply("ask", 0, 2, 20)
    assert book.apply("ask", 2, 1, 10) == "applied"
    assert book.apply("ask", 0, 1, 9) == "applied"
    assert [level[0] for level in book.side("ask")[:2]] == [9, 20]


def test_delete_thru_and_from_take_out_both_ends() -> None:
    book = EngineBook(4)
    for level in range(1, 5):
        book.apply("bid", 0, level, 100 - level)
    assert book.apply("bid", 3, 2) == "applied"
    assert [level and level[0] for level in book.side("bid")] == [97, 96, None, None]
    assert book.apply("bid", 4, 2) == "applied"
    assert [level and level[0] for level in book.side("bid")] == [97, None, None, None]


@pytest.mark.parametrize(
    ("action", "level", "price"),
    [(1, 1, 11), (1, 2, 10), (2, 1, 11), (2, 2, 10), (0, 3, 9), (5, 3, 9), (3, 2, 0), (4, 2, 0)]
)  # fmt: skip
def test_what_does_not_fit_the_book_is_a_contradiction(action: int, level: int, price: int) -> None:
    book = EngineBook()
    book.apply("bid", 0, 1, 10)
    assert book.apply("bid", action, level, price) == "contradiction"


def test_bad_arguments_change_nothing() -> None:
    book = EngineBook()
    book.apply("bid", 0, 1, 10)
    before = bytes(ffi.buffer(book.book))
    assert (
        book.apply("bid", 0, 0) == book.apply("bid", 0, 11) == book.apply("implied_bid", 0, 3) == "bad_level"
    )
    assert book.apply("bid", 6, 1) == book.apply("bid", 255, 1) == "bad_action"
    assert book.apply("bid", 0, 1, 2**63 - 1) == book.apply("bid", 1, 1, 10, 2**64 - 1) == "no_price"
    assert lib.level_book_apply(book.book, 4, 0, 1, 1, 1, 1) == lib.LEVEL_BOOK_BAD_SIDE
    assert bytes(ffi.buffer(book.book)) == before


def test_a_forgotten_book_is_known_again_when_every_level_was_told() -> None:
    book = EngineBook(3, 2)
    lib.level_book_forget(book.book)
    for level in (1, 2, 3):
        assert not book.known()
        assert book.apply("bid", 1, level, 10 - level) == "applied"
    assert not book.known()
    for _ in range(3):
        book.apply("ask", 2, 1)  # three deletes: what is left is known to be empty
    assert book.side("ask") == [None] * 3
    assert book.known()


def test_implied_levels_count_once_there_was_one() -> None:
    book = EngineBook(1, 2)
    lib.level_book_forget(book.book)
    book.apply("bid", 5, 1)
    book.apply("ask", 5, 1)
    assert book.known()
    book.apply("implied_ask", 1, 2)
    assert not book.known()


def test_depth_may_be_learnt_later() -> None:
    book = EngineBook(10, 2)
    for level in range(1, 6):
        book.apply("bid", 0, level, 100 - level)
    lib.level_book_set_depth(book.book, 3, 0)
    assert [level[0] for level in book.side("bid")] == [99, 98, 97]
    lib.level_book_set_depth(book.book, 5, 0)
    assert book.side("bid")[3:] == [UNKNOWN, UNKNOWN]
    assert book.side("ask") == [None] * 5
