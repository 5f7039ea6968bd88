"""Whatever ends a run, nothing of it stays; and a user's mistake is one line, with the right exit code."""

from __future__ import annotations

import gzip
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_cli import left_behind, start, tailgate

pytestmark = pytest.mark.privileged

PREFIX = "tgclean"
WAIT_SECONDS = 60.0


def wait_until_publishing(process: subprocess.Popen[bytes]) -> None:
    """Returns when the engine of the main pass is up."""
    page = Path(f"/dev/shm/tailgate-{PREFIX}/run-engine.page")
    deadline = time.monotonic() + WAIT_SECONDS
    while not page.exists():
        assert process.poll() is None, "the run ended early"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    scenario = tmp_path / "long.yaml"
    scenario.write_text(
        "title: long enough to be interrupted\n"
        "traffic: {rate: 20k/s, duration: 60s}\n"
        "measure: {wire_floor: false}\n"
        "faults:\n  - {do: pause, for: 50s, at: {time: 100ms}}\n"
    )
    process = start("run", scenario, "--results", tmp_path / "results", "--prefix", PREFIX)
    wait_until_publishing(process)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()
    tailgate("heal")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    running.send_signal(number)
    assert running.wait(timeout=WAIT_SECONDS) == 130
    assert left_behind(PREFIX) == []


def test_heal_removes_what_a_killed_run_left(running: subprocess.Popen[bytes]) -> None:
    running.kill()
    running.wait()
    assert left_behind(PREFIX)
    answer = tailgate("heal")
    assert answer.code == 0
    assert left_behind(PREFIX) == []
    assert tailgate("heal").out.strip() == "nothing to heal"


def test_the_next_run_heals_a_killed_one(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    running.kill()
    running.wait()
    scenario = tmp_path / "short.yaml"
    scenario.write_text(
        "title: short\ntraffic: {rate: 20k/s, duration: 200ms}\nmeasure: {wire_floor: false}\n"
    )
    answer = tailgate("run", scenario, "--results", tmp_path / "results", "--prefix", PREFIX)
    assert not answer.err
    assert answer.code in (0, 1, 2)
    assert left_behind(PREFIX) == []


def test_a_second_run_under_the_same_name_is_refused(
    running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    answer = tailgate("run", "scenarios/quickstart", "--results", tmp_path, "--prefix", PREFIX)
    assert answer.code == 64
    assert len(answer.err.strip().splitlines()) == 1
    assert PREFIX in answer.err


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


PCAP_HEADER = bytes.fromhex("4d3cb2a1020004000000000000000000ffff000001000000")
ADD = b"A" + bytes(35)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("title: x\ntraffic: {duration: 1s}\nfaults:\n  - {do: pause, for: 1ms, at: {time: 9s}}\n", ":4"),
        ("title: x\ntraffic: {file: no/such.itch}\n", ":2"),
    ],
    ids=["fault after the end", "missing file"],
)
def test_a_bad_scenario_is_named_by_file_and_line(tmp_path: Path, text: str, where: str) -> None:
    path = write(tmp_path / "bad.yaml", text)
    answer = tailgate("run", path, "--results", tmp_path / "results", "--prefix", PREFIX)
    assert answer.code == 64
    assert f"bad.yaml{where}" in answer.err
    assert "Traceback" not in answer.err
    assert left_behind(PREFIX) == []


@pytest.mark.parametrize(
    ("scenario", "parameter", "content", "said"),
    [
        ("replay_capture", "capture", PCAP_HEADER + bytes(16)[:9], "cut short"),
        ("replay_itch_file", "itch", gzip.compress(b"\x00\x24" + ADD, mtime=0)[:-4], "damaged gzip"),
    ],
)
def test_a_broken_recording_is_one_line(
    tmp_path: Path, scenario: str, parameter: str, content: bytes, said: str
) -> None:
    recording = write(tmp_path / "broken", content)
    chosen = ("--set", f"{parameter}={recording}", "--results", tmp_path, "--prefix", PREFIX)
    answer = tailgate("run", f"scenarios/{scenario}", *chosen)
    assert answer.code == 64, answer.err
    assert said in answer.err
    assert str(recording) in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert left_behind(PREFIX) == []


def test_a_busy_namespace_is_left_alone_and_named(tmp_path: Path) -> None:
    subprocess.run(["ip", "netns", "add", f"{PREFIX}-engine"], check=True)
    try:
        answer = tailgate("run", "scenarios/quickstart", "--results", tmp_path, "--prefix", PREFIX)
        assert answer.code == 64
        assert f"{PREFIX}-engine" in answer.err
        assert len(answer.err.strip().splitlines()) == 1
        assert Path(f"/run/netns/{PREFIX}-engine").exists()
    finally:
        subprocess.run(["ip", "netns", "delete", f"{PREFIX}-engine"], check=True)


def test_a_parameter_without_a_value_is_asked_for() -> None:
    answer = tailgate("run", "scenarios/replay_capture")
    assert answer.code == 64
    assert "--set capture=" in answer.err
