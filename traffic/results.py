"""What a run leaves behind: the stopped exchange enters, files in the output folder leave.

messages.itch, packets.npy, drop_copy.npy, book.npy, then exchange.json; each is whole or not there. With noise also
noise.npy, a row for each frame that came up for sending (exchange/noise_plan.h).
Raw payloads (source two_lines) are payloads.bin instead of messages.itch: row i of packets.npy is the packet that left
at sent_ns on line packet_lines.npy[i], with `bytes` bytes at message_offset of that file; its count is 1.
Of a cycle there is no messages.itch: its messages were overwritten as they were played (exchange/cycle.h).
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import MOLD_HEADER_BYTES, PublishedBook
from traffic.exchange_bindings import Exchange
from traffic.market.sessions import SESSION_SHIFT, Session
from traffic.market.stream import Stream

__all__ = ["write_results"]


def _write(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> None:
    partial = folder / f".{name}.part"
    with partial.open("wb") as file:
        write(file)
    os.replace(partial, folder / name)


def _write_array(folder: Path, name: str, rows: NDArray[Any]) -> None:
    _write(folder, name, lambda file: np.save(file, rows, allow_pickle=False))


def _begun(sessions: Sequence[Session], messages: int) -> list[dict[str, object]]:
    """The sessions that began, with the positions of what was published in each (last before first: nothing)."""
    begun: list[dict[str, object]] = []
    for ordinal, session in enumerate(sessions):
        if ordinal and messages < session.first_message:
            break
        first = (ordinal << SESSION_SHIFT) + session.first_sequence
        published = min(messages - session.first_message, session.messages)
        begun.append(
            {
                "session": session.name.decode("latin-1").rstrip(),
                "ordinal": ordinal,
                "first_position": first,
                "last_position": first + published - 1,
            }
        )
    return begun


def write_results(
    folder: Path,
    *,
    exchange: Exchange,
    book: PublishedBook,
    stream: Stream,
    sessions: Sequence[Session],
    ready: dict[str, object],
) -> None:
    """Write all files; only what was published counts."""
    packets = exchange.published_packets()
    messages, end = int(packets["count"].sum()), 0
    raw = stream.packet_lines is not None
    if packets.size:
        end = (
            int(packets["message_offset"][-1]) + int(packets["bytes"][-1]) - (0 if raw else MOLD_HEADER_BYTES)
        )
    name = "payloads.bin" if raw else "messages.itch"
    if stream.cycle is None:
        _write(folder, name, lambda file: file.write(stream.arena[:end].data))
    if stream.packet_lines is not None:
        _write_array(folder, "packet_lines.npy", stream.packet_lines[: packets.size])
    _write_array(folder, "packets.npy", packets)
    noise = exchange.noise_records()
    if noise is not None:
        _write_array(folder, "noise.npy", noise)
    _write_array(folder, "drop_copy.npy", exchange.drop_copy())
    _write_array(folder, "book.npy", book.rows())
    summary = {
        "stream": {key: value for key, value in ready.items() if key != "event"},
        "published": {
            "messages": messages,
            "packets": int(packets.size),
            "at_ns": exchange.published_ns(),
        },
        "sessions": _begun(sessions, messages),
        **exchange.counters(),
    }
    text = json.dumps(summary, indent=1) + "\n"
    _write(folder, "exchange.json", lambda file: file.write(text.encode()))
