"""A world of two lossy lines, a re-request server and a snapshot service around one strict feed, move by move.

The reference is small: the truth is a list of payloads a session, and what a book holds is one number, the next message
that may be applied to it. After every move: what was handed out is the truth, in order, once; nothing is handed out to
a book that waits for its snapshot; nothing is asked for twice at a time or without need; LIVE never stands over a hole
older than the hold-back. At the end, with every service well again, the feed must have got everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine_feed import END, RECOVERY, EngineFeed, datagram
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

HOLD_BACK_NS, TIMEOUT_NS, SNAPSHOT_NS, RETRY_NS = 1_000, 4_000, 20_000, 50_000
SILENCE_NS = 200_000
REFUSED = ("malformed", "session_mismatch", "suspect", "after_end")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the feed asks for."""

    session: bytes
    first: int
    count: int

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass
class Session:
    """What the exchange has published under one name."""

    name: bytes
    payloads: list[bytes] = field(default_factory=list)
    over: bool = False

    @property
    def next(self) -> int:
        return len(self.payloads) + 1

    def packet(self, first: int, count: int) -> bytes:
        return datagram(first, self.payloads[first - 1 : first - 1 + count], session=self.name)

    def word(self) -> bytes:
        """Heartbeat or end of session: the number of the next message."""
        return datagram(self.next, count=END if self.over else 0, session=self.name)


