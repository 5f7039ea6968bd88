"""The property. It looks at a receiver from outside, between one call and the next.

Blind:      no order leaves in a step that neither began nor ended LIVE; in a step that ended LIVE but did not begin
            so, only on the last message known. Its price and size are those of the true book after its trigger.
True:       LIVE, with k the last number delivered, means that the book is the true book after message k of that
            session; that nothing behind k has been known for longer than the hold-back; and that one of the lines
            was heard within the line silence.
Once:       what was delivered, what joins passed over and where delivery stands add up.
Asked:      requests name the own session, at most as many messages as allowed, none that was delivered, and none
            that another request still waits for.
Recovered:  when faults are over, services answer and heartbeats come, the feed is LIVE (or ENDED) at the very end of
            the market, and stays so. Without services, when everything arrived.
"""

from __future__ import annotations

import random
import struct
from collections import Counter

from tests.feed_oracle.case import Case
from tests.feed_oracle.lines import US, Plan
from tests.feed_oracle.market import MarketAt
from tests.feed_oracle.receiver import POSITION_SHIFT, Receiver, Sent

__all__ = ["Judge", "Violation"]

AGREE = 64  # messages; a datagram this far behind another one agrees with it
SUSPECTS = 4  # that a receiver remembers
CHECK_ONE_IN = 16


class Violation(AssertionError):
    """The receiver did what it must not."""


