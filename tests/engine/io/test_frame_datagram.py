"""From an Ethernet frame to a UDP payload: never a byte outside of the frame, and scapy's view of real ones.

Frames end at an unmapped page, so that one byte read too far ends the test process.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import example, given, settings
from hypothesis import strategies as st

PAGE = mmap.PAGESIZE
PORT = 26_477
FRAMES_MAX = 1_500  # of one capture


class GuardedPages:
    """Two pages, of which the second can be neither read nor written."""

    def __init__(self) -> None:
        self.pages = mmap.mmap(-1, 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mprotect(ctypes.c_void_p(start + PAGE), PAGE, 0) == 0
        self.start = start

    def place(self, frame: bytes) -> Any:
        """The frame, ending at the last byte that can be read."""
        self.pages[PAGE - len(frame) : PAGE] = frame
        return ffi.cast("uint8_t *", self.start + PAGE - len(frame))


GUARDED = GuardedPages()


def payload_of(frame: bytes, port: int = 0) -> bytes | None:
    """What the engine finds; None when it wants nothing of the frame."""
    packet = ffi.new("struct packet *")
    placed = GUARDED.place(frame)
    if not lib.frame_datagram(placed, len(frame), port, packet):
        return None
    offset = int(ffi.cast("uintptr_t", packet.data)) - int(ffi.cast("uintptr_t", placed))
    assert 0 <= offset <= offset + packet.length <= len(frame)
    return bytes(ffi.buffer(packet.data, packet.length)) if packet.length else b""


def frame(
    payload: bytes,
    *,
    tags: tuple[int, ...] = (),
    options: int = 0,
    fragment: int = 0x4000,
    protocol: int = 17,
    version: int = 4,
    ethertype: int = 0x0800,
    total: int | None = None,
    udp_length: int | None = None,
    port: int = PORT,
    padding: bytes = b"",
) -> bytes:
    """``options`` counts words of IP options; lengths that are not given are right."""
    udp = struct.pack(">HHHH", 1, port, 8 + len(payload) if udp_length is None else udp_length, 0) + payload
    size = 20 + 4 * options + len(udp) if total is None else total
    ip = struct.pack(">BBHHHBBH", version << 4 | (5 + options), 0, size, 1, fragment, 8, protocol, 0)
    tagging = b"".join(struct.pack(">HH", tag, 5) for tag in tags)
    return bytes(12) + tagging + struct.pack(">H", ethertype) + ip + bytes(8 + 4 * options) + udp + padding


@pytest.mark.parametrize("size", [0, 1, 20, 1_400])
def test_a_plain_datagram_is_found(size: int) -> None:
    payload = bytes(range(256)) * 6
    assert payload_of(frame(payload[:size])) == payload[:size]


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8,), (0x88A8, 0x8100), (0x8100, 0x8100)])
def test_up_to_two_vlan_tags_are_passed_over(tags: tuple[int, ...]) -> None:
    assert payload_of(frame(b"payload", tags=tags)) == b"payload"


def test_a_third_tag_is_too_many() -> None:
    assert payload_of(frame(b"payload", tags=(0x8100, 0x8100, 0x8100))) is None


@pytest.mark.parametrize("options", range(11))
def test_ip_options_are_passed_over(options: int) -> None:
    assert payload_of(frame(b"payload", options=options)) == b"payload"


def test_padding_and_trailers_are_not_payload() -> None:
    assert payload_of(frame(b"abc", padding=bytes(40))) == b"abc"
    assert payload_of(frame(b"abc" + b"behind the datagram", udp_length=11)) == b"abc"


@pytest.mark.parametrize("fragment", [0x2000, 0x0001, 0x1FFF, 0x3FFF])
def test_fragments_are_refused(fragment: int) -> None:
    assert payload_of(frame(b"payload", fragment=fragment)) is None


@pytest.mark.parametrize("flags", [0x0000, 0x4000])
def test_a_datagram_that_may_or_must_not_be_fragmented_is_whole(flags: int) -> None:
    assert payload_of(frame(b"payload", fragment=flags)) == b"payload"


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": 6},
        {"version": 6},
        {"ethertype": 0x0806},
        {"ethertype": 0x86DD},
        {"total": 27},
        {"total": 36},
        {"udp_length": 7},
        {"udp_length": 16},
    ],
    ids=str,
)
def test_what_is_no_whole_udp_datagram_is_refused(wrong: dict[str, int]) -> None:
    assert payload_of(frame(b"payload", **wrong)) is None


def test_an_ip_header_shorter_than_its_least_is_refused() -> None:
    short = bytearray(frame(b"payload"))
    short[14] = 0x44
    assert payload_of(bytes(short)) is None


def test_the_port_decides_and_zero_takes_any() -> None:
    assert payload_of(frame(b"payload"), PORT) == b"payload"
    assert payload_of(frame(b"payload"), PORT + 1) is None
    assert payload_of(frame(b"payload"), 0) == b"payload"


@pytest.mark.parametrize("tags", [(), (0x8100,), (0x88A8, 0x8100)])
@pytest.mark.parametrize("options", [0, 3, 10])
def test_a_frame_cut_anywhere_is_refused(tags: tuple[int, ...], options: int) -> None:
    whole = frame(b"payload", tags=tags, options=options)
    for length in range(len(whole)):
        assert payload_of(whole[:length]) is None


FIELDS = st.fixed_dictionaries(
    {
        "tags": st.lists(st.sampled_from([0x8100, 0x88A8]), max_size=4).map(tuple),
        "options": st.integers(0, 10),
        "fragment": st.sampled_from([0, 0x4000, 0x2000, 1]),
        "total": st.one_of(st.none(), st.integers(0, 0xFFFF)),
        "udp_length": st.one_of(st.none(), st.integers(0, 0xFFFF)),
    }
)


FRAMES = st.builds(lambda payload, fields: frame(payload, **fields), st.binary(max_size=40), FIELDS)


@settings(deadline=None, max_examples=1_000)
@given(st.one_of(st.binary(max_size=120), FRAMES))
@example(b"")
def test_no_frame_makes_it_read_outside(data: bytes) -> None:
    payload = payload_of(data)
    assert payload is None or payload in data


@settings(deadline=None, max_examples=300)
@given(st.data(), st.binary(max_size=60), FIELDS)
def test_a_damaged_frame_makes_it_read_no_further(
    data: st.DataObject, payload: bytes, fields: dict[str, Any]
) -> None:
    damaged = bytearray(frame(payload, **fields))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    payload_of(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


def captured(path: Path) -> Iterator[bytes]:
    from scapy.utils import RawPcapReader

    with RawPcapReader(str(path)) as reader:
        yield from (data for data, _ in islice(reader, FRAMES_MAX))


def seen_by_scapy(data: bytes) -> bytes | None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    read = Ether(data)
    if UDP not in read or IP not in read or read[IP].flags.MF or read[IP].frag:
        return None
    return bytes(read[UDP])[8 : read[UDP].len]


@pytest.mark.real
def test_payloads_of_real_captures_are_those_that_scapy_sees(real_directory: Path) -> None:
    found = 0
    for path in sorted(real_directory.glob("*/*.pcap")):
        for data in captured(path):
            expected = seen_by_scapy(data)
            assert payload_of(data) == expected, path.name
            found += expected is not None
    assert found > 1_000
