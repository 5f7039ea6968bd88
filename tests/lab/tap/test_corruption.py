"""Spoiled packets on real wires: what of them changes, and who of the kernel and AF_XDP still gets them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from af_xdp_socket import AfXdpSocket
from namespace_sockets import socket_inside
from wire_bench import (
    CORRUPTED,
    DROPPED,
    PORT,
    REQUEST_PORT,
    SECONDS,
    bench,
    datagram,
    frame,
    sealed,
    sums_are_right,
    waited,
)

from lab.faults.rule import Action, Corruption, Rule
from lab.topology import Topology
from lab.topology.wires import WIRES

pytestmark = pytest.mark.privileged

PAYLOAD, MOLD_COUNT, BLOCKS = 42, 60, 62


def corrupt(corruption: Corruption, amount: int = 0, *, sequence: int = 2, packets: int = 1) -> Rule:
    return Rule(
        action=Action.CORRUPT, corruption=corruption, amount=amount, sequence=sequence, packets=packets
    )


def with_payload(data: bytes, payload: bytes) -> bytes:
    """The frame with another UDP payload, right lengths and IP checksum, and no UDP checksum."""
    head = (
        data[:16]
        + struct.pack(">H", 28 + len(payload))
        + data[18:38]
        + struct.pack(">HH", 8 + len(payload), 0)
    )
    whole = sealed(head + payload)
    return whole[:40] + bytes(2) + whole[42:]


def counting(added: int) -> Callable[[bytes], bytes]:
    def change(payload: bytes) -> bytes:
        count = (int.from_bytes(payload[18:20], "big") + added) % 0x10000
        return payload[:18] + count.to_bytes(2, "big") + payload[20:]

    return change


CHANGES: dict[str, tuple[Rule, Callable[[bytes], bytes]]] = {
    "one byte off": (corrupt(Corruption.TRUNCATE, 1), lambda payload: payload[:-1]),
    "blocks off": (corrupt(Corruption.TRUNCATE, 40), lambda payload: payload[:-40]),
    "into the header": (corrupt(Corruption.TRUNCATE, 100), lambda payload: payload[:-100]),
    "all off": (corrupt(Corruption.TRUNCATE, 1_472), lambda payload: b""),
    "one message more": (corrupt(Corruption.COUNT, 1), counting(1)),
    "one message less": (corrupt(Corruption.COUNT, 0xFFFF), counting(-1)),
    "an empty block": (
        corrupt(Corruption.ZERO_BLOCK),
        lambda payload: payload[:20] + bytes(2) + payload[22:],
    ),
}


@pytest.mark.parametrize(("rule", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_a_spoiled_packet_is_changed_in_one_thing_and_its_neighbours_in_none(
    topology: Topology, tmp_path: Path, rule: Rule, change: Callable[[bytes], bytes]
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(rule)
        sent = [sealed(frame(datagram(number, 1, size=70))) for number in (1, 2, 3)]
        for each in sent:
            wires.send_frame(each)
        assert wires.passed(3) == [sent[0], with_payload(sent[1], change(sent[1][PAYLOAD:])), sent[2]]
        assert wires.rows() == [(0, 1, 1, 92, 0), (0, 2, 1, 92, CORRUPTED), (0, 3, 1, 92, 0)]
        assert wires.tap.rule_result("A", 0).hit == 1


@pytest.mark.parametrize("amount", [1, 3, 64])
def test_bits_flip_in_the_payload_at_places_from_the_seed(
    topology: Topology, tmp_path: Path, amount: int
) -> None:
    spoiled = []
    for seed in (5, 5, 6):
        (tmp_path / f"{len(spoiled)}").mkdir()
        with bench(topology, tmp_path / f"{len(spoiled)}", impairing=True) as wires:
            wires.impair(corrupt(Corruption.BITS, amount, packets=2), seed=seed)
            sent = [sealed(frame(datagram(number, 1, size=70))) for number in (2, 3)]
            for each in sent:
                wires.send_frame(each)
            got = wires.passed(2)
        flipped = [
            int.from_bytes(before[PAYLOAD:], "big") ^ int.from_bytes(after[PAYLOAD:], "big")
            for before, after in zip(sent, got, strict=True)
        ]
        assert all(
            0 < bits.bit_count() <= amount and (amount - bits.bit_count()) % 2 == 0 for bits in flipped
        )
        assert [after[:40] + after[42:PAYLOAD] for after in got] == [
            before[:40] + before[42:PAYLOAD] for before in sent
        ]
        assert flipped[0] != flipped[1]
        spoiled.append(flipped)
    assert spoiled[0] == spoiled[1] != spoiled[2]


KINDS = {
    Corruption.BITS: 1,
    Corruption.TRUNCATE: 7,
    Corruption.COUNT: 1,
    Corruption.ZERO_BLOCK: 0,
    Corruption.CHECKSUM: 0,
}


@pytest.mark.parametrize("corruption", KINDS, ids=lambda kind: kind.name.lower())
def test_the_kernel_drops_a_wrong_checksum_and_hands_on_whatever_else_is_spoiled(
    topology: Topology, tmp_path: Path, corruption: Corruption
) -> None:
    def listen() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("239.77.1.1", PORT))
        group = socket.inet_aton("239.77.1.1") + socket.inet_aton(WIRES["A"].engine_address)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        made.settimeout(SECONDS)
        return made

    with bench(topology, tmp_path, impairing=True) as wires, socket_inside(topology.engine, listen) as engine:
        wires.impair(corrupt(corruption, KINDS[corruption]))
        sent = [datagram(number, 1, size=70) for number in (1, 2, 3)]
        for each in sent:
            wires.send_frame(sealed(frame(each)))
        kept = [1, 3] if corruption is Corruption.CHECKSUM else [1, 2, 3]
        got = [engine.recv(2048) for _ in kept]
        assert got[0] == sent[0]
        assert got[-1] == sent[2]
        assert len(got) == 2 or (
            got[1] != sent[1] and len(got[1]) == 92 - (7 if corruption is Corruption.TRUNCATE else 0)
        )


@pytest.mark.parametrize("corruption", KINDS, ids=lambda kind: kind.name.lower())
def test_af_xdp_gets_every_spoiled_packet(topology: Topology, tmp_path: Path, corruption: Corruption) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        interface = topology.interface_index(topology.engine, WIRES["A"].interface)
        engine = AfXdpSocket(topology.engine, interface, map_descriptor=wires.tap.engine_sockets, line=0)
        try:
            wires.impair(corrupt(corruption, KINDS[corruption]))
            sent = [sealed(frame(datagram(number, 1, size=70))) for number in (1, 2, 3)]
            for each in sent:
                wires.send_frame(each)
            assert waited(lambda: len(engine.frames()) == 3)
            first, spoiled, last = engine.frames()
            assert [first, last] == [sent[0], sent[2]]
            wrong = corruption is Corruption.CHECKSUM
            assert sums_are_right(spoiled) == (True, False if wrong else None)
            assert (spoiled[PAYLOAD:] == sent[1][PAYLOAD:]) is wrong
            assert len(spoiled) == len(sent[1]) - (7 if corruption is Corruption.TRUNCATE else 0)
        finally:
            engine.close()


def test_a_packet_that_one_rule_drops_and_another_spoils_is_dropped(
    topology: Topology, tmp_path: Path
) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(corrupt(Corruption.COUNT, 1, sequence=1, packets=3))
        wires.impair(Rule(action=Action.DROP, sequence=2, packets=1))
        wires.impair(corrupt(Corruption.COUNT, 9, sequence=3, packets=1))
        for number in (1, 2, 3):
            wires.send_frame(sealed(frame(datagram(number))))
        assert [row[4] for row in wires.rows()] == [CORRUPTED, DROPPED, CORRUPTED]
        counts = [int.from_bytes(data[MOLD_COUNT:BLOCKS], "big") for data in wires.passed(2)]
        assert counts == [2, 2], "the first that spoils a packet does it"


def test_a_datagram_shorter_than_it_says_is_left_as_it_is(topology: Topology, tmp_path: Path) -> None:
    with bench(topology, tmp_path, impairing=True) as wires:
        wires.impair(corrupt(Corruption.TRUNCATE, 5))
        short = sealed(frame(datagram(2)))
        short = short[:38] + struct.pack(">H", 500) + short[40:]
        wires.send_frame(short)
        assert wires.passed(1) == [short]
        assert wires.rows()[0][4] == CORRUPTED


def test_replies_are_spoiled_too_and_the_kernel_finds_their_wrong_checksums(
    topology: Topology, tmp_path: Path
) -> None:
    """Through ordinary sockets at both ends, as the services use them."""
    here, there = WIRES["recovery"].engine_address, WIRES["recovery"].exchange_address

    def bound(address: str, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(SECONDS)
        return made

    with (
        bench(topology, tmp_path, impairing=True) as wires,
        socket_inside(topology.engine, lambda: bound(here, 0)) as engine,
        socket_inside(topology.exchange, lambda: bound(there, REQUEST_PORT)) as exchange,
    ):
        wires.impair(corrupt(Corruption.CHECKSUM, sequence=2), "recovery")
        wires.impair(corrupt(Corruption.COUNT, 1, sequence=3), "recovery")
        for number in (1, 2, 3, 4):
            exchange.sendto(datagram(number), engine.getsockname())
        got = [engine.recv(2048) for _ in range(3)]
        assert [int.from_bytes(data[10:18], "big") for data in got] == [1, 3, 4]
        assert [int.from_bytes(data[18:20], "big") for data in got] == [1, 2, 1]
        wires.sent = 4
        assert [row[4] for row in wires.rows()] == [0, CORRUPTED, CORRUPTED, 0]
