"""What a run directory holds of a feed that lost something, and of one that was stored before that was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from synthetic_feed import Loss, Truth, lossy

from lab.measure import RunData, Session
from lab.measure.histogram import HIGHEST_NS, SIGNIFICANT_DIGITS
from lab.results import RunDirectory, StoredRun, judge_run, load_run

SCENARIO = synthetic.scenario(expect={"recovered": True})
LOSSES = [Loss(first=first, count=10) for first in (100, 400, 700)]
LOSSES.append(Loss(first=1_000, count=25, way="snapshot"))


def store(root: Path, data: RunData) -> StoredRun:
    run = RunDirectory.create(root, SCENARIO)
    run.write(judge_run(SCENARIO, data), data)
    run.finish()
    return load_run(run.path)


@pytest.fixture(scope="module")
def world() -> tuple[RunData, list[Truth]]:
    data, truths = lossy(synthetic.run(packets=1_500), LOSSES)
    whole = Session(
        session="ONE", ordinal=0, first_position=1, last_position=int(data.packets["count"].sum())
    )
    return replace(data, sessions=(whole,)), truths


@pytest.fixture(scope="module")
def stored(world: tuple[RunData, list[Truth]], tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    return store(tmp_path_factory.mktemp("results"), world[0])


def test_recoveries_have_a_histogram_log_and_a_percentile_file(
    stored: StoredRun, world: tuple[RunData, list[Truth]]
) -> None:
    gaps = [truth.live_ns - truth.dropped_ns for truth in world[1]]
    reader = HistogramLogReader(
        str(stored.path / "latency.hlog"), HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
    )
    whole = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
    tags = set()
    while (part := reader.get_next_interval_histogram()) is not None:
        tags.add(part.get_tag())
        if part.get_tag() == "recovery.gap":
            whole.add(part)
    reader.input_file.close()
    assert {"recovery.gap", "won_by.A", "won_by.B"} <= tags
    assert whole.get_total_count() == len(gaps)
    assert whole.get_max_value() == whole.get_highest_equivalent_value(max(gaps))
    for name in ("recovery.gap", "won_by.A", "won_by.B"):
        assert (stored.path / f"{name}.hgrm").exists()
    assert stored.summary["latency_ns"]["recovery"]["gap"]["count"] == len(gaps)
    assert stored.summary["feed_quality"]["recovery_ns"] == stored.summary["latency_ns"]["recovery"]["gap"]


def test_the_summary_names_sessions_joins_and_every_stretch(stored: StoredRun) -> None:
    summary = stored.summary
    assert [session["session"] for session in summary["run"]["sessions"]] == ["ONE"]
    (join,) = summary["engine"]["joins"]
    assert join["sequence"] - join["skipped_from"] == summary["feed_quality"]["skipped"]
    assert len(summary["feed_quality"]["stretches"]) == len(summary["feed_quality"]["recoveries"]) == 4
    assert summary["counts"]["skipped"] == len(
        np.load(stored.path / "raw" / "run" / "skipped_triggers.npy", allow_pickle=False)
    )


def test_joins_and_windows_are_events(stored: StoredRun) -> None:
    events = stored.events()
    whats = [event["what"] for event in events]
    assert [f"drop window {number} of 4" for number in (1, 2, 3, 4)] == [
        what for what in whats if "window" in what
    ]
    (joined,) = [event for event in events if event["kind"] == "feed_join"]
    assert joined["what"] == "snapshot joined"
    assert joined["detail"]["skipped"] == stored.summary["feed_quality"]["skipped"]


def test_a_run_that_lost_nothing_has_no_recovery_file(tmp_path: Path) -> None:
    sound = store(tmp_path, synthetic.run(packets=300))
    assert not (sound.path / "recovery.gap.hgrm").exists()
    assert sound.summary["latency_ns"]["recovery"]["gap"]["count"] == 0


def test_a_run_stored_before_any_of_this_is_still_read(stored: StoredRun, tmp_path: Path) -> None:
    sound = store(tmp_path, synthetic.run(packets=300))
    summary = json.loads((sound.path / "summary.json").read_text())
    for key in ("recovery", "won_by"):
        del summary["latency_ns"][key]
    del summary["feed_quality"], summary["counts"]["skipped"], summary["run"]["sessions"]
    for key in ("joins", "joins_lost", "episodes_lost", "recovery"):
        del summary["engine"][key]
    (sound.path / "summary.json").write_text(json.dumps(summary))
    old = load_run(sound.path)
    assert len(old.samples()) == summary["counts"]["triggers"]
    assert old.scenario.title == SCENARIO.title
