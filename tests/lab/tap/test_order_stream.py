"""Order streams cut into TCP segments in every way, against a count of bytes kept beside them."""

from __future__ import annotations

import struct
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import UndecidedError
from lab.measure.rows import Rows
from lab.tap.order_stream import order_arrivals, segments_in

ENGINE, OTHER = bytes([10, 77, 3, 2]), bytes([10, 77, 3, 3])
LOGIN = struct.pack(">H", 47) + b"L" + b" " * 46
HEARTBEAT = b"\0\x01R"
CANCEL = struct.pack(">H", 20) + b"UX" + b"T00000000000A0" + bytes(4)
LOOKS_LIKE = struct.pack(">H", 50) + b"UP" + b"T00000000000B0" + bytes(34)  # an order's length, another type


def enter50(name: bytes, options: bytes = b"") -> bytes:
    """Enter Order of OUCH 5.0: the token is its ClOrdID, options are at its end."""
    order = (
        struct.pack(">IcI8sQ5s14sH", 7, b"B", 100, b"ACME", 10_000, b"3YPNN", name, len(options)) + options
    )
    return struct.pack(">H", len(order) + 2) + b"UO" + order


Cut = tuple[int, int]  # first byte of the stream and the one after the last


def token(sequence: int, ordinal: int = 0, letter: str = "T") -> bytes:
    return f"{letter}{sequence:012X}{ordinal}".encode()


def enter(name: bytes) -> bytes:
    order = struct.pack(">14scI8sII4s3sI2s", name, b"B", 100, b"ACME", 10_000, 0, b"    ", b"YPN", 0, b"NN")
    return struct.pack(">H", 50) + b"UO" + order


def record(
    payload: bytes, *, sequence: int, stamp_ns: int, source: bytes = ENGINE, port: int = 40_000
) -> bytes:
    """One frame as the tap writes it: TCP with a time stamp option, padded to Ethernet's least length."""
    tcp = struct.pack(">HHIIBBHHH", port, 30_001, sequence % 2**32, 7, 8 << 4, 0x18, 512, 0, 0) + bytes(12)
    total = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 1, 0x4000, 64, 6, 0, source, bytes([10, 77, 3, 1]))
    frame = (bytes(12) + b"\x08\x00" + ip + tcp + payload).ljust(60, b"\xee")
    return struct.pack("<QII", stamp_ns, len(frame), len(frame)) + frame


def arrivals(raw: bytes) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order_frames.bin"
        path.write_bytes(raw)
        return order_arrivals(path)


def found_in(raw: bytes) -> list[tuple[int, bytes]]:
    return [(int(row["stamp_ns"]), bytes(row["token"])) for row in arrivals(raw)]


# Every cut of every stream