def agree(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Two datagrams, of numbers first and following, show the same; one and the same data again does not."""
    (first, following), (other, _) = sorted((left, right))
    return (left != right or first == following) and first <= other <= following + AGREE


def number_of(position: int) -> int:
    return position & (1 << POSITION_SHIFT) - 1


class Judge:
    def __init__(self, case: Case, plan: Plan, receiver: Receiver, tick_ns: int) -> None:
        self.case, self.plan, self.receiver = case, plan, receiver
        self.chance = random.Random(f"judge {case.seed}")
        self.seen: Counter[str] = Counter()
        self.state = receiver.state
        self.ordinals: dict[int, bytes] = {}
        self.books, self.order_books = MarketAt(plan.history), MarketAt(plan.history)
        self.patience_ns = case.policy.hold_back_us * US + 5 * tick_ns
        self.session = receiver.session
        self.known_next = 0  # numbers below it exist; two datagrams said so
        self.said_next = 0  # the same before the present step
        self.ahead: list[
            tuple[int, int, bool]
        ] = []  # the last ones; true: harmed, so nothing is to agree with it
        self.behind_since_ns: int | None = None
        self.behind_position = 0
        self.heard_ns = 0
        self.silence_ns = (case.policy.silence_us * US or 10**15) + 5 * tick_ns
        self.waiting: list[tuple[int, int, int]] = []  # requests: first, next, due

    def __str__(self) -> str:
        receiver = self.receiver
        return (
            f"{receiver.state} in {receiver.session!r} before message {number_of(receiver.position)},"
            f" wants_snapshot {receiver.wants_snapshot}, {interesting(receiver.counters())}"
        )

    # a step of the receiver

    def before(self) -> None:
        self.state = self.receiver.state
        self.said_next = self.known_next

    def heard(self, session: bytes, first: int, following: int, now_ns: int, *, harm: str) -> None:
        """A datagram of a line was given to the receiver; what it now knows to exist."""
        self.follow(self.receiver.session)
        self.heard_ns = now_ns
        if not harm and session == self.session:
            self.waiting = [entry for entry in self.waiting if following <= entry[0] or entry[1] <= first]
        self.seen["foreign"] += harm == "session"
        if (harm and harm != "ahead") or session != self.session:
            return
        here = max(self.known_next, number_of(self.receiver.position))
        self.ahead = [entry for entry in self.ahead if entry[1] > here]
        packet = (first, following, bool(harm))
        others = [entry for entry in self.ahead if not entry[2] and not harm and agree(packet[:2], entry[:2])]
        if first > here and not others:
            self.ahead = [*self.ahead, packet][-SUSPECTS:]
            return
        # the hole before the first of two is shown twice; a further one between them only once
        shown = sorted([*others, packet])
        if others and first > here:
            self.known_next = here = max(here, shown[-2][1])
        for entry in shown:
            if entry[0] <= here and not harm:
                self.known_next = here = max(here, entry[1])
        self.ahead = [entry for entry in self.ahead if entry not in others]

    def follow(self, session: bytes) -> None:
        if session != self.session:
            self.seen["rolled"] += self.session != bytes(10)
            self.session, self.known_next, self.ahead, self.waiting = session, 0, [], []
            self.said_next = 0

    def after(self, now_ns: int) -> None:
        receiver, state = self.receiver, self.receiver.state
        position = receiver.position
        self.follow(receiver.session)
        if state == "LIVE" and self.state in ("SYNC", "RESYNC"):
            self.ahead = []  # a snapshot may put an end to what only one datagram said
        self.ordinals[position >> POSITION_SHIFT] = self.session
        orders = receiver.take_orders()
        if orders:
            self.judge_orders(orders, state)
        if state != self.state:
            self.waiting = [] if self.state == "RECOVERING" else self.waiting  # given up
            self.seen[f"state {state}"] += 1
        self.judge_patience(position, state, now_ns)
        if state == "LIVE" and (self.state != "LIVE" or not self.chance.randrange(CHECK_ONE_IN)):
            self.judge_book("LIVE")

    def judge_orders(self, orders: list[Sent], state: str) -> None:
        self.seen["orders"] += len(orders)
        for order in orders:
            if "LIVE" not in (state, self.state):
                raise Violation(f"{order} left while {self.state}, then {state}")
            number = number_of(order.position)
            name = self.ordinals.get(order.position >> POSITION_SHIFT)
            session = self.plan.history.named(name) if name else None
            if session is None:
                raise Violation(f"{order} was triggered in no session of this venue")
            if self.state != "LIVE" and number + 1 < self.said_next and name == self.session:
                raise Violation(
                    f"{order} left on message {number} after {self.state}, while {self.said_next - 1} is known"
                )
            book = self.order_books.book(session, number)
            bid, ask, bid_shares, ask_shares = book.top(order.symbol)
            best, shares = (ask, ask_shares) if order.side == "B" else (bid, bid_shares)
            if (order.price, order.shares <= shares) != (best, True):
                raise Violation(f"{order}, but the true touch after message {number} is {shares} at {best}")
            if order.symbol in self.order_books.halted:
                raise Violation(f"{order}, but the symbol was halted at message {number}")

    def judge_patience(self, position: int, state: str, now_ns: int) -> None:
        if position != self.behind_position or self.known_next <= number_of(position):
            self.behind_since_ns = now_ns if self.known_next > number_of(position) else None
            self.behind_position = position
        elif self.behind_since_ns is None:
            self.behind_since_ns = now_ns
        if (
            state == "LIVE"
            and self.behind_since_ns is not None
            and now_ns - self.behind_since_ns > self.patience_ns
        ):
            raise Violation(
                f"LIVE before message {number_of(position)}, though {self.known_next - 1} is known to exist"
                f" since {self.behind_since_ns / 1e6:.4f} ms"
            )

        if state == "LIVE" and now_ns - self.heard_ns > self.silence_ns:
            raise Violation(f"LIVE, though both lines are silent since {self.heard_ns / 1e6:.4f} ms")

    def judge_book(self, when: str) -> None:
        number = number_of(self.receiver.position) - 1
        session = self.plan.history.named(self.session)
        if session is None:
            raise Violation(f"{when} in session {self.session!r}, which is none of this venue")
        if number > len(self.plan.history.sessions[session].messages):
            raise Violation(f"{when} behind message {number}, which does not exist")
        self.seen["books"] += 1
        wanted, found = self.books.rows(session, number), self.receiver.rows()
        if wanted != found:
            missing, extra = set(wanted) - set(found), set(found) - set(wanted)
            raise Violation(
                f"{when} behind message {number} of {self.session.decode()}, and {len(missing)} rows are missing,"
                f" {len(extra)} should not be there: {sorted(missing)[:2]} {sorted(extra)[:2]}"
            )

    # what the receiver asks for

    def requested(self, request: bytes, now_ns: int) -> None:
        self.seen["requests"] += 1
        session, first, count = struct.unpack(">10sQH", request)
        if session != self.receiver.session:
            raise Violation(f"a request for {session!r} in session {self.receiver.session!r}")
        if not 1 <= count <= self.case.policy.request_max:
            raise Violation(f"a request for {count} messages, {self.case.policy.request_max} are allowed")
        if first < number_of(self.receiver.position):
            raise Violation(
                f"a request from {first}, but {number_of(self.receiver.position)} is the next wanted"
            )
        here = number_of(self.receiver.position)
        self.waiting = [entry for entry in self.waiting if entry[1] > here and entry[2] > now_ns]
        for other_first, other_next, _ in self.waiting:
            if first < other_next and other_first < first + count:
                raise Violation(
                    f"a request for {count} from {first}, while {other_first} to {other_next - 1} is out"
                )
        if len(self.waiting) >= self.case.policy.outstanding:
            raise Violation(
                f"{len(self.waiting) + 1} requests are out, {self.case.policy.outstanding} are allowed"
            )
        self.waiting.append((first, first + count, now_ns + self.case.policy.timeout_us * US))

    def replied(self) -> None:
        self.waiting = []  # a partial reply asks for the rest at once

    def snapshot_opened(self) -> None:
        self.waiting = []

    # the end

    @property
    def must_recover(self) -> bool:
        case = self.case
        helped = case.requests is not None or case.snapshots is not None
        # a feed that follows nobody may take one foreign datagram for the end: GAP for good
        followed = case.policy.follow or (case.roll is None and not self.seen["foreign"])
        return helped and followed and not case.policy.best_effort

    def must_be_whole(self) -> bool:
        """Without services: nothing was lost or spoilt on the way, nor dropped by the receiver."""
        case, counters = self.case, self.receiver.counters()
        harmless = all(fault.do not in ("drop", "corrupt") for fault in case.faults)
        dropped = counters.get("reorder_full_drops", 0) + counters.get("suspects", 0)
        alone = case.requests is None and case.snapshots is None
        return alone and harmless and case.roll is None and not dropped and not case.policy.best_effort

    def done(self) -> bool:
        last = self.plan.history.sessions[-1]
        receiver = self.receiver
        return (
            receiver.state == ("ENDED" if self.case.ends else "LIVE")
            and receiver.session == last.name
            and number_of(receiver.position) == len(last.messages) + 1
        )

    def finish(self) -> None:
        state = self.receiver.state
        strict = not self.case.policy.best_effort
        if state == "LIVE" or (strict and self.done()):
            self.judge_book(state)
        if strict:
            self.judge_account()

    def judge_account(self) -> None:
        """Positions from the start over every join to where delivery stands."""
        joins = self.receiver.joins()
        expected, at = 0, 1
        for join in joins:
            if join.skipped_from >> POSITION_SHIFT != at >> POSITION_SHIFT:
                raise Violation(f"{join} leaves a session that delivery was not in: {at:#x}")
            expected += join.skipped_from - at
            at = join.position
        here = self.receiver.position
        if here >> POSITION_SHIFT != at >> POSITION_SHIFT:
            raise Violation(f"delivery stands at {here:#x}, but no join led there from {at:#x}: {joins}")
        expected += here - at
        if expected != self.receiver.delivered:
            raise Violation(
                f"{self.receiver.delivered} messages delivered, {expected} by the numbers: {joins}"
            )


def interesting(counters: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in counters.items() if value and not name.endswith("_ns")}
