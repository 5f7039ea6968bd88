"""Runs the tailgate command as a user would, and reads what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.replay import Replay
from lab.results.evidence import audit_run, replay_run

REPOSITORY = Path(__file__).parents[2]
TAILGATE = Path(sys.executable).with_name("tailgate")
SECONDS_MAX = 420


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    """The command finds the build's tools beside itself, as in an activated environment."""
    return {**os.environ, "PATH": f"{TAILGATE.parent}:{os.environ['PATH']}"}


def tailgate(*arguments: str | Path, cwd: Path = REPOSITORY) -> Answer:
    done = subprocess.run(
        [str(TAILGATE), *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def start(*arguments: str | Path, cwd: Path = REPOSITORY) -> subprocess.Popen[bytes]:
    """The same in the background, output thrown away."""
    return subprocess.Popen(
        [str(TAILGATE), *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def left_behind(prefix: str) -> list[str]:
    """Namespaces, processes and scratch of a lab that should be gone."""
    spaces = (
        [str(path) for path in Path("/run/netns").glob(f"{prefix}-*")] if Path("/run/netns").exists() else []
    )
    scratch = [str(path) for path in Path("/dev/shm").glob(f"tailgate-{prefix}")]
    ledgers = [str(path) for path in Path("/run/tailgate").glob(f"{prefix}.json")]
    return spaces + scratch + ledgers + [line for line in processes() if f"/tailgate-{prefix}/" in line]


def processes() -> list[str]:
    return subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()


class Run:
    """One run's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary: dict[str, Any] = json.loads((path / "summary.json").read_text())

    def events(self, what: str) -> list[dict[str, Any]]:
        """The lab's own events of this name."""
        found = [json.loads(line) for line in (self.path / "events.jsonl").read_text().splitlines()]
        return [event for event in found if event["what"] == what]

    def verdict(self, check: str) -> str:
        found = [one["verdict"] for one in self.summary["checks"] if one["name"] == check]
        assert found, f"{check} is not among {[one['name'] for one in self.summary['checks']]}"
        return str(found[0])

    def not_passed(self) -> dict[str, str]:
        return {one["name"]: one["verdict"] for one in self.summary["checks"] if one["verdict"] != "PASS"}


def play(results: Path, prefix: str, *arguments: str, codes: tuple[int, ...] = (0, 1, 2)) -> dict[str, Run]:
    """`tailgate run` of these scenarios and options; every run below ``results`` by name, and nothing left behind."""
    answer = tailgate("run", *arguments, "--results", results, "--prefix", prefix)
    assert not answer.err
    assert answer.code in codes
    assert not left_behind(prefix)
    return runs_in(results)


def replays(run: Run) -> Replay:
    """The run's journal run again; asserts that orders, transitions and books are the same, and the trail whole."""
    _, replayed = replay_run(str(run.path), root=run.path.parent, until=None, symbols=())
    assert (replayed.exit_code, replayed.outcome, replayed.problem) == (0, "equal", "")
    engine = json.loads((run.path / "raw" / "run" / "engine" / "engine.json").read_text())
    assert replayed.counts["records"] == engine["journal"]["records"]
    assert replayed.counts["orders"] == engine["loop"].get("orders", 0)
    _, verdict, doubts = audit_run(str(run.path), root=run.path.parent)
    assert (verdict.problem, doubts) == (None, [])
    return replayed


def runs_in(results: Path) -> dict[str, Run]:
    """Every run below a results directory, by scenario name."""
    found = {}
    for path in sorted(results.iterdir()):
        if path.is_dir() and not path.is_symlink():
            run = Run(path)
            found[str(run.summary["scenario"])] = run
    return found
