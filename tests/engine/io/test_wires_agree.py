"""The same frames over every wire: the same packets, decisions, orders and book; and the run replays.

DPDK's environment exists once a process, so every wire gets an engine process of its own.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from order_stream import run, spaces
from pyroute2 import netns
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from venue_bytes import accepted, enters_in
from wire_feeder import pack, unpack

from engine.replay import replay
from engine.wires import dpdk_built
from lab.run.pages import EnginePage
from traffic.bindings import generate_model

pytestmark = pytest.mark.privileged

SECONDS = 60.0
PORT = 26_477
GROUPS = ("239.77.1.1", "239.77.2.1")
STRAY_GROUP, STRAY_EVERY = "239.77.9.1", 100
SESSION = b"TAILGATE01"
MESSAGES, PER_PACKET = 4_000, 4
ENDED = 7
FEEDER = Path(__file__).with_name("wire_feeder.py")
AF_PACKET = "net_af_packet{line},iface=line{line}"
AF_XDP = "net_af_xdp{line},iface=line{line},busy_budget=0"
MEMIF = "net_memif{line},role={role},id={line},socket={folder}/memif.sock,socket-abstract=no,rsize=12"
WIRES = {
    "af_xdp": ("af_xdp", "af_xdp"),
    "kernel": ("kernel", "kernel"),
    "net_af_packet": (AF_PACKET, AF_PACKET),
    "net_af_xdp": (AF_XDP, AF_XDP),
    "net_memif": (MEMIF, MEMIF),
    "net_ring": ("net_ring{line}", "net_ring{line}"),
    "net_af_packet and kernel": (AF_PACKET, "kernel"),
    "af_xdp and net_af_packet": ("af_xdp", AF_PACKET),
    "net_af_xdp and net_af_packet": (AF_XDP, AF_PACKET),
}


def mold_packets() -> Iterator[bytes]:
    """The model's market in packets of four, and the end of the session."""
    framed, at, sequence = bytes(generate_model(seed=5, symbols=8, messages=MESSAGES)), 0, 1
    while at < len(framed):
        blocks, count = b"", 0
        while count < PER_PACKET and at < len(framed):
            size = 2 + int.from_bytes(framed[at : at + 2], "big")
            blocks, at, count = blocks + framed[at : at + size], at + size, count + 1
        yield SESSION + struct.pack(">QH", sequence, count) + blocks
        sequence += count
    yield SESSION + struct.pack(">QH", sequence, 0xFFFF)


@pytest.fixture(scope="module")
def frames() -> list[tuple[int, bytes]]:
    """(line, frame): every packet on A, then on B; ahead of some, what another channel sends to the feed's port."""
    found = []
    for number, packet in enumerate(mold_packets()):
        if number % STRAY_EVERY == 1:
            found += [(line, multicast(line, STRAY_GROUP, spoiled(packet))) for line in range(2)]
        found += [(line, multicast(line, group, packet)) for line, group in enumerate(GROUPS)]
    return found


def multicast(line: int, group: str, payload: bytes) -> bytes:
    head = Ether(src="02:00:00:00:00:01", dst=f"01:00:5e:4d:0{group.split('.')[2]}:01")
    address = IP(src=f"10.9.{line + 1}.1", dst=group)
    return bytes(head / address / UDP(sport=PORT, dport=PORT) / Raw(payload))


def spoiled(packet: bytes) -> bytes:
    """The same numbers with other messages: whoever takes it for the feed has another book."""
    return packet[:20] + bytes(len(packet) - 20)


class Venue:
    """Accepts one login and every order, and executes none."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(SECONDS)
        self.orders: list[bytes] = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            connection = self.server.accept()[0]
        except OSError:
            return  # no engine came
        # The engine may be gone before it has read its last answer.
        with connection, connection.makefile("rb") as stream, suppress(ConnectionError):
            connection.sendall(struct.pack(">H", 31) + b"A" + b"VENUE".rjust(10) + b"1".rjust(20))
            while head := stream.read(2):
                packet = stream.read(int.from_bytes(head, "big"))
                if packet[:2] == b"UO":
                    self.orders.append(packet)
                    (order,) = enters_in(head + packet)
                    connection.sendall(accepted(order, reference=len(self.orders)))

    def close(self) -> None:
        self.server.close()
        self.thread.join(SECONDS)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    folder: Path
    report: dict[str, Any]
    orders: list[bytes]
    decisions: list[tuple[Any, ...]] = field(repr=False)
    book: list[tuple[Any, ...]] = field(repr=False)


def line_config(wire: str, line: int, folder: Path) -> dict[str, Any]:
    given = {"interface": f"line{line}", "group": GROUPS[line], "port": PORT}
    if not wire.startswith("net_"):
        return {**given, "wire": wire}
    device = wire.format(line=line, folder=folder, role="client")
    return {**given, "wire": "dpdk", "dpdk": {"device": device, "hugepages": "no"}}


def config(wires: tuple[str, str], folder: Path, port: int) -> dict[str, Any]:
    return {
        "output": str(folder),
        "control": str(folder / "page"),
        "lines": [line_config(wire, line, folder) for line, wire in enumerate(wires)],
        "gateway": {"address": "127.0.0.1", "port": port, "username": "TAILGT", "password": "TAILGATE"},
        "risk": {"late_after_ns": 0},
        "feed": {"hold_back_ns": 10_000_000_000, "line_silence_ns": 60_000_000_000},
        "watchdog": {"automatic": False},
        "journal": {"path": str(folder / "engine.journal")},
        "decisions": MESSAGES,
        "open_orders": 8192,
        "book": {"orders": 65_536, "levels": 16_384},
    }


class Lab:
    """Two lines of veth; this thread lives at the engine's end."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def send(self, frames: list[tuple[int, bytes]]) -> None:
        """From the far end of the lines, in their order, slowly enough for a busy host."""

        def work() -> None:
            netns.setns(self.peer)
            sockets = []
            for line in (0, 1):
                one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                one.bind((f"line{line}", 0))
                sockets.append(one)
            for number, (line, frame) in enumerate(frames):
                sockets[line].send(frame)
                if number % 64 == 63:
                    time.sleep(0.003)
            for one in sockets:
                one.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces and AF_XDP sockets are made")
    with spaces("wa", "peer", "ours") as (peer, ours):
        for line in (0, 1):
            name = f"line{line}"
            run("ip", "-n", peer, "link", "add", name, "type", "veth", "peer", "name", name, "netns", ours)
            for space, host in ((peer, 1), (ours, 2)):
                run("ip", "-n", space, "address", "add", f"10.9.{line + 1}.{host}/24", "dev", name)
                run("ip", "-n", space, "link", "set", name, "up")
        run("ip", "-n", ours, "link", "set", "lo", "up")
        netns.setns(ours)
        yield Lab(peer)


