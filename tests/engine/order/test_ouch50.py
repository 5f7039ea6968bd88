"""OUCH 5.0 in the engine against the independent codec in reference_ouch50.py, byte for byte."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ouch import token
from reference_ouch50 import (
    FIXED,
    cancel50,
    element,
    encode_host50,
    enter50,
    modify50,
    options_bytes,
    replace50,
)

KINDS = {
    "S": lib.OWN_EVENT_SYSTEM,
    "A": lib.OWN_EVENT_ACCEPTED,
    "U": lib.OWN_EVENT_REPLACED,
    "C": lib.OWN_EVENT_CANCELED,
    "D": lib.OWN_EVENT_SELF_TRADE_CANCELED,
    "E": lib.OWN_EVENT_EXECUTED,
    "B": lib.OWN_EVENT_BROKEN,
    "J": lib.OWN_EVENT_REJECTED,
    "P": lib.OWN_EVENT_CANCEL_PENDING,
    "I": lib.OWN_EVENT_CANCEL_REJECTED,
    "T": lib.OWN_EVENT_PRIORITY,
    "M": lib.OWN_EVENT_MODIFIED,
    "R": lib.OWN_EVENT_RESTATED,
    "Q": lib.OWN_EVENT_QUERY,
}
SEQUENCES = st.integers(0, 2**48 - 1)
SHARES = st.integers(1, 999_999)
PRICES = st.integers(1, 1_999_999_900)
SECONDS = st.one_of(st.sampled_from([0, 99_998, 99_999]), st.integers(1, 86_399))
SIDES = st.sampled_from([b"B", b"S", b"T", b"E"])
STOCKS = st.from_regex(r"\A[A-Z]{1,8}\Z").map(lambda text: text.ljust(8).encode())


class Codec:
    """A struct ouch50 with its ring kept alive."""

    def __init__(self, count: int = 16, **options: bytes | int) -> None:
        self.numbers = ffi.new("struct ouch50_number[]", count)
        self.c: Any = ffi.new("struct ouch50 *")
        self.decoder = ffi.new("struct ouch42_decoder *")
        self.result = lib.ouch50_init(
            self.c, ffi.new("struct ouch42_options *", options), self.numbers, count
        )

    def enter(self, **changes: bytes | int) -> tuple[bytes, int]:
        values: dict[str, bytes | int] = {
            "trigger_sequence": 1, "price": 10_000, "shares": 100, "side": b"B", "stock": b"AAPL    "
        }  # fmt: skip
        out, number = ffi.new("uint8_t[74]"), ffi.new("uint32_t *")
        request = ffi.new("struct order_request *", values | changes)
        return bytes(out[0 : lib.ouch50_enter(self.c, request, b"T", out, number)]), number[0]

    def decode(self, message: bytes) -> tuple[int, Any]:
        event = ffi.new("struct own_event *")
        payload = ffi.new("uint8_t[]", message or b"\0")
        return lib.ouch50_decode(self.c, self.decoder, payload, len(message), event), event


@settings(max_examples=300)
@given(
    sequence=SEQUENCES,
    side=SIDES,
    shares=SHARES,
    price=PRICES,
    seconds=SECONDS,
    stock=STOCKS,
    firm=st.sampled_from([b"    ", b"LIME"]),
    minimum=st.sampled_from([0, 1, 999_999]),
    customer=st.sampled_from([b"", b"R", b"N"]),
    display=st.sampled_from([b"Y", b"N", b"A", b"P"]),
)
def test_enter_order_equals_the_reference_encoder(
    sequence: int,
    side: bytes,
    shares: int,
    price: int,
    seconds: int,
    stock: bytes,
    firm: bytes,
    minimum: int,
    customer: bytes,
    display: bytes,
) -> None:
    codec = Codec(firm=firm, minimum_shares=minimum, customer=customer or b"\0", display=display)
    for number in (1, 2):
        made, given_number = codec.enter(
            trigger_sequence=sequence,
            side=side,
            shares=shares,
            price=price,
            time_in_force=seconds,
            stock=stock,
        )
        assert given_number == number
        assert made == enter50(
            number=number, side=side, shares=shares, stock=stock, price=price, seconds=seconds,
            token=token("T", sequence, 0), display=display, firm=firm, minimum=minimum, customer=customer,
        )  # fmt: skip


@settings(max_examples=200)
@given(
    sequence=SEQUENCES.filter(lambda value: value != 7),
    shares=SHARES,
    price=PRICES,
    seconds=SECONDS,
    minimum=st.sampled_from([0, 5]),
    display=st.sampled_from([b"\0", b"N"]),
)
def test_replace_equals_the_reference_encoder(
    sequence: int, shares: int, price: int, seconds: int, minimum: int, display: bytes
) -> None:
    codec = Codec()
    values = {
        "token_key": lib.ouch42_token_key(b"T", 7, 0),
        "new_token_key": lib.ouch42_token_key(b"T", sequence, 3),
        "wire_number": 4_000_000_000,
        "shares": shares,
        "price": price,
        "time_in_force": seconds,
        "minimum_shares": minimum,
        "display": display,
    }
    out, number = ffi.new("uint8_t[74]"), ffi.new("uint32_t *")
    length = lib.ouch50_replace(codec.c, ffi.new("struct order_change *", values), out, number)
    assert number[0] == 1
    assert bytes(out[0:length]) == replace50(
        old=4_000_000_000, number=1, shares=shares, price=price, seconds=seconds, token=token("T", sequence, 3),
        minimum=minimum, display=display if display != b"\0" else b"Y",
    )  # fmt: skip


@given(number=st.integers(1, 2**32 - 1), shares=st.integers(0, 999_999), side=SIDES)
def test_cancel_and_modify_equal_the_reference_encoder(number: int, shares: int, side: bytes) -> None:
    change = ffi.new("struct order_change *", {"wire_number": number, "shares": shares, "side": side})
    out = ffi.new("uint8_t[74]")
    assert bytes(out[0 : lib.ouch50_cancel(change, out)]) == cancel50(number, shares)
    modified = bytes(out[0 : lib.ouch50_modify(change, out)])
    assert modified == (modify50(number, side, shares) if shares else b"")


@pytest.mark.parametrize(
    "changes",
    [
        {"shares": 0},
        {"shares": 1_000_000},
        {"price": 0},
        {"time_in_force": 86_400},
        {"side": b"X"},
        {"stock": b"        "},
        {"trigger_sequence": 2**48},
    ],
)
def test_what_cannot_be_said_takes_no_number(changes: dict[str, bytes | int]) -> None:
    codec = Codec()
    assert codec.enter(**changes) == (b"", 0)
    assert codec.c.next_number == 1


@pytest.mark.parametrize(
    "options", [{"display": b"M"}, {"firm": b"\x01\x01\x01\x01"}, {"minimum_shares": 10**6}]
)
def test_options_that_the_protocol_does_not_have_are_refused(options: dict[str, bytes | int]) -> None:
    assert Codec(**options).result < 0


def test_a_real_order_is_decoded_as_its_capture_says() -> None:
    # Accepted of the 2024 capture: urn 7682701, B, 40, ADBE, 477.7800, TIF 5, ref 257340661, L, 12:24:07.483486087
    codec = Codec()
    at_ns = ((12 * 60 + 24) * 60 + 7) * 10**9 + 483486087
    message = encode_host50(
        "A", options_bytes([(2, b"LIME"), (18, b"0")]), time_ns=at_ns, wire_number=7682701, side=b"B", shares=40,
        stock=b"ADBE    ", price=4_777_800, time=b"5", display=b"Y", order_reference=257340661, capacity=b"A",
        intermarket_sweep=b"N", cross=b"N", state=b"L", token=b"8FUB8IV       ",
    )  # fmt: skip
    outcome, event = codec.decode(message)
    assert outcome == lib.OUCH42_DECODED
    assert (event.time_ns, event.wire_number, event.shares, event.price) == (at_ns, 7682701, 40, 4_777_800)
    assert (bytes(ffi.buffer(event.firm)), event.bbo_weight, event.time_in_force) == (b"LIME", b"0", 99_999)
    assert lib.ouch42_key_letter(event.token_key) == b"\xff"  # nobody's key: unknown, not foreign


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "time_ns": st.integers(0, 2**64 - 1),
    "wire_number": st.integers(1, 3),
    "previous_wire_number": st.integers(1, 3),
    "side": SIDES,
    "shares": SHARES,
    "stock": STOCKS,
    "price": st.integers(0, 2**32 - 1),
    "time": st.sampled_from([b"0", b"3", b"5", b"E"]),
    "state": st.sampled_from([b"L", b"D"]),
    "token": st.binary(min_size=14, max_size=14),
    "match": st.integers(0, 2**64 - 1),
    "order_reference": st.integers(0, 2**64 - 1),
    "prevented_shares": st.integers(0, 2**32 - 1),
    "reason_code": st.integers(0, 2**16 - 1),
}
LETTER = st.binary(min_size=1, max_size=1)
OPTIONS = st.lists(st.tuples(st.integers(100, 255), st.binary(max_size=20)), max_size=4)


@pytest.mark.parametrize("letter", sorted(FIXED))
@settings(max_examples=60)
@given(data=st.data())
def test_every_host_message_is_decoded_to_every_field(letter: str, data: st.DataObject) -> None:
    codec = Codec()
    for _ in range(3):
        codec.enter()  # numbers 1, 2, 3 are T0000000000010
    names, mandatory = FIXED[letter][1], FIXED[letter][3]
    values = {name: data.draw(VALUES.get(name, LETTER)) for name in names}
    elements = data.draw(OPTIONS)
    bare = letter == "S" or (not mandatory and data.draw(st.booleans()))
    message = encode_host50(letter, None if bare else options_bytes(elements), **values)
    outcome, event = codec.decode(message)
    assert outcome == lib.OUCH42_DECODED
    assert event.kind == KINDS[letter]
    times = {b"0": 99_998, b"3": 0, b"5": 99_999, b"E": 99_999}
    for name, value in values.items():
        if name == "time":
            assert event.time_in_force == times[value]
        elif name not in ("token", "strategy"):
            got = getattr(event, name)
            assert (bytes(ffi.buffer(got)) if name == "stock" else got) == value, name
    if letter not in "SQ":
        assert event.token_key == lib.ouch42_token_key(b"T", 1, 0)
        assert bytes(ffi.buffer(event.token)) == token("T", 1, 0)
    if letter == "U":
        assert event.previous_token_key == lib.ouch42_token_key(b"T", 1, 0)


@given(letter=st.sampled_from("AUER"), cut=st.integers(1, 200), junk=st.binary(max_size=4))
def test_options_that_do_not_end_with_the_message_are_a_bad_length(
    letter: str, cut: int, junk: bytes
) -> None:
    codec = Codec()
    names = FIXED[letter][1]
    values: dict[str, Any] = {name: b"B" for name in names}
    values |= {name: 1 for name in names if name.endswith(("number", "ns", "reference", "match"))}
    values |= {"shares": 5, "price": 5, "stock": b"A" * 8, "state": b"L", "token": b"T" * 14, "time": b"3"}
    options = options_bytes([(2, b"LIME"), (99, b"anything")])
    good = encode_host50(letter, options, **{name: values[name] for name in names})
    assert codec.decode(good)[0] == lib.OUCH42_DECODED
    assert codec.decode(good[:-1])[0] == lib.OUCH42_BAD_LENGTH
    assert codec.decode(good[: -min(cut, len(good))])[0] == lib.OUCH42_BAD_LENGTH
    if junk:
        assert codec.decode(good + junk)[0] == lib.OUCH42_BAD_LENGTH


def test_an_element_of_no_length_is_refused() -> None:
    codec = Codec()
    message = encode_host50(
        "R", struct.pack(">H", 3) + element(2, b"") + b"\0", time_ns=1, wire_number=1, reason=b"R"
    )
    assert codec.decode(message)[0] == lib.OUCH42_BAD_LENGTH


@given(st.binary(max_size=120))
def test_any_bytes_get_an_outcome(message: bytes) -> None:
    codec = Codec()
    outcome, _ = codec.decode(message)
    assert 0 <= outcome < lib.OUCH42_OUTCOME_COUNT
    assert sum(codec.decoder.outcomes) == 1


def test_a_number_that_left_the_ring_is_nobodys_and_the_one_before_it_is_announced() -> None:
    codec = Codec(count=4)
    for sequence in range(1, 5):
        assert lib.ouch50_displaced(codec.c) == 0 if sequence < 4 else True
        codec.enter(trigger_sequence=sequence)
    assert lib.ouch50_displaced(codec.c) == lib.ouch42_token_key(b"T", 1, 0)
    codec.enter(trigger_sequence=5)
    _, event = codec.decode(encode_host50("P", None, time_ns=1, wire_number=1))
    assert lib.ouch42_key_letter(event.token_key) == b"\xff"
    _, event = codec.decode(encode_host50("P", None, time_ns=1, wire_number=5))
    assert event.token_key == lib.ouch42_token_key(b"T", 5, 0)


def test_a_query_answer_only_raises_the_next_number() -> None:
    codec = Codec()
    codec.enter()
    lib.ouch50_advance(codec.c, 1)
    assert codec.c.next_number == 2
    lib.ouch50_advance(codec.c, 900)
    assert codec.enter()[1] == 900
