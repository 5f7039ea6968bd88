"""A stand-in server and the worker as processes of a test, ended whatever happens."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STANDIN = Path(__file__).with_name("standin.py")
SECONDS = 60.0


def free_ports(count: int) -> list[int]:
    """TCP ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class StandIn:
    """The stand-in, listening."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.rpc_port, self.publish_port = free_ports(2)
        self.log = folder / "standin.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(STANDIN), str(self.rpc_port), str(self.publish_port), *options],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"up\n", self.log.read_text()

    def config(self, **more: Any) -> dict[str, Any]:
        return {
            "server": "127.0.0.1",
            "rpc_port": self.rpc_port,
            "publish_port": self.publish_port,
            "timeout_s": 3,
            "ports": [0, 1, 2],
            **more,
        }

    def said(self, word: str) -> list[Any]:
        """What it noted: parameters of "pushed", fields of "stream", names of "called"."""
        lines = [line.partition(" ") for line in self.log.read_text().splitlines()]
        rest = [rest for first, _, rest in lines if first == word]
        return [json.loads(each) for each in rest] if word != "called" else rest

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class Worker:
    """`python -m traffic.trex.worker`."""

    def __init__(self, folder: Path, config: dict[str, Any], **environment: str) -> None:
        path = folder / "worker.json"
        path.write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "traffic.trex.worker", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._pending = b""

    def tell(self, **command: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next event; AssertionError with its stderr when it ended instead."""
        assert self.process.stdout
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, self.end()
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        event: dict[str, Any] = json.loads(line)
        return event

    def end(self) -> tuple[int, str]:
        """Exit code and stderr, once it has ended by itself."""
        self.process.wait(timeout=SECONDS)  # first: an end of file would be a stop
        _, error = self.process.communicate()
        return self.process.returncode, error.decode()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
