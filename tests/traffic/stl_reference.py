"""What TRex's documents say a profile sends: JSON streams enter; (time in ns, stream name, frame) in order leave.

Written from trex_rpc_server_spec ("Add Stream", "vm") and shares nothing with the code under test: a heap of events and
arithmetic with whole numbers. Only the generator of random numbers is the project's own (splitmix64), as it must be.
"""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterator
from typing import Any

PS = 10**12
LINE_BPS = 10**10


def splitmix64(state: int) -> Iterator[int]:
    """Steele, Lea, Flood 2014."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        yield mixed ^ mixed >> 31


def ones_complement(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def with_ipv4_sum(frame: bytes, at: int, size: int) -> bytes:
    bare = frame[: at + 10] + b"\0\0" + frame[at + 12 :]
    return (
        bare[: at + 10]
        + (ones_complement(bare[at : at + size]) ^ 0xFFFF).to_bytes(2, "big")
        + bare[at + 12 :]
    )


def with_l4_sum(frame: bytes, instruction: dict[str, Any]) -> bytes:
    """As hardware does: the IPv4 header and what its length says is behind it, or all that there is."""
    ip, l3 = instruction["l2_len"], instruction["l3_len"]
    frame = with_ipv4_sum(frame, ip, l3)
    if instruction["l4_type"] == 17:
        return frame
    protocol, header, place = (17, 8, 6) if instruction["l4_type"] == 11 else (6, 20, 16)
    size = min(max(int.from_bytes(frame[ip + 2 : ip + 4], "big") - l3, header), len(frame) - ip - l3)
    at = ip + l3 + place
    bare = frame[:at] + b"\0\0" + frame[at + 2 :]
    pseudo = bare[ip + 12 : ip + 20] + bytes([0, protocol]) + size.to_bytes(2, "big")
    segment = bare[ip + l3 : ip + l3 + size]
    total = (ones_complement(pseudo + segment + b"\0" * (size % 2))) ^ 0xFFFF
    if protocol == 17 and total == 0:
        total = 0xFFFF
    return bare[:at] + total.to_bytes(2, "big") + bare[at + 2 :]


def ring(low: int, high: int, start: int, step: int) -> Iterator[int]:
    """low .. high as a ring, from start on."""
    count = high - low + 1
    place = start - low
    while True:
        yield low + place
        place = (place + step) % count


def flows(instruction: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Addresses, and a port further whenever they begin again."""
    addresses = instruction["ip_max"] - instruction["ip_min"] + 1
    ports = instruction["port_max"] - instruction["port_min"] + 1
    while True:
        number = 0
        while not instruction["limit_flows"] or number < instruction["limit_flows"]:
            yield (
                instruction["ip_min"] + number % addresses,
                instruction["port_min"] + number // addresses % ports,
            )
            number += 1


