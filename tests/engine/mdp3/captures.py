"""Packet captures, classic or next generation: a file enters, stamps and UDP payloads leave.

Parsed with struct alone, so that what a test compares the engine with owes nothing to a library.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Datagram", "datagrams"]

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
RESOLUTION = 9  # option of an interface: power of ten of its stamps


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram; the stamp is in ns, exact."""

    stamp_ns: int
    port: int
    payload: bytes


def datagrams(path: Path) -> Iterator[Datagram]:
    """Every UDP datagram of a capture in the order of the file."""
    data = path.read_bytes()
    records = _next_generation(data) if struct.unpack_from("<I", data)[0] == SECTION else _classic(data)
    for stamp_ns, frame in records:
        (ethertype,) = struct.unpack_from(">H", frame, 12)
        start = 18 if ethertype == 0x8100 else 14
        assert frame[start + 9] == 17, "UDP only"
        udp = start + (frame[start] & 15) * 4
        port, length = struct.unpack_from(">HH", frame, udp + 2)
        yield Datagram(stamp_ns, port, frame[udp + 8 : udp + length])


def _classic(data: bytes) -> Iterator[tuple[int, bytes]]:
    unit = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}[struct.unpack_from("<I", data)[0]]
    offset = 24
    while offset < len(data):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", data, offset)
        yield seconds * 10**9 + fraction * unit, data[offset + 16 : offset + 16 + captured]
        offset += 16 + captured


def _next_generation(data: bytes) -> Iterator[tuple[int, bytes]]:
    resolution, offset = 6, 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        block = data[offset + 8 : offset + length - 4]
        if kind == INTERFACE:
            resolution = _resolution(block[8:])
        elif kind == PACKET:
            _, high, low, captured, _ = struct.unpack_from("<IIIII", block)
            yield (high << 32 | low) * 10 ** (9 - resolution), block[20 : 20 + captured]
        offset += length


def _resolution(options: bytes) -> int:
    offset = 0
    while offset + 4 <= len(options):
        code, length = struct.unpack_from("<HH", options, offset)
        if code == RESOLUTION:
            return options[offset + 4]
        offset += 4 + (length + 3) // 4 * 4
    return 6
