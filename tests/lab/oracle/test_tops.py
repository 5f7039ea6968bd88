"""The touch behind each message, as that of the brute book after every prefix of the stream."""

from __future__ import annotations

import struct

import numpy as np
from brute import Brute, orderly
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.oracle import TouchTaker
from lab.oracle.tops import tops_behind


def prefixes(stream: bytes) -> list[int]:
    """Where each message ends, and its stock locate."""
    ends, offset = [], 0
    while offset + 2 <= len(stream):
        (length,) = struct.unpack_from(">H", stream, offset)
        if length == 0:
            break
        offset += 2 + length
        ends.append(offset)
    return ends


def top_of(brute: Brute, symbol: int) -> tuple[int, int]:
    prices: dict[str, list[int]] = {"B": [], "S": []}
    for order in brute.orders.values():
        if order.symbol == symbol:
            prices[order.side].append(order.price)
    return max(prices["B"], default=0), min(prices["S"], default=0)


@settings(deadline=None, max_examples=60)
@given(orderly(), st.integers(1, 1000), st.data())
def test_every_wanted_message_has_the_touch_of_its_stock(
    stream: bytes, first: int, data: st.DataObject
) -> None:
    ends = prefixes(stream)
    chosen = data.draw(st.sets(st.sampled_from(range(len(ends))), max_size=6)) if ends else set()
    wanted = np.array([first + index for index in chosen] + [first + len(ends) + 5], np.uint64)
    expected = []
    for index in sorted(chosen):
        brute = Brute(TouchTaker())
        assert brute.run(stream[: ends[index]], first) is None
        begin = ends[index - 1] if index else 0
        (symbol,) = struct.unpack_from(">H", stream, begin + 3)
        expected.append((first + index, *top_of(brute, symbol)))
    assert tops_behind(stream, wanted=wanted, first_sequence=first).tolist() == expected
