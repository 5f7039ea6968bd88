"""What a venue sends and what it reads, in plain struct: ITCH 5.0 and MoldUDP64 out, OUCH 4.2 both ways.

Nothing here calls the code under test.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "Enter",
    "accepted",
    "add",
    "canceled",
    "delete",
    "enters_in",
    "executed",
    "heartbeat",
    "itch",
    "mold",
    "reduce",
    "rejected",
    "replace",
    "sequenced",
    "trading_state",
]

SESSION = b"TAILGATE01"


def itch(kind: str, body: bytes, *, symbol: int = 1) -> bytes:
    return kind.encode("latin-1") + struct.pack(">HH6s", symbol, 0, bytes(6)) + body


def add(reference: int, side: str, shares: int, price: int, *, symbol: int = 1, stock: str = "ACME") -> bytes:
    name = stock.ljust(8).encode()
    return itch("A", struct.pack(">QcI8sI", reference, side.encode(), shares, name, price), symbol=symbol)


def reduce(kind: str, reference: int, shares: int, *, symbol: int = 1) -> bytes:
    """E (executed), C (executed at another price) or X (canceled in part)."""
    rest = {"E": bytes(8), "C": bytes(8) + b"Y" + bytes(4), "X": b""}[kind]
    return itch(kind, struct.pack(">QI", reference, shares) + rest, symbol=symbol)


def delete(reference: int, *, symbol: int = 1) -> bytes:
    return itch("D", struct.pack(">Q", reference), symbol=symbol)


def replace(old: int, new: int, shares: int, price: int, *, symbol: int = 1) -> bytes:
    return itch("U", struct.pack(">QQII", old, new, shares, price), symbol=symbol)


def trading_state(state: str, *, symbol: int = 1, stock: str = "ACME") -> bytes:
    return itch("H", stock.ljust(8).encode() + state.encode() + b" " + b"    ", symbol=symbol)


def mold(sequence: int, *messages: bytes, session: bytes = SESSION) -> bytes:
    blocks = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    return session + struct.pack(">QH", sequence, len(messages)) + blocks


def heartbeat(sequence: int, *, end: bool = False) -> bytes:
    return SESSION + struct.pack(">QH", sequence, 0xFFFF if end else 0)


# Orders


@dataclass(frozen=True, kw_only=True)
class Enter:
    """An Enter Order as the venue reads it; everything that does not say otherwise has one value only."""

    token: str
    side: str
    shares: int
    stock: str
    price: int


ENTER = struct.Struct(">H2s14scI8sII4scccIcc")


def enters_in(stream: bytes) -> Iterator[Enter]:
    """Every packet of the stream, which must be Enter Orders and nothing else."""
    assert len(stream) % ENTER.size == 0
    for fields in ENTER.iter_unpack(stream):
        length, kind, token, side, shares, stock, price, time_in_force, firm, *flags = fields
        assert (length, kind, time_in_force, firm) == (50, b"UO", 0, b"    ")
        assert flags == [b"Y", b"P", b"N", 0, b"N", b"N"]
        yield Enter(
            token=token.decode(), side=side.decode(), shares=shares, stock=stock.decode(), price=price
        )


# Answers


def sequenced(payload: bytes) -> bytes:
    return struct.pack(">H", len(payload) + 1) + b"S" + payload


def accepted(order: Enter, *, reference: int = 1) -> bytes:
    return sequenced(
        struct.pack(
            ">cQ14scI8sII4scQccIccc",
            *(b"A", 0, order.token.encode(), order.side.encode(), order.shares, order.stock.encode()),
            *(order.price, 0, b"    ", b"Y", reference, b"P", b"N", 0, b"N", b"L", b"2"),
        )
    )


def executed(order: Enter, shares: int, *, match: int = 1) -> bytes:
    token = order.token.encode()
    return sequenced(struct.pack(">cQ14sIIcQ", b"E", 0, token, shares, order.price, b"R", match))


def canceled(order: Enter, shares: int) -> bytes:
    return sequenced(struct.pack(">cQ14sIc", b"C", 0, order.token.encode(), shares, b"I"))


def rejected(order: Enter) -> bytes:
    return sequenced(struct.pack(">cQ14sc", b"J", 0, order.token.encode(), b"S"))
