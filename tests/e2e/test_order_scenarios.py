"""What can happen to an order session, on real wires: every scenario of scenarios/orders ends as its file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_cli import REPOSITORY, Run, play, replays

pytestmark = pytest.mark.privileged

SCENARIOS = sorted(path.stem for path in (REPOSITORY / "scenarios" / "orders").glob("*.yaml"))
TIMED = {"pacing"}  # the host has a say in it
PREFIX = "tgorder"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_check_but_the_timed_ones_passes(name: str, results: Path) -> None:
    run: Run = play(results, PREFIX, f"scenarios/orders/{name}", "--no-report", codes=(0, 2))[name]
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])
    replays(run)
