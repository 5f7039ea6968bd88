"""Replay: any world that was recorded gives the same again; a changed journal, or another engine, is named."""

from __future__ import annotations

import json
import struct
from dataclasses import replace as changed
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_journal import HEADER_BYTES, Row, read, resigned, spans
from venue_bytes import add, mold
from worlds import play

from engine import Engine, EngineConfig
from engine.config import BookConfig, JournalConfig
from engine.journal_binding import journal_problem, journal_records
from engine.replay import JournalUnreadableError, replay

CONFIG, DATAGRAM, SENT, TRANSITION, CHECKPOINT, LOST, END = 1, 2, 32, 34, 36, 48, 49
SNAPSHOT_STREAM = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


def orders_of(rows: list[Row]) -> bytes:
    sent = [row.data for row in rows if row.kind == SENT and not row.flags & SNAPSHOT_STREAM]
    return b"".join(data for data in sent if data[2:4] == b"UO")


# Any world


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_any_world_replays_to_the_same_orders_and_the_same_book(folder: Path, seed: int) -> None:
    path = folder / "world.journal"
    sent = play(seed, path)
    replayed = replay(path)
    assert (replayed.outcome, replayed.problem) == ("equal", "")
    assert replayed.exit_code == 0
    assert replayed.same_library
    rows = read(path.read_bytes())
    assert orders_of(rows) == sent, "the second reader finds the orders that left"
    assert replayed.counts["records"] == len(rows)
    assert replayed.counts["outputs"] == sum(32 <= row.kind < 40 or row.kind == END for row in rows)


def test_the_worlds_reach_what_they_should(folder: Path) -> None:
    """Or equality would say little: orders, blindness, snapshots, commands and sessions all occur."""
    kinds: set[int] = set()
    orders = 0
    for seed in range(40):
        path = folder / "reach.journal"
        orders += len(play(seed, path)) // 52
        kinds |= {row.kind for row in read(path.read_bytes())}
    assert orders > 50
    assert kinds >= {1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 16, 20, 25, 26}
    assert kinds >= {32, 33, 34, 35, 37, 38, 40, 41, 49}


def test_checkpoints_are_compared(folder: Path) -> None:
    path = folder / "long.journal"
    config = EngineConfig(decisions=1_024, journal=JournalConfig(path=path, ring_bytes=1 << 24))
    with Engine(config) as engine:
        for first in range(1, 40_000, 20):
            messages = [add(first + i, "BS"[i % 2], 10, 10_000 + (i % 2) * 50 + first % 7) for i in range(20)]
            engine.step(mold(first, *messages), now_ns=first * 1_000)
    replayed = replay(path)
    assert (replayed.outcome, replayed.problem) == ("equal", "")
    assert replayed.counts["checkpoints"] == 2
    rows = read(path.read_bytes())
    data = bytearray(rows[-1].data)
    data[56] ^= 1  # the digest of the book at the end
    path.write_bytes(resigned(path.read_bytes(), [*rows[:-1], changed(rows[-1], data=bytes(data))]))
    assert replay(path).outcome == "different"


# A journal that is not as it was


@pytest.fixture(scope="module")
def small(folder: Path) -> Path:
    path = folder / "small.journal"
    config = EngineConfig(
        decisions=64,
        open_orders=16,
        book=BookConfig(orders=64, levels=64),
        journal=JournalConfig(path=path, ring_bytes=1 << 18),
    )
    with Engine(config) as engine:
        engine.step(mold(1, add(1, "B", 100, 10_000), add(2, "S", 100, 10_100)), now_ns=1_000)
        assert len(engine.step(mold(3, add(3, "B", 100, 10_050)), now_ns=2_000)) == 1
        engine.step(mold(5, add(5, "S", 100, 10_090)), line="B", now_ns=3_000)
        engine.timer(now_ns=2_000_000)
        assert len(engine.step(mold(4, add(4, "S", 100, 10_095)), now_ns=2_500_000)) == 2
    return path


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_found_and_named(small: Path, mask: int) -> None:
    content = small.read_bytes()
    rows = list(spans(read(content)))
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= mask
        problem = journal_problem(bytes(flipped))
        assert problem is not None, at
        if at < HEADER_BYTES:
            assert (problem.record, problem.offset) == (0, 0)
        else:
            number = next(index for index, (first, end) in enumerate(rows) if first <= at < end)
            assert (problem.record, problem.offset) == (number, rows[number][0]), at


