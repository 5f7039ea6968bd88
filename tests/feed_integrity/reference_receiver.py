"""A plain, right receiver, which checks the test itself: no mutant of it may pass, and it must.

It keeps messages by number in a dictionary, and asks what the fact sheets say a client must ask. It believes no
sequence number further ahead than ``PLAUSIBLE``, which serves in a world of a few hundred messages, and delivers
strictly in order; without room for policy it does the right thing at once and again. Calls no engine code.
"""

from __future__ import annotations

from dataclasses import dataclass

from itch_reference import LAYOUTS, decode, length
from reference_book import ReferenceBook

from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US
from tests.feed_integrity.mold import HEAD, Parsed, parse
from tests.feed_integrity.receiver import POSITION_SHIFT, Observed, Row, Sent
from tests.feed_integrity.services import soup

__all__ = ["MUTANTS", "ReferenceReceiver"]

PLAUSIBLE = 1 << 16
FAULTS = ("unknown_reference", "duplicate_reference", "overfill", "zero_shares", "bad_symbol", "bad_side")

WRONGS = """
skips_a_hole delivers_an_overlap_twice orders_in_a_gap live_in_a_gap joins_one_late joins_one_early
keeps_the_book_at_a_snapshot keeps_the_book_at_a_roll is_deaf_to_heartbeats reads_what_is_malformed
is_killed_by_a_far_number is_killed_by_a_foreign_session goes_back_to_an_old_session follows_nobody
follows_at_once joins_a_snapshot_of_another_session keeps_a_partial_snapshot asks_once asks_on_and_on
takes_a_partial_reply_for_all lives_in_silence orders_twice never_retries
"""
MUTANTS = tuple(WRONGS.split())


@dataclass(slots=True)
class _Out:
    at_ns: int
    first: int
    end: int


