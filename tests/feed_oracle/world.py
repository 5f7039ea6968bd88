"""One case from beginning to end, in simulated time: lines, services, a receiver, and the judge beside it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.feed_oracle.case import Case
from tests.feed_oracle.judge import Judge, Violation
from tests.feed_oracle.lines import END, HEARTBEAT_NS, US, Plan, Transit, mold, plan_of
from tests.feed_oracle.receiver import EngineReceiver, Receiver
from tests.feed_oracle.services import LOGIN, ON_THE_WAY_NS, Connection, RequestServer, SnapshotService

__all__ = ["Outcome", "run"]

TICK_NS = 100 * US
CONNECT_NS = 50 * US


@dataclass
class Outcome:
    """What a case exercised."""

    state: str
    done: bool
    counters: dict[str, int]
    seen: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, case: Case, receiver: Receiver) -> None:
        self.case = case
        self.plan: Plan = plan_of(case)
        self.receiver = receiver
        self.judge = Judge(case, self.plan, receiver, TICK_NS)
        self.requests = RequestServer(case, self.plan, random.Random(f"requests {case.seed}"))
        self.snapshots = SnapshotService(case, self.plan, random.Random(f"snapshots {case.seed}"))
        self.connection: Connection | None = None
        self.connecting = False
        self.events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.number = 0
        self.now_ns = 0
        self.seen: Counter[str] = Counter()

    def at(self, when_ns: int, act: Callable[..., None], *arguments: Any) -> None:
        self.number += 1
        heapq.heappush(self.events, (when_ns, self.number, act, arguments))

    # what happens to the receiver

    def arrive(self, transit: Transit) -> None:
        if not self.believable(transit):
            return
        self.seen[f"harm {transit.harm}"] += 1
        self.judge.before()
        self.receiver.datagram(transit.line, transit.data, self.now_ns)
        name = self.plan.history.sessions[transit.session].name
        self.judge.heard(name, transit.first, transit.next, self.now_ns, harm=transit.harm)
        self.after()

    def believable(self, transit: Transit) -> bool:
        """False: no receiver could tell that this datagram was forged, so the network does not forge it now."""
        receiver = self.receiver
        began = self.plan.history.named(receiver.session)
        if began and transit.session < began and receiver.position < 1 << 40:
            return False  # began in the later session: the earlier one looks like a third
        if transit.harm == "session":
            return self.case.policy.named or receiver.state != "STARTUP"
        if transit.harm == "back":
            known = receiver.session == self.plan.history.sessions[transit.session].name
            reached = receiver.position & (1 << 40) - 1
            return known and receiver.state == "LIVE" and transit.next <= reached
        return True

    def reply(self, data: bytes) -> None:
        self.judge.before()
        self.receiver.datagram("recovery", data, self.now_ns)
        self.judge.replied()
        self.after()

    def tick(self, every_ns: int, until_ns: int) -> None:
        self.judge.before()
        self.receiver.timer(self.now_ns)
        self.after()
        if self.now_ns + every_ns < until_ns:
            self.at(self.now_ns + every_ns, self.tick, every_ns, until_ns)

    def serve(self, request: bytes) -> None:
        for when_ns, data in self.requests.answer(request, self.now_ns):
            self.at(when_ns, self.reply, data)

    def connect(self) -> None:
        self.connecting = False
        if self.connection is not None or not self.receiver.wants_snapshot:
            return
        self.judge.before()
        login = self.receiver.snapshot_open(self.now_ns)
        if login != LOGIN:
            raise Violation(f"the log-in to the snapshot service is {login!r}, not {LOGIN!r}")
        self.connection = connection = self.snapshots.connect(self.now_ns)
        self.judge.snapshot_opened()
        self.seen[f"snapshot {connection.kind}"] += 1
        for when_ns, piece in connection.pieces:
            self.at(when_ns, self.piece, connection, piece)
        if connection.close_ns is not None:
            self.at(connection.close_ns, self.hang_up, connection)
        self.after()

    def piece(self, connection: Connection, data: bytes) -> None:
        if self.connection is connection:
            self.judge.before()
            self.receiver.snapshot_bytes(data, self.now_ns)
            self.after()

    def hang_up(self, connection: Connection) -> None:
        if self.connection is connection:
            self.judge.before()
            self.receiver.snapshot_close(self.now_ns)
            self.after()

    def after(self) -> None:
        """What the receiver wants behind every call."""
        self.judge.after(self.now_ns)
        for request in self.receiver.take_requests():
            self.judge.requested(request, self.now_ns)
            if self.case.requests is None:
                raise Violation("a request, without a server to ask")
            self.at(self.now_ns + ON_THE_WAY_NS, self.serve, request)
        if self.connection is not None and not self.receiver.snapshot_is_open:
            self.connection = None
        if not self.connecting and self.connection is None and self.receiver.wants_snapshot:
            if self.case.snapshots is None:
                raise Violation("a snapshot is wanted, without a service")
            self.connecting = True
            self.at(self.now_ns + CONNECT_NS, self.connect)

    # the run

    def run_until(self, until_ns: int, *, stop: Callable[[], bool] = lambda: False) -> None:
        while self.events and self.events[0][0] <= until_ns:
            self.now_ns, _, act, arguments = heapq.heappop(self.events)
            act(*arguments)
            if stop():
                return
        self.now_ns = max(self.now_ns, until_ns)

    def clean_heartbeats(self, until_ns: int) -> None:
        """Both lines, every two milliseconds, from now on."""
        session = self.plan.history.sessions[-1]
        next_number = len(session.messages) + 1
        count = END if self.case.ends else 0
        data = mold(session.name, next_number, count=count)
        transit = Transit(0, "A", 0, len(self.plan.history.sessions) - 1, next_number, count, data)
        when_ns = self.now_ns
        while when_ns < until_ns:
            self.at(when_ns, self.arrive, transit)
            self.at(when_ns + 5 * US, self.arrive, replace(transit, line="B"))
            when_ns += HEARTBEAT_NS

    def run(self) -> Outcome:
        for transit in self.plan.transits:
            self.at(transit.at_ns, self.arrive, transit)
        end_ns = self.plan.end_ns
        self.at(TICK_NS, self.tick, TICK_NS, end_ns)
        self.run_until(end_ns)
        limit_ns = end_ns + settle_ns(self.case)
        self.now_ns = end_ns
        self.clean_heartbeats(limit_ns + 4 * HEARTBEAT_NS)
        self.at(end_ns + 1, self.tick, 2 * TICK_NS, limit_ns + 4 * HEARTBEAT_NS)
        if self.judge.must_recover:
            self.run_until(limit_ns, stop=self.judge.done)
        else:
            self.run_until(end_ns + 4 * HEARTBEAT_NS)
        done = self.judge.done()
        if self.judge.must_recover and not done:
            raise Violation(
                f"not recovered {(limit_ns - end_ns) // 1_000_000} ms after the faults: {self.judge}"
            )
        if not done and self.judge.must_be_whole():
            raise Violation(f"everything arrived, but: {self.judge}")
        if done:
            self.run_until(self.now_ns + 3 * HEARTBEAT_NS)
            if not self.judge.done():
                raise Violation(f"recovered, but it did not last: {self.judge}")
        self.judge.finish()
        counters = self.receiver.counters()
        if counters.get("left_over_orders"):
            raise Violation("orders left that nobody counted")
        self.seen.update(self.judge.seen)
        return Outcome(self.receiver.state, done, counters, self.seen)


def settle_ns(case: Case) -> int:
    """Ample time for every recovery that a policy allows, several times over."""
    policy = case.policy
    rounds_us = (
        policy.hold_back_us
        + policy.silence_us
        + policy.attempts * policy.timeout_us
        + policy.snapshot_attempts * (policy.snapshot_timeout_us + 1000)
        + policy.retry_us
    )
    return (4 * rounds_us + 100_000) * US


def run(case: Case, receiver: Callable[[Case], Receiver] = EngineReceiver) -> Outcome:
    """Runs a case; Violation when the property does not hold."""
    subject = receiver(case)
    world = None
    try:
        world = World(case, subject)
        return world.run()
    except Violation as violation:
        when = f"at {world.now_ns / 1e6:.4f} ms" if world else "before the start"
        raise Violation(f"{when}: {violation}") from None
    finally:
        subject.close()
