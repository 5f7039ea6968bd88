"""Stamped frames of the order wire go in; every packet of the order session, and every Enter Order, comes out with its
stamp.

TCP is put together by sequence number. A byte has the stamp of the frame that brought it first, and an order
that of the last of its bytes: the frame that completed it. Bytes that never arrived are a hole: what follows
it cannot be framed, so reading stops there and the orders behind it have no stamp.

Enter Order of OUCH 4.2 has 49 bytes, its token behind the type; that of OUCH 5.0 says how many bytes of options it
has, and carries the same token as its ClOrdID. A session that was lost may send an order again: one row for each time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from pathlib import Path

import numpy as np

from lab.errors import UndecidedError
from lab.measure.rows import ORDER_ARRIVALS, Rows
from lab.tap.card_clock import CardClock, converted, stored_clocks

__all__ = ["Packets", "Segment", "arrivals_among", "order_arrivals", "order_packets", "segments_in"]

Packets = list[tuple[int, bytes]]  # (stamp, whole SoupBinTCP packet with its length), by arrival

HEADER = np.dtype([("stamp_ns", "<u8"), ("length", "<u4"), ("captured", "<u4")])
ETHERNET_BYTES = 14
IP_BYTES_MIN = TCP_BYTES_MIN = 20
PACKET_HEAD_BYTES = 3  # length, 'U'
TOKEN_BYTES = 14
OUCH42_ENTER_BYTES, OUCH42_TOKEN = 49, 1
OUCH50_ENTER_BYTES_MIN, OUCH50_TOKEN, OUCH50_OPTIONS_LENGTH = 47, 31, 45
WRAP = 1 << 32
BY_CARD = 1 << 31  # in HEADER's captured: the stamp is the card's


@dataclass(frozen=True, slots=True)
class Segment:
    """Payload of one frame of one connection. ``sequence`` is TCP's, 32 bits."""

    connection: tuple[bytes, int]
    sequence: int
    stamp_ns: int
    payload: bytes


def segment_of(frame: bytes, stamp_ns: int) -> Segment:
    """The TCP segment of an Ethernet frame. ValueError when the frame is too short for what it says."""
    ip = frame[ETHERNET_BYTES:]
    if len(ip) < IP_BYTES_MIN:
        raise ValueError("no room for an IP header")
    ip_bytes, total = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
    tcp = ip[ip_bytes:total]
    if total > len(ip) or ip_bytes < IP_BYTES_MIN or len(tcp) < TCP_BYTES_MIN:
        raise ValueError("no room for a TCP header, or IP says more than there is")
    tcp_bytes = (tcp[12] >> 4) * 4
    if not TCP_BYTES_MIN <= tcp_bytes <= len(tcp):
        raise ValueError("no room for the TCP options")
    return Segment(
        connection=(ip[12:16], int.from_bytes(tcp[0:2], "big")),
        sequence=int.from_bytes(tcp[4:8], "big"),
        stamp_ns=stamp_ns,
        payload=tcp[tcp_bytes:],
    )


def segments_in(raw: bytes, clocks: Mapping[str, CardClock] | None = None) -> list[Segment]:
    """The TCP segments of a raw frame file, stamps in CLOCK_MONOTONIC.

    UndecidedError when a frame was truncated or does not parse, or a card's stamp cannot be turned.
    """
    segments = []
    offset = 0
    while offset < len(raw):
        if len(raw) - offset < HEADER.itemsize:
            raise UndecidedError("the file of order frames ends inside a record", where=f"byte {offset}")
        header = np.frombuffer(raw, HEADER, 1, offset)[0]
        length, captured = int(header["length"]), int(header["captured"]) & ~BY_CARD
        stamp_ns = int(header["stamp_ns"])
        if int(header["captured"]) & BY_CARD:
            stamp_ns = int(converted("order", np.array([stamp_ns], np.uint64), clocks or {})[0])
        frame = raw[offset + HEADER.itemsize : offset + HEADER.itemsize + captured]
        if captured < length:
            raise UndecidedError("an order frame was longer than the tap's buffer", why=f"{length} bytes")
        if len(frame) < captured:
            raise UndecidedError("the file of order frames ends inside a record", where=f"byte {offset}")
        try:
            segments.append(segment_of(frame, stamp_ns))
        except ValueError as error:
            raise UndecidedError(
                "an order frame does not parse", where=f"byte {offset}", why=str(error)
            ) from error
        offset += HEADER.itemsize + captured
    return segments


