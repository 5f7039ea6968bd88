"""Taps on lines of CME MDP 3.0: packets are stamped and dropped by their MsgSeqNum."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from wire_bench import CORRUPTED, DROPPED, bench, datagram, fields

from lab.faults.rule import Action, Corruption, Pattern, Rule
from lab.tap import market_rows, predict
from lab.topology import Topology

pytestmark = pytest.mark.privileged


def packet(number: int, size: int = 22) -> bytes:
    """The header and zeros; a heartbeat has 22 bytes in all."""
    return struct.pack("<IQ", number, 10**18 + number).ljust(size, b"\0")


def test_packets_are_recorded_by_their_number_and_length(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, framing="mdp3") as wires:
        for line, number, size in ((0, 1, 22), (1, 17_347_815, 1400), (0, 2**32 - 1, 12), (1, 2, 12)):
            wires.send(packet(number, size), line=line)
        wires.send(packet(9)[:11])  # too short for a header: none of the feed's
        wires.send(packet(9), port=999)
        assert sorted(wires.rows()) == [
            (0, 1, 1, 22, 0), (0, 2**32 - 1, 1, 12, 0), (1, 2, 1, 12, 0), (1, 17_347_815, 1, 1400, 0),
        ]  # fmt: skip
        assert wires.tap.counts().not_market_data == (2, 0)
        assert len(wires.passed(4)) == 4  # and what it does not know goes on too


def test_each_line_is_thinned_by_chance_as_the_rule_says_without_a_wire(
    topology: Topology, tmp_path: Path
) -> None:
    first = 17_347_815
    rule = Rule(action=Action.DROP, sequence=1, pattern=Pattern.RANDOM, probability=0.2)
    with bench(topology, tmp_path, impairing=True, market_capacity=1024, framing="mdp3") as wires:
        numbers = [wires.impair(rule, place, seed=67, index=line) for line, place in enumerate(("A", "B"))]
        for number in range(first, first + 300):
            for line in (0, 1):
                wires.send(packet(number), line=line)
        rows = wires.rows()
        stamps = market_rows(wires.tap.market_path)
        lost = []
        for line, place in enumerate(("A", "B")):
            mine = stamps[stamps["line"] == line]
            assert mine["sequence"].tolist() == list(range(first, first + 300))
            expected = predict(
                fields(rule, place, seed=67, index=line),
                positions=mine["sequence"], messages=mine["count"], times_ns=mine["stamp_ns"],
            )  # fmt: skip
            dropped = [bool(row[4] & DROPPED) for row in rows if row[0] == line]
            assert dropped == (expected > 0).tolist()
            assert wires.tap.rule_result(place, numbers[line]).hit == sum(dropped) > 20
            kept = [
                number for number, gone in zip(mine["sequence"].tolist(), dropped, strict=True) if not gone
            ]
            passed = wires.passed(len(kept), line)
            assert [int.from_bytes(data[42:46], "little") for data in passed] == kept
            lost.append(dropped)
        assert lost[0] != lost[1]


def test_a_window_begins_with_its_number_and_bits_are_flipped(topology: Topology, tmp_path: Path) -> None:
    drop = Rule(action=Action.DROP, sequence=105, packets=3)
    flip = Rule(action=Action.CORRUPT, corruption=Corruption.BITS, amount=1, sequence=110, packets=1)
    with bench(topology, tmp_path, impairing=True, framing="mdp3") as wires:
        wires.impair(drop)
        wires.impair(flip, index=1)
        for number in range(101, 113):
            wires.send(packet(number))
        flags = {row[1]: row[4] for row in wires.rows()}
        assert [number for number, flag in flags.items() if flag & DROPPED] == [105, 106, 107]
        assert [number for number, flag in flags.items() if flag & CORRUPTED] == [110]
        spoilt = wires.passed(9)[6][42:]
        differ = int.from_bytes(spoilt, "big") ^ int.from_bytes(packet(110), "big")
        assert differ.bit_count() == 1


def test_the_other_framing_is_the_default(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path) as wires:
        wires.send(datagram(7, 2))
        assert wires.rows()[0][:3] == (0, 7, 2)
