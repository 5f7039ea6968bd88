"""python -m engine: exit codes, one line for every complaint, its protocol, and its result files."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from venue_bytes import accepted, add, enters_in, heartbeat, mold

from engine.audit import verify

SECONDS = 20.0
PORT = 26_499
GROUPS = ("239.77.99.1", "239.77.99.2")
LOGIN_BYTES = 49
BOOK = (add(1, "B", 100, 10_000), add(2, "S", 100, 10_100))
SMALL = {"decisions": 256, "open_orders": 64, "book": {"orders": 64, "levels": 64}}


def written(folder: Path, config: object) -> Path:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complaint(*arguments: object) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    with start(*arguments) as process:
        said, complained = process.communicate(timeout=SECONDS)
    assert said == ""
    assert complained.endswith("\n")
    assert complained.count("\n") == 1, complained
    assert complained.startswith("engine: error: ")
    return process.returncode, complained[len("engine: error: ") :].strip()


# What it refuses


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("{", "Invalid JSON"),
        ("[]", "config"),
        ({"unknown": 1}, "unknown"),
        ({"risk": {"order_shares_max": -1}}, "risk.order_shares_max"),
        ({"gateway": {"address": "nowhere", "port": 1, "username": "A", "password": "B"}}, "gateway.address"),
        ({"output": "/nonexistent/folder"}, "/nonexistent/folder"),
    ],
    ids=str,
)
def test_a_wrong_configuration_is_64_and_one_line(tmp_path: Path, config: object, named: str) -> None:
    path = written(tmp_path, config)
    code, line = complaint(path)
    assert code == 64
    assert line.startswith(str(path))
    assert named in line


def test_no_configuration_is_64_and_says_how() -> None:
    assert complaint() == (64, "usage: python -m engine CONFIG.json")


def test_a_file_that_is_not_there_is_64_and_named(tmp_path: Path) -> None:
    code, line = complaint(tmp_path / "missing.json")
    assert (code, "missing.json" in line, "No such file" in line) == (64, True, True)


@pytest.mark.parametrize("wire", ["af_xdp", "kernel"])
def test_an_interface_that_is_not_there_is_69_and_named(tmp_path: Path, wire: str) -> None:
    line = {"wire": wire, "interface": "no_such_wire", "group": GROUPS[0], "port": PORT}
    code, said = complaint(written(tmp_path, {**SMALL, "lines": [line], "die_with_parent": False}))
    assert code == 69
    assert "no_such_wire" in said


def test_a_gateway_that_is_not_there_is_69_and_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gateway = {"address": "127.0.0.1", "port": port, "username": "A", "password": "B"}
    code, said = complaint(written(tmp_path, {**SMALL, "gateway": gateway, "die_with_parent": False}))
    assert (code, f"127.0.0.1:{port}" in said) == (69, True)


def test_a_cpu_that_is_not_there_is_69_and_named(tmp_path: Path) -> None:
    code, said = complaint(written(tmp_path, {**SMALL, "cpu": 1_023, "die_with_parent": False}))
    assert (code, "CPU 1023" in said) == (69, True)


# Its life


def next_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    event: dict[str, Any] = json.loads(line)
    return event


@pytest.mark.parametrize("ending", ["stop", "end of input"])
def test_a_run_without_wires_starts_stops_and_writes_its_files(tmp_path: Path, ending: str) -> None:
    config = {**SMALL, "output": str(tmp_path), "control": str(tmp_path / "page")}
    with start(written(tmp_path, config)) as process:
        assert next_event(process) == {"event": "ready"}
        assert process.stdin
        if ending == "stop":
            process.stdin.write('{"do": "stop"}\n')
            process.stdin.flush()
        else:
            process.stdin.close()
        assert next_event(process) == {"event": "stopped"}
        assert process.wait(SECONDS) == 0
    for name in ("decisions", "book", "own_orders"):
        assert len(np.load(tmp_path / f"{name}.npy")) == 0
    report = json.loads((tmp_path / "engine.json").read_text())
    assert report["feed"]["state"] == "STARTUP"
    assert report["loop"]["polls"] > 0
    verdict = verify(tmp_path / "audit.jsonl")
    assert (verdict.problem, verdict.seal) == (None, report["audit"]["seal"])
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    kinds = [record["kind"] for record in records]
    assert [kind for kind in kinds if kind != "risk"] == [
        "head", "start", *(["command"] if ending == "stop" else []), "stop", "seal",
    ]  # fmt: skip


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'engine', sys.argv[1]],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + SECONDS
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Venue:
    """A gateway that accepts one login, and multicast senders for both lines, all on the loopback interface."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(SECONDS)
        self.connection: socket.socket | None = None
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))

    def __enter__(self) -> Venue:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.server, self.sender, self.connection):
            if each:
                each.close()

    def config(self, folder: Path, **parts: Any) -> dict[str, Any]:
        port = self.server.getsockname()[1]
        lines = [{"wire": "kernel", "interface": "lo", "group": group, "port": PORT} for group in GROUPS]
        gateway = {"address": "127.0.0.1", "port": port, "username": "TAILGT", "password": "TAILGATE"}
        return {**SMALL, "output": str(folder), "lines": lines, "gateway": gateway, **parts}

    def take_login(self) -> bytes:
        self.connection = self.server.accept()[0]
        self.connection.settimeout(SECONDS)
        login = self.read(LOGIN_BYTES)
        self.connection.sendall(struct.pack(">H", 31) + b"A" + b"VENUE".rjust(10) + b"1".rjust(20))
        return login

    def read(self, count: int) -> bytes:
        assert self.connection
        data = b""
        while len(data) < count:
            chunk = self.connection.recv(count - len(data))
            assert chunk, "the engine hung up"
            data += chunk
        return data

    def read_order(self) -> bytes:
        """The next Enter Order; heartbeats in between are passed over."""
        while True:
            head = self.read(2)
            packet = head + self.read(int.from_bytes(head, "big"))
            if packet[2:3] != b"R":
                return packet

    def publish(self, datagram: bytes, *, lines: tuple[int, ...] = (0, 1)) -> None:
        for line in lines:
            self.sender.sendto(datagram, (GROUPS[line], PORT))


