"""An order's segment, written from a template: the same bytes that scapy builds, checksums and all."""

from __future__ import annotations

import socket
import struct

from engine._engine import ffi, lib
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

ADDRESSES = st.integers(1, 2**32 - 2)
PORTS = st.integers(1, 65_535)
NUMBERS = st.integers(0, 2**32 - 1)
ETHERNET_BYTES = 14


def dotted(address: int) -> str:
    return socket.inet_ntoa(struct.pack(">I", address))


@given(
    local=ADDRESSES,
    peer=ADDRESSES,
    ports=st.tuples(PORTS, PORTS),
    sequence=NUMBERS,
    acknowledged=NUMBERS,
    window=st.integers(0, 65_535),
    data=st.binary(min_size=1, max_size=1_460),
)
def test_it_is_what_an_independent_implementation_writes(
    local: int, peer: int, ports: tuple[int, int], sequence: int, acknowledged: int, window: int, data: bytes
) -> None:
    ends = ffi.new("struct segment_ends *")
    ends.local, ends.peer = socket.htonl(local), socket.htonl(peer)
    ends.local_port, ends.peer_port = ports
    template = ffi.new("struct segment_template *")
    lib.segment_template_init(template, ends)
    frame = ffi.new("uint8_t[2048]")
    length = lib.segment_write(template, frame, sequence, acknowledged, window, data, len(data))
    written = bytes(ffi.buffer(frame, length))
    header = IP(src=dotted(local), dst=dotted(peer), id=0, flags="DF", ttl=64)
    numbers = {"seq": sequence, "ack": acknowledged, "window": window}
    segment = TCP(sport=ports[0], dport=ports[1], flags="PA", **numbers)
    assert written[ETHERNET_BYTES:] == bytes(header / segment / Raw(data))
    assert written[12:14] == b"\x08\x00"
