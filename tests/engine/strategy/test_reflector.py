"""reflector: which messages trigger, and what of the packet changes."""

from __future__ import annotations

from typing import Any

from engine._engine import ffi, lib
from hypothesis import given
from hypothesis import strategies as st
from reference_ouch import Enter, enter_packet, token


def reflector(every: int = 10, **request: Any) -> tuple[int, Any]:
    template = ffi.new("struct ouch42_template *")
    assert lib.ouch42_template_init(template, ffi.new("struct ouch42_options *")) == 0
    values = {"price": 5, "shares": 7, "side": b"S", "stock": b"ZVZZT   "} | request
    options = ffi.new("struct reflector_options *", {"every": every, "request": values})
    made = ffi.new("struct reflector *")
    return lib.reflector_init(made, options, template), made


@given(every=st.integers(1, 50), first=st.integers(0, 300), count=st.integers(0, 120))
def test_every_multiple_in_a_packet_triggers_once(every: int, first: int, count: int) -> None:
    _result, made = reflector(every)
    got, at = [], first
    while found := lib.reflector_next(made, at, first + count):
        got.append(found)
        at = found + 1
    assert got == [n for n in range(max(1, first), first + count) if n % every == 0]


def test_last_sequence_numbers_do_not_wrap() -> None:
    _result, made = reflector(every=2**64 - 1)
    assert lib.reflector_next(made, 2**64 - 5, 2**64 - 2) == 0
    assert lib.reflector_next(made, 1, 2**64 - 1) == 0


def test_packet_is_the_prebuilt_one_with_the_token_of_its_trigger() -> None:
    _result, made = reflector()
    for sequence in (10, 0xABCDEF, 2**48 - 1):
        packet = bytes(lib.reflector_packet(made, sequence)[0:52])
        expected = Enter(token=token("R", sequence, 0), side=b"S", shares=7, stock=b"ZVZZT   ", price=5)
        assert packet == enter_packet(expected)
    assert made.triggers == 3


def test_sequence_without_a_token_makes_no_packet() -> None:
    _result, made = reflector()
    assert lib.reflector_packet(made, 2**48) == ffi.NULL
    assert made.triggers == 0


def test_options_that_make_no_packet_are_refused() -> None:
    assert reflector(every=0)[0] < 0
    assert reflector(shares=0)[0] < 0
    assert reflector(side=b"X")[0] < 0
