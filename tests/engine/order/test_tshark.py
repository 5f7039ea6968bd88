"""A third party reads what the engine writes: tshark's SoupBinTCP and OUCH dissectors."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from engine._engine import ffi, lib

TSHARK = shutil.which("tshark")
PORT = 30001
FIELDS = [
    "soupbintcp.packet_length",
    "soupbintcp.packet_type",
    "ouch.packet_type",
    "ouch.order_token",
    "ouch.buy_sell_indicator",
    "ouch.shares",
    "ouch.stock",
    "ouch.price",
    "ouch.tif",
    "ouch.firm",
    "ouch.display",
    "ouch.capacity",
    "ouch.iso_eligible",
    "ouch.min_quantity",
    "ouch.cross_type",
    "ouch.customer_type",
]
ORDERS = [
    ("T", 0x0000000F4240, 0, b"B", 100, b"AAPL    ", 1_234_500, 0),
    ("T", 0xFFFFFFFFFFFF, 9, b"S", 999_999, b"BRK.A   ", 1_999_999_900, 99_999),
    ("R", 0xABCDEF012345, 3, b"S", 1, b"Z       ", 1, 99_998),
]

pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed (apt install tshark)")


def write_pcap(path: Path, payloads: list[bytes]) -> None:
    """One TCP segment of one connection per payload."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    sequence = 1
    for payload in payloads:
        tcp = struct.pack(">HHIIBBHHH", 40000, PORT, sequence, 1, 5 << 4, 0x18, 65535, 0, 0) + payload
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"
        )
        frame = b"\x02\0\0\0\0\2" + b"\x02\0\0\0\0\1" + b"\x08\0" + ip + tcp
        out += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
        sequence += len(payload)
    path.write_bytes(out)


def dissect(path: Path, fields: list[str]) -> list[list[str]]:
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(path), "-d", f"tcp.port=={PORT},soupbintcp"]
    command += ["--enable-heuristic", "ouch_soupbintcp", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [[part.strip("' ") for part in line.split("\t")] for line in result.stdout.splitlines()]


def enter(
    letter: str, sequence: int, ordinal: int, side: bytes, shares: int, stock: bytes, price: int, tif: int
) -> bytes:
    template = ffi.new("struct ouch42_template *")
    assert lib.ouch42_template_init(template, ffi.new("struct ouch42_options *", {"firm": b"TGTE"})) == 0
    request = ffi.new(
        "struct order_request *",
        {
            "trigger_sequence": sequence,
            "ordinal": ordinal,
            "side": side,
            "shares": shares,
            "stock": stock,
            "price": price,
            "time_in_force": tif,
        },
    )
    out = ffi.new("uint8_t[52]")
    assert lib.ouch42_enter(template, request, letter.encode(), out) == 52
    return bytes(out)


def test_tshark_reads_every_field_of_enter_orders_as_they_were_meant(tmp_path: Path) -> None:
    path = tmp_path / "orders.pcap"
    write_pcap(path, [enter(*order) for order in ORDERS])
    rows = dissect(path, FIELDS)
    expected = [
        [
            "50",
            "U",
            "O",
            f"{letter}{sequence:012X}{ordinal}",
            side.decode(),
            str(shares),
            stock.decode(),
            str(price),
            str(tif),
            "TGTE",
            "Y",
            "P",
            "N",
            "0",
            "N",
            "N",
        ]
        for letter, sequence, ordinal, side, shares, stock, price, tif in ORDERS
    ]
    assert rows == [[part.strip() for part in row] for row in expected]


def test_tshark_reads_login_cancel_heartbeat_and_logout(tmp_path: Path) -> None:
    soupbin = ffi.new("struct soupbin *")
    account = {"username": b"TAILGT", "password": b"TAILGATE", "requested_sequence": 1}
    options = ffi.new("struct soupbin_options *", account)
    assert lib.soupbin_init(soupbin, options) == 0
    assert lib.soupbin_connected(soupbin, 0)
    out = ffi.new("uint8_t[64]")
    login = bytes(out[0 : lib.soupbin_login(soupbin, 0, out, 64)])
    cancel = bytes(out[0 : lib.ouch42_cancel(lib.ouch42_token_key(b"T", 255, 1), 40, out)])
    path = tmp_path / "session.pcap"
    write_pcap(path, [login, cancel, bytes.fromhex("000152"), bytes.fromhex("00014f")])
    rows = dissect(
        path,
        [
            "soupbintcp.packet_type",
            "soupbintcp.username",
            "soupbintcp.password",
            "soupbintcp.req_seq_num.invalid",
            "ouch.packet_type",
            "ouch.order_token",
            "ouch.shares",
        ],
    )
    assert [row[0] for row in rows] == ["L", "U", "R", "O"]
    assert rows[0][1:4] == ["TAILGT", "TAILGATE", ""]
    assert rows[1][4:] == ["X", "T0000000000FF1", "40"]
