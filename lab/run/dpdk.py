"""A scenario's engine goes in; what the engine is told of each line's wire comes out, and how that wire is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.wires import dpdk_built
from lab.errors import MissingError
from lab.scenario import Engine
from lab.scenario.dpdk import Dpdk

__all__ = ["VIRTUAL", "handed_over", "line_wire", "tap_poses", "wire_mode"]

# Room for a backlog as long as AF_XDP's; busy_budget=0: a poll that finds nothing makes no system call.
VIRTUAL = {
    "net_af_packet": "net_af_packet{index},iface={interface},blocksz=65536,framesz=2048,framecnt=4096",
    "net_af_xdp": "net_af_xdp{index},iface={interface},busy_budget=0",
}


def devargs(dpdk: Dpdk, name: str, interface: str) -> str:
    """The whole devargs of one line."""
    device = device_of(dpdk, name)
    return (
        VIRTUAL[device].format(index="AB".index(name), interface=interface) if device in VIRTUAL else device
    )


def device_of(dpdk: Dpdk, name: str) -> str:
    """A driver that the lab completes, or whole devargs."""
    return dpdk.device if isinstance(dpdk.device, str) else dpdk.device["A" if name == "A" else "B"]


def handed_over(engine: Engine, name: str) -> bool:
    """True when the tap's program hands the line's packets over to a socket in its map."""
    if engine.wire != "dpdk" or engine.dpdk is None:
        return engine.wire == "af_xdp"
    return device_of(engine.dpdk, name).startswith("net_af_xdp")


def tap_poses(engine: Engine) -> bool:
    """True when the tap's program must pass for libxdp's own, since net_af_xdp would bring that one otherwise."""
    return engine.wire == "dpdk" and any(handed_over(engine, name) for name in "AB")


def line_wire(engine: Engine, name: str, interface: str, socket_map: int | None) -> dict[str, Any]:
    """``wire`` and what belongs to it in a line of the engine's config. MissingError when it was built without."""
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
        "dpdk": {"device": devargs(engine.dpdk, name, interface), "hugepages": engine.dpdk.hugepages},
    }


def wire_mode(engine: Engine, lines: Mapping[str, Mapping[str, Any]]) -> str:
    """How the engine read its lines, from its own report of them."""
    if engine.wire == "af_xdp":
        return "zero copy" if all(lines[name]["zero_copy"] for name in "AB") else "copy"
    if engine.wire == "dpdk":
        return ", ".join(sorted({lines[name]["dpdk"]["driver"] for name in "AB" if "dpdk" in lines[name]}))
    return "sockets"
