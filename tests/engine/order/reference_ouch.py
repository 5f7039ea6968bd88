"""Messages in, bytes out and back: OUCH 4.2 and SoupBinTCP 3.00 in plain Python, from the fact sheets.

Independent of the engine on purpose: nothing here is generated from or shared with the C code.
Prices are in 1/10000, times in nanoseconds since midnight.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields

__all__ = [
    "HOST_LAYOUTS",
    "Enter",
    "cancel_packet",
    "decode_host",
    "encode_host",
    "enter_packet",
    "login_accepted",
    "login_request",
    "soup",
    "split_soup",
    "token",
    "token_parts",
]

TOKEN = re.compile(rb"\A([A-Z])([0-9A-F]{12})([0-9])\Z")


def token(letter: str, sequence: int, ordinal: int) -> bytes:
    return f"{letter}{sequence:012X}{ordinal}".encode()


def token_parts(text: bytes) -> tuple[str, int, int] | None:
    """Letter, trigger sequence and ordinal, or None when the token is of another form."""
    match = TOKEN.match(text)
    if match is None:
        return None
    return match[1].decode(), int(match[2], 16), int(match[3])


def soup(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">H", len(payload) + 1) + kind + payload


def split_soup(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and payload of every whole packet."""
    offset = 0
    while offset + 2 <= len(stream):
        (length,) = struct.unpack_from(">H", stream, offset)
        if offset + 2 + length > len(stream):
            return
        yield stream[offset + 2 : offset + 3], stream[offset + 3 : offset + 2 + length]
        offset += 2 + length


def login_request(*, username: str, password: str, session: str, sequence: int) -> bytes:
    text = f"{username:<6}{password:<10}{session:>10}{sequence:>20}"
    return soup(b"L", text.encode())


def login_accepted(*, session: str, sequence: int) -> bytes:
    return soup(b"A", f"{session:>10}{sequence:>20}".encode())


@dataclass(frozen=True, kw_only=True)
class Enter:
    """One enter-order message; defaults are those of the engine's template."""

    token: bytes
    side: bytes
    shares: int
    stock: bytes
    price: int
    time_in_force: int = 0
    firm: bytes = b"    "
    display: bytes = b"Y"
    capacity: bytes = b"P"
    intermarket_sweep: bytes = b"N"
    minimum_shares: int = 0
    cross: bytes = b"N"
    customer: bytes = b"N"


ENTER = struct.Struct(">c14scI8sII4scccIcc")
assert ENTER.size == 49


def enter_packet(order: Enter) -> bytes:
    values = [getattr(order, field.name) for field in fields(Enter)]
    return soup(b"U", ENTER.pack(b"O", *values))


def cancel_packet(order_token: bytes, shares: int) -> bytes:
    return soup(b"U", struct.pack(">c14sI", b"X", order_token, shares))


# Host messages: format behind the type letter, names in order.
ORDER_NAMES = (
    "time_ns token side shares stock price time_in_force firm display order_reference capacity "
    "intermarket_sweep minimum_shares cross state"
)
ORDER_FORMAT = "Q14scI8sII4scQccIcc"
HOST_LAYOUTS: dict[str, tuple[str, tuple[str, ...], int]] = {
    "S": ("Qc", ("time_ns", "reason"), 10),
    "A": (ORDER_FORMAT + "c", tuple(f"{ORDER_NAMES} bbo_weight".split()), 66),
    "U": (ORDER_FORMAT + "14sc", tuple(f"{ORDER_NAMES} previous_token bbo_weight".split()), 80),
    "C": ("Q14sIc", ("time_ns", "token", "shares", "reason"), 28),
    "D": (
        "Q14sIcIIc",
        ("time_ns", "token", "shares", "reason", "prevented_shares", "price", "liquidity"),
        37,
    ),
    "E": ("Q14sIIcQ", ("time_ns", "token", "shares", "price", "liquidity", "match"), 40),
    "G": (
        "Q14sIIcQIc",
        ("time_ns", "token", "shares", "price", "liquidity", "match", "reference_price", "reference_type"),
        45,
    ),
    "F": ("Q14sIIcQc", ("time_ns", "token", "shares", "price", "liquidity", "match", "reason"), 41),
    "B": ("Q14sQc", ("time_ns", "token", "match", "reason"), 32),
    "J": ("Q14sc", ("time_ns", "token", "reason"), 24),
    "P": ("Q14s", ("time_ns", "token"), 23),
    "I": ("Q14s", ("time_ns", "token"), 23),
    "T": ("Q14sIcQ", ("time_ns", "token", "price", "display", "order_reference"), 36),
    "M": ("Q14scI", ("time_ns", "token", "side", "shares"), 28),
    "N": ("Q14s", ("time_ns", "token"), 23),
}
for _letter, (_format, _names, _length) in HOST_LAYOUTS.items():
    assert struct.calcsize(">c" + _format) == _length, _letter


def encode_host(letter: str, **values: int | bytes) -> bytes:
    layout, names, _length = HOST_LAYOUTS[letter]
    return struct.pack(">c" + layout, letter.encode(), *(values[name] for name in names))


def decode_host(message: bytes) -> tuple[str, dict[str, int | bytes]]:
    letter = message[:1].decode()
    layout, names, _length = HOST_LAYOUTS[letter]
    return letter, dict(zip(names, struct.unpack(">" + layout, message[1:]), strict=True))