class ReferenceReceiver:
    """``mutant``: one of MUTANTS, to be wrong in that way."""

    def __init__(self, case: Case, *, mutant: str = "") -> None:
        assert not mutant or mutant in MUTANTS, mutant
        self.case, self.policy, self.mutant = case, case.policy, mutant
        self.now_ns = 0
        self.session = b"TAILGATE01" if case.session_given else b""
        self.old_sessions: set[bytes] = set()
        self.candidate, self.candidate_count = b"", 0
        self.doubtful = False  # a foreign datagram came, and none of our own since
        self.ordinal = 0
        self.next = 0 if case.first_seen else case.first
        self.shown = self.next  # messages below exist
        self.end = 0
        self.buffer: dict[int, bytes] = {}
        self.delivered = 0
        self.positions: list[int] = []
        self.book = ReferenceBook()
        self.halted: set[int] = set()
        self.sent: list[Sent] = []
        self.heard_ns = -1
        self.hole_ns = -1
        # recovery
        self.out: list[_Out] = []
        self.requests: list[bytes] = []
        self.timeouts = 0
        self.wanted = False
        self.open = False
        self.lost = False  # the book was given up: only a snapshot brings it back
        self.opened_ns = 0
        self.stream = b""
        self.to_service = b""
        self.snapshot_session = b""
        self.failures = 0
        self.rest_ns = -1  # everything has failed; try again from then on

    # State

    @property
    def hole(self) -> bool:
        return self.shown > self.next

    def _overdue(self) -> bool:
        """A hole has outlived its hold-back."""
        return self.hole and self.now_ns - self.hole_ns >= self.policy.hold_back_us * US

    def state(self) -> str:
        if self.end and self.next >= self.end:
            return "ENDED"
        if self.open or self.wanted:
            return "RESYNC"
        if self.heard_ns < 0:
            return "STARTUP"
        if self.lost:
            return "GAP"
        silent = self.now_ns - self.heard_ns > self.policy.line_silence_us * US
        if silent and self.mutant != "lives_in_silence":
            return "DOWN"
        if self._overdue() and self.mutant != "live_in_a_gap":
            return "RECOVERING" if self.out else "GAP"
        return "GAP" if self.doubtful else "LIVE"

    def observe(self) -> Observed:
        return Observed(self.state(), self.session, self.ordinal, self.next, self.delivered)

    def rows(self) -> list[Row]:
        return self.book.rows()

    def troubles(self) -> dict[str, int]:
        return {name: self.book.outcomes[name] for name in FAULTS if self.book.outcomes[name]}

    def answered(self) -> list[int]:
        return self.positions

    def decided_blind(self) -> int:
        return 0

    def close(self) -> None: ...

    # Datagrams

    def step(self, source: int, datagram: bytes, now_ns: int) -> list[Sent]:
        self.now_ns = now_ns
        parsed = parse(datagram)
        if parsed is None and self.mutant == "reads_what_is_malformed" and len(datagram) > HEAD.size:
            session, sequence, _ = HEAD.unpack_from(datagram)
            parsed = Parsed(session, sequence, (datagram[HEAD.size + 2 :],), False)
        if parsed is not None and self._mine(parsed, source):
            self._take(parsed, source)
        self._drain()
        return self._flush()

    def _mine(self, parsed: Parsed, source: int) -> bool:
        if not self.session:
            self.session = parsed.session
        if source < 2:
            self.heard_ns = self.now_ns
        if parsed.session == self.session:
            self.candidate_count = 0
            if self.mutant != "is_killed_by_a_foreign_session":
                self.doubtful = self.doubtful and parsed.sequence > self.next
            return True
        old = parsed.session in self.old_sessions and self.mutant != "goes_back_to_an_old_session"
        if source == 2 or old:
            return False
        self.doubtful = True
        if not self.policy.follow_sessions or self.mutant == "follows_nobody":
            return False
        self.candidate_count = self.candidate_count + 1 if parsed.session == self.candidate else 1
        self.candidate = parsed.session
        ended = self.end and self.next >= self.end
        if (
            not ended
            and self.candidate_count < self.policy.confirm_packets
            and self.mutant != "follows_at_once"
        ):
            return False
        self._roll(parsed.session)
        return True

    def _roll(self, session: bytes) -> None:
        self.old_sessions.add(self.session)
        self.session, self.ordinal = session, self.ordinal + 1
        self.next = self.shown = 1
        self.end = self.candidate_count = 0
        self.doubtful = False
        self.buffer.clear()
        self.hole_ns = self.rest_ns = -1
        self.out.clear()
        self.timeouts = self.failures = 0
        self.lost = self.wanted = self.policy.snapshots
        self.open = False
        if self.mutant != "keeps_the_book_at_a_roll":
            self._empty()

    def _empty(self) -> None:
        troubles = self.book.outcomes
        self.book = ReferenceBook()
        self.book.outcomes = troubles
        self.halted.clear()

    def _take(self, parsed: Parsed, source: int) -> None:
        if not self.next:
            self.next = self.shown = parsed.sequence
            self.lost = self.wanted = True
        if parsed.sequence > self.next + PLAUSIBLE and self.mutant != "is_killed_by_a_far_number":
            return
        if parsed.end:
            self.end = parsed.sequence
        if parsed.blocks or self.mutant != "is_deaf_to_heartbeats":
            self.shown = max(self.shown, parsed.shown)
        if parsed.sequence < self.next < parsed.shown and self.mutant == "delivers_an_overlap_twice":
            for block in parsed.blocks[: self.next - parsed.sequence]:
                self._deliver(block, self.next - 1)
        for number, block in enumerate(parsed.blocks, parsed.sequence):
            if number >= self.next:
                self.buffer.setdefault(number, block)
        if source == 2:
            self.timeouts = 0
            done = [out for out in self.out if out.first < parsed.shown and parsed.sequence < out.end]
            self.out = [out for out in self.out if out not in done]
            if self.mutant == "takes_a_partial_reply_for_all":
                self.out += [_Out(2**62, out.first, out.end) for out in done if out.end > parsed.shown]

    def _drain(self) -> None:
        if self.lost:
            return
        while self.next in self.buffer:
            self._deliver(self.buffer.pop(self.next), self.next)
            self.next += 1
        if not self.hole:
            self.hole_ns, self.timeouts, self.failures, self.rest_ns = -1, 0, 0, -1
            self.out.clear()
        elif self.hole_ns < 0:
            self.hole_ns = self.now_ns
        self._recover()

    def _deliver(self, message: bytes, number: int) -> None:
        self.delivered += 1
        position = self.ordinal << POSITION_SHIFT | number
        self.positions.append(position)
        self._apply(message)
        kind = message[:1]
        if self.case.reflector:
            self.sent.append(Sent(position, "B", 0, 0))
        elif kind in (b"A", b"F") and len(message) >= length(kind.decode()):
            symbol = decode(message)["stock_locate"]
            bid, _, bid_shares, _ = self.book.top(symbol)
            if bid and symbol not in self.halted:
                self.sent.append(Sent(position, "S", bid, min(bid_shares, 100)))
        if self.mutant == "orders_twice" and self.sent:
            self.sent.append(self.sent[-1])

    def _apply(self, message: bytes) -> None:
        if chr(message[0]) not in LAYOUTS or len(message) < length(chr(message[0])):
            return
        fields = decode(message)
        self.book.apply(fields)
        if fields["type"] == b"H":
            change = self.halted.add if fields["trading_state"] == b"H" else self.halted.discard
            change(fields["stock_locate"])

    def _flush(self) -> list[Sent]:
        sent, self.sent = self.sent, []
        if self.state() == "LIVE" or self.mutant == "orders_in_a_gap":
            return sent
        return []

    # Time and requests

    def timer(self, now_ns: int) -> list[Sent]:
        self.now_ns = now_ns
        if self.open and now_ns - self.opened_ns > self.policy.snapshot_timeout_us * US:
            self._fail()
        if (
            self.lost
            and not self.open
            and not self.wanted
            and now_ns >= self.rest_ns
            and self.mutant != "never_retries"
        ):
            self.wanted, self.failures = True, 0
        self._drain()
        return self._flush()

    def _recover(self) -> None:
        if self.heard_ns < 0 or not self._overdue():
            return
        if self.mutant == "skips_a_hole":
            self.next = min([*self.buffer, self.shown])
            return
        if self.rest_ns >= 0:
            if self.now_ns < self.rest_ns or self.mutant == "never_retries":
                return
            self.rest_ns, self.timeouts, self.failures = -1, 0, 0
        policy = self.policy
        late = [out for out in self.out if self.now_ns - out.at_ns >= policy.request_timeout_us * US]
        if late and self.mutant != "asks_once":
            self.out = [out for out in self.out if out not in late]
            self.timeouts += 1
        small = self.shown - self.next <= policy.give_up_messages or not policy.snapshots
        if policy.requests and small and self.timeouts < policy.request_attempts:
            self._ask()
        elif policy.snapshots:
            self.lost = self.wanted = True
            self.out.clear()
        else:
            self.rest_ns = self.now_ns + policy.retry_us * US

    def _ask(self) -> None:
        policy, number = self.policy, self.next
        if self.mutant == "asks_on_and_on":
            self.out.clear()
        while number < self.shown and len(self.out) < policy.request_outstanding:
            busy = next((out for out in self.out if out.first <= number < out.end), None)
            if busy is not None or number in self.buffer:
                number = busy.end if busy is not None else number + 1
                continue
            have = [
                *self.buffer,
                *(out.first for out in self.out),
                self.shown,
                number + policy.request_messages,
            ]
            end = min(other for other in have if other > number)
            self.out.append(_Out(self.now_ns, number, end))
            self.requests.append(HEAD.pack(self.session, number, end - number))
            number = end

    def take_requests(self) -> list[bytes]:
        requests, self.requests = self.requests, []
        return requests

    # The snapshot

    @property
    def wants_snapshot(self) -> bool:
        return self.wanted and not self.open

    @property
    def snapshot_is_open(self) -> bool:
        return self.open

    def snapshot_open(self, now_ns: int) -> None:
        self.now_ns = self.opened_ns = now_ns
        self.open = True
        self.stream, self.snapshot_session = b"", b""
        if self.mutant not in ("keeps_the_book_at_a_snapshot", "keeps_a_partial_snapshot"):
            self._empty()
        self.to_service = soup(b"L", b"STEP  " + b"STEP".ljust(10) + b" " * 10 + b"1".rjust(20))

    def take_snapshot_sent(self) -> bytes:
        sent, self.to_service = self.to_service, b""
        return sent

    def snapshot_close(self, now_ns: int) -> None:
        self.now_ns = now_ns
        if self.open:
            self._fail()

    def _fail(self) -> None:
        self.open = False
        self.failures += 1
        if self.failures >= self.policy.snapshot_attempts:
            self.wanted = False
            self.rest_ns = self.now_ns + self.policy.retry_us * US
            if self.mutant == "keeps_a_partial_snapshot":
                self.lost = False

    def snapshot_bytes(self, data: bytes, now_ns: int) -> list[Sent]:
        self.now_ns = now_ns
        self.stream += data
        while self.open and len(self.stream) >= 2:
            size = 2 + int.from_bytes(self.stream[:2], "big")
            if len(self.stream) < size:
                break
            packet, self.stream = self.stream[2:size], self.stream[size:]
            self._packet(packet[:1], packet[1:])
        self._drain()
        return self._flush()

    def _packet(self, kind: bytes, payload: bytes) -> None:
        if kind == b"A":
            self.snapshot_session = payload[:10]
            if self.snapshot_session != self.session and self.mutant != "joins_a_snapshot_of_another_session":
                self._fail()
        elif kind == b"S" and payload[:1] == b"G":
            digits = payload[1:].strip()
            if digits.isdigit():
                self._join(int(digits))
            else:
                self._fail()
        elif kind == b"S":
            if len(payload) < length(chr(payload[0])):
                self._fail()
            else:
                self._apply(payload)
        elif kind not in (b"H", b"+"):
            self._fail()

    def _join(self, sequence: int) -> None:
        self.to_service = soup(b"O")
        self.open = self.wanted = self.lost = False
        self.failures = self.timeouts = 0
        self.next = sequence + {"joins_one_late": 1, "joins_one_early": -1}.get(self.mutant, 0)
        self.shown = max(self.shown, self.next)
        self.hole_ns = -1
        self.buffer = {number: block for number, block in self.buffer.items() if number >= self.next}
