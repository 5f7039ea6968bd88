"""The impairment rules in process: windows, patterns, chances, and that one seed is one pattern."""

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.config import ImpairmentConfig
from traffic.impairment_bindings import impairment_place, impairment_rule, impairment_takes

SESSION = 1 << 40


def rule(*, seed: int = 7, index: int = 0, line: int = 0, **fields: Any) -> Any:
    config = ImpairmentConfig(**{"lines": ("A",), "action": "drop"} | fields)
    return impairment_rule(config, seed=seed, index=index, line=line)


def taken(rule: Any, count: int, *, first: int = 1, messages: int = 1) -> list[int]:
    """Positions of the packets that the rule takes, of `count` packets in a row."""
    positions = range(first, first + count * messages, messages)
    return [position for position in positions if impairment_takes(rule, position, messages, 0)]


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": "random", "probability": 0.1},
        {
            "pattern": "gilbert_elliott",
            "good_to_bad": 0.01,
            "bad_to_good": 0.2,
            "probability": 1.0,
            "probability_good": 0.001,
        },
    ],
)
def test_one_seed_is_one_pattern_and_lines_rules_and_seeds_differ(fields: dict[str, Any]) -> None:
    pattern = taken(rule(**fields), 5000)
    assert taken(rule(**fields), 5000) == pattern
    assert taken(rule(line=1, **fields), 5000) != pattern
    assert taken(rule(index=1, **fields), 5000) != pattern
    assert taken(rule(seed=8, **fields), 5000) != pattern
    assert taken(rule(line=0, together=True, **fields), 5000) == taken(
        rule(line=1, together=True, **fields), 5000
    )


