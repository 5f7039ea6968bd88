"""Bypass TCP against kernel TCP on the lab's order wire: messages in turn on two connections, every step stamped.

``out`` is from the send call to the stamp at the wire's far end, ``back`` from the echo's send call to the answer in
the sender's hand, ``round_trip`` the whole, ``call`` the send call alone. All in one clock, one after the other on the
same wire, so that what the host does falls on all. Bare frames of the same length, over the AF_XDP ring and through
the door (engine/io/frame_door.h), say what the wire itself takes: no TCP beats them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lab.errors import UndecidedError
from lab.run.child import Child
from lab.run.command import showing_progress
from lab.run.session import Session, open_session
from lab.run.settings import GATEWAY_PORT, LINE_PORT
from lab.tap import Tap
from lab.tap.order_stream import segments_in
from lab.topology import ORDER_WIRE

__all__ = ["OrderRace", "race_orders", "show_race"]

TRANSPORTS = ("kernel", "af_xdp")
FIGURES = ("out", "back", "round_trip", "call")
FRAMES = ("frame_ring", "frame_door")  # no answer: out and call alone
LANES = TRANSPORTS + FRAMES
INTERVAL_NS = 50_000
WARM_UP = 200  # rows of each run left out
SECONDS = 60.0
MAGIC, INDEX = b"RACE", slice(4, 12)
Times = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class OrderRace:
    """Times in ns by transport and figure."""

    times: dict[str, dict[str, Times]]

    def percentile(self, transport: str, figure: str, percent: float) -> int:
        return int(np.percentile(self.times[transport][figure], percent))

    def ratio(self, figure: str, percent: float) -> float:
        """How many times as long the kernel takes."""
        kernel, bypass = (self.percentile(transport, figure, percent) for transport in TRANSPORTS)
        return kernel / bypass

    def to_json(self) -> dict[str, Any]:
        return {
            transport: {
                figure: {
                    "count": len(times),
                    **{
                        f"p{percent}": self.percentile(transport, figure, percent) for percent in (50, 90, 99)
                    },
                }
                for figure, times in figures.items()
            }
            for transport, figures in self.times.items()
        } | {"ratio_p50": {figure: self.ratio(figure, 50) for figure in FIGURES}}


def run_race(session: Session, directory: Path, *, rows: int) -> dict[str, dict[str, Times]]:
    """One race on wires that are up."""
    directory.mkdir(parents=True, exist_ok=True)
    common = {"address": ORDER_WIRE.exchange_address, "port": GATEWAY_PORT}
    settings = {
        "echo": {**common, "cpu": session.cores.exchange},
        "race": {
            **common,
            "cpu": session.cores.engine,
            "rows": rows,
            "interval_ns": INTERVAL_NS,
            "output": str(directory),
        },
    }
    children: list[Child] = []
    tap = Tap(
        session.topology,
        line_port=LINE_PORT,
        gateway_port=GATEWAY_PORT,
        market_capacity=64,
        frame_capacity=1 << (2 * rows).bit_length(),
        directory=directory,
    )
    try:
        for role, namespace in (("echo", session.topology.exchange), ("race", session.topology.engine)):
            config = directory / f"{role}.json"
            config.write_text(json.dumps({"role": role, **settings[role]}))
            child = Child(
                "engine.race", config, topology=session.topology, namespace=namespace, ledger=session.ledger
            )
            children.append(child)
            child.wait_for("ready", seconds=SECONDS)
        children[1].wait_for("stopped", seconds=SECONDS)
        tap.drain()
    finally:
        for child in children:
            child.end()
        tap.close()
    return figures_of(np.load(directory / "race.npy"), directory / "order_frames.bin")


def figures_of(rows: NDArray[Any], frames: Path) -> dict[str, dict[str, Times]]:
    """Rows of a race and the frames stamped at the far end; UndecidedError when a message has no stamp."""
    stamps = np.zeros(len(rows), np.int64)
    for segment in segments_in(frames.read_bytes()):
        if segment.payload[:4] == MAGIC:
            index = int.from_bytes(segment.payload[INDEX], "big")
            stamps[index] = stamps[index] or segment.stamp_ns
    if not stamps.all():
        raise UndecidedError(f"{int((stamps == 0).sum())} of {len(rows)} messages have no stamp")
    sent, returned, echoed, answered = (rows[name].astype(np.int64) for name in rows.dtype.names or ())
    whole = {
        "out": stamps - sent,
        "back": answered - echoed,
        "round_trip": answered - sent,
        "call": returned - sent,
    }
    return {
        name: {
            figure: whole[figure][WARM_UP + lane :: len(LANES)]
            for figure in (FIGURES if name in TRANSPORTS else ("out", "call"))
        }
        for lane, name in enumerate(LANES)
    }


def race_orders(*, rows: int, repeats: int, prefix: str, console: Console | None) -> OrderRace:
    """Several races on the same wires, pooled."""
    with open_session(prefix) as session, showing_progress(console, "bench orders") as progress:
        races = []
        for repeat in range(repeats):
            progress(f"race {repeat + 1} of {repeats}", 0, 0)
            races.append(run_race(session, session.scratch / f"race-{repeat}", rows=rows))
    return OrderRace(
        times={
            name: {figure: np.concatenate([one[name][figure] for one in races]) for figure in races[0][name]}
            for name in LANES
        }
    )


def show_race(race: OrderRace, console: Console) -> None:
    """The table of a race, in microseconds."""
    table = Table(
        box=None, title="Order wire: kernel TCP against bypass TCP, in turn, us", title_justify="left"
    )
    for column in ("", "kernel p50", "bypass p50", "ratio", "kernel p99", "bypass p99", "ratio", "count"):
        table.add_column(column, justify="right" if column else "left")
    for figure in FIGURES:
        cells = []
        for percent in (50, 99):
            cells += [f"{race.percentile(transport, figure, percent) / 1e3:.2f}" for transport in TRANSPORTS]
            cells.append(f"{race.ratio(figure, percent):.2f}")
        table.add_row(figure, *cells, f"{len(race.times['af_xdp'][figure]):,}")
    console.print(table)
    bare = ", ".join(
        f"{what} {race.percentile(name, 'out', 50) / 1e3:.2f}"
        for name, what in zip(FRAMES, ("over the ring", "through the door"), strict=True)
    )
    console.print(f"out of a bare frame, p50: {bare}")
    console.print("out: send call to the far end's stamp; back: the echo's send call to the answer in hand")
