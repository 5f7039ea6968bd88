"""Taps on real wires: packets are sent in the exchange's namespace, and the records say what they were."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from namespace_sockets import ETH_P_ALL, PACKET_OUTGOING, packet_socket, socket_inside

from lab.errors import MissingError, UsageError
from lab.tap import Tap, market_rows, order_arrivals
from lab.topology import Topology
from lab.topology.wires import WIRES

pytestmark = pytest.mark.privileged

PORT, GATEWAY = 26_477, 30_001
SECONDS = 5.0
END_OF_SESSION = 0xFFFF
DROPPED = 1
Row = tuple[int, int, int, int, int]  # line, sequence, count, length, flags


def datagram(sequence: int, count: int = 1, size: int = 36) -> bytes:
    blocks = b"" if count == END_OF_SESSION else (struct.pack(">H", size) + bytes(size)) * count
    return b"TAILGATE01" + struct.pack(">QH", sequence, count) + blocks


def frame(
    payload: bytes, *, port: int = PORT, protocol: int = 17, fragment: int = 0x4000, ihl: int = 5
) -> bytes:
    """A multicast frame; ``fragment`` is the IP header's flags and offset, ``ihl`` its length in words."""
    udp = struct.pack(">HHHH", 5_000, port, 8 + len(payload), 0)
    head = (0x40 | ihl, 0, 4 * ihl + len(udp) + len(payload), 1, fragment, 8, protocol, 0)
    ip = struct.pack(">BBHHHBBH", *head) + bytes([10, 77, 1, 1, 239, 77, 1, 1]) + bytes(4 * ihl - 20)
    return b"\x01\x00\x5e\x4d\x01\x01" + bytes(6) + b"\x08\x00" + ip + udp + payload


def tagged(data: bytes) -> bytes:
    return data[:12] + b"\x81\x00\x00\x05" + data[12:]


ARP = b"\xff" * 6 + bytes(6) + b"\x08\x06" + bytes(46)


class Bench:
    """Taps with a sender at the exchange's and a receiver at the engine's end of both lines."""

    def __init__(self, topology: Topology, tap: Tap) -> None:
        self.tap = tap
        wires = (WIRES["A"].interface, WIRES["B"].interface)
        self.senders = [packet_socket(topology.exchange, name) for name in wires]
        self.receivers = [packet_socket(topology.engine, name, ETH_P_ALL) for name in wires]
        self.sent = 0

    def close(self) -> None:
        for each in (*self.senders, *self.receivers):
            each.close()

    def send(self, payload: bytes, line: int = 0, **fields: Any) -> None:
        self.send_frame(frame(payload, **fields), line)

    def send_frame(self, data: bytes, line: int = 0) -> None:
        self.senders[line].send(data)
        self.sent += 1

    def seen(self) -> int:
        counts = self.tap.counts()
        return counts.market_records + sum(counts.not_market_data)

    def settle(self, count: int | None = None) -> None:
        """Waits until the taps have seen what was sent."""
        wanted = self.sent if count is None else count
        assert waited(lambda: self.seen() >= wanted), f"{self.seen()} of {wanted} frames seen"

    def rows(self) -> list[Row]:
        """Everything in the raw file after a drain."""
        self.settle()
        self.tap.drain()
        return [
            (int(row["line"]), int(row["sequence"]), int(row["count"]), int(row["length"]), int(row["flags"]))
            for row in market_rows(self.tap.market_path)
        ]

    def passed(self, count: int, line: int = 0) -> list[bytes]:
        """Frames that came through to the engine's end; waits for ``count`` and takes what else is there."""
        self.settle()
        frames: list[bytes] = []
        waited(lambda: bool(frames.extend(self._arrived(line)) or len(frames) >= count))
        return frames

    def passed_sequences(self, count: int, line: int = 0) -> list[int]:
        return [int.from_bytes(data[52:60], "big") for data in self.passed(count, line)]

    def _arrived(self, line: int) -> Iterator[bytes]:
        with suppress(BlockingIOError):
            while True:
                data, address = self.receivers[line].recvfrom(4096)
                if address[2] != PACKET_OUTGOING:
                    yield data


