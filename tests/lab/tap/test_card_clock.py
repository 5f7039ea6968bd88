"""A card's clock that is made up, turned into CLOCK_MONOTONIC and held against what it was made from."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab._lab import lib

from lab.errors import MissingError, UndecidedError
from lab.tap import market_rows
from lab.tap.card_clock import CardClock, CardClocks, ClockPair, open_clock, read_pair, stored_clocks
from lab.tap.order_stream import BY_CARD, HEADER, segments_in
from lab.tap.tap import RECORD

SECOND = 1_000_000_000


def made(base: int, start: int, ppb: int, count: int, brackets: list[int]) -> list[ClockPair]:
    """Pairs of a clock that runs ``ppb`` billionths fast, half a second apart, each read off by half its bracket."""
    pairs = []
    for number, bracket in zip(range(count), brackets, strict=True):
        elapsed = number * SECOND // 2
        card = base + elapsed + elapsed * ppb // SECOND
        off = bracket // 2 if number % 2 else -(bracket // 2)
        pairs.append(ClockPair(start + elapsed + off, card, bracket))
    return pairs


@given(
    base=st.integers(0, 1 << 61),
    start=st.integers(SECOND, 1 << 56),
    ppb=st.integers(-100_000, 100_000),
    brackets=st.lists(st.integers(0, 4_000), min_size=2, max_size=12),
    at=st.integers(0, 6 * SECOND),
)
def test_a_steady_clock_is_turned_within_its_uncertainty(
    base: int, start: int, ppb: int, brackets: list[int], at: int
) -> None:
    pairs = made(base, start, ppb, len(brackets), brackets)
    clock = CardClock(pairs, name="a card")
    at = min(at, (len(pairs) - 1) * SECOND // 2)
    card = np.array([base + at + at * ppb // SECOND], np.uint64)
    turned = int(clock.to_monotonic(card)[0])
    assert abs(turned - (start + at)) <= clock.uncertainty_ns + 2  # two roundings


def test_stamps_before_the_first_and_behind_the_last_pair_go_on_along_the_line() -> None:
    base = 40 * SECOND
    clock = CardClock(made(base, 90 * SECOND, 50_000, 3, [0, 0, 0]), name="a card")
    card = np.array([base - 100_005_000, base + 2 * SECOND + 100_000], np.uint64)
    assert [int(one) for one in clock.to_monotonic(card)] == [90 * SECOND - 100_000_000, 92 * SECOND]


def test_a_servo_that_steers_the_clock_widens_its_uncertainty() -> None:
    steady = made(0, SECOND, 0, 5, [100] * 5)
    bent = [*steady[:2], ClockPair(steady[2].monotonic_ns + 3_000, steady[2].card_ns, 100), *steady[3:]]
    assert CardClock(steady, name="").uncertainty_ns < 200
    assert CardClock(bent, name="").uncertainty_ns > 2_900


def test_pairs_that_are_close_together_are_not_taken_for_a_clock_that_was_set() -> None:
    """Two readings 100 us apart, each off by up to half of its bracket of 2 us: a slope of 1.02."""
    pairs = [ClockPair(SECOND, 0, 2_000), ClockPair(SECOND + 102_000, 100_000, 2_000)]
    turned = CardClock(pairs, name="a card").to_monotonic(np.array([50_000], np.uint64))
    assert abs(int(turned[0]) - SECOND - 50_000) <= 1_001


@pytest.mark.parametrize("step", [SECOND, -SECOND // 4, 37 * SECOND])
def test_a_clock_that_was_set_makes_its_stamps_useless(step: int) -> None:
    pairs = made(100 * SECOND, SECOND, 0, 4, [100] * 4)
    jumped = [*pairs[:2], *(ClockPair(p.monotonic_ns, p.card_ns + step, p.bracket_ns) for p in pairs[2:])]
    with pytest.raises(UndecidedError, match="was set while the run went on"):
        CardClock(jumped, name="/dev/ptp0").to_monotonic(np.array([100 * SECOND], np.uint64))


@pytest.mark.parametrize("pairs", [[], [ClockPair(5, 6, 7)], [ClockPair(5, 6, 7), ClockPair(9, 6, 7)]])
def test_a_clock_that_was_not_read_turns_nothing(pairs: list[ClockPair]) -> None:
    with pytest.raises(UndecidedError, match="was not read"):
        CardClock(pairs, name="a card").to_monotonic(np.array([1], np.uint64))


def test_a_file_that_is_no_clock_is_an_error_of_the_kernel() -> None:
    with open("/dev/null") as file, pytest.raises(OSError, match=r"Invalid argument|not supported"):
        read_pair(file.fileno())


def test_a_clock_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.tap.card_clock.open_clock", lambda _number: os.open("/dev/null", os.O_RDONLY))
    with pytest.raises(UndecidedError, match="clock /dev/ptp3 does not answer"):
        CardClocks(tmp_path, {"A": 3})


def test_a_clock_that_is_not_there_is_missing() -> None:
    with pytest.raises(MissingError, match="/dev/ptp7777 cannot be read"):
        open_clock(7777)


def test_without_clocks_nothing_is_kept(tmp_path: Path) -> None:
    clocks = CardClocks(tmp_path, {"A": None})
    clocks.read()
    clocks.close()
    assert list(tmp_path.iterdir()) == []
    assert stored_clocks(tmp_path) == {}


def test_a_clock_is_read_while_a_pass_runs_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)  # closed with the clocks
    monkeypatch.setattr("lab.tap.card_clock.open_clock", lambda _number: descriptor)
    offset = 37 * SECOND
    real = time.clock_gettime_ns

    def card_time(clock: int) -> int:
        assert clock == (~descriptor << 3) | 3
        return real(time.CLOCK_MONOTONIC) + offset

    monkeypatch.setattr(time, "clock_gettime_ns", card_time)
    clocks = CardClocks(tmp_path, {"A": 3, "order": 3, "B": None})
    for _ in range(3):
        time.sleep(0.001)
        clocks.read()
    now = time.monotonic_ns()
    clocks.close()
    stored = stored_clocks(tmp_path)
    assert set(stored) == {"A", "order"}
    assert len(stored["A"].pairs) == 5
    turned = int(stored["A"].to_monotonic(np.array([now + offset], np.uint64))[0])
    assert abs(turned - now) <= stored["A"].uncertainty_ns + 2


# Raw files


def keep(directory: Path, **pairs: list[ClockPair]) -> None:
    written = {
        end: {"clock": 0, "pairs": [list(vars(p).values()) for p in some]} for end, some in pairs.items()
    }
    (directory / "card_clocks.json").write_text(json.dumps(written))


def test_card_stamps_of_the_lines_are_turned_and_others_stay(tmp_path: Path) -> None:
    raw = np.zeros(4, RECORD)
    raw["sequence"], raw["count"] = [1, 1, 2, 2], 1
    raw["line"], raw["stamp_ns"] = (
        [0, 1, 0, 1],
        [500 * SECOND, 10 * SECOND + 7, 500 * SECOND + 900, 11 * SECOND],
    )
    raw["flags"] = [lib.TAP_FLAG_CARD, 0, lib.TAP_FLAG_CARD | 1, 0]
    path = tmp_path / "market_taps.bin"
    raw.tofile(path)
    with pytest.raises(UndecidedError, match="card at A was not read"):
        market_rows(path)
    keep(tmp_path, A=made(500 * SECOND, 10 * SECOND, 0, 3, [0] * 3))
    rows = market_rows(path)
    assert rows["stamp_ns"].tolist() == [10 * SECOND, 10 * SECOND + 7, 10 * SECOND + 900, 11 * SECOND]
    assert rows["line"].tolist() == [0, 1, 0, 1]
    assert rows["flags"].tolist() == [0, 0, 1, 0], "what a fault did stays"


def test_card_stamps_of_orders_are_turned(tmp_path: Path) -> None:
    frame = (
        bytes(14)
        + bytes.fromhex("4500002a00000000400600000a4d03020a4d0301")
        + bytes.fromhex("9c4075310000000100000000501800000000000055aa")
    )
    header = np.zeros(1, HEADER)
    header["stamp_ns"], header["length"], header["captured"] = 500 * SECOND, len(frame), len(frame) | BY_CARD
    raw = header.tobytes() + frame
    with pytest.raises(UndecidedError, match="card at order was not read"):
        segments_in(raw)
    keep(tmp_path, order=made(500 * SECOND, 10 * SECOND, 0, 3, [0] * 3))
    [segment] = segments_in(raw, stored_clocks(tmp_path))
    assert (segment.stamp_ns, segment.payload) == (10 * SECOND, bytes.fromhex("55aa"))
