"""Packets of the order session go in; what the engine asked of the venue comes out, a row each with its stamp.

Enter, Replace, Cancel and Modify of OUCH 4.2 (spec sheet, "Inbound") and OUCH 5.0, where orders have numbers, prices
have 8 bytes, and the token of an enter or a replace is its ClOrdID. Anything else is no request and has no row.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from lab.measure.rows import ORDER_MESSAGES, Rows
from lab.tap.order_stream import Packets

__all__ = ["messages_among"]

PACKET_HEAD_BYTES = 3  # length, 'U'
ENTER42 = struct.Struct(">c14scI8sI")
REPLACE42 = struct.Struct(">c14s14sII")
CANCEL42 = struct.Struct(">c14sI")
MODIFY42 = struct.Struct(">c14scI")
ENTER50 = struct.Struct(">cIcI8sQ5s14sH")
REPLACE50 = struct.Struct(">cIIIQccc14sH")
CANCEL50 = struct.Struct(">cII")
MODIFY50 = struct.Struct(">cIcI")
PRICE_MAX = 0xFFFFFFFF  # what a row holds; no order of ours comes near

Fields = dict[str, bytes | int]


def _enter42(message: bytes) -> Fields:
    _, token, side, shares, stock, price = ENTER42.unpack_from(message)
    return {"token": token, "side": side, "shares": shares, "stock": stock, "price": price}


def _replace42(message: bytes) -> Fields:
    _, target, token, shares, price = REPLACE42.unpack_from(message)
    return {"token": token, "target": target, "shares": shares, "price": price}


def _cancel42(message: bytes) -> Fields:
    _, token, shares = CANCEL42.unpack_from(message)
    return {"token": token, "shares": shares}


def _modify42(message: bytes) -> Fields:
    _, token, side, shares = MODIFY42.unpack_from(message)
    return {"token": token, "side": side, "shares": shares}


def _enter50(message: bytes) -> Fields:
    _, number, side, shares, stock, price, _, token, _ = ENTER50.unpack_from(message)
    return {
        "number": number,
        "side": side,
        "shares": shares,
        "stock": stock,
        "price": min(price, PRICE_MAX),
        "token": token,
    }


def _replace50(message: bytes) -> Fields:
    _, target, number, shares, price, _, _, _, token, _ = REPLACE50.unpack_from(message)
    return {
        "number": number,
        "target_number": target,
        "shares": shares,
        "price": min(price, PRICE_MAX),
        "token": token,
    }


def _cancel50(message: bytes) -> Fields:
    _, number, shares = CANCEL50.unpack_from(message)
    return {"number": number, "shares": shares}


def _modify50(message: bytes) -> Fields:
    _, number, side, shares = MODIFY50.unpack_from(message)
    return {"number": number, "side": side, "shares": shares}


Reader = tuple[int, Callable[[bytes], Fields]]  # least length, and what reads it
READERS: Mapping[str, Mapping[bytes, Reader]] = {
    "ouch42": {b"O": (49, _enter42), b"U": (47, _replace42), b"X": (19, _cancel42), b"M": (20, _modify42)},
    "ouch50": {
        b"O": (ENTER50.size, _enter50),
        b"U": (REPLACE50.size, _replace50),
        b"X": (CANCEL50.size, _cancel50),
        b"M": (MODIFY50.size, _modify50),
    },
}


def messages_among(packets: Packets, *, protocol: Literal["ouch42", "ouch50"] = "ouch42") -> Rows:
    """ORDER_MESSAGES rows, by arrival. A message that is too short for its type has none."""
    readers = READERS[protocol]
    found: list[tuple[int, bytes, Fields]] = []
    for stamp_ns, packet in packets:
        message = packet[PACKET_HEAD_BYTES:]
        least, read = readers.get(message[:1], (0, None)) if packet[2:3] == b"U" else (0, None)
        if read is not None and len(message) >= least:
            found.append((stamp_ns, message[:1], read(message)))
    rows = np.zeros(len(found), ORDER_MESSAGES)
    rows["stamp_ns"] = [stamp_ns for stamp_ns, _, _ in found]
    rows["kind"] = [kind for _, kind, _ in found]
    for name in ORDER_MESSAGES.names[2:] if ORDER_MESSAGES.names else ():
        empty: bytes | int = 0 if rows.dtype[name].kind == "u" else b""
        rows[name] = [fields.get(name, empty) for _, _, fields in found]
    return rows
