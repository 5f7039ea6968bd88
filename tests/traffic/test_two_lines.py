"""A two-line capture: every payload as it was, on its own line, at its own time; on made-up and on real packets."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_process import Process, Wires, configure, sum_of
from traffic_reference import real_folder

from traffic.config import TwoLinesSource
from traffic.errors import InputError
from traffic.market.two_lines import two_lines_stream

GROUPS = {"A": "224.0.31.11:14320", "B": "224.0.32.11:15320"}
ADDRESSES = {"A": (bytes([224, 0, 31, 11]), 14320), "B": (bytes([224, 0, 32, 11]), 15320)}


def packet(line: str, payload: bytes) -> bytes:
    address, port = ADDRESSES[line]
    return bytes(12) + b"\x08\x00" + struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 1, 17, 0, bytes(4), address
    ) + struct.pack(">HHHH", 1, port, 8 + len(payload), 0) + payload  # fmt: skip


def write_capture(path: Path, *packets: tuple[int, bytes]) -> Path:
    records = b"".join(
        struct.pack("<IIII", at_ns // 10**9, at_ns % 10**9, len(data), len(data)) + data
        for at_ns, data in packets
    )
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1) + records)
    return path


def source(path: Path, **fields: Any) -> TwoLinesSource:
    given = {"kind": "two_lines", "path": str(path), "lines": GROUPS}
    return TwoLinesSource.model_validate(given | fields)


def payload(number: int, size: int) -> bytes:
    return struct.pack("<I", number) + bytes([number % 256]) * (size - 4)


MADE = [
    (5_000_000_000, packet("A", payload(100, 40))),
    (5_000_000_700, packet("B", payload(100, 40))),
    (5_000_002_000, packet("B", payload(101, 1472))),
    (5_000_002_100, packet("A", payload(101, 1472))),
    (5_000_009_000, packet("B", payload(102, 4))),  # line A lost it
    (5_000_009_500, packet("A", payload(103, 77))),
    (5_000_009_400, packet("B", payload(103, 77))),
]


def test_each_line_keeps_its_packets_and_their_times(tmp_path: Path) -> None:
    stream = two_lines_stream(source(write_capture(tmp_path / "x.pcap", *MADE)), line_names=("A", "B"))
    assert stream.packet_lines is not None
    assert stream.packet_lines.tolist() == [0, 1, 1, 0, 1, 1, 0]
    packets = stream.packets
    assert packets["intended_ns"].tolist() == [0, 700, 2000, 2100, 9000, 9400, 9500]
    assert packets["first_sequence"].tolist() == [1, 1, 2, 2, 3, 4, 3]
    assert packets["bytes"].tolist() == [40, 40, 1472, 1472, 4, 77, 77]
    assert packets["count"].tolist() == [1] * 7
    sent = [
        stream.arena[offset : offset + size].tobytes()
        for offset, size in packets[["message_offset", "bytes"]].tolist()
    ]
    in_order = [MADE[index][1][42:] for index in (0, 1, 2, 3, 4, 6, 5)]
    assert sent == in_order
    assert stream.notes["line_packets"] == {"A": 3, "B": 4}


def test_numbers_may_be_those_in_front_of_the_payloads_and_lines_may_stand_the_other_way(
    tmp_path: Path,
) -> None:
    path = write_capture(tmp_path / "x.pcap", *MADE)
    stream = two_lines_stream(source(path, numbers="mdp3", speed=0.5), line_names=("B", "A"))
    assert stream.packet_lines is not None
    assert stream.packet_lines.tolist() == [1, 0, 0, 1, 0, 0, 1]
    assert stream.packets["first_sequence"].tolist() == [100, 100, 101, 101, 102, 103, 103]
    assert stream.packets["intended_ns"].tolist() == [0, 1400, 4000, 4200, 18000, 18800, 19000]
    shorter = two_lines_stream(source(path, gap_max_ns=1000), line_names=("A", "B"))
    assert shorter.packets["intended_ns"].tolist() == [0, 700, 1700, 1800, 2800, 3200, 3300]
    assert shorter.notes["gaps_collapsed"] == 2


def test_what_is_not_of_the_lines_is_passed_over_and_counted(tmp_path: Path) -> None:
    other = bytearray(packet("A", b"123"))
    other[36:38] = b"\0\1"
    strange = [(1, bytes(other)), (2, packet("A", bytes(1473))), (3, packet("A", b"")), (4, b"\0" * 60)]
    stream = two_lines_stream(
        source(write_capture(tmp_path / "x.pcap", *strange, *MADE)), line_names=("A", "B")
    )
    assert len(stream.packets) == len(MADE)
    assert stream.notes["skipped"] == {
        "of another group or port": 1, "larger than a frame, or empty": 2, "not IPv4": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "packets", "says"),
    [
        ({}, [MADE[0]], "no packet to 224.0.32.11:15320 \\(line B\\)"),
        (
            {"numbers": "mdp3"},
            [*MADE, (6_000_000_000, packet("A", b"xyz"))],
            "too short for an MDP 3.0 number",
        ),
    ],
)
def test_a_capture_that_does_not_fit_is_named(
    tmp_path: Path, fields: dict[str, Any], packets: list[tuple[int, bytes]], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        two_lines_stream(
            source(write_capture(tmp_path / "x.pcap", *packets), **fields), line_names=("A", "B")
        )


def replayed(
    wires: Wires, folder: Path, given: dict[str, Any], **changes: Any
) -> tuple[list[list[bytes]], dict[str, Any]]:
    """Payloads that arrived by line, and exchange.json."""
    config = configure(
        folder, source={"kind": "two_lines", "lines": GROUPS} | given, bursts=None, heartbeat_ns=1_000_000, **changes
    )  # fmt: skip
    with Process(config, namespace=wires.namespace) as process:
        ready = process.event()
        assert (ready["session"], ready["sessions"]) == ("", [])
        process.command(do="start", at_ns=time.monotonic_ns() + 5_000_000)
        arrived: list[list[bytes]] = [[], []]
        while not wires.readable(process.process.stdout):
            for line in (0, 1):
                arrived[line] += wires.frames(line)
        assert process.event()["event"] == "published"
        time.sleep(0.02)
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")
    for line, frames in enumerate(arrived):
        frames += wires.frames(line)
        for data in frames:
            ip, udp = data[14:34], data[34:]
            assert sum_of(ip) == 0xFFFF
            assert sum_of(ip[12:20] + struct.pack(">HH", 17, len(udp)) + udp) == 0xFFFF
    summary = json.loads((folder / "out" / "exchange.json").read_text())
    return [[data[42:] for data in frames] for frames in arrived], summary


@pytest.mark.privileged
def test_payloads_arrive_as_they_were_and_nothing_else_does(wires: Wires, tmp_path: Path) -> None:
    path = write_capture(tmp_path / "x.pcap", *MADE)
    (line_a, line_b), summary = replayed(wires, tmp_path, {"path": str(path), "numbers": "mdp3"})
    assert line_a == [payload(100, 40), payload(101, 1472), payload(103, 77)]
    assert line_b == [payload(100, 40), payload(101, 1472), payload(102, 4), payload(103, 77)]
    out = tmp_path / "out"
    packets, lines = np.load(out / "packets.npy"), np.load(out / "packet_lines.npy")
    assert lines.tolist() == [0, 1, 1, 0, 1, 1, 0]
    own = packets["sent_ns"][np.arange(7), lines]
    assert (own >= packets["intended_ns"]).all()
    assert not packets["sent_ns"][np.arange(7), 1 - lines].any()
    assert np.diff(packets["intended_ns"]).tolist() == [700, 1300, 100, 6900, 400, 100]
    payloads = (out / "payloads.bin").read_bytes()
    assert payloads[packets["message_offset"][4] :][: packets["bytes"][4]] == payload(102, 4)
    assert not (out / "messages.itch").exists()
    assert summary["published"]["packets"] == 7
    assert summary["stream"]["line_packets"] == {"A": 3, "B": 4}
    assert [line["packets"] for line in summary["lines"]] == [3, 4]
    assert summary["sessions"] == []


@pytest.mark.privileged
def test_impairments_act_on_payloads_too(wires: Wires, tmp_path: Path) -> None:
    path = write_capture(tmp_path / "x.pcap", *MADE)
    rules = [
        {"lines": ["A"], "action": "drop", "from_position": 101, "packets": 1},
        {"lines": ["B"], "action": "duplicate", "from_position": 103, "packets": 1},
        {"lines": ["B"], "action": "corrupt", "corruption": "truncate", "amount": 2, "from_position": 102,
         "packets": 1},
    ]  # fmt: skip
    given = {"path": str(path), "numbers": "mdp3"}
    (line_a, line_b), _ = replayed(wires, tmp_path, given, impairments=rules)
    assert line_a == [payload(100, 40), payload(103, 77)]
    assert line_b == [
        payload(100, 40), payload(101, 1472), payload(102, 4)[:2], payload(103, 77), payload(103, 77),
    ]  # fmt: skip


def real_payloads(path: Path) -> list[list[bytes]]:
    """UDP payloads by line; read without the code under test (pcapng, little-endian)."""
    captured: list[list[bytes]] = [[], []]
    data, offset = path.read_bytes(), 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        if kind == 6:  # an enhanced packet block
            (size,) = struct.unpack_from("<I", data, offset + 20)
            frame = data[offset + 28 : offset + 28 + size]
            begin = frame.index(b"\x08\x00\x45", 12) + 2
            target = frame[begin + 16 : begin + 20], int.from_bytes(frame[begin + 22 : begin + 24], "big")
            for line, address in enumerate(ADDRESSES.values()):
                if target == address:
                    end = begin + 20 + int.from_bytes(frame[begin + 24 : begin + 26], "big")
                    captured[line].append(frame[begin + 28 : end])
        offset += length
    return captured


@pytest.mark.real
@pytest.mark.privileged
def test_the_real_lines_arrive_byte_for_byte(wires: Wires, tmp_path: Path) -> None:
    path = real_folder() / "mdp3" / "cme_2016-09-27_lines_ab.pcap"
    if not path.exists():
        pytest.skip(f"no real capture of two lines: {path} is not there")
    given = {"path": str(path), "numbers": "mdp3", "gap_max_ns": 200_000}
    arrived, summary = replayed(wires, tmp_path, given)
    assert summary["stream"]["line_packets"] == {"A": 5000, "B": 5000}
    captured = real_payloads(path)
    assert [len(payloads) for payloads in captured] == [5000, 5000]
    assert arrived == captured
    packets = np.load(tmp_path / "out" / "packets.npy")
    lines = np.load(tmp_path / "out" / "packet_lines.npy")
    for line in (0, 1):
        numbers = packets["first_sequence"][lines == line]
        assert numbers.tolist() == [struct.unpack_from("<I", each)[0] for each in captured[line]]
