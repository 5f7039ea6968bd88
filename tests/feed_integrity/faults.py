"""The datagrams of a line go in, in the order of sending; those that arrive come out, harmed as the case says.

As in the lab, the sender duplicates, reorders and delays, and the wire drops and corrupts what then arrives. Each
fault has its own chance on each line, from the case's seed and the fault itself: leaving out a fault does not change
what the others do.

Which corruption arrives
------------------------
MoldUDP64 has no checksum; UDP has one. A spoiled datagram whose harm the protocol itself shows is delivered as if its
checksum had been switched off, and must not hurt:

* malformed: shorter than a header, a block beyond the end, bytes behind the last block, numbers beyond 2^64;
* foreign: the name of a session that never existed, each name once;
* far: the right session, and a sequence number at least ``FAR`` above its own, no two of them within ``FAR``;
* behind: the right session, and a sequence number so low that the session cannot have had a single one of its messages.

Every other harm stands for a datagram that its UDP checksum gave away, and is dropped:

* a message's bytes changed (or a length, so that all blocks still fit): nothing in the protocol says so;
* a sequence number off by less than ``FAR``: its messages are well-formed news of numbers that are to come or are
  missing, and the first copy wins. One flipped low bit poisons any receiver;
* two far numbers that agree, a foreign name twice: that is what a real jump and a real new session look like;
* a heartbeat that became an end of session, a name that is that of another real session;
* a foreign name when no session is known yet, or when the last one has ended, and a far or low number when the first
  one heard is to be the first (``World`` decides, at delivery): what is heard then is the truth.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.feed_integrity.case import Fault
from tests.feed_integrity.mold import HEAD, parse

__all__ = ["FAR", "US", "Corruptor", "Datagram", "Window", "Wire", "impair"]

FAR = 1 << 20
US = 1000


@dataclass(frozen=True, slots=True)
class Datagram:
    """``first`` and ``count`` are of the stream, from 1; a heartbeat or end has none. ``harm``: how it was spoiled."""

    at_ns: int
    data: bytes
    first: int = 0
    count: int = 0
    harm: str = ""


class Window:
    """Where a fault stands on one line: asked of every datagram in turn."""

    def __init__(self, fault: Fault, *, seed: int, line: str) -> None:
        self.fault = fault
        self.generator = random.Random(zlib.crc32(f"{seed} {line} {fault}".encode()))
        self._left = fault.packets
        self._seen = 0
        self._bad = False
        self._open = False

    def takes(self, datagram: Datagram) -> bool:
        """Heartbeats are taken while the window is open, by corruption and by what drops every packet."""
        fault = self.fault
        if not datagram.count:
            everything = fault.every == 1 and not fault.percent and fault.clusters is None
            reaches = fault.do == "corrupt" or (fault.do == "drop" and everything)
            return self._open and self._left > 0 and reaches
        self._open = self._open or datagram.first + datagram.count > fault.at
        if not self._open or self._left == 0:
            return False
        self._left -= 1
        self._seen += 1
        if fault.clusters is not None:
            chance = self.generator.random() * 100
            self._bad = chance >= fault.clusters[1] if self._bad else chance < fault.clusters[0]
            return self._bad
        if fault.percent:
            return self.generator.random() * 100 < fault.percent
        return self._seen % fault.every == 0


class Corruptor:
    """Spoils datagrams and says which may be delivered; remembers what is unique through a world."""

    def __init__(self, sessions: Iterable[bytes], firsts: dict[bytes, int]) -> None:
        self._names = set(sessions)
        self._firsts = firsts
        self._far: list[int] = []

    def spoil(self, fault: Fault, datagram: Datagram, generator: random.Random) -> Datagram | None:
        """None: the harm would not show, so the checksum took the datagram."""
        data = _spoiled(fault, datagram.data, generator)
        harm = self._harm(datagram.data, data)
        return replace(datagram, data=data, harm=harm) if harm else None

    def _harm(self, clean: bytes, data: bytes) -> str:
        was, now = parse(clean), parse(data)
        assert was is not None, "spoiled twice"
        if now is None:
            return "malformed"
        if now.session != was.session:
            new = now.session not in self._names
            self._names.add(now.session)
            return "foreign" if new else ""
        if now.end != was.end or now.blocks != was.blocks:
            return ""
        if now.sequence >= was.sequence + FAR:
            alone = all(abs(now.sequence - other) >= FAR for other in self._far)
            self._far.append(now.sequence)
            return "far" if alone else ""
        return "behind" if now.shown <= self._firsts[was.session] and now.sequence < was.sequence else ""


def _spoiled(fault: Fault, data: bytes, generator: random.Random) -> bytes:
    session, sequence, count = HEAD.unpack_from(data)
    if fault.what == "truncate":
        return data[: -min(fault.amount, len(data))]
    if fault.what == "trailing":
        return data + generator.randbytes(fault.amount)
    if fault.what == "count":
        return HEAD.pack(session, sequence, (count + fault.amount) % 2**16) + data[HEAD.size :]
    if fault.what == "session":
        return generator.randbytes(10) + data[10:]
    if fault.what == "sequence":
        off = FAR << generator.randrange(43)
        off += generator.randrange(off)
        return HEAD.pack(session, (sequence + off) % 2**64, count) + data[HEAD.size :]
    spoiled = bytearray(data)
    if fault.what in ("zero_block", "length"):
        if len(data) > HEAD.size:
            (length,) = struct.unpack_from(">H", data, HEAD.size)
            wrong = 0 if fault.what == "zero_block" else length ^ 1 << generator.randrange(16)
            struct.pack_into(">H", spoiled, HEAD.size, wrong)
        return bytes(spoiled)
    for place in generator.sample(range(len(data) * 8), min(fault.amount, len(data) * 8)):
        spoiled[place // 8] ^= 1 << place % 8
    return bytes(spoiled)


class Wire:
    """The receiving end of a line: drops and spoils, one datagram after the other."""

    def __init__(self, faults: Iterable[Fault], *, line: str, seed: int, corruptor: Corruptor) -> None:
        self._windows = [
            Window(fault, seed=seed, line=line)
            for fault in faults
            if line in fault.lines and fault.do in ("drop", "corrupt")
        ]
        self._corruptor = corruptor

    def passes(self, datagram: Datagram) -> Datagram | None:
        """What arrives of it. A datagram is spoiled once at most."""
        passing: Datagram | None = datagram
        for window in self._windows:
            taken = window.takes(datagram)
            if passing is None or not taken:
                continue
            if window.fault.do == "drop":
                passing = None
            elif not passing.harm:
                passing = self._corruptor.spoil(window.fault, passing, window.generator)
        return passing


def impair(
    datagrams: Iterable[Datagram], faults: Iterable[Fault], *, line: str, seed: int, corruptor: Corruptor
) -> list[Datagram]:
    """What arrives on the line, in order of arrival."""
    passing = list(datagrams)
    for fault in faults:
        if line in fault.lines and fault.do in ("duplicate", "reorder", "delay"):
            passing = _sent(Window(fault, seed=seed, line=line), passing)
    passing.sort(key=lambda datagram: datagram.at_ns)
    wire = Wire(faults, line=line, seed=seed, corruptor=corruptor)
    arrived = [wire.passes(datagram) for datagram in passing]
    return [datagram for datagram in arrived if datagram is not None]


def _sent(window: Window, datagrams: list[Datagram]) -> list[Datagram]:
    fault, out = window.fault, []
    for index, datagram in enumerate(datagrams):
        if not window.takes(datagram):
            out.append(datagram)
        elif fault.do == "duplicate":
            out += [replace(datagram, at_ns=datagram.at_ns + copy) for copy in range(1 + fault.amount)]
        elif fault.do == "delay":
            out.append(replace(datagram, at_ns=datagram.at_ns + fault.by_us * US))
        else:
            behind = datagrams[min(index + fault.amount, len(datagrams) - 1)]
            out.append(replace(datagram, at_ns=max(behind.at_ns, datagram.at_ns) + 1))
    return out
