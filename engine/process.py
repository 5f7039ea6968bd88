"""The engine as a process: a config file in, JSON lines out while it runs, result files when it stops.

stdout   {"event": "ready", ...}  the wires are open and the order session is up
         {"event": "stopped", ...}
stdin    {"do": "stop"}, or its end
files    decisions.npy book.npy own_orders.npy audit.jsonl engine.json, in the config's output directory
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from engine.audit import AuditTrail
from engine.audit_records import append_run
from engine.binding import EngineError, Runner, die_with_parent
from engine.config import EngineConfig
from engine.identity import config_digest, library_digest

__all__ = ["main"]

READY_SECONDS_MAX = 10.0
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


def begin_trail(config: EngineConfig) -> AuditTrail | None:
    """The audit trail with its first records; None without an output directory."""
    if config.output is None:
        return None
    trail = AuditTrail(config.output / "audit.jsonl")
    limits = config.risk.model_dump(mode="json")
    trail.append("start", {"config": config_digest(config), "library": library_digest(), "limits": limits})
    return trail


def write_results(runner: Runner, config: EngineConfig, output: Path, trail: AuditTrail) -> None:
    append_run(trail, runner, config.journal.path if config.journal else None)
    report = runner.report()
    trail.append("stop", {"orders": report["loop"]["orders"], "positions": report["positions"]})
    np.save(output / "decisions.npy", runner.decisions())
    np.save(output / "book.npy", runner.book())
    np.save(output / "own_orders.npy", runner.own_orders())
    report["audit"] = {"seal": trail.seal()}
    (output / "engine.json").write_text(json.dumps(report, indent=1))


def serve(config: EngineConfig) -> None:
    """Runs one engine from start to stop."""
    runner = Runner(config)
    trail = begin_trail(config)
    failures: list[EngineError] = []

    def loop() -> None:
        try:
            runner.run()
        except EngineError as error:
            failures.append(error)

    thread = threading.Thread(target=loop, name="engine")
    thread.start()
    try:
        wait_ready(runner, thread, session=config.gateway is not None)
        if thread.is_alive():
            say({"event": "ready"})
            for line in sys.stdin:
                if json.loads(line).get("do") == "stop":
                    if trail:
                        trail.append("command", {"do": "stop"}, who="operator")
                    break
    finally:
        runner.stop()
        thread.join()
    if failures:
        raise failures[0]
    if config.output and trail:
        write_results(runner, config, config.output, trail)
    say({"event": "stopped"})
    runner.close()


def main(arguments: list[str]) -> int:
    """``python -m engine CONFIG.json``; returns the exit code."""
    if len(arguments) != 1:
        complain("usage: python -m engine CONFIG.json")
        return EXIT_USAGE
    try:
        config = load(Path(arguments[0]))
        check_output(Path(arguments[0]), config)
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
