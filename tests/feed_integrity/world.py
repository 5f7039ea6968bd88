"""A case and a receiver go in; the world is played in simulated time, and an ``Outcome`` comes out, or ``Violation``.

Liveness: when all faults are over and the clean tail has passed, the receiver must be LIVE (or ENDED, when the
session has ended) at the last message, within a time that allows for every time-out of its policy; unless nothing
could have brought back what it missed (``Outcome.liveness`` says whether it was owed).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count

from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US, Corruptor, Datagram, Wire, impair
from tests.feed_integrity.judge import Judge, Violation
from tests.feed_integrity.receiver import Observed, Receiver, Sent
from tests.feed_integrity.schedule import BEAT_NS, TAIL, Schedule, schedule
from tests.feed_integrity.services import Piece, RequestService, SnapshotConnection, SnapshotService

__all__ = ["Outcome", "Violation", "World", "play"]

LINE_NS = 20 * US
CONNECT_NS = 150 * US
BOOK_CHECKS_EVERY = 25  # steps, about
SHORT_NS = 30_000 * US  # how long one waits for what is not owed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a case came to: for counting what a campaign has exercised."""

    final_state: str
    liveness: bool
    live: bool
    states: frozenset[str]
    orders: int
    books: int
    requests: int
    joins: int
    snapshots: int
    delivered: int


Action = Callable[[int], None]


