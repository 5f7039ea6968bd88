"""Requests of both OUCH versions as the engine's own encoders' layouts have them, and bytes that are none."""

from __future__ import annotations

import struct
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tap import messages_among

TOKENS = st.text("ABCDEF0123456789", min_size=14, max_size=14).map(str.encode)
U32 = st.integers(0, 2**32 - 1)
SIDES = st.sampled_from([b"B", b"S", b"T", b"E"])


def packet(message: bytes) -> bytes:
    return struct.pack(">H", len(message) + 1) + b"U" + message


def of_42(kind: bytes, token: bytes, target: bytes, side: bytes, shares: int, price: int) -> bytes:
    if kind == b"O":
        return (
            struct.pack(">c14scI8sII", kind, token, side, shares, b"ACME    ", price, 0)
            + b"    YPN"
            + bytes(4)
            + b"NN"
        )
    if kind == b"U":
        return struct.pack(">c14s14sIII", kind, target, token, shares, price, 99_998) + b"YN" + bytes(4)
    if kind == b"X":
        return struct.pack(">c14sI", kind, token, shares)
    return struct.pack(">c14scI", kind, token, side, shares)


def of_50(kind: bytes, number: int, target: int, token: bytes, side: bytes, shares: int, price: int) -> bytes:
    if kind == b"O":
        return struct.pack(
            ">cIcI8sQ5s14sH", kind, number, side, shares, b"ACME    ", price, b"3YPNN", token, 0
        )
    if kind == b"U":
        return struct.pack(">cIIIQccc14sH", kind, target, number, shares, price, b"0", b"Y", b"N", token, 0)
    if kind == b"X":
        return struct.pack(">cII", kind, number, shares)
    return struct.pack(">cIcI", kind, number, side, shares)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"O", b"U", b"X", b"M"]), TOKENS, TOKENS, SIDES, U32, U32), max_size=8
    )
)
def test_every_request_of_ouch42_has_its_row(
    drawn: list[tuple[bytes, bytes, bytes, bytes, int, int]],
) -> None:
    rows = messages_among([(1000 + at, packet(of_42(*request))) for at, request in enumerate(drawn)])
    expected = [
        (
            1000 + at,
            kind,
            token,
            target if kind == b"U" else b"",
            side if kind in b"OM" else b"",
            b"ACME    " if kind == b"O" else b"",
            shares,
            price if kind in b"OU" else 0,
        )
        for at, (kind, token, target, side, shares, price) in enumerate(drawn)
    ]
    names = ["stamp_ns", "kind", "token", "target", "side", "stock", "shares", "price"]
    assert rows[names].tolist() == expected


@given(
    st.lists(
        st.tuples(st.sampled_from([b"O", b"U", b"X", b"M"]), U32, U32, TOKENS, SIDES, U32, U32), max_size=8
    )
)
def test_every_request_of_ouch50_has_its_row(
    drawn: list[tuple[bytes, int, int, bytes, bytes, int, int]],
) -> None:
    rows = messages_among(
        [(at, packet(of_50(*request))) for at, request in enumerate(drawn)], protocol="ouch50"
    )
    expected = [
        (
            kind,
            token if kind in b"OU" else b"",
            number,
            target if kind == b"U" else 0,
            side if kind in b"OM" else b"",
            shares,
            price if kind in b"OU" else 0,
        )
        for kind, number, target, token, side, shares, price in drawn
    ]
    names = ["kind", "token", "number", "target_number", "side", "shares", "price"]
    assert rows[names].tolist() == expected


@pytest.mark.parametrize("protocol", ["ouch42", "ouch50"])
@given(raw=st.binary(max_size=60))
def test_any_other_bytes_are_no_request_or_a_row(raw: bytes, protocol: Literal["ouch42", "ouch50"]) -> None:
    rows = messages_among([(7, packet(raw)), (8, b"\0\x01R"), (9, b"")], protocol=protocol)
    assert len(rows) <= 1
    assert all(bytes(row["kind"]) == raw[:1] for row in rows)
