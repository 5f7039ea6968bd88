"""Streams of TRex beside the market, and the way that its latency stream takes over line A's wire.

While a port plays a file it plays nothing else, so a second port on the same interface sends the rest. The probes go to
the engine's end of line A, past the tap's program, where the kernel forwards them over a wire of their own, on which no
other port of TRex hears them, to TRex's receiving port. So what TRex measures is its own sending, the wire with the
market on it, that program, the kernel's forwarding and its own receiving: a measure of the instrument, not of the
engine.
"""

from __future__ import annotations

import subprocess

from lab.run.trex_plan import TrexPlan
from lab.topology import Topology
from lab.topology.wires import WIRES
from traffic.trex.messages import ProfileConfig, StreamConfig

__all__ = ["ProbePath", "second_interfaces", "second_profiles", "second_streams"]

FIRST_SECOND_PORT = 2
PROBE_FLOW = 1
BACKGROUND_FLOW = 100
PROBE_UDP_PORT = 7007
PROBE_WIRE = "probe"
PROBE_SOURCE, PROBE_TARGET, PROBE_GATEWAY = "10.77.1.101", "10.77.5.1", "10.77.5.2/24"


class ProbePath:
    """Open: probes that reach the engine's end of line A come back over a wire of their own."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def _run(self, namespace: str, *arguments: str, check: bool = True) -> None:
        command = self._topology.command(namespace, *arguments)
        subprocess.run(command, check=check, capture_output=True)

    def open(self) -> None:
        here, there = self._topology.exchange, self._topology.engine
        self._run(
            here, "ip", "link", "add", PROBE_WIRE, "type", "veth", "peer", "name", PROBE_WIRE, "netns", there
        )
        for namespace in (here, there):
            self._run(namespace, "ip", "link", "set", PROBE_WIRE, "up")
        self._run(there, "ip", "addr", "add", PROBE_GATEWAY, "dev", PROBE_WIRE)
        mac = self._topology.hardware_address(here, PROBE_WIRE)
        where = ("lladdr", mac, "dev", PROBE_WIRE, "nud", "permanent")
        self._run(there, "ip", "neigh", "replace", PROBE_TARGET, *where)
        for interface in (WIRES["A"].interface, PROBE_WIRE):
            self._run(there, "sh", "-c", f"echo 1 > /proc/sys/net/ipv4/conf/{interface}/forwarding")

    def close(self) -> None:
        """Safe when it never was open. The namespaces take what is left with them."""
        line = WIRES["A"].interface
        self._run(
            self._topology.engine,
            "sh",
            "-c",
            f"echo 0 > /proc/sys/net/ipv4/conf/{line}/forwarding",
            check=False,
        )
        self._run(self._topology.exchange, "ip", "link", "del", PROBE_WIRE, check=False)


def _lines(plan: TrexPlan) -> list[str]:
    """Lines on whose wires a second port sends."""
    wanted = {background.line for background in plan.options.background} | {one.line for one in plan.noise}
    return sorted(wanted | ({"A"} if plan.options.latency is not None else set()))


def second_interfaces(plan: TrexPlan) -> list[str]:
    """Interfaces of the ports from 2 on."""
    probe = [PROBE_WIRE] if plan.options.latency is not None else []
    return [WIRES[line].interface for line in _lines(plan)] + probe


def second_profiles(plan: TrexPlan) -> dict[int, list[ProfileConfig]]:
    """Profiles by TRex's port; none without noise."""
    ports = {line: FIRST_SECOND_PORT + index for index, line in enumerate(_lines(plan))}
    found: dict[int, list[ProfileConfig]] = {}
    for one in plan.noise:
        config = ProfileConfig(profile=one.profile, tunables=dict(one.tunables), direction=one.direction)
        found.setdefault(ports[one.line], []).append(config)
    return found


def second_streams(plan: TrexPlan, topology: Topology) -> dict[int, list[StreamConfig]]:
    """Streams by TRex's port; none without background and latency."""
    ports = {line: FIRST_SECOND_PORT + index for index, line in enumerate(_lines(plan))}
    found: dict[int, list[StreamConfig]] = {}
    for index, background in enumerate(plan.options.background):
        wire = WIRES[background.line]
        group = [int(part) for part in background.group.split(".")]
        found.setdefault(ports[background.line], []).append(
            StreamConfig(
                name=f"background {index}",
                source_mac=topology.hardware_address(topology.exchange, wire.interface),
                target_mac=f"01:00:5e:{group[1] & 127:02x}:{group[2]:02x}:{group[3]:02x}",
                source=wire.exchange_address,
                target=background.group,
                udp_port=background.port,
                frame_bytes=background.size,
                rate_per_s=float(background.rate_per_s),
                flow=BACKGROUND_FLOW + index,
            )
        )
    if (latency := plan.options.latency) is not None:
        interface = WIRES["A"].interface
        found.setdefault(ports["A"], []).append(
            StreamConfig(
                name="probe",
                source_mac=topology.hardware_address(topology.exchange, interface),
                target_mac=topology.hardware_address(topology.engine, interface),
                source=PROBE_SOURCE,
                target=PROBE_TARGET,
                udp_port=PROBE_UDP_PORT,
                frame_bytes=latency.size,
                rate_per_s=float(latency.rate_per_s),
                flow=PROBE_FLOW,
                latency=True,
            )
        )
    return found
