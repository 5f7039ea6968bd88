"""OUCH 4.2 in SoupBinTCP frames, both ways, as this oracle reads and writes it; from the vendor's tables alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "Answer",
    "answer",
    "cancel_packet",
    "decode",
    "enter_packet",
    "frame",
    "key_of",
    "replace_packet",
    "token_of",
]


def key_of(token: bytes) -> int:
    """The engine's own number of a token (ouch42.h), 0 when the token is not of its form."""
    letter, digits, ordinal = token[:1], token[1:13], token[13:14]
    if not (b"A" <= letter <= b"Z" and b"0" <= ordinal <= b"9"):
        return 0
    if any(digit not in b"0123456789ABCDEF" for digit in digits):
        return 0
    return int(digits, 16) << 16 | (ordinal[0] - 48) << 8 | letter[0]


def token_of(key: int) -> bytes:
    return b"%c%012X%d" % (key & 255, key >> 16, key >> 8 & 255)


def _client(payload: bytes) -> bytes:
    return struct.pack(">H", len(payload) + 1) + b"U" + payload


def enter_packet(key: int, side: str, shares: int, stock: bytes, price: int, time_in_force: int) -> bytes:
    return _client(
        struct.pack(
            ">c14scI8sII4scccIcc",
            *(b"O", token_of(key), side.encode(), shares, stock, price, time_in_force),
            *(b"    ", b"Y", b"P", b"N", 0, b"N", b"N"),
        )
    )


def replace_packet(key: int, new_key: int, shares: int, price: int, time_in_force: int) -> bytes:
    """``shares``: of the chain, executed ones included."""
    return _client(
        struct.pack(
            ">c14s14sIIIccI",
            *(b"U", token_of(key), token_of(new_key), shares, price, time_in_force, b"Y", b"N", 0),
        )
    )


def cancel_packet(key: int, shares: int) -> bytes:
    return _client(struct.pack(">c14sI", b"X", token_of(key), shares))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the venue says of an order; which fields count follows from ``kind``, the message's letter."""

    kind: str
    token: bytes = b""
    side: str = "B"
    shares: int = 0
    price: int = 0
    time_in_force: int = 0
    stock: bytes = b"        "
    state: str = "L"
    previous: bytes = b""
    reason: str = " "
    match: int = 0
    reference: int = 0

    @property
    def key(self) -> int:
        return key_of(self.token)

    @property
    def previous_key(self) -> int:
        return key_of(self.previous)


LENGTHS = {
    **{
        "S": 10,
        "A": 66,
        "U": 80,
        "C": 28,
        "D": 37,
        "E": 40,
        "G": 45,
        "F": 41,
        "B": 32,
        "J": 24,
        "P": 23,
        "I": 23,
    },
    **{"T": 36, "M": 28, "N": 23},
}


def answer(said: Answer, time_ns: int = 0) -> bytes:
    """The message's bytes, without a frame."""
    head = said.kind.encode() + struct.pack(">Q", time_ns)
    token = said.token.ljust(14)
    reason = said.reason.encode()
    body: bytes
    if said.kind in "AU":
        body = token + struct.pack(
            ">cI8sII4scQccIccc",
            *(said.side.encode(), said.shares, said.stock, said.price, said.time_in_force, b"    ", b"Y"),
            *(said.reference, b"P", b"N", 0, b"N", said.state.encode(), b"2"),
        )
        if said.kind == "U":
            body = body[:-1] + said.previous.ljust(14) + b"2"
    elif said.kind == "C":
        body = token + struct.pack(">Ic", said.shares, reason)
    elif said.kind == "D":
        body = token + struct.pack(">IcIIc", said.shares, b"Q", said.shares, said.price, b"A")
    elif said.kind == "E":
        body = token + struct.pack(">IIcQ", said.shares, said.price, b"R", said.match)
    elif said.kind == "G":
        body = token + struct.pack(">IIcQIc", said.shares, said.price, b"R", said.match, said.price, b"I")
    elif said.kind == "F":
        body = token + struct.pack(">IIcQc", said.shares, said.price, b"R", said.match, b"N")
    elif said.kind == "B":
        body = token + struct.pack(">Qc", said.match, b"E")
    elif said.kind == "J":
        body = token + reason
    elif said.kind in "PIN":
        body = token
    elif said.kind == "T":
        body = token + struct.pack(">IcQ", said.price, b"Y", said.reference)
    elif said.kind == "M":
        body = token + struct.pack(">cI", said.side.encode(), said.shares)
    else:
        body = reason
    made = head + body
    assert len(made) == LENGTHS.get(said.kind, len(made)), said
    return made


def decode(payload: bytes) -> Answer | None:
    """None: not a message that is known, or of another length."""
    kind = chr(payload[0]) if payload else ""
    if LENGTHS.get(kind) != len(payload):
        return None
    if kind == "S":
        return Answer(kind=kind, reason=chr(payload[9]))
    token, rest = payload[9:23], payload[23:]
    if kind in "AU":
        side, shares, stock, price, time_in_force = struct.unpack_from(">cI8sII", rest)
        (reference,) = struct.unpack_from(">Q", payload, 49)
        state, previous = chr(payload[64]), payload[65:79] if kind == "U" else b""
        if side not in (b"B", b"S", b"T", b"E") or state not in "LD":
            return None
        return Answer(
            **{"kind": kind, "token": token, "side": side.decode(), "shares": shares, "price": price},
            **{"time_in_force": time_in_force, "stock": stock, "state": state, "previous": previous},
            reference=reference,
        )
    if kind in "CD":
        return Answer(kind=kind, token=token, shares=int.from_bytes(rest[:4], "big"), reason=chr(rest[4]))
    if kind in "EGF":
        shares, price = struct.unpack_from(">II", rest)
        return Answer(
            kind=kind, token=token, shares=shares, price=price, match=int.from_bytes(rest[9:17], "big")
        )
    if kind == "B":
        return Answer(kind=kind, token=token, match=int.from_bytes(rest[:8], "big"))
    if kind == "J":
        return Answer(kind=kind, token=token, reason=chr(rest[0]))
    if kind == "T":
        return Answer(kind=kind, token=token, price=int.from_bytes(rest[:4], "big"))
    if kind == "M":
        return Answer(kind=kind, token=token, side=chr(rest[0]), shares=int.from_bytes(rest[1:5], "big"))
    return Answer(kind=kind, token=token)


def frame(payload: bytes) -> bytes:
    """A sequenced packet of the venue."""
    return struct.pack(">H", len(payload) + 1) + b"S" + payload
