"""The venue's two services: a re-request server and a snapshot service (GLIMPSE 5.0 over SoupBinTCP)."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from tests.engine.feed.itch_reference import encode
from tests.feed_oracle.case import Case, Requests, Snapshots
from tests.feed_oracle.lines import US, Plan, mold
from tests.feed_oracle.market import MarketAt, stock_of
from tests.feed_oracle.receiver import PASSWORD, SESSIONS, USERNAME

__all__ = ["LOGIN", "Connection", "RequestServer", "SnapshotService"]

ON_THE_WAY_NS = 20 * US
LOGIN = b"\x00\x2fL" + f"{USERNAME:<6}{PASSWORD:<10}{'':<10}{1:>20}".encode()


@dataclass
class RequestServer:
    """Answers with whole messages of one datagram, or not at all."""

    case: Case
    plan: Plan
    chance: random.Random
    asked: int = 0
    replies: list[bytes] = field(default_factory=list)

    def answer(self, request: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """(time, datagram) of everything that comes back."""
        how = self.case.requests
        self.asked += 1
        assert how is not None
        clean = now_ns >= self.plan.end_ns
        if clean:
            how = Requests(delay_us=30)
        lost = self.asked <= how.lose_first or self.chance.random() * 100 < how.loss
        session, first, count = struct.unpack(">10sQH", request)
        number = self.plan.history.named(session)
        if how.refuse or lost or number is None:
            return []
        published = self.plan.published(number, now_ns)
        if first > published or first < 1 or (how.history and published - first >= how.history):
            return []
        messages = self.plan.history.sessions[number].messages
        carried = min(count, how.reply_max, published - first + 1, 40)
        if not carried:
            return []
        reply = mold(session, first, tuple(messages[first - 1 : first - 1 + carried]))
        at_ns = now_ns + ON_THE_WAY_NS + how.delay_us * US + self.chance.randrange(how.jitter_us * US + 1)
        found = [(at_ns, reply)]
        if self.chance.random() * 100 < how.corrupt:
            found = [(at_ns, reply[:-1])]
        if self.chance.random() * 100 < how.duplicate:
            found.append((at_ns + self.chance.randrange(1, 300 * US), found[0][1]))
        if self.replies and self.chance.random() * 100 < how.stale:
            found.append((at_ns + 1, self.chance.choice(self.replies)))
        self.replies.append(reply)
        return found


@dataclass
class Connection:
    """One log-in: the bytes that come back, when, and whether the server then hangs up."""

    number: int
    pieces: list[tuple[int, bytes]]
    close_ns: int | None
    kind: str  # whole, reject, cut, stall


@dataclass
class SnapshotService:
    case: Case
    plan: Plan
    chance: random.Random
    connections: int = 0

    def connect(self, now_ns: int) -> Connection:
        """The book as it stands now, unless the service has other plans.

        The receiver may not have heard of the session that the log-in is accepted in.
        """
        how = self.case.snapshots
        assert how is not None
        self.connections += 1
        number = self.connections
        if now_ns >= self.plan.end_ns:
            how = Snapshots(delay_us=50)
        begin_ns = now_ns + how.delay_us * US
        current = self.plan.session_at(now_ns)
        if number <= how.reject:
            return Connection(number, [(begin_ns, b"\x00\x02JS")], begin_ns + 1, "reject")
        kind = "cut" if number <= how.reject + how.cut else "whole"
        if how.reject + how.cut < number <= how.reject + how.cut + how.stall:
            return Connection(number, [], None, "stall")
        stream = self._stream(current, now_ns, how)
        if kind == "cut":
            stream = stream[: min(how.cut_after, len(stream) - 1)]
        pieces = [
            (begin_ns + index // how.chunk * how.gap_us * US, stream[index : index + how.chunk])
            for index in range(0, len(stream), how.chunk)
        ]
        close_ns = (pieces[-1][0] if pieces else begin_ns) + 100 * US
        return Connection(number, pieces, close_ns, kind)

    def _stream(self, session: int, now_ns: int, how: Snapshots) -> bytes:
        published = max(0, self.plan.published(session, now_ns) - how.lag)
        market = MarketAt(self.plan.history)
        rows = market.rows(session, published)
        symbols = range(1, self.plan.history.symbols + 1)
        messages = [encode("S", event_code=b"O")]
        messages += [encode("R", stock_locate=symbol, stock=stock_of(symbol)) for symbol in symbols]
        for symbol in symbols:
            state = b"H" if symbol in market.halted else b"T"
            messages.append(encode("H", stock_locate=symbol, stock=stock_of(symbol), trading_state=state))
        for symbol, side, price, _, reference, shares in rows:
            kind = "F" if reference % 7 == 0 else "A"
            messages.append(
                encode(
                    kind,
                    stock_locate=symbol,
                    order_reference=reference,
                    side=side,
                    shares=shares,
                    stock=stock_of(symbol),
                    price=price,
                )
            )
        digits = str(published + 1)
        messages.append(
            b"G" + (digits.ljust(20) if self.chance.random() < 0.5 else digits.rjust(20)).encode()
        )
        name = SESSIONS[session].decode().strip()
        packets = [b"A" + f"{name:>10}{1:>20}".encode()]
        for message in messages:
            if how.debug and self.chance.random() < 0.1:
                packets.append(self.chance.choice((b"+hello", b"H", b"+")))
            packets.append(b"S" + message)
        return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)
