"""A veth pair in namespaces of its own: a peer on the kernel's TCP at one end, the engine's stream at the other."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine._engine import ffi, lib
from pyroute2 import netns

from lab.topology import Ledger

__all__ = ["OURS", "PEER", "PORT", "Stream", "Wire", "spaces", "wire"]

PEER, OURS, PORT = "10.9.7.1", "10.9.7.2", 30_001
SECONDS = 10.0
ERROR_BYTES = 256
BUFFER_BYTES = 65_536


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Wire:
    """Both ends; this thread lives at the engine's."""

    def __init__(self, peer: str, ours: str) -> None:
        self.peer, self.ours = peer, ours

    def at_peer(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns when a thread in the peer's namespace calls it."""
        made: list[Any] = []

        def work() -> None:
            netns.setns(self.peer)
            made.append(make())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return made[0]

    def listen(self, **options: Any) -> socket.socket:
        server: socket.socket = self.at_peer(lambda: socket.create_server((PEER, PORT), **options))
        server.settimeout(SECONDS)
        return server

    def set_link(self, *, up: bool) -> None:
        run("ip", "-n", self.peer, "link", "set", "order", "up" if up else "down")


@contextmanager
def spaces(kind: str, *ends: str) -> Iterator[list[str]]:
    """Namespaces, and this thread back home when they go. The ledger has them: the next run heals a killed test."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    ledger = Ledger.open(f"t{os.getpid()}{kind}")
    names = [f"{ledger.prefix}-{end}" for end in ends]
    try:
        for name in names:
            ledger.add_namespace(name)
            netns.create(name)
        yield names
    finally:
        netns.setns(home)
        os.close(home)
        ledger.close()


@contextmanager
def wire() -> Iterator[Wire]:
    """Namespaces, a veth pair with checksums on every packet, and this thread in the engine's namespace."""
    with spaces("io", "peer", "ours") as (peer, ours):
        run("ip", "-n", peer, "link", "add", "order", "type", "veth", "peer", "name", "order", "netns", ours)
        for space, address in ((peer, PEER), (ours, OURS)):
            run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "order")
            run("ip", "-n", space, "link", "set", "order", "up")
        run("ip", "netns", "exec", peer, "ethtool", "-K", "order", "tx", "off")
        netns.setns(ours)
        yield Wire(peer, ours)


class Stream:
    """One ``struct stream``, over the kernel's TCP or over the bypass; the same calls for both."""

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.stream = ffi.new("struct stream *")
        self.bypass = ffi.NULL
        self._buffer = ffi.new("uint8_t[]", BUFFER_BYTES)
        if transport == "af_xdp":
            error = ffi.new("char[]", ERROR_BYTES)
            self.bypass = lib.bypass_tcp_open(PEER.encode(), PORT, 0, error, ERROR_BYTES)
            if self.bypass == ffi.NULL:
                raise OSError(bytes(ffi.string(error)).decode())

    def close(self) -> None:
        lib.stream_close(self.stream)
        if self.bypass != ffi.NULL:
            lib.bypass_tcp_close(self.bypass)
            self.bypass = ffi.NULL

    def begin(self) -> None:
        result = (
            lib.stream_begin_bypass(self.stream, self.bypass)
            if self.transport == "af_xdp"
            else lib.stream_begin(self.stream, PEER.encode(), PORT)
        )
        assert result == 0, os.strerror(-result)

    def tick(self) -> None:
        lib.stream_tick(self.stream, time.monotonic_ns())

    def connect(self) -> bool:
        """Begins, and waits until the answer is there."""
        self.begin()
        self.until(lambda: lib.stream_connected(self.stream) or not self.stream.connecting)
        return bool(self.stream.open)

    def until(self, condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
        """Polls until it holds; whether it did."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            if self.stream.open or self.stream.connecting:
                self.tick()
        return True

    def poll(self, seconds: float) -> None:
        """What an engine with nothing else to do does."""
        self.until(lambda: False, seconds)

    def send(self, data: bytes) -> bool:
        return bool(lib.stream_send(self.stream, data, len(data)))

    def receive(self) -> bytes:
        self.tick()
        count = lib.stream_receive(self.stream, self._buffer, BUFFER_BYTES)
        return bytes(ffi.buffer(self._buffer, count))

    def read(self, count: int, seconds: float = SECONDS) -> bytes:
        """So many bytes, fewer when the connection or the time ends."""
        data = b""
        deadline = time.monotonic() + seconds
        while len(data) < count and self.stream.open and time.monotonic() < deadline:
            data += self.receive()
        return data

    @property
    def ready(self) -> bool:
        return bool(lib.stream_ready(self.stream))

    @property
    def failure(self) -> int:
        return int(self.stream.failure)

    def counters(self) -> Any:
        found = ffi.new("struct bypass_tcp_counters *")
        lib.bypass_tcp_counters(self.bypass, found)
        return found


def bypass_links() -> list[int]:
    """Numbers of the XDP links that this process holds."""
    found = []
    for path in Path("/proc/self/fdinfo").iterdir():
        text = path.read_text()
        if "xdp" in text and "link_id" in text:
            found.append(int(text.split("link_id:")[1].split()[0]))
    return found
