"""Limits of a scenario's table on real wires: every file of scenarios/risk ends as it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_cli import REPOSITORY, Run, left_behind, runs_in, tailgate

pytestmark = pytest.mark.privileged

SCENARIOS = sorted(path.stem for path in (REPOSITORY / "scenarios" / "risk").glob("*.yaml"))
TIMED = {"pacing"}  # the host has a say in it
PREFIX = "tgrisk"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them, played once, on one set of wires."""
    results: Path = tmp_path_factory.mktemp("results")
    answer = tailgate("run", "scenarios/risk", "--results", results, "--prefix", PREFIX)
    assert not answer.err
    assert answer.code in (0, 1, 2)
    assert not left_behind(PREFIX)
    return runs_in(results)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_check_but_the_timed_ones_passes(runs: dict[str, Run], name: str) -> None:
    assert set(runs[name].not_passed()) - TIMED == set(), json.dumps(runs[name].summary["checks"])


def test_the_summary_counts_what_was_refused_by_reason(runs: dict[str, Run]) -> None:
    """Of each reason as many as the engine's decisions have, and in all as many as no order was seen of."""
    for run in runs.values():
        blocked = {name: count for name, count in run.summary["risk"].items() if count and name != "none"}
        assert sum(blocked.values()) == run.summary["counts"]["risk_blocked"]
        assert run.summary["risk"]["none"] == run.summary["order_flow"]["wire"]["entered"]
