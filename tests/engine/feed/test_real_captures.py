"""Real packets and files: every field as expected.json has it, every type counted as their README counts."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from capture import udp_payloads
from engine._engine import ffi, lib
from engine_feed import EngineFeed, datagram, fields_of, parse
from itch_reference import decode as reference_decode
from itch_reference import messages_of

pytestmark = pytest.mark.real

OPEN = "itch/nasdaq_2019-12-30_open_1000.itch"
START_OF_DAY = "itch/nasdaq_start_of_day_1000.itch"
TYPES = {
    OPEN: {"A": 367, "U": 225, "F": 193, "D": 167, "E": 28, "X": 6, "I": 4, "P": 4, "Q": 4, "C": 1, "S": 1},
    START_OF_DAY: {"S": 1, "R": 993, "H": 3, "Y": 3},
}
PACKET_FILES, MESSAGES_AT_LEAST = 12, 44

NAMES = {
    "locate": "stock_locate", "tracking": "tracking_number", "ts": "timestamp", "ref": "order_reference",
    "match": "match_number", "oref": "order_reference", "nref": "new_order_reference", "upper": "upper_price",
    "lower": "lower_price", "ext": "extension_count", "pmm": "primary_market_maker", "mmmode": "mode",
    "mpstate": "participant_state", "state": "trading_state", "resv": "reserved",
    ("J", "ref"): "reference_price", ("E", "shares"): "executed_shares", ("X", "shares"): "cancelled_shares",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One packet of pcaps/ with what is expected in it."""

    file: str
    payload: bytes
    expected: dict[str, Any]


@pytest.fixture(scope="module")
def packets(real_directory: Path) -> list[Packet]:
    return list(_packets(real_directory))


def _packets(real_directory: Path) -> Iterator[Packet]:
    files = json.loads((real_directory / "expected.json").read_text())["itch"]
    assert len(files) == PACKET_FILES
    for file in files:
        name = Path(file.get("file") or f"pcaps/{file['path'].replace('/', '__')}")
        payloads = list(udp_payloads(real_directory / name))
        assert len(payloads) == len(file["packets"]), name
        for payload, expected in zip(payloads, file["packets"], strict=True):
            yield Packet(file=name.name, payload=payload, expected=expected)


def blocks_of(payload: bytes) -> list[bytes]:
    return list(messages_of(payload[20:]))


def test_every_packet_is_a_valid_datagram_with_the_expected_header(packets: list[Packet]) -> None:
    for packet in packets:
        outcome, parsed = parse(packet.payload)
        assert outcome == "valid", packet.file
        assert bytes(ffi.buffer(parsed.session, 10)).hex() == packet.expected["session_hex"], packet.file
        assert (parsed.sequence, parsed.count) == (packet.expected["seq"], packet.expected["count"])


def test_every_field_of_every_message_is_as_expected(packets: list[Packet]) -> None:
    checked = 0
    for packet in packets:
        messages = blocks_of(packet.payload)
        assert len(messages) == len(packet.expected["messages"])
        for message, expected in zip(messages, packet.expected["messages"], strict=True):
            kind = expected["type"]
            fields = fields_of(message)
            observed: dict[str, Any] = {"len": len(message), "tod": time_of_day(int(fields["timestamp"]))}
            for key in expected.keys() - observed.keys():
                value = fields[NAMES.get((kind, key), NAMES.get(key, key))]
                if isinstance(value, bytes):
                    observed[key] = value.decode()
                elif isinstance(expected[key], str):  # a price
                    observed[key] = f"{Decimal(value).scaleb(-4):.4f}"
                else:
                    observed[key] = value
            assert observed == expected, packet.file
            assert len(expected) >= len(fields) + 2, "expected.json leaves a field of the table out"
            checked += 1
    assert checked >= MESSAGES_AT_LEAST


def time_of_day(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 10**9)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:09}"


def test_feed_delivers_a_real_packet_once_from_two_lines(packets: list[Packet]) -> None:
    for packet in packets:
        feed = EngineFeed(first_sequence=0)
        assert feed.accept(0, packet.payload, 1) == "deliverable"
        assert feed.accept(1, packet.payload, 2) == "duplicate"
        assert [message.data for message in feed.delivered] == blocks_of(packet.payload)
        assert feed.state == "LIVE"


@pytest.mark.parametrize("name", [OPEN, START_OF_DAY])
def test_types_of_a_real_file_are_counted_as_its_readme_says(real_directory: Path, name: str) -> None:
    itch, event = ffi.new("struct itch50 *", {"strict": True}), ffi.new("struct event *")
    for message in messages_of((real_directory / name).read_bytes()):
        assert lib.itch50_take(itch, message, len(message), event)
        assert fields_of(message) == reference_decode(message)
    types = {chr(letter): count for letter, count in enumerate(itch.statistics.types) if count}
    assert types == TYPES[name]
    assert (itch.statistics.unknown_types, itch.statistics.length_errors) == (0, 0)


def test_real_file_through_both_lines_comes_out_byte_for_byte(real_directory: Path) -> None:
    messages = list(messages_of((real_directory / OPEN).read_bytes()))
    feed = EngineFeed()
    for first in range(0, len(messages), 7):
        batch = messages[first : first + 7]
        for line in (0, 1) if first % 3 else (1, 0):
            feed.accept(line, datagram(first + 1, batch), first)
    assert [message.data for message in feed.delivered] == messages
    assert feed.state == "LIVE"
    assert Counter(message.line for message in feed.delivered).keys() == {0, 1}