def said(process: subprocess.Popen[str], expected: str) -> None:
    assert process.stdout
    line = process.stdout.readline()
    assert expected in line, (line, process.stderr.read() if process.stderr and not line else "")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def until_ended(page: EnginePage, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while page.read().feed_state != ENDED:
        assert process.poll() is None
        assert time.monotonic() < deadline, page.read()
        time.sleep(0.02)


def played(name: str, folder: Path, lab: Lab, frames: list[tuple[int, bytes]]) -> Outcome:
    """One engine process over these wires, from login to the end of the session."""
    venue, wires = Venue(), WIRES[name]
    file, settings, go = folder / "frames", folder / "config.json", folder / "go"
    file.write_bytes(pack(frames))
    settings.write_text(json.dumps(config(wires, folder, venue.server.getsockname()[1])))
    with ExitStack() as stack:
        stack.callback(venue.close)
        feeder = None
        if name == "net_memif":
            devices = [
                wire.format(line=line, folder=folder, role="server") for line, wire in enumerate(wires)
            ]
            feeder = stack.enter_context(start(FEEDER, file, *devices))
            said(feeder, "open")
        ring = (FEEDER, file, "--ring", go) if name == "net_ring" else ("-m", "engine")
        engine = stack.enter_context(start(*ring, settings))
        said(engine, "ready")
        if feeder:
            tell(feeder, "")
            said(feeder, "sent")
        elif name == "net_ring":
            go.touch()
        else:
            lab.send(frames)
        page = EnginePage(folder / "page")
        stack.callback(page.close)
        until_ended(page, engine)
        tell(engine, '{"do": "stop"}')
        said(engine, "stopped")
        assert engine.wait(SECONDS) == 0
    decisions = np.load(folder / "decisions.npy")
    return Outcome(
        folder=folder,
        report=json.loads((folder / "engine.json").read_text()),
        orders=venue.orders,
        decisions=decisions[["trigger_sequence", "price", "shares", "symbol", "side", "reason"]].tolist(),
        book=np.load(folder / "book.npy").tolist(),
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, lab: Lab, frames: list[tuple[int, bytes]]) -> Outcome:
    """Over kernel sockets."""
    return played("kernel", tmp_path_factory.mktemp("kernel"), lab, frames)


def test_the_reference_trades(reference: Outcome) -> None:
    assert len(reference.orders) > 100
    assert len(reference.book) > 100
    assert reference.report["feed"]["delivered"] == MESSAGES


@pytest.mark.parametrize("name", [name for name in WIRES if name != "kernel"])
def test_every_wire_gives_the_same_packets_orders_and_book(
    name: str, tmp_path: Path, lab: Lab, frames: list[tuple[int, bytes]], reference: Outcome
) -> None:
    if any(wire.startswith("net_") for wire in WIRES[name]) and not dpdk_built():
        pytest.skip("built without DPDK: apt-get install libdpdk-dev")
    found = played(name, tmp_path, lab, frames)
    for line in "AB":
        assert found.report["feed"]["lines"][line]["packets"] == of_the_feed(frames) // 2
        wire = found.report["wire"][line]
        assert (wire["dropped"], wire["fill_empty"], wire["bad_checksums"]) == (0, 0, 0)
    assert found.report["types"] == reference.report["types"]
    assert found.decisions == reference.decisions
    assert found.orders == reference.orders
    assert found.book == reference.book
    assert replay(found.folder / "engine.journal").outcome == "equal"


def of_the_feed(frames: list[tuple[int, bytes]]) -> int:
    stray = socket.inet_aton(STRAY_GROUP)
    return sum(frame[30:34] != stray for _, frame in frames)


def test_frames_survive_their_file(frames: list[tuple[int, bytes]]) -> None:
    assert list(unpack(pack(frames))) == frames