class Feed(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        requests=st.booleans(),
        snapshots=st.booleans(),
        slots=st.sampled_from([1, 2, 8, 64]),
        give_up=st.sampled_from([3, 1000]),
        outstanding=st.integers(1, 4),
        messages_max=st.sampled_from([1, 3, 1000]),
        late=st.booleans(),
        confirmed=st.booleans(),
    )
    def begin(
        self,
        requests: bool,
        snapshots: bool,
        slots: int,
        give_up: int,
        outstanding: int,
        messages_max: int,
        late: bool,
        confirmed: bool,
    ) -> None:
        self.services = requests, snapshots
        self.feed = EngineFeed(
            session=b"SESSION000",
            first_sequence=0 if late and snapshots else 1,
            unconfirmed_jump_messages=0 if confirmed else 1000,
            hold_back_ns=HOLD_BACK_NS,
            line_silence_ns=SILENCE_NS,
            reorder_packet_count=slots,
            requests=requests,
            snapshots=snapshots,
            follow_sessions=True,
            give_up_messages=give_up,
            request_outstanding_max=outstanding,
            request_messages_max=messages_max,
            request_timeout_ns=TIMEOUT_NS,
            snapshot_timeout_ns=SNAPSHOT_NS,
            retry_ns=RETRY_NS,
        )
        self.now_ns = 1
        self.sessions = [Session(b"SESSION000")]
        self.at = [(0, 1), (0, 1)]  # session and number that each line sends next
        self.held: list[tuple[int, bytes, int, int]] = []  # line, datagram, session, number behind it
        self.asked: list[tuple[Request, int]] = []  # on their way, and when they time out
        self.replies: list[tuple[bytes, int]] = []
        self.heard: list[
            tuple[int, int]
        ] = []  # (number behind, when) of what the feed accepted in this session
        self.ordinal = 0
        self.expected: int | None = 1  # next message for the book; None: it waits for a snapshot
        self.snapshot: tuple[int, int] | None = None  # session and number of the one that streams in
        self.foreign = 0
        self.delivered = 0
        if late and snapshots:
            self.expected = None
            self.at = [(0, 4), (0, 4)]
            self.sessions[0].payloads += [b"early 1", b"early 2", b"early 3"]

    # What the reference knows

    def follow(self) -> None:
        """Take over what the feed has done: a roll, a snapshot wanted no more, messages."""
        ordinal = int(bytes(self.feed.feed.session)[-3:])
        assert self.feed.feed.session_ordinal == ordinal >= self.ordinal
        if ordinal != self.ordinal:
            self.ordinal = ordinal
            self.expected = None if self.services[1] else 1
            self.heard, self.asked, self.snapshot = [], [], None
        truth = self.sessions[self.ordinal]
        for message in self.feed.delivered[self.delivered :]:
            assert self.expected is not None, "handed out to a book that waits for its snapshot"
            assert message.sequence == self.expected
            assert message.position == self.ordinal << 40 | message.sequence
            assert message.data == truth.payloads[message.sequence - 1]
            self.expected += 1
        self.delivered = len(self.feed.delivered)
        if self.snapshot is not None and not self.feed.snapshot_running:
            self.snapshot = None

    def arrive(self, line: int, data: bytes, session: int, behind: int) -> None:
        outcome = self.feed.accept(line, data, self.now_ns)
        self.follow()
        if session == self.ordinal and outcome not in REFUSED:
            self.heard.append((behind, self.now_ns))

    def requests(self) -> list[Request]:
        session = bytes(self.feed.feed.session)
        return [Request(session=session, first=first, count=count) for first, count in self.feed.requests()]

    def missing(self, number: int) -> bool:
        return self.expected is not None and number >= self.expected

    def settled_in_session(self) -> bool:
        """Nothing of an earlier session is under way, and the feed has got to this one."""
        last = len(self.sessions) - 1
        under_way = {index for index, _ in self.at} | {index for _, _, index, _ in self.held}
        return under_way == {last} == {self.ordinal}

    # Moves

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        session = self.sessions[-1]
        if not session.over:
            session.payloads += [b"%d of %s" % (session.next + n, session.name) for n in range(count)]

    @rule(line=st.integers(0, 1), count=st.integers(1, 4), fate=st.sampled_from("ddddlrhhtb"))
    def send(self, line: int, count: int, fate: str) -> None:
        """d deliver, l lose, r repeat, h hold back, t twice on both lines, b break."""
        index, first = self.at[line]
        session = self.sessions[index]
        count = min(count, session.next - first)
        if count == 0:
            if index + 1 < len(self.sessions):
                self.at[line] = (index + 1, 1)
            if fate not in "lb":
                self.arrive(line, session.word(), index, session.next)
            return
        self.at[line] = (index, first + count)
        data, behind = session.packet(first, count), first + count
        if fate == "b":
            assert self.feed.accept(line, data[:-1], self.now_ns) == "malformed"
        elif fate == "h":
            self.held.append((line, data, index, behind))
        elif fate != "l":
            for _ in range(2 if fate == "r" else 1):
                self.arrive(line, data, index, behind)
            if fate == "t":
                self.arrive(1 - line, data, index, behind)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.arrive(*self.held.pop(data.draw(st.integers(0, len(self.held) - 1))))

    @rule(
        step_ns=st.sampled_from([1, HOLD_BACK_NS, TIMEOUT_NS, SNAPSHOT_NS, RETRY_NS, SILENCE_NS + 1]),
        idle=st.booleans(),
    )
    def wait(self, step_ns: int, idle: bool) -> None:
        self.now_ns += step_ns
        if idle:
            self.feed.timer(self.now_ns)
            self.follow()

    @rule()
    def ask(self) -> None:
        """What leaves is needed, known to exist, and not on its way already."""
        for request in self.requests():
            assert self.services[0]
            assert request.session == self.sessions[self.ordinal].name
            assert self.missing(request.first)
            assert request.numbers[-1] < max(behind for behind, _ in self.heard)
            self.asked = [(other, due) for other, due in self.asked if due > self.now_ns]
            for other, _ in self.asked:
                assert not set(other.numbers) & set(request.numbers), "asked for twice at the same time"
            self.asked.append((request, self.now_ns + TIMEOUT_NS))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), fate=st.sampled_from("aaaplx"), part=st.integers(1, 3))
    def serve(self, data: st.DataObject, fate: str, part: int) -> None:
        """a all of it, p a part, l late (kept for another move), x no answer."""
        request, _ = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        session = self.sessions[self.ordinal]
        count = min(request.count, session.next - request.first, part if fate == "p" else request.count)
        if fate == "x" or count <= 0:
            return
        reply = session.packet(request.first, count), request.first + count
        if fate == "l":
            self.replies.append(reply)
        else:
            self.arrive(RECOVERY, reply[0], self.ordinal, reply[1])

    @precondition(lambda self: self.replies)
    @rule()
    def reply_late(self) -> None:
        """Perhaps to a session that is over."""
        data, behind = self.replies.pop(0)
        outcome = self.feed.accept(RECOVERY, data, self.now_ns)
        self.follow()
        if outcome not in REFUSED:
            self.heard.append((behind, self.now_ns))

    @precondition(lambda self: self.feed.wants_snapshot)
    @rule()
    def start_snapshot(self) -> None:
        self.feed.start_snapshot(self.now_ns)
        self.expected = None
        self.snapshot = (self.ordinal, self.sessions[self.ordinal].next)
        self.asked = []

    @precondition(lambda self: self.snapshot is not None)
    @rule(fate=st.sampled_from("ccco"), lag=st.sampled_from([0, 0, 0, 2]))
    def end_snapshot(self, fate: str, lag: int) -> None:
        """c complete, perhaps of a server that lags; o cut off."""
        assert self.snapshot is not None
        _, number = self.snapshot
        self.snapshot = None
        number = max(1, number - lag)
        if fate == "o":
            self.feed.lose_snapshot(self.now_ns)
        else:
            before = self.delivered
            self.expected = number
            assert self.feed.join(number, self.now_ns)
            note(f"joined at {number}, {len(self.feed.delivered) - before} behind it")
        self.follow()

    @rule(line=st.integers(0, 1))
    def hear_foreign(self, line: int) -> None:
        """A broken session id: never the same twice, nor on a message 1, which after an end is a new session."""
        self.foreign += 1
        first = max(2, self.sessions[self.ordinal].next)
        data = datagram(first, [b"foreign"], session=b"BROKEN%04d" % self.foreign)
        assert self.feed.accept(line, data, self.now_ns) == "session_mismatch"
        self.follow()
        assert self.feed.state != "LIVE"

    @precondition(lambda self: len(self.sessions) < 4 and self.settled_in_session())
    @rule(ended=st.booleans())
    def roll(self, ended: bool) -> None:
        """`ended`: the old session says so."""
        self.sessions[-1].over = ended
        self.sessions.append(Session(b"SESSION%03d" % len(self.sessions)))

    # What always holds

    @invariant()
    def live_is_not_over_an_old_hole(self) -> None:
        if self.feed.state != "LIVE":
            return
        assert self.expected is not None, "LIVE with an empty book"
        evidence = [when for behind, when in self.heard if behind > self.expected]
        if evidence and min(evidence) + HOLD_BACK_NS <= self.now_ns:
            self.feed.timer(self.now_ns)  # time has passed without a call: none may pass after one
            self.follow()
            assert self.feed.state != "LIVE"

    @invariant()
    def bounds_hold(self) -> None:
        feed = self.feed.feed
        assert feed.entry_count <= feed.statistics.reorder_packets_max <= 64
        assert feed.statistics.delivered == len(self.feed.delivered)

    def requests_until_quiet(self) -> Iterator[Request]:
        """Answers bring new requests; each answer brings at least one message."""
        for _ in range(self.sessions[-1].next + 1):
            yield from self.requests()

    def teardown(self) -> None:
        """Every service is well and the lines are quiet: all must come back, or the feed must not say LIVE."""
        if not hasattr(self, "feed"):
            return
        last = len(self.sessions) - 1
        session = self.sessions[last]
        for _ in range(80):
            self.now_ns += HOLD_BACK_NS
            for line in (0, 1):
                self.arrive(line, session.word(), last, session.next)
            self.feed.timer(self.now_ns)
            self.follow()
            self.asked = []
            for request in self.requests_until_quiet():
                if request.session == session.name:
                    count = min(request.count, session.next - request.first)
                    self.arrive(RECOVERY, session.packet(request.first, count), last, request.first + count)
            if self.feed.wants_snapshot:
                self.start_snapshot()
            if self.feed.snapshot_running:
                self.expected = self.sessions[self.ordinal].next
                self.feed.join(self.expected, self.now_ns)
                self.follow()
            self.now_ns += RETRY_NS // 20
        assert self.ordinal == last or not any(self.services)
        complete = self.ordinal == last and self.expected == session.next
        assert (
            self.feed.state == ("ENDED" if session.over else "LIVE")
            if complete
            else self.feed.state != "LIVE"
        )
        assert complete or not any(self.services)


TestFeed = Feed.TestCase
TestFeed.settings = settings(
    report_multiple_bugs=False, max_examples=200, stateful_step_count=50, deadline=None
)
