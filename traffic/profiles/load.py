"""What is to be played enters: names, tunables; compiled programs leave. The TRex library works in helper processes.

A profile is rendered once in a process, however often it is asked for: a load check and the run see the same streams.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from traffic.errors import InputError, MissingError, TrafficError
from traffic.profiles.names import profile_path
from traffic.profiles.program import ProgramStream, compile_streams
from traffic.profiles.streams import read_streams

__all__ = ["load_profile", "rendered"]

SECONDS_MAX = 120
ERROR_HEAD = "traffic.profiles.render: error: "


def load_profile(
    profile: str, *, tunables: Mapping[str, str], direction: int, seed: int
) -> tuple[ProgramStream, ...]:
    """The program of a profile; TrafficError is one line that says what is wrong with it, and where."""
    profile_path(profile)  # says so at once when there is none
    rows = json.loads(rendered(profile, tuple(sorted(tunables.items())), direction))
    shown = Path(profile).stem
    return compile_streams(read_streams(rows, profile=shown), profile=shown, seed=seed)


@lru_cache(maxsize=64)
def rendered(profile: str, tunables: tuple[tuple[str, str], ...], direction: int) -> str:
    """The streams as JSON text, from a process that has the TRex library."""
    command: list[Any] = [sys.executable, "-m", "traffic.profiles.render", profile, "--direction", direction]
    for name, value in tunables:
        command += ["--tunable", f"{name}={value}"]
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise TrafficError(f"profile {profile}: it was not loaded within {SECONDS_MAX} s") from None
    if done.returncode == 0:
        return done.stdout
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it ended without a word"]
    said = lines[-1].removeprefix(ERROR_HEAD)
    if done.returncode == MissingError.exit_code:
        raise MissingError(said)
    raise InputError(said if said.startswith("profile ") else f"profile {profile}: {said}")
