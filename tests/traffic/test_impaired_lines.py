"""Impairments at the sender, as they arrive at the far end of the wires, and what the files say of them."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_process import Process, Wires, configure, sum_of

MESSAGES = 200
HEADERS = 42


def publish(
    wires: Wires, folder: Path, *rules: dict[str, object], rate_per_s: int = 20_000, seed: int = 7
) -> tuple[list[list[bytes]], np.ndarray, dict[str, Any]]:
    """Frames by line, packets.npy and exchange.json of a run with one message a packet."""
    config = configure(
        folder,
        seed=seed,
        source={
            "kind": "model", "symbols": 2, "messages": MESSAGES, "arrivals": "even", "rate_per_s": rate_per_s,
        },
        bursts=None,
        packing={"messages_max": 1, "gap_min_ns": 0},
        heartbeat_ns=10**9,
        impairments=list(rules),
    )  # fmt: skip
    with Process(config, namespace=wires.namespace) as process:
        process.event()
        process.command(do="start", at_ns=time.monotonic_ns() + 5_000_000)
        assert process.event()["event"] == "published"
        time.sleep(0.03)
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")
    summary = json.loads((folder / "out" / "exchange.json").read_text())
    return [wires.frames(0), wires.frames(1)], np.load(folder / "out" / "packets.npy"), summary


def numbers(frames: list[bytes]) -> list[int]:
    """Sequence numbers of the data packets, in the order of arrival."""
    heads = [struct.unpack_from(">QH", data, HEADERS + 10) for data in frames]
    return [sequence for sequence, count in heads if count not in (0, 0xFFFF)]


ALL = list(range(1, MESSAGES + 1))


@pytest.mark.privileged
def test_what_is_dropped_was_not_sent_and_the_other_line_has_it(wires: Wires, tmp_path: Path) -> None:
    rule = {
        "lines": ["A"],
        "action": "drop",
        "from_position": 50,
        "packets": 3,
        "repeat_every": 40,
        "repeat_left": 1,
    }
    (line_a, line_b), packets, summary = publish(wires, tmp_path, rule)
    lost = [50, 51, 52, 90, 91, 92]
    assert numbers(line_a) == [number for number in ALL if number not in lost]
    assert numbers(line_b) == ALL
    assert packets["first_sequence"][packets["sent_ns"][:, 0] == 0].tolist() == lost
    assert (packets["sent_ns"][:, 1] > 0).all()
    assert summary["lines"][0]["impaired"]["dropped"] == 6
    assert "impaired" not in summary["lines"][1]
    (done,) = summary["impairments"]
    assert {key: done[key] for key in ("rule", "line", "windows", "seen", "hit")} == {
        "rule": 0, "line": "A", "windows": 2, "seen": 6, "hit": 6,
    }  # fmt: skip
    assert (done["first_hit_ns"], done["last_hit_ns"]) == (
        packets["intended_ns"][49],
        packets["intended_ns"][91],
    )


@pytest.mark.privileged
def test_lines_lose_independently_or_together_and_the_same_again_with_the_seed(
    wires: Wires, tmp_path: Path
) -> None:
    rule = {"lines": ["A", "B"], "action": "drop", "pattern": "random", "probability": 0.2}
    (line_a, line_b), packets, _ = publish(wires, tmp_path, rule)
    assert numbers(line_a) != numbers(line_b)
    again, packets_again, _ = publish(wires, tmp_path, rule)
    assert [numbers(line) for line in again] == [numbers(line_a), numbers(line_b)]
    assert ((packets["sent_ns"] == 0) == (packets_again["sent_ns"] == 0)).all()
    others, _, _ = publish(wires, tmp_path, rule, seed=8)
    assert numbers(others[0]) != numbers(line_a)
    (line_a, line_b), packets, _ = publish(wires, tmp_path, rule | {"together": True})
    assert numbers(line_a) == numbers(line_b)
    assert ((packets["sent_ns"][:, 0] == 0) == (packets["sent_ns"][:, 1] == 0)).all()


@pytest.mark.privileged
def test_a_dead_line_has_no_heartbeats_and_no_end(wires: Wires, tmp_path: Path) -> None:
    (line_a, line_b), packets, summary = publish(wires, tmp_path, {"lines": ["B"], "action": "drop"})
    assert len(line_a) >= MESSAGES + 3
    assert not line_b
    assert not packets["sent_ns"][:, 1].any()
    assert summary["lines"][1]["impaired"]["controls_dropped"] >= 3


@pytest.mark.privileged
def test_copies_follow_their_packet(wires: Wires, tmp_path: Path) -> None:
    rule = {"lines": ["B"], "action": "duplicate", "amount": 2, "from_position": 7, "packets": 1}
    (line_a, line_b), packets, summary = publish(wires, tmp_path, rule)
    assert numbers(line_a) == ALL
    assert numbers(line_b) == sorted([*ALL, 7, 7])
    assert len({data for data in line_b if data in line_a}) <= MESSAGES
    assert (packets["sent_ns"] > 0).all()
    assert summary["lines"][1]["impaired"]["duplicated"] == 2


@pytest.mark.privileged
def test_a_reordered_packet_falls_behind_so_many(wires: Wires, tmp_path: Path) -> None:
    rules = [
        {"lines": ["A"], "action": "reorder", "amount": 3, "from_position": 20, "packets": 1},
        {"lines": ["A"], "action": "reorder", "amount": 2, "from_position": 60, "packets": 2},
        {"lines": ["A"], "action": "reorder", "amount": 5, "from_position": MESSAGES, "packets": 1},
    ]
    (line_a, line_b), packets, _ = publish(wires, tmp_path, *rules)
    expected = [
        *range(1, 20), 21, 22, 23, 20, *range(24, 60), 62, 60, 63, 61, *range(64, MESSAGES + 1),
    ]  # fmt: skip
    assert numbers(line_a) == expected
    assert numbers(line_b) == ALL
    sent_ns = packets["sent_ns"][:, 0]
    assert sent_ns[22] < sent_ns[19] < sent_ns[23], "the time is that of the real sending"
    assert (sent_ns > 0).all()


@pytest.mark.privileged
def test_a_delayed_line_is_behind_by_its_delay_and_in_order(wires: Wires, tmp_path: Path) -> None:
    rule = {"lines": ["B"], "action": "delay", "delay_ns": 3_000_000}
    (_, line_b), packets, summary = publish(wires, tmp_path, rule)
    assert numbers(line_b) == ALL
    behind_ns = packets["sent_ns"][:, 1] - packets["sent_ns"][:, 0]
    assert behind_ns.min() >= 3_000_000
    assert summary["lines"][1]["impaired"]["delayed"] == MESSAGES
    assert summary["lines"][1]["impaired"]["overflows"] == 0


@pytest.mark.privileged
def test_what_a_delay_has_no_room_for_is_sent_at_once_and_what_is_held_at_the_end_is_sent_then(
    wires: Wires, tmp_path: Path
) -> None:
    rules = [
        {"lines": ["A"], "action": "delay", "delay_ns": 10**10, "from_position": 1},
        {"lines": ["A"], "action": "duplicate", "amount": 9, "from_position": 1},
    ]
    (line_a, _), packets, summary = publish(wires, tmp_path, *rules)
    counted = summary["lines"][0]["impaired"]
    assert (counted["delayed"], counted["overflows"]) == (1024, 10 * MESSAGES - 1024)
    assert sorted(numbers(line_a)) == sorted(ALL * 10)
    assert (packets["sent_ns"][:, 0] > 0).all()


@pytest.mark.privileged
def test_one_rule_drops_what_another_delays_and_corrupts(wires: Wires, tmp_path: Path) -> None:
    rules = [
        {"lines": ["A"], "action": "delay", "delay_ns": 2_000_000},
        {"lines": ["A"], "action": "corrupt", "corruption": "count", "from_position": 30, "packets": 2},
        {"lines": ["A"], "action": "drop", "from_position": 31, "packets": 1},
    ]
    (line_a, _), packets, _ = publish(wires, tmp_path, *rules)
    assert numbers(line_a) == [number for number in ALL if number != 31]
    counts = {sequence: count for sequence, count in (struct.unpack_from(">QH", data, 52) for data in line_a)}
    assert counts[30] == 2
    assert packets["sent_ns"][30, 0] == 0


def checksum_is_right(data: bytes) -> bool:
    ip, udp = data[14:34], data[34:]
    assert struct.unpack_from(">H", ip, 2)[0] == len(data) - 14
    assert struct.unpack_from(">H", udp, 4)[0] == len(udp)
    assert sum_of(ip) == 0xFFFF
    return sum_of(ip[12:20] + struct.pack(">HH", 17, len(udp)) + udp) == 0xFFFF


@pytest.mark.privileged
@pytest.mark.parametrize(
    "fields",
    [
        {"corruption": "bits", "amount": 5},
        {"corruption": "truncate", "amount": 3},
        {"corruption": "truncate", "amount": 1000},
        {"corruption": "count", "amount": 65535},
        {"corruption": "zero_block"},
        {"corruption": "checksum"},
    ],
)
def test_a_spoiled_packet_is_wrong_in_one_way_and_right_in_all_others(
    wires: Wires, tmp_path: Path, fields: dict[str, Any]
) -> None:
    rule = {"lines": ["A"], "action": "corrupt", "from_position": 10, "packets": 1, **fields}
    (line_a, line_b), packets, summary = publish(wires, tmp_path, rule)
    good = next(data for data in line_b if numbers([data]) == [10])
    bad = line_a[next(index for index, data in enumerate(line_a) if numbers([data]) == [9]) + 1]
    payload, spoiled = good[HEADERS:], bad[HEADERS:]
    assert checksum_is_right(bad) == (fields["corruption"] != "checksum")
    if fields["corruption"] == "bits":
        flipped = int.from_bytes(payload, "big") ^ int.from_bytes(spoiled, "big")
        assert 1 <= flipped.bit_count() <= 5
        assert len(payload) == len(spoiled)
    elif fields["corruption"] == "truncate":
        assert spoiled == payload[: max(0, len(payload) - fields["amount"])]
    elif fields["corruption"] == "count":
        assert spoiled == payload[:18] + b"\0\0" + payload[20:]
    elif fields["corruption"] == "zero_block":
        assert spoiled == payload[:20] + b"\0\0" + payload[22:]
    else:
        assert spoiled == payload
    assert (packets["sent_ns"] > 0).all()
    assert summary["lines"][0]["impaired"]["corrupted"] == 1
