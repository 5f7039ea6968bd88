"""Captures as a source: formats, layers, merging of lines, and damage; scapy writes the captures."""

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgWriter, PcapWriter
from traffic_reference import add, delete, frame, messages_of

from traffic.config import CaptureSource
from traffic.errors import InputError
from traffic.market.capture import capture_stream
from traffic.market.stream import Stream

SESSION = b"000010059B"
ONE, TWO, THREE = add(1, "B", 100, 10_000), add(2, "S", 200, 10_100), delete(1)


def mold(sequence: int, *messages: bytes, session: bytes = SESSION, count: int | None = None) -> bytes:
    return struct.pack(">10sQH", session, sequence, len(messages) if count is None else count) + frame(
        *messages
    )


def udp(payload: bytes, *, tags: int = 0) -> Packet:
    packet = Ether(src="02:00:00:00:00:01", dst="01:00:5e:36:0c:6f")
    for tag in range(tags):
        packet = packet / Dot1Q(vlan=141 + tag)
    return packet / IP(src="10.0.0.1", dst="233.54.12.111") / UDP(sport=1, dport=26477) / Raw(payload)


def write(path: Path, *packets: Packet, gap_ns: int = 1000, ng: bool = False, nano: bool = True) -> Path:
    writer = PcapNgWriter(str(path)) if ng else PcapWriter(str(path), nano=nano, linktype=1)
    for index, packet in enumerate(packets):
        if ng:
            packet.time = 1_600_000_000 + index * gap_ns / 1e9
            writer.write(packet)
        else:
            unit = 1 if nano else 1000
            if not writer.header_present:
                writer.write_header(None)
            writer.write_packet(bytes(packet), sec=1_600_000_000, usec=index * gap_ns // unit)
    writer.close()
    return path


def read(path: Path, **options: object) -> Stream:
    source = CaptureSource(kind="pcap", paths=(str(path),), **options)  # type: ignore[arg-type]
    return capture_stream(source, session=b"TAILGATE01")


def sent(stream: Stream) -> list[bytes]:
    return list(messages_of(stream.arena.tobytes()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.pcap"


def test_packets_session_numbers_and_times_are_kept(path: Path) -> None:
    stream = read(write(path, udp(mold(41, ONE, TWO)), udp(mold(43, THREE))))
    assert sent(stream) == [ONE, TWO, THREE]
    assert (stream.session, stream.first_sequence) == (SESSION, 41)
    assert stream.packets["first_sequence"].tolist() == [41, 43]
    assert stream.packets["count"].tolist() == [2, 1]
    assert stream.packets["intended_ns"].tolist() == [0, 1000]
    assert stream.packets["bytes"].tolist() == [20 + 2 * 38, 20 + 21]
    assert stream.notes["renumbered"] is False


@pytest.mark.parametrize(("ng", "nano"), [(False, True), (False, False), (True, False)])
def test_pcap_in_micro_and_nanoseconds_and_pcapng_are_read(path: Path, ng: bool, nano: bool) -> None:
    stream = read(write(path, udp(mold(1, ONE)), udp(mold(2, TWO)), gap_ns=5_000_000, ng=ng, nano=nano))
    assert sent(stream) == [ONE, TWO]
    assert stream.packets["intended_ns"][1] == pytest.approx(5_000_000, abs=2_000)


@pytest.mark.parametrize("tags", [0, 1, 2])
def test_stacked_vlan_tags_are_stripped(path: Path, tags: int) -> None:
    assert sent(read(write(path, udp(mold(1, ONE), tags=tags)))) == [ONE]


def test_ethernet_padding_and_trailers_do_not_matter(path: Path) -> None:
    padded = Raw(bytes(udp(mold(1, THREE))) + b"\xb8\x2f\x7a" * 6)
    assert sent(read(write(path, padded))) == [THREE]


def test_speed_scales_and_a_rate_replaces_capture_times(path: Path) -> None:
    write(path, udp(mold(1, ONE, TWO)), udp(mold(3, THREE)))
    assert read(path, speed=0.5).packets["intended_ns"].tolist() == [0, 2000]
    assert read(path, rate_per_s=1000).packets["intended_ns"].tolist() == [0, 2_000_000]


def test_what_is_not_moldudp64_is_counted_by_reason(path: Path) -> None:
    strange = [
        Ether() / ARP(),
        Ether() / IP() / TCP(),
        udp(b"short"),
        udp(mold(1, ONE) + b"tail"),
        udp(mold(3)),
        udp(mold(3, count=0xFFFF)),
    ]
    stream = read(write(path, *strange, udp(mold(1, ONE))))
    assert stream.notes["skipped"] == {
        "not IPv4": 1,
        "not UDP": 1,
        "UDP, not MoldUDP64": 2,
        "MoldUDP64 heartbeat": 1,
        "MoldUDP64 end of session": 1,
    }
    assert sent(stream) == [ONE]


def test_zeroed_sessions_and_numbers_are_numbered_from_one_in_our_session(path: Path) -> None:
    stream = read(write(path, udp(mold(0, ONE, session=bytes(10))), udp(mold(0, TWO, session=bytes(10)))))
    assert sent(stream) == [ONE, TWO]
    assert (stream.session, stream.first_sequence) == (b"TAILGATE01", 1)
    assert stream.packets["first_sequence"].tolist() == [1, 2]
    assert stream.notes["renumbered"] is True


def test_two_lines_in_one_capture_are_merged_by_number(path: Path) -> None:
    a = [mold(1, ONE), mold(2, TWO, THREE)]
    b = [mold(1, ONE, TWO), mold(3, THREE)]
    stream = read(write(path, udp(a[0]), udp(b[0]), udp(b[1]), udp(a[1])))
    assert sent(stream) == [ONE, TWO, THREE]
    assert stream.packets["count"].tolist() == [1, 1, 1]
    assert (stream.notes["renumbered"], stream.notes["duplicates"]) == (True, 3)


def test_packets_out_of_order_are_put_in_order_and_never_before_their_time(path: Path) -> None:
    stream = read(write(path, udp(mold(1, ONE)), udp(mold(3, THREE)), udp(mold(2, TWO)), udp(mold(1, ONE))))
    assert sent(stream) == [ONE, TWO, THREE]
    assert stream.packets["intended_ns"].tolist() == [0, 2000, 2000]


def test_a_number_with_two_contents_keeps_every_message_in_capture_order(path: Path) -> None:
    stream = read(write(path, udp(mold(1, ONE)), udp(mold(1, TWO))))
    assert sent(stream) == [ONE, TWO]
    assert stream.notes["renumbered"] is True


def test_gaps_in_the_numbers_are_closed_by_numbering_anew(path: Path) -> None:
    stream = read(write(path, udp(mold(1, ONE)), udp(mold(9, TWO))))
    assert stream.packets["first_sequence"].tolist() == [1, 2]
    assert stream.notes["renumbered"] is True


def test_a_jumbo_packet_is_split_at_what_a_frame_carries(path: Path) -> None:
    stream = read(write(path, udp(mold(1, *[add(1, "B", 1, 1)] * 100))))
    assert len(sent(stream)) == 100
    assert stream.packets["bytes"].max() <= 1472
    assert stream.notes["packets_split"] == 2


def test_a_capture_without_moldudp64_is_an_error_that_says_what_was_found(path: Path) -> None:
    with pytest.raises(InputError, match=r"no MoldUDP64 data packet in it \(1 not UDP\)"):
        read(write(path, Ether() / IP() / TCP()))


@pytest.mark.parametrize("ng", [False, True])
def test_a_capture_cut_anywhere_is_an_error_with_packet_and_byte(path: Path, ng: bool) -> None:
    write(path, udp(mold(1, ONE)), ng=ng)
    first_end = path.stat().st_size
    data = write(path, udp(mold(1, ONE)), udp(mold(2, TWO)), ng=ng).read_bytes()
    for size in range(first_end + 1, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(
            InputError, match=rf"packet 1 at byte {first_end}: the file ends at byte {size}, inside"
        ):
            read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.binary(max_size=200), ng=st.booleans())
def test_any_bytes_behind_a_magic_give_a_stream_or_one_error(path: Path, data: bytes, ng: bool) -> None:
    path.write_bytes((b"\x0a\x0d\x0d\x0a" if ng else b"\xd4\xc3\xb2\xa1") + data)
    with pytest.raises(InputError):
        read(path)


def test_a_text_file_is_neither_pcap_nor_pcapng(path: Path) -> None:
    path.write_text("hello")
    with pytest.raises(InputError, match="neither pcap nor pcapng"):
        read(path)
