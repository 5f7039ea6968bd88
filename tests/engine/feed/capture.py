"""Pcap files of one VLAN-tagged or plain IPv4/UDP packet each time: a file enters, UDP payloads leave."""

import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["udp_payloads"]

ETHERTYPE_VLAN, ETHERTYPE_IPV4, PROTOCOL_UDP = 0x8100, 0x0800, 17


def udp_payloads(path: Path) -> Iterator[bytes]:
    """The UDP payload of every record, without Ethernet padding or trailers."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xd4\xc3\xb2\xa1") else ">"
    offset = 24
    while offset < len(data):
        captured, original = struct.unpack_from(order + "8xII", data, offset)
        assert captured == original, f"{path}: a record is cut short"
        yield _udp_payload(data[offset + 16 : offset + 16 + captured])
        offset += 16 + captured


def _udp_payload(frame: bytes) -> bytes:
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    start = 14
    while ethertype == ETHERTYPE_VLAN:
        (ethertype,) = struct.unpack_from(">H", frame, start + 2)
        start += 4
    assert (ethertype, frame[start + 9]) == (ETHERTYPE_IPV4, PROTOCOL_UDP)
    udp = start + (frame[start] & 15) * 4
    (length,) = struct.unpack_from(">H", frame, udp + 4)
    return frame[udp + 8 : udp + length]
