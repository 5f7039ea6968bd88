"""Limits of a scenario's table, and kills with resting orders, on real wires: scenarios/risk and scenarios/kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_cli import REPOSITORY, Run, play, replays

pytestmark = pytest.mark.privileged

FOLDERS = ("risk", "kill")
SCENARIOS = {
    folder: sorted(path.stem for path in (REPOSITORY / "scenarios" / folder).glob("*.yaml"))
    for folder in FOLDERS
}
TIMED = {"pacing", "kill.p99"}  # the host has a say in them
PREFIX = "tgrisk"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them, played once, on one set of wires."""
    results: Path = tmp_path_factory.mktemp("results")
    return play(results, PREFIX, *(f"scenarios/{folder}" for folder in FOLDERS), "--no-report")


@pytest.mark.parametrize("name", [name for names in SCENARIOS.values() for name in names])
def test_every_check_but_the_timed_ones_passes(runs: dict[str, Run], name: str) -> None:
    assert set(runs[name].not_passed()) - TIMED == set(), json.dumps(runs[name].summary["checks"])


@pytest.mark.parametrize("name", [name for names in SCENARIOS.values() for name in names])
def test_the_journal_replays_to_the_same_orders_and_books(runs: dict[str, Run], name: str) -> None:
    replays(runs[name])


def test_the_summary_counts_what_was_refused_by_reason(runs: dict[str, Run]) -> None:
    """Of each reason as many as the engine's decisions have, and in all as many as no order was seen of."""
    for run in (runs[name] for name in SCENARIOS["risk"]):
        blocked = {name: count for name, count in run.summary["risk"].items() if count and name != "none"}
        assert sum(blocked.values()) == run.summary["counts"]["risk_blocked"]
        assert run.summary["risk"]["none"] == run.summary["order_flow"]["wire"]["entered"]


@pytest.mark.parametrize("name", SCENARIOS["kill"])
def test_a_kill_is_told_with_every_order_that_was_open(runs: dict[str, Run], name: str) -> None:
    """The engine's own counters, the tap and the drop copy name the same number of cancels."""
    run = runs[name]
    cancels = run.summary["mass_cancel"]
    assert len(cancels["each"]) == cancels["kills"] == run.summary["latency_ns"]["kill"]["count"]
    assert cancels["acknowledged"] + cancels["overtaken"] == cancels["asked"] > 0
    sent = run.summary["engine"]["orders"]["cancels_sent"]
    assert (
        sent == run.summary["order_flow"]["wire"]["cancels"] == run.summary["order_flow"]["cancel_received"]
    )
