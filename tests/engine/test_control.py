"""The control socket: who may do what, what is acknowledged and from when on, and what the trail says of it."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.audit import AuditTrail, verify
from engine.binding import Runner
from engine.config import BookConfig, ControlConfig, EngineConfig, StrategiesConfig
from engine.control_client import ControlError, ask
from engine.control_handlers import HANDLERS
from engine.control_server import ControlServer
from engine.strategy_check import shipped_path
from lab.ctl.command import told
from lab.results.files import sha256_of

ROOT = os.geteuid()
ROLES = {"1001": "viewer", "1002": "operator", "1003": "risk", "1004": "admin"}
UIDS = {role: int(uid) for uid, role in ROLES.items()}
ALLOWED = tuple(sha256_of(shipped_path(name)) for name in ("touch_taker", "quoter", "bad_load", "bad_abi"))


class Rig:
    """A polling engine without wires, and its control server."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.socket, self.trail = folder / "ctl.sock", folder / "audit.jsonl"
        ctl = {"socket": self.socket, "audit": self.trail, "roles": ROLES, **changes}
        config = EngineConfig(
            decisions=256,
            open_orders=64,
            book=BookConfig(orders=64, levels=64),
            strategies=StrategiesConfig(allow=ALLOWED),
            ctl=ControlConfig(**ctl),
        )
        self.runner = Runner(config)
        self._thread = threading.Thread(target=self.runner.run)
        self._thread.start()
        self.audit = AuditTrail(self.trail)
        self.server = ControlServer(config, self.runner.hands, self.runner.report, self.audit)

    def close(self) -> None:
        self.server.close()
        self.runner.stop()
        self._thread.join()
        self.runner.close()
        self.audit.seal()
        assert verify(self.trail).problem is None

    def records(self, kind: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.trail.read_text().splitlines()]
        return [row["detail"] for row in rows if row["kind"] == kind]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def deploy(name: str) -> dict[str, Any]:
    return {"do": "strategy deploy", "path": str(shipped_path(name))}


# Roles


@pytest.mark.parametrize("role", ["viewer", "operator", "risk", "admin", None])
@pytest.mark.parametrize("command", HANDLERS)
def test_a_command_is_for_those_whose_role_has_it(rig: Rig, command: str, role: str | None) -> None:
    uid = UIDS[role] if role else 4_711
    reply = rig.server.carry_out({"do": command}, uid)
    refused = "it takes one of" in reply.message
    assert refused == (role not in HANDLERS[command].roles)
    if refused:
        assert reply.exit == 64
        assert rig.records("refused")[0]["uid"] == uid
        assert not rig.runner.hands.killed


def test_the_kernel_says_who_asks(rig: Rig) -> None:
    assert ask(rig.socket, {"do": "state"})["exit"] == 0
    assert rig.server.role_of(ROOT) == "admin"


def test_the_engines_own_user_is_what_the_table_says(tmp_path: Path) -> None:
    made = Rig(tmp_path, roles={str(ROOT): "viewer"})
    try:
        assert ask(made.socket, {"do": "kill all"})["exit"] == 64
        assert not made.runner.hands.killed
    finally:
        made.close()


def test_the_socket_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    made = Rig(tmp_path, mode="0660")
    try:
        assert made.socket.stat().st_mode & 0o777 == 0o660
    finally:
        made.close()
    assert not made.socket.exists()


# Acknowledgement and trail


def test_a_kill_takes_effect_and_says_from_when_on(rig: Rig) -> None:
    reply = ask(rig.socket, {"do": "kill all"})
    assert (reply["exit"], rig.runner.hands.killed) == (0, True)
    assert reply["sequence"] is not None
    assert reply["poll"] > 0
    (answer,) = rig.records("answer")
    assert (answer["command"], answer["uid"], answer["poll"]) == ("kill all", ROOT, reply["poll"])


