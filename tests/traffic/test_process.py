"""The whole process: its protocol, its files, and its frames as they arrive at the far end of two wires."""

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from exchange_process import Process, Wires, check_frame, configure, run_ip
from traffic_reference import OuchClient, ReferenceBook, frame, messages_of

from traffic.bindings import BOOK_DTYPE, DROP_COPY_DTYPE, PACKET_DTYPE

MAGIC = 0x7461696C67617465


@pytest.mark.privileged
def test_a_run_from_ready_to_stopped(wires: Wires, tmp_path: Path) -> None:
    with Process(configure(tmp_path), namespace=wires.namespace) as process:
        ready = process.event()
        assert (ready["event"], ready["session"], ready["first_sequence"]) == ("ready", "TAILGATE01", 1)
        assert (ready["messages"], ready["length_errors"], ready["unknown_types"]) == (2000, 0, 0)
        at_ns = time.monotonic_ns() + 20_000_000
        process.command(do="start", at_ns=at_ns)
        published = process.event()
        assert published["event"] == "published"
        time.sleep(0.12)  # heartbeats
        client = OuchClient.__new__(OuchClient)
        client.socket, client.buffer = wires.sockets[2], b""
        client.socket.settimeout(5)
        client.socket.connect(("127.0.0.1", 30001))
        assert client.log_in()[:1] == b"A"
        client.enter("T0000000000010", "B", 100, "AAAR", 0x7735939C)
        assert client.message()[:1] == b"A"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")

    out = tmp_path / "out"
    packets, framed = np.load(out / "packets.npy"), (out / "messages.itch").read_bytes()
    assert packets.dtype == PACKET_DTYPE
    assert packets.size == ready["packets"]
    assert packets["intended_ns"][0] == at_ns
    assert packets["intended_ns"][-1] == at_ns + int(str(ready["duration_ns"]))
    assert (packets["sent_ns"][:, 0] >= packets["intended_ns"]).all()
    assert (packets["sent_ns"][:, 1] > packets["sent_ns"][:, 0]).all()
    assert packets["sent_ns"][-1, 1] <= published["at_ns"]
    assert len(list(messages_of(framed))) == 2000
    assert packets["burst"].max() >= 1

    for line, group, source, port in (
        (0, "239.77.0.1", "10.77.1.1", 26477),
        (1, "239.205.0.2", "10.77.2.1", 26478),
    ):
        numbers = {"group": socket.inet_aton(group), "source": socket.inet_aton(source), "port": port}
        arrived = [check_frame(data, **numbers) for data in wires.frames(line)]  # type: ignore[arg-type]
        assert {each[0] for each in arrived} == {b"TAILGATE01"}
        data = [each for each in arrived if each[2] not in (0, 0xFFFF)]
        assert [(each[1], each[2]) for each in data] == packets[["first_sequence", "count"]].tolist()
        assert b"".join(each[3] for each in data) == framed
        assert arrived[-3:] == [(b"TAILGATE01", 2001, 0xFFFF, b"")] * 3
        heartbeats = [each for each in arrived if each[2] == 0]
        assert len([each for each in heartbeats if each[1] == 2001]) >= 2

    reference = ReferenceBook()
    for message in messages_of(framed):
        reference.apply(message)
    book = np.load(out / "book.npy")
    assert book.dtype == BOOK_DTYPE
    assert [tuple(row) for row in book.tolist()] == reference.rows()
    drops = np.load(out / "drop_copy.npy")
    assert drops.dtype == DROP_COPY_DTYPE
    assert b"".join(drops["kind"].tolist())[:2] == b"OA"
    assert drops["published_sequence"].tolist()[0] == 2000

    page = struct.unpack("<10Q", (tmp_path / "progress").read_bytes())
    assert page[:5] == (MAGIC, 2000, packets.size, 1, 3)
    assert page[5] == packets["intended_ns"][-1]
    summary = json.loads((out / "exchange.json").read_text())
    assert summary["published"]["messages"] == 2000
    assert summary["lines"][0]["errors"] == 0


@pytest.mark.privileged
def test_end_of_stdin_stops_in_the_middle_and_files_hold_what_was_published(
    wires: Wires, tmp_path: Path
) -> None:
    slow = {"kind": "model", "symbols": 2, "messages": 1000, "arrivals": "even", "rate_per_s": 500}
    with Process(configure(tmp_path, source=slow, bursts=None), namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns())
        time.sleep(0.2)
        code, complaint = process.end()
        assert (code, complaint) == (0, "")
    packets = np.load(tmp_path / "out" / "packets.npy")
    count = int(packets["count"].sum())
    assert 10 < count < 900
    assert len(list(messages_of((tmp_path / "out" / "messages.itch").read_bytes()))) == count
    assert wires.frames(0)[-1][52:62] == struct.pack(">QH", count + 1, 0xFFFF)


