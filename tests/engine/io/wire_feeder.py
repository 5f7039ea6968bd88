"""The market's end of a DPDK device: frames out of it, from another process or, for net_ring, from the engine's own.

``python wire_feeder.py FRAMES DEVARGS_A DEVARGS_B``: opens both devices, prints "open", sends the frames of the file
when a line comes in on standard input, prints "sent", and closes at its end.
``python wire_feeder.py FRAMES --ring GO CONFIG``: the engine process of CONFIG, which is fed through its own rings once
the file GO is there.
"""

from __future__ import annotations

import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine._engine import ffi, lib

from engine import process
from engine.venue import runner_for

FRAME = struct.Struct("<BH")
SECONDS = 30.0


def pack(frames: Iterable[tuple[int, bytes]]) -> bytes:
    """(line, frame) pairs as a file's bytes."""
    return b"".join(FRAME.pack(line, len(frame)) + frame for line, frame in frames)


def unpack(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        line, length = FRAME.unpack_from(data, at)
        yield line, data[at + FRAME.size : at + FRAME.size + length]
        at += FRAME.size + length


def opened(device: str) -> Any:
    """``struct dpdk *``; exits with the sentence when it cannot be opened."""
    port, error = ffi.new("struct dpdk *"), ffi.new("char[512]")
    name = ffi.new("char[]", device.encode())
    options = ffi.new("struct dpdk_options *", {"device": name, "cpu": -1, "socket_map": -1})
    if lib.dpdk_open(port, options, error, 512):
        sys.exit(ffi.string(error).decode())
    return port


def send_all(ports: list[Any], frames: Iterable[tuple[int, bytes]]) -> None:
    """In their order; one that finds no room is tried again."""
    deadline = time.monotonic() + SECONDS
    for line, frame in frames:
        while not lib.dpdk_send(ports[line], frame, len(frame)):
            if time.monotonic() > deadline:
                sys.exit("the engine takes no frames")
            time.sleep(0.0005)


def feed_rings(frames: Path, go: Path, made: list[Any]) -> None:
    while not go.exists():
        time.sleep(0.01)
    lines = made[0].engine.lines
    send_all([ffi.addressof(lines[line], "dpdk") for line in (0, 1)], unpack(frames.read_bytes()))


def main(arguments: list[str]) -> int:
    frames = Path(arguments[0])
    if arguments[1] == "--ring":
        made: list[Any] = []

        def noted(*given: Any, **named: Any) -> Any:
            made.append(runner_for(*given, **named))
            return made[0]

        process.runner_for = noted  # type: ignore[assignment]
        threading.Thread(target=feed_rings, args=(frames, Path(arguments[2]), made), daemon=True).start()
        return process.main([arguments[3]])
    ports = [opened(device) for device in arguments[1:]]
    print("open", flush=True)
    sys.stdin.readline()
    send_all(ports, unpack(frames.read_bytes()))
    print("sent", flush=True)
    sys.stdin.read()
    for port in ports:
        lib.dpdk_close(port)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
