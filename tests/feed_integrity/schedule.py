"""A case goes in; what the venue publishes and when, and each line's datagrams before any harm, come out.

Message n of the stream (from 1) is published at ``times_ns[n - 1]``: from then on the services know it, and a line
sends a packet when its last message is published. The faulty part is ``case.messages`` long; behind it comes the
clean tail, a message a beat, which is what the feed recovers on.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US, Datagram
from tests.feed_integrity.market import Stream, stream
from tests.feed_integrity.mold import heartbeat, pack

__all__ = ["BEAT_NS", "HEARTBEAT_NS", "TAIL", "Schedule", "schedule"]

TAIL = 24  # messages
BEAT_NS = 1000 * US
HEARTBEAT_NS = 3000 * US
SETTLE_NS = 5000 * US  # from the last message to the end of the faults: everything late has come by then
ENDS = 3


@dataclass(frozen=True)
class Schedule:
    case: Case
    stream: Stream
    times_ns: tuple[int, ...]
    starts: tuple[int, ...]  # first message of each session, numbers of the stream
    names: tuple[bytes, ...]
    healed_ns: int  # no fault acts from here on

    @property
    def count(self) -> int:
        return len(self.times_ns)

    def session(self, number: int) -> int:
        """Index of the session that message ``number`` of the stream belongs to."""
        return bisect_right(self.starts, number) - 1

    def first(self, session: int) -> int:
        return self.case.first if session == 0 else 1

    def sequence(self, number: int, session: int) -> int:
        """The number of a message within a session; the one behind the last is the session's next."""
        return number - self.starts[session] + self.first(session)

    def number(self, session: int, sequence: int) -> int:
        return sequence - self.first(session) + self.starts[session]

    def published(self, now_ns: int) -> int:
        """How many messages of the stream there are by now."""
        return bisect_right(self.times_ns, now_ns)

    def end_of(self, session: int) -> int:
        """The last message of a session, in numbers of the stream."""
        return self.starts[session + 1] - 1 if session + 1 < len(self.starts) else self.count

    def datagram(self, at_ns: int, first: int, count: int) -> Datagram:
        session = self.session(first)
        messages = self.stream.messages[first - 1 : first - 1 + count]
        data = pack(self.names[session], self.sequence(first, session), messages)
        return Datagram(at_ns, data, first, count)

    def beat(self, at_ns: int, behind: int, *, end: bool = False) -> Datagram:
        """Heartbeat or end of session behind message ``behind`` (0: before the first)."""
        session = self.session(max(behind, 1))
        return Datagram(at_ns, heartbeat(self.names[session], self.sequence(behind + 1, session), end=end))

    def line(self, index: int) -> list[Datagram]:
        """The faulty part as line 0 or 1 sends it: data, heartbeats, ends of sessions that roll; ascending times."""
        case, times = self.case, self.times_ns
        generator = random.Random(f"boundaries {case.seed} {index if case.own_boundaries else 0}")
        breaks = set(self.starts)
        sent: list[Datagram] = []
        first = 1
        while first <= case.messages:
            last, most = first, first - 1 + generator.randint(1, case.packing)
            while (
                last < min(most, case.messages)
                and last + 1 not in breaks
                and times[last] - times[last - 1] < 1000 * US
            ):
                last += 1
            sent.append(self.datagram(times[last - 1], first, last - first + 1))
            first = last + 1
        ends = {roll.at - 1 for roll in case.rolls if roll.end_previous}
        between: list[Datagram] = []
        for datagram, after in pairwise([*sent, Datagram(self.healed_ns, b"")]):
            last = datagram.first + datagram.count - 1
            if last in ends:
                room = (after.at_ns - datagram.at_ns) // (ENDS + 1)
                between += [
                    self.beat(datagram.at_ns + room * (copy + 1), last, end=True) for copy in range(ENDS)
                ]
                continue
            quiet = range(datagram.at_ns + HEARTBEAT_NS, after.at_ns, HEARTBEAT_NS)
            between += [self.beat(at_ns, last) for at_ns in quiet]
        return sorted([*sent, *between], key=lambda datagram: datagram.at_ns)


def schedule(case: Case) -> Schedule:
    count = case.messages + TAIL
    resets = tuple(roll.at - 1 for roll in case.rolls if not roll.keeps_book)
    generator = random.Random(f"times {case.seed}")
    pauses = {generator.randrange(1, case.messages) for _ in range(case.pauses)}
    step = case.gap_us * US * 2 // (case.packing + 1)
    now, times = 1000 * US, []
    rolls = {roll.at for roll in case.rolls}
    for number in range(1, case.messages + 1):
        now += generator.randint(step // 2, step + step // 2)
        if number in pauses:
            now += generator.randint(2_000, 12_000) * US
        if number in rolls:
            now += generator.choice((200, 200, 8_000)) * US
        times.append(now)
    healed = now + SETTLE_NS
    times += [healed + BEAT_NS * (beat + 1) for beat in range(TAIL)]
    names = tuple(b"TAILGATE%02d" % (index + 1) for index in range(1 + len(case.rolls)))
    return Schedule(
        case=case,
        stream=stream(seed=case.seed % 64, count=count, symbols=case.symbols, resets=resets),
        times_ns=tuple(times),
        starts=(1, *(roll.at for roll in case.rolls)),
        names=names,
        healed_ns=healed,
    )
