"""A made-up CME channel as a capture of its two lines: pcap with nanoseconds, each line with times of its own."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine" / "mdp3"))
from captures import datagrams
from venue import Venue

__all__ = ["GROUPS", "PORTS", "stamps_of", "write_capture"]

GROUPS = {"A": "224.1.31.11:14320", "B": "224.1.32.11:15320"}
PORTS = {14320: 0, 15320: 1}
START_NS = 1_500_000_000 * 10**9


def frame(line: str, payload: bytes) -> bytes:
    address, _, port = GROUPS[line].partition(":")
    target = bytes(map(int, address.split(".")))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 8, 17, 0, bytes(4), target)
    return bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", 1, int(port), 8 + len(payload), 0) + payload


def write_capture(path: Path, *, seed: int, events: int) -> int:
    """Packets 1 to the number returned, on both lines: B is first as a rule, by up to 10 us, as on the real channel."""
    venue, random = Venue(seed, 12), Random(seed)
    for _ in range(events):
        venue.event()
        venue.flush(over=True)  # or a packet may be too long for a frame
    venue.heartbeat()
    at_ns, records = START_NS, []
    clocks = [0, 0]
    for payload in venue.packets:
        at_ns += random.choice([2_000, 12_000, 400_000])
        skew_ns = random.choice([-1, -1, -1, 1]) * random.randint(100, 10_000)
        for line, wanted in enumerate((at_ns, at_ns + skew_ns)):
            clocks[line] = max(clocks[line] + 1, wanted)  # a line keeps its order
            records.append((clocks[line], "AB"[line], payload))
    data = struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for stamp, name, payload in sorted(records, key=lambda record: record[0]):
        whole = frame(name, payload)
        data += struct.pack("<IIII", stamp // 10**9, stamp % 10**9, len(whole), len(whole)) + whole
    path.write_bytes(data)
    return len(venue.packets)


def stamps_of(path: Path) -> dict[int, list[int]]:
    """Arrival on A and on B by MsgSeqNum, read without anything of the lab, the exchange or the engine."""
    found: dict[int, list[int]] = {}
    for one in datagrams(path):
        found.setdefault(int.from_bytes(one.payload[:4], "little"), [0, 0])[PORTS[one.port]] = one.stamp_ns
    return found
