"""The UDP checksum on the bypass wire: what scapy computes is good, any flipped bit is not."""

from __future__ import annotations

from engine._engine import ffi, lib
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

PORT = 26_477
HEADER_BYTES = 14 + 20 + 8
CHECKSUM = HEADER_BYTES - 2


def good(frame: bytes) -> bool:
    kept = ffi.new("uint8_t[]", frame)
    packet = ffi.new("struct packet *")
    assert lib.frame_datagram(kept, len(frame), PORT, packet)
    return bool(lib.frame_checksum_good(packet))


def sent(payload: bytes, *, source: str = "10.77.1.1", group: str = "239.77.1.1") -> bytes:
    return bytes(
        Ether(dst="01:00:5e:4d:01:01") / IP(src=source, dst=group) / UDP(sport=1, dport=PORT) / Raw(payload)
    )


@given(payload=st.binary(max_size=1472))
def test_what_scapy_sends_is_good(payload: bytes) -> None:
    assert good(sent(payload))


@given(payload=st.binary(min_size=1, max_size=200), data=st.data())
def test_any_flipped_bit_of_the_payload_is_noticed(payload: bytes, data: st.DataObject) -> None:
    frame = bytearray(sent(payload))
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    frame[HEADER_BYTES + bit // 8] ^= 1 << bit % 8
    assert not good(bytes(frame))


def test_a_checksum_of_zero_is_none() -> None:
    frame = bytearray(sent(b"payload"))
    frame[CHECKSUM : CHECKSUM + 2] = b"\0\0"
    assert good(bytes(frame))


@given(payload=st.binary(min_size=1, max_size=64))
def test_a_sum_left_to_hardware_that_never_came_is_accepted(payload: bytes) -> None:
    frame = bytearray(sent(payload))
    words = bytes(frame[26:34]) + bytes([0, 17]) + bytes(frame[38:40])
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    frame[CHECKSUM : CHECKSUM + 2] = total.to_bytes(2, "big")
    assert good(bytes(frame))
