"""Strategies deployed into a running engine on real wires: every file of scenarios/strategy ends as it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from lab_cli import REPOSITORY, Run, left_behind, play, replays, runs_in, start, tailgate

from engine.control_client import ControlError, ask
from lab.ctl.command import socket_of

pytestmark = pytest.mark.privileged

SCENARIOS = sorted(path.stem for path in (REPOSITORY / "scenarios" / "strategy").glob("*.yaml"))
REFUSED = {"bad_abi", "bad_load"}
TIMED = {"pacing"}  # the host has a say in it
MESSAGES_A_PACKET = 8
PREFIX = "tgswap"
CONTROL_PREFIX = "tgctl"
KILL_SWITCH = 1  # enum risk_reason


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def runs(results: Path) -> dict[str, Run]:
    """All of them, played once, on one set of wires."""
    return play(results, PREFIX, "scenarios/strategy", "--no-report")


@pytest.fixture
def run(request: pytest.FixtureRequest, runs: dict[str, Run]) -> Run:
    """The one named by the parameter."""
    return runs[request.param]


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_every_check_but_the_timed_ones_passes(run: Run) -> None:
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_the_evidence_is_in_the_runs_directory(run: Run) -> None:
    """Summary, time line and audit trail tell the same story."""
    strategy = run.summary["strategy"]
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    swaps = [event for event in events if event["kind"] == "strategy"]
    trail = (run.path / "audit.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in trail]
    audited = [row["detail"] for row in records if row["kind"] == "strategy"]
    assert len(swaps) == len(audited) == len(strategy["changes"])
    assert [row["sequence"] for row in audited] == [row["sequence"] for row in strategy["changes"]]
    answers = [row["detail"] for row in records if row["kind"] == "answer"]
    refused = run.summary["scenario"] in REFUSED
    asked = ["strategy prepare"] if refused else ["strategy prepare", "strategy deploy"] * strategy["asked"]
    assert [row["command"] for row in answers] == asked
    assert {row["ok"] for row in answers} == {not refused}
    planned = [row["detail"]["planned"]["sequence"] for row in answers if "planned" in row["detail"]]
    assert planned == [row["detail"] for row in strategy["changes"] if row["cause"] == "deployed"]
    if strategy["changes"]:
        assert strategy["swap_lag_messages_max"] < MESSAGES_A_PACKET
        assert run.summary["latency_ns"]["wire_to_wire_swap"]["count"] > 0


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_the_journal_replays_to_the_same_orders_and_books(run: Run) -> None:
    replays(run)


LONG = """
title: A market that lasts long enough to give commands by hand
traffic: {source: model, rate: 20k/s, duration: 8s, arrivals: even}
measure: {pacing_bound: 100ms, wire_floor: false}
"""


def healthy(engine: Path) -> bool:
    try:
        return bool(ask(engine, {"do": "health"})["ok"])
    except ControlError:
        return False  # not there yet


def test_a_running_engine_takes_commands_and_says_from_when_on(results: Path, tmp_path: Path) -> None:
    """Asked from here: with both cores busy a command of its own would need seconds to start."""
    scenario = tmp_path / "long.yaml"
    scenario.write_text(LONG)
    process = start("run", scenario, "--results", results / "ctl", "--prefix", CONTROL_PREFIX)
    engine = socket_of(None, CONTROL_PREFIX)
    try:
        deadline = time.monotonic() + 60
        while not healthy(engine):
            assert time.monotonic() < deadline, "the engine never became healthy"
            assert process.poll() is None
            time.sleep(0.2)
        state = ask(engine, {"do": "state"})["detail"]
        assert (state["feed"], state["killed"]) == ("LIVE", False)
        table = tmp_path / "limits.yaml"
        table.write_text(
            "{order_shares_max: 1000, collar_permille: 90, symbols: [{locate: 3, restricted: true}]}"
        )
        given = (
            {"do": "limits", "path": str(table)},
            {"do": "kill symbol", "symbol": "5"},
            {"do": "kill strategy", "name": "touch_taker"},
            {"do": "rearm"},
            {"do": "line disable", "line": "A"},
            {"do": "line enable", "line": "A"},
        )
        for command in given:
            assert ask(engine, command)["exit"] == 0, command
        first = ask(engine, {"do": "line disable", "line": "B"})
        killed = ask(engine, {"do": "kill all"})
        assert (first["exit"], killed["exit"]) == (0, 0)
        assert 0 < first["sequence"] <= killed["sequence"]
        assert first["poll"] < killed["poll"]
        there, back = (ask(engine, {"do": "wire switch", "to": to}) for to in ("kernel", "af_xdp"))
        assert (there["exit"], back["exit"]) == (0, 0), (there, back)
        assert killed["sequence"] <= there["sequence"] <= back["sequence"]
        assert ask(engine, {"do": "health"})["exit"] == 1
        process.wait(120)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)
    (played,) = runs_in(results / "ctl").values()
    rows = np.load(played.path / "raw" / "run" / "engine" / "decisions.npy")
    late = rows[rows["trigger_sequence"] >= killed["sequence"]]
    assert len(late) > 0
    assert (late["reason"] == KILL_SWITCH).all()
    assert killed["sequence"] < played.summary["counts"]["published"]
    replays(played)
    answer = tailgate("replay", played.path, "--until", str(killed["sequence"] + 10), "--json")
    state = json.loads(answer.out)["state"]
    assert state["kill_switch"]
    assert state["limits"]["collar_permille"] == 90
    told = [(command["command"], command["value"]) for command in state["last_commands"]]
    assert ("limits", 2) in told or ("re-arm", 0) in told, told
    assert not left_behind(CONTROL_PREFIX)


def test_no_shared_object_is_left_in_the_temporary_directory() -> None:
    found = subprocess.run(
        ["find", "/tmp", "-maxdepth", "1", "-name", "tailgate-strategy-*"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
