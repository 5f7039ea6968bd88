"""Streams of TRex beside the market, and the way back that its latency stream takes at the engine's end of line A.

The probes go from TRex's second port on line A's wire to the engine's end, where the kernel forwards them to an
address that is, by a neighbour entry, TRex's end of the same wire. So what TRex measures is its own sending, the wire
both ways, the tap's program, the kernel's forwarding and its own receiving: a measure of the instrument, not of the
engine.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.run.trex_plan import TrexPlan
from lab.topology import Topology
from lab.topology.wires import WIRES
from traffic.trex.messages import StreamConfig

__all__ = ["ProbePath", "probe_streams"]

PROBE_PORT = 2  # TRex's second port on line A's wire
SECOND_PORTS = {"A": 2, "B": 3}
PROBE_FLOW = 1
BACKGROUND_FLOW = 100
PROBE_UDP_PORT = 7007
PROBE_SOURCE, PROBE_TARGET = "10.77.1.101", "10.77.1.102"
SETTINGS = {"forwarding": "1", "send_redirects": "0"}


class ProbePath:
    """Open: the engine's end of line A sends probes back. It goes away with the namespace, at the latest."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._wire = WIRES["A"]

    def _ip(self, *arguments: str) -> None:
        subprocess.run(
            self._topology.command(self._topology.engine, "ip", *arguments), check=True, capture_output=True
        )

    def _set(self, key: str, value: str) -> None:
        path = Path("/proc/sys/net/ipv4/conf") / self._wire.interface / key
        command = ("sh", "-c", f"echo {value} > {path}")
        subprocess.run(
            self._topology.command(self._topology.engine, *command), check=True, capture_output=True
        )

    def open(self) -> None:
        for key, value in SETTINGS.items():
            self._set(key, value)
        self._set("../all/send_redirects", "0")
        mac = self._topology.hardware_address(self._topology.exchange, self._wire.interface)
        where = ("lladdr", mac, "dev", self._wire.interface, "nud", "permanent")
        self._ip("neigh", "replace", PROBE_TARGET, *where)

    def close(self) -> None:
        """Safe when it never was open, or the namespace is gone."""
        command = ("ip", "neigh", "del", PROBE_TARGET, "dev", self._wire.interface)
        subprocess.run(
            self._topology.command(self._topology.engine, *command), check=False, capture_output=True
        )


def probe_streams(plan: TrexPlan, topology: Topology) -> dict[int, list[StreamConfig]]:
    """Streams by TRex's port; none without background and latency."""
    found: dict[int, list[StreamConfig]] = {}
    for index, background in enumerate(plan.options.background):
        wire = WIRES[background.line]
        group = [int(part) for part in background.group.split(".")]
        found.setdefault(SECOND_PORTS[background.line], []).append(
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
        found.setdefault(PROBE_PORT, []).append(
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
