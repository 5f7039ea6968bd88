"""results/<utc>-<scenario>-<id>/: created before the run, filled step by step, then named by ``latest``.

Raw files come first and each step is complete on disk before the next begins, so that a crash late loses only
what can be derived again. manifest.json ends ``write()``; ``finish()`` adds the files that came after it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import UsageError
from lab.measure import RunData
from lab.results.files import replacing, write_json, write_text
from lab.results.histograms import HLOG, write_hgrm, write_hlog
from lab.results.judgement import Judgement
from lab.results.junit import junit_xml
from lab.results.manifest import MANIFEST, hashes, manifest, update_manifest
from lab.results.samples import write_samples
from lab.scenario import Scenario, freeze

__all__ = ["LATEST", "RunDirectory"]

LATEST = "latest"
RAW_TABLES = ("packets", "market_taps", "order_arrivals", "decisions", "drop_copy")
EVIDENCE = ("engine.journal", "audit.jsonl")
NAME_LENGTH_MAX = 60
TRIES = 16
OTHER_ROOT = "name another directory with --results"
SECOND_NS = 1_000_000_000


class RunDirectory:
    """One run's place on disk. The passes write into ``raw`` themselves, as raw/floor and raw/run."""

    def __init__(self, path: Path, scenario: Scenario, *, created: datetime) -> None:
        self.path = path
        self.scenario = scenario
        self.created = created
        self._utc_of_monotonic_ns = time.time_ns() - time.monotonic_ns()

    @classmethod
    def create(cls, root: Path, scenario: Scenario) -> RunDirectory:
        """A new directory under ``root``, which is made when absent. UsageError when it cannot be."""
        created = datetime.now(UTC)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", scenario.name)[:NAME_LENGTH_MAX].strip(".-") or "scenario"
        for _ in range(TRIES):
            path = root / f"{created:%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(2)}"
            try:
                path.mkdir(parents=True)
                (path / "raw").mkdir()
            except FileExistsError:
                if root.is_dir():
                    continue
                raise UsageError(f"{root} is not a directory", todo=OTHER_ROOT) from None
            except OSError as error:
                raise UsageError(f"no run in {root}", why=str(error.strerror), todo=OTHER_ROOT) from error
            return cls(path, scenario, created=created)
        raise UsageError(f"{root} has no free name left for this second", todo="run again")

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def created_utc(self) -> str:
        return self.created.isoformat(timespec="seconds").replace("+00:00", "Z")

    def write_scenario(self) -> None:
        """scenario.yaml with every default written out; it alone reproduces the run."""
        write_text(self.path / "scenario.yaml", freeze(self.scenario))

    def write(self, judgement: Judgement, data: RunData) -> None:
        """Everything derived from ``data``, in the order of the results contract; manifest.json last."""
        started_ns = judgement.measurement.started_ns
        started_utc_ns = max(0, started_ns + self._utc_of_monotonic_ns)
        series = judgement.measurement.series
        self._take_up_evidence()
        self._write_raw(data)
        self._write_events(data, started_ns)
        if not (self.path / "scenario.yaml").exists():
            self.write_scenario()
        write_samples(
            self.path / "samples.parquet",
            judgement.measurement.samples,
            reason_names=data.engine.reason_names,
        )
        write_hlog(self.path / HLOG, series, started_ns=started_ns, started_utc_ns=started_utc_ns)
        write_hgrm(self.path, series)
        summary = self._identified(judgement.summary)
        write_json(self.path / "summary.json", summary)
        self._write_junit(judgement)
        content = manifest(
            directory=self.path,
            created_utc=self.created_utc,
            summary=summary,
            knobs=data.host.knobs,
            started_utc_ns=started_utc_ns,
        )
        write_json(self.path / MANIFEST, {**content, "files": hashes(self.path)})

    def finish(self) -> None:
        """Completes the manifest and points ``latest`` here; also for a run that could not be judged."""
        update_manifest(self.path)
        link = self.path.parent / f".{LATEST}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(self.path.name)
        try:
            link.replace(self.path.parent / LATEST)
        except OSError as error:
            link.unlink(missing_ok=True)
            raise UsageError(f"{self.path.parent / LATEST} is in the way", why=str(error.strerror)) from error

    def _identified(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        run = {"id": self.path.name, "created_utc": self.created_utc, **summary["run"]}
        return {**summary, "run": run}

    def _take_up_evidence(self) -> None:
        """Journal and audit trail of the run go where the results contract has them."""
        for name in EVIDENCE:
            file = self.raw / "run" / "engine" / name
            if file.exists():
                file.replace(self.path / name)

    def _write_raw(self, data: RunData) -> None:
        """Rows that no pass wrote itself: all for imported data, the oracle's triggers for every run."""
        (self.raw / "run").mkdir(parents=True, exist_ok=True)
        tables = (
            {} if any((self.raw / "run").iterdir()) else {name: getattr(data, name) for name in RAW_TABLES}
        )
        oracle = {"expected_triggers": data.expected_triggers, "skipped_triggers": data.skipped_triggers}
        tables |= {name: rows for name, rows in oracle.items() if rows is not None}
        for name, rows in tables.items():
            with replacing(self.raw / "run" / f"{name}.npy") as file:
                np.save(file, rows, allow_pickle=False)

    def _write_events(self, data: RunData, started_ns: int) -> None:
        lines = sorted(_events(data), key=lambda event: int(event["at_ns"]))
        text = "".join(
            json.dumps({"at_ns": at_ns, "since_start_ns": at_ns - started_ns, **event}, default=str) + "\n"
            for event in lines
            for at_ns in [int(event.pop("at_ns"))]
        )
        write_text(self.path / "events.jsonl", text)

    def _write_junit(self, judgement: Judgement) -> None:
        text = junit_xml(
            scenario=self.scenario.name,
            title=self.scenario.title,
            checks=judgement.checks,
            verdict=judgement.verdict,
            timestamp=self.created.isoformat(timespec="seconds"),
            seconds=judgement.summary["run"]["duration_ns"] / SECOND_NS,
        )
        write_text(self.path / "junit.xml", text)


def _events(data: RunData) -> Iterator[dict[str, Any]]:
    """The lab's own events, the feed's state changes and joins, and what of each fault the lab did not note."""
    noted = {event.what for event in data.events if event.kind == "fault"}
    for event in data.events:
        yield {"at_ns": event.at_ns, "kind": event.kind, "what": event.what, "detail": dict(event.detail)}
    for change in data.engine.transitions:
        detail = {"cause": change.cause, "sequence": change.sequence}
        what = f"{change.before} -> {change.after}"
        yield {"at_ns": change.at_ns, "kind": "feed_state", "what": what, "detail": detail}
    for swap in data.engine.strategies.get("changes", ()):
        what = f"{swap['before']} -> {swap['after']}"
        detail = {name: swap[name] for name in ("cause", "sequence", "poll", "detail", "signal")}
        yield {"at_ns": int(swap["at_ns"]), "kind": "strategy", "what": what, "detail": detail}
    for join in data.engine.joins:
        skipped = {"sequence": join.sequence, "skipped": join.sequence - join.skipped_from}
        what = "began with an empty book" if join.emptied else "snapshot joined"
        yield {"at_ns": join.at_ns, "kind": "feed_join", "what": what, "detail": skipped}
    for fault in data.faults:
        for number, (first_ns, last_ns) in enumerate(fault.windows if len(fault.windows) > 1 else (), 1):
            what = f"{fault.name} window {number} of {len(fault.windows)}"
            yield {
                "at_ns": first_ns,
                "kind": "fault",
                "what": what,
                "detail": {"lasted_ns": last_ns - first_ns},
            }
        for step in ("injected", "healed", "detected", "recovered"):
            at_ns, what = getattr(fault, f"{step}_ns"), f"{fault.name} {step}"
            if at_ns and what not in noted:
                yield {"at_ns": at_ns, "kind": "fault", "what": what, "detail": {"detail": fault.detail}}
