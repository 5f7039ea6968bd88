"""TRex's own console against a real server: each of our STL profiles is loaded, and its frames come out of the cable.

Needs TREX_HOME (mark trex). The server is on "another server" (another_server.py); nothing of a lab is up.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from another_server import CABLES, AnotherServer, another_server
from lab_cli import REPOSITORY

from traffic.noise_bindings import Noise, NoiseProfile, play
from traffic.profiles.load import load_profile
from traffic.profiles.names import SHIPPED, profile_path

pytestmark = [pytest.mark.privileged, pytest.mark.trex]

TREX_HOME = os.environ.get("TREX_HOME")
PAGE = REPOSITORY / "traffic" / "profiles" / "README.md"
OURS = b"\xef\xc8"  # 239.200.0.0/16
SECOND_NS = 1_000_000_000
WAIT_SECONDS = 20.0
CASES: dict[str, dict[str, str]] = {
    "microburst": {"packets": "16", "spacing": "10", "gap": "20000", "bursts": "3", "group": "239.200.7.7"},
    "incast": {"channels": "3", "packets": "2", "spacing": "20", "skew": "1", "events": "4"},
    "imix_noise": {"pps": "2000", "channels": "5"},
    "rate_ramp": {"first": "1000", "last": "2000", "steps": "2", "step": "10", "times": "2"},
}
Shape = tuple[int, bytes]  # bytes of a frame, its group and port


class Cable:
    """This host's end of the server's first cable."""

    def __init__(self) -> None:
        for cable in CABLES.values():
            subprocess.run(["ip", "link", "set", cable, "up"], check=True)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self._socket.bind((CABLES["A"], 0x0800))

    def frames(self, wanted: int) -> Counter[Shape]:
        """Multicast of the profiles' network, as many as are wanted, or what came until nothing did for a second."""
        found: Counter[Shape] = Counter()
        deadline = time.monotonic() + WAIT_SECONDS
        while found.total() < wanted and time.monotonic() < deadline:
            if not select.select([self._socket], [], [], 3.0)[0]:
                break
            frame = self._socket.recv(2048)
            if frame[30:32] == OURS:
                found[len(frame), frame[30:34] + frame[36:38]] += 1
        return found

    def close(self) -> None:
        self._socket.close()


def planned(profile: str, tunables: Mapping[str, str]) -> Counter[Shape]:
    """The same of a second of the profile as our pacer would send it."""
    streams = load_profile(profile, tunables=tunables, direction=0, seed=7)
    noise = Noise([NoiseProfile(profile=profile, line=0, streams=streams)], horizon_ns=SECOND_NS)
    return Counter((len(frame), frame[30:34] + frame[36:38]) for _, _, frame in play(noise))


class Console:
    """A session of trex-console: commands go in as they would be typed."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process, self._said = process, said

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def said(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self._said.read_text(errors="replace"))

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)


@contextmanager
def console(
    at: AnotherServer, folder: Path, *command: str, cwd: Path, **environment: str
) -> Iterator[Console]:
    said = folder / "console.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*command, "-s", at.address],
            cwd=cwd, env={**os.environ, "TERM": "dumb", **environment},
            stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    opened = Console(process, said)
    try:
        opened.wait_for("-=TRex Console")
        yield opened
        opened.say("quit")
        assert process.wait(timeout=WAIT_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()
    assert "Traceback" not in opened.said()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnotherServer]:
    if not TREX_HOME:
        pytest.skip("no TRex: set TREX_HOME to the folder of an installation")
    with another_server(Path(TREX_HOME), tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture
def cable(server: AnotherServer) -> Iterator[Cable]:
    made = Cable()
    time.sleep(2.0)  # TRex looks at its links once a second, and starts nothing on one that is down
    yield made
    made.close()


def test_every_profile_is_loaded_and_sends_what_our_pacer_sends(
    server: AnotherServer, cable: Cable, tmp_path: Path
) -> None:
    assert set(CASES) == set(SHIPPED)
    home = Path(str(TREX_HOME))
    with console(server, tmp_path, "./trex-console", cwd=home) as typed:
        for profile, tunables in CASES.items():
            given = " ".join(f"--{name} {value}" for name, value in tunables.items())
            typed.say(f"start -f {profile_path(profile)} -p 0 -t {given}")
            plan = planned(profile, tunables)
            found = cable.frames(plan.total())
            typed.say("stop -p 0")
            if profile == "imix_noise":  # has no end: as many as of a second, in the shares of the mix
                assert found.keys() == plan.keys()
                assert all(abs(found[shape] - plan[shape]) <= 2 for shape in plan)
                cable.frames(1 << 20)  # what was sent until it stopped
            else:
                assert found == plan, profile
    assert typed.said().count("Starting traffic on port(s)") == len(CASES)


def test_the_pages_commands_work_as_they_stand(server: AnotherServer, cable: Cable, tmp_path: Path) -> None:
    lines = re.findall(r"^    trex> (start .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) >= 2
    [library] = [path for path in map(Path, sys.path) if (path / "lbr_trex_client").is_dir()]
    path = str(library / "lbr_trex_client" / "interactive")
    program = (sys.executable, "-W", "ignore", "-m", "trex.console.trex_console")
    with console(server, tmp_path, *program, cwd=REPOSITORY, PYTHONPATH=path) as typed:
        for line in lines:
            typed.say(line)
            assert cable.frames(64).total() == 64, line
            typed.say("stop -p 0")
            cable.frames(1 << 20)
        typed.say("start -f traffic/profiles/incast.py -p 0 -t --chanels 3")
        typed.wait_for("incast: error: unrecognized arguments: --chanels 3")
        typed.say("start -f traffic/profiles/incast.py -p 0 -t --help")
        for word in ("--channels CHANNELS", "--skew SKEW", "microseconds"):
            typed.wait_for(word)
    assert typed.said().count("Starting traffic on port(s)") == len(lines)
