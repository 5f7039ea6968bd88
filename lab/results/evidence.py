"""A run's journal and audit trail: replayed, or verified, with the evidence that the rest of the run adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.audit import AuditVerdict, verify
from engine.binding import EngineError
from engine.replay import Replay, replay
from lab.errors import UsageError
from lab.results.files import sha256_of
from lab.results.manifest import MANIFEST
from lab.results.stored import find_run

__all__ = ["audit_run", "replay_run"]

JOURNAL, TRAIL = "engine.journal", "audit.jsonl"
ABSENT = {
    JOURNAL: "the run had engine: {journal: false}, or its engine never started",
    TRAIL: "its engine never started",
}


def evidence_file(name: str, file: str, *, root: Path) -> Path:
    """The file itself, or that of a run; of a run that was never judged, where the engine left it."""
    if Path(name).is_file():
        return Path(name)
    run = find_run(name, root)
    for path in (run / file, run / "raw" / "run" / "engine" / file):
        if path.is_file():
            return path
    raise UsageError(
        f"{run} has no {file}",
        why=ABSENT[file],
        todo="tailgate run SCENARIO",
    )


def replay_run(name: str, *, root: Path, until: int | None, symbols: tuple[int, ...]) -> tuple[Path, Replay]:
    """The journal of a run, or a journal's file, run again. UsageError when there is nothing to run."""
    path = evidence_file(name, JOURNAL, root=root)
    try:
        return path, replay(path, until=until, symbols=symbols)
    except (EngineError, OSError) as error:
        raise UsageError(str(error), todo="name a run, or its engine.journal") from error


def audit_run(name: str, *, root: Path) -> tuple[Path, AuditVerdict, list[str]]:
    """The trail's own verdict, and what engine.json and manifest.json say against it."""
    path = evidence_file(name, TRAIL, root=root)
    try:
        verdict = verify(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=str(error.strerror)) from error
    return path, verdict, against(path, verdict)


def against(path: Path, verdict: AuditVerdict) -> list[str]:
    """A chain that was written anew holds in itself: what was kept elsewhere tells."""
    doubts = []
    run = path.parent if (path.parent / "raw").is_dir() else None
    report = run / "raw" / "run" / "engine" / "engine.json" if run else path.with_name("engine.json")
    seal = _read(report).get("audit", {}).get("seal")
    if seal is not None and verdict.problem is None and seal != verdict.seal:
        doubts.append(f"{report} knows another seal: the trail was written anew")
    known = _read(run / MANIFEST).get("files", {}).get(TRAIL) if run else None
    if known and known["sha256"] != sha256_of(path):
        doubts.append(f"{MANIFEST} knows another sha256: the file was changed after the run")
    return doubts


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
