"""The oracle on streams small enough to work out by hand, and on the ways of handing it a stream."""

from __future__ import annotations

import mmap
import os
import struct
from collections import Counter
from pathlib import Path

import itchcpp
import pytest

from lab.oracle import OracleResult, Reflector, StreamError, TouchTaker, replay


def framed(kind: str, body: bytes, symbol: int = 1) -> bytes:
    message = struct.pack(">cH8x", kind.encode(), symbol) + body
    return struct.pack(">H", len(message)) + message


def add(reference: int, side: str, shares: int, price: int, symbol: int = 1) -> bytes:
    return framed("A", struct.pack(">QcI8sI", reference, side.encode(), shares, b"TEST    ", price), symbol)


def execute(reference: int, shares: int) -> bytes:
    return framed("E", struct.pack(">QIQ", reference, shares, 1))


def cancel(reference: int, shares: int) -> bytes:
    return framed("X", struct.pack(">QI", reference, shares))


def delete(reference: int, symbol: int = 1) -> bytes:
    return framed("D", struct.pack(">Q", reference), symbol)


def replace(old: int, new: int, shares: int, price: int) -> bytes:
    return framed("U", struct.pack(">QQII", old, new, shares, price))


def run(*messages: bytes, first: int = 1, **parameters: int) -> OracleResult:
    return replay(b"".join(messages), first_sequence=first, strategy=TouchTaker(**parameters))


BALANCED = add(1, "B", 300, 1000), add(2, "S", 300, 1010)


def test_the_first_valid_top_gives_no_signal_unless_it_leans() -> None:
    assert run(*BALANCED).triggers.tolist() == []
    assert run(add(1, "B", 900, 1000), add(2, "S", 100, 1010)).triggers.tolist() == [(2, 1, b"B", 1010, 100)]
    assert run(add(1, "B", 899, 1000), add(2, "S", 101, 1010)).triggers.tolist() == []
    assert run(add(1, "B", 100, 1000), add(2, "S", 900, 1010)).triggers.tolist() == [(2, 1, b"S", 1000, 100)]


def test_a_higher_bid_buys_at_the_ask_and_a_lower_ask_sells_at_the_bid() -> None:
    assert run(*BALANCED, add(3, "B", 300, 1001)).triggers.tolist() == [(3, 1, b"B", 1010, 100)]
    assert run(*BALANCED, add(3, "S", 300, 1009)).triggers.tolist() == [(3, 1, b"S", 1000, 100)]


def test_a_lower_bid_or_a_higher_ask_gives_no_signal() -> None:
    assert run(*BALANCED, replace(1, 3, 300, 999)).triggers.tolist() == []
    assert run(*BALANCED, replace(2, 3, 300, 1011)).triggers.tolist() == []


def test_an_order_takes_no_more_than_the_touch_shows() -> None:
    stream = *BALANCED, cancel(2, 280), add(3, "B", 20, 1001)
    # The cancel leans the top up: 1000*(300-20) >= 800*(300+20). The new bid is a signal of its own.
    assert run(*stream).triggers.tolist() == [(3, 1, b"B", 1010, 20), (4, 1, b"B", 1010, 20)]
    assert run(*stream, order_shares=7).triggers["shares"].tolist() == [7, 7]


def test_a_lean_signals_once_until_it_changes() -> None:
    lean = *BALANCED, cancel(2, 290)
    assert run(*lean, cancel(2, 1), cancel(2, 1)).triggers["sequence"].tolist() == [3]
    again = run(*lean, add(3, "S", 300, 1010), delete(3)).triggers["sequence"].tolist()
    assert again == [3, 5]


def test_a_price_move_that_leans_too_signals_once_and_remembers_the_lean() -> None:
    stream = *BALANCED, add(3, "B", 3000, 1001), add(4, "B", 1, 1001)
    assert run(*stream).triggers.tolist() == [(3, 1, b"B", 1010, 100)]


