"""ITCH 5.0 decoding: field table and event against the plain-Python layouts, and against itchcpp."""

from typing import Any

import pytest
from engine._engine import ffi, lib
from engine_feed import decode, fields_of
from hypothesis import given
from hypothesis import strategies as st
from itch_reference import LAYOUTS, encode, length, size_of
from itch_reference import decode as reference_decode
from itchcpp import messages as itchcpp_messages

KINDS = sorted(LAYOUTS)
EVENTS = {
    "A": "ADD", "F": "ADD", "E": "EXECUTE", "C": "EXECUTE_PRICE", "X": "REDUCE", "D": "DELETE",
    "U": "REPLACE", "P": "TRADE", "Q": "CROSS", "B": "BROKEN", "S": "SYSTEM", "R": "DIRECTORY",
    "H": "TRADING_STATE",
}  # fmt: skip

# member of struct event <- field, where their names differ or a kind carries it
MEMBERS = {
    "order_reference": "order_reference", "new_order_reference": "new_order_reference",
    "match_number": "match", "executed_shares": "shares", "cancelled_shares": "shares", "shares": "shares",
    "price": "price", "side": "side", "stock": "stock", "printable": "flag", "cross_type": "flag",
    "event_code": "flag", "trading_state": "flag", "round_lot_size": "shares",
}  # fmt: skip

# fields whose name in itchcpp is another
ALIASES = {
    "order_reference": "order_reference_number", "new_order_reference": "new_order_reference_number",
    "side": "buy_sell_indicator", "financial_status": "financial_status_indicator",
    "issue_subtype": "issue_sub_type", "short_sale_threshold": "short_sale_threshold_indicator",
    "luld_tier": "luld_ref", "mode": "market_maker_mode", "participant_state": "market_participant_state",
    "level_1": "level1_price", "level_2": "level2_price", "level_3": "level3_price",
    "release_time_s": "ipo_release_time", "release_qualifier": "ipo_release_qualifier",
    "upper_price": "upper_auction_collar_price", "lower_price": "lower_auction_collar_price",
    "extension_count": "auction_collar_extention", "halt_action": "operational_halt_action",
    "price_variation": "variation_indicator", "open_eligible": "open_eligibility_status",
    "minimum_price": "minimum_allowable_price", "maximum_price": "maximum_allowable_price",
    "near_time": "near_execution_time", "lower_collar": "lower_price_range_collar",
    "upper_collar": "upper_price_range_collar",
    ("F", "mpid"): "attribution", ("Y", "action"): "reg_sho_action", ("K", "price"): "ipo_price",
    ("C", "price"): "execution_price", ("Q", "price"): "cross_price",
    ("J", "reference_price"): "auction_collar_reference_price",
    ("I", "reference_price"): "current_reference_price",
    ("O", "near_price"): "near_execution_price",
}  # fmt: skip


@st.composite
def values_of(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, code in LAYOUTS[kind][1:]:
        size = size_of(code)
        if code in "HIQ" or name == "timestamp":
            values[name] = draw(st.integers(0, 256**size - 1))
        else:
            values[name] = draw(st.text("ABCXYZ0123 .", min_size=size, max_size=size)).encode()
    return values


def test_field_table_is_the_fact_sheets() -> None:
    assert {message.type.decode() for message in ffi.addressof(lib, "itch50_messages")[0]} == set(KINDS)
    for kind in KINDS:
        table = lib.itch50_message_find(kind.encode())
        fields = [table.fields[index] for index in range(table.field_count)]
        assert table.length == length(kind) == lib.itch50_length(ord(kind))
        assert [(ffi.string(field.name).decode(), field.size) for field in fields] == [
            (name, size_of(code)) for name, code in LAYOUTS[kind]
        ]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_type_encodes_and_decodes_field_by_field(kind: str, data: st.DataObject) -> None:
    values = data.draw(values_of(kind))
    message = encode(kind, **values)
    assert fields_of(message) == {"type": kind.encode(), **values} == reference_decode(message)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_event_says_what_the_message_says(kind: str, data: st.DataObject) -> None:
    values = data.draw(values_of(kind))
    outcome, event = decode(encode(kind, **values))
    assert outcome == lib.ITCH_DECODED
    assert event.kind == getattr(lib, f"EVENT_{EVENTS.get(kind, 'REFERENCE')}")
    expected: dict[str, Any] = dict.fromkeys(
        ("order_reference", "new_order_reference", "match", "wide_shares", "price", "shares"), 0
    ) | {"side": b"\0", "flag": b"\0", "stock": b"\0" * 8}
    for field, value in values.items() if kind in EVENTS else ():
        if field in MEMBERS and not (kind == "P" and field == "order_reference"):
            expected["wide_shares" if (kind, field) == ("Q", "shares") else MEMBERS[field]] = value
    if kind not in EVENTS:
        expected["flag"] = kind.encode()
    observed = {name: getattr(event, name) for name in expected} | {"stock": ffi.buffer(event.stock)[:]}
    assert observed == expected
    assert (event.symbol, event.time_ns) == (values["stock_locate"], values["timestamp"])
    assert (event.venue_type, event.sequence) == (kind.encode(), 0)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_itchcpp_reads_the_same_fields_from_the_same_bytes(kind: str, data: st.DataObject) -> None:
    message = encode(kind, **data.draw(values_of(kind)))
    other = itchcpp_messages.messages[kind.encode()](message)
    assert other.to_bytes() == message
    for name, value in fields_of(message).items():
        if name == "type":
            continue
        assert getattr(other, ALIASES.get((kind, name), ALIASES.get(name, name))) == value, name


@pytest.mark.parametrize("kind", KINDS)
def test_shorter_is_refused_and_longer_is_decoded_and_reported(kind: str) -> None:
    message = encode(kind)
    for size in range(len(message)):
        outcome, event = decode(message[:size])
        assert (outcome, event.kind) == (lib.ITCH_LENGTH_ERROR, lib.EVENT_NONE)
    outcome, event = decode(message + b"new field")
    assert outcome == lib.ITCH_DECODED_LONG
    assert event.kind == decode(message)[1].kind


@given(message=st.binary(max_size=80))
def test_any_bytes_are_decoded_or_refused_and_counted_once(message: bytes) -> None:
    itch, event = ffi.new("struct itch50 *"), ffi.new("struct event *")
    taken = lib.itch50_take(itch, message, len(message), event)
    counted = itch.statistics
    assert sum(counted.types) + counted.unknown_types + counted.length_errors == 1
    assert taken == (sum(counted.types) == 1) == (event.kind != lib.EVENT_NONE)
    known = bool(message) and chr(message[0]) in LAYOUTS
    assert taken == (known and len(message) >= length(chr(message[0])))
    if message and not known:
        assert counted.unknown_types == 1
