"""Independent references in plain Python: framed messages, a book of lists, a SoupBinTCP/OUCH client.

Nothing here calls the code under test.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36,
    "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20,
    "O": 48,
}  # fmt: skip


def real_folder() -> Path:
    """The real captures, or a skip that says why."""
    folder = Path(os.environ.get("TAILGATE_REAL") or Path(__file__).resolve().parents[3] / "shared" / "real")
    if not folder.is_dir():
        pytest.skip(f"no real captures: neither TAILGATE_REAL nor {folder} is there")
    return folder


def frame(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


def messages_of(framed: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(framed):
        (length,) = struct.unpack_from(">H", framed, offset)
        message = framed[offset + 2 : offset + 2 + length]
        assert len(message) == length
        yield message
        offset += 2 + length


def head(kind: str, locate: int = 1, time_ns: int = 0) -> bytes:
    return kind.encode() + struct.pack(">HH", locate, 0) + time_ns.to_bytes(6, "big")


def add(
    reference: int,
    side: str,
    shares: int,
    price: int,
    *,
    locate: int = 1,
    stock: str = "ACME",
    time_ns: int = 0,
) -> bytes:
    name = stock.ljust(8).encode()
    return head("A", locate, time_ns) + struct.pack(">QcI8sI", reference, side.encode(), shares, name, price)


def executed(reference: int, shares: int) -> bytes:
    return head("E") + struct.pack(">QIQ", reference, shares, 1)


def executed_price(reference: int, shares: int) -> bytes:
    return head("C") + struct.pack(">QIQcI", reference, shares, 1, b"Y", 1)


def cancel(reference: int, shares: int) -> bytes:
    return head("X") + struct.pack(">QI", reference, shares)


def delete(reference: int) -> bytes:
    return head("D") + struct.pack(">Q", reference)


def replace(old: int, new: int, shares: int, price: int) -> bytes:
    return head("U") + struct.pack(">QQII", old, new, shares, price)


class ReferenceBook:
    """Orders in one dict that keeps insertion order: the queue of a price is the dict filtered by price."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, bytes, int, int]] = {}  # reference: locate, side, price, shares
        self.unknown = 0
        self.duplicate = 0
        self.excess = 0

    def apply(self, message: bytes) -> None:
        kind = chr(message[0])
        if kind in "AF":
            reference, side, shares, _, price = struct.unpack_from(">QcI8sI", message, 11)
            self._add(reference, struct.unpack_from(">H", message, 1)[0], side, price, shares)
        elif kind in "ECXDU":
            (reference,) = struct.unpack_from(">Q", message, 11)
            if reference not in self.orders:
                self.unknown += 1
            elif kind == "D":
                del self.orders[reference]
            elif kind == "U":
                new, shares, price = struct.unpack_from(">QII", message, 19)
                locate, side, _, _ = self.orders.pop(reference)
                self._add(new, locate, side, price, shares)
            else:
                self._reduce(reference, struct.unpack_from(">I", message, 19)[0])

    def _add(self, reference: int, locate: int, side: bytes, price: int, shares: int) -> None:
        if shares == 0:
            return
        if reference in self.orders:
            self.duplicate += 1
        else:
            self.orders[reference] = (locate, side, price, shares)

    def _reduce(self, reference: int, shares: int) -> None:
        locate, side, price, before = self.orders[reference]
        left = before - shares
        self.excess += max(0, -left)
        if left > 0:
            self.orders[reference] = (locate, side, price, left)
        else:
            del self.orders[reference]

    def rows(self) -> list[tuple[object, ...]]:
        """(symbol, side, price, position, reference, shares), sorted as in book.npy."""
        queues: dict[tuple[int, bytes, int], list[tuple[int, int]]] = {}
        for reference, (locate, side, price, shares) in self.orders.items():
            queues.setdefault((locate, side, price), []).append((reference, shares))
        return [
            (*key, position, reference, shares)
            for key in sorted(queues)
            for position, (reference, shares) in enumerate(queues[key])
        ]


class OuchClient:
    """A SoupBinTCP client; whole packets are taken from the stream whatever pieces it comes in."""

    def __init__(self, port: int, *, timeout_s: float = 5) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.buffer = b""

    def __enter__(self) -> "OuchClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        self.socket.sendall(struct.pack(">H", len(payload) + 1) + kind + payload)

    def receive(self) -> bytes:
        """One packet, type byte first; b"" at the end of the stream."""
        while True:
            if len(self.buffer) >= 2:
                (length,) = struct.unpack_from(">H", self.buffer)
                if len(self.buffer) >= 2 + length:
                    packet, self.buffer = self.buffer[2 : 2 + length], self.buffer[2 + length :]
                    return packet
            try:
                data = self.socket.recv(4096)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.buffer, "the stream ends inside a packet"
                return b""
            self.buffer += data

    def message(self) -> bytes:
        """The next sequenced message, heartbeats passed over."""
        while (packet := self.receive())[:1] == b"H":
            pass
        assert packet[:1] == b"S", packet
        return packet[1:]

    def log_in(
        self, *, username: str = "TAILGT", password: str = "TAILGATE", session: str = "", sequence: int = 1
    ) -> bytes:
        fields = f"{username:<6}{password:<10}{session:>10}{sequence:>20}"
        self.send(b"L", fields.encode())
        return self.receive()

    def enter(self, token: str, side: str, shares: int, stock: str, price: int, **fields: Any) -> None:
        self.send(b"U", enter(token, side, shares, stock, price, **fields))


def enter(
    token: str,
    side: str,
    shares: int,
    stock: str,
    price: int,
    *,
    time_in_force: int = 0,
    display: str = "Y",
    capacity: str = "P",
    minimum: int = 0,
    cross: str = "N",
) -> bytes:
    return struct.pack(
        ">c14scI8sII4scccIcc", b"O", token.ljust(14).encode(), side.encode(), shares, stock.ljust(8).encode(),
        price, time_in_force, b"    ", display.encode(), capacity.encode(), b"N", minimum, cross.encode(),
        b"N",
    )  # fmt: skip
