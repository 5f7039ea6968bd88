"""Stamped frames of the order wire go in; every Enter Order on it comes out with its stamp.

TCP is put together by sequence number, so that an order split over two frames gets the stamp of the frame
that completed it, and a retransmitted byte keeps the stamp of its first arrival. Bytes that never arrived are
a hole: what follows it cannot be framed, so reading stops there and the orders behind it have no stamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.errors import UndecidedError
from lab.measure.rows import ORDER_ARRIVALS, Rows

__all__ = ["Segment", "order_arrivals", "segments_in"]

HEADER = np.dtype([("stamp_ns", "<u8"), ("length", "<u4"), ("captured", "<u4")])
ETHERNET_BYTES = 14
ENTER_ORDER_BYTES = 52
WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Segment:
    """Payload of one frame of one connection. ``sequence`` is TCP's, 32 bits."""

    connection: tuple[bytes, int]
    sequence: int
    stamp_ns: int
    payload: bytes


def segments_in(raw: bytes) -> list[Segment]:
    """The TCP segments of a raw frame file. UndecidedError when a frame was truncated or does not parse."""
    segments = []
    offset = 0
    while offset < len(raw):
        header = np.frombuffer(raw, HEADER, 1, offset)[0]
        length, captured = int(header["length"]), int(header["captured"])
        frame = raw[offset + HEADER.itemsize : offset + HEADER.itemsize + captured]
        offset += HEADER.itemsize + captured
        if captured < length or len(frame) < captured:
            raise UndecidedError("an order frame was longer than the tap's buffer", why=f"{length} bytes")
        ip = frame[ETHERNET_BYTES:]
        ip_bytes, total = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
        tcp = ip[ip_bytes:total]
        segments.append(
            Segment(
                connection=(ip[12:16], int.from_bytes(tcp[0:2], "big")),
                sequence=int.from_bytes(tcp[4:8], "big"),
                stamp_ns=int(header["stamp_ns"]),
                payload=tcp[(tcp[12] >> 4) * 4 :],
            )
        )
    return segments


class Connection:
    """One direction of one TCP connection, put together as far as it is whole."""

    def __init__(self, first: int) -> None:
        self.base = first
        self.stream = bytearray()
        self.ends: list[int] = []  # stream offset up to which each accepted segment reaches
        self.stamps: list[int] = []
        self.early: dict[int, Segment] = {}  # by stream offset

    def add(self, segment: Segment) -> None:
        offset = (segment.sequence - self.base) % WRAP
        if offset >= WRAP // 2:
            return  # before the first byte: a late copy of what we have
        if offset > len(self.stream):
            self.early.setdefault(offset, segment)
            return
        fresh = segment.payload[len(self.stream) - offset :]
        if not fresh:
            return
        self.stream += fresh
        self.ends.append(len(self.stream))
        self.stamps.append(segment.stamp_ns)
        for start in sorted(self.early):
            if start > len(self.stream):
                break
            self.add(self.early.pop(start))

    def orders(self) -> list[tuple[int, bytes]]:
        """(stamp, token) of every Enter Order in the stream."""
        found = []
        position = cursor = 0
        while position + 2 <= len(self.stream):
            size = 2 + int.from_bytes(self.stream[position : position + 2], "big")
            end = position + size
            if end > len(self.stream):
                break
            if size == ENTER_ORDER_BYTES and self.stream[position + 2 : position + 4] == b"UO":
                while self.ends[cursor] < end:
                    cursor += 1
                found.append((self.stamps[cursor], bytes(self.stream[position + 4 : position + 18])))
            position = end
        return found


def order_arrivals(path: Path) -> Rows:
    """ORDER_ARRIVALS rows of a raw frame file, in order of arrival. A foreign token has trigger_sequence 0."""
    connections: dict[tuple[bytes, int], Connection] = {}
    for segment in segments_in(path.read_bytes()):
        connections.setdefault(segment.connection, Connection(segment.sequence)).add(segment)
    found = sorted(order for connection in connections.values() for order in connection.orders())
    rows = np.zeros(len(found), ORDER_ARRIVALS)
    for row, (stamp_ns, token) in zip(rows, found, strict=True):
        row["stamp_ns"], row["token"] = stamp_ns, token
        digits, ordinal = token[1:13], token[13:14]
        if ordinal.isdigit() and all(digit in b"0123456789ABCDEF" for digit in digits):
            row["trigger_sequence"], row["ordinal"] = int(digits, 16), int(ordinal)
    return rows
