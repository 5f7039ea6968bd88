"""A TRex server that the lab has not started sends over cables of which the lab has the engine's ends alone.

A stand-in server is always there; with TREX_HOME the same is done with a real one (mark trex).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from another_server import CABLES, AnotherServer, another_server
from lab_cli import REPOSITORY, Answer, Run, left_behind, replays, runs_in, tailgate

sys.path.append(str(REPOSITORY / "tests" / "traffic" / "trex"))

from standin_player import make_home

pytestmark = pytest.mark.privileged

PREFIX = "tgtrexfar"
SCENARIO = "scenarios/trex/second_server"
TIMED = {"pacing", "clock", "wire_to_wire.p50"}  # the host has a say in it, and a stand-in in Python more so
TREX_HOME = os.environ.get("TREX_HOME")


def play(at: AnotherServer, results: Path, **settings: object) -> Answer:
    answer = tailgate(
        "run", SCENARIO, *at.settings(**settings), "--no-report", "--results", results, "--prefix", PREFIX
    )
    assert left_behind(PREFIX) == []
    assert list(at.folder.iterdir()) == [], "the files are gone"
    for cable in CABLES.values():
        [link] = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "dev", cable]))
        assert "UP" not in link["flags"], "given back as it was"
    return answer


def judged(server: AnotherServer, results: Path, **settings: object) -> Run:
    """A run whose market came from over there, and which only time may have spoilt."""
    answer = play(server, results, **settings)
    assert (answer.err, answer.code in (0, 1, 2)) == ("", True)
    [run] = runs_in(results).values()
    assert set(run.not_passed()) <= TIMED, json.dumps(run.summary["checks"])
    assert run.summary["counts"]["matched"] > 100
    assert run.summary["latency_ns"]["wire_to_wire"]["count"] == run.summary["counts"]["matched"]
    assert run.summary["clock"]["stamps_by_grade"].keys() == {"sw-driver"}, "of the engine's ends"
    assert run.summary["generator"]["server"] == server.address
    return run


def refused(answer: Answer, code: int = 69) -> str:
    assert answer.code == code, answer.err
    [line] = answer.err.splitlines()
    return line


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[AnotherServer]:
    with another_server(make_home(tmp_path / "home"), tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def trex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnotherServer]:
    if not TREX_HOME:
        pytest.skip("no TRex: set TREX_HOME to the folder of an installation")
    with another_server(Path(TREX_HOME), tmp_path_factory.mktemp("trex")) as server:
        yield server


def test_a_server_elsewhere_sends_the_market(standin: AnotherServer, tmp_path: Path) -> None:
    judged(standin, tmp_path / "r", duration="400ms", rate="20k/s")


@pytest.mark.trex
def test_trex_elsewhere_sends_the_market(trex: AnotherServer, tmp_path: Path) -> None:
    run = judged(trex, tmp_path, duration="2s")
    replays(run)
    told = run.summary["generator"]
    assert told["server_version"].startswith("v")
    for port in told["statistics"]["ports"]:
        assert port["sent_packets"] > run.summary["run"]["packets"]


@pytest.mark.trex
def test_trex_elsewhere_says_what_is_wrong_and_is_free_again_each_time(
    trex: AnotherServer, tmp_path: Path
) -> None:
    line = refused(play(trex, tmp_path, a_engine=CABLES["B"], b_engine=CABLES["A"]))
    assert f"arrives at {CABLES['A']}, the end of line B" in line
    line = refused(play(replace(trex, sees="/nowhere"), tmp_path))
    assert "sent nothing of /nowhere/" in line
    line = refused(play(trex, tmp_path, server="127.0.0.1"))
    assert "TRex server 127.0.0.1:4501: no answer within 3 s" in line