def test_the_kill_of_one_strategy_holds_for_its_letter_alone(rig: Rig) -> None:
    assert ask(rig.socket, deploy("quoter"))["exit"] == 0
    reply = ask(rig.socket, {"do": "kill strategy", "name": "quoter"})
    assert (reply["exit"], reply["detail"]) == (0, {"strategy": "quoter", "letter": "Q"})
    reply = ask(rig.socket, {"do": "kill strategy", "name": "touch_taker"})
    assert (reply["exit"], reply["detail"]) == (0, {"strategy": "touch_taker", "letter": "T"})
    assert ask(rig.socket, {"do": "rearm"})["detail"]["released"]["strategies"] == [ord("Q"), ord("T")]


def test_polls_of_answers_grow(rig: Rig) -> None:
    polls = [ask(rig.socket, {"do": "line disable", "line": name})["poll"] for name in "ABAB"]
    assert polls == sorted(set(polls))
    assert rig.runner.hands.lines_off == 3
    assert ask(rig.socket, {"do": "line enable", "line": "a"})["exit"] == 0
    assert rig.runner.hands.lines_off == 2


def test_kills_hold_are_acknowledged_and_taken_back_by_a_rearm(rig: Rig) -> None:
    for request, said in (
        ({"do": "kill symbol", "symbol": "7"}, "in 7"),
        ({"do": "kill strategy", "name": "touch_taker"}, "of touch_taker"),
        ({"do": "kill all"}, "no new order"),
    ):
        reply = ask(rig.socket, request)
        assert (reply["exit"], said in reply["message"], reply["poll"] > 0) == (0, True, True)
    reply = ask(rig.socket, {"do": "rearm"})
    assert (reply["exit"], rig.runner.hands.killed) == (0, False)
    assert reply["detail"]["released"] == {"kill_all": True, "symbols": [7], "strategies": ["T"]}
    kinds = [row["kind"] for row in rig.runner.report()["risk_state"]["records"]]
    assert kinds[-5:-2] == ["kill_symbol", "kill_strategy", "kill"]
    assert set(kinds[-2:]) == {"kill_over", "rearm"}, "two polls may see them in either order"
    assert [row["command"] for row in rig.records("answer")] == [
        "kill symbol", "kill strategy", "kill all", "rearm",
    ]  # fmt: skip


def test_a_table_of_limits_is_in_force_or_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("order_shares_max: 5\n")
    reply = ask(rig.socket, {"do": "limits", "path": str(file)})
    assert (reply["exit"], reply["detail"]["in_force"]) == (0, reply["detail"]["generation"])
    assert rig.records("answer")[0]["detail"]["limits"]["order_shares_max"] == 5
    for content, named in (
        ("order_shares_max: -1\n", "order_shares_max"),
        ("symbols: [{stock: NONE}]\n", "NONE"),
    ):
        file.write_text(content)
        reply = ask(rig.socket, {"do": "limits", "path": str(file)})
        assert (reply["exit"], named in reply["message"]) == (1, True)
    assert rig.runner.report()["risk_state"]["generation"] == rig.records("answer")[0]["detail"]["generation"]


def test_a_switch_of_wires_is_handled_or_refused_with_its_reason(rig: Rig) -> None:
    reply = ask(rig.socket, {"do": "wire switch", "to": "kernel"})
    assert (reply["exit"], reply["poll"] > 0) == (0, True)
    reply = ask(rig.socket, {"do": "wire switch", "to": "af_xdp", "ports": ["order"]})
    assert reply["exit"] == 1
    assert reply["message"].startswith("order not changed: ")
    assert len(reply["message"]) > len("order not changed: ")


