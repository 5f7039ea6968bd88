"""Sessions over a stream: a prepared stream and where it rolls enter; packets with positions and sessions leave.

A position is session ordinal << 40 | sequence; in the first session it is the sequence itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic.config import SessionConfig
from traffic.errors import InputError

__all__ = ["SESSION_SHIFT", "Session", "roll_sessions"]

SESSION_SHIFT = 40
MOLD_HEADER_BYTES = 20


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session: its 10 bytes, its first number, and which messages of the stream (by index) it has."""

    name: bytes
    first_sequence: int
    first_message: int
    messages: int
    end_previous: bool = False


def roll_sessions(
    arena: NDArray[np.uint8],
    packets: NDArray[np.void],
    *,
    session: bytes,
    first_sequence: int,
    rolls: Sequence[SessionConfig],
) -> tuple[NDArray[np.void], tuple[Session, ...]]:
    """Packets in positions, none across a roll, and the sessions; `packets` are numbered in the first one."""
    messages = int(packets["count"].sum(dtype=np.int64))
    begins = [0, *(roll.at_sequence - first_sequence for roll in rolls)]
    for number, roll in enumerate(rolls):
        if not 0 < begins[number + 1] < messages:
            raise InputError(
                f"sessions.{number}.at_sequence {roll.at_sequence}: the stream has messages {first_sequence} to "
                f"{first_sequence + messages - 1}, and the first cannot roll: choose one between"
            )
        if roll.session.ljust(10).encode() == session:
            raise InputError(f"sessions.{number}.session {roll.session}: the stream's session has that name")
    sessions = [Session(name=session, first_sequence=first_sequence, first_message=0, messages=messages)]
    for number, roll in enumerate(rolls):
        begin, end = begins[number + 1], (*begins, messages)[number + 2]
        before = sessions[-1]
        sessions[-1] = Session(
            name=before.name,
            first_sequence=before.first_sequence,
            first_message=before.first_message,
            messages=begin - before.first_message,
            end_previous=before.end_previous,
        )
        sessions.append(
            Session(
                name=roll.session.ljust(10).encode(),
                first_sequence=1,
                first_message=begin,
                messages=end - begin,
                end_previous=roll.end_previous,
            )
        )
        packets = _split(arena, packets, begin + first_sequence)
    index = packets["first_sequence"].astype(np.int64) - first_sequence
    for ordinal, each in enumerate(sessions[1:], 1):
        chosen = index >= each.first_message
        positions = (ordinal << SESSION_SHIFT) + 1 + index[chosen] - each.first_message
        packets["first_sequence"][chosen] = positions
    return packets, tuple(sessions)


def _split(arena: NDArray[np.uint8], packets: NDArray[np.void], sequence: int) -> NDArray[np.void]:
    """The same packets, but that message `sequence` begins one; both halves keep their time."""
    place = int(np.searchsorted(packets["first_sequence"], sequence, side="right")) - 1
    packet = packets[place]
    kept = sequence - int(packet["first_sequence"])
    if kept == 0:
        return packets
    offset = int(packet["message_offset"])
    for _ in range(kept):
        offset += 2 + int.from_bytes(arena[offset : offset + 2].tobytes(), "big")
    cut_bytes = offset - int(packet["message_offset"])
    halves = np.repeat(packets[place : place + 1], 2)
    halves["count"] = kept, int(packet["count"]) - kept
    halves["bytes"] = MOLD_HEADER_BYTES + cut_bytes, int(packet["bytes"]) - cut_bytes
    halves["first_sequence"][1] = sequence
    halves["message_offset"][1] = offset
    return np.concatenate([packets[:place], halves, packets[place + 1 :]])
