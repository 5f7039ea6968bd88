"""A receiver in plain Python: every message by number in one dictionary, no bounds, no hurry.

It is what the property is tried on: as it stands the property must hold for it, and each of MUTANTS, which does one
thing wrong, must be caught. It shares no code with the engine.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.engine.book.reference_book import ReferenceBook, Row
from tests.engine.feed.itch_reference import decode
from tests.feed_oracle.case import Case
from tests.feed_oracle.judge import agree
from tests.feed_oracle.lines import END, US
from tests.feed_oracle.receiver import PASSWORD, POSITION_SHIFT, SESSIONS, USERNAME, Join, Sent

__all__ = ["MUTANTS", "ReferenceReceiver"]

MUTANTS = (
    "skips a hole",
    "delivers a duplicate",
    "delivers overlaps from their start",
    "orders in a gap",
    "orders while it catches up",
    "joins a snapshot one late",
    "joins a snapshot one early",
    "keeps the book under a snapshot",
    "forgets at a join what it heard of",
    "follows one foreign datagram",
    "keeps the book over a roll",
    "believes every number",
    "takes datagrams in part",
    "ignores heartbeats",
    "asks for what it has",
    "asks again at once",
    "asks once only",
    "tries one snapshot only",
    "joins another session's snapshot",
    "does not mind silence",
)
WINDOW = 200  # messages ahead that are asked for


def parse(datagram: bytes, *, in_part: bool = False) -> tuple[bytes, int, int, list[bytes]] | None:
    """(session, first, count as sent, messages), or None: not well-formed."""
    if len(datagram) < 20:
        return None
    session, first, count = struct.unpack_from(">10sQH", datagram)
    messages: list[bytes] = []
    offset = 20
    for _ in range(0 if count == END else count):
        size = int.from_bytes(datagram[offset : offset + 2], "big")
        if len(datagram) < offset + 2 + size:
            return (session, first, count, messages) if in_part else None
        messages.append(datagram[offset + 2 : offset + 2 + size])
        offset += 2 + size
    return (session, first, count, messages) if offset == len(datagram) or in_part else None


class ReferenceReceiver:
    def __init__(self, case: Case, mutant: str = "") -> None:
        assert not mutant or mutant in MUTANTS
        self.case, self.policy, self.mutant = case, case.policy, mutant
        self.session = SESSIONS[0] if case.policy.named else bytes(10)
        self.past: set[bytes] = set()
        self.ordinal, self.next = 0, 1
        self.known = 0  # numbers below it exist
        self.suspects: list[tuple[int, int, list[bytes], str]] = []
        self.pending: dict[int, bytes] = {}
        self.end: int | None = None
        self.heard_ns = 0
        self.heard = self.was_live = self.live = False
        self.foreign = self.closed = False
        self.candidate, self.candidate_count = b"", 0
        self.hole_since_ns: int | None = None
        self.hole_at = 0
        self.declared = False
        self.now_ns = 0
        # recovery
        self.out: list[tuple[int, int, int]] = []  # first, next, due
        self.requests: list[bytes] = []
        self.attempts = 0
        self.retry_ns: int | None = None
        self.snapshot = ""  # "", wanted, running
        self.snapshot_failures = 0
        self.snapshot_due_ns = 0
        self.soup = b""
        self.lost: int | None = None  # position at which the book was given up
        # results
        self.book, self.halted = ReferenceBook(), set[int]()
        self.orders: list[Sent] = []
        self.made: list[Join] = []
        self.delivered = 0

    # the face

    @property
    def position(self) -> int:
        return self.ordinal << POSITION_SHIFT | self.next

    @property
    def state(self) -> str:
        if self.end == self.next and not self.snapshot:
            return "ENDED"
        if self.live:
            return "LIVE"
        if not self.heard:
            return "STARTUP"
        if self.snapshot:
            return "RESYNC" if self.was_live else "SYNC"
        if self.next >= self.known and self.policy.silence_us:
            return "DOWN"
        return "RECOVERING" if self.declared and self.case.requests and not self.foreign else "GAP"

    @property
    def wants_snapshot(self) -> bool:
        return self.snapshot == "wanted"

    @property
    def snapshot_is_open(self) -> bool:
        return self.snapshot == "running"

    def take_orders(self) -> list[Sent]:
        orders, self.orders = self.orders, []
        return orders

    def take_requests(self) -> list[bytes]:
        requests, self.requests = self.requests, []
        return requests

    def rows(self) -> list[Row]:
        return self.book.rows()

    def joins(self) -> list[Join]:
        return self.made

    def counters(self) -> dict[str, int]:
        return {"delivered": self.delivered}

    def close(self) -> None:
        pass

    # in

    def datagram(self, line: str, data: bytes, now_ns: int) -> None:
        self.now_ns = now_ns
        self.heard_ns = now_ns if line != "recovery" else self.heard_ns
        parsed = parse(data, in_part=self.mutant == "takes datagrams in part")
        if parsed is not None and not self.closed:
            self.take(line, *parsed)
        self.settle()

    def timer(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.settle()

    def take(self, line: str, session: bytes, first: int, count: int, messages: list[bytes]) -> None:
        if self.session == bytes(10):
            self.session = session
        if session != self.session and (session in self.past or not self.other_session(session)):
            return
        self.foreign, self.candidate_count = False, 0
        following = first + len(messages)
        if self.mutant == "ignores heartbeats" and not messages:
            return
        if first > max(self.known, self.next) + self.policy.jump and self.mutant != "believes every number":
            alike = [
                old
                for old in self.suspects
                if agree((first, following), old[:2]) or (old[:2] == (first, following) and old[3] != line)
            ]
            if not alike:
                self.suspects = [*self.suspects[-3:], (first, following, messages, line)]
                return
            self.suspects = [old for old in self.suspects if old not in alike]
            for old in alike:
                self.learn(*old[:3])
        self.heard = True
        if count == END and following >= max(self.known, self.next):
            self.end = following
        self.learn(first, following, messages)

    def learn(self, first: int, following: int, messages: list[bytes]) -> None:
        self.known = max(self.known, following)
        again = self.mutant == "delivers a duplicate" and following <= self.next
        overlap = self.mutant == "delivers overlaps from their start" and first < self.next < following
        if (again or overlap) and self.live:
            self.next = first
        for number, message in enumerate(messages, first):
            if number >= self.next:
                self.pending.setdefault(number, message)
        self.out = [entry for entry in self.out if following <= entry[0] or entry[1] <= first]
        self.deliver()

    def other_session(self, session: bytes) -> bool:
        """True once it is ours."""
        self.foreign = True
        self.candidate_count = self.candidate_count + 1 if session == self.candidate else 1
        self.candidate = session
        confirmed = (
            self.mutant == "follows one foreign datagram" or self.candidate_count >= self.policy.confirm
        )
        if not confirmed:
            return False
        if not self.policy.follow:
            self.closed = True
            return False
        lost = self.position if self.lost is None else self.lost
        self.past.add(self.session)
        self.session = session
        self.ordinal, self.next, self.known, self.end = self.ordinal + 1, 1, 0, None
        self.pending, self.out, self.suspects, self.hole_since_ns = {}, [], [], None
        self.attempts, self.retry_ns, self.declared = 0, None, False
        self.lost, self.snapshot, self.snapshot_failures = None, "", 0
        if self.mutant == "keeps the book over a roll":
            self.made.append(Join(self.position, lost))
            return True
        self.book, self.halted = ReferenceBook(), set()
        if self.case.snapshots is None:
            self.made.append(Join(self.position, lost))
        else:
            self.lost, self.snapshot = lost, "wanted"
        return True

    # out

    def deliver(self) -> None:
        while not self.snapshot and self.next in self.pending:
            self.apply(self.pending.pop(self.next))
            self.next += 1
            self.delivered += 1

    def apply(self, message: bytes, *, snapshot: bool = False) -> None:
        if not message:
            return  # a block of length 0 is legal
        fields = decode(message)
        symbol = fields["stock_locate"]
        before = self.book.top(symbol)
        self.book.apply(fields)
        if fields["type"] == b"H":
            change = self.halted.discard if fields["trading_state"] == b"T" else self.halted.add
            change(symbol)
        catching_up = self.mutant == "orders while it catches up" and self.declared
        may = self.live or self.mutant == "orders in a gap" or catching_up
        if snapshot or not may or symbol in self.halted:
            return
        bid, ask, bid_shares, ask_shares = self.book.top(symbol)
        if ask and bid > before[0]:
            self.orders.append(Sent(self.position, symbol, "B", ask, min(100, ask_shares)))
        elif bid and ask < before[1]:
            self.orders.append(Sent(self.position, symbol, "S", bid, min(100, bid_shares)))

    def settle(self) -> None:
        """Holes, requests, snapshots, and whether it is LIVE now."""
        if self.snapshot == "running" and self.now_ns >= self.snapshot_due_ns:
            self.snapshot_close(self.now_ns)
        if self.next >= self.known:
            self.hole_since_ns, self.declared, self.out, self.attempts = None, False, [], 0
            self.retry_ns = self.retry_ns if self.lost is not None else None
        elif self.hole_since_ns is None or self.hole_at != self.next:
            # a hole behind the one that was declared is no younger than it
            self.hole_since_ns = self.hole_since_ns if self.declared and self.hole_since_ns else self.now_ns
            self.hole_at = self.next
        if self.hole_since_ns is not None:
            self.declared |= self.now_ns - self.hole_since_ns >= self.policy.hold_back_us * US
        if self.declared and self.mutant == "skips a hole":
            self.next = min(self.pending, default=self.known)
            self.deliver()
        if self.retry_ns is not None and self.now_ns >= self.retry_ns:
            self.retry_ns, self.attempts, self.snapshot_failures = None, 0, 0
            if self.lost is not None:
                self.snapshot = "wanted"
        if self.declared and not self.snapshot and self.retry_ns is None and not self.closed:
            self.recover()
        complete = self.next >= self.known and not self.snapshot and self.lost is None
        held_back = self.live and self.hole_since_ns is not None and not self.declared and not self.snapshot
        silence_ns = self.policy.silence_us * US if self.mutant != "does not mind silence" else 0
        silent = silence_ns and self.now_ns - self.heard_ns > silence_ns
        self.live = (
            not silent and self.heard and not self.foreign and not self.closed and (complete or held_back)
        )
        self.was_live |= self.live

    def missing(self) -> Iterator[tuple[int, int]]:
        """(first, next) of every stretch that is neither here nor asked for."""
        asked = {number for first, after, _ in self.out for number in range(first, after)}
        first = None
        end = min(self.known, self.next + WINDOW)
        for number in range(self.next, end + 1):
            there = number in self.pending or number in asked or number == end
            if not there and first is None:
                first = number
            elif there and first is not None:
                yield first, number
                first = None

    def recover(self) -> None:
        timed_out = [entry for entry in self.out if entry[2] <= self.now_ns]
        self.out = [entry for entry in self.out if entry[2] > self.now_ns]
        self.attempts += bool(timed_out)
        holes = self.known - self.next - len(self.pending)
        hopeless = self.case.requests is None or self.attempts >= self.policy.attempts
        if self.case.snapshots is not None and (hopeless or holes > self.policy.give_up):
            self.snapshot, self.out = "wanted", []
            self.lost = self.position
            return
        if hopeless:
            if self.mutant != "asks once only":
                self.retry_ns = self.now_ns + self.policy.retry_us * US
            return
        if self.mutant == "asks again at once":
            self.out = []
        for first, after in self.missing():
            if len(self.out) >= self.policy.outstanding:
                break
            while first < after and len(self.out) < self.policy.outstanding:
                count = min(after - first, self.policy.request_max)
                self.out.append((first, first + count, self.now_ns + self.policy.timeout_us * US))
                sequence = first - (self.mutant == "asks for what it has")
                self.requests.append(struct.pack(">10sQH", self.session, sequence, count))
                first += count

    # the snapshot

    def snapshot_open(self, now_ns: int) -> bytes:
        self.now_ns = now_ns
        if self.mutant != "keeps the book under a snapshot":
            self.book, self.halted = ReferenceBook(), set()
        self.snapshot, self.soup = "running", b""
        self.snapshot_due_ns = now_ns + self.policy.snapshot_timeout_us * US
        return b"\x00\x2fL" + f"{USERNAME:<6}{PASSWORD:<10}{'':<10}{1:>20}".encode()

    def snapshot_close(self, now_ns: int) -> None:
        self.now_ns = now_ns
        if self.snapshot != "running":
            return
        self.snapshot_failures += 1
        once = self.mutant == "tries one snapshot only"
        if self.snapshot_failures < self.policy.snapshot_attempts and not once:
            self.snapshot = "wanted"
        else:
            # nothing is handed out until a snapshot is joined: "wanted" comes back with the next attempt
            self.snapshot = "resting"
            self.retry_ns = None if once else now_ns + self.policy.retry_us * US

    def snapshot_bytes(self, data: bytes, now_ns: int) -> None:
        self.now_ns = now_ns
        self.soup += data
        while self.snapshot == "running" and len(self.soup) >= 2:
            size = int.from_bytes(self.soup[:2], "big")
            if len(self.soup) < 2 + size:
                break
            packet, self.soup = self.soup[2 : 2 + size], self.soup[2 + size :]
            foreign = packet[:1] == b"A" and packet[1:11].strip() != self.session.strip()
            if packet[:1] in (b"J", b"Z") or (foreign and self.mutant != "joins another session's snapshot"):
                self.snapshot_close(now_ns)
            elif packet[:2] == b"SG":
                self.join(int(packet[2:].strip()))
            elif packet[:1] == b"S":
                self.apply(packet[1:], snapshot=True)
        self.settle()

    def join(self, number: int) -> None:
        number += {"joins a snapshot one late": 1, "joins a snapshot one early": -1}.get(self.mutant, 0)
        number = max(1, number)
        assert self.lost is not None
        self.next = number
        self.made.append(Join(self.position, self.lost))
        self.snapshot, self.lost, self.snapshot_failures = "", None, 0
        self.pending = {known: message for known, message in self.pending.items() if known >= number}
        if self.mutant == "forgets at a join what it heard of":
            self.known, self.pending = 0, {}
        self.heard, self.hole_since_ns, self.declared, self.attempts = True, None, False, 0
        self.deliver()
        self.declared = self.next < self.known
        self.hole_since_ns = self.now_ns if self.declared else None
