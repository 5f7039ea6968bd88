"""A scenario's ``driver: trex`` goes in; what the lab and the exchange have to know of it comes out, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import MissingError, UsageError
from lab.scenario import Traffic
from lab.scenario.noise import Noise
from lab.scenario.trex import LOCAL, Trex
from traffic.errors import InputError
from traffic.errors import MissingError as TrafficMissing
from traffic.trex.server import Installation, find_installation, interface_text

__all__ = ["TrexPlan", "files_folder", "path_at_server", "publisher_settings", "trex_plan"]

LEAD_EVERY_NS = 2_000_000  # between the lead-in's heartbeats
TAIL_NS = 10_000_000_000  # heartbeats behind the market, longer than the lab waits for the last answers


@dataclass(frozen=True, kw_only=True)
class TrexPlan:
    """``installation`` is None for a remote server; ``ports`` are of A and B, empty for the lab's wires.

    ``shared``: TRex and the engine share memory, and nothing of the market is on the wires.
    """

    server: str
    ports: tuple[int | str, ...]
    options: Trex
    installation: Installation | None
    noise: tuple[Noise, ...] = ()
    shared: bool = False


def trex_plan(traffic: Traffic, home: Path | None, *, shared: bool = False) -> TrexPlan | None:
    """None when the exchange sends. MissingError: no TRex at ``home``. UsageError: a port that is none."""
    if traffic.driver != "trex":
        return None
    try:
        installation = find_installation(home) if traffic.server == LOCAL else None
        for index, port in enumerate(traffic.ports):
            if isinstance(port, str):
                interface_text(index, port)
    except TrafficMissing as error:
        raise MissingError(str(error), install="tailgate run SCENARIO --trex-home FOLDER") from None
    except InputError as error:
        raise UsageError(str(error), where="traffic.ports") from None
    return TrexPlan(
        server=traffic.server,
        ports=traffic.ports,
        options=traffic.trex,
        installation=installation,
        noise=traffic.noise,
        shared=shared,
    )


def files_folder(plan: TrexPlan, scratch: Path) -> Path:
    """Where the files to be played are: in the lab's memory, or in a folder of this lab's where a server finds them."""
    if plan.options.folder is None:
        return scratch / "trex"
    return Path(plan.options.folder) / f"{scratch.name}-{os.uname().nodename}"


def path_at_server(plan: TrexPlan, path: str | Path) -> str:
    """What the server calls a file that is in ``files_folder``."""
    ours, theirs = plan.options.folder, plan.options.server_folder
    return str(path) if ours is None or theirs is None else str(Path(theirs) / Path(path).relative_to(ours))


def publisher_settings(plan: TrexPlan | None, scratch: Path) -> dict[str, Any] | None:
    """The exchange's ``publisher``."""
    if plan is None:
        return None
    return {
        "kind": "trex",
        "folder": str(files_folder(plan, scratch)),
        "own_macs": not plan.ports,
        "speed_up": plan.options.speed_up,
        "gap_min_ns": plan.options.gap_min_ns,
        "lead_in_ns": plan.options.lead_in_ns,
        "lead_every_ns": LEAD_EVERY_NS,
        "tail_ns": TAIL_NS,
    }