def test_a_book_that_was_one_sided_or_crossed_forgets_its_previous_top() -> None:
    one_sided = *BALANCED, delete(1), add(3, "B", 300, 1005)
    assert run(*one_sided).triggers.tolist() == []
    crossed = *BALANCED, add(3, "B", 300, 1010), replace(3, 4, 300, 1005)
    result = run(*crossed)
    assert result.triggers.tolist() == []
    assert result.crossed_events == 1


def test_a_lean_is_forgotten_with_the_top_and_signals_again() -> None:
    lean = add(1, "B", 900, 1000), add(2, "S", 100, 1010)
    assert run(*lean, delete(2), add(3, "S", 100, 1010)).triggers["sequence"].tolist() == [2, 4]


def test_the_cooldown_suppresses_within_its_messages_and_is_not_prolonged_by_them() -> None:
    moves = *BALANCED, add(3, "B", 300, 1001), add(4, "B", 300, 1002), add(5, "B", 300, 1003)
    result = run(*moves, cooldown_messages=2)
    assert result.triggers["sequence"].tolist() == [3, 5]
    assert result.suppressed == 1
    assert run(*moves, cooldown_messages=3).suppressed == 2


def test_the_cooldown_counts_messages_of_every_kind_and_is_of_one_symbol() -> None:
    other = framed("S", b"Q", symbol=0)
    stream = *BALANCED, add(3, "B", 300, 1001), other, other, add(4, "B", 300, 1002)
    assert run(*stream, cooldown_messages=3).triggers["sequence"].tolist() == [3, 6]
    twin = add(11, "B", 300, 1000, 2), add(12, "S", 300, 1010, 2)
    both = *BALANCED, *twin, add(3, "B", 300, 1001), add(13, "B", 300, 1001, 2)
    assert run(*both, cooldown_messages=99).triggers["symbol"].tolist() == [1, 2]


def test_shares_at_the_touch_saturate_for_the_strategy_but_not_in_the_book() -> None:
    most = 2**32 - 1
    ask = add(3, "S", most, 1010)
    twice = run(add(1, "B", most, 1000), add(2, "B", most, 1000), ask, imbalance_permille=1)
    one_more = run(add(1, "B", most, 1000), add(2, "B", 1, 1000), ask, imbalance_permille=1)
    assert [len(twice.triggers), len(one_more.triggers)] == [0, 0]
    assert twice.book["shares"].tolist() == [most, most, most]
    reduced = run(
        *(add(1, "B", most, 1000), add(2, "B", most, 1000), ask, delete(1), cancel(2, most - 5)),
        imbalance_permille=1,
        order_shares=9,
    )
    assert reduced.triggers.tolist() == [(5, 1, b"S", 1000, 5)]


def test_a_replaced_order_loses_its_place_and_a_canceled_one_keeps_it() -> None:
    queue = add(1, "B", 10, 1000), add(2, "B", 20, 1000), add(3, "B", 30, 1000)
    result = run(*queue, replace(1, 1, 10, 1000), cancel(2, 5))
    assert result.book.tolist() == [
        (1, b"B", 1000, 0, 2, 15),
        (1, b"B", 1000, 1, 3, 30),
        (1, b"B", 1000, 2, 1, 10),
    ]


def test_the_book_is_sorted_by_symbol_side_and_ascending_price() -> None:
    asks = add(1, "S", 1, 1011, 2), add(2, "S", 1, 1010, 2)
    bids = add(3, "B", 1, 999, 2), add(4, "B", 1, 998, 2)
    result = run(*asks, *bids, add(5, "S", 1, 7))
    assert [(row["symbol"], row["side"], row["price"]) for row in result.book] == [
        (1, b"S", 7),
        (2, b"B", 998),
        (2, b"B", 999),
        (2, b"S", 1010),
        (2, b"S", 1011),
    ]


def test_too_large_an_execution_removes_the_order() -> None:
    result = run(*BALANCED, execute(1, 301), execute(1, 1))
    assert result.book["reference"].tolist() == [2]
    assert result.unknown_references == 1


