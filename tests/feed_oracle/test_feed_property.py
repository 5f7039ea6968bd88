"""The feed's property over hypothesis' cases and over numbered ones, and the property itself over broken receivers.

TAILGATE_ORACLE_CASES: how many cases of each kind, 150 by default; python -m tests.feed_oracle runs thousands.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from lab.scenario import load_scenario
from tests.feed_oracle.campaign import campaign, shrink, violation_of
from tests.feed_oracle.case import (
    CORRUPTIONS,
    DOES,
    Case,
    Fault,
    Policy,
    Requests,
    Roll,
    Snapshots,
    random_case,
)
from tests.feed_oracle.lines import plan_of
from tests.feed_oracle.reference_receiver import MUTANTS, ReferenceReceiver

CASES = int(os.environ.get("TAILGATE_ORACLE_CASES", "150"))
MUTANT_CASES = 400
RARE = {"joins another session's snapshot": 430}  # one case in 1500: the numbers begin where one is


def some(*values: Any) -> st.SearchStrategy[Any]:
    """Shrinks towards the first."""
    return st.sampled_from(values)


FAULTS = st.builds(
    Fault,
    do=some(*DOES),
    lines=some("AB", "A", "B"),
    first=st.integers(0, 80),
    count=some(1, 2, 5, 20, 100),
    every=some(1, 2, 7),
    chance=some(100, 50, 10),
    cluster=st.booleans(),
    amount=some(1, 3, 17, 400),
    what=some(*CORRUPTIONS),
)
REQUESTS = st.builds(
    Requests,
    delay_us=some(100, 20, 1500),
    jitter_us=some(0, 1000),
    loss=some(0, 50),
    lose_first=some(0, 1, 10),
    refuse=st.booleans(),
    reply_max=some(40, 3, 1),
    duplicate=some(0, 40),
    stale=some(0, 40),
    corrupt=some(0, 40),
    history=some(0, 20),
)
SNAPSHOTS = st.builds(
    Snapshots,
    delay_us=some(200, 50, 4000),
    chunk=some(1000, 10_000, 7),
    gap_us=some(20, 0, 1),
    reject=some(0, 1, 3),
    cut=some(0, 1, 3),
    cut_after=some(100, 0, 2000),
    stall=some(0, 1),
    lag=some(0, 1, 40),
    debug=st.booleans(),
)
POLICIES = st.builds(
    Policy,
    named=some(True, False),
    best_effort=some(False, False, False, True),
    follow=some(True, True, True, False),
    confirm=some(3, 2),
    jump=some(0, 8, 64),
    hold_back_us=some(200, 0, 1000),
    silence_us=some(0, 4000),
    reorder_packets=some(64, 1, 4, 256),
    request_max=some(64, 1, 1000),
    outstanding=some(4, 1, 8),
    attempts=some(3, 1, 5),
    timeout_us=some(500, 200, 2000),
    give_up=some(100_000, 1, 10),
    snapshot_attempts=some(2, 1, 5),
    snapshot_timeout_us=some(20_000, 3000),
    retry_us=some(3000, 1000, 10_000),
)
CASE = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    messages=some(60, 20, 100, 200),
    symbols=some(2, 3, 4),
    spacing_us=some(20, 2, 50),
    packing=some(3, 1, 8),
    packing_b=some(0, 1, 8),
    skew_us=some(5, 0, 50),
    pauses=some(0, 1),
    faults=st.lists(FAULTS, max_size=4).map(tuple),
    requests=st.none() | REQUESTS,
    snapshots=st.none() | SNAPSHOTS,
    policy=POLICIES,
    roll=st.none()
    | st.builds(Roll, percent=some(50, 5, 90), fresh=st.booleans(), end_previous=st.booleans()),
    ends=st.booleans(),
)


@settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow])
@given(case=CASE)
def test_the_book_is_true_while_live_and_the_feed_recovers(case: Case) -> None:
    why = violation_of(case)
    if why is not None:
        note(case.as_scenario())
    assert why is None, why


def test_numbered_cases_hold_and_exercise_everything() -> None:
    tally = campaign(range(1, CASES + 1), stop_after=1)
    for failure in tally.failures:
        pytest.fail(str(shrink(failure.case)), pytrace=False)
    print(tally)
    if CASES >= 150:
        unused = [name for name, count in tally.used.items() if not count]
        assert not unused, f"no case used {', '.join(unused)}"
        assert tally.recovered > tally.cases * 8 // 10


# The property itself


def test_the_property_holds_for_a_plain_receiver() -> None:
    tally = campaign(range(1, CASES + 1), ReferenceReceiver, stop_after=1)
    assert not tally.failures, tally.failures[0]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_catches(mutant: str) -> None:
    first = RARE.get(mutant, 1000)
    tally = campaign(
        range(first, first + MUTANT_CASES), partial(ReferenceReceiver, mutant=mutant), stop_after=1
    )
    assert tally.failures, f"{mutant}: not noticed in {tally.cases} cases"


# The world


def test_a_case_is_the_same_every_time() -> None:
    for number in range(20):
        case = random_case(number)
        assert case == random_case(number)
        assert case == eval(repr(case))
        assert plan_of(case) == plan_of(case)


def test_a_failing_case_shrinks_and_becomes_a_scenario() -> None:
    receiver = partial(ReferenceReceiver, mutant="skips a hole")
    (failure,) = campaign(range(1000, 2000), receiver, stop_after=1).failures
    smallest = shrink(failure.case, receiver, seconds=20)
    assert len(smallest.case.faults) == 1
    assert len(repr(smallest.case)) < len(repr(failure.case))
    assert repr(smallest.case) in str(smallest)


def test_a_case_makes_a_scenario_that_the_lab_accepts(tmp_path: Path) -> None:
    for number in range(40):
        path = tmp_path / f"case_{number}.yaml"
        path.write_text(random_case(number).as_scenario())
        assert load_scenario(path).seed == random_case(number).seed
