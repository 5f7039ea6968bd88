"""A run directory goes in; what the report needs of its files comes out, with a note for each that is absent.

Only summary.json is required. Everything else makes the report richer: without the samples there is no curve,
without the raw files no pacing of the gaps, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from lab.measure.match import Status
from lab.measure.noise import NoiseData
from lab.measure.rows import Rows
from lab.results import StoredRun, load_run

__all__ = ["RunFiles", "read_run"]

SAMPLE_TIMES = ("intended_ns", "wire_to_wire_ns", "response_ns")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """``times`` are the columns SAMPLE_TIMES of the samples (MISSING where absent) and ``unmatched`` (bool).

    ``floor_curve`` is (share at or below, ns) of wire_floor. ``notes`` say which file is absent and what the
    report lacks for it. Absent parts are None or empty.
    """

    directory: Path
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    scenario_text: str = ""
    scenario: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, Rows] | None = None
    packets: Rows | None = None
    market_taps: Rows | None = None
    noise: NoiseData | None = None
    floor_curve: tuple[Rows, Rows] | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def read_run(directory: Path) -> RunFiles:
    """UsageError when ``directory`` holds no readable summary.json; every other absence becomes a note."""
    run = load_run(directory)
    notes: list[str] = []

    def read(name: str, reader: Callable[[], T | None], lacks: str) -> T | None:
        try:
            content = reader()
        except FileNotFoundError:
            content = None
        except Exception as error:  # a damaged file must not hide the rest of the run
            notes.append(f"{name}: not readable ({type(error).__name__}: {error}); {lacks}.")
            return None
        if content is None:
            notes.append(f"{name}: not there; {lacks}.")
        return content

    text = read("scenario.yaml", (run.path / "scenario.yaml").read_text, "the experiment is not shown") or ""
    floor = run.summary.get("latency_ns", {}).get("wire_floor", {})
    if not run.manifest:
        notes.append("manifest.json: not there; the provenance is incomplete.")
    return RunFiles(
        directory=run.path,
        summary=run.summary,
        manifest=run.manifest,
        scenario_text=text,
        scenario=_mapping(text),
        times=read("samples.parquet", lambda: _times(run), "no percentile curve and no latency over time"),
        packets=read("raw packets", run.packets, "no pacing figures, and no bursts in the others"),
        market_taps=read("raw market taps", run.market_taps, "the actual gaps on the wire are not shown"),
        noise=read("raw noise", run.noise, "the gaps of the noise are not shown")
        if "noise" in run.summary
        else None,
        floor_curve=_floor_curve(run.path / "wire_floor.hgrm") if floor.get("count") else None,
        events=tuple(read("events.jsonl", lambda: _events(run), "no timeline") or ()),
        notes=tuple(notes),
    )


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _events(run: StoredRun) -> list[dict[str, Any]] | None:
    return run.events() if (run.path / "events.jsonl").exists() else None


def _times(run: StoredRun) -> Mapping[str, Rows] | None:
    if not (run.path / "samples.parquet").exists():
        return None
    columns = run.columns(*SAMPLE_TIMES, "status")
    times = {name: columns[name] for name in SAMPLE_TIMES}
    return {**times, "unmatched": columns["status"] == Status.UNMATCHED.name.lower()}


def _floor_curve(path: Path) -> tuple[Rows, Rows] | None:
    """Value and Percentile columns of an .hgrm file, whose values are ns."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    rows = []
    for line in lines:
        fields = line.split()
        if len(fields) >= 3 and not line.startswith("#"):
            try:
                rows.append((float(fields[1]), float(fields[0])))
            except ValueError:
                continue  # the heading
    curve = np.array(rows)
    return (curve[:, 0], curve[:, 1]) if rows else None
