"""Capture files: a pcap or pcapng file enters, its UDP datagrams leave with their times.

scapy reads the file formats; what it would pass over in silence (a file cut short) is checked here first.
"""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scapy.error import Scapy_Exception
from scapy.utils import RawPcapNgReader, RawPcapReader

from traffic.errors import InputError
from traffic.market.itch_file import read_bytes

__all__ = ["Datagram", "Skip", "read_datagrams", "udp_datagram"]

LINK_ETHERNET, LINK_RAW_IP = 1, 101
VLAN_TAGS = (0x8100, 0x88A8)
PCAP_MAGICS = {
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">",
    b"\x4d\x3c\xb2\xa1": "<",
}
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


@dataclass(frozen=True, kw_only=True)
class Datagram:
    """Where it goes to (address in network order) and what it carries."""

    address: bytes
    port: int
    payload: bytes


class Skip(Exception):
    """A packet that is not for us; the text is the reason, counted."""


def _cut(path: Path, index: int, offset: int, what: str, size: int) -> InputError:
    return InputError(
        f"{path}: packet {index} at byte {offset}: the file ends at byte {size}, inside {what}: "
        "the capture is cut short; capture it again or cut it before this packet"
    )


def _check_pcap(path: Path, data: bytes) -> None:
    order, offset, index = PCAP_MAGICS[data[:4]], 24, 0
    if len(data) < offset:
        raise _cut(path, 0, 0, "the file header", len(data))
    while offset < len(data):
        if len(data) - offset < 16:
            raise _cut(path, index, offset, "a record header", len(data))
        captured = struct.unpack_from(order + "I", data, offset + 8)[0]
        if len(data) - offset - 16 < captured:
            raise _cut(path, index, offset, f"a record of {captured} bytes", len(data))
        offset += 16 + captured
        index += 1


def _check_pcapng(path: Path, data: bytes) -> None:
    order, offset, index = "<", 0, 0
    while offset < len(data):
        if len(data) - offset < 12:
            raise _cut(path, index, offset, "a block header", len(data))
        if data[offset : offset + 4] == PCAPNG_MAGIC:
            order = "<" if data[offset + 8 : offset + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        kind, length = struct.unpack_from(order + "II", data, offset)
        if length < 12 or length % 4:
            raise InputError(
                f"{path}: packet {index} at byte {offset}: block length {length} is impossible: "
                "the capture is damaged; capture it again"
            )
        if len(data) - offset < length:
            raise _cut(path, index, offset, f"a block of {length} bytes", len(data))
        offset += length
        index += kind in (2, 3, 6)


def _frames(path: Path, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(link type, time in ns, frame) of every packet."""
    if data[:4] == PCAPNG_MAGIC:
        _check_pcapng(path, data)
        readers: Any = RawPcapNgReader  # scapy's annotations know neither open files nor this metadata
        with readers(io.BytesIO(data)) as reader:
            for frame, meta in reader:
                ticks = (meta.tshigh << 32 | meta.tslow) if meta.tshigh is not None else 0
                yield meta.linktype, ticks * 1_000_000_000 // meta.tsresol, frame
    else:
        _check_pcap(path, data)
        readers = RawPcapReader
        with readers(io.BytesIO(data)) as reader:
            unit_ns = 1 if reader.nano else 1000
            for frame, meta in reader:
                yield reader.linktype, meta.sec * 1_000_000_000 + meta.usec * unit_ns, frame


def udp_datagram(link: int, frame: bytes) -> Datagram:
    """The UDP datagram of a frame: VLAN tags stripped, the IP total length taken for true, padding left out."""
    offset = 0
    if link == LINK_ETHERNET:
        offset = 12
        while len(frame) >= offset + 2 and int.from_bytes(frame[offset : offset + 2], "big") in VLAN_TAGS:
            offset += 4
        if frame[offset : offset + 2] != b"\x08\x00":
            raise Skip("not IPv4")
        offset += 2
    elif link != LINK_RAW_IP:
        raise Skip(f"link type {link}")
    packet = frame[offset:]
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise Skip("not IPv4")
    header_bytes = (packet[0] & 15) * 4
    total_bytes = int.from_bytes(packet[2:4], "big")
    if packet[9] != 17:
        raise Skip("not UDP")
    if int.from_bytes(packet[6:8], "big") & 0x3FFF:
        raise Skip("IP fragment")
    if header_bytes < 20 or total_bytes < header_bytes + 8:
        raise Skip("malformed IPv4")
    if total_bytes > len(packet):
        raise Skip("cut by the capture length")
    datagram = packet[header_bytes:total_bytes]
    udp_bytes = int.from_bytes(datagram[4:6], "big")
    if not 8 <= udp_bytes <= len(datagram):
        raise Skip("malformed UDP")
    return Datagram(
        address=packet[16:20], port=int.from_bytes(datagram[2:4], "big"), payload=datagram[8:udp_bytes]
    )


def read_datagrams(path: Path, skipped: Counter[str]) -> Iterator[tuple[int, Datagram]]:
    """(time in ns, datagram) of every packet that has one; `skipped` counts the others by reason."""
    data = read_bytes(path)
    if data[:4] != PCAPNG_MAGIC and data[:4] not in PCAP_MAGICS:
        raise InputError(f"{path}: neither pcap nor pcapng (starts with {data[:4].hex() or 'nothing'})")
    index = 0
    try:
        for link, time_ns, frame in _frames(path, data):
            index += 1
            try:
                datagram = udp_datagram(link, frame)
            except Skip as reason:
                skipped[str(reason)] += 1
                continue
            yield time_ns, datagram
    except (Scapy_Exception, struct.error, ZeroDivisionError) as error:
        raise InputError(f"{path}: packet {index}: unreadable: {error}") from None
