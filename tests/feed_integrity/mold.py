"""MoldUDP64 1.00 in plain Python, from the fact sheet: datagrams are packed, and strictly taken apart again."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["END", "HEAD", "Parsed", "heartbeat", "pack", "parse", "request_of"]

HEAD = struct.Struct(">10sQH")
LENGTH = struct.Struct(">H")
END = 0xFFFF


class Parsed(NamedTuple):
    session: bytes
    sequence: int
    blocks: tuple[bytes, ...]
    end: bool

    @property
    def shown(self) -> int:
        """Messages below this number exist, says the datagram."""
        return self.sequence + len(self.blocks)


def pack(session: bytes, sequence: int, messages: Sequence[bytes]) -> bytes:
    blocks = b"".join(LENGTH.pack(len(message)) + message for message in messages)
    return HEAD.pack(session, sequence, len(messages)) + blocks


def heartbeat(session: bytes, sequence: int, *, end: bool = False) -> bytes:
    return HEAD.pack(session, sequence, END if end else 0)


def parse(data: bytes) -> Parsed | None:
    """None when it is malformed: too short, a block beyond the end, bytes behind the last block, numbers past 2^64."""
    if len(data) < HEAD.size:
        return None
    session, sequence, count = HEAD.unpack_from(data)
    end = count == END
    if end:
        count = 0
    if sequence + count > 2**64:
        return None
    offset, blocks = HEAD.size, []
    for _ in range(count):
        if offset + 2 > len(data):
            return None
        (length,) = LENGTH.unpack_from(data, offset)
        offset += 2 + length
        if offset > len(data):
            return None
        blocks.append(data[offset - length : offset])
    return Parsed(session, sequence, tuple(blocks), end) if offset == len(data) else None


def request_of(data: bytes) -> tuple[bytes, int, int]:
    """Session, first number and count of a request, which must be whole."""
    assert len(data) == HEAD.size, f"a request of {len(data)} bytes"
    session, sequence, count = HEAD.unpack(data)
    return session, sequence, count
