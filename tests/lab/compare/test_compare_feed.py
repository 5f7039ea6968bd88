"""Comparing runs that lost something: recoveries and margins side by side, and old runs that measured neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import synthetic
from synthetic_feed import Loss, lossy

from lab.compare import compare_runs
from lab.measure import RunData
from lab.results import RunDirectory, StoredRun, judge_run, load_run

SCENARIO = synthetic.scenario()
LOSSES = [Loss(first=first, count=8) for first in range(100, 1_900, 150)]
Store = Callable[[RunData], StoredRun]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def stored(data: RunData) -> StoredRun:
        run = RunDirectory.create(tmp_path, SCENARIO)
        run.write(judge_run(SCENARIO, data), data)
        run.finish()
        return load_run(run.path)

    return stored


def test_recoveries_are_compared_with_their_intervals(store: Store) -> None:
    sound = synthetic.run(floor=False)
    fast = store(lossy(sound, LOSSES)[0])
    slow = store(lossy(sound, [Loss(first=loss.first, count=60) for loss in LOSSES])[0])
    figure = compare_runs(fast, slow).figure("recovery.gap")
    assert figure is not None
    assert (figure.a_count, figure.b_count) == (len(LOSSES), len(LOSSES))
    half = next(point for point in figure.points if point.point == "p50")
    assert half.change == "slower"
    assert half.ratio is not None
    assert half.ratio > 1.5
    assert half.a_interval is not None
    margins = compare_runs(fast, slow).figure("won_by.A")
    assert margins is not None
    assert all(point.a_interval is None for point in margins.points)


def test_a_loss_without_recovery_is_a_warning(store: Store) -> None:
    sound = synthetic.run(floor=False)
    endless = store(lossy(sound, [*LOSSES[:3], Loss(first=1_500, count=5, way="none")])[0])
    warnings = compare_runs(endless, endless).warnings
    assert [one for one in warnings if "1 of its losses had no recovery to time" in one]


def test_a_run_that_never_measured_its_feed_is_compared_without_it(store: Store) -> None:
    run = store(synthetic.run(packets=500, floor=False))
    summary = json.loads((run.path / "summary.json").read_text())
    del summary["feed_quality"], summary["latency_ns"]["recovery"], summary["latency_ns"]["won_by"]
    (run.path / "summary.json").write_text(json.dumps(summary))
    old = load_run(run.path)
    comparison = compare_runs(old, run)
    assert comparison.figure("recovery.gap") is None
    margins = comparison.figure("won_by.A")
    assert margins is not None
    assert margins.a_count == 0
    assert all(point.ratio is None for point in margins.points)