@pytest.fixture
def venue() -> Iterator[Venue]:
    if os.geteuid() != 0:
        pytest.skip("needs root: the engine's kernel port enlarges its receive buffer")
    with Venue() as venue:
        yield venue


def stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write('{"do": "stop"}\n')
    process.stdin.flush()
    assert next_event(process) == {"event": "stopped"}
    assert process.wait(SECONDS) == 0


@pytest.mark.privileged
def test_over_sockets_it_logs_in_trades_and_reports(tmp_path: Path, venue: Venue) -> None:
    config = venue.config(tmp_path, risk={"late_after_ns": 0})  # a busy host is late at times
    with start(written(tmp_path, config)) as process:
        login = venue.take_login()
        assert login[2:19] == b"LTAILGTTAILGATE  "
        assert next_event(process) == {"event": "ready"}
        venue.publish(mold(1, *BOOK))
        venue.publish(mold(3, add(3, "B", 100, 10_050)))
        (order,) = enters_in(venue.read_order())
        assert (order.token, order.price) == ("T0000000000030", 10_100)
        assert venue.connection
        venue.connection.sendall(accepted(order))
        venue.publish(heartbeat(4, end=True))
        wait_for(tmp_path, process)
        stop(process)
    report = json.loads((tmp_path / "engine.json").read_text())
    assert report["feed"]["state"] == "ENDED"
    assert [report["feed"]["lines"][name]["packets"] for name in "AB"] == [3, 3]
    assert (report["orders"]["sent"], report["orders"]["accepted"]) == (1, 1)
    decisions = np.load(tmp_path / "decisions.npy")
    assert decisions["trigger_sequence"].tolist() == [3]
    assert len(np.load(tmp_path / "book.npy")) == 3


@pytest.mark.privileged
def test_what_waited_while_it_stood_still_is_late_and_what_comes_after_is_not(
    tmp_path: Path, venue: Venue
) -> None:
    config = venue.config(tmp_path, risk={"late_after_ns": 100_000_000})
    with start(written(tmp_path, config)) as process:
        venue.take_login()
        assert next_event(process) == {"event": "ready"}
        venue.publish(mold(1, *BOOK))
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)  # all of its threads
        venue.publish(mold(3, add(3, "B", 100, 10_050)))
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        venue.publish(mold(4, add(4, "B", 100, 10_060)))
        (order,) = enters_in(venue.read_order())
        assert order.token == "T0000000000040"
        stop(process)
    report = json.loads((tmp_path / "engine.json").read_text())
    names = {int(code): name for code, name in report["reason_names"].items()}
    reasons = [names[int(reason)] for reason in np.load(tmp_path / "decisions.npy")["reason"]]
    assert reasons == ["late", "none"]
    assert report["loop"]["late_episodes"] >= 1
    assert report["loop"]["stall_ns_max"] >= 100_000_000


def wait_for(folder: Path, process: subprocess.Popen[str]) -> None:
    """A moment for the engine to read what was sent last; loopback delivers at once."""
    assert process.poll() is None
    assert folder.is_dir()
    time.sleep(0.2)