def test_an_existing_reference_is_never_entered_again() -> None:
    result = run(*BALANCED, add(1, "S", 5, 1020), replace(2, 1, 5, 1020))
    assert result.duplicate_references == 2
    assert result.book["shares"].tolist() == [300, 300]


def test_an_unknown_reference_is_counted_and_creates_nothing() -> None:
    result = run(execute(9, 1), cancel(9, 1), delete(9), replace(9, 10, 100, 1000), delete(10))
    assert result.unknown_references == 5
    assert len(result.book) == 0


def test_an_event_belongs_to_the_symbol_of_its_order_whatever_its_locate() -> None:
    result = run(*BALANCED, add(3, "B", 300, 1001), delete(3, symbol=2), add(4, "B", 300, 1001))
    assert result.triggers["symbol"].tolist() == [1, 1]


def test_the_reflector_answers_multiples_only_and_the_book_is_kept_all_the_same() -> None:
    result = replay(b"".join(BALANCED) * 3, first_sequence=9, strategy=Reflector(every=4))
    assert result.triggers.tolist() == [(12, 0, b"", 0, 0)]
    assert len(result.book) == 2


def test_unknown_types_are_counted_and_longer_messages_accepted() -> None:
    grown = BALANCED[0][2:] + b"later"
    result = run(framed("z", b""), struct.pack(">H", len(grown)) + grown, b"\0\1z")
    assert result.type_counts == {"A": 1, "z": 2}
    assert len(result.book) == 1


def test_an_end_mark_ends_the_stream_and_nothing_may_follow() -> None:
    assert run(*BALANCED, b"\0\0").messages == 2
    with pytest.raises(StreamError, match=r"^byte 78: bytes follow the end mark after 2 messages$"):
        run(*BALANCED, b"\0\0", BALANCED[0])


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (b"\0", "byte 76: the stream ends inside the length of message 3"),
        (BALANCED[0][:-1], "byte 76: the stream ends inside message 3 of 36 bytes"),
        (b"\0\3A12", "byte 76: message 3 of type 'A' has 3 bytes, needs 36"),
        (add(3, "X", 1, 1), "byte 76: message 3 of type 'A' has a side that is neither B nor S"),
    ],
)
def test_a_malformed_stream_names_the_byte_and_the_message(tail: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        run(*BALANCED, tail)
    assert isinstance(caught.value, StreamError)
    assert caught.value.offset == 76


def test_parameters_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^first_sequence is 0, must be 1\.\."):
        run(first=0)
    with pytest.raises(ValueError, match="order_shares is 0"):
        TouchTaker(order_shares=0)
    with pytest.raises(ValueError, match="imbalance_permille is -1"):
        TouchTaker(imbalance_permille=-1)
    with pytest.raises(ValueError, match="every is 0"):
        Reflector(every=0)


def test_a_mapped_file_is_read_in_place_and_can_be_closed_after(tmp_path: Path) -> None:
    path = tmp_path / "messages.itch"
    path.write_bytes(b"".join(BALANCED))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        result = replay(mapped, first_sequence=1, strategy=TouchTaker())
    assert result.messages == 2


def test_the_arrays_of_a_result_cannot_be_written() -> None:
    result = run(*BALANCED)
    with pytest.raises(ValueError, match="read-only"):
        result.book["shares"] = 0


REAL = Path(os.environ.get("TAILGATE_REAL", Path(__file__).parents[4] / "shared" / "real")) / "itch"


@pytest.mark.real
@pytest.mark.parametrize("name", ["nasdaq_start_of_day_1000.itch", "nasdaq_2019-12-30_open_1000.itch"])
def test_type_counts_of_real_captures_are_those_of_an_independent_decoder(name: str) -> None:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"no real capture {path}")
    stream = path.read_bytes()
    messages = itchcpp.MessageParser().parse_stream(stream)
    decoded = Counter(message.message_type.decode() for message in messages)
    assert replay(stream, first_sequence=1, strategy=TouchTaker()).type_counts == decoded
