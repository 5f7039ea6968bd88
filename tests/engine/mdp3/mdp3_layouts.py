"""Layouts of MDP 3.0 messages as the schema tells them, and both directions: fields to bytes, bytes to fields.

Written from the specification for tests; shares nothing with the engine.
"""

import struct
from dataclasses import dataclass
from typing import Any

__all__ = [
    "LAYOUTS",
    "PRICE_NULL",
    "Fault",
    "Group",
    "Layout",
    "Message",
    "decode_packet",
    "encode",
    "packet",
]

PRICE_NULL = 2**63 - 1
INT_NULL, UINT_NULL, UINT64_NULL = 2**31 - 1, 2**32 - 1, 2**64 - 1
Field = tuple[str, int, str]  # name, offset, struct code

REFRESH: list[Field] = [("time", 0, "Q"), ("indicator", 8, "B")]
PREFIX: list[Field] = [
    ("indicator", 0, "B"), ("reports", 1, "I"), ("action", 5, "c"), ("updated", 6, "Q"), ("status", 14, "B"),
    ("channel", 15, "h"), ("group", 23, "6s"), ("asset", 29, "6s"), ("symbol", 35, "20s"), ("security", 55, "i"),
]  # fmt: skip


@dataclass(frozen=True)
class Group:
    """One group: bytes of its dimension header, of an entry, and the entry's fields."""

    header: int
    size: int
    fields: list[Field]
    optional_before: int = 0  # schema versions below lack the group


@dataclass(frozen=True)
class Layout:
    """One template."""

    name: str
    exponent: int
    size: int
    fields: list[Field]
    groups: tuple[Group, ...] = ()


def book(name: str, exponent: int, since: int) -> Layout:
    levels = Group(3, 32, [
        ("price", 0, "q"), ("size", 8, "i"), ("security", 12, "i"), ("report", 16, "I"), ("orders", 20, "i"),
        ("level", 24, "B"), ("action", 25, "B"), ("type", 26, "c"),
    ])  # fmt: skip
    orders = Group(8, 24, [
        ("order", 0, "Q"), ("priority", 8, "Q"), ("size", 16, "i"), ("reference", 20, "B"), ("action", 21, "B"),
    ], since)  # fmt: skip
    return Layout(name, exponent, 11, REFRESH, (levels, orders))


def order_book(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 11, REFRESH, (Group(3, 40, [
        ("order", 0, "Q"), ("priority", 8, "Q"), ("price", 16, "q"), ("size", 24, "i"), ("security", 28, "i"),
        ("action", 32, "B"), ("type", 33, "c"),
    ]),))  # fmt: skip


FILLS = Group(8, 16, [("order", 0, "Q"), ("size", 8, "i")])


def trade(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 11, REFRESH, (Group(3, 32, [
        ("price", 0, "q"), ("size", 8, "i"), ("security", 12, "i"), ("report", 16, "I"), ("orders", 20, "i"),
        ("aggressor", 24, "B"), ("action", 25, "B"), ("trade", 26, "I"),
    ]), FILLS))  # fmt: skip


def session_statistic(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 11, REFRESH, (Group(3, 24, [
        ("price", 0, "q"), ("security", 8, "i"), ("report", 12, "I"), ("flag", 16, "B"), ("action", 17, "B"),
        ("type", 18, "c"), ("size", 19, "i"),
    ]),))  # fmt: skip


def daily_statistic(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 11, REFRESH, (Group(3, 32, [
        ("price", 0, "q"), ("size", 8, "i"), ("security", 12, "i"), ("report", 16, "I"), ("date", 20, "H"),
        ("flag", 22, "B"), ("action", 23, "B"), ("type", 24, "c"),
    ]),))  # fmt: skip


def limits(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 11, REFRESH, (Group(3, 32, [
        ("high", 0, "q"), ("low", 8, "q"), ("variation", 16, "q"), ("security", 24, "i"), ("report", 28, "I"),
    ]),))  # fmt: skip


SNAPSHOT_ROOT: list[Field] = [
    ("last", 0, "I"), ("reports", 4, "I"), ("security", 8, "i"), ("report", 12, "I"), ("time", 16, "Q"),
    ("updated", 24, "Q"), ("date", 32, "H"), ("status", 34, "B"), ("high", 35, "q"), ("low", 43, "q"),
    ("variation", 51, "q"),
]  # fmt: skip


