"""What a run wrote down is undone when it is gone, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from pyroute2 import netns

from lab.errors import MissingError, UsageError
from lab.topology import Ledger, heal
from lab.topology.ledger import Process, process_started

GONE_SECONDS = 5.0

# A lab that stands still until it is killed; prints the pid of its child.
LAB = """
import subprocess, sys, time
from pathlib import Path
from lab.topology import Ledger, Topology
prefix, scratch = sys.argv[1:]
ledger = Ledger.open(prefix)
ledger.add_directory(Path(scratch))
Path(scratch).mkdir()
(Path(scratch) / "page").write_bytes(bytes(10))
with Topology(ledger) as topology:
    child = subprocess.Popen(topology.command(topology.engine, "sleep", "600"), start_new_session=True)
    ledger.add_process(child.pid)
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def write_ledger(directory: Path, prefix: str, *, owner: Process, **parts: object) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / f"{prefix}.json"
    empty = {"processes": [], "namespaces": [], "directories": []}
    path.write_text(json.dumps({"prefix": prefix, "owner": asdict(owner), **empty, **parts}))
    return path


def dead_owner() -> Process:
    process = subprocess.Popen(["true"])
    started = process_started(process.pid) or 1
    process.wait()
    return Process(pid=process.pid, started=started)


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + GONE_SECONDS
    while process_started(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process_started(pid) == 0


def test_without_root_a_lab_is_refused_with_what_it_needs(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingError, match="needs root") as caught:
        Ledger.open("any")
    assert caught.value.todo
    assert caught.value.todo.startswith("sudo")
    assert not run_directory.exists()


@pytest.mark.privileged
def test_a_second_run_of_the_same_name_is_refused_and_the_first_is_untouched(
    prefix: str, run_directory: Path
) -> None:
    ledger = Ledger.open(prefix)
    before = ledger.path.read_bytes()
    with pytest.raises(UsageError, match=f"'{prefix}' is already up") as caught:
        Ledger.open(prefix)
    assert str(os.getpid()) in str(caught.value)
    assert "--prefix" in str(caught.value)
    assert ledger.path.read_bytes() == before
    ledger.close()
    Ledger.open(prefix).close()
    assert list(run_directory.glob("*.json")) == []


@pytest.mark.privileged
def test_everything_is_written_down_before_it_is_made(prefix: str, tmp_path: Path) -> None:
    ledger = Ledger.open(prefix)
    ledger.add_namespace(f"{prefix}-engine")
    ledger.add_directory(tmp_path / "scratch")
    written = json.loads(ledger.path.read_text())
    assert written["owner"] == {"pid": os.getpid(), "started": process_started(os.getpid())}
    assert written["namespaces"] == [f"{prefix}-engine"]
    assert written["directories"] == [str(tmp_path / "scratch")]
    ledger.close()
    ledger.close()
    assert not ledger.path.exists()


@pytest.mark.privileged
def test_closing_ends_the_children_and_removes_the_directories(
    prefix: str, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    ledger = Ledger.open(prefix)
    scratch = tmp_path / "scratch"
    ledger.add_directory(scratch)
    (scratch / "deep").mkdir(parents=True)
    ledger.add_process(sleeper.pid)
    ledger.close()
    assert sleeper.wait(timeout=GONE_SECONDS) == -signal.SIGKILL
    assert not scratch.exists()


@pytest.mark.privileged
@pytest.mark.timeout(60)
def test_nothing_of_a_killed_lab_is_left_after_healing(
    prefix: str, run_directory: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    lab = subprocess.Popen(
        [sys.executable, "-c", LAB, prefix, str(scratch)],
        stdout=subprocess.PIPE,
        env={**os.environ, "TAILGATE_RUN_DIRECTORY": str(run_directory)},
    )
    with lab:
        assert lab.stdout
        child = int(lab.stdout.readline())
        names = {f"{prefix}-exchange", f"{prefix}-engine"}
        assert names <= set(netns.listnetns())
        assert not heal(), "a live run is left alone"
        assert process_started(child)
        assert scratch.exists()
        lab.kill()
    healed = heal()
    assert process_started(child) == 0
    assert not names & set(netns.listnetns())
    assert not scratch.exists()
    assert list(run_directory.glob("*.json")) == []
    assert (healed.runs, healed.processes, set(healed.namespaces)) == (1, 1, names)
    assert healed.directories == (str(scratch),)
    assert not heal(), "there is nothing left to heal"


@pytest.mark.privileged
def test_opening_a_run_heals_the_dead_one_of_the_same_name(
    prefix: str, run_directory: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "left"
    scratch.mkdir()
    write_ledger(run_directory, prefix, owner=dead_owner(), directories=[str(scratch)])
    with_name = Ledger.open(prefix)
    assert not scratch.exists()
    with_name.close()


def test_a_reused_pid_is_never_killed(run_directory: Path, sleeper: subprocess.Popen[bytes]) -> None:
    started = process_started(sleeper.pid)
    others = [{"pid": sleeper.pid, "started": started - 1}, {"pid": sleeper.pid, "started": 0}]
    write_ledger(run_directory, "gone", owner=dead_owner(), processes=others)
    healed = heal()
    assert (healed.runs, healed.processes) == (1, 0)
    assert sleeper.poll() is None


def test_an_owner_whose_pid_is_reused_counts_as_dead(
    run_directory: Path, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    scratch = tmp_path / "left"
    scratch.mkdir()
    owner = Process(pid=sleeper.pid, started=process_started(sleeper.pid) - 1)
    write_ledger(run_directory, "gone", owner=owner, directories=[str(scratch)])
    assert heal().directories == (str(scratch),)
    assert sleeper.poll() is None


def test_a_live_run_is_untouched_while_a_dead_one_is_healed(run_directory: Path, tmp_path: Path) -> None:
    kept, left = tmp_path / "kept", tmp_path / "left"
    kept.mkdir()
    left.mkdir()
    me = Process(pid=os.getpid(), started=process_started(os.getpid()))
    live = write_ledger(run_directory, "live", owner=me, directories=[str(kept)])
    dead = write_ledger(run_directory, "dead", owner=dead_owner(), directories=[str(left)])
    assert heal().directories == (str(left),)
    assert (live.exists(), kept.exists()) == (True, True)
    assert (dead.exists(), left.exists()) == (False, False)


def test_what_is_gone_already_is_no_error(run_directory: Path) -> None:
    gone = dead_owner()
    write_ledger(
        run_directory,
        "dead",
        owner=gone,
        processes=[asdict(gone)],
        namespaces=["never-made-by-anyone"],
        directories=["/nonexistent/scratch"],
    )
    healed = heal()
    assert (healed.runs, healed.processes, healed.namespaces, healed.directories) == (1, 0, (), ())


@pytest.mark.parametrize("prefix", ["", "bad/name", "..", "1st", "x" * 300, "two words"])
def test_a_name_that_cannot_be_a_namespace_is_refused(run_directory: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="cannot name a lab"):
        Ledger.open(prefix)
    assert not list(run_directory.glob("*.json"))


def test_without_a_ledger_directory_there_is_nothing_to_heal(run_directory: Path) -> None:
    assert not heal()
    assert not run_directory.exists()


def test_the_start_time_of_a_process_is_zero_once_it_is_gone(sleeper: subprocess.Popen[bytes]) -> None:
    assert process_started(sleeper.pid) >= process_started(os.getpid()) > 0
    sleeper.kill()
    assert wait_until_gone(sleeper.pid), "a zombie counts as gone"
    sleeper.wait()
    assert process_started(sleeper.pid) == 0
