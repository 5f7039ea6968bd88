"""Messages in, bytes out and back: OUCH 5.0 in plain Python, from the fact sheet.

Independent of the engine on purpose, and of reference_ouch.py but for the SoupBinTCP frame. Options are TagValue
elements: length (tag and value), tag, value. Prices are in 1/10000.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from reference_ouch import soup

__all__ = [
    "FIXED",
    "cancel50",
    "element",
    "encode_host50",
    "enter50",
    "modify50",
    "options_bytes",
    "replace50",
]

TIMES = {0: b"3", 99_998: b"0", 99_999: b"5"}


def element(tag: int, value: bytes) -> bytes:
    return bytes([1 + len(value), tag]) + value


def options_bytes(elements: Iterable[tuple[int, bytes]]) -> bytes:
    joined = b"".join(element(tag, value) for tag, value in elements)
    return struct.pack(">H", len(joined)) + joined


def time_letter(seconds: int) -> bytes:
    return TIMES.get(seconds, b"6")


def expiry(seconds: int) -> list[tuple[int, bytes]]:
    return [] if seconds in TIMES else [(15, struct.pack(">I", seconds))]


def enter50(
    *,
    number: int,
    side: bytes,
    shares: int,
    stock: bytes,
    price: int,
    seconds: int,
    token: bytes,
    display: bytes = b"Y",
    capacity: bytes = b"P",
    sweep: bytes = b"N",
    cross: bytes = b"N",
    firm: bytes = b"    ",
    minimum: int = 0,
    customer: bytes = b"",
) -> bytes:
    """The whole packet, options in the order of their tags."""
    options: list[tuple[int, bytes]] = []
    if firm.strip():
        options.append((2, firm))
    if minimum:
        options.append((3, struct.pack(">I", minimum)))
    if customer:
        options.append((4, customer))
    if display == b"P":
        options.append((12, b"P"))
    shown = b"Y" if display == b"P" else display
    fixed = struct.pack(
        ">cIcI8sQccccc14s",
        b"O", number, side, shares, stock, price, time_letter(seconds), shown, capacity, sweep, cross, token,
    )  # fmt: skip
    assert len(fixed) == 45
    return soup(b"U", fixed + options_bytes([*options, *expiry(seconds)]))


def replace50(
    *, old: int, number: int, shares: int, price: int, seconds: int, token: bytes, display: bytes = b"Y",
    sweep: bytes = b"N", minimum: int = 0,
) -> bytes:  # fmt: skip
    options = [(3, struct.pack(">I", minimum))] if minimum else []
    fixed = struct.pack(
        ">cIIIQccc14s", b"U", old, number, shares, price, time_letter(seconds), display, sweep, token
    )
    assert len(fixed) == 38
    return soup(b"U", fixed + options_bytes([*options, *expiry(seconds)]))


def cancel50(number: int, shares: int) -> bytes:
    return soup(b"U", struct.pack(">cII", b"X", number, shares))


def modify50(number: int, side: bytes, shares: int) -> bytes:
    return soup(b"U", struct.pack(">cIcI", b"M", number, side, shares))


# Host messages: format behind the type letter, names, bytes without options, whether options are mandatory.
ORDER = ("side", "shares", "stock", "price", "time", "display", "order_reference", "capacity",
         "intermarket_sweep", "cross", "state", "token")  # fmt: skip
ORDER_FORMAT = "cI8sQccQcccc14s"
FIXED: Mapping[str, tuple[str, tuple[str, ...], int, bool]] = {
    "S": ("Qc", ("time_ns", "reason"), 10, False),
    "A": ("QI" + ORDER_FORMAT, ("time_ns", "wire_number", *ORDER), 62, True),
    "U": ("QII" + ORDER_FORMAT, ("time_ns", "previous_wire_number", "wire_number", *ORDER), 66, True),
    "C": ("QIIc", ("time_ns", "wire_number", "shares", "reason"), 18, False),
    "D": (
        "QIIcIQcc",
        ("time_ns", "wire_number", "shares", "reason", "prevented_shares", "price", "liquidity", "strategy"),
        32,
        False,
    ),
    "E": ("QIIQcQ", ("time_ns", "wire_number", "shares", "price", "liquidity", "match"), 34, True),
    "B": ("QIQc14s", ("time_ns", "wire_number", "match", "reason", "token"), 36, False),
    "J": ("QIH14s", ("time_ns", "wire_number", "reason_code", "token"), 29, False),
    "P": ("QI", ("time_ns", "wire_number"), 13, False),
    "I": ("QI", ("time_ns", "wire_number"), 13, False),
    "T": ("QIQcQ", ("time_ns", "wire_number", "price", "display", "order_reference"), 30, False),
    "M": ("QIcI", ("time_ns", "wire_number", "side", "shares"), 18, False),
    "R": ("QIc", ("time_ns", "wire_number", "reason"), 14, True),
    "Q": ("QI", ("time_ns", "wire_number"), 13, False),
}
for _letter, (_format, _names, _length, _) in FIXED.items():
    assert struct.calcsize(">c" + _format) == _length, _letter


def encode_host50(letter: str, options: bytes | None, **values: int | bytes) -> bytes:
    """``options`` with their length field; None leaves both out."""
    layout, names, _length, mandatory = FIXED[letter]
    fixed = struct.pack(">c" + layout, letter.encode(), *(values[name] for name in names))
    return fixed + (options if options is not None else b"\0\0" if mandatory else b"")
