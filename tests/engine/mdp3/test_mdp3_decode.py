"""Every template field by field against the plain-Python layouts, and every way in which bytes can be wrong."""

import struct
from random import Random
from typing import Any

import pytest
from engine._engine import ffi, lib
from engine_mdp3 import check, decode, expected_values
from hypothesis import given
from hypothesis import strategies as st
from mdp3_events import expected_events
from mdp3_layouts import LAYOUTS, Fault, Field, decode_message, decode_packet, encode, packet

TEMPLATES = sorted(LAYOUTS)
WALKED = [number for number in TEMPLATES if LAYOUTS[number].name != "definition"]  # others: two groups only
DEFINITIONS = {27, 29, 41, 54, 55, 56, 57, 58, 63}
RANGES = {"q": 63, "Q": 64, "i": 31, "I": 32, "h": 15, "H": 16, "B": 8, "b": 7}
TYPES = [bytes([letter]) for letter in b"01EFJwx247NO"]


def value(random: Random, name: str, code: str) -> Any:
    if code == "c":
        return random.choice(TYPES)
    if name == "feed":
        return random.choice([b"GBX", b"GBI", b"XYZ"])
    if code.endswith("s"):
        return random.randbytes(int(code[:-1]))
    bits = RANGES[code]
    low, high = (0, 2**bits - 1) if code.isupper() else (-(2**bits), 2**bits - 1)
    small = {"reference": 5, "aggressor": 3, "orders": 3}.get(name)
    if small and random.random() < 0.7:
        return random.randint(0, small)
    return random.choice([low, high, 0, 1, random.randint(low, high)])


def fields_of(random: Random, layout: list[Field]) -> dict[str, Any]:
    return {name: value(random, name, code) for name, _, code in layout}


def random_message(random: Random, template: int) -> bytes:
    layout = LAYOUTS[template]
    groups = [
        [fields_of(random, group.fields) for _ in range(random.randint(0, 4))] for group in layout.groups
    ]
    return encode(
        template, fields_of(random, layout.fields), *groups, version=random.randint(5, 13),
        root_padding=random.randint(0, 9), entry_padding=random.randint(0, 9),
    )  # fmt: skip


def assert_equal_to_reference(message: bytes) -> None:
    outcome, events = decode(message)
    assert outcome == "valid"
    assert events == [expected_values(event) for event in expected_events(decode_message(message))]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_field_of_every_template_is_decoded(template: int) -> None:
    random = Random(template)
    for _ in range(200):
        assert_equal_to_reference(random_message(random, template))


def test_every_template_is_found_by_its_number_and_no_other() -> None:
    known = {
        number for number in range(70_000) if number < 65_536 and lib.mdp3_template_find(number) != ffi.NULL
    }
    assert known == set(LAYOUTS) | DEFINITIONS
    for number in known:
        layout = lib.mdp3_template_find(number)
        assert layout.number == number
        if number not in (12, 30, 39, 4, 37):
            assert layout.price_exponent == (-9 if number >= 46 else -7)


@given(st.randoms(use_true_random=False))
def test_a_datagram_is_taken_whole_or_its_first_fault_is_named(random: Random) -> None:
    parts = [random_message(random, random.choice(WALKED)) for _ in range(random.randint(1, 5))]
    damaged = bytearray(packet(7, *parts))
    assert check(bytes(damaged))[0] == "valid"
    for _ in range(random.randint(0, 3)):
        damaged[random.randrange(12, len(damaged))] = random.randrange(256)
    cut = bytes(damaged[: random.choice([len(damaged), random.randrange(len(damaged))])])
    if {raw[4] for raw in split(cut)} & DEFINITIONS:
        return  # a damaged number: the engine walks two groups of a definition, the reference does not know all
    try:
        sequence, sending_ns, decoded = decode_packet(cut)
        expected = "valid"
    except Fault as fault:
        expected = str(fault)
    outcome, parsed = check(cut)
    assert outcome == expected
    if outcome == "valid":
        assert (parsed.sequence, parsed.sending_ns, parsed.messages) == (sequence, sending_ns, len(decoded))
        for message, raw in zip(decoded, split(cut), strict=True):
            assert decode(raw)[1] == [expected_values(event) for event in expected_events(message)]