def waited(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    return condition()


@contextmanager
def bench(topology: Topology, directory: Path, **options: Any) -> Iterator[Bench]:
    sizes = {"market_capacity": 64, "frame_capacity": 16, "line_port": PORT, "gateway_port": GATEWAY}
    with Tap(topology, directory=directory, **(sizes | options)) as tap:
        made = Bench(topology, tap)
        try:
            yield made
        finally:
            made.close()


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
        wires.tap.drop("B", sequence=0, packets=100)
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


# Drop rules


def test_a_rule_drops_its_number_of_packets_from_the_one_that_carries_its_sequence(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.tap.drop("A", sequence=9, packets=2)
        for first in range(1, 22, 4):  # four messages a packet: 9 is the first of the third
            wires.send(datagram(first, 4))
            wires.send(datagram(first, 4), line=1)
        rows = wires.rows()
        assert [row[1] for row in rows if row[4] & DROPPED] == [9, 13]
        assert [row[1] for row in rows if row[0] == 0] == [1, 5, 9, 13, 17, 21]
        assert wires.passed_sequences(4) == [1, 5, 17, 21]
        assert wires.passed_sequences(6, 1) == [1, 5, 9, 13, 17, 21], "the other line loses nothing"
        result = wires.tap.drop_result("A", rule)
        stamps = market_rows(wires.tap.market_path)
        dropped = stamps[stamps["flags"] == DROPPED]["stamp_ns"].tolist()
        assert (result.left, result.dropped) == (0, 2)
        assert [result.first_drop_ns, result.last_drop_ns] == dropped


def test_a_sequence_in_the_middle_of_a_packet_takes_that_packet(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.tap.drop("A", sequence=7, packets=1)
        for first in (1, 5, 9):
            wires.send(datagram(first, 4))
        assert wires.passed_sequences(2) == [1, 9]


def test_two_rules_of_a_line_drop_apart_and_count_apart(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        late, early = wires.tap.drop("A", sequence=8, packets=1), wires.tap.drop("A", sequence=3, packets=2)
        for number in range(1, 11):
            wires.send(datagram(number))
        assert wires.passed_sequences(7) == [1, 2, 5, 6, 7, 9, 10]
        assert (wires.tap.drop_result("A", late).dropped, wires.tap.drop_result("A", early).dropped) == (1, 2)


def test_rules_on_both_lines_take_the_same_packets_off_both(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        for line in "AB":
            wires.tap.drop(line, sequence=4, packets=3)
        for number in range(1, 10):
            wires.send(datagram(number))
            wires.send(datagram(number), line=1)
        assert wires.passed_sequences(6) == [1, 2, 3, 7, 8, 9]
        assert wires.passed_sequences(6, 1) == [1, 2, 3, 7, 8, 9]


def test_heartbeats_and_the_end_are_never_dropped(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.tap.drop("A", sequence=1, packets=10)
        wires.send(datagram(5, 0))
        wires.send(datagram(5, END_OF_SESSION))
        assert [row[4] for row in wires.rows()] == [0, 0]
        assert wires.tap.drop_result("A", rule).dropped == 0


def test_a_rule_that_nothing_reaches_says_that_it_dropped_nothing(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.tap.drop("A", sequence=1_000, packets=4)
        wires.send(datagram(998, 2))
        wires.settle()
        result = wires.tap.drop_result("A", rule)
        assert (result.left, result.dropped, result.first_drop_ns, result.last_drop_ns) == (4, 0, 0, 0)


def test_cleared_rules_drop_no_more(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        rule = wires.tap.drop("A", sequence=1, packets=5)
        wires.send(datagram(1))
        wires.settle()
        wires.tap.clear_drops()
        wires.send(datagram(2))
        assert wires.passed_sequences(1) == [2]
        assert wires.tap.drop_result("A", rule).dropped == 1


def test_a_ninth_rule_on_a_line_is_refused(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        for number in range(8):
            assert wires.tap.drop("A", sequence=number + 1, packets=1) == number
        with pytest.raises(UsageError, match="line A"):
            wires.tap.drop("A", sequence=9, packets=1)
        assert wires.tap.drop("B", sequence=9, packets=1) == 0


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
        assert programs(topology) == ["line_a", "line_b", "orders"]
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
