"""A command for a running engine goes into its control socket; the engine's reply comes out."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ControlError", "ask"]

SECONDS = 30.0


class ControlError(Exception):
    """The engine could not be asked; the text says why."""


def ask(path: Path, request: Mapping[str, Any], *, seconds: float = SECONDS) -> dict[str, Any]:
    """One request, one reply. ControlError: no socket, no permission, or no sensible answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(path))
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                piece = connection.recv(65_536)
                if not piece:
                    raise ControlError(f"{path}: the engine closed the connection without an answer")
                data += piece
    except TimeoutError as error:
        raise ControlError(f"{path}: no answer within {seconds:.0f} s") from error
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror or error}") from error
    try:
        reply = json.loads(data)
    except ValueError as error:
        raise ControlError(f"{path}: an answer that is no JSON") from error
    if not isinstance(reply, dict) or not isinstance(reply.get("exit"), int):
        raise ControlError(f"{path}: an answer without an exit code")
    return reply
