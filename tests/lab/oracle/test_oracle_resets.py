"""The oracle of an engine that joined snapshots and followed session rolls, against the second implementation."""

from __future__ import annotations

import struct

import pytest
from brute import STRATEGIES, compare, framed, orderly
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.oracle import OracleResult, Reflector, Reset, SessionRange, TouchTaker, replay

ROLL = 1 << 40


def add(reference: int, side: str, shares: int, price: int) -> bytes:
    return framed("A", struct.pack(">QcI8sI", reference, side.encode(), shares, b"TEST    ", price))


def count_of(stream: bytes) -> int:
    count = offset = 0
    while offset < len(stream):
        count, offset = count + 1, offset + 2 + int.from_bytes(stream[offset : offset + 2], "big")
    return count


@st.composite
def interrupted(draw: st.DrawFn) -> tuple[bytes, list[SessionRange], list[Reset]]:
    """A stream cut into sessions at random places, and resets anywhere in it, the ends and the gaps included."""
    stream = draw(orderly())
    count = count_of(stream)
    if count == 0:
        return stream, [], []
    cuts = sorted(draw(st.sets(st.integers(1, count), max_size=3)) - {count})
    ends = [*cuts, count]
    sessions = [
        SessionRange(first_position=(ordinal * ROLL) + 1, last_position=ordinal * ROLL + end - start)
        for ordinal, (start, end) in enumerate(zip([0, *cuts], ends, strict=True))
    ]
    places = [
        position
        for session in sessions
        for position in range(session.first_position, session.last_position + 3)
    ]
    chosen = sorted(draw(st.lists(st.sampled_from(places), max_size=6)))
    resets = [
        Reset(skipped_from=low, position=high, empties_book=draw(st.booleans()))
        for low, high in zip(chosen[::2], chosen[1::2], strict=False)
    ]
    return stream, sessions, resets


@given(interrupted(), STRATEGIES)
@settings(deadline=None, max_examples=300)
def test_resets_and_sessions_give_what_brute_force_gives(
    world: tuple[bytes, list[SessionRange], list[Reset]], strategy: TouchTaker | Reflector
) -> None:
    stream, sessions, resets = world
    result = compare(stream, 1, strategy, sessions, resets)
    assert result is not None
    if not any(reset.empties_book for reset in resets):
        assert result.book.tolist() == replay(stream, strategy=strategy).book.tolist()


RISING = [
    add(1, "B", 300, 1000),
    add(2, "S", 300, 1020),
    add(3, "B", 300, 1001),  # 3: a better bid
    add(4, "B", 300, 1002),  # 4: another
    add(5, "B", 300, 1003),  # 5
    add(6, "B", 300, 1004),  # 6
]


def run(*resets: Reset, sessions: tuple[SessionRange, ...] = (), **parameters: int) -> OracleResult:
    return replay(b"".join(RISING), strategy=TouchTaker(**parameters), sessions=sessions, resets=resets)


def sequences(result: OracleResult) -> list[int]:
    return [int(sequence) for sequence in result.triggers["sequence"]]


def test_skipped_messages_move_the_book_and_their_triggers_are_kept_apart() -> None:
    result = run(Reset(skipped_from=3, position=5))
    assert sequences(run()) == [3, 4, 5, 6]
    assert sequences(result) == [6]  # 5 is the first event after the join: it only sets the previous top
    assert [int(sequence) for sequence in result.skipped_triggers["sequence"]] == [3, 4]
    assert result.skipped_messages == 2
    assert result.book.tolist() == run().book.tolist()


def test_the_first_event_after_a_join_still_triggers_when_the_top_leans() -> None:
    lean = [add(1, "B", 900, 1000), add(2, "S", 100, 1020), add(3, "B", 1, 999), add(4, "B", 1, 998)]
    strategy = TouchTaker()
    plain = replay(b"".join(lean), strategy=strategy)
    joined = replay(b"".join(lean), strategy=strategy, resets=[Reset(skipped_from=3, position=4)])
    assert sequences(plain) == [2]
    assert sequences(joined) == [2, 4]  # the imbalance was forgotten with the rest


def test_a_join_ends_a_running_cooldown() -> None:
    assert sequences(run(cooldown_messages=100)) == [3]
    joined = run(Reset(skipped_from=4, position=5), cooldown_messages=100)
    assert sequences(joined) == [3, 6]
    assert joined.suppressed == 0


def test_a_session_that_begins_without_a_snapshot_begins_with_an_empty_book() -> None:
    sessions = (
        SessionRange(first_position=1, last_position=3),
        SessionRange(first_position=ROLL + 1, last_position=ROLL + 3),
    )
    joined = run(Reset(skipped_from=ROLL + 1, position=ROLL + 1, empties_book=True), sessions=sessions)
    assert sequences(joined) == [3]  # no ask is left to buy
    assert joined.book["reference"].tolist() == [4, 5, 6]


def test_positions_of_a_new_session_are_those_of_its_triggers() -> None:
    sessions = (
        SessionRange(first_position=1, last_position=4),
        SessionRange(first_position=ROLL + 1, last_position=ROLL + 2),
    )
    assert sequences(run(sessions=sessions)) == [3, 4, ROLL + 1, ROLL + 2]


def test_a_reset_behind_the_last_message_changes_nothing() -> None:
    assert sequences(run(Reset(skipped_from=7, position=9))) == [3, 4, 5, 6]
    assert sequences(run(Reset(skipped_from=6, position=9))) == [3, 4, 5]


def test_sessions_that_do_not_hold_the_stream_are_refused() -> None:
    with pytest.raises(ValueError, match="the sessions hold 5 messages, the stream 6"):
        run(sessions=(SessionRange(first_position=1, last_position=5),))


def test_what_is_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="position is 3, must be 4"):
        Reset(skipped_from=4, position=3)
    with pytest.raises(ValueError, match="skipped_from is 4, must be 5"):
        run(Reset(skipped_from=2, position=5), Reset(skipped_from=4, position=6))
    overlapping = (
        SessionRange(first_position=1, last_position=3),
        SessionRange(first_position=3, last_position=5),
    )
    with pytest.raises(ValueError, match="first_position is 3, must be 4"):
        run(sessions=overlapping)
    with pytest.raises(ValueError, match="last_position is 0"):
        SessionRange(first_position=1, last_position=0)


def test_the_locate_of_every_message_is_given() -> None:
    stream = framed("S", b"", symbol=0) + framed("R", b"", symbol=7) + b"\x00\x01G"
    assert replay(stream, strategy=TouchTaker()).locates.tolist() == [0, 7, 0]
