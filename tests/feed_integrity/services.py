"""The venue's recovery services: requests and log-ins go in with their time, what the engine will hear comes out.

The re-request server answers with whole messages, as many as fit and as it likes, late, twice or never; it has no
way to refuse. A snapshot connection streams the reference book as of the log-in over SoupBinTCP, in pieces, and
may fail in every way of ``case.CONNECTIONS``. What nothing in the protocols gives away is not played: a snapshot
that lies about its number or leaves out an order, a reply with other messages than were published.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itch_reference import encode
from reference_book import ReferenceBook

from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US, Datagram
from tests.feed_integrity.mold import HEAD, LENGTH, request_of
from tests.feed_integrity.schedule import Schedule

__all__ = ["Clock", "Piece", "RequestService", "SnapshotConnection", "SnapshotService", "soup"]

REPLY_BYTES_MAX = 1472
WIRE_NS = 20 * US
STALE_NS = 15_000 * US
LOGIN = struct.Struct(">HB6s10s10s20s")


def soup(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">H", len(payload) + 1) + kind + payload


class RequestService:
    """Answers requests from what is published; knows the ranges asked for by now."""

    def __init__(self, plan: Schedule) -> None:
        self._plan = plan
        self._behaviour = plan.case.requests
        self._generator = random.Random(f"requests {plan.case.seed}")
        self._asked = 0
        self._answered = 0

    def answers(self, request: bytes, now_ns: int) -> list[Datagram]:
        """Replies with their times of arrival, in the numbers of the stream."""
        session_name, sequence, count = request_of(request)
        plan, behaviour, generator = self._plan, self._behaviour, self._generator
        arrived_ns = now_ns + WIRE_NS
        healed = arrived_ns >= plan.healed_ns
        self._asked += 1
        if not healed and self._silent(arrived_ns):
            return []
        if session_name not in plan.names:
            return []
        session = plan.names.index(session_name)
        newest = min(plan.published(arrived_ns), plan.end_of(session))
        number = plan.number(session, sequence)
        if not plan.starts[session] <= number <= newest:
            return []
        if behaviour.history and not healed and number <= newest - behaviour.history:
            return []
        count = min(count, newest - number + 1, behaviour.messages_max or count)
        size, fits = HEAD.size, 0
        for message in plan.stream.messages[number - 1 : number - 1 + count]:
            size += LENGTH.size + len(message)
            if size > REPLY_BYTES_MAX:
                break
            fits += 1
        self._answered += 1
        delay_ns = 0 if healed else behaviour.delay_us * US
        back_ns = arrived_ns + delay_ns + WIRE_NS + generator.randrange(5 * US)
        replies = [plan.datagram(back_ns, number, fits)]
        if not healed and generator.random() * 100 < behaviour.stale_percent:
            replies.append(plan.datagram(back_ns + STALE_NS, number, fits))
        return replies

    def _silent(self, now_ns: int) -> bool:
        behaviour = self._behaviour
        if behaviour.refuse or self._asked <= behaviour.lose:
            return True
        if self._generator.random() * 100 < behaviour.loss_percent:
            return True
        return bool(behaviour.burst and self._answered >= behaviour.burst + now_ns // (1000 * US))


@dataclass(frozen=True)
class Piece:
    """Bytes of a connection; None closes it. ``joined``: the engine knows the whole snapshot behind them, and
    this is the number of the stream that it begins with."""

    at_ns: int
    data: bytes | None
    joined: int = 0


class Clock:
    """The venue's book at the time of a log-in: advances with what is published."""

    def __init__(self, plan: Schedule) -> None:
        self._plan = plan
        self.book = ReferenceBook()
        self.states: dict[int, dict[str, Any]] = {}
        self.directory: dict[int, int] = {}
        self.number = 0

    def advance(self, number: int) -> None:
        """Message ``number`` of the stream is the last one published."""
        for index in range(self.number, number):
            if index in self._plan.stream.resets:
                self.book, self.states, self.directory = ReferenceBook(), {}, {}
            fields = self._plan.stream.fields[index]
            self.book.apply(fields)
            if fields["type"] == b"R":
                self.directory[fields["stock_locate"]] = index
            elif fields["type"] == b"H":
                self.states[fields["stock_locate"]] = fields
        self.number = max(self.number, number)

    def snapshot(self) -> list[bytes]:
        """S, R, H and the standing orders in their priority; without the end."""
        messages = self._plan.stream.messages
        out = [
            encode("S", event_code=b"O"),
            *(messages[index] for _, index in sorted(self.directory.items())),
        ]
        names = {locate: self._plan.stream.fields[index]["stock"] for locate, index in self.directory.items()}
        out += [
            encode("H", stock_locate=locate, stock=fields["stock"], trading_state=fields["trading_state"])
            for locate, fields in sorted(self.states.items())
        ]
        out += [
            encode(
                "A",
                stock_locate=symbol,
                order_reference=reference,
                side=side,
                shares=shares,
                stock=names[symbol],
                price=price,
            )
            for symbol, side, price, _, reference, shares in self.book.rows()
        ]
        return out


