"""Noise as it arrives at the far end of the wires, beside a market that is whole; and what the files say of it."""

from __future__ import annotations

import json
import re
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_process import Process, Wires, configure
from stl_reference import reference

from traffic.noise_bindings import NOISE_DTYPE
from traffic.profiles.load import rendered

MARKET_PORTS = (26477, 26478)
MESSAGES = 400
HORIZON_NS = (MESSAGES - 1) * 1_000_000 // 4  # 4,000 messages a second, evenly
NOISE: list[dict[str, Any]] = [
    {"profile": "incast", "line": "A", "tunables": {"channels": "3", "gap": "9000", "events": "5"}},
    {
        "profile": "imix_noise",
        "line": "B",
        "tunables": {"pps": "2000", "channels": "4"},
        "at_ns": 20_000_000,
        "duration_ns": 50_000_000,
    },
]


def run(wires: Wires, folder: Path, **changes: object) -> tuple[list[list[bytes]], Path]:
    config = configure(
        folder,
        source={
            "kind": "model", "symbols": 2, "messages": MESSAGES, "arrivals": "even", "rate_per_s": 4_000,
        },
        bursts=None,
        packing={"messages_max": 1, "gap_min_ns": 0},
        noise=NOISE,
        **changes,
    )  # fmt: skip
    with Process(config, namespace=wires.namespace) as process:
        ready = process.event()
        assert int(str(ready["noise_frames"])) > 100
        process.command(do="start", at_ns=time.monotonic_ns() + 20_000_000)
        assert process.event()["event"] == "published"
        time.sleep(0.05)
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")
    return [wires.frames(0), wires.frames(1)], folder / "out"


def ours(frames: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """(market data, noise) by the UDP port."""
    market = [frame for frame in frames if int.from_bytes(frame[36:38], "big") in MARKET_PORTS]
    return market, [frame for frame in frames if int.from_bytes(frame[36:38], "big") not in MARKET_PORTS]


def meant(place: int, seed: int = 7) -> list[tuple[int, int, int, bytes]]:
    """What the reference says of one entry of NOISE; its seed is the run's and its place."""
    noise = NOISE[place]
    rows = json.loads(rendered(noise["profile"], tuple(sorted(noise["tunables"].items())), 0))
    seeds = [((seed + place) * 0x9E3779B97F4A7C15 + index + 1) % 2**64 for index in range(len(rows))]
    start = noise.get("at_ns", 0)
    until = start + noise["duration_ns"] if "duration_ns" in noise else None
    return reference(rows, seeds=seeds, horizon_ns=HORIZON_NS, from_ns=start, until_ns=until)


@pytest.mark.privileged
def test_noise_leaves_as_planned_and_the_market_is_whole(wires: Wires, tmp_path: Path) -> None:
    frames, out = run(wires, tmp_path)
    records = np.load(out / "noise.npy")
    packets = np.load(out / "packets.npy")
    start_ns = int(packets["intended_ns"][0])
    assert records.dtype == NOISE_DTYPE
    for line in (0, 1):
        market, noise = ours(frames[line])
        sequences = [struct.unpack_from(">QH", frame, 52) for frame in market]
        assert [number for number, count in sequences if count not in (0, 0xFFFF)] == list(
            range(1, MESSAGES + 1)
        )
        expected = meant(line)
        mac = market[0][6:12]
        assert noise == [frame[:6] + mac + frame[12:] for *_, frame in expected]
        rows = records[records["line"] == line]
        assert (rows["intended_ns"] - start_ns).tolist() == [at for at, *_ in expected]
        assert rows["burst"].tolist() == [burst for _, _, burst, _ in expected]
        assert rows["bytes"].tolist() == [len(frame) for *_, frame in expected]
        assert (rows["sent_ns"] >= rows["intended_ns"]).all()

    counted = json.loads((out / "exchange.json").read_text())["noise"]
    assert [(row["profile"], row["stream"], row["line"]) for row in counted] == [
        *(("incast", f"channel{channel}", "A") for channel in (1, 2, 3)),
        *(("imix_noise", f"imix{size}", "B") for size in (60, 590, 1514)),
    ]
    for place, row in enumerate(counted):
        mine = records[records["stream"] == place]
        assert row["planned"] == row["frames"] == len(mine)
        assert row["bytes"] == mine["bytes"].sum()
        assert row["errors"] == 0


@pytest.mark.privileged
def test_impairments_of_a_line_leave_noise_alone(wires: Wires, tmp_path: Path) -> None:
    rule = {"lines": ["A"], "action": "drop", "pattern": "every", "every": 1, "packets": MESSAGES}
    frames, out = run(wires, tmp_path, impairments=[rule])
    _, noise = ours(frames[0])
    assert len(noise) == len(meant(0)) == (np.load(out / "noise.npy")["line"] == 0).sum()


def refused(folder: Path, *noise: dict[str, Any]) -> str:
    """What the process says of this noise before it opens anything; exit code 64 and one line."""
    with Process(configure(folder, noise=list(noise))) as process:
        code, complaint = process.end()
    assert code == 64
    assert len(complaint.splitlines()) == 1
    return complaint


@pytest.mark.parametrize(
    ("noise", "complaint"),
    [
        ({"profile": "incest", "line": "A"}, "profile incest: unknown; did you mean incast?"),
        ({"profile": "incast", "line": "C"}, "noise.0.line: C: not one of A, B"),
        ({"profile": "incast", "line": "A", "tunables": {"x": "1"}}, "unrecognized arguments: --x 1"),
        ({"profile": "incast", "line": "A", "tunables": {"gap": "-5"}}, "stream channel1: mode.*ibg"),
        ({"profile": "incast", "line": "A", "speed": 3}, "noise.0.speed"),
        ({"profile": "microburst", "line": "A", "tunables": {"packets": "1", "gap": "0"}}, "takes no time"),
    ],
)
def test_noise_that_cannot_be_played_is_one_line_and_64(
    tmp_path: Path, noise: dict[str, Any], complaint: str
) -> None:
    assert re.search(complaint, refused(tmp_path, noise))