class Frames:
    """The frames of one stream, one after the other."""

    def __init__(self, row: dict[str, Any], seed: int) -> None:
        self.row, self.seed = row, seed
        self.made = 0
        self.restart()

    def restart(self) -> None:
        self.random = splitmix64(self.seed)
        self.variables: dict[str, Iterator[Any]] = {}
        self.frame = self.first()
        for one in self.row["vm"]["instructions"]:
            if one["type"] == "flow_var" and one["op"] != "random":
                step = one["step"] if one["op"] == "inc" else -one["step"]
                self.variables[one["name"]] = ring(
                    one["min_value"], one["max_value"], one["init_value"], step
                )
            elif one["type"] == "tuple_flow_var":
                self.variables[one["name"]] = flows(one)

    def first(self) -> bytes:
        frame = base64.b64decode(self.row["packet"]["binary"]).ljust(60, b"\0")
        if self.row["flags"] >> 1 & 3 != 1 and frame[12:14] == b"\x08\x00" and 224 <= frame[30] < 240:
            frame = bytes([1, 0, 0x5E, frame[31] & 0x7F]) + frame[32:34] + frame[6:]
        return frame

    def next(self) -> bytes:
        cache = self.row["vm"].get("cache")
        if cache and self.made and self.made % cache == 0:
            kept = self.frame
            self.restart()
            self.frame = kept
        self.made += 1
        values: dict[str, tuple[int, int]] = {}
        whole, length = self.frame, len(self.frame)
        late = []
        for one in self.row["vm"]["instructions"]:
            kind = one["type"]
            if kind == "flow_var" and one["op"] == "random":
                count = one["max_value"] - one["min_value"] + 1
                values[one["name"]] = (one["min_value"] + next(self.random) * count // 2**64, one["size"])
            elif kind == "flow_var":
                values[one["name"]] = (next(self.variables[one["name"]]), one["size"])
            elif kind == "tuple_flow_var":
                address, port = next(self.variables[one["name"]])
                values[one["name"] + ".ip"], values[one["name"] + ".port"] = (address, 4), (port, 2)
            elif kind == "write_flow_var":
                value, size = values[one["name"]]
                order = "big" if one["is_big_endian"] else "little"
                text = ((value + one["add_value"]) % 256**size).to_bytes(size, order)
                whole = whole[: one["pkt_offset"]] + text + whole[one["pkt_offset"] + size :]
            elif kind == "trim_pkt_size":
                length = values[one["name"]][0]
            elif kind == "fix_checksum_ipv4":
                at = one["pkt_offset"]
                size = (whole[at] & 15) * 4
                size = size if 20 <= size <= length - at else 20
                whole = with_ipv4_sum(whole, at, size)
            else:
                late.append(one)
        for one in late:
            whole = with_l4_sum(whole[:length], one) + whole[length:]
        self.frame = whole  # a stream owns one frame: what was written stays
        return whole[:length]


def gap_ps(row: dict[str, Any]) -> int:
    """From one frame of a burst to the next."""
    lengths = {one["name"]: one for one in row["vm"]["instructions"] if one["type"] == "flow_var"}
    expected = float(max(len(base64.b64decode(row["packet"]["binary"])), 60))
    for one in row["vm"]["instructions"]:
        if one["type"] == "trim_pkt_size":
            variable = lengths[one["name"]]
            expected = (variable["min_value"] + variable["max_value"]) / 2
    kind, value = row["mode"]["rate"]["type"], row["mode"]["rate"]["value"]
    l2_bits, l1_bits = 8 * (expected + 4), 8 * (expected + 24)
    per_s = {
        "pps": value,
        "bps_L2": value / l2_bits,
        "bps_L1": value / l1_bits,
        "percentage": value * LINE_BPS / 100 / l1_bits,
    }[kind]
    return round(PS / per_s)


def reference(
    rows: list[dict[str, Any]],
    *,
    seeds: list[int],
    horizon_ns: int,
    from_ns: int = 0,
    until_ns: int | None = None,
    most: int = 100_000,
) -> list[tuple[int, int, int, bytes]]:
    """(time, stream, burst or -1, frame) of every frame up to the horizon, in order; streams by their place."""
    names = {row["name"]: place for place, row in enumerate(rows)}
    frames = [Frames(row, seed) for row, seed in zip(rows, seeds, strict=True)]
    gaps = [gap_ps(row) for row in rows]
    turns = [row["action_count"] for row in rows]
    bursts = [-1] * len(rows)
    running = [False] * len(rows)
    heap: list[tuple[int, int]] = []
    left: list[list[float]] = [[0, 0] for _ in rows]

    def sizes(row: dict[str, Any]) -> tuple[float, float]:
        mode, endless = row["mode"], float("inf")
        if mode["type"] == "continuous":
            return endless, 1
        if mode["type"] == "single_burst":
            return mode["total_pkts"], 1
        return mode["pkts_per_burst"], mode["count"] or endless

    def begin(place: int, at_ps: int) -> None:
        running[place] = True
        left[place] = list(sizes(rows[place]))
        bursts[place] += 1
        heapq.heappush(heap, (at_ps + round(rows[place]["isg"] * 10**6), place))

    for place, row in enumerate(rows):
        if row["self_start"] and not row["start_paused"]:
            begin(place, from_ns * 1000)
    sent = []
    while heap and len(sent) < most:
        at_ps, place = heapq.heappop(heap)
        at_ns = at_ps // 1000
        if at_ns > horizon_ns or (until_ns is not None and at_ns >= until_ns):
            continue
        row = rows[place]
        burst = -1 if row["mode"]["type"] == "continuous" else bursts[place]
        sent.append((at_ns, place, burst, frames[place].next()))
        left[place][0] -= 1
        if left[place][0] > 0:
            heapq.heappush(heap, (at_ps + gaps[place], place))
            continue
        left[place][1] -= 1
        if left[place][1] > 0:
            left[place][0] = sizes(row)[0]
            bursts[place] += 1
            heapq.heappush(heap, (at_ps + round(row["mode"]["ibg"] * 10**6), place))
            continue
        running[place] = False
        following = row.get("next")
        if following is None or running[names[following]]:
            continue
        if turns[place]:
            turns[place] -= 1
            if not turns[place]:
                continue
        begin(names[following], at_ps)
    return sent
