"""The whole risk gate against an independent model: the same answers, sums, warnings and trips in any history."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from c_gate import REASONS
from gate_case import Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = 2_000
STEPS = 60
SHARDS = 4


@pytest.mark.parametrize("shard", range(SHARDS))
def test_thousands_of_seeded_histories_give_what_the_model_gives(shard: int) -> None:
    reached: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    tripped: Counter[str] = Counter()
    for seed in range(shard, CASES, SHARDS):
        case = Case(Random(seed))
        try:
            case.play(STEPS)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        reached.update(case.model.reasons)
        warned.update(case.model.warnings)
        tripped.update(reason for kind, reason, _, _ in case.model.records if kind == "trip")
    assert set(reached) == set(REASONS), "every reason is reached"
    assert len(warned) == 10, "every soft limit warns"
    assert len(tripped) > 15


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(random=st.randoms(use_true_random=False), steps=st.integers(1, 25))
def test_any_history_gives_what_the_model_gives(random: Random, steps: int) -> None:
    Case(random).play(steps)