class World:
    def __init__(self, case: Case, make_receiver: Callable[[Case], Receiver]) -> None:
        self.case = case
        self.plan: Schedule = schedule(case)
        self.receiver = make_receiver(case)
        self.judge = Judge(self.plan, self.receiver)
        self.now_ns = 0
        self._queue: list[tuple[int, int, Action]] = []
        self._order = count()
        self._generator = random.Random(f"world {case.seed}")
        firsts = {name: self.plan.first(index) for index, name in enumerate(self.plan.names)}
        self._corruptor = Corruptor(self.plan.names, firsts)
        self._reply_wire = Wire(case.faults, line="R", seed=case.seed, corruptor=self._corruptor)
        self._requests = RequestService(self.plan)
        self._snapshots = SnapshotService(self.plan)
        self._connection: SnapshotConnection | None = None
        self._seen: Observed = self.receiver.observe()
        self._heard: set[int] = set()  # messages delivered whole by a line
        self._counts = {"requests": 0, "joins": 0, "snapshots": 0}
        self._quiet = 0

    # Time

    def _at(self, at_ns: int, action: Action) -> None:
        heapq.heappush(self._queue, (at_ns, next(self._order), action))

    def run(self) -> Outcome:
        for source, line in enumerate("AB"):
            late_ns = LINE_NS + source * self.case.skew_us * US
            arrived = impair(
                self.plan.line(source),
                self.case.faults,
                line=line,
                seed=self.case.seed,
                corruptor=self._corruptor,
            )
            for datagram in arrived:
                self._at(datagram.at_ns + late_ns, self._line(source, datagram))
        self._at(0, self._tick)
        self._at(self.plan.healed_ns + BEAT_NS, self._beat(1))
        deadline_ns = self.plan.healed_ns + (TAIL + 2) * BEAT_NS + self._patience_ns()
        while not self._settled() and self.now_ns < deadline_ns:
            self.now_ns, _, action = heapq.heappop(self._queue)
            action(self.now_ns)
        return self._end()

    def _patience_ns(self) -> int:
        if not self._owed():
            return SHORT_NS
        policy = self.case.policy
        round_us = (
            policy.snapshot_attempts * policy.snapshot_timeout_us
            + policy.request_attempts * policy.request_timeout_us * 4
            + policy.retry_us
            + policy.hold_back_us
        )
        return (4 * round_us + 100_000) * US

    def _owed(self) -> bool:
        """Could a right receiver be LIVE in the end?"""
        policy, case = self.case.policy, self.case
        if not policy.strict or (case.rolls and not policy.follow_sessions):
            return False
        if policy.requests or policy.snapshots:
            return True
        whole = len(self._heard) == self.plan.count or self.now_ns < self.plan.healed_ns
        return whole and not case.rolls and policy.reorder_packets >= 512

    def _settled(self) -> bool:
        """Nothing more can happen: at the last message, all of it published, for some ticks."""
        seen = self._seen
        done = seen.state == "ENDED" if self.case.ends else seen.state == "LIVE"
        if not done or self.plan.published(self.now_ns) < self.plan.count or self._connection:
            self._quiet = 0
            return False
        if self.judge.number(seen) < self.plan.count:
            self._quiet = 0
        return self._quiet > 5

    def _end(self) -> Outcome:
        seen, owed = self._seen, self._owed()
        number = self.judge.number(seen)
        live = seen.state in ("LIVE", "ENDED") and number == self.plan.count
        if owed and not live:
            raise Violation(
                "liveness", f"{seen.state} at message {number} of {self.plan.count} long after all faults"
            )
        if seen.state == "LIVE" or (seen.state == "ENDED" and self.case.policy.strict):
            self.judge.book(seen)
        self.judge.ended(seen)
        return Outcome(
            final_state=seen.state,
            liveness=owed,
            live=live,
            states=frozenset(self.judge.states),
            orders=self.judge.orders,
            books=self.judge.books,
            delivered=seen.delivered,
            **self._counts,
        )

    # The market

    def _line(self, source: int, datagram: Datagram) -> Action:
        return lambda now_ns: self._arrive(source, datagram, now_ns)

    def _beat(self, index: int) -> Action:
        """The clean tail: a message, then for ever heartbeats or the session's end."""

        def beat(now_ns: int) -> None:
            self._at(now_ns + BEAT_NS, self._beat(index + 1))
            number = self.case.messages + index
            if index <= TAIL:
                datagrams = [self.plan.datagram(now_ns, number, 1)]
                self._quiet = 0
            else:
                datagrams = [self.plan.beat(now_ns, self.plan.count, end=self.case.ends)]
            for datagram in datagrams:
                for source in (0, 1):
                    late_ns = LINE_NS + source * self.case.skew_us * US
                    self._at(now_ns + late_ns, self._line(source, datagram))

        return beat

    def _tick(self, now_ns: int) -> None:
        self._at(now_ns + self.case.tick_us * US, self._tick)
        self._quiet += 1
        self._done(self.receiver.timer(now_ns), now_ns)
        self.judge.timer(self._seen, now_ns)

    def _arrive(self, source: int, datagram: Datagram, now_ns: int) -> None:
        if datagram.harm == "foreign" and (not self._seen.session or self._seen.state == "ENDED"):
            return  # see faults.py
        if datagram.harm in ("far", "behind") and not self._seen.next:
            return
        self.judge.arrives(source, datagram, now_ns, self._seen)
        if not datagram.harm:
            self._heard.update(range(datagram.first, datagram.first + datagram.count))
        self._done(self.receiver.step(source, datagram.data, now_ns), now_ns)
        if self._seen.state == "LIVE" and self._generator.randrange(BOOK_CHECKS_EVERY) == 0:
            self.judge.book(self._seen)

    # What the receiver did

    def _done(self, sent: list[Sent], now_ns: int, *, joined: int = 0) -> None:
        before, self._seen = self._seen, self.receiver.observe()
        self.judge.judge(sent, before, self._seen, now_ns, joined=joined)
        for request in self.receiver.take_requests():
            self._counts["requests"] += 1
            self.judge.requested(request, self._seen, now_ns)
            for reply in self._requests.answers(request, now_ns):
                self._at(reply.at_ns, self._reply(reply))
        self._tend_snapshot(now_ns)

    def _reply(self, reply: Datagram) -> Action:
        def arrive(now_ns: int) -> None:
            passed = self._reply_wire.passes(reply) if now_ns < self.plan.healed_ns else reply
            if passed is not None:
                self._arrive(2, passed, now_ns)

        return arrive

    # The snapshot

    def _tend_snapshot(self, now_ns: int) -> None:
        connection = self._connection
        if connection is None:
            if self.receiver.wants_snapshot:
                if not self.case.policy.snapshots:
                    raise Violation("policy", "wants a snapshot, against the policy")
                connection = self._connection = self._snapshots.connect(now_ns)
                self._at(now_ns + CONNECT_NS, lambda at_ns: self._connected(connection, at_ns))
            return
        if not connection.up:
            return
        data = self.receiver.take_snapshot_sent()
        if data:
            self._pieces(connection, connection.received(data, now_ns))
        if not self.receiver.snapshot_is_open:
            self._connection = None

    def _connected(self, connection: SnapshotConnection, now_ns: int) -> None:
        if not self.receiver.wants_snapshot:
            self._connection = None  # the hole was filled meanwhile
            return
        connection.up = True
        self._counts["snapshots"] += 1
        self.receiver.snapshot_open(now_ns)
        self._pieces(connection, connection.opened(now_ns))
        self._done([], now_ns)

    def _pieces(self, connection: SnapshotConnection, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._at(piece.at_ns, self._piece(connection, piece))

    def _piece(self, connection: SnapshotConnection, piece: Piece) -> Action:
        def arrive(now_ns: int) -> None:
            if self._connection is not connection:
                return
            if piece.data is None:
                self.receiver.snapshot_close(now_ns)
                if self.receiver.snapshot_is_open:
                    raise Violation("snapshot", "the snapshot is open after its connection was lost")
                self._connection = None
                self._done([], now_ns)
                return
            sent = self.receiver.snapshot_bytes(piece.data, now_ns)
            self._counts["joins"] += bool(piece.joined)
            self._done(sent, now_ns, joined=piece.joined)

        return arrive


def play(case: Case, make_receiver: Callable[[Case], Receiver]) -> Outcome:
    """One run; Violation when the receiver broke the property."""
    world = World(case, make_receiver)
    with closing(world.receiver):
        return world.run()
