"""The real captures: counters equal to what is known of them independently."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from traffic_reference import ReferenceBook, messages_of, real_folder

from traffic.bindings import PublishedBook
from traffic.config import CaptureSource, ItchFileSource, PackingConfig
from traffic.errors import InputError
from traffic.market.capture import capture_stream
from traffic.market.itch_file import itch_file_stream
from traffic.market.stream import Stream

pytestmark = pytest.mark.real
OPEN = "itch/nasdaq_2019-12-30_open_1000.itch"
START = "itch/nasdaq_start_of_day_1000.itch"


@pytest.fixture(scope="module")
def real() -> Path:
    return real_folder()


def itch(real: Path, *names: str) -> Stream:
    source = ItchFileSource(kind="itch_file", paths=tuple(str(real / name) for name in names))
    return itch_file_stream(source, session=b"TAILGATE01", packing=PackingConfig(), bursts=None)


def capture(path: Path) -> Stream:
    return capture_stream(CaptureSource(kind="pcap", paths=(str(path),)), session=b"TAILGATE01")


def test_the_open_has_the_messages_its_readme_counts(real: Path) -> None:
    scan = itch(real, OPEN).scan
    assert dict(scan.types) == {
        "A": 367, "U": 225, "F": 193, "D": 167, "E": 28, "X": 6, "I": 4, "P": 4, "Q": 4, "C": 1, "S": 1
    }  # fmt: skip
    assert (scan.messages, scan.length_errors, scan.unknown_types) == (1000, 0, 0)


def test_the_open_lasts_as_long_as_it_did(real: Path) -> None:
    assert itch(real, OPEN).duration_ns >= 2_364_611 - 230


def test_start_of_day_and_open_follow_each_other_without_hours_of_silence(real: Path) -> None:
    stream = itch(real, START, OPEN)
    assert {kind: stream.scan.types[kind] for kind in "RHY"} == {"R": 993, "H": 3, "Y": 3}
    assert stream.duration_ns < 200_000_000
    assert stream.notes["gaps_collapsed"] == 2


def test_the_book_of_the_open_counts_unknown_references_and_equals_the_reference(real: Path) -> None:
    stream = itch(real, START, OPEN)
    reference = ReferenceBook()
    named: set[bytes] = set()
    references = before_the_cut = 0
    for message in messages_of(stream.arena.tobytes()):
        if message[:1] in b"ECXDU":
            references += 1
            before_the_cut += message[11:19] not in named
        if message[:1] in b"AFU":
            named.add(message[19:27] if message[:1] == b"U" else message[11:19])
        reference.apply(message)
    assert (before_the_cut, references) == (394, 427)
    book = PublishedBook.for_stream(stream.arena, adds=560)
    book.apply(stream.arena)
    assert [tuple(row) for row in book.rows().tolist()] == reference.rows()
    assert book.counters()["unknown_reference"] == reference.unknown == 399, (
        "5 are replacements of unknown orders"
    )


def test_every_itch_capture_holds_what_was_decoded_of_it_independently(real: Path) -> None:
    expected = json.loads((real / "expected.json").read_text())["itch"]
    seen = 0
    for entry in expected:
        stream = capture(real / entry["file"])
        packets = [packet for packet in entry["packets"] if packet["count"]]
        wanted = [
            (each["type"], each["len"], each["ts"]) for packet in packets for each in packet["messages"]
        ]
        got = [
            (chr(message[0]), len(message), int.from_bytes(message[5:11], "big"))
            for message in messages_of(stream.arena.tobytes())
        ]
        assert got == wanted, entry["file"]
        assert dict(stream.scan.types) == dict(Counter(kind for kind, _, _ in wanted))
        assert stream.packets["count"].tolist() == [packet["count"] for packet in packets]
        times = np.array([packet["cap_sec"] * 10**9 + packet["cap_nsec"] for packet in packets])
        assert stream.packets["intended_ns"].tolist() == (times - times[0]).tolist()
        zeroed = packets[0]["session_hex"] == "00" * 10
        assert stream.notes["renumbered"] is zeroed
        if not zeroed:
            assert stream.session.hex() == packets[0]["session_hex"]
            assert stream.first_sequence == packets[0]["seq"]
        seen += 1
    assert seen == 12


@pytest.mark.parametrize("pattern", ["pcaps/*Ouch*.pcap", "pcaps/Cme*.pcap", "mdp3/*.pcap"])
def test_captures_of_other_protocols_are_refused_with_what_was_found(real: Path, pattern: str) -> None:
    paths = sorted(real.glob(pattern))
    assert paths
    for path in paths:
        with pytest.raises(InputError, match="no MoldUDP64 data packet"):
            capture(path)
