"""Profiles played beside the market on real wires: scenarios/noise, what the summary and the report say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lab_cli import REPOSITORY, Run, play, replays, tailgate

pytestmark = [pytest.mark.privileged, pytest.mark.timeout(600)]

SCENARIOS = sorted(path.stem for path in (REPOSITORY / "scenarios" / "noise").glob("*.yaml"))
TIMED = {"pacing", "burst_shape"}  # the host has a say in them
PREFIX = "tgnoise"
REPORTED = "imix_and_incast"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them, played once; one has a report."""
    results = tmp_path_factory.mktemp("results")
    play(
        results, PREFIX, *(f"scenarios/noise/{name}" for name in SCENARIOS if name != REPORTED), "--no-report"
    )
    return play(results, PREFIX, f"scenarios/noise/{REPORTED}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_check_but_the_timed_ones_passes(runs: dict[str, Run], name: str) -> None:
    assert set(runs[name].not_passed()) - TIMED == set(), json.dumps(runs[name].summary["checks"])


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_journal_replays_to_the_same_orders_and_books(runs: dict[str, Run], name: str) -> None:
    replays(runs[name])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_frame_that_was_planned_was_on_the_wire_and_is_accounted_for(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    noise = run.summary["noise"]
    records = np.load(run.path / "raw" / "run" / "exchange" / "noise.npy")
    planned = sum(stream["planned"] for stream in noise["streams"])
    assert planned == len(records) == sum(stream["frames"] for stream in noise["streams"]) > 1000
    for line, counts in noise["lines"].items():
        assert counts["frames"] == counts["at_wire"] == run.summary["gaps"][f"noise_{line}"]["frames"]
        dropped = None if name.endswith("kernel") else counts["frames"]
        assert counts["engine_dropped"] == dropped
        assert run.summary["gaps"][f"noise_{line}"]["missing"] == 0


def test_the_report_shows_the_gaps_meant_and_on_the_wire(runs: dict[str, Run]) -> None:
    page = (runs["imix_and_incast"].path / "report.html").read_text()
    assert 'id="gaps"' in page
    for line in "AB":
        assert f"noise on line {line}, intended and actual" in page
    assert "incast channel1" in page


def test_a_tunable_that_is_not_one_ends_the_command_before_a_wire_is_built(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text(
        "title: A mistake\ntraffic:\n  noise:\n    - {profile: incast, tunables: {chanels: 3}}\n"
    )
    answer = tailgate("run", scenario, "--results", tmp_path, "--prefix", PREFIX)
    assert answer.code == 64
    assert "unrecognized arguments: --chanels 3; its tunables: channels" in " ".join(answer.err.split())
    assert "wrong.yaml:4" in answer.err
    assert "Traceback" not in answer.err
