"""ITCH 5.0 as this oracle reads and writes it: a message's bytes to one Event, and the bytes of what a world sends.

From the vendor's tables alone (type, length, offsets); nothing here calls the code under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "BOOK_TYPES",
    "Event",
    "add",
    "cross",
    "decode",
    "delete",
    "directory",
    "execute",
    "execute_price",
    "mold",
    "other",
    "reduce",
    "replace",
    "state",
    "trade",
]

SESSION = b"TAILGATE01"
LENGTHS = {
    **{
        "S": 12,
        "R": 39,
        "H": 25,
        "Y": 20,
        "L": 26,
        "V": 35,
        "W": 12,
        "K": 28,
        "J": 35,
        "h": 21,
        "A": 36,
        "F": 40,
    },
    **{"E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48},
}
BOOK_TYPES = "AFECXDU"


@dataclass(frozen=True, kw_only=True)
class Event:
    kind: str
    symbol: int
    time_ns: int
    reference: int = 0
    new_reference: int = 0
    match: int = 0
    side: str = ""
    shares: int = 0
    price: int = 0
    stock: bytes = b""
    flag: str = ""


def _letter(value: bytes) -> str:
    return value.decode("latin-1")


def decode(message: bytes) -> Event | None:
    """None: not a message that is known, or too short for its type."""
    kind = chr(message[0]) if message else ""
    if kind not in LENGTHS or len(message) < LENGTHS[kind]:
        return None
    (symbol,) = struct.unpack_from(">H", message, 1)
    head = {"kind": kind, "symbol": symbol, "time_ns": int.from_bytes(message[5:11], "big")}
    if kind in "AF":
        reference, side, shares, stock, price = struct.unpack_from(">QcI8sI", message, 11)
        return Event(**head, reference=reference, side=_letter(side), shares=shares, stock=stock, price=price)
    if kind in "EC":
        reference, shares, match = struct.unpack_from(">QIQ", message, 11)
        price = struct.unpack_from(">I", message, 32)[0] if kind == "C" else 0
        flag = chr(message[31]) if kind == "C" else ""
        return Event(**head, reference=reference, shares=shares, match=match, price=price, flag=flag)
    if kind == "X":
        reference, shares = struct.unpack_from(">QI", message, 11)
        return Event(**head, reference=reference, shares=shares)
    if kind == "D":
        return Event(**head, reference=struct.unpack_from(">Q", message, 11)[0])
    if kind == "U":
        reference, new, shares, price = struct.unpack_from(">QQII", message, 11)
        return Event(**head, reference=reference, new_reference=new, shares=shares, price=price)
    if kind == "P":
        reference, side, shares, stock, price, match = struct.unpack_from(">QcI8sIQ", message, 11)
        return Event(
            **head,
            **{"reference": reference, "side": _letter(side), "shares": shares, "stock": stock},
            **{"price": price, "match": match},
        )
    if kind == "Q":
        shares, stock, price, match = struct.unpack_from(">Q8sIQ", message, 11)
        return Event(**head, shares=shares, stock=stock, price=price, match=match, flag=chr(message[39]))
    if kind == "R":
        return Event(**head, stock=message[11:19])
    if kind == "H":
        return Event(**head, stock=message[11:19], flag=chr(message[19]))
    return Event(**head)


def _message(kind: str, symbol: int, time_ns: int, body: bytes) -> bytes:
    return kind.encode("latin-1") + struct.pack(">HH", symbol, 0) + time_ns.to_bytes(6, "big") + body


def add(
    symbol: int,
    time_ns: int,
    reference: int,
    side: str,
    shares: int,
    price: int,
    stock: bytes,
    mpid: bytes = b"",
) -> bytes:
    body = struct.pack(">QcI8sI", reference, side.encode("latin-1"), shares, stock, price)
    return _message("F" if mpid else "A", symbol, time_ns, body + mpid)


def execute(symbol: int, time_ns: int, reference: int, shares: int, match: int) -> bytes:
    return _message("E", symbol, time_ns, struct.pack(">QIQ", reference, shares, match))


def execute_price(
    symbol: int, time_ns: int, reference: int, shares: int, match: int, printable: bool, price: int
) -> bytes:
    body = struct.pack(">QIQcI", reference, shares, match, b"Y" if printable else b"N", price)
    return _message("C", symbol, time_ns, body)


def reduce(symbol: int, time_ns: int, reference: int, shares: int) -> bytes:
    return _message("X", symbol, time_ns, struct.pack(">QI", reference, shares))


def delete(symbol: int, time_ns: int, reference: int) -> bytes:
    return _message("D", symbol, time_ns, struct.pack(">Q", reference))


def replace(symbol: int, time_ns: int, old: int, new: int, shares: int, price: int) -> bytes:
    return _message("U", symbol, time_ns, struct.pack(">QQII", old, new, shares, price))


def trade(
    symbol: int,
    time_ns: int,
    shares: int,
    price: int,
    stock: bytes,
    match: int,
    *,
    side: str = "B",
    reference: int = 0,
) -> bytes:
    body = struct.pack(">QcI8sIQ", reference, side.encode("latin-1"), shares, stock, price, match)
    return _message("P", symbol, time_ns, body)


def cross(symbol: int, time_ns: int, shares: int, price: int, stock: bytes, match: int) -> bytes:
    return _message("Q", symbol, time_ns, struct.pack(">Q8sIQc", shares, stock, price, match, b"O"))


def directory(symbol: int, time_ns: int, stock: bytes) -> bytes:
    rest = b"Q" + b"N" + (100).to_bytes(4, "big") + b"NC" + b"  PN 1N" + bytes(5)
    return _message("R", symbol, time_ns, stock + rest)


def state(symbol: int, time_ns: int, stock: bytes, letter: str) -> bytes:
    return _message("H", symbol, time_ns, stock + letter.encode("latin-1") + b" " + b"    ")


def other(kind: str, symbol: int, time_ns: int) -> bytes:
    """A message of any type whose body says nothing; unknown types have a length of their own."""
    return _message(kind, symbol, time_ns, bytes(LENGTHS.get(kind, 20) - 11))


def mold(
    sequence: int, messages: tuple[bytes, ...], *, count: int | None = None, session: bytes = SESSION
) -> bytes:
    """A MoldUDP64 datagram; ``count`` 0 a heartbeat, 0xffff the end of the session."""
    head = session + struct.pack(">QH", sequence, len(messages) if count is None else count)
    return head + b"".join(struct.pack(">H", len(message)) + message for message in messages)