NUMBERS = st.integers(0, 2**48 - 1)
PACKETS = st.lists(
    st.one_of(
        st.builds(lambda number, ordinal: enter(token(number, ordinal)), NUMBERS, st.integers(0, 9)),
        st.builds(
            lambda number, options: enter50(token(number), options), NUMBERS, st.binary(max_size=20)
        ).filter(
            lambda packet: len(packet) != 52  # that of an OUCH 4.2 order; no element has two bytes
        ),
        st.sampled_from([LOGIN, HEARTBEAT, CANCEL, LOOKS_LIKE]),
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def cuts_of(draw: st.DrawFn, size: int) -> list[Cut]:
    """Pieces of a stream in order of arrival: split anywhere, repeated, overlapping, shuffled, some lost."""
    edges = sorted(draw(st.sets(st.integers(1, max(1, size - 1)), max_size=12)) | {0, size})
    pieces = list(pairwise(edges))
    places = st.integers(0, size - 1)
    for _ in range(draw(st.integers(0, 4))):  # retransmissions, alike or coalesced
        start = draw(places)
        pieces.insert(draw(st.integers(0, len(pieces))), (start, draw(st.integers(start + 1, size))))
    disorder = draw(st.integers(0, 2))
    if disorder == 1:
        pieces = draw(st.permutations(pieces))
    elif disorder == 2 and len(pieces) > 1:
        at = draw(st.integers(0, len(pieces) - 2))
        pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
    if draw(st.booleans()):
        del pieces[draw(st.integers(0, len(pieces) - 1))]
    return pieces


def expected_of(packets: list[bytes], pieces: list[Cut]) -> list[tuple[int, bytes]]:
    """Stamps of bytes, then of orders; the n-th piece has stamp n + 1."""
    stamps = [0] * sum(map(len, packets))
    for stamp, (start, end) in enumerate(pieces, 1):
        for place in range(start, end):
            stamps[place] = stamps[place] or stamp
    found, position = [], 0
    for packet in packets:
        own = stamps[position : position + len(packet)]
        if not all(own):
            break
        if packet[2:4] == b"UO":
            at = 4 if len(packet) == 52 else 34
            found.append((max(own), packet[at : at + 14]))
        position += len(packet)
    return sorted(found)


@given(st.data(), PACKETS, st.sampled_from([0, 1000, 2**31 - 20, 2**32 - 1, 2**32 - 60]))
@settings(deadline=None, max_examples=400)
def test_every_order_is_found_once_with_the_stamp_of_the_frame_that_completed_it(
    data: st.DataObject, packets: list[bytes], first: int
) -> None:
    stream = b"".join(packets)
    pieces = data.draw(cuts_of(len(stream)))
    if not any(start == 0 for start, _ in pieces):
        pieces.insert(0, (0, 1))  # without the first byte there is nothing to frame by
    raw = b"".join(
        record(stream[start:end], sequence=first + start, stamp_ns=stamp)
        for stamp, (start, end) in enumerate(pieces, 1)
    )
    assert found_in(raw) == expected_of(packets, pieces)


# Cases by name


def stream_records(stream: bytes, *pieces: Cut, first: int = 100) -> bytes:
    return b"".join(
        record(stream[start:end], sequence=first + start, stamp_ns=10 * number)
        for number, (start, end) in enumerate(pieces, 1)
    )


def test_an_order_in_two_frames_has_the_stamp_of_the_later_one() -> None:
    assert found_in(stream_records(enter(token(5)), (0, 30), (30, 52))) == [(20, token(5))]


def test_the_second_half_first_gives_the_stamp_of_the_first_half() -> None:
    stream = LOGIN + enter(token(5))
    whole = len(stream)
    assert found_in(stream_records(stream, (0, 60), (80, whole), (60, 80))) == [(30, token(5))]


def test_a_retransmission_keeps_the_first_stamp() -> None:
    stream = enter(token(5)) + enter(token(6))
    assert found_in(stream_records(stream, (0, 52), (0, 52), (0, 104))) == [(10, token(5)), (30, token(6))]


def test_a_longer_copy_of_an_early_segment_brings_its_new_bytes() -> None:
    stream = b"".join(enter(token(number)) for number in range(1, 4))
    found = found_in(stream_records(stream, (0, 10), (52, 60), (52, 156), (10, 52)))
    assert [name for _, name in found] == [token(2), token(3), token(1)]
    assert [stamp for stamp, _ in found] == [30, 30, 40]


def test_a_first_segment_that_comes_second_is_not_lost() -> None:
    stream = LOGIN + enter(token(5))
    assert found_in(stream_records(stream, (49, 101), (0, 49))) == [(10, token(5))]


def test_a_hole_stops_reading() -> None:
    stream = enter(token(1)) + enter(token(2)) + enter(token(3))
    assert found_in(stream_records(stream, (0, 52), (60, 156))) == [(10, token(1))]


def test_sequence_numbers_wrap_around() -> None:
    stream = b"".join(enter(token(number)) for number in range(1, 9))
    raw = stream_records(stream, *((at, at + 52) for at in range(0, len(stream), 52)), first=2**32 - 100)
    assert [name for _, name in found_in(raw)] == [token(number) for number in range(1, 9)]


def test_connections_are_put_together_apart_and_come_out_in_order_of_time() -> None:
    one, two = enter(token(1)), enter(token(2))
    raw = (
        record(one[:20], sequence=5, stamp_ns=1)
        + record(two[:20], sequence=5, stamp_ns=2, port=40_001)
        + record(enter(token(3)), sequence=5, stamp_ns=3, source=OTHER)
        + record(two[20:], sequence=25, stamp_ns=4, port=40_001)
        + record(one[20:], sequence=25, stamp_ns=5)
    )
    assert found_in(raw) == [(3, token(3)), (4, token(2)), (5, token(1))]


def test_logins_heartbeats_and_cancels_are_passed_over() -> None:
    packets = [LOGIN, HEARTBEAT, CANCEL, LOOKS_LIKE, enter(token(9)), HEARTBEAT]
    raw = stream_records(b"".join(packets), (0, sum(map(len, packets))))
    assert found_in(raw) == [(10, token(9))]


def test_a_token_is_read_as_sequence_and_ordinal_and_a_foreign_one_has_none() -> None:
    names = (token(0xABCDEF012345, 7), b"MY-OWN-TOKEN-1", token(3, 0).replace(b"3", b"x"))
    rows = arrivals(record(b"".join(enter(name) for name in names), sequence=0, stamp_ns=1))
    by_name = {bytes(row["token"]): (int(row["trigger_sequence"]), int(row["ordinal"])) for row in rows}
    assert by_name == {names[0]: (0xABCDEF012345, 7), names[1]: (0, 0), names[2]: (0, 0)}


def test_no_frames_are_no_orders() -> None:
    assert len(arrivals(b"")) == 0


# Evidence that cannot be read


def test_a_frame_longer_than_the_buffer_is_undecided() -> None:
    whole = record(enter(token(1)), sequence=1, stamp_ns=1)
    short = struct.pack("<QII", 1, len(whole) - 16, len(whole) - 36) + whole[16:-20]
    with pytest.raises(UndecidedError, match="longer than the tap's buffer"):
        segments_in(short)


@given(st.integers(1, 200))
@settings(deadline=None)
def test_a_file_that_ends_inside_a_record_is_undecided(left: int) -> None:
    whole = record(enter(token(1)), sequence=1, stamp_ns=1)
    cut = (whole + whole)[: len(whole) + left] if left < len(whole) else whole + whole[:-1]
    with pytest.raises(UndecidedError, match="ends inside a record"):
        segments_in(cut)


@given(st.binary(max_size=80))
@settings(deadline=None, max_examples=300)
def test_a_frame_of_noise_is_a_segment_or_undecided_and_nothing_else(frame: bytes) -> None:
    raw = struct.pack("<QII", 1, len(frame), len(frame)) + frame
    try:
        payloads = [segment.payload for segment in segments_in(raw)]
    except UndecidedError:
        payloads = []
    assert all(payload in frame for payload in payloads)