@dataclass
class SnapshotConnection:
    """One connection; ``received()`` takes the client's bytes and says what comes back."""

    service: SnapshotService
    kind: str
    seed: int
    up: bool = False  # the client has been told
    sent: bytes = b""
    logged_in: bool = False

    def opened(self, now_ns: int) -> list[Piece]:
        """What comes without being asked."""
        return [Piece(now_ns + WIRE_NS, None)] if self.kind == "refused" else []

    def received(self, data: bytes, now_ns: int) -> list[Piece]:
        self.sent += data
        pieces: list[Piece] = []
        while len(self.sent) >= 2 and len(self.sent) >= (size := 2 + int.from_bytes(self.sent[:2], "big")):
            packet, self.sent = self.sent[:size], self.sent[size:]
            kind = packet[2:3]
            if kind == b"L":
                assert not self.logged_in, "two log-ins on one connection"
                self._check(packet)
                self.logged_in = True
                pieces += self.service.stream(self, now_ns + WIRE_NS)
            elif kind == b"O":
                pieces.append(Piece(now_ns + WIRE_NS, None))
            else:
                assert kind == b"R", f"the snapshot service was sent {packet!r}"
                assert self.logged_in, "a heartbeat before the log-in"
        return pieces

    @staticmethod
    def _check(packet: bytes) -> None:
        length, _, user, password, session, sequence = LOGIN.unpack(packet)
        assert length == 47
        assert (user, password) == (b"STEP  ", b"STEP      ")
        assert session.strip() == b"", "a snapshot is asked of the current session"
        assert sequence == b"1".rjust(20)


class SnapshotService:
    """Takes connections, each with its behaviour."""

    def __init__(self, plan: Schedule) -> None:
        self._plan = plan
        self._case: Case = plan.case
        self._clock = Clock(plan)
        self._count = 0

    def connect(self, now_ns: int) -> SnapshotConnection:
        listed = self._case.connections
        trouble = self._count < len(listed) and now_ns < self._plan.healed_ns
        kind = listed[self._count] if trouble else "clean"
        self._count += 1
        return SnapshotConnection(self, kind, seed=self._case.seed + self._count)

    def stream(self, connection: SnapshotConnection, now_ns: int) -> list[Piece]:
        """All that the connection will carry, and when."""
        plan, kind, generator = self._plan, connection.kind, random.Random(f"snapshot {connection.seed}")
        if kind == "silent":
            return []
        if kind.startswith("rejected"):
            reason = b"A" if kind == "rejected_user" else b"S"
            return [Piece(now_ns + WIRE_NS, soup(b"J", reason)), Piece(now_ns + WIRE_NS + US, None)]
        self._clock.advance(plan.published(now_ns))
        number = self._clock.number + 1
        session = plan.session(max(self._clock.number, 1))
        name, sequence = plan.names[session], plan.sequence(number, session)
        packets = [soup(b"A", name + b"1".rjust(20))]
        if generator.random() < 0.3:
            packets.insert(0, soup(b"+", b"welcome"))
        body = [soup(b"S", message) for message in self._clock.snapshot()]
        end = soup(b"S", b"G" + _digits(sequence, generator))
        place = generator.randrange(len(body))
        if kind == "garbled":
            body[place] = soup(b"S", b"A" + bytes(generator.randrange(35)))
        elif kind == "garbled_end":
            end = soup(b"S", b"G" + b"12x4".rjust(20))
        elif kind == "ended":
            body[place:] = [soup(b"Z")]
        elif kind == "unframed":
            body[place:] = [b"\0\0"]
        elif kind == "stalled":
            body, end = [soup(b"H")] * 5, b""
        elif generator.random() < 0.5:
            body.insert(place, soup(b"H"))
        if kind == "ended":
            end = b""
        data = b"".join([*packets, *body, end])
        if kind == "cut":
            data = data[: generator.randrange(len(data))]
        delay_ns = self._case.snapshot_delay_us * US if now_ns < plan.healed_ns else 0
        return self._pieces(data, now_ns + delay_ns + WIRE_NS, kind, number, generator)

    def _pieces(
        self, data: bytes, at_ns: int, kind: str, number: int, generator: random.Random
    ) -> list[Piece]:
        chunk, pieces, offset = self._case.chunk or len(data), [], 0
        while offset < len(data):
            size = generator.randint(1, chunk) if self._case.chunk else chunk
            pieces.append(Piece(at_ns, data[offset : offset + size]))
            offset += size
            at_ns += generator.randrange(4 * US)
        if kind == "clean" and pieces:
            pieces[-1] = Piece(pieces[-1].at_ns, pieces[-1].data, joined=number)
        if kind == "cut":
            pieces.append(Piece(at_ns, None))
        elif kind != "stalled":
            pieces.append(Piece(at_ns + 2000 * US, None))
        return pieces


def _digits(number: int, generator: random.Random) -> bytes:
    """Twenty characters, padded as the specification leaves open."""
    text: Callable[[int], str] = generator.choice((str, str, "{:020d}".format))
    digits = text(number)
    return digits.encode().rjust(20) if generator.random() < 0.5 else digits.encode().ljust(20)