def snapshot(name: str, exponent: int) -> Layout:
    return Layout(name, exponent, 59, SNAPSHOT_ROOT, (Group(3, 22, [
        ("price", 0, "q"), ("size", 8, "i"), ("orders", 12, "i"), ("level", 16, "B"), ("date", 17, "H"),
        ("flag", 19, "B"), ("settlement", 20, "B"), ("type", 21, "c"),
    ]),))  # fmt: skip


def order_snapshot(name: str, exponent: int) -> Layout:
    root: list[Field] = [
        ("last", 0, "I"), ("reports", 4, "I"), ("security", 8, "i"), ("chunks", 12, "I"), ("chunk", 16, "I"),
        ("time", 20, "Q"),
    ]  # fmt: skip
    return Layout(name, exponent, 28, root, (Group(3, 29, [
        ("order", 0, "Q"), ("priority", 8, "Q"), ("price", 16, "q"), ("size", 24, "i"), ("type", 28, "c"),
    ]),))  # fmt: skip


def definition(size: int, exponent: int) -> Layout:
    events = Group(3, 9, [("event", 0, "B"), ("time", 1, "Q")])
    feeds = Group(3, 4, [("feed", 0, "3s"), ("depth", 3, "b")])
    lots = Group(3, 5, [("lot", 0, "b"), ("least", 1, "i")])
    attributes = Group(3, 4, [("attribute", 0, "I")])
    return Layout("definition", exponent, size, PREFIX, (events, feeds, attributes, lots))


LAYOUTS: dict[int, Layout] = {
    46: book("book", -9, 0), 32: book("book", -7, 7), 47: order_book("order_book", -9),
    43: order_book("order_book", -7),
    48: trade("trade", -9), 42: trade("trade", -7), 51: session_statistic("statistic", -9),
    35: session_statistic("statistic", -7), 49: daily_statistic("daily", -9), 33: daily_statistic("daily", -7),
    50: limits("limits", -9), 34: limits("limits", -7), 52: snapshot("snapshot", -9), 38: snapshot("snapshot", -7),
    53: order_snapshot("order_snapshot", -9), 44: order_snapshot("order_snapshot", -7),
    54: definition(224, -9), 27: definition(216, -7),
    37: Layout("volume", -9, 11, REFRESH, (Group(3, 16, [
        ("size", 0, "i"), ("security", 4, "i"), ("report", 8, "I"), ("action", 12, "B")]),)),
    64: Layout("book", -9, 11, REFRESH, (Group(3, 32, [
        ("price", 0, "q"), ("size", 8, "Q"), ("security", 16, "i"), ("report", 20, "I"), ("orders", 24, "i"),
        ("level", 28, "B"), ("action", 29, "B"), ("type", 30, "c")]), book("", -9, 0).groups[1])),
    65: Layout("trade", -9, 11, REFRESH, (Group(3, 40, [
        ("price", 0, "q"), ("size", 8, "Q"), ("security", 16, "i"), ("report", 20, "I"), ("orders", 24, "i"),
        ("trade", 28, "I"), ("aggressor", 32, "B"), ("action", 33, "B")]), FILLS)),
    66: Layout("volume", -9, 11, REFRESH, (Group(3, 24, [
        ("size", 0, "Q"), ("security", 8, "i"), ("report", 12, "I"), ("action", 16, "B")]),)),
    67: Layout("statistic", -9, 11, REFRESH, (Group(3, 32, [
        ("price", 0, "q"), ("size", 8, "Q"), ("security", 16, "i"), ("report", 20, "I"), ("flag", 24, "B"),
        ("action", 25, "B"), ("type", 26, "c")]),)),
    69: Layout("snapshot", -9, 59, SNAPSHOT_ROOT, (Group(3, 23, [
        ("price", 0, "q"), ("size", 8, "Q"), ("orders", 16, "i"), ("level", 20, "B"), ("flag", 21, "B"),
        ("type", 22, "c")]),)),
    4: Layout("channel_reset", -9, 9, REFRESH, (Group(3, 2, [("channel", 0, "h")]),)),
    30: Layout("status", -9, 30, [
        ("time", 0, "Q"), ("group", 8, "6s"), ("asset", 14, "6s"), ("security", 20, "i"), ("date", 24, "H"),
        ("indicator", 26, "B"), ("status", 27, "B"), ("reason", 28, "B"), ("event", 29, "B")]),
    12: Layout("heartbeat", -9, 0, []),
    39: Layout("quote_request", -9, 35, [("time", 0, "Q"), ("quote", 8, "23s"), ("indicator", 31, "B")], (
        Group(3, 32, [("symbol", 0, "20s"), ("security", 20, "i"), ("size", 24, "i")]),)),
}  # fmt: skip