def test_a_strategy_is_deployed_and_rolled_back_with_a_record_of_each(rig: Rig) -> None:
    reply = ask(rig.socket, {**deploy("quoter"), "parameters": {"width_ticks": 2}})
    assert reply["exit"] == 0, reply["message"]
    assert (reply["detail"]["name"], reply["detail"]["generation"]) == ("quoter", 1)
    assert ask(rig.socket, {"do": "state"})["detail"]["strategy"]["name"] == "quoter"
    back = ask(rig.socket, {"do": "strategy rollback"})
    assert (back["exit"], back["message"]) == (0, "touch_taker is active")
    assert ask(rig.socket, {"do": "strategy rollback"})["exit"] == 1
    assert [row["cause"] for row in rig.records("strategy")] == ["deployed", "operator"]
    assert [row["after"] for row in rig.records("strategy")] == ["quoter", "touch_taker"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bad_load", "crashed in the trial run (SIGSEGV)"),
        ("bad_abi", "version 2"),
        ("bad_spam", "not on the list"),
    ],
)
def test_a_bad_object_is_refused_and_the_engine_polls_on(rig: Rig, name: str, said: str) -> None:
    reply = ask(rig.socket, deploy(name))
    assert reply["exit"] == 1
    assert said in reply["message"]
    assert ask(rig.socket, {"do": "line enable", "line": "A"})["exit"] == 0
    assert rig.records("strategy") == []


def test_without_a_trail_nothing_is_done_but_a_kill(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_kind: str, _detail: object, *, who: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.server._audit, "append", full)
    reply = ask(rig.socket, {"do": "line disable", "line": "A"})
    assert reply["exit"] == 2
    assert "No space left" in reply["message"]
    assert rig.runner.hands.lines_off == 0
    reply = ask(rig.socket, {"do": "kill all"})
    assert rig.runner.hands.killed
    assert "not in the audit trail" in reply["message"]


def test_an_engine_that_does_not_poll_gives_no_answer(tmp_path: Path) -> None:
    made = Rig(tmp_path, answer_ns=20_000_000)
    made.runner.stop()
    made._thread.join()
    try:
        assert ask(made.socket, {"do": "line disable", "line": "A"})["exit"] == 2
        assert ask(made.socket, {"do": "health"})["exit"] == 1
    finally:
        made.close()


# Nonsense


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"[]\n",
        b'{"do": 1}\n',
        b'{"do": "fly"}\n',
        b"\xff\xfe\n",
        b'{"do": "kill all", "x": NaN}\n',
        b"[" * 50_000 + b"\n",
    ],
    ids=lambda line: repr(line[:8]),
)
def test_nonsense_is_64_and_one_line(rig: Rig, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(rig.socket))
        client.sendall(line)
        reply = json.loads(client.makefile().readline())
    assert reply["exit"] == 64
    assert "\n" not in reply["message"]


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"do": "line enable", "line": "C"}, "neither A nor B"),
        ({"do": "line enable"}, "line: a text is wanted"),
        ({"do": "kill symbol", "symbol": "ACME"}, "named no ACME"),
        ({"do": "kill symbol", "symbol": "65536"}, "named no 65536"),
        ({"do": "kill strategy", "name": "fly"}, "no strategy fly was ever loaded"),
        ({"do": "wire switch", "to": "fly"}, "no wire"),
        ({"do": "wire switch", "to": "kernel", "ports": ["C"]}, "ports"),
        ({"do": "strategy deploy", "path": "/nonexistent.so"}, "No such file"),
        ({**deploy("quoter"), "parameters": {"a": 1.5}}, "no parameter"),
        ({**deploy("quoter"), "parameters": {"x" * 24: 1}}, "no parameter"),
        ({**deploy("quoter"), "parameters": [1]}, "parameters"),
    ],
)
def test_wrong_arguments_are_64_and_named(rig: Rig, request_: dict[str, Any], named: str) -> None:
    reply = ask(rig.socket, request_)
    assert reply["exit"] == 64
    assert named in reply["message"]


def test_a_client_that_says_nothing_keeps_nobody_waiting(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(rig.socket))
        assert ask(rig.socket, {"do": "kill all"})["exit"] == 0


def test_no_socket_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no_engine"):
        ask(tmp_path / "no_engine", {"do": "state"})


def test_the_engine_outlives_every_shipped_strategy_that_is_bad(rig: Rig) -> None:
    for name in ("touch_taker", "quoter", "touch_taker"):
        assert ask(rig.socket, deploy(name))["exit"] == 0
    text = told("state", ask(rig.socket, {"do": "state"}))
    assert "touch_taker" in text
    assert "in effect" not in text
