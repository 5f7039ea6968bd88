"""Files for TRex: the very frames of the exchange's lines, at its times, with heartbeats where silence would be."""

import io
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from exchange_process import Process, Wires, check_frame, configure
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapReader

from traffic.config import LineConfig, ModelSource, PackingConfig, PublisherConfig
from traffic.errors import InputError, MissingError
from traffic.market.order_flow import order_flow_stream
from traffic.market.stream import Stream
from traffic.trex.render import PCAP_CONTROL, hardware_address, plan_of, played_ns, render

SECOND_NS = 1_000_000_000
LINES = tuple(
    LineConfig(name=name, interface=interface, source=source, group=group, port=port)
    for name, interface, source, group, port in (
        ("A", "x0", "10.77.1.1", "239.77.0.1", 26477),
        ("B", "y0", "10.77.2.1", "239.205.0.2", 26478),
    )
)
MACS = {"A": bytes.fromhex("020000000001"), "B": bytes.fromhex("020000000002")}


def stream_at(offsets_ns: list[int]) -> Stream:
    """One message a packet, at these offsets (the first 0, not falling)."""
    stream = order_flow_stream(
        ModelSource(kind="model", symbols=2, messages=len(offsets_ns), arrivals="even", rate_per_s=1000),
        seed=3,
        session=b"TAILGATE01",
        packing=PackingConfig(messages_max=1, gap_min_ns=0),
        bursts=None,
    )
    assert stream.packets.size == len(offsets_ns)
    stream.packets["intended_ns"] = offsets_ns
    return stream


def publisher(folder: str = "/nowhere", **more: object) -> PublisherConfig:
    return PublisherConfig.model_validate({"kind": "trex", "folder": folder, **more})


def records(path: Path) -> list[tuple[int, bytes]]:
    """(time in ns, frame) of a pcap file, read by scapy."""
    with RawPcapReader(io.BytesIO(path.read_bytes())) as reader:
        assert reader.nano
        assert reader.linktype == 1
        return [(meta.sec * SECOND_NS + meta.usec, frame) for frame, meta in reader]


def reference(
    offsets_ns: list[int], *, lead_ns: int, every_ns: int, heartbeat_ns: int, tail_ns: int
) -> list[object]:
    """(time, sequence, count) of every record, worked out one by one."""
    rows: list[object] = [(at, 1, 0) for at in range(0, lead_ns, every_ns)]
    for index, offset in enumerate(offsets_ns):
        rows.append((lead_ns + offset, index + 1, 1))
        following = offsets_ns[index + 1] if index + 1 < len(offsets_ns) else None
        silent = offset + heartbeat_ns
        while following is not None and silent < following:
            rows.append((lead_ns + silent, index + 2, 0))
            silent += heartbeat_ns
    step = min(heartbeat_ns, tail_ns)
    end = lead_ns + offsets_ns[-1]
    return rows + [(end + at, len(offsets_ns) + 1, 0) for at in range(step, tail_ns + 1, step)]


