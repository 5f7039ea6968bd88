"""The packetiser against the words of its header, for any times and options."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from traffic_reference import frame, messages_of

from traffic.bindings import ScheduleOptions, build_schedule, packet_sums
from traffic.market.stream import bounded_gaps, even_offsets

messages = st.lists(st.tuples(st.integers(11, 60), st.integers(0, 20_000)), min_size=1, max_size=200)
options = st.builds(
    ScheduleOptions,
    first_sequence=st.integers(1, 2**40),
    messages_max=st.integers(1, 70),
    gap_min_ns=st.integers(0, 10_000),
    burst_messages=st.integers(1, 40),
    burst_every_ns=st.sampled_from([0, 30_000, 200_000]),
    burst_spacing_ns=st.integers(0, 1000),
    burst_packing=st.integers(1, 50),
)


def arena_of(drawn: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    framed = frame(*(bytes([65 + index % 26]) * length for index, (length, _) in enumerate(drawn)))
    times = np.cumsum([0] + [gap for _, gap in drawn[1:]]).astype(np.int64)
    return np.frombuffer(bytearray(framed), np.uint8), times


@given(messages, options)
def test_every_message_is_in_one_packet_in_order_and_within_the_bounds(
    drawn: list[tuple[int, int]], chosen: ScheduleOptions
) -> None:
    arena, times = arena_of(drawn)
    packets = build_schedule(arena, times, chosen)
    sequence, offset, previous = chosen.first_sequence, 0, None
    in_burst: dict[int, int] = {}
    framed = arena.tobytes()
    for packet in packets:
        assert (packet["first_sequence"], packet["message_offset"]) == (sequence, offset)
        size = int(packet["bytes"]) - 20
        assert len(list(messages_of(framed[offset : offset + size]))) == packet["count"] >= 1
        assert packet["bytes"] <= 1472
        burst = int(packet["burst"])
        if burst < 0:
            assert packet["count"] <= chosen.messages_max
        else:
            assert packet["count"] <= chosen.burst_packing
            in_burst[burst] = in_burst.get(burst, 0) + int(packet["count"])
        if previous is not None:
            same_burst = burst >= 0 and burst == previous["burst"]
            gap = int(packet["intended_ns"] - previous["intended_ns"])
            assert gap == chosen.burst_spacing_ns if same_burst else gap >= chosen.gap_min_ns
        sequence += int(packet["count"])
        offset += size
        previous = packet
    assert offset == len(framed)
    assert sequence == chosen.first_sequence + len(drawn)
    assert sorted(in_burst) == list(range(len(in_burst)))
    assert all(count == chosen.burst_messages for count in list(in_burst.values())[:-1])
    if chosen.burst_every_ns == 0:
        assert not in_burst


@given(messages, st.integers(1, 70), st.integers(0, 10_000))
def test_without_bursts_no_message_leaves_early_and_none_waits_without_cause(
    drawn: list[tuple[int, int]], messages_max: int, gap_min_ns: int
) -> None:
    arena, times = arena_of(drawn)
    packets = build_schedule(arena, times, ScheduleOptions(messages_max=messages_max, gap_min_ns=gap_min_ns))
    first = 0
    soonest = 0
    for packet in packets:
        last = first + int(packet["count"]) - 1
        assert times[last] <= packet["intended_ns"] == max(int(times[first]), soonest)
        soonest = int(packet["intended_ns"]) + gap_min_ns
        first = last + 1


def test_the_base_flow_goes_on_around_a_burst_as_if_the_burst_were_extra() -> None:
    arena, times = arena_of([(20, 1000)] * 100)
    packets = build_schedule(
        arena,
        times,
        ScheduleOptions(burst_messages=30, burst_every_ns=10_000, burst_spacing_ns=10, burst_packing=10),
    )
    assert packets["intended_ns"][:14].tolist() == [*range(0, 10_000, 1000), 10_000, 10_010, 10_020, 10_020]
    assert packets["burst"][8:15].tolist() == [-1, -1, 0, 0, 0, -1, -1]
    assert packets["intended_ns"][14] == 11_000


def test_stamps_are_written_only_where_asked() -> None:
    arena, times = arena_of([(20, 0), (20, 700), (20, 100)])
    before = arena.copy()
    build_schedule(arena, times, ScheduleOptions(messages_max=2))
    assert (arena == before).all()
    build_schedule(arena, times, ScheduleOptions(stamp_base_ns=5000))
    assert [int.from_bytes(each[5:11], "big") for each in messages_of(arena.tobytes())] == [5000, 5700, 5800]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30))
def test_sums_are_ones_complement_sums_of_the_blocks(payloads: list[bytes]) -> None:
    framed = frame(*payloads)
    packets = build_schedule(
        np.frombuffer(bytearray(framed), np.uint8),
        np.zeros(len(payloads), np.int64),
        ScheduleOptions(messages_max=7),
    )
    for packet, total in zip(packets, packet_sums(np.frombuffer(framed, np.uint8), packets), strict=True):
        begin = int(packet["message_offset"])
        blocks = framed[begin : begin + int(packet["bytes"]) - 20]
        words = [
            int.from_bytes(blocks[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(blocks), 2)
        ]
        assert int(total) % 0xFFFF == sum(words) % 0xFFFF


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50), st.floats(0.01, 100), st.integers(0, 10**9))
def test_bounded_gaps_keep_order_and_shorten_only_long_gaps(
    times: list[int], speed: float, gap_max_ns: int
) -> None:
    offsets, collapsed = bounded_gaps(np.array(times, np.int64), speed=speed, gap_max_ns=gap_max_ns)
    gaps = [max(0, later - earlier) for earlier, later in itertools.pairwise(times)]
    assert collapsed == sum(gap > gap_max_ns for gap in gaps)
    assert offsets[0] == 0
    for gap, real in zip(np.diff(offsets), gaps, strict=True):
        assert abs(int(gap) - min(real, gap_max_ns) / speed) <= 1 + 1e-6 * int(gap)


def test_even_offsets_do_not_drift() -> None:
    offsets = even_offsets(3_000_001, 3)
    assert offsets[-1] == 10**15
