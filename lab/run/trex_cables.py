"""TRex sends a frame on each of its ports, and where it comes out says how the cables are plugged.

For lines whose far end is not ours (``Topology.far_lines``), before the engine is up. A cable cannot be asked in any
other way whether it is there, whether its link is up, and whether A and B are crossed, which would look like an engine
that hears nothing.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from lab.errors import MissingError
from lab.topology import Topology
from lab.topology.ports import CABLE_SECONDS, PROBE_BYTES, PROBE_TYPE, packet_socket
from lab.topology.wires import WIRES
from traffic.trex.client import TrexClient

__all__ = ["check_far_ends"]

AGAIN_SECONDS = 0.5  # a card that was down may still negotiate its link
PCAP_NS = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)


def check_far_ends(
    client: TrexClient,
    *,
    topology: Topology,
    ports: Mapping[str, int],
    folder: Path,
    at_server: Callable[[Path], str],
    server: str,
) -> None:
    """Returns when each of TRex's ports was heard at the engine's end of its line. MissingError after 10 s.

    ``ports``: line -> TRex's port. ``folder``: where files for the server are written.
    """
    with ExitStack() as stack:
        ears = {
            line: stack.enter_context(packet_socket(topology.engine, WIRES[line].interface)) for line in ports
        }
        for line, port in ports.items():
            frame = b"\xff" * 6 + bytes(6) + PROBE_TYPE.to_bytes(2, "big") + os.urandom(16)
            path = folder / f"{line}-cable.pcap"
            path.write_bytes(
                PCAP_NS
                + struct.pack("<IIII", 0, 0, PROBE_BYTES, PROBE_BYTES)
                + frame.ljust(PROBE_BYTES, b"\0")
            )
            heard = None
            deadline = time.monotonic() + CABLE_SECONDS
            while heard is None and time.monotonic() < deadline:
                client.push({port: at_server(path)}, own_macs=False)
                heard = listen(ears, frame[12:])
                client.end([port])
            names = {name: topology.ports.wires[name][1] for name in ears}
            if heard is None and not sent_by(client, port):
                raise MissingError(
                    f"line {line}",
                    why=f"port {port} of {server} sent nothing of {at_server(path)}",
                    install="let the server see that file (folder and server_folder of traffic.trex), its link up",
                )
            if heard is None:
                raise MissingError(
                    f"line {line}",
                    why=f"no frame sent by port {port} of {server} arrived at {names[line]} in {CABLE_SECONDS:.0f} s",
                    install=f"connect them, directly or through a switch (ethtool {names[line]} shows the link)",
                )
            if heard != line:
                raise MissingError(
                    f"line {line}",
                    why=f"what port {port} of {server} sends arrives at {names[heard]}, the end of line {heard}",
                    install="swap the two numbers in traffic.ports, or the cables",
                )


def sent_by(client: TrexClient, port: int) -> int:
    """Frames that a port of the server's has sent since it was taken: TRex does not say that a file is not there."""
    return sum(one.sent_packets for one in client.statistics().ports if one.port == port)


def listen(ears: Mapping[str, socket.socket], wanted: bytes) -> str | None:
    """The line at whose end a frame with these bytes behind its addresses comes out; None: none did in time."""
    deadline = time.monotonic() + AGAIN_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select(list(ears.values()), [], [], left)
        for line, ear in ears.items():
            if ear in readable and ear.recv(PROBE_BYTES)[12:].startswith(wanted):
                return line
    return None
