"""Bypass TCP against kernel TCP as a process: a config file in, race.npy out.

stdout   {"event": "ready"}    the echo listens; the race begins
         {"event": "stopped"}
config   role: echo | race, address, port, cpu, and for the race rows, interval_ns, output (a directory)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.process import EXIT_MISSING, EXIT_USAGE, say
from engine.wires import RaceError, echo, listen, race

__all__ = ["RaceConfig", "main"]


class RaceConfig(BaseModel):
    """One side of a race."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    role: Literal["echo", "race"]
    address: str
    port: Annotated[int, Field(ge=1, le=65535)]
    cpu: Annotated[int, Field(ge=0, le=1023)]
    rows: Annotated[int, Field(ge=2, le=1 << 20)] = 2
    interval_ns: Annotated[int, Field(ge=0, le=10**9)] = 100_000
    output: Path | None = None


def run(config: RaceConfig) -> None:
    os.sched_setaffinity(0, {config.cpu})
    if config.role == "echo":
        listener = listen(address=config.address, port=config.port)
        say({"event": "ready"})
        echo(listener)
    else:
        say({"event": "ready"})
        rows = race(
            address=config.address, port=config.port, rows=config.rows, interval_ns=config.interval_ns
        )
        if config.output:
            np.save(config.output / "race.npy", rows)
    say({"event": "stopped"})


def main(arguments: list[str]) -> int:
    """``python -m engine.race CONFIG.json``; returns the exit code."""
    try:
        config = RaceConfig.model_validate_json(Path(arguments[0]).read_bytes())
    except (IndexError, OSError, ValidationError) as error:
        sys.stderr.write(f"engine: error: {str(error).splitlines()[0]}\n")
        return EXIT_USAGE
    try:
        run(config)
    except (OSError, RaceError) as error:
        sys.stderr.write(f"engine: error: {error}\n")
        return EXIT_MISSING
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