def split(data: bytes) -> list[bytes]:
    """Messages as their sizes say, as far as they do."""
    found, offset = [], 12
    while len(data) - offset >= 10:
        size = struct.unpack_from("<H", data, offset)[0]
        if size < 10:
            break
        found.append(data[offset : offset + size])
        offset += size
    return found


BOOK = encode(46, {"time": 1}, [{"level": 1}] * 2, [{"reference": 1}])


def patched(offset: int, value: int, *, size: int = 2, message: bytes = BOOK) -> bytes:
    return message[:offset] + value.to_bytes(size, "little") + message[offset + size :]


FAULTS = {
    "short_header": b"\0" * 11,
    "no_message": packet(1),
    "message_header_cut": packet(1, BOOK) + b"\0" * 9,
    "message_size_short": packet(1, patched(0, 9)),
    "message_cut": packet(1, patched(0, len(BOOK) + 1)),
    "root_short": packet(1, patched(2, 8)),
    "root_cut": packet(1, patched(2, 0xFFFF)),
    "group_header_cut": packet(1, encode(46)[:-1].replace(struct.pack("<H", len(encode(46))), b"\x1f\0", 1)),
    "entry_short": packet(1, patched(21, 26)),
    "group_cut": packet(1, patched(23, 255, size=1)),
    "trailing_bytes": packet(1, encode(46, tail=b"\0")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_name(name: str) -> None:
    assert check(FAULTS[name])[0] == name


def test_message_size_of_zero_does_not_loop() -> None:
    assert check(packet(1, patched(0, 0)))[0] == "message_size_short"


def test_version_5_has_no_orders_group_and_a_newer_version_may_have_more_groups() -> None:
    old = encode(32, {}, [{"security": 5, "type": b"0", "level": 1}], version=5)
    assert decode(old)[0] == "valid"
    assert len(decode(old)[1]) == 1
    newer = encode(46, {}, [{"security": 5, "type": b"0"}], version=14, tail=b"\x02\0\0\0\0\0\0\0")
    assert decode(newer)[0] == "newer_layout"
    assert len(decode(newer)[1]) == 1
    assert check(packet(1, newer))[1].newer_layouts == 1


def test_unknown_templates_and_schemas_are_skipped_and_counted() -> None:
    unknown = struct.pack("<5H", 14, 4, 61, 1, 9) + b"abcd"
    far = struct.pack("<5H", 10, 0, 60_000, 1, 9)
    session = struct.pack("<5H", 10, 0, 46, 2, 9)  # 46 of another schema is not a book
    outcome, parsed = check(packet(3, unknown, BOOK, far, session))
    assert outcome == "valid"
    assert (parsed.messages, parsed.unknown_templates, parsed.unknown_schemas) == (4, 2, 1)


def test_group_of_no_entries_may_state_any_block_length() -> None:
    assert decode(patched(21, 0, message=encode(46)))[0] == "valid"


def test_fills_belong_to_trades_by_their_number_of_orders() -> None:
    trades = [
        {"security": 1, "orders": 2, "aggressor": 1, "report": 9},
        {"security": 2, "orders": 1, "aggressor": 0, "report": 9},
    ]
    fills = [{"order": 10}, {"order": 11}, {"order": 12}, {"order": 13}]
    events = decode(encode(48, {}, trades, fills))[1][2:]
    found = [(event.get("security", 0), event.get("flag"), event.get("side")) for event in events]
    assert found == [(1, b"A", b"B"), (1, b"R", b"S"), (2, b"R", b" "), (0, None, None)]
