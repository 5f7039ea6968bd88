"""Taps on lines with noise: other channels are stamped apart, handed over like market data, and never impaired."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from wire_bench import PORT, bench, frame

from lab.faults.rule import Action, Rule
from lab.tap import market_rows, noise_rows
from lab.topology import Topology

pytestmark = pytest.mark.privileged

SOURCE = 5_000  # port, unless a frame has another
GROUPS = ("239.77.1.1", "239.77.2.1")


def mold(sequence: int) -> bytes:
    return struct.pack(">10sQH", b"TAILGATE01", sequence, 1) + b"\0\1x"


def to(group: str, data: bytes) -> bytes:
    return data[:30] + bytes(int(part) for part in group.split(".")) + data[34:]


def test_other_channels_are_stamped_apart_and_passed_on(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, noise=GROUPS) as wires:
        market = frame(mold(1))
        wires.send_frame(market)
        wires.send_frame(to("239.200.1.9", frame(b"x" * 40, port=999, source_port=77)))  # another port
        wires.send_frame(to("239.77.1.2", frame(mold(2))))  # the market's port, another group
        wires.send_frame(to("239.77.1.1", frame(mold(3), port=999)))  # its group, another port
        wires.send_frame(to("10.77.1.2", frame(mold(4), port=999)))  # no multicast
        wires.send_frame(to("239.77.2.1", frame(mold(5))), line=1)
        wires.send_frame(to("239.77.1.1", frame(b"")), line=1)  # A's group is none of B's
        assert wires.rows() == [(0, 1, 1, 23, 0), (1, 5, 1, 23, 0)]
        noise = noise_rows(wires.tap.market_path)
        assert wires.tap.counts().not_market_data == (1, 0)
        assert len(wires.passed(5)) == 5
    seen = [
        (int(row["line"]), row["sequence"] >> 32, row["sequence"] >> 16 & 0xFFFF, row["sequence"] & 0xFFFF)
        for row in noise
    ]
    assert seen == [
        (0, 0xEFC80109, 999, 77),
        (0, 0xEF4D0102, PORT, SOURCE),
        (0, 0xEF4D0101, 999, SOURCE),
        (1, 0xEF4D0101, PORT, SOURCE),
    ]
    assert noise["length"].tolist() == [40, 23, 23, 0]
    assert len(market_rows(wires.tap.market_path)) == 2


def test_without_noise_other_channels_are_not_stamped(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        wires.send_frame(to("239.200.1.9", frame(mold(1), port=999)))
        assert wires.rows() == []
        assert wires.tap.counts().not_market_data == (1, 0)
        assert not len(noise_rows(wires.tap.market_path))


def test_rules_take_market_data_and_never_noise(topology: Topology, tmp_path: Path) -> None:
    rule = Rule(action=Action.DROP, sequence=1, packets=100)
    with bench(topology, tmp_path, noise=GROUPS, impairing=True) as wires:
        wires.impair(rule)
        for sequence in range(1, 6):
            wires.send_frame(frame(mold(sequence)))
            wires.send_frame(to("239.200.1.9", frame(mold(sequence))))
        assert [row[4] for row in wires.rows()] == [1] * 5
        assert noise_rows(wires.tap.market_path)["flags"].tolist() == [0] * 5
        assert len(wires.passed(5)) == 5
