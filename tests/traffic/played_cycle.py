"""What a cycle puts on the wire, twice: as the exchange's code renews its arena, and as plain Python says it must."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from traffic._traffic import ffi, lib
from traffic_reference import frame, messages_of

from traffic.bindings import packet_sums, pointer
from traffic.config import ModelSource, PackingConfig
from traffic.market.order_flow import order_flow_stream
from traffic.market.stream import Stream

DAY_NS = 86_400_000_000_000
HEAD = 20
# where a number lies that occurs once in a day
REFERENCES = {"A": (11,), "F": (11,), "E": (11,), "C": (11,), "X": (11,), "D": (11,), "U": (11, 19)}
MATCHES = {"E": 23, "C": 23, "P": 36, "Q": 31, "B": 11}


def cycled(
    *, symbols: int, cycle_messages: int, messages: int, messages_max: int = 7, seed: int = 1, rate: int = 10**6,
    arrivals: str = "even", gap_min_ns: int = 1_000,
) -> Stream:  # fmt: skip
    source = ModelSource.model_validate(
        {"kind": "model", "symbols": symbols, "messages": messages, "arrivals": arrivals, "rate_per_s": rate,
         "cycle_messages": cycle_messages}
    )  # fmt: skip
    packing = PackingConfig(messages_max=messages_max, gap_min_ns=gap_min_ns)
    return order_flow_stream(source, seed=seed, session=b"TAILGATE01", packing=packing, bursts=None)


def played(stream: Stream) -> Iterator[tuple[bytes, int]]:
    """Blocks of each packet as it is sent, and the sum that its checksum is made of; the arena moves on behind it."""
    cycle = stream.cycle
    assert cycle is not None
    arena, packets = stream.arena.copy(), stream.packets
    sums = np.zeros(packets.size, np.uint16)
    once = packets[: cycle.first_packet + cycle.packets]
    sums[: once.size] = packet_sums(arena, once)
    given = ffi.new("struct cycle *")
    given.first_packet, given.packets, given.packet_count = cycle.first_packet, cycle.packets, packets.size
    given.arena, given.sums = pointer("uint8_t *", arena), pointer("uint16_t *", sums)
    given.by.time_ns, given.by.references, given.by.matches = cycle.time_ns, cycle.references, cycle.matches
    records = pointer("struct packet_record *", packets)
    for index, packet in enumerate(packets):
        begin = int(packet["message_offset"])
        yield arena[begin : begin + int(packet["bytes"]) - HEAD].tobytes(), int(sums[index])
        lib.cycle_renew(given, index, records + index)


def expected(stream: Stream) -> list[bytes]:
    """The blocks of each packet: those of the round's first time, with everything moved on, by the text of cycle.h."""
    cycle = stream.cycle
    assert cycle is not None
    packets = []
    for index, packet in enumerate(stream.packets):
        begin = int(packet["message_offset"])
        blocks = stream.arena[begin : begin + int(packet["bytes"]) - HEAD].tobytes()
        rounds = max(0, index - cycle.first_packet) // cycle.packets
        packets.append(frame(*(moved(message, rounds, stream) for message in messages_of(blocks))))
    return packets


def moved(message: bytes, rounds: int, stream: Stream) -> bytes:
    cycle, kind = stream.cycle, chr(message[0])
    assert cycle is not None
    out = bytearray(message)
    time_ns = (int.from_bytes(message[5:11], "big") + rounds * cycle.time_ns) % DAY_NS
    out[5:11] = time_ns.to_bytes(6, "big")
    for at in REFERENCES.get(kind, ()):
        struct.pack_into(">Q", out, at, struct.unpack_from(">Q", message, at)[0] + rounds * cycle.references)
    if at := MATCHES.get(kind, 0):
        struct.pack_into(">Q", out, at, struct.unpack_from(">Q", message, at)[0] + rounds * cycle.matches)
    return bytes(out)
