"""A TRex server on "another server": a namespace with a management link and two cables into this host.

Nothing of it is in the lab's hands but its RPC ports and the near ends of two veth pairs that stand for cables. It sees
the shared folder under a path of its own, as over a network file system. The ledger has all of it: `tailgate heal` and
the next run end what a killed test has left.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import netns

from lab.run.child import PRIORITY, favour
from lab.topology import Ledger
from traffic.trex.server import ServerConfig, command, config_text, find_installation, interface_text

__all__ = ["CABLES", "AnotherServer", "another_server"]

ADDRESS, MANAGEMENT = "198.18.77.2", "198.18.77.1"
CABLES = {"A": "tgcable0", "B": "tgcable1"}  # this host's ends; "far0" and "far1" over there
SEES = "/mnt"  # where it has the folder
UP_SECONDS = 60.0


@dataclass(frozen=True)
class AnotherServer:
    """``folder`` is here what ``SEES`` is there."""

    address: str
    sees: str
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def settings(self, **others: object) -> list[str]:
        """Options of `tailgate run scenarios/trex/second_server`."""
        given = {
            "server": self.address,
            "folder": self.folder,
            "server_folder": self.sees,
            "a_engine": CABLES["A"],
            "b_engine": CABLES["B"],
            **others,
        }
        return [word for name, value in given.items() for word in ("--set", f"{name}={value}")]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def another_server(home: Path, folder: Path) -> Iterator[AnotherServer]:
    ledger = Ledger.open(f"t{os.getpid()}far")
    far = f"{ledger.prefix}-far"
    server = None
    try:
        ledger.add_namespace(far)
        netns.create(far)
        ip("link", "add", "tgmanage", "type", "veth", "peer", "name", "manage", "netns", far)
        ip("address", "add", f"{MANAGEMENT}/30", "dev", "tgmanage")
        ip("-n", far, "address", "add", f"{ADDRESS}/30", "dev", "manage")
        for index, cable in enumerate(CABLES.values()):
            ip("link", "add", cable, "type", "veth", "peer", "name", f"far{index}", "netns", far)
            ip("-n", far, "link", "set", f"far{index}", "up")
        for space, name in (([], "tgmanage"), (["-n", far], "manage"), (["-n", far], "lo")):
            ip(*space, "link", "set", name, "up")
        shared = folder / "shared"
        shared.mkdir(parents=True)
        server = start(home, folder, far, ledger, shared)
        yield server
        assert server.process.poll() is None, server.log.read_text()[-2000:]
    finally:
        ledger.close()
        if server is not None:
            server.process.wait(timeout=UP_SECONDS)


def start(home: Path, folder: Path, far: str, ledger: Ledger, shared: Path) -> AnotherServer:
    """The server as somebody would start it there, on the CPU that the engine has not."""
    installation = find_installation(home)
    config = ServerConfig(
        interfaces=[interface_text(index, f"far{index}") for index in range(2)],
        macs=[(f"02:00:00:00:01:0{index}", f"02:00:00:00:02:0{index}") for index in range(2)],
        prefix=far,
        cpus=[min(os.sched_getaffinity(0))],
    )
    path, log = folder / "trex_cfg.yaml", folder / "server.log"
    path.write_text(config_text(config))
    ledger.add_directory(Path("/var/run/dpdk") / far)
    mounted = f'mount --bind {shared} {SEES} && exec "$@"'
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["ip", "netns", "exec", far, *PRIORITY, "unshare", "-m", "sh", "-c", mounted, "sh"]
            + command(installation, config, path),
            cwd=installation.home,
            env={**os.environ, "LD_LIBRARY_PATH": str(installation.home)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ledger.add_process(process.pid)
    favour(process.pid)  # a machine of its own would have nobody else on it
    deadline = time.monotonic() + UP_SECONDS
    while not listening(far):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)
    return AnotherServer(ADDRESS, SEES, shared, log, process)


def listening(far: str) -> bool:
    found = subprocess.run(
        ["ip", "netns", "exec", far, "ss", "-Hltn"], check=True, capture_output=True, text=True
    ).stdout
    return ":4501 " in found
