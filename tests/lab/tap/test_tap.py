"""Taps on real wires: packets are sent in the exchange's namespace, and the records say what they were."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from namespace_sockets import socket_inside
from wire_bench import END_OF_SESSION, GATEWAY, PORT, SECONDS, bench, datagram, fields, frame, tagged, waited

from lab.errors import MissingError
from lab.faults.rule import Action, Rule
from lab.tap import market_rows, order_arrivals
from lab.topology import Topology
from lab.topology.wires import WIRES

pytestmark = pytest.mark.privileged

ARP = b"\xff" * 6 + bytes(6) + b"\x08\x06" + bytes(46)


def programs(topology: Topology) -> list[str]:
    """Interfaces of both namespaces that have an XDP program."""
    found = []
    for namespace in (topology.exchange, topology.engine):
        command = topology.command(namespace, "ip", "-j", "link")
        links = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        found += [link["ifname"] for link in links if "xdp" in link]
    return sorted(found)


# Stamps


def test_every_packet_is_recorded_with_its_line_sequence_count_and_length(
    topology: Topology, tmp_path: Path
) -> None:
    before_ns = time.monotonic_ns()
    with bench(topology, tmp_path) as wires:
        wires.send(datagram(1))
        wires.send(datagram(2, 3, 40), line=1)
        wires.send(datagram(2**40, 20, 12))
        wires.settle()
        assert wires.rows() == [
            (0, 1, 1, 58, 0),
            (1, 2, 3, 146, 0),
            (0, 2**40, 20, 300, 0),
        ]
        stamps = market_rows(wires.tap.market_path)["stamp_ns"].tolist()
        assert before_ns < stamps[0] <= stamps[1] <= stamps[2] < time.monotonic_ns()
        assert wires.tap.counts().lost == 0


def test_heartbeats_and_the_end_of_the_session_are_recorded_too(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        wires.send(datagram(7, 0))
        wires.send(datagram(8, END_OF_SESSION))
        assert wires.rows() == [(0, 7, 0, 20, 0), (0, 8, END_OF_SESSION, 20, 0)]


def test_without_an_engine_packets_reach_the_kernel_unchanged(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        sent = [frame(datagram(number, 2)) for number in range(1, 6)]
        for each in sent:
            wires.send_frame(each)
        assert wires.passed(5) == sent


FOREIGN = {
    "another UDP port": frame(datagram(1), port=PORT + 1),
    "TCP": frame(datagram(1), protocol=6),
    "a first fragment": frame(datagram(1), fragment=0x2000),
    "a later fragment": frame(datagram(1), fragment=0x0003),
    "IP options": frame(datagram(1), ihl=6),
    "a VLAN tag": tagged(frame(datagram(1))),
    "less than a MoldUDP64 header": frame(datagram(1)[:19]),
    "ARP": ARP,
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_frame_passes_and_is_counted_on_its_line(
    topology: Topology, tmp_path: Path, data: bytes
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.tap.impair("B", fields(Rule(action=Action.DROP, sequence=1, packets=100), "B"))
        wires.send_frame(data, line=1)
        assert len(wires.passed(1, 1)) == 1
        assert wires.rows() == []
        assert wires.tap.counts().not_market_data == (0, 1)


def test_not_stamping_records_nothing_and_passes_everything(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, stamping=False) as wires:
        for number in range(1, 4):
            wires.send(datagram(number))
        wires.sent = 0  # nothing counts them
        assert wires.passed_sequences(3) == [1, 2, 3]
        wires.tap.drain()
        counts = wires.tap.counts()
        assert (counts.market_records, counts.frame_records, counts.lost) == (0, 0, 0)
        assert wires.tap.market_path.read_bytes() == b""


# Rings


def test_a_full_ring_loses_the_newest_and_counts_every_one(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, market_capacity=16) as wires:
        for number in range(1, 41):
            wires.send(datagram(number))
        wires.settle()
        counts = wires.tap.counts()
        assert (counts.market_records, counts.market_lost, counts.market_waiting) == (40, 24, 40)
        assert [row[1] for row in wires.rows()] == list(range(1, 17))
        assert wires.tap.counts().lost == 24, "a drain neither hides nor invents losses"


def test_draining_makes_room_again_and_the_ring_wraps_around(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, market_capacity=16) as wires:
        for number in range(1, 101):
            wires.send(datagram(number))
            if number % 13 == 0:
                wires.settle()
                wires.tap.drain()
                assert wires.tap.counts().market_waiting == 0
        assert [row[1] for row in wires.rows()] == list(range(1, 101))
        assert wires.tap.counts().lost == 0


def test_a_ring_that_overflowed_records_again_after_a_drain(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, market_capacity=16) as wires:
        for number in range(1, 21):
            wires.send(datagram(number))
        wires.settle()
        wires.tap.drain()
        for number in range(21, 31):
            wires.send(datagram(number))
        assert [row[1] for row in wires.rows()] == [*range(1, 17), *range(21, 31)]
        assert wires.tap.counts().lost == 4


def test_a_capacity_is_rounded_up_to_a_power_of_two(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, market_capacity=17) as wires:
        for number in range(1, 41):
            wires.send(datagram(number))
        assert len(wires.rows()) == 32


# The order wire


def token(sequence: int) -> bytes:
    return f"T{sequence:012X}0".encode()


def enter(sequence: int) -> bytes:
    return struct.pack(">H", 50) + b"UO" + token(sequence) + bytes(34)


@contextmanager
def order_connection(topology: Topology, port: int = GATEWAY) -> Iterator[tuple[Any, Any]]:
    """The engine's and the exchange's end of one TCP connection over the order wire."""
    address = (WIRES["order"].exchange_address, port)
    with (
        socket_inside(topology.exchange, lambda: socket.create_server(address)) as server,
        socket_inside(topology.engine, lambda: socket.create_connection(address, timeout=SECONDS)) as client,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted = server.accept()[0]
        with accepted:
            yield client, accepted


def read(connection: socket.socket, count: int) -> None:
    connection.settimeout(SECONDS)
    while count:
        count -= len(connection.recv(count))


def test_orders_are_stamped_on_their_way_into_the_exchange(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires, order_connection(topology) as (engine, exchange):
        before_ns = time.monotonic_ns()
        for number in range(1, 4):
            engine.sendall(enter(number))
            read(exchange, 52)
            exchange.sendall(b"\0\x01H")  # answers and acknowledgements are not orders
            read(engine, 3)
        after_ns = time.monotonic_ns()
        wires.tap.drain()
        rows = order_arrivals(wires.tap.frame_path)
        assert [bytes(row["token"]) for row in rows] == [token(number) for number in range(1, 4)]
        assert rows["trigger_sequence"].tolist() == [1, 2, 3]
        assert before_ns < rows["stamp_ns"].min() <= rows["stamp_ns"].max() < after_ns
        assert wires.tap.counts().frame_records == 3


def test_a_full_order_ring_counts_what_it_lost(topology: Topology, tmp_path: Path) -> None:
    with (
        bench(topology, tmp_path, frame_capacity=4) as wires,
        order_connection(topology) as (engine, exchange),
    ):
        for number in range(1, 8):
            engine.sendall(enter(number))
            read(exchange, 52)
        wires.tap.drain()
        counts = wires.tap.counts()
        assert (counts.frame_records, counts.frames_lost, counts.lost) == (7, 3, 3)
        assert order_arrivals(wires.tap.frame_path)["trigger_sequence"].tolist() == [1, 2, 3, 4]


def test_another_tcp_port_is_not_the_order_wire(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires, order_connection(topology, GATEWAY + 1) as (engine, exchange):
        engine.sendall(enter(1))
        read(exchange, 52)
        assert wires.tap.counts().frame_records == 0


# Coming and going


def test_closing_detaches_the_programs_and_keeps_the_files(topology: Topology, tmp_path: Path) -> None:
    assert programs(topology) == []
    with bench(topology, tmp_path) as wires:
        assert programs(topology) == ["line_a", "line_b", "orders", "recovery", "recovery"]
        wires.send(datagram(1))
        assert len(wires.rows()) == 1
        wires.tap.close()
        assert waited(lambda: programs(topology) == [])
        wires.tap.close()
    assert len(market_rows(tmp_path / "market_taps.bin")) == 1


def test_a_second_tap_on_the_same_wires_is_refused_with_a_reason(topology: Topology, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with (
        bench(topology, tmp_path),
        pytest.raises(MissingError, match="could not be loaded") as caught,
        bench(topology, tmp_path / "second"),
    ):
        pass
    assert "interface" in str(caught.value.why)
    assert waited(lambda: programs(topology) == [])


def test_a_directory_that_is_not_there_leaves_no_program_behind(topology: Topology, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), bench(topology, tmp_path / "missing"):
        pass
    assert waited(lambda: programs(topology) == [])
