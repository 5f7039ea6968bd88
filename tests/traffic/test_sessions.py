"""Session rolls: packets in positions, none across a roll; and what the wire and the files say of them."""

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from exchange_process import Process, Wires, configure
from hypothesis import given
from hypothesis import strategies as st
from traffic_reference import frame

from traffic.bindings import ScheduleOptions, build_schedule
from traffic.config import SessionConfig
from traffic.errors import InputError
from traffic.market.sessions import roll_sessions

SESSION = b"TAILGATE01"


def rolls_at(*places: int) -> list[SessionConfig]:
    return [SessionConfig(at_sequence=place, session=f"NEXT{index}") for index, place in enumerate(places)]


@given(
    sizes=st.lists(st.integers(1, 60), min_size=3, max_size=60),
    messages_max=st.integers(1, 9),
    first=st.sampled_from([1, 41, 19_009_117]),
    data=st.data(),
)
def test_every_message_keeps_its_place_and_its_time_and_no_packet_lies_across_a_roll(
    sizes: list[int], messages_max: int, first: int, data: st.DataObject
) -> None:
    messages = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    arena = np.frombuffer(bytearray(frame(*messages)), np.uint8)
    times_ns = np.arange(len(messages)) // 3 * 1000
    before = build_schedule(arena, times_ns, ScheduleOptions(messages_max=messages_max, first_sequence=first))
    places = sorted(
        data.draw(st.sets(st.integers(first + 1, first + len(messages) - 1), min_size=1, max_size=3))
    )
    packets, sessions = roll_sessions(
        arena, before.copy(), session=SESSION, first_sequence=first, rolls=rolls_at(*places)
    )
    assert [session.first_message for session in sessions] == [0, *(place - first for place in places)]
    assert sum(session.messages for session in sessions) == len(messages)
    expected = []
    for index in range(len(messages)):
        ordinal = sum(index >= place - first for place in places)
        session = sessions[ordinal]
        expected.append((ordinal << 40) + session.first_sequence + index - session.first_message)
    found, offsets = [], []
    for packet in packets:
        offset = int(packet["message_offset"])
        for index in range(packet["count"]):
            found.append(int(packet["first_sequence"]) + index)
            offsets.append(offset)
            offset += 2 + int.from_bytes(arena[offset : offset + 2].tobytes(), "big")
        assert offset - int(packet["message_offset"]) == packet["bytes"] - 20
    assert found == expected
    assert offsets == [sum(2 + size for size in sizes[:index]) for index in range(len(sizes))]
    again = np.repeat(packets["intended_ns"], packets["count"])
    assert again.tolist() == np.repeat(before["intended_ns"], before["count"]).tolist()


@pytest.mark.parametrize(
    ("rolls", "says"),
    [
        (rolls_at(11), "sessions.0.at_sequence 11: the stream has messages 1 to 10"),
        (rolls_at(5, 400), "sessions.1.at_sequence 400"),
        ([SessionConfig(at_sequence=5, session="TAILGATE01")], "the stream's session has that name"),
    ],
)
def test_a_roll_that_cannot_be_is_named(rolls: list[SessionConfig], says: str) -> None:
    arena = np.frombuffer(bytearray(frame(*[b"x"] * 10)), np.uint8)
    packets = build_schedule(arena, np.zeros(10, np.int64), ScheduleOptions())
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        roll_sessions(arena, packets, session=SESSION, first_sequence=1, rolls=rolls)


def heard(wires: Wires, line: int) -> list[tuple[str, int, int]]:
    """(session, sequence, count) of what arrived, repeated heartbeats once."""
    found: list[tuple[str, int, int]] = []
    for data in wires.frames(line):
        session, sequence, count = struct.unpack_from(">10sQH", data, 42)
        each = (session.decode().rstrip(), sequence, count)
        if count or each not in found[-1:]:
            found.append(each)
    return found


@pytest.mark.privileged
def test_sessions_on_the_wire_and_in_the_files(wires: Wires, tmp_path: Path) -> None:
    source = {"kind": "model", "symbols": 2, "messages": 300, "arrivals": "even", "rate_per_s": 10_000}
    config = configure(
        tmp_path,
        source=source,
        bursts=None,
        packing={"messages_max": 1, "gap_min_ns": 0},
        sessions=[
            {"at_sequence": 101, "session": "TAILGATE02"},
            {"at_sequence": 201, "session": "X", "end_previous": False},
        ],
        end={"repeat": 2},
    )
    with Process(config, namespace=wires.namespace) as process:
        ready = process.event()
        assert ready["sessions"] == ["TAILGATE01", "TAILGATE02", "X"]
        process.command(do="start", at_ns=time.monotonic_ns())
        assert process.event()["event"] == "published"
        time.sleep(0.12)
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    expected = [
        ("TAILGATE01", 1, 0),
        *(("TAILGATE01", number, 1) for number in range(1, 101)),
        *[("TAILGATE01", 101, 0xFFFF)] * 2,
        *(("TAILGATE02", number, 1) for number in range(1, 101)),
        *(("X", number, 1) for number in range(1, 101)),
        ("X", 101, 0),
        *[("X", 101, 0xFFFF)] * 2,
    ]
    for line in (0, 1):
        arrived = heard(wires, line)
        assert [each for each in arrived if each != expected[0] or each in arrived[:1]] == (
            expected if arrived[0] == expected[0] else expected[1:]
        )
    positions = np.load(tmp_path / "out" / "packets.npy")["first_sequence"]
    assert positions.tolist() == [
        (ordinal << 40) + number for ordinal in range(3) for number in range(1, 101)
    ]
    summary = json.loads((tmp_path / "out" / "exchange.json").read_text())
    assert summary["sessions"] == [
        {"session": name, "ordinal": ordinal, "first_position": (ordinal << 40) + 1,
         "last_position": (ordinal << 40) + 100}
        for ordinal, name in enumerate(["TAILGATE01", "TAILGATE02", "X"])
    ]  # fmt: skip


@pytest.mark.privileged
def test_between_sessions_heartbeats_are_of_the_new_one(wires: Wires, tmp_path: Path) -> None:
    source = {"kind": "model", "symbols": 1, "messages": 60, "arrivals": "even", "rate_per_s": 100}
    rolls = [{"at_sequence": 11, "session": "TAILGATE02"}]
    config = configure(
        tmp_path, source=source, bursts=None, packing={"messages_max": 1, "gap_min_ns": 0}, sessions=rolls,
        heartbeat_ns=2_000_000,
    )  # fmt: skip
    with Process(config, namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns())
        time.sleep(0.15)
        process.end()
    arrived = heard(wires, 0)
    ended = arrived.index(("TAILGATE01", 11, 0xFFFF))
    assert arrived[ended - 1] == ("TAILGATE01", 10, 1)
    assert arrived[ended + 3 : ended + 5] == [("TAILGATE02", 1, 0), ("TAILGATE02", 1, 1)]
    begun = json.loads((tmp_path / "out" / "exchange.json").read_text())["sessions"]
    assert len(begun) == 2
