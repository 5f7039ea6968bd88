"""A child that says what it is told to say: what the lab makes of every way to live and to end."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import MissingError, UndecidedError, UsageError
from lab.run.child import PRIORITY, Child

SECONDS = 20.0
STAND_IN = """
import json, os, sys, time
config = sys.argv[1]
if config == "-":
    from engine.process import told_config
    config = told_config()
    if config is None:
        sys.exit(0)
for do, value in json.load(open(config)):
    if do == "say":
        print(value, flush=True)
    elif do == "say in two parts":
        sys.stdout.write(value[:3])
        sys.stdout.flush()
        time.sleep(0.05)
        print(value[3:], flush=True)
    elif do == "complain":
        print(value, file=sys.stderr, flush=True)
    elif do == "listen":
        heard = json.loads(sys.stdin.readline())
        print(json.dumps({"event": value, "heard": heard}), flush=True)
    elif do == "descriptor":
        print(json.dumps({"event": "read", "text": os.read(value, 100).decode()}), flush=True)
    elif do == "environment":
        print(json.dumps({"event": "environment", "value": os.environ.get(value)}), flush=True)
    elif do == "close":
        os.close(value)
    elif do == "hang":
        time.sleep(600)
    elif do == "exit":
        sys.exit(value)
"""


class Here:
    """A topology whose namespaces are all this one; commands run at ordinary priority."""

    def command(self, _namespace: str, *arguments: str) -> list[str]:
        assert arguments[: len(PRIORITY)] == PRIORITY
        return list(arguments[len(PRIORITY) :])


class Pids:
    def __init__(self) -> None:
        self.noted: list[int] = []

    def add_process(self, pid: int) -> None:
        self.noted.append(pid)


Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    (tmp_path / "tailgate_stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("lab.run.child.favour", lambda _pid: None)
    children: list[Child] = []

    def make(*plan: tuple[str, Any], ledger: Pids | None = None, **options: Any) -> Child:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(plan))
        parts: Any = {"topology": Here(), "namespace": "here", "ledger": ledger or Pids()}
        children.append(Child("tailgate_stand_in", config, **parts, **options))
        return children[-1]

    yield make
    for child in children:
        child.end()


def said(event: str, **fields: Any) -> tuple[str, str]:
    return "say", json.dumps({"event": event, **fields})


def test_messages_are_read_in_order_and_others_are_passed_over(start: Start) -> None:
    child = start(said("noise"), said("ready", number=7), said("done"), ("hang", 0))
    assert child.wait_for("ready", seconds=SECONDS) == {"event": "ready", "number": 7}
    assert child.wait_for("done", seconds=SECONDS) == {"event": "done"}
    assert child.alive


def test_a_message_may_come_in_two_parts(start: Start) -> None:
    child = start(("say in two parts", '{"event": "ready"}'), ("hang", 0))
    assert child.wait_for("ready", seconds=SECONDS) == {"event": "ready"}


def test_what_it_said_before_it_ended_is_still_heard(start: Start) -> None:
    child = start(said("ready"), said("done"))
    child.process.wait(SECONDS)
    assert child.wait_for("ready", seconds=SECONDS)
    assert child.wait_for("done", seconds=SECONDS)


def test_commands_reach_it_and_stopping_waits_for_its_end(start: Start) -> None:
    child = start(("listen", "started"), ("listen", "stopped"), ("exit", 0))
    child.send({"do": "start", "at_ns": 5})
    assert child.wait_for("started", seconds=SECONDS)["heard"] == {"do": "start", "at_ns": 5}
    assert child.stop(seconds=SECONDS) == 0
    assert child.stop(seconds=SECONDS) == 0, "a second time is the same"


def test_its_pid_is_in_the_ledger(start: Start) -> None:
    ledger = Pids()
    child = start(("hang", 0), ledger=ledger)
    assert ledger.noted == [child.pid]


def test_a_descriptor_is_inherited_under_its_number(start: Start) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from the lab")
    os.close(writer)
    child = start(("descriptor", reader), pass_descriptors=[reader])
    os.close(reader)
    assert child.wait_for("read", seconds=SECONDS)["text"] == "from the lab"


def test_a_child_that_was_loaded_ahead_is_told_its_configuration_and_gets_descriptors(start: Start) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from the lab")
    os.close(writer)
    number = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 500)
    here = os.sched_getaffinity(0)
    child = start(("descriptor", number), loading_on=min(here))
    assert child.poll(0.2) is None
    assert os.sched_getaffinity(child.pid) == {min(here)}
    child.configure([number])
    os.close(reader)
    os.close(number)
    assert child.wait_for("read", seconds=SECONDS)["text"] == "from the lab"
    assert os.sched_getaffinity(child.pid) == here


def test_a_child_that_is_told_nothing_ends(start: Start) -> None:
    child = start(("exit", 3), loading_on=min(os.sched_getaffinity(0)))
    child._socket.shutdown(socket.SHUT_WR)
    assert child.process.wait(SECONDS) == 0


def test_polling_without_a_message_gives_nothing(start: Start) -> None:
    child = start(("listen", "heard"), ("hang", 0))
    assert child.poll() is None
    child.send({})
    assert child.wait_for("heard", seconds=SECONDS) == {"event": "heard", "heard": {}}


# Ends


@pytest.mark.parametrize(
    ("code", "kind"), [(64, UsageError), (69, MissingError), (2, UndecidedError), (1, UndecidedError)]
)
def test_an_error_keeps_its_kind_and_its_words(start: Start, code: int, kind: type[Exception]) -> None:
    child = start(("complain", "a first line"), ("complain", "x: error: text of the error"), ("exit", code))
    with pytest.raises(kind) as caught:
        child.wait_for("ready", seconds=SECONDS)
    assert (caught.value.what, caught.value.where) == ("text of the error", "tailgate_stand_in")  # type: ignore[attr-defined]


def test_an_early_end_without_a_word_says_its_exit_code(start: Start) -> None:
    child = start(("exit", 3))
    with pytest.raises(UndecidedError, match="ended with exit code 3"):
        child.wait_for("ready", seconds=SECONDS)


def test_a_crash_is_quoted_by_its_last_line(start: Start) -> None:
    child = start(("close", "not a number"))
    with pytest.raises(UndecidedError, match="TypeError"):
        child.wait_for("ready", seconds=SECONDS)


def test_a_child_that_hangs_is_undecided_with_what_it_last_complained_of(start: Start) -> None:
    child = start(("complain", "waiting for a gateway"), said("here"), ("hang", 0))
    child.wait_for("here", seconds=SECONDS)
    with pytest.raises(UndecidedError, match="no 'ready' within") as caught:
        child.wait_for("ready", seconds=0.1)
    assert caught.value.why == "waiting for a gateway"
    assert child.alive


def test_a_child_that_says_stopped_and_stays_is_undecided(start: Start) -> None:
    child = start(("listen", "stopped"), ("hang", 0))
    with pytest.raises(UndecidedError, match="did not end"):
        child.stop(seconds=1.0)


def test_a_line_that_is_no_message_is_undecided_and_quoted(start: Start) -> None:
    child = start(("say", "Segmentation fault, perhaps"), ("hang", 0))
    with pytest.raises(UndecidedError, match="no message") as caught:
        child.wait_for("ready", seconds=SECONDS)
    assert caught.value.why == "Segmentation fault, perhaps"


def test_sending_to_a_dead_child_is_its_own_error(start: Start) -> None:
    child = start(("complain", "x: error: gone"), ("exit", 2))
    child.process.wait(SECONDS)
    with pytest.raises(UndecidedError, match="gone"):
        child.send({"do": "start"})


@pytest.mark.parametrize("paused", [False, True])
def test_ending_is_at_once_paused_or_not_and_twice_is_the_same(start: Start, paused: bool) -> None:
    child = start(said("ready"), ("hang", 0))
    child.wait_for("ready", seconds=SECONDS)
    if paused:
        child.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    child.end()
    child.end()
    assert time.monotonic() - began < SECONDS
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_does_not_look_for_changed_sources(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESONPY_EDITABLE_SKIP", "/some/build")
    child = start(("environment", "MESONPY_EDITABLE_SKIP"))
    assert child.wait_for("environment", seconds=SECONDS)["value"] == "/some/build"
