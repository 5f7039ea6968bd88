"""What the pacer cannot execute is named, in one line, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from stl_streams import flow_var, played, stream, write

from traffic.errors import InputError

MASK = {
    "type": "write_mask_flow_var",
    "name": "v",
    "pkt_offset": 1,
    "pkt_cast_size": 1,
    "mask": 1,
    "shift": 0,
}
REFUSED = [
    (
        {"vm": {"instructions": [flow_var(), MASK]}},
        r"stream a: instruction 2 \(write_mask_flow_var\): the pacer",
    ),
    ({"vm": {"instructions": [{"type": "flow_var_rand_limit"}]}}, r"instruction 1 \(flow_var_rand_limit\)"),
    ({"vm": {"instructions": [flow_var(next_var="w")]}}, r"instruction 1 \(flow_var\): next_var"),
    ({"vm": {"instructions": [flow_var(value_list=[1])]}}, r"instruction 1 \(flow_var\): value_list"),
    ({"vm": {"instructions": [flow_var(size=3)]}}, r"instruction 1 \(flow_var\): size"),
    ({"vm": {"instructions": [flow_var(size=1, max_value=256)]}}, r"1 bytes have to hold max"),
    ({"vm": {"instructions": [flow_var(step=9)]}}, r"step is 1 up to the number of values"),
    ({"vm": {"instructions": [write("x")]}}, r"instruction 1 \(write_flow_var\): no instruction before it"),
    ({"vm": {"instructions": [flow_var(), flow_var()]}}, r"instruction 2 \(flow_var\): there is a variable"),
    ({"vm": {"instructions": [flow_var(), write(at=99)]}}, r"reaches to byte 101 of a frame of 100"),
    (
        {"vm": {"instructions": [flow_var(), {"type": "trim_pkt_size", "name": "v"}]}},
        r"it trims to 1 to 5 bytes",
    ),
    ({"vm": {"instructions": [{"type": "fix_checksum_ipv4", "pkt_offset": 90}]}}, r"reaches to byte 110"),
    (
        {"vm": {"instructions": [{"type": "fix_checksum_hw", "l2_len": 0, "l3_len": 20, "l4_type": 11}]}},
        r"there is no IPv4 header at 0",
    ),
    ({"flow_stats": {"enabled": True, "stream_id": 7}}, r"stream a: flow_stats"),
    ({"flags": 11}, r"stream a: dummy_stream"),
    ({"next": "z"}, r"stream a: next: there is no enabled stream called z"),
    ({"mode": {"type": "continuous", "rate": {"type": "pps", "value": 0}}}, r"stream a: mode.*rate.value"),
    ({"mode": {"type": "continuous", "rate": {"type": "pps", "value": 1e-9}}}, r"less than a frame an hour"),
    ({"surprise": 1}, r"stream a: surprise"),
    ({"self_start": False}, r"no stream starts by itself"),
    ({"packet": {"binary": "!", "meta": ""}}, r"stream a: packet.binary: not base64"),
]


@pytest.mark.parametrize(("changes", "complaint"), REFUSED)
def test_what_cannot_be_executed_is_named_in_one_line(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        played([stream(**changes)])
    assert "\n" not in str(caught.value)


def test_a_chain_that_takes_no_time_is_refused() -> None:
    once = {"type": "single_burst", "total_pkts": 1, "rate": {"type": "pps", "value": 1}}
    with pytest.raises(InputError, match="takes no time"):
        played([stream(mode=once, next="a")])
