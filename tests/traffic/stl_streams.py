"""Streams in TRex's JSON for tests, what the code under test makes of them, and what the reference model does."""

from __future__ import annotations

import base64
from typing import Any

from stl_reference import reference

from traffic.noise_bindings import Noise, NoiseProfile, play
from traffic.profiles.program import compile_streams
from traffic.profiles.streams import read_streams

HORIZON_NS = 3_000_000
IPV4 = bytes.fromhex("01005e480101020000000001080045000032000100004011000" + "00ac80001efc80101")


def packet(size: int, *, group: bool = True) -> bytes:
    """Ethernet, IPv4 and UDP, and a payload that counts."""
    headers = bytearray(IPV4[:34])
    headers[16:18] = (size - 14).to_bytes(2, "big")
    if not group:
        headers[30:34] = bytes([10, 200, 0, 9])
    udp = (26600).to_bytes(2, "big") * 2 + (size - 34).to_bytes(2, "big") + b"\0\0"
    return bytes(headers) + udp + bytes(index % 256 for index in range(size - 42))


def stream(name: str = "a", size: int = 100, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "flags": 3,
        "action_count": 0,
        "enabled": True,
        "self_start": True,
        "start_paused": False,
        "isg": 0.0,
        "core_id": -1,
        "mode": {"type": "continuous", "rate": {"type": "pps", "value": 10_000}},
        "packet": {"binary": base64.b64encode(packet(size)).decode(), "meta": ""},
        "vm": {"instructions": []},
        "flow_stats": {"enabled": False},
    }
    return {**row, **changes}


def flow_var(name: str = "v", **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "flow_var",
        "name": name,
        "size": 2,
        "op": "inc",
        "init_value": 1,
        "min_value": 1,
        "max_value": 5,
        "step": 1,
        "next_var": None,
        "split_to_cores": True,
    }
    return {**row, **changes}


def write(name: str = "v", at: int = 50, **changes: Any) -> dict[str, Any]:
    row = {"type": "write_flow_var", "name": name, "pkt_offset": at, "add_value": 0, "is_big_endian": True}
    return {**row, **changes}


def played(
    rows: list[dict[str, Any]], *, seed: int = 1, horizon_ns: int = HORIZON_NS, **times: Any
) -> list[tuple[int, int, int, bytes]]:
    streams = compile_streams(read_streams(rows, profile="p"), profile="p", seed=seed)
    noise = Noise([NoiseProfile(profile="p", line=0, streams=streams, **times)], horizon_ns=horizon_ns)
    bursts = noise.records["burst"].tolist()
    return [(at, place, burst, frame) for (at, place, frame), burst in zip(play(noise), bursts, strict=True)]


def expected(
    rows: list[dict[str, Any]], *, seed: int = 1, horizon_ns: int = HORIZON_NS, **times: Any
) -> list[tuple[int, int, int, bytes]]:
    seeds = [
        row.get("random_seed") or (seed * 0x9E3779B97F4A7C15 + place + 1) % 2**64
        for place, row in enumerate(rows)
    ]
    return reference(rows, seeds=seeds, horizon_ns=horizon_ns, **times)
