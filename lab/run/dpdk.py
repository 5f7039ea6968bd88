"""A scenario's engine goes in; what both ends are told of its lines, and what the stamps are worth, comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.wires import dpdk_built
from lab.errors import MissingError
from lab.measure.data import ClockInfo
from lab.measure.rows import MARKET_TAPS, Rows
from lab.results.stored import MARKET_STAMPS
from lab.scenario import Engine
from lab.scenario.dpdk import Dpdk, device_of, handed_over, is_shared
from lab.tap import market_rows

__all__ = [
    "VIRTUAL",
    "exchange_end",
    "line_wire",
    "market_stamps",
    "send_time_bound_ns",
    "sent_stamps",
    "shared_clock",
    "tap_poses",
    "wire_mode",
]

# Room for a backlog as long as AF_XDP's; busy_budget=0: a poll that finds nothing makes no system call.
VIRTUAL = {
    "net_af_packet": "net_af_packet{index},iface={interface},blocksz=65536,framesz=2048,framecnt=4096",
    "net_af_xdp": "net_af_xdp{index},iface={interface},busy_budget=0",
    "net_memif": "net_memif{index},role=client,id={index},socket={socket},socket-abstract=no,rsize=12",
}
EXCHANGE_END = "net_memif{index},role=server,id={index},socket={socket},socket-abstract=no"
SENDS_WITHIN = 0.99  # so many of the sends lie within the uncertainty of a stamp taken before them


def devargs(dpdk: Dpdk, name: str, interface: str, socket: Path) -> str:
    """The whole devargs of one line."""
    device = device_of(dpdk, name)
    return (
        VIRTUAL[device].format(index="AB".index(name), interface=interface, socket=socket)
        if device in VIRTUAL
        else device
    )


def tap_poses(engine: Engine) -> bool:
    """True when the tap's program must pass for libxdp's own, since net_af_xdp would bring that one otherwise."""
    return engine.wire == "dpdk" and any(handed_over(engine, name) for name in "AB")


def line_wire(
    engine: Engine, name: str, interface: str, socket_map: int | None, socket: Path
) -> dict[str, Any]:
    """``wire`` and what belongs to it in a line of the engine's config; ``socket``: where net_memif's ends meet.

    MissingError when the engine was built without DPDK.
    """
    given: dict[str, Any] = {
        "wire": engine.wire,
        "socket_map": socket_map if handed_over(engine, name) else None,
    }
    if engine.wire != "dpdk" or engine.dpdk is None:
        return given
    if not dpdk_built():
        raise MissingError(
            "this engine was built without DPDK",
            install="apt-get install libdpdk-dev, then ci/setup to build it again",
        )
    return {
        **given,
        "dpdk": {"device": devargs(engine.dpdk, name, interface, socket), "hugepages": engine.dpdk.hugepages},
    }


def exchange_end(engine: Engine, name: str, socket: Path) -> dict[str, str]:
    """``device`` of a line in the exchange's config, where exchange and engine share memory."""
    return {"device": EXCHANGE_END.format(index="AB".index(name), socket=socket)} if is_shared(engine) else {}


def sent_stamps(packets: Rows) -> Rows:
    """MARKET_TAPS of lines that no hook sees: the exchange's clock before each send, where it was sent."""
    found = []
    for line in range(2):
        left = packets[packets["sent_ns"][:, line] > 0]
        rows = np.zeros(len(left), MARKET_TAPS)
        rows["stamp_ns"], rows["sequence"] = left["sent_ns"][:, line], left["first_sequence"]
        rows["count"], rows["line"], rows["length"] = left["count"], line, left["bytes"]
        found.append(rows)
    together = np.concatenate(found)
    return together[np.argsort(together["stamp_ns"], kind="stable")]


def send_time_bound_ns(exchange: Mapping[str, Any]) -> int:
    """Within so long of its stamp a packet was in the shared memory, 99 of 100 times, by the exchange's own report."""
    counts = np.sum([line["send_ns_log2"] for line in exchange["lines"]], axis=0)
    reached = np.cumsum(counts) >= SENDS_WITHIN * counts.sum()
    return 1 << int(np.argmax(reached)) + 1


def market_stamps(engine: Engine, packets: Rows, directory: Path) -> Rows:
    """The market's stamps of a pass: the tap's; with shared memory the exchange's for the lines, written down too."""
    taps = market_rows(directory / "market_taps.bin")
    if not is_shared(engine):
        return taps
    together = np.concatenate([sent_stamps(packets), taps[taps["line"] > 1]])
    together = together[np.argsort(together["stamp_ns"], kind="stable")]
    np.save(directory / MARKET_STAMPS, together)
    return together


def shared_clock(exchange: Path, *, taps: Rows, orders: int, uncertainty_ns: int) -> ClockInfo:
    """What stamps are worth where exchange and engine share memory: the lines have no hook, so they are ``sw-app``."""
    lines = int((taps["line"] < 2).sum())
    said = json.loads((exchange / "exchange.json").read_text())
    return ClockInfo(
        grade="sw-app",
        uncertainty_ns=uncertainty_ns + send_time_bound_ns(said),
        stamps_by_grade={"sw-app": lines, "sw-driver": len(taps) - lines + orders},
    )


def wire_mode(engine: Engine, lines: Mapping[str, Mapping[str, Any]]) -> str:
    """How the engine read its lines, from its own report of them."""
    if engine.wire == "af_xdp":
        return "zero copy" if all(lines[name]["zero_copy"] for name in "AB") else "copy"
    if engine.wire == "dpdk":
        return ", ".join(sorted({lines[name]["dpdk"]["driver"] for name in "AB" if "dpdk" in lines[name]}))
    return "sockets"