def splitmix64(state: int) -> Iterator[int]:
    """The generator as published (Steele, Lea, Flood 2014)."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        yield mixed ^ mixed >> 31


def test_the_pattern_of_a_seed_is_that_of_the_published_generator() -> None:
    assert [next(splitmix64(1234567))] == [6457827717110365317], "the first number of its test vector"
    seeded = next(splitmix64(7 ^ 3 << 8 ^ 1))
    draws = splitmix64(seeded)
    expected = [position for position in range(1, 400) if next(draws) >> 32 < round(0.05 * 2**32)]
    assert taken(rule(line=1, index=3, pattern="random", probability=0.05), 399) == expected


@pytest.mark.parametrize("probability", [0.001, 0.03, 0.5])
def test_random_loss_has_its_rate_and_no_memory(probability: float) -> None:
    count = 200_000
    found = taken(rule(pattern="random", probability=probability), count)
    assert len(found) == pytest.approx(count * probability, rel=0.15)
    twins = sum(later == earlier + 1 for earlier, later in pairwise(found))
    assert twins == pytest.approx(count * probability**2, rel=0.2, abs=5)


@pytest.mark.parametrize(("good_to_bad", "bad_to_good"), [(0.01, 0.25), (0.002, 0.1), (0.05, 0.5)])
def test_gilbert_elliott_has_the_loss_rate_and_burst_length_of_theory(
    good_to_bad: float, bad_to_good: float
) -> None:
    count = 300_000
    losing = rule(
        pattern="gilbert_elliott", probability=1.0, good_to_bad=good_to_bad, bad_to_good=bad_to_good
    )
    lost = [impairment_takes(losing, position, 1, 0) for position in range(1, count + 1)]
    assert sum(lost) / count == pytest.approx(good_to_bad / (good_to_bad + bad_to_good), rel=0.1)
    bursts = [len(list(group)) for value, group in groupby(lost) if value]
    assert sum(bursts) / len(bursts) == pytest.approx(1 / bad_to_good, rel=0.1)
    assert len(bursts) == pytest.approx(count / (1 / good_to_bad + 1 / bad_to_good), rel=0.1)


def test_gilbert_elliott_loses_with_the_chance_of_each_state() -> None:
    fields = {"pattern": "gilbert_elliott", "probability": 0.5, "probability_good": 0.02}
    always_bad = taken(rule(good_to_bad=1.0, bad_to_good=0.0, **fields), 20_000)
    always_good = taken(rule(good_to_bad=0.0, bad_to_good=1.0, **fields), 20_000)
    assert len(always_bad) == pytest.approx(10_000, rel=0.05)
    assert len(always_good) == pytest.approx(400, rel=0.2)


def test_every_nth_is_taken_and_the_nth_is_the_first() -> None:
    assert taken(rule(pattern="every", every=4), 13) == [4, 8, 12]
    assert taken(rule(pattern="every", every=1), 3) == [1, 2, 3]
    assert taken(rule(pattern="every", every=0), 3) == [1, 2, 3]


def test_certain_chances_always_hold_and_impossible_ones_never() -> None:
    assert len(taken(rule(pattern="random", probability=1.0), 1000)) == 1000
    assert not taken(rule(pattern="random", probability=0.0), 1000)


def test_a_window_begins_with_the_packet_whose_messages_reach_it() -> None:
    assert taken(rule(from_position=50, packets=2), 30, messages=4) == [49, 53]
    assert taken(rule(from_position=52, packets=1), 30, messages=4) == [49], "its last message is number 52"
    assert taken(rule(from_position=53, packets=1), 30, messages=4) == [53]
    assert taken(rule(from_position=90), 30, messages=4) == list(range(89, 121, 4)), "no end"


def test_windows_repeat_so_many_messages_apart_and_so_often() -> None:
    repeated = rule(from_position=10, packets=2, repeat_every=20, repeat_left=2)
    assert taken(repeated, 200) == [10, 11, 30, 31, 50, 51]
    assert (repeated.windows, repeated.hit, repeated.seen) == (3, 6, 6)


def test_a_window_that_is_reached_in_another_begins_anew() -> None:
    assert taken(rule(from_position=10, packets=6, repeat_every=3, repeat_left=2), 99) == list(range(10, 22))


def test_a_window_in_time_ends_in_time() -> None:
    timed = rule(from_ns=1000, until_ns=2000)
    hits = [now for now in range(0, 3000, 100) if impairment_takes(timed, 1 + now // 100, 1, now)]
    assert hits == list(range(1000, 2000, 100))
    assert (timed.first_hit_ns, timed.last_hit_ns) == (1000, 1900)
    assert not impairment_takes(timed, 99, 1, 1500), "it is over for good"


def test_a_window_that_began_in_time_repeats_by_messages() -> None:
    timed = rule(from_ns=1000, packets=1, repeat_every=5, repeat_left=1)
    assert [now for now in range(0, 3000, 100) if impairment_takes(timed, 1 + now // 100, 1, now)] == [
        1000,
        1500,
    ]


def test_the_pattern_goes_on_from_window_to_window() -> None:
    gaps = taken(
        rule(pattern="every", every=3, from_position=10, packets=4, repeat_every=10, repeat_left=1), 99
    )
    assert gaps == [12, 21], "of 10 to 13 and 20 to 23 every third"


@given(rolled_at=st.integers(2, 60), begin=st.integers(1, 90))
def test_windows_move_on_over_a_session_roll_as_if_the_stream_went_on(rolled_at: int, begin: int) -> None:
    fields: dict[str, Any] = {"from_position": begin, "packets": 2, "repeat_every": 7, "repeat_left": 3}
    plain, rolled = rule(**fields), rule(**fields)
    for index in range(1, 130):
        position = index if index < rolled_at else SESSION + 1 + index - rolled_at
        assert impairment_takes(plain, index, 1, 0) == impairment_takes(rolled, position, 1, 0)


def test_a_window_may_be_asked_for_in_a_later_session() -> None:
    later = rule(from_position=SESSION + 3, packets=1)
    assert not taken(later, 50)
    assert taken(later, 9, first=SESSION + 1) == [SESSION + 3]


def test_heartbeats_advance_nothing_and_are_lost_with_a_line_that_is_dead() -> None:
    dead = rule(from_position=3, packets=2)
    assert not impairment_takes(dead, 1, 0, 0)
    assert taken(dead, 1, first=3) == [3]
    assert all(impairment_takes(dead, 4, 0, 0) for _ in range(10))
    assert taken(dead, 3, first=4) == [4]
    assert not impairment_takes(dead, 6, 0, 0)
    assert (dead.hit, dead.seen, dead.controls) == (2, 2, 10)


@pytest.mark.parametrize(
    "fields",
    [
        {"pattern": "random", "probability": 1.0},
        {"pattern": "every", "every": 1},
        {"action": "duplicate"},
        {"action": "delay", "delay_ns": 5},
        {"action": "corrupt", "corruption": "bits"},
    ],
)
def test_heartbeats_are_left_alone_by_everything_else(fields: dict[str, Any]) -> None:
    harmless = rule(**fields)
    assert impairment_takes(harmless, 1, 1, 0)
    assert not any(impairment_takes(harmless, 2, 0, 0) for _ in range(10))


def test_heartbeats_between_packets_do_not_change_the_pattern() -> None:
    fields: dict[str, Any] = {
        "pattern": "gilbert_elliott",
        "probability": 1.0,
        "good_to_bad": 0.1,
        "bad_to_good": 0.3,
    }
    plain, disturbed = rule(**fields), rule(**fields)
    for position in range(1, 500):
        assert impairment_takes(plain, position, 1, 0) == impairment_takes(disturbed, position, 1, 0)
        impairment_takes(disturbed, position + 1, 0, 0)


def test_places_are_seeded_spread_and_independent_of_the_pattern() -> None:
    first, second = rule(pattern="random", probability=0.5), rule(pattern="random", probability=0.5)
    taken(second, 100)
    places = [impairment_place(first, 1000) for _ in range(5000)]
    assert places == [impairment_place(second, 1000) for _ in range(5000)]
    assert 0 <= min(places) < 5 <= 995 < max(places) < 1000
    assert sum(places) / len(places) == pytest.approx(500, rel=0.05)