@given(
    gaps=st.lists(st.integers(0, 5 * SECOND_NS), min_size=0, max_size=30),
    heartbeat_ns=st.integers(1_000_000, 2 * SECOND_NS),
    every_ns=st.integers(100_000_000, SECOND_NS),
    tail_ns=st.integers(1, 3 * SECOND_NS),
)
def test_records_are_those_of_the_reference(
    gaps: list[int], heartbeat_ns: int, every_ns: int, tail_ns: int
) -> None:
    offsets = [0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    heartbeat_ns = max(heartbeat_ns, (offsets[-1] + tail_ns) // 2000)  # a file of bounded length
    times = {"lead_in_ns": 2 * SECOND_NS, "lead_every_ns": every_ns, "tail_ns": tail_ns}
    plan = plan_of(stream_at(offsets), publisher(**times), heartbeat_ns=heartbeat_ns)
    found = [(int(row["at_ns"]), int(row["sequence"]), int(row["count"])) for row in plan.entries]
    assert found == reference(
        offsets, lead_ns=2 * SECOND_NS, every_ns=every_ns, heartbeat_ns=heartbeat_ns, tail_ns=tail_ns
    )
    assert (np.diff(plan.played_ns) >= 0).all()
    assert plan.packets_ns.tolist() == offsets, "played as intended when nothing was asked for"
    assert plan.market_ns == 2 * SECOND_NS


@given(
    gaps=st.lists(st.integers(0, SECOND_NS), min_size=1, max_size=50),
    speed_up=st.floats(0.01, 1000),
    gap_min_ns=st.integers(0, 100_000),
)
def test_played_times_follow_the_rule_of_push_remote(
    gaps: list[int], speed_up: float, gap_min_ns: int
) -> None:
    at_ns = np.cumsum([0, *gaps]).astype(np.int64)
    at = 0.0
    expected = [at]
    for gap in gaps:
        at += max(gap_min_ns * 1e-9, gap * 1e-9 / speed_up)
        expected.append(at)
    found = played_ns(at_ns, speed_up=speed_up, gap_min_ns=gap_min_ns)
    assert found[0] == 0
    assert np.allclose(found, np.array(expected) * 1e9, rtol=1e-9, atol=len(gaps))


def test_the_gap_floor_shifts_what_follows() -> None:
    plan = plan_of(stream_at([0, 1000, 500_000]), publisher(gap_min_ns=50_000), heartbeat_ns=SECOND_NS)
    assert plan.packets_ns.tolist() == [0, 50_000, 549_000]


def test_a_file_has_a_nanosecond_clock_and_whole_frames(tmp_path: Path) -> None:
    stream = stream_at([0, 1, 1_234_567, SECOND_NS + 5])
    plan = plan_of(stream, publisher(), heartbeat_ns=400_000_000)
    written = render(stream, plan, lines=LINES, folder=tmp_path / "files", ends=3, macs=MACS)
    for line in LINES:
        rows = records(Path(written[line.name]["market"]))
        assert [at for at, _ in rows] == plan.entries["at_ns"].tolist()
        numbers = {"group": line.group.packed, "source": line.source.packed, "port": line.port}
        payload = 0
        for (_, frame), entry in zip(rows, plan.entries, strict=True):
            assert frame[6:12] == MACS[line.name]
            session, sequence, count, blocks = check_frame(frame, **numbers)  # type: ignore[arg-type]
            assert (session, sequence, count) == (b"TAILGATE01", entry["sequence"], entry["count"])
            if entry["packet"] != PCAP_CONTROL:
                record = stream.packets[entry["packet"]]
                at = int(record["message_offset"])
                assert blocks == stream.arena[at : at + int(record["bytes"]) - 20].tobytes()
                payload += len(blocks)
            else:
                assert blocks == b""
        assert payload == stream.arena.size
        ends = [check_frame(frame, **numbers) for _, frame in records(Path(written[line.name]["end"]))]  # type: ignore[arg-type]
        assert ends == [(b"TAILGATE01", 5, 0xFFFF, b"")] * 3


@pytest.mark.privileged
def test_frames_are_byte_for_byte_those_that_the_exchange_sends(wires: Wires, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    own = tmp_path / "own"
    own.mkdir()
    trex = configure(tmp_path, publisher={"kind": "trex", "folder": str(folder), "lead_in_ns": 50_000_000})
    with Process(trex, namespace=wires.namespace) as process:
        files = process.event()["published_by"]["files"]  # type: ignore[index]
    with Process(configure(own), namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns() + 20_000_000)
        arrived: list[list[bytes]] = [[], []]
        while not wires.readable(process.process.stdout):
            for line in (0, 1):
                arrived[line] += wires.frames(line)
        process.event()
        process.command(do="stop")
        process.event()
        for line in (0, 1):
            arrived[line] += wires.frames(line)
    for line, name in enumerate("AB"):
        sent = [frame for frame in arrived[line] if frame[60:62] not in (b"\0\0", b"\xff\xff")]
        ends = [frame for frame in arrived[line] if frame[60:62] == b"\xff\xff"]
        rendered = [frame for _, frame in records(Path(files[name]["market"])) if frame[60:62] != b"\0\0"]
        assert len(sent) > 100
        assert sent == rendered
        assert ends == [frame for _, frame in records(Path(files[name]["end"]))]


def test_a_capture_of_two_lines_is_not_for_trex() -> None:
    from dataclasses import replace

    stream = replace(stream_at([0]), packet_lines=np.zeros(1, np.uint8))
    with pytest.raises(InputError, match="the exchange plays it"):
        plan_of(stream, publisher(), heartbeat_ns=SECOND_NS)


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingError, match="interface nosuch0: its address cannot be read"):
        hardware_address("nosuch0")
    assert hardware_address("lo") == bytes(6)
    assert socket.if_nametoindex("lo")


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    stream = stream_at([0])
    plan = plan_of(stream, publisher(), heartbeat_ns=SECOND_NS)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"A\.pcap: cannot be written"):
        render(stream, plan, lines=LINES, folder=tmp_path / "file", ends=1, macs=MACS)
