"""A two-line capture as a source: a pcap file enters; each line's payloads, verbatim, with their own times leave.

What the payloads say is nobody's business here but for the number in front of them, where it is asked for.
"""

import struct
from collections import Counter
from pathlib import Path

import numpy as np

from traffic.bindings import PACKET_DTYPE, ItchScan
from traffic.config import TwoLinesSource
from traffic.errors import InputError
from traffic.market.pcap import Datagram, read_datagrams
from traffic.market.stream import Stream, bounded_gaps

__all__ = ["two_lines_stream"]

PAYLOAD_BYTES_MAX = 1472
NUMBER = struct.Struct("<I")  # MsgSeqNum of CME MDP 3.0, the first field of a packet


def two_lines_stream(source: TwoLinesSource, *, line_names: tuple[str, ...]) -> Stream:
    """One packet record for each captured packet of each line, in the order of time."""
    path = Path(source.path)
    places = {(line.address.packed, line.port): line_names.index(name) for name, line in source.lines.items()}
    skipped: Counter[str] = Counter()
    found: list[tuple[int, int, Datagram]] = []
    for time_ns, datagram in read_datagrams(path, skipped):
        place = places.get((datagram.address, datagram.port))
        if place is None:
            skipped["of another group or port"] += 1
        elif not 0 < len(datagram.payload) <= PAYLOAD_BYTES_MAX:
            skipped["larger than a frame, or empty"] += 1
        else:
            found.append((time_ns, place, datagram))
    counted = Counter(line_names[place] for _, place, _ in found)
    if absent := sorted(set(source.lines) - set(counted)):
        raise InputError(
            f"{path}: no packet to {', '.join(f'{source.lines[name]} (line {name})' for name in absent)}: "
            "tshark -q -z conv,udp lists what is there"
        )
    found.sort(key=lambda packet: packet[0])  # a file need not be in order of time; equal times keep theirs
    offsets_ns, collapsed = bounded_gaps(
        np.array([time_ns for time_ns, _, _ in found], np.int64),
        speed=source.speed,
        gap_max_ns=source.gap_max_ns,
    )
    payloads = [datagram.payload for _, _, datagram in found]
    sizes = np.array([len(payload) for payload in payloads], np.int64)
    records = np.zeros(len(found), PACKET_DTYPE)
    records["first_sequence"] = _numbers(path, source, [place for _, place, _ in found], payloads)
    records["count"] = 1
    records["burst"] = -1
    records["bytes"] = sizes
    records["intended_ns"] = offsets_ns
    records["message_offset"] = np.cumsum(sizes) - sizes
    return Stream(
        arena=np.frombuffer(b"".join(payloads), np.uint8),
        packets=records,
        scan=_no_messages(len(found), int(sizes.sum())),
        session=b"",
        first_sequence=int(records["first_sequence"][0]),
        packet_lines=np.array([place for _, place, _ in found], np.uint8),
        notes={
            "line_packets": dict(sorted(counted.items())),
            "skipped": dict(skipped),
            "gaps_collapsed": collapsed,
        },
    )


def _numbers(path: Path, source: TwoLinesSource, places: list[int], payloads: list[bytes]) -> list[int]:
    if source.numbers == "mdp3":
        if min(map(len, payloads)) < NUMBER.size:
            raise InputError(f"{path}: a payload is too short for an MDP 3.0 number: set numbers to packets")
        return [NUMBER.unpack_from(payload)[0] for payload in payloads]
    seen: Counter[int] = Counter()
    numbers = []
    for place in places:
        seen[place] += 1
        numbers.append(seen[place])
    return numbers


def _no_messages(packets: int, size: int) -> ItchScan:
    """A packet counts as one message of no type that is known here."""
    return ItchScan(
        outcome="ok", messages=packets, size=size, length_errors=0, unknown_types=0, bytes_behind=0,
        bad_offset=0, bad_length=0, bad_type=0, types={},
    )  # fmt: skip
