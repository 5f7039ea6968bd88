"""Captures as a source: a pcap or pcapng file with MoldUDP64 enters, a `Stream` leaves with its packets kept.

MoldUDP64 is told by its layout, not by ports: anonymised captures have none.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import PACKET_DTYPE
from traffic.config import CaptureSource
from traffic.errors import InputError
from traffic.market.pcap import Skip, read_datagrams
from traffic.market.stream import Stream, bounded_gaps, scan_stream

__all__ = ["MoldPacket", "capture_stream", "parse_mold"]

MOLD_HEADER_BYTES = 20
BLOCKS_BYTES_MAX = 1472 - MOLD_HEADER_BYTES
MESSAGE_BYTES_MAX = BLOCKS_BYTES_MAX - 2
HEARTBEAT, END_OF_SESSION = 0, 0xFFFF
FILE_GAP_NS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class MoldPacket:
    """One MoldUDP64 data packet; `blocks` are its messages, without lengths, none of them empty."""

    time_ns: int
    session: bytes
    sequence: int
    blocks: tuple[bytes, ...]


def parse_mold(payload: bytes, *, time_ns: int) -> MoldPacket:
    """A MoldUDP64 data packet by its layout: blocks fill the payload exactly."""
    if len(payload) < MOLD_HEADER_BYTES:
        raise Skip("UDP, not MoldUDP64")
    session, sequence, count = struct.unpack_from(">10sQH", payload)
    if count in (HEARTBEAT, END_OF_SESSION):
        if len(payload) != MOLD_HEADER_BYTES:
            raise Skip("UDP, not MoldUDP64")
        raise Skip("MoldUDP64 heartbeat" if count == HEARTBEAT else "MoldUDP64 end of session")
    blocks, offset = [], MOLD_HEADER_BYTES
    for _ in range(count):
        if len(payload) - offset < 2:
            raise Skip("UDP, not MoldUDP64")
        length = int.from_bytes(payload[offset : offset + 2], "big")
        block = payload[offset + 2 : offset + 2 + length]
        if not 0 < length <= MESSAGE_BYTES_MAX or len(block) < length:
            raise Skip("UDP, not MoldUDP64")
        blocks.append(block)
        offset += 2 + length
    if offset != len(payload):
        raise Skip("UDP, not MoldUDP64")
    return MoldPacket(time_ns=time_ns, session=session, sequence=sequence, blocks=tuple(blocks))


def _read(path: Path) -> tuple[list[MoldPacket], Counter[str]]:
    packets: list[MoldPacket] = []
    skipped: Counter[str] = Counter()
    for time_ns, datagram in read_datagrams(path, skipped):
        try:
            packets.append(parse_mold(datagram.payload, time_ns=time_ns))
        except Skip as reason:
            skipped[str(reason)] += 1
    if not packets:
        found = ", ".join(f"{count} {reason}" for reason, count in skipped.items()) or "no packets at all"
        raise InputError(
            f"{path}: no MoldUDP64 data packet in it ({found}): give a capture of ITCH multicast"
        )
    return packets, skipped


def _is_whole(packets: list[MoldPacket]) -> bool:
    """One session with a name, numbers without gap or repetition."""
    if not packets[0].session.strip(b"\0 ") or packets[0].sequence == 0:
        return False
    following = packets[0].sequence
    for packet in packets:
        if packet.session != packets[0].session or packet.sequence != following:
            return False
        following += len(packet.blocks)
    return True


def _merge_lines(packets: list[MoldPacket]) -> tuple[list[MoldPacket], int]:
    """Merge by number what two lines carry twice: each message once, first copy wins; how many were dropped.

    Left as it is where numbers say nothing: several sessions, no numbers, or one number with two contents.
    """
    if packets[0].sequence == 0 or any(packet.session != packets[0].session for packet in packets):
        return packets, 0
    seen: dict[int, bytes] = {}
    merged: list[MoldPacket] = []
    duplicates = 0
    for packet in packets:
        start = 0
        for index, block in enumerate(packet.blocks):
            number = packet.sequence + index
            if seen.setdefault(number, block) != block:
                return packets, 0
            if seen[number] is not block:
                duplicates += 1
                if start < index:
                    merged.append(_part(packet, start, index))
                start = index + 1
        if start < len(packet.blocks):
            merged.append(_part(packet, start, len(packet.blocks)))
    return sorted(merged, key=lambda packet: packet.sequence), duplicates


def _part(packet: MoldPacket, begin: int, end: int) -> MoldPacket:
    return MoldPacket(
        time_ns=packet.time_ns,
        session=packet.session,
        sequence=packet.sequence + begin,
        blocks=packet.blocks[begin:end],
    )


def _fit(packets: list[MoldPacket]) -> list[MoldPacket]:
    """Split what a jumbo frame carried and ours cannot."""
    fitting: list[MoldPacket] = []
    for packet in packets:
        begin = size = 0
        for index, block in enumerate(packet.blocks):
            if size + 2 + len(block) > BLOCKS_BYTES_MAX:
                fitting.append(_part(packet, begin, index))
                begin, size = index, 0
            size += 2 + len(block)
        fitting.append(_part(packet, begin, len(packet.blocks)))
    return fitting


def _records(
    packets: list[MoldPacket], offsets_ns: NDArray[np.int64], first_sequence: int
) -> NDArray[np.void]:
    counts = np.array([len(packet.blocks) for packet in packets], np.int64)
    sizes = np.array([sum(2 + len(block) for block in packet.blocks) for packet in packets], np.int64)
    records: NDArray[np.void] = np.zeros(len(packets), PACKET_DTYPE)
    records["first_sequence"] = first_sequence + np.cumsum(counts) - counts
    records["count"] = counts
    records["burst"] = -1
    records["bytes"] = MOLD_HEADER_BYTES + sizes
    records["intended_ns"] = offsets_ns
    records["message_offset"] = np.cumsum(sizes) - sizes
    return records


def _read_all(paths: Sequence[str]) -> tuple[list[MoldPacket], Counter[str]]:
    """The packets of all files; each file begins FILE_GAP_NS behind the end of the one before."""
    packets: list[MoldPacket] = []
    skipped: Counter[str] = Counter()
    for path in paths:
        part, passed_over = _read(Path(path))
        shift_ns = packets[-1].time_ns + FILE_GAP_NS - part[0].time_ns if packets else 0
        packets += [replace(packet, time_ns=packet.time_ns + shift_ns) for packet in part]
        skipped += passed_over
    return packets, skipped


def capture_stream(source: CaptureSource, *, session: bytes) -> Stream:
    """Read the captures; keep session and numbers where they are whole, else number from 1 in ours."""
    packets, skipped = _read_all(source.paths)
    whole = _is_whole(packets)
    duplicates = 0
    if not whole:
        packets, duplicates = _merge_lines(packets)
    captured_packets = len(packets)
    packets = _fit(packets)
    framed = b"".join(len(block).to_bytes(2, "big") + block for packet in packets for block in packet.blocks)
    arena = np.frombuffer(framed, np.uint8)
    collapsed = 0
    if source.rate_per_s is None:
        times_ns = np.array([packet.time_ns for packet in packets], np.int64)
        offsets_ns, collapsed = bounded_gaps(times_ns, speed=source.speed, gap_max_ns=source.gap_max_ns)
    else:
        counts = np.array([len(packet.blocks) for packet in packets], np.int64)
        offsets_ns = (np.cumsum(counts) - counts) * 1_000_000_000 // source.rate_per_s
    first_sequence = packets[0].sequence if whole else 1
    notes: dict[str, object] = {
        "renumbered": not whole,
        "skipped": dict(skipped),
        "gaps_collapsed": collapsed,
    }
    if duplicates:
        notes["duplicates"] = duplicates
    if len(packets) > captured_packets:
        notes["packets_split"] = len(packets) - captured_packets
    return Stream(
        arena=arena,
        packets=_records(packets, offsets_ns, first_sequence),
        scan=scan_stream(arena),
        session=packets[0].session if whole else session,
        first_sequence=first_sequence,
        notes=notes,
    )
