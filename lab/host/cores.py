"""The CPUs this process may use go in; one for the engine, one for the exchange and the lab come out."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lab.errors import MissingError

__all__ = ["Cores", "choose_cores"]


@dataclass(frozen=True, kw_only=True)
class Cores:
    """CPU numbers. With two CPUs the lab shares the exchange's and sleeps; with more it has its own."""

    engine: int
    exchange: int
    lab: int


def choose_cores(available: set[int] | None = None) -> Cores:
    """The last CPU for the engine, the one before for the exchange. MissingError with fewer than two."""
    cpus = sorted(os.sched_getaffinity(0) if available is None else available)
    if len(cpus) < 2:
        raise MissingError(
            "a lab needs two CPUs",
            install="a machine or a CPU affinity (taskset -c 0,1 ...) with at least two CPUs",
            why=f"engine and exchange each keep one busy; this process may use {cpus}",
        )
    return Cores(engine=cpus[-1], exchange=cpus[-2], lab=cpus[0])