class Fault(Exception):
    """The bytes are no message; the text is the name of the fault."""


@dataclass(frozen=True)
class Message:
    """One message: `fields` is None where the template is not known."""

    template: int
    version: int
    schema: int
    fields: dict[str, Any] | None
    groups: list[list[dict[str, Any]]]


def pack(fields: list[Field], size: int, values: dict[str, Any]) -> bytes:
    data = bytearray(size)
    for name, offset, code in fields:
        value = values.get(name, b"" if "s" in code else b"\0" if code == "c" else 0)
        struct.pack_into("<" + code, data, offset, value)
    return bytes(data)


def unpack(fields: list[Field], data: bytes) -> dict[str, Any]:
    return {name: struct.unpack_from("<" + code, data, offset)[0] for name, offset, code in fields}


def encode(
    template: int, fields: dict[str, Any] | None = None, *groups: list[dict[str, Any]], version: int = 9,
    root_padding: int = 0, entry_padding: int = 0, schema: int = 1, tail: bytes = b"",
) -> bytes:  # fmt: skip
    """A message with its header; groups that are not given are empty."""
    layout = LAYOUTS[template]
    size = layout.size + root_padding
    body = pack(layout.fields, size, fields or {})
    for index, group in enumerate(layout.groups):
        if version < group.optional_before:
            continue
        entries = groups[index] if index < len(groups) else []
        length = group.size + entry_padding
        body += struct.pack("<H", length).ljust(group.header - 1, b"\0") + bytes([len(entries)])
        body += b"".join(pack(group.fields, length, entry) for entry in entries)
    body += tail
    return struct.pack("<5H", 10 + len(body), size, template, schema, version) + body


def packet(sequence: int, *messages: bytes, sending_ns: int | None = None) -> bytes:
    """A datagram; SendingTime grows with the number unless it is given."""
    return struct.pack("<IQ", sequence, 10**18 + sequence if sending_ns is None else sending_ns) + b"".join(
        messages
    )


def decode_message(data: bytes) -> Message:
    """The message that `data` is from first to last byte."""
    size, length, template, schema, version = struct.unpack_from("<5H", data)
    layout = LAYOUTS.get(template) if schema == 1 else None
    if layout is None:
        return Message(template, version, schema, None, [])
    if length > size - 10:
        raise Fault("root_cut")
    if length < max((offset + struct.calcsize("<" + code) for _, offset, code in layout.fields), default=0):
        raise Fault("root_short")
    offset, groups = 10 + length, []
    for group in layout.groups:
        if version < group.optional_before and offset == size:
            groups.append([])
            continue
        if size - offset < group.header:
            raise Fault("group_header_cut")
        (block,) = struct.unpack_from("<H", data, offset)
        count = data[offset + group.header - 1]
        offset += group.header
        needed = max(start + struct.calcsize("<" + code) for _, start, code in group.fields)
        if count and block < needed:
            raise Fault("entry_short")
        if offset + block * count > size:
            raise Fault("group_cut")
        rows = [data[offset + block * row : offset + block * (row + 1)] for row in range(count)]
        groups.append([unpack(group.fields, row) for row in rows])
        offset += block * count
    if offset != size and version <= 13:
        raise Fault("trailing_bytes")
    return Message(template, version, schema, unpack(layout.fields, data[10:]), groups)


def decode_packet(data: bytes) -> tuple[int, int, list[Message]]:
    """(MsgSeqNum, SendingTime, messages); Fault names the first bad one."""
    if len(data) < 12:
        raise Fault("short_header")
    sequence, sending_ns = struct.unpack_from("<IQ", data)
    if len(data) == 12:
        raise Fault("no_message")
    offset, messages = 12, []
    while offset < len(data):
        if len(data) - offset < 10:
            raise Fault("message_header_cut")
        (size,) = struct.unpack_from("<H", data, offset)
        if size < 10:
            raise Fault("message_size_short")
        if offset + size > len(data):
            raise Fault("message_cut")
        messages.append(decode_message(data[offset : offset + size]))
        offset += size
    return sequence, sending_ns, messages
