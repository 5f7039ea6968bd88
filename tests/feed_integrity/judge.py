"""The property. Everything that happens to a receiver goes in; ``Violation`` comes out when it is not allowed.

At every step
    * no order leaves unless the feed is LIVE before or after the step (or has ended in it), each belongs to a message
      delivered in that step, messages are delivered once and in order, and an order is priced by the clean book at
      its message;
    * the feed is not LIVE before it has heard anything, while two datagrams have shown for longer than the
      hold-back that messages are missing, while both lines are silent, or in a session that never was or is over;
    * re-requests are whole, for messages that exist and were not delivered, no more at a time than allowed, and
      none for a message that another one is out for.
Now and then while LIVE, whenever it becomes LIVE, and at the end
    * the book is, order for order, the reference book fed with the clean stream up to the last delivered message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US, Datagram
from tests.feed_integrity.mold import parse, request_of
from tests.feed_integrity.receiver import POSITION_SHIFT, Observed, Receiver, Sent
from tests.feed_integrity.schedule import Schedule
from tests.feed_integrity.services import Clock

__all__ = ["Judge", "Violation"]

SEQUENCE_MASK = (1 << POSITION_SHIFT) - 1
ORDER_SHARES = 100


class Violation(AssertionError):
    """The receiver broke the property. ``rule``: which part of it, in a word."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


@dataclass(slots=True)
class _Request:
    at_ns: int
    first: int  # numbers of the stream
    end: int


