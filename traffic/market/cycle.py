"""A closed market played over and over: packets of its opening and of one round enter; packets of a whole pass leave.

The records run on through the pass (numbers, times), those of every round point to the same messages in the arena; the
exchange makes them those of the next round as it goes (exchange/cycle.h).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import MOLD_HEADER_BYTES, ItchScan, Records, scan_itch
from traffic.errors import InputError

__all__ = ["PACKETS_MAX", "Cycle", "play_rounds", "scan_rounds"]

PACKETS_MAX = 50_000_000  # records in memory, 50 bytes each


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Which packets come again, and by what time and numbers move on from one round to the next."""

    first_packet: int
    packets: int
    time_ns: int
    references: int
    matches: int


def play_rounds(opening: Records, round_: Records, *, messages: int, time_ns: int) -> Records:
    """The opening once, then round after round until `messages` are out, rounded up to whole packets.

    Both are numbered and timed as the begin of the pass; a round begins `time_ns` behind the one before. InputError:
    more packets than memory is meant for.
    """
    once, each = int(opening["count"].sum(dtype=np.int64)), int(round_["count"].sum(dtype=np.int64))
    whole, rest = divmod(max(messages - once, 0), each)
    counts = np.cumsum(round_["count"], dtype=np.int64)
    tail = int(np.searchsorted(counts, rest)) + 1 if rest else 0
    total = opening.size + whole * round_.size + tail
    if total > PACKETS_MAX:
        raise InputError(
            f"source.messages {messages}: {total} packets, and at most {PACKETS_MAX} are kept in memory: "
            "ask for fewer messages, or pack more of them (packing.messages_max)"
        )
    packets: Records = np.empty(total, opening.dtype)
    packets[: opening.size] = opening
    for number in range(whole + (tail > 0)):
        begin = opening.size + number * round_.size
        part = packets[begin : begin + round_.size]
        part[:] = round_[: part.size]
        part["first_sequence"] += np.uint64(number * each)
        part["intended_ns"] += number * time_ns
    return packets


def _end(packet: np.void) -> int:
    """Of its last block in the arena."""
    return int(packet["message_offset"]) + int(packet["bytes"]) - MOLD_HEADER_BYTES


def scan_rounds(arena: NDArray[np.uint8], packets: Records, cycle: Cycle) -> ItchScan:
    """What the whole pass holds, counted from the arena and how often each part of it is played."""
    first = _end(packets[cycle.first_packet - 1])
    rounds, rest = divmod(packets.size - cycle.first_packet, cycle.packets)
    parts = [(arena[:first], 1), (arena[first:], rounds)]
    if rest:
        parts.append((arena[first : _end(packets[-1])], 1))
    types: Counter[str] = Counter()
    size = 0
    scan = scan_itch(arena, strict=False)
    for part, times in parts:
        found = scan_itch(part, strict=False)
        size += found.size * times
        types.update({letter: count * times for letter, count in found.types.items()})
    counted: Mapping[str, int] = MappingProxyType({letter: count for letter, count in types.items() if count})
    return replace(scan, messages=sum(types.values()), size=size, types=counted)
