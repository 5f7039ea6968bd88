"""A second reader and writer of journals, in plain Python from the text of journal.h; it calls no code under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

__all__ = ["HEADER_BYTES", "Row", "crc32c", "read", "resigned", "spans"]

HEADER_BYTES = 64
RECORD = struct.Struct("<IHBBQ")


def table() -> list[int]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


TABLE = table()


def crc32c(data: bytes, check: int = 0) -> int:
    check ^= 0xFFFFFFFF
    for byte in data:
        check = check >> 8 ^ TABLE[(check ^ byte) & 0xFF]
    return check ^ 0xFFFFFFFF


@dataclass(frozen=True)
class Row:
    offset: int
    kind: int
    flags: int
    time_ns: int
    data: bytes

    @property
    def size(self) -> int:
        return RECORD.size + (len(self.data) + 7) // 8 * 8


def read(journal: bytes) -> list[Row]:
    """Every record; AssertionError when a check does not hold."""
    magic, version, size, _, _ = struct.unpack_from("<8sIIqq", journal)
    assert (magic, version, size) == (b"TGATEJNL", 2, HEADER_BYTES)
    (check,) = struct.unpack_from("<I", journal, HEADER_BYTES - 4)
    assert check == crc32c(journal[: HEADER_BYTES - 4])
    rows, offset = [], HEADER_BYTES
    while offset < len(journal):
        stored, length, kind, flags, time_ns = RECORD.unpack_from(journal, offset)
        row = Row(offset, kind, flags, time_ns, journal[offset + 16 : offset + 16 + length])
        content = journal[offset + 4 : offset + row.size]
        assert len(content) == row.size - 4
        assert not any(content[12 + length :])
        check = crc32c(content, check)
        assert check == stored, f"record {len(rows)} at {offset}"
        rows.append(row)
        offset += row.size
    return rows


def spans(rows: Iterable[Row]) -> Iterator[tuple[int, int]]:
    """(first byte, first byte behind it) of every record."""
    return ((row.offset, row.offset + row.size) for row in rows)


def resigned(journal: bytes, rows: Iterable[Row]) -> bytes:
    """The journal with other records, every check as it should be: what somebody writes who knows the format."""
    out = bytearray(journal[:HEADER_BYTES])
    (check,) = struct.unpack_from("<I", journal, HEADER_BYTES - 4)
    for row in rows:
        placed = replace(row, offset=len(out))
        content = struct.pack("<HBBQ", len(row.data), row.kind, row.flags, row.time_ns) + row.data
        content = content.ljust(placed.size - 4, b"\0")
        check = crc32c(content, check)
        out += struct.pack("<I", check) + content
    return bytes(out)
