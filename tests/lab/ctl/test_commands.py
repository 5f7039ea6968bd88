"""tailgate ctl and tailgate strategy as typed: what is asked of the engine, what is printed, the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.strategy_check import shipped_path
from lab.cli import app
from lab.ctl import command

REPLY = {"ok": True, "exit": 0, "message": "done", "sequence": 7, "poll": 9, "at_ns": 1, "detail": {}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    requests: list[Any] = []

    def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
        requests.append((str(path), request))
        return REPLY

    monkeypatch.setattr(command, "ask", ask)
    return requests


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (["kill", "all"], {"do": "kill all"}),
        (["kill", "symbol", "ACME"], {"do": "kill symbol", "symbol": "ACME"}),
        (["kill", "strategy", "quoter"], {"do": "kill strategy", "name": "quoter"}),
        (["rearm"], {"do": "rearm"}),
        (["strategy", "rollback"], {"do": "strategy rollback"}),
        (["wire", "switch", "kernel"], {"do": "wire switch", "to": "kernel", "ports": ["A", "B"]}),
        (
            ["wire", "switch", "af_xdp", "--port", "order"],
            {"do": "wire switch", "to": "af_xdp", "ports": ["order"]},
        ),
        (["line", "disable", "B"], {"do": "line disable", "line": "B"}),
        (["line", "enable", "A"], {"do": "line enable", "line": "A"}),
        (["state"], {"do": "state"}),
        (["counters"], {"do": "counters"}),
        (["health"], {"do": "health"}),
        (
            ["strategy", "deploy", "quoter", "--set", "width_ticks=2"],
            {
                "do": "strategy deploy",
                "path": str(shipped_path("quoter")),
                "parameters": {"width_ticks": 2},
            },
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_a_command_asks_the_engine_of_its_lab(asked: list[Any], words: list[str], request_: Any) -> None:
    result = CliRunner().invoke(app, ["ctl", "--prefix", "mine", *words], standalone_mode=False)
    assert result.exception is None
    assert result.return_value == 0
    assert asked == [("/dev/shm/tailgate-mine/run-engine.sock", request_)]
    assert "in effect from message 7 on" in result.output


def test_a_reply_is_printed_as_json_where_asked(asked: list[Any]) -> None:
    result = CliRunner().invoke(
        app, ["ctl", "--socket", "/here", "--json", "kill", "all"], standalone_mode=False
    )
    assert json.loads(result.output) == REPLY
    assert asked[0][0] == "/here"


def tailgate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ctl", "--socket", "/nonexistent", "state"], 69, "/nonexistent"),
        (["ctl", "strategy", "deploy", "/nonexistent.so"], 64, "no strategy at"),
        (["ctl", "strategy", "deploy", "quoter", "--set", "a=b"], 64, "NAME=NUMBER"),
        (["ctl", "fly"], 64, "fly"),
        (["strategy", "check", "/nonexistent.so"], 64, "cannot read"),
        (["strategy", "build", "/nonexistent.c"], 64, "no source"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line(words: list[str], code: int, said: str) -> None:
    done = tailgate(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "code"), [("quoter", 0), ("bad_abi", 1), ("bad_load", 1)])
def test_a_check_prints_its_steps_and_says_it_with_its_exit_code(name: str, code: int) -> None:
    done = tailgate("strategy", "check", str(shipped_path(name)), "--json")
    assert done.returncode == code
    answer = json.loads(done.stdout)
    assert answer["good"] == (code == 0)
    assert [step["name"] for step in answer["steps"]] == ["symbols", "allowed", "abi", "run"]
