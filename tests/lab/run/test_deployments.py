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
from lab.run.deployments import Deployment, Request, record_of_deployment, record_of_request


def answering(path: Path, *replies: dict[str, Any]) -> threading.Thread:
    """One reply a connection; what was asked is kept in ``asked`` of the thread."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    asked: list[dict[str, Any]] = []

    def serve() -> None:
        with server:
            for reply in replies:
                client, _ = server.accept()
                with client:
                    asked.append(json.loads(client.recv(65_536)))
                    client.sendall(json.dumps(reply).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.asked = asked  # type: ignore[attr-defined]
    thread.start()
    return thread


GOOD = {"ok": True, "exit": 0, "message": "mine 1 waits", "sequence": None, "detail": {"generation": 3}}
REFUSED = {"ok": False, "exit": 1, "message": "not prepared: abi", "detail": {}, "at_ns": None}
SWAPPED = {
    "before_generation": 0,
    "after_generation": 3,
    "cause": "deployed",
    "at_ns": 1_000,
    "sequence": 52,
    "detail": 50,
    "signal": "",
    "after": "mine",
}


def deployed(folder: Path, *replies: dict[str, Any]) -> tuple[Deployment, list[dict[str, Any]]]:
    thread = answering(folder / "ctl", *replies)
    deployment = Deployment(folder / "ctl", Path("mine.so"), {})
    deployment.plan(at_sequence=50)
    deployment.wait()
    thread.join()
    return deployment, thread.asked  # type: ignore[attr-defined]


def test_it_is_prepared_first_and_then_planned_by_its_generation(tmp_path: Path) -> None:
    deployment, asked = deployed(tmp_path, GOOD, GOOD)
    assert asked == [
        {"do": "strategy prepare", "path": "mine.so", "parameters": {}},
        {"do": "strategy deploy", "generation": 3, "at_sequence": 50},
    ]
    assert not deployment.under_way


def test_one_that_runs_to_the_end_is_injected_and_healed_by_its_swap(tmp_path: Path) -> None:
    deployment, _ = deployed(tmp_path, GOOD, GOOD)
    other = {**SWAPPED, "after_generation": 2, "at_ns": 1}
    record = record_of_deployment("deploy", deployment, [other, SWAPPED])
    assert (record.injected_ns, record.healed_ns, record.detected_ns) == (1_000, 1_000, 0)
    assert record.detail == "mine.so: mine is active from message 52 on, planned for 50"


def test_one_that_was_put_out_says_when_and_why(tmp_path: Path) -> None:
    out = {**SWAPPED, "before_generation": 3, "after_generation": 0, "cause": "time", "at_ns": 2_000}
    out |= {"sequence": 70, "detail": 7_500, "after": "touch_taker"}
    other = {**out, "before_generation": 2, "at_ns": 1}
    deployment, _ = deployed(tmp_path, GOOD, GOOD)
    record = record_of_deployment("deploy", deployment, [other, SWAPPED, out])
    assert (record.detected_ns, record.recovered_ns) == (2_000, 2_000)
    assert "put out at message 70 (a call took 7.5 us), touch_taker is active" in record.detail


@pytest.mark.parametrize("replies", [(REFUSED,), (GOOD, REFUSED)])
def test_one_that_was_refused_is_not_healed(tmp_path: Path, replies: tuple[dict[str, Any], ...]) -> None:
    deployment, _ = deployed(tmp_path, *replies)
    record = record_of_deployment("deploy", deployment, [])
    assert record.injected_ns > 0
    assert (record.healed_ns, record.recovered_ns) == (0, 0)
    assert record.detail == "mine.so: not prepared: abi"


def test_an_engine_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "nobody", Path("mine.so"), {})
    deployment.plan(at_ns=1)
    deployment.wait()
    assert not deployment.under_way
    assert "nobody" in record_of_deployment("deploy", deployment, []).detail


def test_a_trigger_that_never_came_is_said(tmp_path: Path) -> None:
    deployment, _ = deployed(tmp_path, GOOD, GOOD)
    record = record_of_deployment("deploy", deployment, [])
    assert (record.injected_ns, record.detail) == (0, "mine.so: its trigger was never reached")


def test_a_command_is_told_as_a_record_with_its_name(tmp_path: Path) -> None:
    done = {"ok": True, "exit": 0, "message": "armed", "sequence": 9, "at_ns": 77, "detail": {}}
    thread = answering(tmp_path / "ctl", done)
    request = Request(tmp_path / "ctl", {"do": "rearm"})
    request.wait()
    thread.join()
    record = record_of_request(request, "rearm")
    assert (record.name, record.injected_ns, record.healed_ns) == ("rearm", request.asked_ns, 77)
    assert record.detail == "armed, from message 9 on"
    assert record_of_request(None, "rearm").injected_ns == 0


def test_the_action_asks_for_its_object_with_its_parameters() -> None:
    asked: list[Any] = []

    class Hands:
        def deploy_strategy(self, path: Path, parameters: dict[str, int], at: Any) -> None:
            asked.append((path, dict(parameters), at.sequence))

    options = DeployOptions.model_validate(
        {"do": "deploy", "strategy": "quoter", "parameters": {"width_ticks": 2}, "at": {"sequence": 5}}
    )
    Deploy(options).inject(Hands())  # type: ignore[arg-type]
    assert asked == [(object_path("quoter"), {"width_ticks": 2}, 5)]


def test_a_strategy_that_is_nowhere_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="touch_taker"):
        object_path(str(tmp_path / "nothing.so"))
