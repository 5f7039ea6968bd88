"""A command and its arguments go in; the engine's reply is shown, and the exit code it stands for comes out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.control_client import ControlError, ask
from lab.errors import MissingError, UsageError

__all__ = ["command", "parameters_of", "socket_of"]

SCRATCH = Path("/dev/shm")


def socket_of(socket: Path | None, prefix: str) -> Path:
    """The socket that was named, or that of the lab called ``prefix``."""
    return socket or SCRATCH / f"tailgate-{prefix}" / "run-engine.sock"


def parameters_of(pairs: tuple[str, ...]) -> dict[str, int]:
    """--set NAME=VALUE, whole numbers."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        try:
            found[name] = int(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise UsageError(
                f"--set {pair}: expected NAME=NUMBER", todo="tailgate ctl strategy deploy --help"
            )
    return found


def command(socket: Path, do: str, *, as_json: bool, **arguments: Any) -> int:
    """Asks, prints, and returns the exit code: 0 done, 1 refused, 2 no answer, 64 not allowed, 69 not available."""
    try:
        reply = ask(socket, {"do": do, **arguments})
    except ControlError as error:
        raise MissingError(
            "the engine cannot be asked",
            why=str(error),
            install="start a run first, or name its socket with --socket or its lab with --prefix",
        ) from error
    if as_json:
        sys.stdout.write(json.dumps(reply, indent=2) + "\n")
    else:
        sys.stdout.write(told(do, reply))
    return int(reply["exit"])


def told(do: str, reply: Mapping[str, Any]) -> str:
    lines = [f"{do}: {reply['message']}"]
    if reply.get("sequence") is not None:
        lines.append(f"  in effect from message {reply['sequence']} on (poll {reply['poll']})")
    for name, value in dict(reply.get("detail") or {}).items():
        if do in ("state", "counters", "health"):
            lines.append(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")
    return "\n".join(lines) + "\n"
