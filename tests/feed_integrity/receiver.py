"""What the world needs of a receiver under test: the engine, or the plain one that checks the test itself."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["POSITION_SHIFT", "Observed", "Receiver", "Row", "Sent"]

POSITION_SHIFT = 40  # position = session ordinal << 40 | sequence

Row = tuple[int, bytes, int, int, int, int]  # symbol, side, price, place in the queue, reference, shares


class Sent(NamedTuple):
    """An order that left. Side, price and shares are not looked at when it answers without a book."""

    position: int
    side: str
    price: int
    shares: int


class Observed(NamedTuple):
    """The feed after a call. ``session`` is empty until one is known; messages below ``next`` are behind it."""

    state: str
    session: bytes
    ordinal: int
    next: int
    delivered: int


class Receiver(Protocol):
    """Time is the caller's and never goes back. Sources: 0 line A, 1 line B, 2 replies to re-requests."""

    def step(self, source: int, datagram: bytes, now_ns: int) -> list[Sent]: ...

    def timer(self, now_ns: int) -> list[Sent]: ...

    def observe(self) -> Observed: ...

    def take_requests(self) -> list[bytes]: ...

    @property
    def wants_snapshot(self) -> bool: ...

    @property
    def snapshot_is_open(self) -> bool: ...

    def snapshot_open(self, now_ns: int) -> None: ...

    def snapshot_bytes(self, data: bytes, now_ns: int) -> list[Sent]: ...

    def snapshot_close(self, now_ns: int) -> None: ...

    def take_snapshot_sent(self) -> bytes: ...

    def rows(self) -> list[Row]:
        """The book, sorted by symbol, side, price and place."""

    def troubles(self) -> dict[str, int]:
        """Whatever the book found wrong with the messages it was given: empty when all of them made sense."""

    def answered(self) -> list[int]:
        """Positions of all messages that a receiver without a book was given, in the order of delivery."""

    def decided_blind(self) -> int:
        """Orders let through by its own log although its feed was not LIVE."""

    def close(self) -> None: ...
