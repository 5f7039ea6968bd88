"""ITCH daily files as a source: paths enter, a `Stream` leaves; a damaged file is one clear InputError.

Format: u16 big-endian length and message, repeated; a length of 0 ends the file; gzip is told by content.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import ItchScan, itch_length, scan_itch
from traffic.config import BurstsConfig, ItchFileSource, PackingConfig
from traffic.errors import InputError
from traffic.market.stream import Stream, bounded_gaps, even_offsets, pack, scan_stream

__all__ = ["itch_file_stream", "read_bytes"]

GAP_BETWEEN_FILES_NS = 1_000_000


def read_bytes(path: Path) -> bytes:
    """The bytes of `path`, unpacked when they are gzip."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip ({error}): fetch the file again") from None


def _refuse(path: Path, scan: ItchScan, size: int) -> InputError:
    where = f"{path}: message {scan.messages} at byte {scan.bad_offset}"
    kind = f"type {chr(scan.bad_type)!r}" if scan.bad_type else "no type"
    if scan.outcome == "truncated":
        why = f"the file ends at byte {size}, inside the message ({kind}, length {scan.bad_length})"
        if size - scan.bad_offset < 2:
            why = f"the file ends at byte {size}, inside a length field"
    elif scan.outcome == "too_short":
        least = max(itch_length(scan.bad_type), 11)
        why = f"length {scan.bad_length} is impossible for {kind}, which has at least {least} bytes"
    else:
        why = f"length {scan.bad_length} is impossible: no packet carries more than 1450 bytes"
    return InputError(f"{where}: {why}; it is not a whole ITCH 5.0 file: fetch it again or cut it here")


def _load(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], ItchScan]:
    data = np.frombuffer(read_bytes(path), np.uint8)
    scan = scan_itch(data, strict=True)
    if scan.outcome != "ok":
        raise _refuse(path, scan, data.size)
    if scan.messages == 0:
        raise InputError(f"{path}: no messages in it: give an ITCH 5.0 file with u16 lengths")
    stamps_ns = np.empty(scan.messages, np.int64)
    framed = data[: scan.size]
    scan_itch(framed, strict=True, stamps_ns=stamps_ns)
    return framed, stamps_ns, scan


def itch_file_stream(
    source: ItchFileSource, *, session: bytes, packing: PackingConfig, bursts: BurstsConfig | None
) -> Stream:
    """Read the files one behind the other, time and pack them; the messages' own times stay as they are."""
    arenas: list[NDArray[np.uint8]] = []
    times: list[NDArray[np.int64]] = []
    collapsed = bytes_behind = next_ns = 0
    for path in source.paths:
        framed, stamps_ns, scan = _load(Path(path))
        offsets_ns, shortened = bounded_gaps(stamps_ns, speed=source.speed, gap_max_ns=source.gap_max_ns)
        arenas.append(framed)
        times.append(offsets_ns + next_ns)
        next_ns += int(offsets_ns[-1]) + GAP_BETWEEN_FILES_NS
        collapsed += shortened
        bytes_behind += scan.bytes_behind
    arena = np.concatenate(arenas)
    times_ns = np.concatenate(times)
    notes: dict[str, object] = {"gaps_collapsed": collapsed + len(arenas) - 1}
    if source.rate_per_s is not None:
        times_ns = even_offsets(times_ns.size, source.rate_per_s)
        notes = {"gaps_collapsed": 0}
    if bytes_behind:
        notes["bytes_behind_end_marker"] = bytes_behind
    packets = pack(arena, times_ns, packing=packing, bursts=bursts)
    return Stream(arena=arena, packets=packets, scan=scan_stream(arena), session=session, notes=notes)
