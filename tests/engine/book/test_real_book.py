"""The book of a real open, which begins in mid-session: unknown references are counted and invent nothing."""

from collections import Counter
from pathlib import Path

import pytest
from engine_book import EngineBook
from itch_reference import decode, messages_of
from reference_book import ReferenceBook

pytestmark = pytest.mark.real

OPEN = "itch/nasdaq_2019-12-30_open_1000.itch"
BEFORE_THE_CUT = 394  # references that the README says were entered before the file begins
BEHIND_REPLACES = 5  # name what a replace of such an order would have entered


@pytest.fixture(scope="module")
def messages(real_directory: Path) -> list[bytes]:
    return list(messages_of((real_directory / OPEN).read_bytes()))


def test_open_counts_references_from_before_the_cut_and_what_hangs_on_them(messages: list[bytes]) -> None:
    entered: set[int] = set()  # by an add of the file
    promised: set[int] = set()  # new references of replaces that could not be applied
    unknown: Counter[str] = Counter()
    for fields in map(decode, messages):
        if fields["type"] in b"AF":
            entered.add(fields["order_reference"])
        elif fields["type"] in b"ECXDU":
            reference = fields["order_reference"]
            if reference not in entered:
                unknown["after an unapplied replace" if reference in promised else "before the cut"] += 1
            if fields["type"] == b"U":
                (entered if reference in entered else promised).add(fields["new_order_reference"])
    engine = EngineBook()
    for message in messages:
        engine.apply(message)
    assert unknown == {"before the cut": BEFORE_THE_CUT, "after an unapplied replace": BEHIND_REPLACES}
    assert engine.outcomes["unknown_reference"] == unknown.total()
    assert engine.book.complete


def test_book_of_the_open_is_the_reference_book_after_every_message(messages: list[bytes]) -> None:
    engine, reference = EngineBook(), ReferenceBook()
    for message in messages:
        fields = decode(message)
        assert engine.apply(message) == reference.apply(fields), fields
        assert engine.top(fields["stock_locate"]) == reference.top(fields["stock_locate"]), fields
    assert engine.rows().tolist() == reference.rows()
    assert engine.outcomes == reference.outcomes
    assert len(reference.orders) > 500
