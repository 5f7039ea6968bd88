"""An exchange that follows: what it publishes, serves and reports is what the wires are said to have brought."""

import ctypes
import json
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from exchange_process import Process, Wires, configure
from recovery_reference import RequestClient

from traffic.commands import Commands, Follow
from traffic.errors import InputError

SYS_BPF, MAP_CREATE, GET_INFO = 321, 0, 15
ARRAY, MMAPABLE = 2, 1 << 10
WAIT_S = 5.0


@dataclass
class Map:
    """A BPF map with one page of two numbers, as the taps keep it."""

    number: int
    page: mmap.mmap

    def seen(self, line: int, sequence: int) -> None:
        struct.pack_into("<Q", self.page, 8 * line, sequence)


def bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, 128)
    result: int = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@pytest.fixture
def followed() -> Iterator[Map]:
    try:
        descriptor = bpf(MAP_CREATE, struct.pack("<5I", ARRAY, 4, 16, 1, MMAPABLE))
    except OSError as error:
        pytest.skip(f"cannot make a BPF map here: {error}")
    info = ctypes.create_string_buffer(96)
    bpf(GET_INFO, struct.pack("<IIQ", descriptor, 96, ctypes.addressof(info)))
    number = struct.unpack_from("<I", info, 4)[0]
    with mmap.mmap(descriptor, 4096) as page:
        yield Map(number, page)
    os.close(descriptor)


def published(folder: Path) -> int:
    """Messages that the progress page tells of."""
    return int(struct.unpack_from("<2Q", (folder / "progress").read_bytes())[1])


def wait_for(folder: Path, messages: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while published(folder) < messages and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.01)
    assert published(folder) == messages


def start(folder: Path, wires: Wires, **more: object) -> Process:
    publisher = {"kind": "trex", "folder": str(folder / "files"), "lead_in_ns": 1_000_000_000}
    changes = {
        "packing": {"messages_max": 1, "gap_min_ns": 0},
        "bursts": None,
        "recovery": {"address": "127.0.0.1", "request_port": 26478, "snapshot_port": 26479},
        "publisher": publisher,
    }
    return Process(configure(folder, **(changes | more)), namespace=wires.namespace)


@pytest.mark.privileged
def test_it_publishes_what_was_seen_and_sends_nothing(wires: Wires, followed: Map, tmp_path: Path) -> None:
    with start(tmp_path, wires) as process:
        ready = process.event()
        process.command(do="follow", map=followed.number)
        at_ns = time.monotonic_ns() + 1_000_000
        process.command(do="start", at_ns=at_ns)
        time.sleep(0.05)
        assert published(tmp_path) == 0, "its time has come, but nothing was seen"
        first = ready["published_by"]
        followed.seen(0, 1)  # a heartbeat of the lead-in: message 1 is next
        time.sleep(0.01)
        assert published(tmp_path) == 0
        followed.seen(1, 5)  # line B brought the first four
        wait_for(tmp_path, 4)
        followed.seen(0, 1001)
        wait_for(tmp_path, 1000)
        followed.seen(0, 2001)  # a heartbeat behind the last: all is out, however the last packets fared
        assert process.event()["event"] == "published"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")
    assert wires.frames(0) == wires.frames(1) == []
    packets = np.load(tmp_path / "out" / "packets.npy")
    assert packets["count"].sum() == 2000
    assert packets["intended_ns"][0] == at_ns
    assert (packets["sent_ns"][:, 0] == packets["sent_ns"][:, 1]).all()
    assert (np.diff(packets["sent_ns"][:, 0]) >= 0).all()
    assert (packets["sent_ns"] > 0).all()
    assert first["market_ns"] == 1_000_000_000  # type: ignore[index]


@pytest.mark.privileged
def test_what_was_not_seen_yet_is_not_served(wires: Wires, followed: Map, tmp_path: Path) -> None:
    import threading

    silent: list[bool] = []

    def ask() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{wires.namespace}") as handle:
            assert libc.setns(handle.fileno(), 0x40000000) == 0
        with RequestClient(26478) as client:
            client.send(5, 1)
            silent.append(client.silent(timeout_s=0.2))

    def is_silent() -> bool:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return silent[-1]

    with start(tmp_path, wires) as process:
        process.event()
        process.command(do="follow", map=followed.number)
        process.command(do="start", at_ns=time.monotonic_ns())
        followed.seen(0, 5)
        wait_for(tmp_path, 4)
        assert is_silent(), "message 5 has not been seen on any line"
        followed.seen(1, 9)
        wait_for(tmp_path, 8)
        assert not is_silent()


@pytest.mark.privileged
def test_the_page_may_stand_in_a_file(wires: Wires, tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page, start(tmp_path, wires) as process:
        process.event()
        process.command(do="follow", page=str(path), offset=320)
        process.command(do="start", at_ns=time.monotonic_ns())
        struct.pack_into("<2Q", page, 320, 1, 5)
        wait_for(tmp_path, 4)
        struct.pack_into("<2Q", page, 320, 2001, 5)
        assert process.event()["event"] == "published"


@pytest.mark.privileged
@pytest.mark.parametrize(("offset", "why"), [(4096 - 8, "Invalid argument"), (4, "Invalid argument")])
def test_a_page_that_is_not_whole_is_one_line(wires: Wires, tmp_path: Path, offset: int, why: str) -> None:
    path = tmp_path / "page"
    path.write_bytes(bytes(4096))
    with start(tmp_path, wires) as process:
        process.event()
        process.command(do="follow", page=str(path), offset=offset)
        code, said = process.end()
    assert code == 70
    assert said.strip() == f"traffic: error: command follow: page {path}, offset {offset}: {why}"


@pytest.mark.privileged
def test_a_map_that_is_not_there_is_one_line(wires: Wires, tmp_path: Path) -> None:
    with start(tmp_path, wires) as process:
        process.event()
        process.command(do="follow", map=2**32 - 1)
        code, said = process.end()
    assert code == 70
    assert said.startswith("traffic: error: command follow: BPF map 4294967295: ")


def test_follow_needs_a_publisher() -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"do": "follow", "map": 7}\n')
    assert list(Commands(reader, behaviour=None, follows=True).read()) == [Follow(map_id=7)]
    os.write(writer, b'{"do": "follow", "map": 7}\n')
    with pytest.raises(InputError, match="for a configuration with a publisher"):
        list(Commands(reader, behaviour=None).read())
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sessions": [{"at_sequence": 5, "session": "B"}]}, "plays one session"),
        ({"impairments": [{"lines": ["A"], "action": "drop", "packets": 1}]}, "the lines are another's"),
    ],
)
def test_what_another_cannot_play_is_refused(changes: dict[str, object], why: str, tmp_path: Path) -> None:
    publisher = {"kind": "trex", "folder": str(tmp_path / "files")}
    with Process(configure(tmp_path, publisher=publisher, **changes)) as process:
        code, said = process.end()
    assert code == 64
    assert why in said
    assert not json.dumps(said).count("Traceback")
