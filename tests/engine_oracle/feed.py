"""Two lines of one session in order, without recovery services: what is handed out when, and in which state.

Specification: engine/feed/feed.h for a strict feed with neither re-requests nor snapshots, whose numbers begin at 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Feed", "Handed"]


@dataclass(frozen=True)
class Handed:
    sequence: int
    data: bytes
    line: int


class Feed:
    def __init__(self, *, hold_back_ns: int, silence_ns: int) -> None:
        self.hold_back_ns, self.silence_ns = hold_back_ns, silence_ns
        self.state = "STARTUP"
        self.next = 1
        self.waiting: dict[int, Handed] = {}
        self.since_ns: dict[int, int] = {}  # arrival of what waits, by number
        self.announced = 1  # messages below it exist
        self.announced_ns = 0
        self.heard_ns: list[int | None] = [None, None]
        self.first_ns: int | None = None
        self.declared = False
        self.end: int | None = None

    @property
    def feed_ns(self) -> int:
        """When any datagram came last."""
        return max((when for when in self.heard_ns if when is not None), default=0)

    @property
    def missing(self) -> bool:
        return self.announced > self.next or bool(self.waiting)

    def accept(
        self, line: int, sequence: int, messages: tuple[bytes, ...], now_ns: int, *, end: bool = False
    ) -> Iterator[Handed]:
        """A datagram; a heartbeat has no messages. Everything that can be handed out now, each in its state."""
        self.heard_ns[line] = now_ns
        if self.first_ns is None:
            self.first_ns = now_ns
        early = bool(self.waiting)
        for offset, message in enumerate(messages):
            number = sequence + offset
            if self.end is not None and number >= self.end:
                continue
            if number >= self.next and number not in self.waiting:
                self.waiting[number] = Handed(number, message, line)
                self.since_ns[number] = now_ns
        if end and self.end is None:
            self.end = sequence
        reach = sequence + len(messages)
        self._announce(reach if self.end is None else min(reach, self.end), now_ns)
        if self.state in ("STARTUP", "DOWN") and not early and self._in_sequence():
            self.state = "LIVE"
        if self.next not in self.waiting:
            self._expire(now_ns)
        yield from self._hand_out()

    def _in_sequence(self) -> bool:
        """Everything up to now can be handed out."""
        number = self.next
        while number in self.waiting:
            number += 1
        return number == self.announced

    def timer(self, now_ns: int) -> None:
        self._expire(now_ns)
        if self.first_ns is None or not self.silence_ns or self.state != "LIVE":
            return
        heard = [self.first_ns if when is None else when for when in self.heard_ns]
        if all(now_ns - when > self.silence_ns for when in heard):
            self.state = "DOWN"

    def _announce(self, number: int, now_ns: int) -> None:
        if number > self.announced:
            if self.announced <= self.next:
                self.announced_ns = now_ns
            self.announced = number

    def _hand_out(self) -> Iterator[Handed]:
        while self.next in self.waiting:
            handed = self.waiting.pop(self.next)
            del self.since_ns[self.next]
            self.next += 1
            yield handed
        if not self.missing:
            self.declared = False
            if self.state in ("STARTUP", "DOWN", "GAP"):
                self.state = "LIVE"
            if self.end == self.next:
                self.state = "ENDED"
        elif self.state != "GAP":
            self.declared = False

    def _expire(self, now_ns: int) -> None:
        if not self.missing or self.next in self.waiting or self.state in ("GAP", "ENDED"):
            return
        since = min([*self.since_ns.values(), self.announced_ns])
        if now_ns - since >= self.hold_back_ns:
            self.declared = True
            self.state = "GAP"