@dataclass
class Judge:
    plan: Schedule
    receiver: Receiver
    clock: Clock = field(init=False)
    orders: int = 0
    books: int = 0
    states: set[str] = field(default_factory=set)
    _heard_ns: int = -1
    _moved_ns: int = 0
    _shown: list[tuple[int, int]] = field(
        default_factory=list
    )  # arrival, messages of the stream below it exist
    _foreign: int = 0  # clean datagrams in a row of sessions behind the receiver's
    _given: set[int] = field(default_factory=set)
    _out: list[_Request] = field(default_factory=list)
    _last_order: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock(self.plan)

    @property
    def case(self) -> Case:
        return self.plan.case

    def number(self, seen: Observed) -> int:
        """The last message of the stream that the receiver has behind it; -1 while it knows none."""
        if not seen.session or not seen.next:
            return -1
        if seen.session not in self.plan.names:
            raise Violation("session", f"follows session {seen.session!r}, which never was")
        return self.plan.number(self.plan.names.index(seen.session), seen.next) - 1

    # What came

    def arrives(self, source: int, datagram: Datagram, now_ns: int, before: Observed) -> None:
        """Called before the receiver is given a datagram."""
        if source < 2:
            self._heard_ns = now_ns
        if datagram.harm:
            return
        parsed = parse(datagram.data)
        assert parsed is not None
        self._given.update(range(datagram.first, datagram.first + datagram.count))
        session = self.plan.names.index(parsed.session)
        own = self.plan.names.index(before.session) if before.session in self.plan.names else session
        if source == 2:
            self._foreign = self._foreign if session > own else 0
            self._answered(datagram)
            return
        self._foreign = self._foreign + 1 if session > own else 0
        if session == own:
            self._shown.append((now_ns, self.plan.number(session, parsed.shown)))

    def _answered(self, datagram: Datagram) -> None:
        end = datagram.first + datagram.count
        self._out = [out for out in self._out if out.end <= datagram.first or end <= out.first]

    # What the receiver did

    def judge(
        self, sent: list[Sent], before: Observed, after: Observed, now_ns: int, *, joined: int = 0
    ) -> None:
        """After every call. ``joined``: the snapshot that the call may have joined begins with that message."""
        was, number = self.number(before), self.number(after)
        self.states.add(after.state)
        if after != before:
            self._progress(before, after, was, number, joined)
            if number != was:
                self._moved_ns = now_ns
        if sent:
            self._orders(sent, before, after, was, number, joined)
        if after.state == "LIVE" and (before.state != "LIVE" or joined):
            self.book(after)

    def _progress(self, before: Observed, after: Observed, was: int, number: int, joined: int) -> None:
        if joined and after.next != before.next and before.session == after.session:
            theirs = self.plan.names[self.plan.session(max(joined - 1, 1))]
            if theirs != after.session:
                raise Violation("snapshot", f"joined one of session {theirs!r} in session {after.session!r}")
        if number < was:
            raise Violation("once", f"went back from message {was} to {number}")
        if number > self.plan.count:
            raise Violation("once", f"is behind message {number}, of {self.plan.count}")
        if before.session != after.session:
            self._foreign = 0
            self._shown.clear()
            self._out.clear()
            if was >= 0 and not self.case.policy.follow_sessions:
                raise Violation("policy", "followed a session, against the policy")
            return
        delivered = after.delivered - before.delivered
        allowed = {number - was} if was >= 0 else {0, number}
        if joined and number >= joined - 1:
            allowed.add(number - joined + 1)
            self._out.clear()
        if delivered in allowed:
            return
        if self.case.policy.strict or delivered > number - was:
            raise Violation("once", f"delivered {delivered} messages on its way from {was} to {number}")

    def _orders(
        self, sent: list[Sent], before: Observed, after: Observed, was: int, number: int, joined: int
    ) -> None:
        # ENDED: the last messages of a session may make a feed LIVE and end it in one step; whether an order was let
        # through before is then for the receiver's own log to say, in ended().
        if "LIVE" not in (before.state, after.state) and after.state != "ENDED":
            raise Violation("orders", f"{len(sent)} orders left: {before.state} before, {after.state} after")
        for order in sent:
            ordinal, sequence = order.position >> POSITION_SHIFT, order.position & SEQUENCE_MASK
            seen = {before.ordinal: before, after.ordinal: after}.get(ordinal)
            if seen is None or not seen.session:
                raise Violation("orders", f"an order for session ordinal {ordinal}, which is {after.ordinal}")
            trigger = self.plan.number(self.plan.names.index(seen.session), sequence)
            if not max(was, self._last_order) < trigger <= number:
                raise Violation(
                    "orders",
                    f"an order for message {trigger}; {was} to {number} were delivered, the last order was "
                    f"for {self._last_order}",
                )
            self._last_order = trigger
            if not self.case.reflector:
                self._price(order, trigger)
        self.orders += len(sent)

    def _price(self, order: Sent, trigger: int) -> None:
        self.clock.advance(trigger)
        symbol = self.plan.stream.fields[trigger - 1]["stock_locate"]
        bid, ask, bid_shares, ask_shares = self.clock.book.top(symbol)
        price, shares = (ask, ask_shares) if order.side == "B" else (bid, bid_shares)
        if (order.price, order.shares) != (price, min(shares, ORDER_SHARES)):
            raise Violation("price", f"{order} for message {trigger}, but {shares} at {price} were to have")
        if self.clock.states.get(symbol, {}).get("trading_state") == b"H":
            raise Violation("price", f"{order} for message {trigger} of a halted symbol")

    def book(self, seen: Observed) -> None:
        """The receiver's book against the reference."""
        number = self.number(seen)
        self.books += 1
        if self.case.reflector:
            return
        self.clock.advance(number)
        afresh = (
            number in self.plan.stream.resets and seen.session != self.plan.names[self.plan.session(number)]
        )
        mine, clean = self.receiver.rows(), [] if afresh else self.clock.book.rows()
        if mine != clean:
            extra = [row for row in mine if row not in clean][:3]
            missing = [row for row in clean if row not in mine][:3]
            raise Violation(
                "book",
                f"{seen.state} at message {number} with another book than the venue's: {len(mine)} orders "
                f"for {len(clean)}; too many {extra}; too few {missing}",
            )

    def timer(self, after: Observed, now_ns: int) -> None:
        """After every timer call: is it right to be LIVE?"""
        if after.state != "LIVE":
            return
        policy, slack_ns = self.case.policy, 2 * self.case.tick_us * US
        if self._heard_ns < 0:
            raise Violation("blind", "LIVE before anything was heard")
        if now_ns - self._heard_ns > policy.line_silence_us * US + slack_ns:
            raise Violation(
                "silence", f"LIVE although both lines have been silent for {now_ns - self._heard_ns} ns"
            )
        if self._foreign >= policy.confirm_packets:
            raise Violation(
                "session", f"LIVE although the last {self._foreign} datagrams were of a newer session"
            )
        old_ns = now_ns - policy.hold_back_us * US - slack_ns
        number = self.number(after)
        self._shown = [shown for shown in self._shown if shown[1] > number + 1]
        if sum(at_ns <= old_ns for at_ns, _ in self._shown) >= 2 and self._moved_ns <= old_ns:
            raise Violation(
                "blind",
                f"LIVE at message {number} although {self._shown[:2]} (ns, next) said longer ago than the "
                "hold-back that there is more",
            )

    def requested(self, request: bytes, after: Observed, now_ns: int) -> None:
        policy = self.case.policy
        session, sequence, count = request_of(request)
        if not policy.requests:
            raise Violation("policy", "a re-request, against the policy")
        if not after.session or session != after.session:
            raise Violation("request", f"a re-request for session {session!r} in session {after.session!r}")
        if not 1 <= count <= policy.request_messages:
            raise Violation(
                "request", f"a re-request for {count} messages; {policy.request_messages} are allowed"
            )
        first = self.plan.number(self.plan.names.index(session), sequence)
        end, number = first + count, self.number(after)
        newest = min(self.plan.published(now_ns), self.plan.end_of(self.plan.names.index(session)))
        if first <= number or end - 1 > newest:
            raise Violation(
                "request", f"a re-request for {first} to {end - 1}; {number} are delivered, {newest} exist"
            )
        timeout_ns = policy.request_timeout_us * US
        self._out = [
            out
            for out in self._out
            if now_ns - out.at_ns < timeout_ns
            and not self._given.issuperset(range(max(out.first, number + 1), out.end))
        ]
        for out in self._out:
            if out.first < end and first < out.end:
                raise Violation("request", f"a re-request for {first} to {end - 1} while {out} is out")
        self._out.append(_Request(now_ns, first, end))
        if len(self._out) > policy.request_outstanding:
            raise Violation("request", f"{len(self._out)} re-requests are out at a time")

    def ended(self, seen: Observed) -> None:
        """At the end of the run, whatever state it is in."""
        if self.receiver.decided_blind():
            raise Violation("orders", f"{self.receiver.decided_blind()} were let through while not LIVE")
        if self.case.policy.strict:
            troubles = self.receiver.troubles()
            if troubles:
                raise Violation("once", f"the book was given what made no sense: {troubles}")
        if not self.case.reflector:
            return
        answered = self.receiver.answered()
        if any(after <= before for before, after in pairwise(answered)):
            raise Violation("once", "a message was delivered twice or out of order")
        if len(answered) != seen.delivered:
            raise Violation("once", f"{seen.delivered} messages counted as delivered, {len(answered)} seen")
