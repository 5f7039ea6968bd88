"""A run directory goes in; what the report needs of its files comes out, with a note for every file that is absent.

Only summary.json is required. Everything else makes the report richer: without the samples there is no curve,
without the raw files no pacing of the gaps, and the report says so where the reader would look for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from lab.errors import UsageError
from lab.measure.rows import MISSING, PACKETS, Rows, require_rows

__all__ = ["RunFiles", "read_run"]

SAMPLE_TIMES = ("intended_ns", "wire_to_wire_ns", "response_ns")
HGRM_UNIT_NS = {"ns": 1.0, "us": 1_000.0}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """``times`` are the sample columns of SAMPLE_TIMES (MISSING where there is none) and ``unmatched`` (bool).

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
    floor_curve: tuple[Rows, Rows] | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def read_run(directory: Path) -> RunFiles:
    """UsageError when ``directory`` holds no readable summary.json; every other absence becomes a note."""
    summary_path = directory / "summary.json"
    try:
        summary = json.loads(summary_path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(
            "no summary to report on",
            where=str(summary_path),
            why=str(error),
            todo="give the directory of a run, such as results/latest",
        ) from error
    notes: list[str] = []

    def read(name: str, reader: Callable[[Path], T], lacks: str) -> T | None:
        path = directory / name
        try:
            return reader(path)
        except FileNotFoundError:
            notes.append(f"{name} is not there: {lacks}.")
        except Exception as error:  # a damaged file must not hide the rest of the run
            notes.append(f"{name} could not be read ({type(error).__name__}: {error}): {lacks}.")
        return None

    text = read("scenario.yaml", Path.read_text, "the experiment's definition is not shown") or ""
    floor_asked = bool(summary.get("latency_ns", {}).get("wire_floor", {}).get("count"))
    return RunFiles(
        directory=directory,
        summary=summary,
        manifest=read("manifest.json", _json, "the provenance is incomplete") or {},
        scenario_text=text,
        scenario=_mapping(text),
        times=read("samples.parquet", _times, "no percentile curve and no latency over time"),
        packets=read("raw/run/exchange/packets.npy", _packets, "no pacing figure and no bursts in the others"),
        market_taps=read("raw/run/market_taps.bin", _taps, "the actual gaps on the wire are not shown"),
        floor_curve=_floor_curve(directory) if floor_asked else None,
        events=read("events.jsonl", _events, "no timeline of events") or (),
        notes=tuple(notes),
    )


def _json(path: Path) -> Mapping[str, Any]:
    loaded = json.loads(path.read_text())
    if not isinstance(loaded, dict):
        raise ValueError("not a JSON object")
    return loaded


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _events(path: Path) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(line) for line in path.read_text().splitlines() if line.strip())


def _packets(path: Path) -> Rows:
    rows = require_rows(np.load(path, allow_pickle=False), PACKETS, path.name)
    return rows[np.argsort(rows["first_sequence"], kind="stable")]


def _taps(path: Path) -> Rows:
    from lab.tap import market_rows  # needs the compiled module, which a reader of reports may not have

    return market_rows(path)


def _times(path: Path) -> Mapping[str, Rows]:
    table = pq.read_table(path, columns=[*SAMPLE_TIMES, "status"])
    times: dict[str, Rows] = {
        name: pc.fill_null(table[name], MISSING).to_numpy().astype(np.int64) for name in SAMPLE_TIMES
    }
    status = table["status"].to_numpy()
    if status.dtype.kind in "iu":
        times["unmatched"] = status == 2
    else:
        times["unmatched"] = np.char.lower(status.astype(str)) == "unmatched"
    return times


def _floor_curve(directory: Path) -> tuple[Rows, Rows] | None:
    """From the percentile file of the floor; its values are ns unless its name says otherwise."""
    path = directory / "wire_floor.hgrm"
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
    if not rows:
        return None
    curve = np.array(rows)
    return curve[:, 0], curve[:, 1]
