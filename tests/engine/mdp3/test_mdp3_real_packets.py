"""The real single packets: every field of every message as expected.json has it."""

import json
from pathlib import Path
from typing import Any

import pytest
from captures import datagrams
from engine_mdp3 import KINDS, check, decode

from engine.mdp3 import Mdp3Channel

pytestmark = pytest.mark.real

# name in expected.json -> field of the event
NAMES = {
    "MDEntrySize": "wide_shares", "SecurityID": "security", "RptSeq": "report_sequence",
    "NumberOfOrders": "order_count", "MDPriceLevel": "level", "OrderID": "order_reference",
    "MDOrderPriority": "priority", "MDDisplayQty": "wide_shares",
}  # fmt: skip


@pytest.fixture(scope="module")
def packets(real_directory: Path) -> list[tuple[bytes, dict[str, Any]]]:
    files = json.loads((real_directory / "expected.json").read_text())["mdp3"]
    assert len(files) == 2
    found = []
    for file in files:
        payloads = [datagram.payload for datagram in datagrams(real_directory / file["file"])]
        found += list(zip(payloads, file["packets"], strict=True))
    return found


def messages_of(payload: bytes, expected: dict[str, Any]) -> list[bytes]:
    return [payload[m["offset"] :][: m["msg_size"]] for m in expected["messages"]]


def test_every_packet_is_valid_and_has_the_expected_header(
    packets: list[tuple[bytes, dict[str, Any]]],
) -> None:
    for payload, expected in packets:
        outcome, parsed = check(payload)
        assert outcome == "valid"
        assert (parsed.sequence, parsed.sending_ns) == (expected["MsgSeqNum"], expected["SendingTime"])
        assert parsed.messages == len(expected["messages"])


def test_every_field_of_every_message_is_as_expected(packets: list[tuple[bytes, dict[str, Any]]]) -> None:
    checked = 0
    for payload, expected in packets:
        for raw, message in zip(messages_of(payload, expected), expected["messages"], strict=True):
            fields = dict(message["fields"])
            outcome, events = decode(raw)
            assert outcome == "valid"
            (entries,) = [fields.pop(name) for name in list(fields) if name.startswith("NoMDEntries")]
            assert (fields.pop("_left"), fields.pop("xmlBL")) == (0, str(message["block_length"]))
            assert fields.pop("name").endswith(str(message["template"]))
            indicator = int(fields.pop("MatchEventIndicator").partition("[")[0], 16)
            time_ns = fields.pop("TransactTime")
            assert not fields
            for event, entry in zip(events, entries, strict=True):
                assert (event["time_ns"], event["indicator"]) == (time_ns, indicator)
                assert event["venue_type"] == message["template"]
                check_entry(event, dict(entry))
                checked += 1
    assert checked == 3


def check_entry(event: dict[str, Any], entry: dict[str, Any]) -> None:
    mantissa, _, exponent = entry.pop("MDEntryPx").partition("=")[0].partition("e")
    assert (event["wide_price"], event["price_exponent"]) == (int(mantissa), int(exponent))
    assert event.get("action", 0) == int(entry.pop("MDUpdateAction").partition(":")[0])
    kind = entry.pop("MDEntryType").partition(":")[0]
    assert (event["flag"], event["side"]) == (kind.encode(), {"0": b"B", "1": b"S"}[kind])
    for name, value in entry.items():
        assert event[NAMES[name]] == value, name


def test_a_channel_takes_a_real_packet_once_from_two_lines(
    packets: list[tuple[bytes, dict[str, Any]]],
) -> None:
    for payload, expected in packets:
        channel = Mdp3Channel()
        events = channel.step(0, payload, 1)
        assert channel.outcome == "deliverable"
        assert len(channel.step(1, payload, 5)) == 0
        assert channel.outcome == "duplicate"
        kinds = {KINDS[kind] for kind in events["kind"].tolist()}
        assert kinds <= {"LEVEL", "ORDER"}
        assert {int(number) for number in events["sequence"]} == {expected["MsgSeqNum"]}
        assert events["indicator"].tolist()[-1] & 0x80
        (row,) = channel.arrivals()
        assert (row["position"], row["first_ns"], row["second_ns"], row["line"]) == (
            expected["MsgSeqNum"],
            1,
            5,
            0,
        )


def test_the_real_book_packet_fills_the_levels_it_tells(packets: list[tuple[bytes, dict[str, Any]]]) -> None:
    (payload, expected), _ = packets
    channel = Mdp3Channel()
    channel.step(0, payload, 1)
    security = expected["messages"][0]["fields"]["NoMDEntries(dim=groupSize,bl=32,n=2)"][0]["SecurityID"]
    levels: list[Any] = [(2077750000000, 308, 89), (2077500000000, 480, 141)] + [None] * 8
    assert channel.book(security)["bid"] == levels
    assert channel.instrument_state(security) == "SYNC"
    assert not channel.tradable(security)
