"""A wire that loses, doubles, swaps and spoils frames, by a seed: a third namespace whose two ends a thread joins."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from order_stream import OURS, PEER, Wire, run, spaces
from pyroute2 import netns

__all__ = ["Lossy", "lossy_wire"]

ETH_P_ALL = 3
PACKET_OUTGOING = 4
HOLD_FRAMES = 3  # a frame held back comes behind so many others


class Lossy(Wire):
    """Chances in percent, both ways; 0 until they are set."""

    def __init__(self, peer: str, ours: str, middle: str, *, seed: int) -> None:
        super().__init__(peer, ours)
        self.lose = self.double = self.swap = self.spoil = 0.0
        self.lost = self.doubled = self.swapped = self.spoiled = 0
        self._random = random.Random(seed)
        self._middle = middle
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._join, args=(middle,))
        self._thread.start()
        self._ready.wait()

    def take_redirected(self, *, on: bool) -> None:
        """Whether the middle takes frames that are redirected to it (frame_door.h); before the bypass is opened."""
        run("ip", "netns", "exec", self._middle, "ethtool", "-K", "right", "gro", "on" if on else "off")

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _join(self, middle: str) -> None:
        netns.setns(middle)
        ends = []
        for interface in ("left", "right"):
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            end.bind((interface, ETH_P_ALL))
            ends.append(end)
        self._ready.set()
        held: list[tuple[int, bytes, socket.socket]] = []
        while not self._stop.is_set():
            for end in select.select(ends, [], [], 0.002)[0]:
                frame, address = end.recvfrom(4096)
                if address[2] != PACKET_OUTGOING:
                    self._pass(frame, ends[1 - ends.index(end)], held)
            if held and not select.select(ends, [], [], 0.001)[0]:
                held = [(0, frame, to) for _, frame, to in held]
            held = self._release(held)
        for end in ends:
            end.close()

    def _release(
        self, held: list[tuple[int, bytes, socket.socket]]
    ) -> list[tuple[int, bytes, socket.socket]]:
        for left, frame, to in held:
            if left <= 0:
                to.send(frame)
        return [one for one in held if one[0] > 0]

    def _pass(self, frame: bytes, to: socket.socket, held: list[tuple[int, bytes, socket.socket]]) -> None:
        held[:] = [(left - 1, old, where) for left, old, where in held]
        chance = 100 * self._random.random()
        is_tcp = frame[12:14] == b"\x08\x00" and frame[23] == 6
        if is_tcp and chance < self.lose:
            self.lost += 1
        elif is_tcp and chance < self.lose + self.swap:
            self.swapped += 1
            held.append((HOLD_FRAMES, frame, to))
        elif is_tcp and chance < self.lose + self.swap + self.spoil:
            self.spoiled += 1
            at = self._random.randrange(34, len(frame))
            to.send(frame[:at] + bytes([frame[at] ^ (1 << self._random.randrange(8))]) + frame[at + 1 :])
        else:
            to.send(frame)
            if is_tcp and chance > 100 - self.double:
                self.doubled += 1
                to.send(frame)


@contextmanager
def lossy_wire(seed: int) -> Iterator[Lossy]:
    """As wire(), with a middle."""
    with spaces("lo", "peer", "ours", "middle") as (peer, ours, middle):
        for space, end, address in ((peer, "left", PEER), (ours, "right", OURS)):
            run(
                "ip",
                "-n",
                space,
                "link",
                "add",
                "order",
                "type",
                "veth",
                "peer",
                "name",
                end,
                "netns",
                middle,
            )
            run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "order")
            run("ip", "netns", "exec", middle, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            run("ip", "-n", middle, "link", "set", end, "up")
            run("ip", "-n", space, "link", "set", "order", "up")
            for key in ("tx", "tso", "gso", "gro"):
                run("ip", "netns", "exec", space, "ethtool", "-K", "order", key, "off")
        netns.setns(ours)
        lossy = Lossy(peer, ours, middle, seed=seed)
        try:
            yield lossy
        finally:
            lossy.end()
