"""A deployment of the lab's: asked in the background, and told as a fault's record."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.faults import Deploy, DeployOptions, object_path
from lab.run.deployments import Deployment, record_of_deployment


def answering(path: Path, reply: dict[str, Any]) -> threading.Thread:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)

    def serve() -> None:
        with server:
            client, _ = server.accept()
            with client:
                client.recv(65_536)
                client.sendall(json.dumps(reply).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def deployed(folder: Path, reply: dict[str, Any]) -> Deployment:
    thread = answering(folder / "ctl", reply)
    deployment = Deployment(folder / "ctl", Path("mine.so"), {})
    deployment.wait()
    thread.join()
    return deployment


GOOD = {
    "ok": True,
    "exit": 0,
    "message": "mine 1 is active",
    "sequence": 50,
    "at_ns": 1_000,
    "detail": {"generation": 3},
}


def test_one_that_runs_to_the_end_is_injected_and_healed(tmp_path: Path) -> None:
    deployment = deployed(tmp_path, GOOD)
    record = record_of_deployment("deploy", deployment, [])
    assert record.injected_ns == deployment.asked_ns > 0
    assert (record.healed_ns, record.detected_ns) == (1_000, 0)
    assert record.detail == "mine.so: mine 1 is active from message 50 on"


def test_one_that_was_put_out_says_when_and_why(tmp_path: Path) -> None:
    out = {
        "before_generation": 3,
        "cause": "time",
        "at_ns": 2_000,
        "sequence": 70,
        "detail": 7_500,
        "signal": "",
        "after": "touch_taker",
    }
    other = {**out, "before_generation": 2, "at_ns": 1}
    record = record_of_deployment("deploy", deployed(tmp_path, GOOD), [other, out])
    assert (record.detected_ns, record.recovered_ns) == (2_000, 2_000)
    assert "put out at message 70 (a call took 7.5 us), touch_taker is active" in record.detail


def test_one_that_was_refused_is_not_healed(tmp_path: Path) -> None:
    refused = {"ok": False, "exit": 1, "message": "not deployed: abi", "detail": {}, "at_ns": None}
    record = record_of_deployment("deploy", deployed(tmp_path, refused), [])
    assert record.injected_ns > 0
    assert (record.healed_ns, record.recovered_ns) == (0, 0)
    assert record.detail == "mine.so: not deployed: abi"


def test_an_engine_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "nobody", Path("mine.so"), {})
    deployment.wait()
    assert not deployment.under_way
    assert "nobody" in record_of_deployment("deploy", deployment, []).detail


def test_a_trigger_that_never_came_is_said() -> None:
    record = record_of_deployment("deploy", None, [])
    assert (record.injected_ns, record.detail) == (0, "its trigger was never reached")


def test_the_action_asks_for_its_object_with_its_parameters() -> None:
    asked: list[Any] = []

    class Hands:
        def deploy_strategy(self, path: Path, parameters: dict[str, int]) -> None:
            asked.append((path, dict(parameters)))

    options = DeployOptions.model_validate(
        {"do": "deploy", "strategy": "quoter", "parameters": {"width_ticks": 2}, "at": {"sequence": 5}}
    )
    Deploy(options).inject(Hands())  # type: ignore[arg-type]
    assert asked == [(object_path("quoter"), {"width_ticks": 2})]


def test_a_strategy_that_is_nowhere_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="touch_taker"):
        object_path(str(tmp_path / "nothing.so"))
