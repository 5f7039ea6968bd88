"""A run's directory in; summary, manifest, scenario, samples and raw rows out, each when asked for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import UsageError
from lab.measure.noise import NOISE, NoiseData
from lab.measure.rows import DECISIONS, DROP_COPY, MARKET_TAPS, ORDER_ARRIVALS, PACKETS, Rows, require_rows
from lab.results.directory import LATEST
from lab.results.files import sha256_of
from lab.results.judgement import SCHEMA
from lab.results.manifest import MANIFEST
from lab.results.samples import read_columns, read_samples
from lab.scenario import Scenario, load_frozen

__all__ = ["MARKET_STAMPS", "StoredRun", "find_run", "load_run"]

MARKET_STAMPS = "market_stamps.npy"  # of a pass where not all of them are the tap's

DEFAULT_ROOT = Path("results")
SHOWN = 3
REWRITTEN = ("report.html",)  # `tailgate report` writes it again


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """``summary`` and ``manifest`` are the files' content; a run that crashed late has no manifest ({})."""

    path: Path
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def scenario(self) -> Scenario:
        """The frozen scenario, under the name it ran as. ScenarioError when the file was damaged."""
        scenario = load_frozen(self.path / "scenario.yaml")
        return scenario.model_copy(update={"name": str(self.summary.get("scenario", scenario.name))})

    def samples(self) -> Rows:
        """A SAMPLES row per trigger, in feed order (``lab.measure.match.SAMPLES``)."""
        return read_samples(self.path / "samples.parquet")

    def columns(self, *names: str) -> dict[str, Rows]:
        """Some columns of samples.parquet: ns as integers (MISSING for null), words as text ("" for null)."""
        return read_columns(self.path / "samples.parquet", names)

    def events(self) -> list[dict[str, Any]]:
        """events.jsonl, in order of time."""
        path = self.path / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def packets(self) -> Rows | None:
        """PACKETS rows as published; None when the raw files are gone."""
        return self._rows(PACKETS, "exchange/packets.npy", "packets.npy")

    def decisions(self) -> Rows | None:
        return self._rows(DECISIONS, "engine/decisions.npy", "decisions.npy")

    def drop_copy(self) -> Rows | None:
        return self._rows(DROP_COPY, "exchange/drop_copy.npy", "drop_copy.npy")

    def market_taps(self) -> Rows | None:
        """MARKET_TAPS rows in order of stamping; None when the raw files are gone."""
        together = self._rows(MARKET_TAPS, MARKET_STAMPS)  # where some are not the tap's
        if together is not None:
            return together
        binary = self.path / "raw" / "run" / "market_taps.bin"
        if binary.exists():
            from lab.tap import market_rows  # needs the compiled module, which reading a summary does not

            return market_rows(binary)
        return self._rows(MARKET_TAPS, "market_taps.npy")

    def noise(self) -> NoiseData | None:
        """What was sent beside the market and where it was seen; None without noise or raw files."""
        folder = self.path / "raw" / "run"
        records = self._rows(NOISE, "exchange/noise.npy")
        if records is None or not (folder / "market_taps.bin").exists():
            return None
        from lab.tap import noise_rows

        return NoiseData(records=records, taps=noise_rows(folder / "market_taps.bin"), streams=())

    def order_arrivals(self) -> Rows | None:
        binary = self.path / "raw" / "run" / "order_frames.bin"
        if binary.exists():
            from lab.tap import order_arrivals

            return order_arrivals(binary)
        return self._rows(ORDER_ARRIVALS, "order_arrivals.npy")

    def damaged(self, names: Collection[str] | None = None) -> list[str]:
        """Files that are not as the manifest has them: all it lists, or those of ``names`` that it lists."""
        wrong = []
        for name, known in self.manifest.get("files", {}).items():
            if name in REWRITTEN or (names is not None and name not in names):
                continue
            path = self.path / name
            if not path.is_file() or sha256_of(path) != known["sha256"]:
                wrong.append(name)
        return wrong

    def _rows(self, layout: np.dtype[Any], *names: str) -> Rows | None:
        for name in names:
            path = self.path / "raw" / "run" / name
            if path.exists():
                return require_rows(np.load(path, allow_pickle=False), layout, str(path))
        return None


def load_run(name: str | Path, *, root: Path = DEFAULT_ROOT) -> StoredRun:
    """A run by its directory, by its name under ``root``, or ``latest``. UsageError for anything else."""
    path = find_run(str(name), root)
    summary_path = path / "summary.json"
    if not summary_path.is_file():
        run = (path / "scenario.yaml").exists() or (path / "raw").is_dir()
        raise UsageError(
            f"{path} was never judged" if run else f"{path} is not a run",
            why="it has no summary.json",
            todo=f"tailgate run {path / 'scenario.yaml'}" if run else _others(root),
        )
    summary = _read(summary_path)
    if summary.get("schema") != SCHEMA:
        raise UsageError(
            f"{summary_path} has schema {summary.get('schema')!r}, this version reads {SCHEMA}",
            todo="read it with the version that wrote it; manifest.json names it",
        )
    manifest_path = path / MANIFEST
    return StoredRun(
        path=path, summary=summary, manifest=_read(manifest_path) if manifest_path.is_file() else {}
    )


def find_run(name: str, root: Path) -> Path:
    """A run's directory, judged or not. UsageError when there is none."""
    candidates = [root / name] if name == LATEST else [Path(name), root / name]
    for path in candidates:
        if path.is_dir():
            return path.resolve()
    if name == LATEST:
        raise UsageError(f"there is no run in {root} yet", todo="tailgate run scenarios/quickstart")
    where = next((path for path in candidates if path.exists()), None)
    if where is not None:
        raise UsageError(f"{where} is a file, a run is a directory", todo=_others(root))
    places = " nor ".join(dict.fromkeys(str(path) for path in candidates))  # one, where the name is absolute
    raise UsageError(f"no run at {name}", why=f"there is nothing at {places}", todo=_others(root))


def _others(root: Path) -> str:
    runs = sorted(path.parent.name for path in root.glob("*/summary.json") if not path.parent.is_symlink())
    if not runs:
        return "tailgate run scenarios/quickstart"
    return f"name one of the runs in {root}, such as {', '.join(runs[-SHOWN:])}"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no JSON object", why="another program wrote it")
    return content