def test_a_replay_names_the_flipped_byte_s_record(small: Path, tmp_path: Path) -> None:
    content = small.read_bytes()
    for number, (first, end) in enumerate(spans(read(content))):
        flipped = bytearray(content)
        flipped[end - 1 if end - first > 16 else first + 8] ^= 4
        path = tmp_path / "flipped"
        path.write_bytes(flipped)
        replayed = replay(path)
        assert (replayed.outcome, replayed.exit_code) == ("unreadable", 1)
        assert replayed.problem.startswith(f"record {number}, offset {first}, ")


def test_every_cut_is_found(small: Path) -> None:
    content = small.read_bytes()
    for size in range(len(content)):
        assert journal_problem(content[:size]) is not None, size


def test_a_cut_journal_is_undecidable(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(small.read_bytes()[:-96])
    replayed = replay(path)
    assert (replayed.outcome, replayed.exit_code) == ("unreadable", 2)
    assert "truncated" in replayed.problem


def test_removed_repeated_swapped_and_added_records_are_found_where_they_stand(small: Path) -> None:
    content = small.read_bytes()
    cut = list(spans(read(content)))
    pieces = [content[first:end] for first, end in cut]
    for at in range(len(pieces) - 1):
        for other in (
            pieces[:at] + pieces[at + 1 :],
            pieces[:at] + [pieces[at]] + pieces[at:],
            pieces[:at] + [pieces[at + 1], pieces[at]] + pieces[at + 2 :],
        ):
            problem = journal_problem(content[:HEADER_BYTES] + b"".join(other))
            assert problem is not None
            assert at <= problem.record <= at + 1
    assert journal_problem(content + pieces[-1]) is not None


def test_an_order_rewritten_with_right_checks_is_a_difference_that_is_named(
    small: Path, tmp_path: Path
) -> None:
    content = small.read_bytes()
    rows = read(content)
    number = next(index for index, row in enumerate(rows) if row.kind == SENT and row.data[2:4] == b"UO")
    data = bytearray(rows[number].data)
    data[34] ^= 1  # price
    path = tmp_path / "rewritten"
    path.write_bytes(
        resigned(content, [*rows[:number], changed(rows[number], data=bytes(data)), *rows[number + 1 :]])
    )
    assert journal_problem(path.read_bytes()) is None
    replayed = replay(path)
    assert (replayed.outcome, replayed.exit_code) == ("different", 1)
    assert replayed.problem.startswith(f"record {number}, offset {rows[number].offset}, time 2000 ns: ")
    assert bytes(data).hex() in replayed.problem
    assert rows[number].data.hex() in replayed.problem


@pytest.mark.parametrize("kind", [SENT, TRANSITION, END])
def test_an_output_removed_or_added_with_right_checks_is_a_difference(
    small: Path, tmp_path: Path, kind: int
) -> None:
    content = small.read_bytes()
    rows = read(content)
    path = tmp_path / "rewritten"
    number = next(index for index, row in enumerate(rows) if row.kind == kind)
    path.write_bytes(resigned(content, rows[:number] + rows[number + 1 :]))
    assert replay(path).exit_code != 0
    if kind != END:
        path.write_bytes(resigned(content, [*rows[: number + 1], rows[number], *rows[number + 1 :]]))
        replayed = replay(path)
        assert (replayed.outcome, replayed.counts["number"]) == ("different", number + 1)


def test_an_input_rewritten_with_right_checks_is_a_difference(small: Path, tmp_path: Path) -> None:
    content = small.read_bytes()
    rows = read(content)
    number = next(index for index, row in enumerate(rows) if row.kind == DATAGRAM)
    data = bytearray(rows[number].data)
    data[-1] ^= 8  # a price
    path = tmp_path / "rewritten"
    path.write_bytes(
        resigned(content, [*rows[:number], changed(rows[number], data=bytes(data)), *rows[number + 1 :]])
    )
    assert replay(path).outcome == "different"


def test_lost_records_make_a_replay_undecidable(small: Path, tmp_path: Path) -> None:
    content = small.read_bytes()
    rows = read(content)
    path = tmp_path / "lossy"
    lost = Row(0, LOST, 0, 5, struct.pack("<Q", 7))
    for at in range(1, len(rows)):
        path.write_bytes(resigned(content, [*rows[:at], lost, *rows[at:]]))
        replayed = replay(path)
        assert (replayed.outcome, replayed.exit_code) == ("lossy", 2), at
        assert "7 records" in replayed.problem


def test_a_full_ring_is_counted_and_undecidable(tmp_path: Path) -> None:
    path = tmp_path / "full.journal"
    config = EngineConfig(decisions=64, journal=JournalConfig(path=path, ring_bytes=1 << 18))
    with Engine(config) as engine:
        for first in range(1, 200):
            engine.step(mold(first, bytes(60_000)), now_ns=first)
        lost = engine.report()["journal"]["lost"]
    assert lost > 0
    assert journal_problem(path.read_bytes()) is None
    assert replay(path).exit_code == 2


# Not a journal


@pytest.mark.parametrize("content", [b"", b"x" * 200, b"TGATEJNL"], ids=["empty", "noise", "magic alone"])
def test_what_is_no_journal_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(content)
    with pytest.raises(JournalUnreadableError, match="not a journal"):
        replay(path)


def test_a_configuration_of_another_version_is_said(small: Path, tmp_path: Path) -> None:
    content = small.read_bytes()
    rows = read(content)
    first = json.loads(rows[0].data)
    first["config"]["unknown"] = 1
    path = tmp_path / "other"
    path.write_bytes(resigned(content, [changed(rows[0], data=json.dumps(first).encode()), *rows[1:]]))
    with pytest.raises(JournalUnreadableError, match="no configuration of this version"):
        replay(path)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_bytes_are_safe_to_read(small: Path, data: st.DataObject) -> None:
    content = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    tail = data.draw(st.binary(max_size=40))
    assert len(list(journal_records(bytes(content) + tail))) <= len(read(small.read_bytes()))


# Until


def test_until_stops_behind_that_message_and_shows_the_state(small: Path) -> None:
    replayed = replay(small, until=2)
    assert (replayed.outcome, replayed.exit_code) == ("stopped", 0)
    assert replayed.state
    assert replayed.state["position"] == 3
    assert replayed.state["feed"]["state"] == "LIVE"
    assert replayed.state["book"] == [
        {
            "symbol": 1,
            "orders": 2,
            "bid_price": 10_000,
            "bid_shares": 100,
            "ask_price": 10_100,
            "ask_shares": 100,
        }
    ]
    assert replayed.state["last_orders"] == []
    assert replayed.state["limits"]["order_shares_max"] == 1_000
    later = replay(small, until=3, symbols=(1, 2)).state
    assert later
    assert [order["token"] for order in later["last_orders"]] == ["T0000000000030"]
    assert [row["bid_price"] for row in later["book"]] == [10_050, 0]


def test_until_stops_within_a_datagram(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    with Engine(EngineConfig(decisions=64, journal=JournalConfig(path=path, ring_bytes=1 << 18))) as engine:
        engine.step(mold(1, *(add(i, "B", 100, 10_000) for i in range(1, 10))), now_ns=5)
    for until in range(1, 9):
        state = replay(path, until=until).state
        assert state
        assert (state["position"], state["book_orders"]) == (until + 1, until)


def test_until_beyond_the_end_is_the_end(small: Path) -> None:
    replayed = replay(small, until=10_000)
    assert replayed.outcome == "equal"
    assert replayed.state
    assert replayed.state["position"] == 6
