"""The engine's feed against a world that does everything to it; and the test itself against a right receiver, and
wrong ones. TAILGATE_FEED_CASES is how many cases are played (400 by default; some thousands at night)."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from lab.scenario import load_scenario
from tests.feed_integrity.campaign import run_campaign, smallest
from tests.feed_integrity.case import (
    CORRUPTIONS,
    Case,
    Fault,
    Policy,
    RandomDraws,
    Roll,
    draw_case,
    from_text,
)
from tests.feed_integrity.engine_receiver import EngineReceiver
from tests.feed_integrity.faults import FAR, Corruptor, Datagram
from tests.feed_integrity.market import stream
from tests.feed_integrity.mold import heartbeat, pack, parse
from tests.feed_integrity.reference_receiver import MUTANTS, ReferenceReceiver
from tests.feed_integrity.scenario_text import as_scenario
from tests.feed_integrity.world import play

CASES = int(os.environ.get("TAILGATE_FEED_CASES", "400"))
DRAWN = CASES // 3  # by Hypothesis, the others from seeds
SECONDS_MAX = 300 + CASES // 5
PHASES = (
    Phase.explicit,
    Phase.generate,
    Phase.shrink,
)  # without explaining, which takes longer than all the rest
STATES = {"STARTUP", "LIVE", "RECOVERING", "GAP", "RESYNC", "DOWN", "ENDED"}


class HypothesisDraws:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return draw_case(HypothesisDraws(draw))


# The engine


@pytest.mark.timeout(SECONDS_MAX)
@settings(max_examples=DRAWN, phases=PHASES, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_engine_keeps_the_property_in_any_world(case: Case) -> None:
    note(as_scenario(case))
    play(case, EngineReceiver)


@pytest.mark.timeout(SECONDS_MAX)
def test_the_engine_keeps_the_property_in_seeded_worlds_which_exercise_all_of_it() -> None:
    campaign = run_campaign(range(1, CASES - DRAWN + 1), EngineReceiver, broken_max=1)
    for broken in campaign.broken:
        small = smallest(broken, EngineReceiver)
        pytest.fail(f"{small.violation}\n\n{as_scenario(small.case, broken=str(small.violation))}")
    counts = campaign.counts
    for name in ("live", "live_owed", "orders", "books", "requests", "joins"):
        assert counts[name] >= campaign.cases // 4, name
    assert counts.keys() >= STATES


# The test itself


def test_a_right_receiver_keeps_the_property() -> None:
    campaign = run_campaign(range(1, 151), ReferenceReceiver)
    assert [str(broken.violation) for broken in campaign.broken] == []
    assert campaign.counts.keys() >= STATES


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_receiver_is_caught(mutant: str) -> None:
    campaign = run_campaign(range(500), lambda case: ReferenceReceiver(case, mutant=mutant), broken_max=1)
    assert campaign.broken, f"{campaign.cases} cases did not notice that it {mutant}"


def test_a_broken_case_shrinks_to_a_few_lines_of_a_scenario(tmp_path: Path) -> None:
    def make(case: Case) -> ReferenceReceiver:
        return ReferenceReceiver(case, mutant="skips_a_hole")

    (broken,) = run_campaign(range(100), make, broken_max=1).broken
    small = smallest(broken, make)
    assert len(small.case.faults) + len(small.case.rolls) <= 2
    assert small.case.messages <= 20
    assert small.violation.rule == broken.violation.rule
    file = tmp_path / "repro.yaml"
    file.write_text(as_scenario(small.case, broken=str(small.violation)))
    assert len(file.read_text().splitlines()) <= 20
    assert len(load_scenario(file).faults) >= 1


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_the_scenario_of_a_case_is_a_scenario(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 10):
        case = draw_case(RandomDraws(seed))
        file = tmp_path / f"{seed}.yaml"
        file.write_text(as_scenario(case, broken="what: 'it' did"))
        assert load_scenario(file).seed == case.seed


def test_faults_of_a_case_stand_in_its_scenario(tmp_path: Path) -> None:
    case = Case(
        skew_us=7,
        rolls=(Roll(at=40, end_previous=False),),
        faults=(
            Fault(at=10, packets=5),
            Fault(do="corrupt", lines="R", what="bits", amount=3, clusters=(10, 30)),
            Fault(do="corrupt", lines="A", what="session"),
            Fault(do="reorder", lines="B", amount=4, percent=10),
        ),
    )
    file = tmp_path / "case.yaml"
    file.write_text(as_scenario(case))
    faults: list[Any] = list(load_scenario(file).faults)
    assert [fault.do for fault in faults] == ["delay", "session_roll", "drop", "corrupt", "reorder"]
    assert (faults[2].lines, faults[2].packets, faults[2].at.sequence) == (("A", "B"), 5, 10)
    assert faults[3].lines == ("recovery",)
    assert 'what="session"' in file.read_text(), "in a comment"


def test_a_case_is_read_back_from_its_text() -> None:
    for seed in range(100):
        case = draw_case(RandomDraws(seed))
        assert from_text(str(case)) == case
    assert str(Case(policy=Policy(strict=False))) == "Case(policy=Policy(strict=False))"


def test_the_same_case_is_the_same_run() -> None:
    for seed in range(10):
        case = draw_case(RandomDraws(seed))
        assert play(case, ReferenceReceiver) == play(case, ReferenceReceiver)


@given(st.data(), st.integers(0, 2**32), st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=300)
def test_corruption_that_arrives_shows_itself(data: st.DataObject, seed: int, messages: list[bytes]) -> None:
    session, first = b"TAILGATE01", 1
    sequence = data.draw(st.integers(1, 500))
    clean = pack(session, sequence, messages) if messages else heartbeat(session, sequence)
    fault = Fault(
        do="corrupt", what=data.draw(st.sampled_from(CORRUPTIONS)), amount=data.draw(st.integers(1, 8))
    )
    corruptor = Corruptor([session], {session: first})
    spoiled = corruptor.spoil(fault, Datagram(0, clean, sequence, len(messages)), random.Random(seed))
    if spoiled is None:
        return
    parsed = parse(spoiled.data)
    assert (parsed is None) == (spoiled.harm == "malformed")
    if parsed is not None:
        foreign, far = parsed.session != session, parsed.sequence >= sequence + FAR
        assert foreign or parsed.blocks == tuple(messages), "no message changed"
        assert foreign or far or parsed.shown <= first
        assert spoiled.harm == ("foreign" if foreign else "far" if far else "behind")


def test_the_market_is_orderly() -> None:
    for seed in range(20):
        flow = stream(seed=seed, count=300, symbols=1 + seed % 4, resets=(100,) if seed % 2 else ())
        assert len(flow.messages) == len(flow.fields) == 300
        assert len({message[:1] for message in flow.messages}) >= 9
