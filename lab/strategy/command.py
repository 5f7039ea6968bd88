"""A C source goes in, a strategy's shared object comes out; a shared object goes in, the engine's verdict comes out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import engine
from engine.strategy_check import BYTES_MAX, Checked, check_strategy, private_copy
from lab.errors import MissingError, UndecidedError, UsageError

__all__ = ["FLAGS", "build", "check"]

FLAGS = (
    *("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-plt"),
    *("-Wall", "-Wextra", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack", "-Wl,--no-undefined"),
)
HEADERS = Path(engine.__file__).resolve().parents[1]  # strategies include "engine/strategy/strategy_abi.h"
COMPILE_SECONDS = 60.0
EVENT_NS_MAX = 5_000


def build(source: Path, output: Path | None, *, compiler: str | None = None) -> Path:
    """Compiles with the C compiler (``compiler``, $CC or cc). UsageError with its first complaint when it refuses."""
    target = output or source.with_suffix(".so")
    name = compiler or os.environ.get("CC") or "cc"
    command = shutil.which(name)
    if command is None:
        raise MissingError(f"no C compiler called {name}", install="apt-get install gcc, or set CC")
    if not source.is_file():
        raise UsageError(f"no source at {source}", todo="tailgate strategy build my_strategy.c")
    try:
        done = subprocess.run(
            [command, *FLAGS, f"-I{HEADERS}", str(source), "-o", str(target)],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UndecidedError(
            f"{name} did not finish within {COMPILE_SECONDS:.0f} s", where=str(source)
        ) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{name} ended with exit code {done.returncode}"]
        first = next((line for line in lines if "error" in line), lines[0])
        raise UsageError("the strategy does not compile", where=str(source), why=first)
    return target


def check(
    path: Path,
    *,
    allowed: frozenset[str] | None = None,
    parameters: dict[str, int] | None = None,
    event_ns_max: int = EVENT_NS_MAX,
) -> Checked:
    """What the engine would say of it. ``allowed`` are the digests it would take; None leaves that out."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror) from error
    with private_copy(data) as copy:
        return check_strategy(
            path, data, allowed=allowed, parameters=parameters or {}, event_ns_max=event_ns_max, copy=copy
        )
