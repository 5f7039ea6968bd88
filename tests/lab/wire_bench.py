"""Taps on real wires, with a sender at the exchange's and a receiver at the engine's end of each line."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from namespace_sockets import ETH_P_ALL, PACKET_OUTGOING, packet_socket

from lab.faults import Place, Rule, Sessions
from lab.tap import Tap, market_rows
from lab.topology import Topology
from lab.topology.wires import WIRES

__all__ = [
    "CORRUPTED",
    "DROPPED",
    "END_OF_SESSION",
    "GATEWAY",
    "PORT",
    "REQUEST_PORT",
    "SECONDS",
    "SNAPSHOT_PORT",
    "Bench",
    "Row",
    "bench",
    "datagram",
    "fields",
    "frame",
    "sealed",
    "sums_are_right",
    "tagged",
    "waited",
]

PORT, GATEWAY, REQUEST_PORT, SNAPSHOT_PORT = 26_477, 30_001, 26_478, 26_479
SECONDS = 5.0
SO_RCVBUFFORCE = 33
END_OF_SESSION = 0xFFFF
DROPPED, CORRUPTED = 1, 2
Row = tuple[int, int, int, int, int]  # line, sequence, count, length, flags


def datagram(sequence: int, count: int = 1, size: int = 36, session: bytes = b"TAILGATE01") -> bytes:
    blocks = b"" if count == END_OF_SESSION else (struct.pack(">H", size) + bytes(size)) * count
    return session + struct.pack(">QH", sequence, count) + blocks


def frame(
    payload: bytes,
    *,
    port: int = PORT,
    source_port: int = 5_000,
    protocol: int = 17,
    fragment: int = 0x4000,
    ihl: int = 5,
) -> bytes:
    """A multicast frame; ``fragment`` is the IP header's flags and offset, ``ihl`` its length in words."""
    udp = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0)
    head = (0x40 | ihl, 0, 4 * ihl + len(udp) + len(payload), 1, fragment, 8, protocol, 0)
    ip = struct.pack(">BBHHHBBH", *head) + bytes([10, 77, 1, 1, 239, 77, 1, 1]) + bytes(4 * ihl - 20)
    return b"\x01\x00\x5e\x4d\x01\x01" + bytes(6) + b"\x08\x00" + ip + udp + payload


def tagged(data: bytes) -> bytes:
    return data[:12] + b"\x81\x00\x00\x05" + data[12:]


def ones_sum(data: bytes) -> int:
    """The Internet checksum's sum, folded to 16 bits."""
    total = sum(struct.unpack(f">{len(data) // 2 + len(data) % 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def sealed(data: bytes) -> bytes:
    """A frame of ``frame()`` with the IP and UDP checksums that a kernel insists on."""
    ip, udp = data[14:34], data[34:]
    ip_sum = 0xFFFF ^ ones_sum(ip[:10] + bytes(2) + ip[12:])
    pseudo = ip[12:20] + b"\0\x11" + udp[4:6]
    udp_sum = 0xFFFF ^ ones_sum(pseudo + udp[:6] + bytes(2) + udp[8:])
    head = data[:24] + struct.pack(">H", ip_sum) + data[26:40]
    return head + struct.pack(">H", udp_sum or 0xFFFF) + data[42:]


def sums_are_right(data: bytes) -> tuple[bool, bool | None]:
    """Of the IP header, and of the UDP datagram (None: it has none)."""
    ip, udp = data[14:34], data[34 : 14 + int.from_bytes(data[16:18], "big")]
    pseudo = ip[12:20] + b"\0\x11" + udp[4:6]
    given = int.from_bytes(udp[6:8], "big")
    return ones_sum(ip) == 0xFFFF, ones_sum(pseudo + udp) == 0xFFFF if given else None


def fields(
    rule: Rule, place: Place = "A", *, seed: int = 1, index: int = 0, start_ns: int = 0
) -> dict[str, int]:
    return rule.fields(place, seed=seed, index=index, start_ns=start_ns, sessions=Sessions())


class Bench:
    """Taps with a sender at one and a receiver at the other end of each way: A, B, replies, re-requests."""

    def __init__(self, topology: Topology, tap: Tap) -> None:
        self.topology, self.tap = topology, tap
        ways = [(topology.exchange, topology.engine, WIRES[name]) for name in ("A", "B", "recovery")]
        ways.append((topology.engine, topology.exchange, WIRES["recovery"]))
        self.senders = [packet_socket(sends, wire.interface) for sends, _, wire in ways]
        self.receivers = [packet_socket(receives, wire.interface, ETH_P_ALL) for _, receives, wire in ways]
        for each in self.receivers:
            each.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        self.sent = 0

    def close(self) -> None:
        for each in (*self.senders, *self.receivers):
            each.close()

    def impair(self, rule: Rule, place: Place = "A", **parts: int) -> int:
        return self.tap.impair(place, fields(rule, place, **parts))

    def send(self, payload: bytes, line: int = 0, **parts: Any) -> None:
        self.send_frame(frame(payload, **parts), line)

    def send_frame(self, data: bytes, line: int = 0) -> None:
        self.senders[line].send(data)
        self.sent += 1

    def seen(self) -> int:
        counts = self.tap.counts()
        return counts.market_records + sum(counts.not_market_data) + counts.requests + counts.snapshot_frames

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
        """Frames that came through to the other end; waits for ``count`` and takes what else is there."""
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
    sizes = {
        "market_capacity": 64,
        "frame_capacity": 16,
        "line_port": PORT,
        "gateway_port": GATEWAY,
        "request_port": REQUEST_PORT,
        "snapshot_port": SNAPSHOT_PORT,
    }
    with Tap(topology, directory=directory, **(sizes | options)) as tap:
        made = Bench(topology, tap)
        try:
            yield made
        finally:
            made.close()
