"""Where an engine began anew: joins as it reports them, sessions that it followed, and spans that never overlap."""

from hypothesis import given
from hypothesis import strategies as st

from lab.measure import Join, Session
from lab.measure.joins import begun_anew

ROLL = 1 << 40
FIRST = Session(session="ONE", ordinal=0, first_position=1, last_position=100)
SECOND = Session(session="TWO", ordinal=1, first_position=ROLL + 1, last_position=ROLL + 50)


def join(skipped_from: int, sequence: int) -> Join:
    return Join(sequence=sequence, skipped_from=skipped_from, at_ns=7)


def test_without_joins_and_rolls_nothing_began_anew() -> None:
    assert begun_anew((), (FIRST,), rolls=0) == ()
    assert begun_anew((), (FIRST, SECOND), rolls=0) == (), "the engine stayed with the old session"


def test_a_session_that_no_snapshot_opened_begins_with_an_empty_book() -> None:
    (anew,) = begun_anew((), (FIRST, SECOND), rolls=1)
    assert (anew.sequence, anew.skipped_from, anew.emptied) == (ROLL + 1, ROLL + 1, True)


def test_a_session_that_a_snapshot_opened_does_not() -> None:
    opened = join(ROLL + 1, ROLL + 20)
    assert begun_anew((opened,), (FIRST, SECOND), rolls=1) == (opened,)
    at_once = join(ROLL + 1, ROLL + 1)
    assert begun_anew((at_once,), (FIRST, SECOND), rolls=1) == (at_once,)
    across = join(90, ROLL + 20)
    assert begun_anew((across,), (FIRST, SECOND), rolls=1) == (across,)


def test_a_session_joined_later_began_empty_first() -> None:
    later = join(ROLL + 30, ROLL + 40)
    found = begun_anew((join(10, 20), later), (FIRST, SECOND), rolls=1)
    assert [(one.skipped_from, one.sequence, one.emptied) for one in found] == [
        (10, 20, False),
        (ROLL + 1, ROLL + 1, True),
        (ROLL + 30, ROLL + 40, False),
    ]


@given(st.lists(st.builds(join, st.integers(1, 200), st.integers(1, 200)), max_size=8))
def test_spans_never_overlap_whatever_the_engine_reports(joins: list[Join]) -> None:
    found = begun_anew(joins, (FIRST, SECOND), rolls=1)
    assert len(found) == len(joins) + 1
    reached = 0
    for one in found:
        assert reached <= one.skipped_from <= one.sequence
        reached = one.sequence
