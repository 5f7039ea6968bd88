"""The report's section on gaps: a row a driver, a figure for the noise of a line, and honest absence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import stored_runs
import synthetic

from lab.measure.noise import NOISE, NoiseData
from lab.measure.rows import MARKET_TAPS
from lab.report import write_report
from lab.report.gaps import driver_rows, noise_plots, stream_rows
from lab.report.sources import read_run
from lab.tap.tap import RECORD

FRAMES = 500
STREAM = {
    "profile": "imix_noise", "stream": "imix60", "line": "A", "planned": FRAMES, "frames": FRAMES, "bytes": 1,
    "errors": 0, "forced": 3, "late_max_ns": 4_000,
}  # fmt: skip


def stored(root: Path, *, raw: bool) -> Path:
    """A run with noise on line A, with or without the raw files that a figure is drawn from."""
    intended = synthetic.START_NS + np.arange(FRAMES) * 50_000
    records, taps = np.zeros(FRAMES, NOISE), np.zeros(FRAMES, MARKET_TAPS)
    records["intended_ns"], records["sent_ns"], records["burst"] = intended, intended + 100, -1
    taps["stamp_ns"], taps["count"] = intended + 3_000, 1
    noise = NoiseData(records=records, taps=taps, streams=[STREAM], discarded={"A": FRAMES, "B": 0})
    what = stored_runs.scenario(traffic={"noise": [{"profile": "imix_noise"}]}, measure={"gap_bound": "9us"})
    directory = stored_runs.store(root, replace(synthetic.run(), noise=noise), what)
    if raw:
        folder = directory / "raw" / "run" / "exchange"
        folder.mkdir(exist_ok=True)
        np.save(folder / "noise.npy", records)
        stamped = np.zeros(FRAMES, RECORD)
        stamped["stamp_ns"], stamped["line"], stamped["count"] = taps["stamp_ns"], 3, 1
        stamped.tofile(folder.parent / "market_taps.bin")
    return directory


def test_every_driver_and_stream_has_a_row(tmp_path: Path) -> None:
    run = read_run(stored(tmp_path, raw=False))
    rows = dict(driver_rows(run.summary))
    assert set(rows) == {"A", "B", "noise_A"}
    assert rows["noise_A"] == [FRAMES, 0, 50_015, 0, 0, 0, 0, None, None]
    assert stream_rows(run.summary) == [("imix_noise imix60", ["A", FRAMES, FRAMES, 0, 3, 4_000])]


def test_the_page_draws_what_was_meant_and_what_came(tmp_path: Path) -> None:
    directory = stored(tmp_path, raw=True)
    page = write_report(directory).read_text()
    assert 'id="gaps"' in page
    assert "Distribution of the gaps between frames of the noise on line A, intended and actual" in page
    assert "The dashed line is the bound on a gap" in page
    assert "imix_noise imix60" in page


def test_without_raw_files_the_table_is_there_and_the_figure_is_said_to_be_missing(tmp_path: Path) -> None:
    directory = stored(tmp_path, raw=False)
    run = read_run(directory)
    assert noise_plots(run) == []
    assert any("raw noise" in note and "not shown" in note for note in run.notes)
    assert "noise A" in write_report(directory).read_text()
