"""Any program: what the pacer would send, and when, is what the reference model of TRex's documents says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stl_streams import expected, flow_var, played, stream, write

from traffic.profiles.program import compile_streams
from traffic.profiles.streams import read_streams

SIZES = (1, 2, 4, 8)


def frames(*instructions: dict[str, Any], count: int = 8, **changes: Any) -> list[bytes]:
    """The first frames of one stream with this field engine program."""
    rows = [stream(vm={"instructions": list(instructions)}, **changes)]
    sent = played(rows)
    assert sent == expected(rows)
    return [frame for *_, frame in sent[:count]]


def values(*instructions: dict[str, Any], size: int = 2, at: int = 50, order: str = "big") -> list[int]:
    return [
        int.from_bytes(frame[at : at + size], order)  # type: ignore[arg-type]
        for frame in frames(*instructions)
    ]


# Programs at random.


@st.composite
def variables(draw: st.DrawFn, name: str) -> dict[str, Any]:
    size = draw(st.sampled_from(SIZES))
    low, high = sorted(draw(st.tuples(*[st.integers(0, 256**size - 1)] * 2)))
    if draw(st.booleans()):
        high = min(low + draw(st.integers(0, 6)), 256**size - 1)
    return flow_var(
        name,
        size=size,
        op=draw(st.sampled_from(("inc", "dec", "random"))),
        min_value=low,
        max_value=high,
        init_value=draw(st.integers(low, high)),
        step=draw(st.integers(1, max(1, min(high - low + 1, 256**size - 1)))),
    )


@st.composite
def programs(draw: st.DrawFn, length: int) -> dict[str, Any]:
    """Variables first, then what uses them, in any order."""
    named = [draw(variables(f"v{place}")) for place in range(draw(st.integers(0, 3)))]
    sizes = {one["name"]: one["size"] for one in named}
    instructions: list[dict[str, Any]] = list(named)
    if draw(st.booleans()):
        low = draw(st.integers(0, 2**32 - 10))
        port = draw(st.integers(0, 2**16 - 4))
        instructions.append(
            {
                "type": "tuple_flow_var",
                "name": "t",
                "ip_min": low,
                "ip_max": low + draw(st.integers(0, 4)),
                "port_min": port,
                "port_max": port + draw(st.integers(0, 3)),
                "limit_flows": draw(st.integers(0, 12)),
                "flags": 0,
            }
        )
        sizes |= {"t.ip": 4, "t.port": 2}
    writes = [
        write(
            name,
            draw(st.integers(0, length - size)),
            add_value=draw(st.integers(-300, 300)),
            is_big_endian=draw(st.booleans()),
        )
        for name, size in sizes.items()
        for _ in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()):
        low, high = sorted(draw(st.tuples(st.integers(60, length), st.integers(60, length))))
        instructions.append(
            flow_var("len", op="random", min_value=low, max_value=high, init_value=low, size=2)
        )
        writes += [{"type": "trim_pkt_size", "name": "len"}, write("len", 16, add_value=-14)]
    if draw(st.booleans()):
        writes.append({"type": "fix_checksum_ipv4", "pkt_offset": 14})
    if draw(st.booleans()):
        kind = draw(st.sampled_from((11, 13, 17)))
        writes.append({"type": "fix_checksum_hw", "l2_len": 14, "l3_len": 20, "l4_type": kind})
    program: dict[str, Any] = {"instructions": instructions + draw(st.permutations(writes))}
    if draw(st.booleans()):
        program["cache"] = draw(st.integers(1, 9))
    return program


modes = st.one_of(
    st.just({"type": "continuous"}),
    st.builds(lambda count: {"type": "single_burst", "total_pkts": count}, st.integers(1, 9)),
    st.builds(
        lambda packets, gap, count: {
            "type": "multi_burst", "pkts_per_burst": packets, "ibg": gap, "count": count,
        },
        st.integers(1, 6), st.floats(0.5, 500.0), st.integers(0, 4),
    ),
)  # fmt: skip
rates = st.one_of(
    st.builds(lambda value: {"type": "pps", "value": value}, st.floats(1000.0, 300_000.0)),
    st.builds(lambda value: {"type": "bps_L1", "value": value}, st.floats(1e6, 2e8)),
    st.builds(lambda value: {"type": "bps_L2", "value": value}, st.floats(1e6, 2e8)),
    st.builds(lambda value: {"type": "percentage", "value": value}, st.floats(0.01, 2.0)),
)


@st.composite
def profiles(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 4))
    rows = []
    for place in range(count):
        size = draw(st.integers(60, 120))
        rows.append(
            stream(
                f"s{place}",
                size,
                flags=draw(st.sampled_from((1, 3, 5))),
                isg=draw(st.floats(1.0, 900.0)),
                self_start=place == 0 or draw(st.booleans()),
                start_paused=place > 0 and draw(st.booleans()),
                action_count=draw(st.integers(0, 4)),
                mode={**draw(modes), "rate": draw(rates)},
                vm=draw(programs(size)),
                random_seed=draw(st.sampled_from((0, 1, 77))),
                next=draw(st.sampled_from([None, *(f"s{other}" for other in range(count))])),
            )
        )
    return rows


@settings(max_examples=300, deadline=None)
@given(rows=profiles(), seed=st.integers(0, 2**63))
def test_any_program_sends_what_the_reference_says(rows: list[dict[str, Any]], seed: int) -> None:
    assert played(rows, seed=seed) == expected(rows, seed=seed)


@settings(max_examples=50, deadline=None)
@given(rows=profiles(), start=st.integers(0, 2_000_000), length=st.integers(1, 2_000_000))
def test_a_profile_plays_from_its_start_for_its_duration(
    rows: list[dict[str, Any]], start: int, length: int
) -> None:
    times = {"from_ns": start, "until_ns": start + length}
    sent = played(rows, **times)
    assert sent == expected(rows, **times)
    assert all(start <= at < start + length for at, *_ in sent)


# One thing at a time, with the values of TRex's own documents.


@pytest.mark.parametrize(
    ("variable", "shown"),
    [
        ({"op": "inc", "min_value": 0, "max_value": 3, "init_value": 0}, [0, 1, 2, 3, 0, 1, 2, 3]),
        ({"op": "dec", "min_value": 0, "max_value": 3, "init_value": 0}, [0, 3, 2, 1, 0, 3, 2, 1]),
        (
            {"op": "inc", "min_value": 0, "max_value": 10, "init_value": 0, "step": 3},
            [0, 3, 6, 9, 1, 4, 7, 10],
        ),
        ({"op": "inc", "min_value": 7, "max_value": 7, "init_value": 7}, [7] * 8),
    ],
)
def test_a_variable_steps_on_its_ring(variable: dict[str, Any], shown: list[int]) -> None:
    assert values(flow_var(**variable), write()) == shown


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", ["big", "little"])
def test_a_write_has_the_size_and_the_order_asked_for(size: int, order: str) -> None:
    last = 256**size - 1
    variable = flow_var(size=size, min_value=0, max_value=last, init_value=last - 1)
    shown = values(variable, write(is_big_endian=order == "big", add_value=1), size=size, order=order)
    assert shown[:3] == [last, 0, 1]  # what does not fit is cut


def test_flows_walk_through_the_addresses_first() -> None:
    flow = {
        "type": "tuple_flow_var",
        "name": "t",
        "ip_min": 1,
        "ip_max": 3,
        "port_min": 1025,
        "port_max": 1028,
    }
    made = frames({**flow, "limit_flows": 5, "flags": 0}, write("t.ip", 50), write("t.port", 60))
    shown = [(int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[60:62], "big")) for frame in made]
    assert shown[:6] == [(1, 1025), (2, 1025), (3, 1025), (1, 1026), (2, 1026), (1, 1025)]


def test_a_cached_program_repeats_its_first_frames() -> None:
    rows = [stream(vm={"instructions": [flow_var(op="random", max_value=60_000), write()], "cache": 3})]
    sent = [frame for *_, frame in played(rows)]
    assert sent == [frame for *_, frame in expected(rows)]
    assert sent[0:3] == sent[3:6] == sent[6:9]
    assert len(set(sent[0:3])) == 3


def test_random_values_fill_the_whole_range() -> None:
    rows = [
        stream(vm={"instructions": [flow_var(op="random", min_value=0, max_value=3, init_value=0), write()]})
    ]
    sent = played(rows, horizon_ns=100_000_000)
    assert {int.from_bytes(frame[50:52], "big") for *_, frame in sent} == {0, 1, 2, 3}


def test_a_rate_that_is_no_whole_number_of_nanoseconds_drifts_by_a_millionth_at_most() -> None:
    rows = [stream(mode={"type": "continuous", "rate": {"type": "pps", "value": 3_000_000}})]
    sent = played(rows, horizon_ns=10_000_000)
    assert len(sent) == 30_001
    assert 10_000_000 - 10 <= sent[-1][0] <= 10_000_000


@pytest.mark.parametrize(
    ("rate", "gap_ns"),
    [
        ({"type": "pps", "value": 20_000}, 50_000),
        ({"type": "bps_L2", "value": 8 * 104 * 20_000}, 50_000),  # 100 bytes and the frame check sequence
        ({"type": "bps_L1", "value": 8 * 124 * 20_000}, 50_000),
        ({"type": "percentage", "value": 8 * 124 * 20_000 / 1e8}, 50_000),  # of 10 Gb/s
    ],
)
def test_every_kind_of_rate_is_a_gap(rate: dict[str, Any], gap_ns: int) -> None:
    times = [at for at, *_ in played([stream(mode={"type": "continuous", "rate": rate})])]
    assert times[:4] == [0, gap_ns, 2 * gap_ns, 3 * gap_ns]


def test_a_burst_pauses_behind_its_last_frame() -> None:
    mode = {
        "type": "multi_burst", "pkts_per_burst": 2, "ibg": 100.0, "count": 2,
        "rate": {"type": "pps", "value": 100_000},
    }  # fmt: skip
    sent = played([stream(mode=mode, isg=7.0)])
    assert [(at, burst) for at, _, burst, _ in sent] == [(7000, 0), (17_000, 0), (117_000, 1), (127_000, 1)]


def test_a_chain_goes_on_after_the_next_streams_wait_and_ends_with_its_count() -> None:
    once = {"type": "single_burst", "total_pkts": 2, "rate": {"type": "pps", "value": 100_000}}
    rows = [
        stream("a", mode=once, next="b"),
        stream("b", mode=once, self_start=False, isg=5.0, next="a", action_count=2),
    ]
    sent = played(rows)
    assert [(at, place) for at, place, *_ in sent] == [
        (0, 0), (10_000, 0), (15_000, 1), (25_000, 1), (25_000, 0), (35_000, 0), (40_000, 1), (50_000, 1),
    ]  # fmt: skip


def test_a_stream_that_is_off_or_paused_sends_nothing() -> None:
    rows = [stream("a"), stream("b", enabled=False), stream("c", start_paused=True)]
    assert {place for _, place, *_ in played(rows)} == {0}


def test_addresses_that_trex_would_configure_are_the_groups_and_the_lines() -> None:
    streams = compile_streams(read_streams([stream(flags=0)], profile="p"), profile="p", seed=1)
    assert streams[0].frame[:6] == bytes.fromhex("01005e480101")
    assert streams[0].line_mac
    assert not compile_streams(read_streams([stream(flags=1)], profile="p"), profile="p", seed=1)[0].line_mac


def test_a_checksum_is_right() -> None:
    fix = {"type": "fix_checksum_hw", "l2_len": 14, "l3_len": 20, "l4_type": 11}
    for frame in frames(flow_var(), write(), fix):
        assert total(frame[14:34]) == 0xFFFF
        assert total(frame[26:34] + bytes([0, 17]) + (66).to_bytes(2, "big") + frame[34:100]) == 0xFFFF


def total(data: bytes) -> int:
    words = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return words
