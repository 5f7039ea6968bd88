"""A market for a generator that plays files: a stream enters, a pcap per line (with nanoseconds) and its plan leave.

Each file is a line as the exchange would have sent it, frame for frame, with its heartbeats:

    lead-in      heartbeats every lead_every_ns for lead_in_ns; by their arrivals the lab learns when the file began,
                 which TRex cannot be told: it begins when its core gets round to it
    the market   data at the intended times, heartbeats where a line would otherwise be silent for heartbeat_ns
    tail         heartbeats for tail_ns, which tell that all is out, even if the last packets were lost

A second file has the packets that end the session; it is played when the lab says that the run is over.
TRex plays record i so much behind record i - 1: max(gap_min_ns, (t[i] - t[i-1]) / speed_up). What that makes of the
intended times is computed here (played_ns) and is what the run is judged by.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import PCAP_CONTROL, PCAP_ENTRY_DTYPE, pcap_line
from traffic.errors import InputError, MissingError

if TYPE_CHECKING:
    from traffic.config import LineConfig, PublisherConfig
    from traffic.market.stream import Stream

__all__ = ["ANY_MAC", "Plan", "hardware_address", "plan_of", "played_ns", "render"]

END_OF_SESSION = 0xFFFF
END_EVERY_NS = 1_000_000
SIOCGIFHWADDR = 0x8927
ANY_MAC = bytes.fromhex("020000000001")  # of a line that has no interface here: the generator puts its own in


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The records of every line's file, and when they leave, counted from the first."""

    entries: NDArray[np.void]
    played_ns: NDArray[np.int64]
    lead_in: int  # records that are heartbeats in front of the market

    @property
    def market_ns(self) -> int:
        """From the first record to the first market data."""
        return int(self.played_ns[self.lead_in])

    @property
    def packets_ns(self) -> NDArray[np.int64]:
        """For each packet, from the first packet."""
        of_packets: NDArray[np.int64] = self.played_ns[self.entries["packet"] != PCAP_CONTROL]
        return of_packets - self.market_ns


def played_ns(at_ns: NDArray[np.int64], *, speed_up: float, gap_min_ns: int) -> NDArray[np.int64]:
    """When records with these times leave, counted from the first: TRex's rule for push_remote."""
    gaps = np.diff(at_ns, prepend=at_ns[:1])
    if speed_up != 1.0:
        gaps = np.rint(gaps / speed_up).astype(np.int64)
    gaps[1:] = np.maximum(gaps[1:], gap_min_ns)
    return np.cumsum(gaps, dtype=np.int64)


def _heartbeats_between(times_ns: NDArray[np.int64], heartbeat_ns: int) -> NDArray[np.int64]:
    """For each packet, how many heartbeats follow it before the next one."""
    gaps = np.diff(times_ns)
    return np.append(np.maximum(gaps - 1, 0) // heartbeat_ns, 0)


def plan_of(stream: Stream, config: PublisherConfig, *, heartbeat_ns: int) -> Plan:
    """The records of a line, lead-in and tail included. InputError: a stream whose packets are not MoldUDP64."""
    if stream.packet_lines is not None:
        raise InputError("source two_lines: its payloads are no MoldUDP64: the exchange plays it, not TRex")
    packets = stream.packets
    first, last = stream.first_sequence, stream.first_sequence + stream.scan.messages
    lead = np.arange(0, config.lead_in_ns, config.lead_every_ns, dtype=np.int64)
    times_ns = packets["intended_ns"].astype(np.int64) + config.lead_in_ns
    after = _heartbeats_between(times_ns, heartbeat_ns)
    follows = np.repeat(np.arange(packets.size), after)  # the packet that each heartbeat follows
    place = np.arange(follows.size) - np.repeat(np.cumsum(after) - after, after) + 1
    tail_every_ns = min(heartbeat_ns, config.tail_ns)
    tail = times_ns[-1] + tail_every_ns * np.arange(1, config.tail_ns // tail_every_ns + 1, dtype=np.int64)

    entries = np.zeros(lead.size + packets.size + follows.size + tail.size, PCAP_ENTRY_DTYPE)
    entries["packet"] = PCAP_CONTROL
    entries["at_ns"][: lead.size], entries["sequence"][: lead.size] = lead, first
    market = entries[lead.size : lead.size + packets.size + follows.size]
    data = np.arange(packets.size) + np.cumsum(after) - after
    market["at_ns"][data], market["packet"][data] = times_ns, np.arange(packets.size)
    market["sequence"][data], market["count"][data] = packets["first_sequence"], packets["count"]
    silent = np.ones(market.size, bool)
    silent[data] = False
    market["at_ns"][silent] = times_ns[follows] + place * heartbeat_ns
    market["sequence"][silent] = (packets["first_sequence"] + packets["count"])[follows]
    if tail.size:
        entries["at_ns"][-tail.size :], entries["sequence"][-tail.size :] = tail, last
    leaves = played_ns(entries["at_ns"], speed_up=config.speed_up, gap_min_ns=config.gap_min_ns)
    return Plan(entries=entries, played_ns=leaves, lead_in=lead.size)


def end_entries(stream: Stream, *, repeat: int) -> NDArray[np.void]:
    """The packets that end the session."""
    entries = np.zeros(repeat, PCAP_ENTRY_DTYPE)
    entries["at_ns"] = np.arange(repeat) * END_EVERY_NS
    entries["packet"], entries["count"] = PCAP_CONTROL, END_OF_SESSION
    entries["sequence"] = stream.first_sequence + stream.scan.messages
    return entries


def hardware_address(interface: str) -> bytes:
    """Its six bytes. MissingError: there is no such interface in this network namespace."""
    request = struct.pack("40s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFHWADDR, request)
        except OSError as error:
            raise MissingError(
                f"interface {interface}: its address cannot be read: {error.strerror}"
            ) from None
    return answer[18:24]


def _write(path: Path, file: NDArray[np.uint8]) -> None:
    """Whole or not there."""
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as out:
            out.write(file.data)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def render(
    stream: Stream,
    plan: Plan,
    *,
    lines: tuple[LineConfig, ...],
    folder: Path,
    ends: int,
    macs: Mapping[str, bytes] | None = None,
) -> dict[str, dict[str, str]]:
    """Write NAME.pcap and NAME-end.pcap of each line into `folder`; their paths. `macs` default to the interfaces'."""
    parts = {"market": ("", plan.entries), "end": ("-end", end_entries(stream, repeat=max(ends, 1)))}
    written: dict[str, dict[str, str]] = {}
    for line in lines:
        mac = macs[line.name] if macs is not None else hardware_address(line.interface)
        for part, (suffix, entries) in parts.items():
            path = folder / f"{line.name}{suffix}.pcap"
            file = pcap_line(
                entries,
                packets=stream.packets,
                arena=stream.arena,
                session=stream.session,
                source_mac=mac,
                source=line.source.packed,
                group=line.group.packed,
                port=line.port,
            )
            _write(path, file)
            written.setdefault(line.name, {})[part] = str(path)
    return written