@pytest.mark.privileged
def test_a_line_that_goes_down_is_counted_and_the_other_goes_on(wires: Wires, tmp_path: Path) -> None:
    slow = {"kind": "model", "symbols": 2, "messages": 400, "arrivals": "even", "rate_per_s": 1000}
    with Process(configure(tmp_path, source=slow, bursts=None), namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns())
        time.sleep(0.1)
        run_ip("-n", wires.namespace, "link", "set", "x0", "down")
        assert process.event()["event"] == "published"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    sent = np.load(tmp_path / "out" / "packets.npy")["sent_ns"]
    assert (sent[:, 1] > 0).all()
    failed = int(np.count_nonzero(sent[:, 0] == 0))
    assert 0 < failed < sent.shape[0]
    lines = json.loads((tmp_path / "out" / "exchange.json").read_text())["lines"]
    assert lines[0]["errors"] >= failed
    assert lines[0]["last_error"] == "Network is down"
    assert lines[1]["errors"] == 0


@pytest.mark.privileged
def test_a_start_in_the_past_keeps_the_intended_times(wires: Wires, tmp_path: Path) -> None:
    with Process(configure(tmp_path), namespace=wires.namespace) as process:
        process.event()
        at_ns = time.monotonic_ns() - 1_000_000_000
        process.command(do="start", at_ns=at_ns)
        process.event()
        process.process.send_signal(signal.SIGTERM)
        assert process.event() == {"event": "stopped"}
    packets = np.load(tmp_path / "out" / "packets.npy")
    assert packets["intended_ns"][0] == at_ns
    assert (packets["sent_ns"][:, 0] > at_ns + 1_000_000_000).all()


@pytest.mark.privileged
def test_switches_are_thrown_at_their_times_while_the_market_goes_on(wires: Wires, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_bytes(bytes(4096))
    commands = [{"at_ns": 0, "value": 1}, {"at_ns": 1_000_000, "value": 0}, {"at_ns": 2_000_000, "value": 7}]
    switches = {"page": str(page), "offset": 12, "commands": commands}
    with Process(configure(tmp_path, switches=switches), namespace=wires.namespace) as process:
        process.event()
        at_ns = time.monotonic_ns() + 20_000_000
        process.command(do="start", at_ns=at_ns)
        assert process.event()["event"] == "published"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    done = json.loads((tmp_path / "out" / "exchange.json").read_text())["switches"]
    assert [row["value"] for row in done] == [1, 0, 7]
    assert all(row["done_ns"] >= at_ns + row["at_ns"] for row in done)
    assert page.read_bytes() == bytes(12) + b"\x07" + bytes(4083)


@pytest.mark.privileged
def test_a_page_of_switches_that_is_not_there_is_one_line(wires: Wires, tmp_path: Path) -> None:
    switches = {"page": str(tmp_path / "none"), "offset": 12, "commands": [{"at_ns": 0, "value": 1}]}
    with Process(configure(tmp_path, switches=switches), namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns())
        code, said = process.end()
    assert code != 0
    assert said.count("\n") <= 1
    assert "switches.page" in said


@pytest.mark.privileged
def test_a_capture_keeps_its_session_and_numbers_on_the_wire(wires: Wires, tmp_path: Path) -> None:
    message = b"S" + bytes(10) + b"Q"
    payload = struct.pack(">10sQH", b"000010059B", 41, 2) + frame(message, message)
    packet = bytes(12) + b"\x08\x00" + struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 1, 17, 0, bytes(4), bytes(4)
    ) + struct.pack(">HHHH", 0, 0, 8 + len(payload), 0) + payload  # fmt: skip
    record = struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
    (tmp_path / "x.pcap").write_bytes(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1) + record)
    source = {"kind": "pcap", "paths": [str(tmp_path / "x.pcap")]}
    with Process(configure(tmp_path, source=source, bursts=None), namespace=wires.namespace) as process:
        ready = process.event()
        assert (ready["session"], ready["first_sequence"], ready["renumbered"]) == ("000010059B", 41, False)
        process.command(do="start", at_ns=time.monotonic_ns())
        process.event()
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    payloads = [data[42:] for data in wires.frames(1)]
    assert payload in payloads
    assert payloads[-1] == struct.pack(">10sQH", b"000010059B", 43, 0xFFFF)


