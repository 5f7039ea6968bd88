"""Joins for the oracle: in order, their spans apart, whatever the engine reports."""

from hypothesis import given
from hypothesis import strategies as st

from lab.measure import Join
from lab.measure.joins import disjoint


def join(skipped_from: int, sequence: int, emptied: bool = False) -> Join:
    return Join(sequence=sequence, skipped_from=skipped_from, at_ns=7, emptied=emptied)


def test_joins_that_lie_apart_stay_as_they_are() -> None:
    joins = (join(5, 9), join(9, 12), join(1 << 40, 1 << 40 | 3, emptied=True))
    assert disjoint(joins) == joins


def test_a_snapshot_that_ends_before_what_was_delivered_skips_nothing() -> None:
    assert disjoint((join(50, 40),)) == (join(40, 40),)
    assert disjoint((join(5, 9), join(7, 12))) == (join(5, 9), join(9, 12))


@given(st.lists(st.builds(join, st.integers(1, 200), st.integers(1, 200), st.booleans()), max_size=8))
def test_spans_never_overlap(joins: list[Join]) -> None:
    found = disjoint(joins)
    assert sorted(one.sequence for one in found) == sorted(one.sequence for one in joins)
    reached = 0
    for one in found:
        assert reached <= one.skipped_from <= one.sequence
        reached = one.sequence
