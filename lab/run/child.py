"""A process of the lab: started in its namespace, spoken to in JSON lines, ended whatever happens."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.errors import TailgateError, UndecidedError, UsageError
from lab.topology import Ledger, Topology

__all__ = ["PRIORITY", "Child", "favour"]

STOP_SECONDS = 30.0
EXIT_USAGE = 64
PRIORITY = ("nice", "-n", "-20")


def favour(pid: int) -> None:
    """With autogroups a nice value counts only within its session, so the session gets it too."""
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text("-20")


class Child:
    """``python -m MODULE CONFIG`` inside a namespace (None: in this one), at the highest ordinary priority.

    stderr goes to a file, of which errors quote the last line. With ``loading_on`` it is only loaded meanwhile, on that
    core, and begins when ``configure`` says that the file is there.
    """

    def __init__(
        self,
        module: str,
        config: Path,
        *,
        topology: Topology,
        namespace: str | None,
        ledger: Ledger,
        pass_descriptors: Sequence[int] = (),
        loading_on: int | None = None,
    ) -> None:
        self.module, self._config = module, config
        self._errors = config.with_suffix(".stderr")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
        program = [*PRIORITY, sys.executable, "-m", module, str(config) if loading_on is None else "-"]
        self._socket, theirs = socket.socketpair()
        with self._errors.open("wb") as errors, theirs:
            self.process = subprocess.Popen(
                program if namespace is None else topology.command(namespace, *program),
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=tuple(pass_descriptors),
                env=environment,
                start_new_session=True,
            )
        ledger.add_process(self.process.pid)
        favour(self.process.pid)
        if loading_on is not None:
            os.sched_setaffinity(self.process.pid, {loading_on})
        self._pending = b""

    def configure(self, descriptors: Sequence[int] = ()) -> None:
        """Its configuration is written: begin, on the lab's core again, with these descriptors under their numbers."""
        os.sched_setaffinity(self.process.pid, os.sched_getaffinity(0))
        told = {"config": str(self._config), "descriptors": list(descriptors)}
        try:
            socket.send_fds(self._socket, [json.dumps(told).encode() + b"\n"], list(descriptors))
        except BrokenPipeError as error:
            raise self.failure() from error

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stderr_tail(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except BrokenPipeError as error:
            raise self.failure() from error

    def wait_for(self, event: str, *, seconds: float) -> dict[str, Any]:
        """The next message of that kind. TailgateError when the process ends or time runs out first."""
        deadline = time.monotonic() + seconds
        while True:
            alive = self.alive  # before the look: what it said last is still in the pipe
            message = self.poll(max(0.0, deadline - time.monotonic()))
            if message is not None and message.get("event") == event:
                return message
            if message is None and not alive:
                raise self.failure()
            if time.monotonic() >= deadline:
                raise UndecidedError(
                    f"{self.module}: no {event!r} within {seconds:.0f} s", why=self.stderr_tail() or None
                )

    def poll(self, seconds: float = 0.0) -> dict[str, Any] | None:
        """The next message, or None: none within the time, only a part of one so far, or the stream has ended."""
        assert self.process.stdout
        if b"\n" not in self._pending:
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if not selector.select(seconds):
                    return None
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                self.process.wait()
                return None
            self._pending += chunk
            if b"\n" not in self._pending:
                return None
        line, self._pending = self._pending.split(b"\n", 1)
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise UndecidedError(
                f"{self.module}: said something that is no message", why=line.decode(errors="replace")
            ) from error
        return message

    def failure(self) -> TailgateError:
        """The error that the process ended with, in its own words."""
        code = self.process.wait()
        said = self.stderr_tail()
        text = said.partition("error: ")[2] or said or f"ended with exit code {code}"
        kind = UsageError if code == EXIT_USAGE else UndecidedError
        if code == 69:
            return self._missing(text)
        return kind(text, where=self.module)

    def _missing(self, text: str) -> TailgateError:
        from lab.errors import MissingError

        return MissingError(text, install="tailgate doctor", where=self.module)

    def stop(self, *, seconds: float = STOP_SECONDS) -> int:
        """Asks it to stop and waits until it has written its files; returns the exit code."""
        if self.alive:
            self.send({"do": "stop"})
            self.wait_for("stopped", seconds=seconds)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise UndecidedError(
                f"{self.module}: said that it stopped, and did not end within {seconds:.0f} s"
            ) from error

    def end(self) -> None:
        """Ends it now, paused or not. Safe to call twice."""
        if self.alive:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._socket.close()
        if self.process.stdout:
            self.process.stdout.close()