@pytest.mark.privileged
def test_the_process_dies_with_its_parent(wires: Wires, tmp_path: Path) -> None:
    config = configure(tmp_path)
    starter = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([{sys.executable!r}, '-m', 'traffic', {str(config)!r}], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE, cwd={!r})\n".format(str(tmp_path))
        + "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        ["ip", "netns", "exec", wires.namespace, sys.executable, "-c", starter],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists():
        if Path(f"/proc/{child}/stat").read_text().split(")")[-1].split()[0] == "Z":
            break  # dead, and whoever adopted it has not looked yet
        assert time.monotonic() < deadline
        time.sleep(0.01)


def complain(config: Path, *, commands: str = "", namespace: str | None = None) -> tuple[int, str]:
    with Process(config, namespace=namespace) as process:
        _, complaint = process.process.communicate(commands, timeout=60)
        return process.process.returncode, complaint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": "x"}, "seed: Input should be a valid integer"),
        (
            {"source": {"kind": "itch_file", "paths": ["/nowhere.itch"]}, "bursts": None},
            "/nowhere.itch: cannot be read",
        ),
        ({"output": "/proc/none"}, "output /proc/none: cannot be made"),
    ],
)
def test_bad_input_is_one_line_and_exit_64(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    code, complaint = complain(configure(tmp_path, **changes))
    assert (code, complaint.count("\n")) == (64, 1)
    assert complaint.startswith("traffic: error: ")
    assert says in complaint


def test_a_missing_interface_or_permission_is_one_line_and_exit_69(tmp_path: Path) -> None:
    line = {"name": "A", "interface": "no-such-wire", "source": "10.0.0.1", "group": "239.1.1.1", "port": 1}
    code, complaint = complain(configure(tmp_path, lines=[line]))
    assert (code, complaint.count("\n")) == (69, 1)
    assert "no-such-wire" in complaint
    assert "(ip link show" in complaint or "CAP_NET_RAW" in complaint


@pytest.mark.privileged
def test_an_address_that_no_interface_has_is_exit_69(wires: Wires, tmp_path: Path) -> None:
    gateway = {"address": "10.99.0.1", "port": 30001}
    code, complaint = complain(configure(tmp_path, gateway=gateway), namespace=wires.namespace)
    assert code == 69
    assert "cannot listen on 10.99.0.1:30001" in complaint


@pytest.mark.privileged
@pytest.mark.parametrize(
    "command", ["nonsense", "[]", '{"do": "dance"}', '{"do": "start"}', '{"do": "start", "at_ns": 1.5}']
)
def test_a_command_that_is_not_understood_ends_the_run_with_one_line(
    wires: Wires, tmp_path: Path, command: str
) -> None:
    code, complaint = complain(configure(tmp_path), commands=command + "\n", namespace=wires.namespace)
    assert (code, complaint.count("\n")) == (64, 1)
    assert (tmp_path / "out" / "exchange.json").exists(), "files are written all the same"


@pytest.mark.privileged
def test_a_reader_that_goes_away_ends_the_run_with_one_line(wires: Wires, tmp_path: Path) -> None:
    with Process(configure(tmp_path), namespace=wires.namespace) as process:
        assert process.process.stdout
        process.process.stdout.close()
        process.process.stdout = None
        code, complaint = process.end()
        assert (code, complaint.count("\n")) == (70, 1)
        assert "nobody reads stdout" in complaint


def test_usage_is_one_line_and_exit_64() -> None:
    done = subprocess.run([sys.executable, "-m", "traffic"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr) == (64, "traffic: error: usage: python -m traffic CONFIG.json\n")


@pytest.mark.privileged
def test_late_packets_keep_the_gap_that_was_asked_for_and_their_intended_times(
    wires: Wires, tmp_path: Path
) -> None:
    source = {"kind": "model", "symbols": 1, "messages": 200, "arrivals": "even", "rate_per_s": 10**8}
    packing = {"messages_max": 1, "gap_min_ns": 1_000, "late_gap_ns": 50_000}
    config = configure(tmp_path, source=source, packing=packing, bursts=None)
    with Process(config, namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns() + 20_000_000)
        assert process.event()["event"] == "published"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    packets = np.load(tmp_path / "out" / "packets.npy")
    assert set(np.diff(packets["intended_ns"])) == {1_000}
    sent_ns = packets["sent_ns"][:, 0]
    assert sent_ns[-1] - sent_ns[0] > 0.9 * 199 * 50_000
