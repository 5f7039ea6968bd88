"""The engine as a process: a config file in, JSON lines out while it runs, result files when it stops.

stdout   {"event": "ready", ...}  the wires are open and the order session is up
         {"event": "stopped", ...}
stdin    {"do": "stop"}, or its end
         First of all, when the engine was started as `python -m engine -` to be loaded before it is needed, and stdin
         is a socket: {"config": PATH, "descriptors": [N...]}, with descriptors along, which get these numbers
files    decisions.npy book.npy own_orders.npy audit.jsonl engine.json, in the config's output directory;
         with venue mdp3: levels.npy arrivals.npy audit.jsonl engine.json
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from engine.audit import AuditTrail
from engine.audit_records import append_run, begin_trail
from engine.binding import EngineError, Runner, die_with_parent
from engine.config import EngineConfig
from engine.control_server import ControlServer
from engine.venue import Mdp3Runner, runner_for

__all__ = ["main"]

READY_SECONDS_MAX = 10.0
TOLD_BYTES_MAX, DESCRIPTORS_MAX = 65_536, 8
EXIT_USAGE = 64
EXIT_MISSING = 69


def say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def complain(what: str) -> None:
    sys.stderr.write(f"engine: error: {what}\n")


def load(path: Path) -> EngineConfig:
    """EngineError with one sentence when the file cannot be used."""
    try:
        return EngineConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EngineError(f"{path}: {where or 'config'}: {first['msg']}") from error


def check_output(path: Path, config: EngineConfig) -> None:
    """EngineError now rather than after the run, when the results could not be written."""
    if config.output and not config.output.is_dir():
        raise EngineError(f"{path}: output: {config.output} is not a directory")


def wait_ready(runner: Runner, thread: threading.Thread, *, session: bool) -> None:
    """Returns when the wires are open and the order session is up; EngineError when it will not be."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while thread.is_alive() and not (runner.session_up if session else runner.polling):
        if time.monotonic() > deadline:
            cause = runner.session_cause
            raise EngineError(f"order gateway: no login within {READY_SECONDS_MAX:.0f} s ({cause})")
        time.sleep(0.005)


def open_trail(config: EngineConfig) -> AuditTrail | None:
    """The audit trail, where one is wanted. EngineError when it cannot be written."""
    try:
        return begin_trail(config)
    except OSError as error:
        raise EngineError(f"audit trail: {error.filename or 'write'}: {error.strerror}") from error


def write_results(runner: Runner, output: Path, seal: str) -> None:
    if isinstance(runner, Mdp3Runner):
        report = runner.write_results(output)
    else:
        np.save(output / "decisions.npy", runner.decisions())
        np.save(output / "book.npy", runner.book())
        np.save(output / "own_orders.npy", runner.own_orders())
        report = runner.report()
    report["audit"] = {"seal": seal}
    (output / "engine.json").write_text(json.dumps(report, indent=1))


def open_control(config: EngineConfig, runner: Runner, trail: AuditTrail | None) -> ControlServer | None:
    """The control socket, where one is configured. EngineError when it cannot be made."""
    if config.ctl is None or trail is None:
        return None
    try:
        return ControlServer(config, runner.hands, runner.report, trail)
    except OSError as error:
        raise EngineError(
            f"control socket: {error.filename or config.ctl.socket}: {error.strerror}"
        ) from error


def serve(config: EngineConfig) -> None:
    """Runs one engine from start to stop."""
    runner = runner_for(config)
    trail = open_trail(config)
    failures: list[EngineError] = []

    def loop() -> None:
        try:
            runner.run()
        except EngineError as error:
            failures.append(error)

    thread = threading.Thread(target=loop, name="engine")
    thread.start()
    control = None
    try:
        wait_ready(runner, thread, session=config.gateway is not None)
        if thread.is_alive():
            control = open_control(config, runner, trail)
            say({"event": "ready"})
            for line in sys.stdin:
                if json.loads(line).get("do") == "stop":
                    if trail:
                        trail.append("command", {"command": "stop"}, who="operator")
                    break
    finally:
        if control:
            control.close()
        runner.stop()
        thread.join()
    if failures:
        raise failures[0]
    seal = ""
    if trail:
        append_run(trail, runner)
        seal = trail.seal()
    if config.output:
        write_results(runner, config.output, seal)
    say({"event": "stopped"})
    runner.close()


def told_config() -> Path | None:
    """The first line of stdin, a socket, with its descriptors under their numbers. None: stdin has ended."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as lab:
        text, given, _, _ = socket.recv_fds(lab, TOLD_BYTES_MAX, DESCRIPTORS_MAX)
    if not text:
        return None
    told = json.loads(text)
    for descriptor, number in zip(given, told["descriptors"], strict=True):
        os.dup2(descriptor, number, inheritable=False)
        os.close(descriptor)
    return Path(told["config"])


def main(arguments: list[str]) -> int:
    """``python -m engine CONFIG.json``, or ``-`` to be told it later; returns the exit code."""
    if len(arguments) != 1:
        complain("usage: python -m engine CONFIG.json")
        return EXIT_USAGE
    path = told_config() if arguments[0] == "-" else Path(arguments[0])
    if path is None:
        return 0
    try:
        config = load(path)
        check_output(path, config)
    except EngineError as error:
        complain(str(error))
        return EXIT_USAGE
    if config.die_with_parent and not die_with_parent():
        complain("the process that started the engine is gone")
        return EXIT_MISSING
    try:
        serve(config)
    except EngineError as error:
        complain(str(error))
        return EXIT_MISSING
    return 0
