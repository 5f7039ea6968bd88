"""What can happen to a feed, on real wires: every scenario of scenarios/feed ends as its file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_cli import REPOSITORY, Run, play, replays

pytestmark = [pytest.mark.privileged, pytest.mark.timeout(900)]  # all are played before the first is judged

LONG = {"recover_64_200_times"}  # a bench: its bound is in time
SCENARIOS = sorted(
    path.stem for path in (REPOSITORY / "scenarios" / "feed").glob("*.yaml") if path.stem not in LONG
)
TIMED = {"pacing", "recovery.gap.max"}  # the host has a say in these
PREFIX = "tgfeed"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them, one after the other on one set of wires."""
    results = tmp_path_factory.mktemp("results")
    return play(results, PREFIX, *(f"scenarios/feed/{name}" for name in SCENARIOS), "--no-report")


@pytest.fixture
def run(request: pytest.FixtureRequest, played: dict[str, Run]) -> Run:
    return played[request.param]


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_every_check_but_the_timed_ones_passes(run: Run) -> None:
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_the_result_says_how_good_the_feed_was(run: Run) -> None:
    quality = run.summary["feed_quality"]
    assert set(quality["lines"]) == {"A", "B"}
    for line in quality["lines"].values():
        assert line["packets_published"] == line["packets_seen"] + line["lost"]
    assert {"gaps", "blind", "recovered", "skew_ns", "stale_symbols"} <= set(quality)


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_the_journal_replays_to_the_same_orders_and_books(run: Run) -> None:
    replays(run)


def test_the_shipped_feed_scenarios_are_all_played() -> None:
    on_disk = {path.stem for path in Path(REPOSITORY, "scenarios", "feed").glob("*.yaml")}
    assert on_disk == set(SCENARIOS) | LONG
