"""ITCH files as a source: what is read, how time is kept, and what is said of damaged files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traffic_reference import add, delete, frame, head

from traffic.config import ItchFileSource, PackingConfig
from traffic.errors import InputError
from traffic.market.itch_file import itch_file_stream
from traffic.market.stream import Stream

SECOND_NS = 1_000_000_000


def read(*paths: Path, messages_max: int = 1, **options: object) -> Stream:
    source = ItchFileSource(kind="itch_file", paths=tuple(str(path) for path in paths), **options)  # type: ignore[arg-type]
    packing = PackingConfig(messages_max=messages_max, gap_min_ns=0)
    return itch_file_stream(source, session=b"TAILGATE01", packing=packing, bursts=None)


def day(*times_ns: int) -> bytes:
    return frame(*(add(1 + index, "B", 1, 1, time_ns=time) for index, time in enumerate(times_ns)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.itch"


def test_plain_and_gzip_files_are_told_apart_by_content(path: Path) -> None:
    path.write_bytes(gzip.compress(day(5, 6)))
    assert read(path).arena.tobytes() == day(5, 6)
    path.write_bytes(day(5, 6))
    assert read(path).arena.tobytes() == day(5, 6)


def test_a_length_of_zero_ends_the_file_and_what_is_behind_it_is_said(path: Path) -> None:
    path.write_bytes(day(5) + b"\0\0" + b"junk")
    stream = read(path)
    assert stream.arena.tobytes() == day(5)
    assert stream.notes["bytes_behind_end_marker"] == 4


def test_real_spacing_is_kept_and_scaled_by_speed(path: Path) -> None:
    path.write_bytes(day(1000, 1500, 4000))
    assert read(path).packets["intended_ns"].tolist() == [0, 500, 3000]
    assert read(path, speed=0.1).packets["intended_ns"].tolist() == [0, 5000, 30000]


def test_an_even_rate_overrides_real_spacing(path: Path) -> None:
    path.write_bytes(day(1000, 1500, 4000))
    assert read(path, rate_per_s=1000).packets["intended_ns"].tolist() == [0, 1_000_000, 2_000_000]


def test_long_gaps_are_shortened_and_counted_before_scaling(path: Path) -> None:
    path.write_bytes(day(0, SECOND_NS, 2 * SECOND_NS, 2 * SECOND_NS + 7))
    stream = read(path, speed=2.0)
    assert stream.packets["intended_ns"].tolist() == [0, 50_000_000, 100_000_000, 100_000_004]
    assert stream.notes["gaps_collapsed"] == 2
    assert read(path, gap_max_ns=None).duration_ns == 2 * SECOND_NS + 7


def test_files_follow_each_other_a_millisecond_apart(tmp_path: Path) -> None:
    for name, data in (("a", day(10, 20)), ("b", day(5 * SECOND_NS))):
        (tmp_path / name).write_bytes(data)
    stream = read(tmp_path / "a", tmp_path / "b")
    assert stream.packets["intended_ns"].tolist() == [0, 10, 1_000_010]
    assert stream.notes["gaps_collapsed"] == 1


def test_times_that_go_back_keep_the_order_of_the_file(path: Path) -> None:
    path.write_bytes(day(500, 100, 600))
    assert read(path).packets["intended_ns"].tolist() == [0, 0, 500]


def test_unknown_types_and_longer_messages_pass_and_are_counted(path: Path) -> None:
    path.write_bytes(frame(head("z") + b"new", delete(1) + b"tail"))
    scan = read(path).scan
    assert (scan.messages, scan.unknown_types, scan.length_errors, dict(scan.types)) == (
        2,
        1,
        1,
        {"z": 1, "D": 1},
    )


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (frame(delete(1)) + b"\0", "message 1 at byte 21: the file ends at byte 22, inside a length field"),
        (
            frame(delete(1)) + frame(delete(2))[:-1],
            "message 1 at byte 21: the file ends at byte 41, inside the message",
        ),
        (frame(delete(1), delete(2)[:-1]), "message 1 at byte 21: length 18 is impossible for type 'D'"),
        (
            frame(b"z" * 10),
            "message 0 at byte 0: length 10 is impossible for type 'z', which has at least 11 bytes",
        ),
        (frame(b"z" * 1451), "length 1451 is impossible: no packet carries more than 1450 bytes"),
        (b"", "no messages in it"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
        (gzip.compress(day(1), mtime=0)[:-3], "damaged gzip"),
    ],
)
def test_damage_is_one_error_with_file_message_and_byte(path: Path, damage: bytes, says: str) -> None:
    path.write_bytes(damage)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_with_its_name(path: Path) -> None:
    with pytest.raises(InputError, match=r"day\.itch: cannot be read"):
        read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_give_a_stream_or_one_error(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        stream = read(path, messages_max=100)
    except InputError:
        return
    assert stream.packets["count"].sum() == stream.scan.messages
