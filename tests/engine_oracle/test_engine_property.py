"""The engine against a second model of book, strategies, own orders and risk gate, which shares no code with it.

Worlds are seeded; a difference is reported with its seed and the fewest steps that still show it.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine_oracle.campaign import Failure, campaign, shrink
from tests.engine_oracle.judge import Difference, run_case, run_seed
from tests.engine_oracle.mutants import MUTANTS, mutant
from tests.engine_oracle.terms import REASONS

FIRST, CASES = 1, 130
ACTIONS = ("enter", "replace", "cancel", "reduce")
RECORDS = ("trip", "rearm", "kill", "kill_symbol", "kill_strategy", "kill_over", "table", "table_lost")
SOFT = [
    "order_shares",
    "notional",
    "collar",
    "collar_last",
    "position",
    "net_exposure",
    "gross_exposure",
    "open_orders",
    "order_rate",
    "message_rate",
]


def test_the_engine_agrees_with_the_model_and_every_reason_and_action_occurs() -> None:
    tally = campaign(range(FIRST, FIRST + CASES), stop_after=1)
    for failure in tally.failures:
        pytest.fail(str(shrink(failure)), pytrace=False)
    print(tally)
    missing = {
        "reasons": [name for name in ("none", *REASONS) if not tally.reasons[name]],
        "actions": [name for name in ACTIONS if not tally.actions[name]],
        "warnings": [name for name in SOFT if not tally.warnings[name]],
        "records": [name for name in RECORDS if not tally.records[name]],
        "feed states": [name for name in ("LIVE", "GAP", "DOWN", "ENDED") if not tally.states[name]],
    }
    assert not any(missing.values()), missing


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(10**6, 10**9))
def test_the_engine_agrees_with_the_model_in_any_world(seed: int) -> None:
    try:
        run_seed(seed)
    except Difference as difference:
        failure = Failure(difference.case, difference.key, difference.why)
        pytest.fail(str(shrink(failure, seconds=10)), pytrace=False)


# The judge


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_engine_is_noticed(name: str) -> None:
    first = MUTANTS[name].first
    tally = campaign(range(first, first + 150), mutant(name), stop_after=1)
    assert tally.failures, f"{name}: not noticed in {tally.cases} worlds"


def test_a_world_is_the_same_every_time() -> None:
    for seed in range(1, 4):
        outcome = run_seed(seed)
        assert run_seed(seed).case == outcome.case
        assert run_case(outcome.case).reasons == outcome.reasons


def test_a_difference_shrinks_to_few_steps_and_names_its_seed() -> None:
    wrong = mutant("only the first order of a price counts")
    (failure,) = campaign(range(1, 20), wrong, stop_after=1).failures
    smallest = shrink(failure, wrong, seconds=10)
    assert len(smallest.case.steps) <= 4 < len(run_seed(smallest.case.seed).case.steps)
    assert f"seed {smallest.case.seed}" in str(smallest)
