"""OUCH 4.2 in the engine against the independent codec in reference_ouch.py, byte for byte."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ouch import (
    HOST_LAYOUTS,
    Enter,
    cancel_packet,
    encode_host,
    enter_packet,
    soup,
    token,
    token_parts,
)

SEQUENCES = st.integers(0, 2**48 - 1)
LETTERS = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
ORDINALS = st.integers(0, 9)
STOCKS = st.from_regex(r"\A[A-Z]{1,8}\Z").map(lambda text: text.ljust(8).encode())
KINDS = {
    "S": lib.OWN_EVENT_SYSTEM,
    "A": lib.OWN_EVENT_ACCEPTED,
    "U": lib.OWN_EVENT_REPLACED,
    "C": lib.OWN_EVENT_CANCELED,
    "D": lib.OWN_EVENT_SELF_TRADE_CANCELED,
    "E": lib.OWN_EVENT_EXECUTED,
    "G": lib.OWN_EVENT_EXECUTED_REFERENCE,
    "F": lib.OWN_EVENT_CORRECTED,
    "B": lib.OWN_EVENT_BROKEN,
    "J": lib.OWN_EVENT_REJECTED,
    "P": lib.OWN_EVENT_CANCEL_PENDING,
    "I": lib.OWN_EVENT_CANCEL_REJECTED,
    "T": lib.OWN_EVENT_PRIORITY,
    "M": lib.OWN_EVENT_MODIFIED,
    "N": lib.OWN_EVENT_TRADE_NOW,
}


def template(**options: bytes | int) -> Any:
    made = ffi.new("struct ouch42_template *")
    assert lib.ouch42_template_init(made, ffi.new("struct ouch42_options *", options)) == 0
    return made


def request(**changes: bytes | int) -> Any:
    values: dict[str, bytes | int] = {
        "trigger_sequence": 1,
        "price": 10_000,
        "shares": 100,
        "side": b"B",
        "stock": b"AAPL    ",
    }
    return ffi.new("struct order_request *", values | changes)


def enter(order: Any, letter: bytes = b"T", made: Any = None) -> bytes:
    out = ffi.new("uint8_t[52]")
    return bytes(out[0 : lib.ouch42_enter(made or template(), order, letter, out)])


@settings(max_examples=300)
@given(
    letter=LETTERS,
    sequence=SEQUENCES,
    ordinal=ORDINALS,
    side=st.sampled_from([b"B", b"S", b"T", b"E"]),
    shares=st.integers(1, 999_999),
    price=st.integers(1, 1_999_999_900),
    time_in_force=st.integers(0, 99_999),
    stock=STOCKS,
)
def test_enter_order_equals_the_reference_encoder(
    letter: str,
    sequence: int,
    ordinal: int,
    side: bytes,
    shares: int,
    price: int,
    time_in_force: int,
    stock: bytes,
) -> None:
    order = request(
        trigger_sequence=sequence,
        ordinal=ordinal,
        side=side,
        shares=shares,
        price=price,
        time_in_force=time_in_force,
        stock=stock,
    )
    expected = Enter(
        token=token(letter, sequence, ordinal),
        side=side,
        shares=shares,
        price=price,
        time_in_force=time_in_force,
        stock=stock,
    )
    assert enter(order, letter.encode()) == enter_packet(expected)


def test_template_options_reach_their_fields() -> None:
    made = template(
        firm=b"ABCD",
        display=b"N",
        capacity=b"A",
        intermarket_sweep=b"Y",
        cross=b"O",
        customer=b"R",
        minimum_shares=7,
    )
    expected = Enter(
        token=token("T", 1, 0),
        side=b"B",
        shares=100,
        price=10_000,
        stock=b"AAPL    ",
        firm=b"ABCD",
        display=b"N",
        capacity=b"A",
        intermarket_sweep=b"Y",
        cross=b"O",
        customer=b"R",
        minimum_shares=7,
    )
    assert enter(request(), made=made) == enter_packet(expected)


@pytest.mark.parametrize("options", [{"firm": b"A\nBC"}, {"display": b"\x80"}, {"minimum_shares": 1_000_000}])
def test_template_that_cannot_be_said_is_refused(options: dict[str, bytes | int]) -> None:
    made = ffi.new("struct ouch42_template *")
    assert lib.ouch42_template_init(made, ffi.new("struct ouch42_options *", options)) < 0


@pytest.mark.parametrize(
    "change",
    [
        {"side": b"X"},
        {"side": b"\0"},
        {"shares": 0},
        {"shares": 1_000_000},
        {"price": 0},
        {"price": 1_999_999_901},
        {"time_in_force": 100_000},
        {"ordinal": 10},
        {"trigger_sequence": 2**48},
        {"stock": b"\0" * 8},
        {"stock": b" " * 8},
    ],
)
def test_request_that_ouch_cannot_say_writes_nothing(change: dict[str, bytes | int]) -> None:
    assert enter(request(**change)) == b""


@pytest.mark.parametrize("letter", [b"t", b"0", b" ", b"\0", b"@", b"["])
def test_strategy_letter_is_one_upper_case_letter(letter: bytes) -> None:
    assert enter(request(), letter) == b""


@given(sequence=SEQUENCES, ordinal=ORDINALS, letter=LETTERS)
def test_patching_a_token_changes_nothing_else(sequence: int, ordinal: int, letter: str) -> None:
    before = enter(request())
    packet = ffi.new("uint8_t[52]", before)
    assert lib.ouch42_patch_token(packet, letter.encode(), sequence, ordinal)
    assert bytes(packet) == before[:4] + token(letter, sequence, ordinal) + before[18:]


@given(sequence=SEQUENCES, ordinal=ORDINALS, letter=LETTERS, shares=st.integers(0, 999_999))
def test_cancel_equals_the_reference_encoder(sequence: int, ordinal: int, letter: str, shares: int) -> None:
    out = ffi.new("uint8_t[22]")
    key = lib.ouch42_token_key(letter.encode(), sequence, ordinal)
    assert lib.ouch42_cancel(key, shares, out) == 22
    assert bytes(out) == cancel_packet(token(letter, sequence, ordinal), shares)


def test_cancel_of_no_token_or_too_many_shares_writes_nothing() -> None:
    out = ffi.new("uint8_t[22]")
    assert lib.ouch42_cancel(0, 0, out) == 0
    assert lib.ouch42_cancel(lib.ouch42_token_key(b"T", 1, 0), 1_000_000, out) == 0


@given(sequence=SEQUENCES, ordinal=ORDINALS, letter=LETTERS)
def test_token_and_key_convert_both_ways(sequence: int, ordinal: int, letter: str) -> None:
    key = lib.ouch42_token_key(letter.encode(), sequence, ordinal)
    out = ffi.new("char[14]")
    assert lib.ouch42_token_write(key, out)
    text = bytes(ffi.buffer(out))
    assert text == token(letter, sequence, ordinal)
    assert lib.ouch42_token_parse(out) == key
    parts = (lib.ouch42_key_letter(key).decode(), lib.ouch42_key_sequence(key), lib.ouch42_key_ordinal(key))
    assert parts == token_parts(text) == (letter, sequence, ordinal)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(min_size=14, max_size=14), st.from_regex(re.compile(rb"\A[S-V@\[][0-9A-Ga-f]{12}[0-9:]\Z"))
    )
)
def test_token_of_any_other_form_is_not_ours(text: bytes) -> None:
    key = lib.ouch42_token_parse(ffi.new("char[14]", text))
    assert (key != 0) == (token_parts(text) is not None)


def field_values(name: str) -> st.SearchStrategy[int | bytes]:
    if name in ("token", "previous_token"):
        ours = st.builds(token, LETTERS, SEQUENCES, ORDINALS)
        return st.one_of(ours, st.from_regex(re.compile(rb"\A[A-Za-z0-9 ]{14}\Z")))
    if name in ("time_ns", "order_reference", "match"):
        return st.integers(0, 2**64 - 1)
    if name == "shares":
        return st.integers(1, 999_999)
    if name in ("price", "time_in_force", "minimum_shares", "prevented_shares", "reference_price"):
        return st.integers(0, 2**32 - 1)
    if name == "side":
        return st.sampled_from([b"B", b"S", b"T", b"E"])
    if name == "state":
        return st.sampled_from([b"L", b"D"])
    if name in ("stock", "firm"):
        size = 8 if name == "stock" else 4
        return st.binary(min_size=size, max_size=size)
    return st.binary(min_size=1, max_size=1)


@st.composite
def host_messages(draw: st.DrawFn) -> tuple[str, dict[str, int | bytes], bytes]:
    letter = draw(st.sampled_from(sorted(HOST_LAYOUTS)))
    values = {name: draw(field_values(name)) for name in HOST_LAYOUTS[letter][1]}
    return letter, values, encode_host(letter, **values)


def decode(message: bytes) -> tuple[int, Any, Any]:
    decoder = ffi.new("struct ouch42_decoder *")
    event = ffi.new("struct own_event *")
    bytes_ = ffi.new(f"uint8_t[{len(message)}]", message) if message else ffi.NULL
    return lib.ouch42_decode(decoder, bytes_, len(message), event), event, decoder


def as_python(value: Any) -> int | bytes:
    if isinstance(value, int | bytes):
        return value
    return bytes(ffi.buffer(value))


@settings(max_examples=500)
@given(host_messages())
def test_every_host_message_decodes_to_what_was_encoded(
    case: tuple[str, dict[str, int | bytes], bytes],
) -> None:
    letter, values, message = case
    outcome, event, decoder = decode(message)
    assert outcome == lib.OUCH42_DECODED
    assert event.kind == KINDS[letter]
    assert {name: as_python(getattr(event, name)) for name in values} == values
    assert decoder.kinds[event.kind] == decoder.outcomes[0] == 1
    for name in ("token", "previous_token"):
        parts = token_parts(values[name]) if name in values else None  # type: ignore[arg-type]
        expected = lib.ouch42_token_key(parts[0].encode(), parts[1], parts[2]) if parts else 0
        assert getattr(event, f"{name}_key") == expected


@given(host_messages(), st.data())
def test_a_known_type_of_another_length_is_refused(
    case: tuple[str, dict[str, int | bytes], bytes], data: st.DataObject
) -> None:
    message = case[2]
    cut = data.draw(st.integers(1, len(message) - 1))
    for wrong in (message[:cut], message + b"\0"):
        outcome, _event, decoder = decode(wrong)
        assert outcome == lib.OUCH42_BAD_LENGTH
        assert decoder.outcomes[outcome] == 1
        assert sum(decoder.kinds) == 0


def test_every_unknown_type_is_counted_and_says_so() -> None:
    for letter in range(256):
        if chr(letter) not in HOST_LAYOUTS:
            outcome, event, decoder = decode(bytes([letter]) + bytes(39))
            assert (outcome, event.kind, decoder.outcomes[outcome]) == (lib.OUCH42_UNKNOWN_TYPE, 0, 1)
    assert decode(b"")[0] == lib.OUCH42_BAD_LENGTH


ACCEPTED: dict[str, int | bytes] = {
    "time_ns": 1,
    "token": token("T", 1, 0),
    "side": b"B",
    "shares": 100,
    "stock": b"AAPL    ",
    "price": 1,
    "time_in_force": 0,
    "firm": b"    ",
    "display": b"Y",
    "order_reference": 1,
    "capacity": b"P",
    "intermarket_sweep": b"N",
    "minimum_shares": 0,
    "cross": b"N",
    "state": b"L",
    "bbo_weight": b" ",
}


@pytest.mark.parametrize("change", [{"side": b"Q"}, {"state": b"X"}, {"shares": 0}, {"shares": 1_000_000}])
def test_accepted_with_a_value_outside_of_the_specification_is_refused(
    change: dict[str, int | bytes],
) -> None:
    assert decode(encode_host("A", **(ACCEPTED | change)))[0] == lib.OUCH42_BAD_VALUE


@pytest.mark.parametrize("shares", [0, 1_000_000])
def test_execution_of_no_or_too_many_shares_is_refused(shares: int) -> None:
    message = encode_host(
        "E", time_ns=1, token=token("T", 1, 0), shares=shares, price=1, liquidity=b"R", match=1
    )
    assert decode(message)[0] == lib.OUCH42_BAD_VALUE


@settings(max_examples=200)
@given(
    old=SEQUENCES,
    new=SEQUENCES,
    shares=st.integers(1, 999_999),
    price=st.integers(1, 1_999_999_900),
    seconds=st.integers(0, 99_999),
    display=st.sampled_from([b"\0", b"N", b"P"]),
    sweep=st.sampled_from([b"\0", b"Y"]),
    minimum=st.integers(0, 999_999),
)
def test_replace_equals_the_reference_encoder(
    old: int, new: int, shares: int, price: int, seconds: int, display: bytes, sweep: bytes, minimum: int
) -> None:
    values = {
        "token_key": lib.ouch42_token_key(b"T", old, 1),
        "new_token_key": lib.ouch42_token_key(b"T", new, 2),
        "shares": shares,
        "price": price,
        "time_in_force": seconds,
        "minimum_shares": minimum,
        "display": display,
        "intermarket_sweep": sweep,
    }
    out = ffi.new("uint8_t[50]")
    length = lib.ouch42_replace(template(minimum_shares=9), ffi.new("struct order_change *", values), out)
    expected = struct.pack(
        ">c14s14sIIIccI",
        b"U", token("T", old, 1), token("T", new, 2), shares, price, seconds,
        b"Y" if display == b"\0" else display, b"N" if sweep == b"\0" else sweep, minimum or 9,
    )  # fmt: skip
    assert bytes(out[0:length]) == soup(b"U", expected)


@given(
    sequence=SEQUENCES, shares=st.integers(0, 1_000_000), side=st.sampled_from([b"B", b"S", b"T", b"E", b"X"])
)
def test_modify_equals_the_reference_encoder(sequence: int, shares: int, side: bytes) -> None:
    values = {"token_key": lib.ouch42_token_key(b"T", sequence, 0), "shares": shares, "side": side}
    out = ffi.new("uint8_t[23]")
    length = lib.ouch42_modify(ffi.new("struct order_change *", values), out)
    fits = 1 <= shares <= 999_999 and side != b"X"
    expected = soup(b"U", struct.pack(">c14scI", b"M", token("T", sequence, 0), side, shares))
    assert bytes(out[0:length]) == (expected if fits else b"")


@pytest.mark.parametrize(
    "changes",
    [
        {"new_token_key": 1},
        {"new_token_key": 5 << 16 | ord("T")},
        {"token_key": 0},
        {"shares": 0},
        {"shares": 1_000_000},
        {"price": 0},
        {"time_in_force": 100_000},
        {"minimum_shares": 1_000_000},
    ],
)
def test_a_replace_that_cannot_be_said_is_not_written(changes: dict[str, int]) -> None:
    good = {"token_key": lib.ouch42_token_key(b"T", 5, 0), "new_token_key": lib.ouch42_token_key(b"T", 6, 0)}
    change = ffi.new("struct order_change *", good | {"shares": 1, "price": 1} | changes)
    assert lib.ouch42_replace(template(), change, ffi.new("uint8_t[50]")) == 0