def entered_token(packet: bytes) -> bytes | None:
    """The token of an Enter Order packet, None for any other."""
    message = packet[PACKET_HEAD_BYTES:]
    if packet[2:4] != b"UO":
        return None
    if len(message) == OUCH42_ENTER_BYTES:
        return message[OUCH42_TOKEN : OUCH42_TOKEN + TOKEN_BYTES]
    options = int.from_bytes(message[OUCH50_OPTIONS_LENGTH:OUCH50_ENTER_BYTES_MIN], "big")
    if len(message) >= OUCH50_ENTER_BYTES_MIN and len(message) == OUCH50_ENTER_BYTES_MIN + options:
        return message[OUCH50_TOKEN : OUCH50_TOKEN + TOKEN_BYTES]
    return None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the stream that one frame brought first, from offset ``start`` on."""

    start: int
    stamp_ns: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.payload)


class Connection:
    """One direction of one TCP connection. Offsets count from its first segment and may be negative."""

    def __init__(self, first: int) -> None:
        self.pieces: list[Piece] = []  # sorted, without overlap
        self._sequence, self._offset = first, 0  # of the segment before

    def add(self, segment: Segment) -> None:
        """Keeps the bytes that no segment before has brought."""
        step = (segment.sequence - self._sequence + WRAP // 2) % WRAP - WRAP // 2
        self._sequence, self._offset = segment.sequence, self._offset + step
        start, end = self._offset, self._offset + len(segment.payload)
        index = bisect_right(self.pieces, start, key=attrgetter("start"))
        if index and self.pieces[index - 1].end > start:
            index -= 1
        position, fresh = start, []
        last = index
        while last < len(self.pieces) and self.pieces[last].start < end:
            piece = self.pieces[last]
            if position < piece.start:
                fresh.append(self._piece(segment, position, piece.start))
            fresh.append(piece)
            position = max(position, piece.end)
            last += 1
        if position < end:
            fresh.append(self._piece(segment, position, end))
        self.pieces[index:last] = fresh

    def _piece(self, segment: Segment, start: int, end: int) -> Piece:
        return Piece(start, segment.stamp_ns, segment.payload[start - self._offset : end - self._offset])

    def packets(self) -> Packets:
        """Every packet before the first hole, in the order of the stream."""
        whole = self.pieces[:1]
        for piece in self.pieces[1:]:
            if piece.start != whole[-1].end:
                break
            whole.append(piece)
        stream = b"".join(piece.payload for piece in whole)
        base = whole[0].start if whole else 0
        found = []
        position = cursor = 0
        while position + 2 <= len(stream):
            end = position + 2 + int.from_bytes(stream[position : position + 2], "big")
            if end > len(stream):
                break
            while whole[cursor].end - base <= position:
                cursor += 1
            last, stamp_ns = cursor, whole[cursor].stamp_ns
            while whole[last].end - base < end:
                last += 1
                stamp_ns = max(stamp_ns, whole[last].stamp_ns)
            found.append((stamp_ns, stream[position:end]))
            position = end
        return found


def order_packets(path: Path) -> Packets:
    """Every packet that the engine sent in a raw frame file, over all its connections."""
    connections: dict[tuple[bytes, int], Connection] = {}
    for segment in segments_in(path.read_bytes(), stored_clocks(path.parent)):
        connections.setdefault(segment.connection, Connection(segment.sequence)).add(segment)
    found = [packet for connection in connections.values() for packet in connection.packets()]
    return sorted(found, key=itemgetter(0))


def order_arrivals(path: Path) -> Rows:
    """ORDER_ARRIVALS rows of a raw frame file, by arrival. A foreign token has trigger_sequence 0."""
    return arrivals_among(order_packets(path))


def arrivals_among(packets: Packets) -> Rows:
    """The same, of packets."""
    named = ((stamp_ns, entered_token(packet)) for stamp_ns, packet in packets)
    found = sorted((stamp_ns, token) for stamp_ns, token in named if token is not None)
    rows = np.zeros(len(found), ORDER_ARRIVALS)
    for row, (stamp_ns, token) in zip(rows, found, strict=True):
        row["stamp_ns"], row["token"] = stamp_ns, token
        digits, ordinal = token[1:13], token[13:14]
        if ordinal.isdigit() and all(digit in b"0123456789ABCDEF" for digit in digits):
            row["trigger_sequence"], row["ordinal"] = int(digits, 16), int(ordinal)
    return rows
