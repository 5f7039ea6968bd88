"""Two lines: what each sends when, after everything that the network did to it.

Detectable by a receiver, and so generated, are these corruptions only:
  bits       bits of the payload; UDP's own checksum drops such a datagram before anybody reads it
  truncate   bytes are missing at the end: never well-formed, because every block's length is checked
  count      the message count is wrong: blocks are missing, or bytes are left over
  zero_block the first block's length becomes 0: what follows is no block of a length that fits (an ITCH type,
             0x41 or more, becomes the high byte of a length)
  session    a session name that nobody else uses, each time another one; after the receiver knows its session
  ahead      a number behind the session's last one by more than 200, no two of them near each other
  back       a smaller number, delivered only to a receiver that is LIVE and past every number it claims: a duplicate
Not generated, because no receiver could tell: changed bodies behind a valid checksum, a number that continues what
is known or fills a hole, the same wrong name or number twice, a heartbeat that becomes an end of session. Nor does a
receiver that knows no session by name and began in the later one hear the earlier one: it would look like a third.
"""

from __future__ import annotations

import random
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.feed_oracle.case import Case, Fault
from tests.feed_oracle.market import History, Session, flow
from tests.feed_oracle.receiver import SESSIONS

__all__ = ["END", "HEARTBEAT_NS", "US", "Plan", "Transit", "mold", "plan_of"]

US, MS = 1_000, 1_000_000
END = 0xFFFF
START_NS = MS
HEARTBEAT_NS = 2 * MS
HEADER = struct.Struct(">10sQH")
AHEAD, APART = 300, 400  # of forged numbers: behind the last one, and from each other
COPIES_MAX = 8
MESSAGES_PER_DATAGRAM = 30  # 1,200 bytes of the longest


def mold(session: bytes, first: int, messages: tuple[bytes, ...] = (), *, count: int | None = None) -> bytes:
    blocks = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    return HEADER.pack(session, first, len(messages) if count is None else count) + blocks


@dataclass(frozen=True)
class Transit:
    """A datagram on its way to the receiver."""

    at_ns: int
    line: str
    index: int  # of the line's datagrams, as sent
    session: int
    first: int
    count: int  # 0: heartbeat, END: end of session
    data: bytes
    harm: str = ""  # how it was corrupted

    @property
    def next(self) -> int:
        return self.first + (0 if self.count == END else self.count)


@dataclass(frozen=True)
class Plan:
    """What was published when, and what of it arrives."""

    history: History
    published_ns: tuple[tuple[int, ...], ...]  # of each message of each session
    transits: tuple[Transit, ...]
    end_ns: int  # nothing is harmed any more
    sent: dict[str, tuple[Transit, ...]]  # unharmed, by line

    def published(self, session: int, now_ns: int) -> int:
        """How many messages of a session the venue has sent by now."""
        return bisect_right(self.published_ns[session], now_ns)

    def session_at(self, now_ns: int) -> int:
        """The session that the venue is in."""
        begun = [times[0] <= now_ns for times in self.published_ns]
        return max(sum(begun) - 1, 0)


def history_of(case: Case) -> History:
    first = flow(case.seed, case.messages, case.symbols)
    if case.roll is None:
        return History((Session(SESSIONS[0], first),), case.symbols)
    at = max(1, min(len(first) - 1, len(first) * case.roll.percent // 100))
    if case.roll.fresh or case.snapshots is None:
        second = flow(case.seed + 1, max(1, len(first) - at), case.symbols)
        sessions = Session(SESSIONS[0], first[:at]), Session(SESSIONS[1], second)
    else:
        sessions = Session(SESSIONS[0], first[:at]), Session(SESSIONS[1], first[at:], first[:at])
    return History(sessions, case.symbols)


def publish(case: Case, history: History, chance: random.Random) -> tuple[tuple[int, ...], ...]:
    total = sum(len(session.messages) for session in history.sessions)
    pauses = {chance.randrange(total) for _ in range(case.pauses)}
    now_ns, index, times = START_NS, 0, []
    for session in history.sessions:
        of_session = []
        for _ in session.messages:
            burst = chance.random() < 0.5
            now_ns += 1 if burst else int(chance.expovariate(0.5) * case.spacing_us * US) + 1
            if index in pauses:
                now_ns += chance.randrange(2, 15) * MS
            of_session.append(now_ns)
            index += 1
        times.append(tuple(of_session))
        now_ns += chance.choice((20 * US, MS, 5 * MS))
    return tuple(times)


def pack(packing: int, times: tuple[int, ...], chance: random.Random) -> Iterator[tuple[int, int]]:
    """(first, count) of each datagram; what is sent at once goes together."""
    first, total = 1, len(times)
    while first <= total:
        count = min(chance.randint(1, packing), total - first + 1, MESSAGES_PER_DATAGRAM)
        yield first, count
        first += count


def line_of(case: Case, history: History, times: tuple[tuple[int, ...], ...], line: str) -> list[Transit]:
    """One line without any harm, up to a few heartbeats behind the end."""
    own = line == "B" and case.packing_b
    chance = random.Random(f"packing {line if own else 'A'} {case.seed}")
    late_ns = 3 * US + (case.skew_us * US if line == "B" else 0)
    events: list[tuple[int, int, int, int]] = []  # time, session, first, count
    for number, of_session in enumerate(times):
        last = number == len(times) - 1
        previous_ns, next_number = of_session[0], 1
        for first, count in pack(case.packing_b if own else case.packing, of_session, chance):
            at_ns = of_session[first + count - 2]
            while at_ns - previous_ns > HEARTBEAT_NS:
                previous_ns += HEARTBEAT_NS
                events.append((previous_ns, number, next_number, 0))
            events.append((at_ns, number, first, count))
            previous_ns, next_number = at_ns, first + count
        if not last:
            if case.roll is not None and case.roll.end_previous:
                step_ns = (times[number + 1][0] - previous_ns) // 4
                events += [(previous_ns + i * step_ns, number, next_number, END) for i in (1, 2, 3)]
        else:
            tail = END if case.ends else 0
            events += [(previous_ns + i * HEARTBEAT_NS, number, next_number, tail) for i in range(1, 5)]
    sent = []
    for index, (at_ns, number, first, count) in enumerate(events):
        session = history.sessions[number]
        carried = tuple(session.messages[first - 1 : first - 1 + count]) if count != END else ()
        data = mold(session.name, first, carried, count=END if count == END else None)
        sent.append(Transit(at_ns + late_ns, line, index, number, first, count, data))
    return sent


def taken(fault: Fault, sent: list[Transit], chance: random.Random) -> set[int]:
    """The indices that a fault takes."""
    window = range(fault.first, min(fault.first + fault.count, len(sent)))
    if not fault.cluster:
        every = window[:: fault.every]
        return {index for index in every if fault.chance == 100 or chance.random() * 100 < fault.chance}
    bad, found = False, set()
    for index in window:
        bad = chance.random() * 100 < (70 if bad else fault.chance)
        if bad:
            found.add(index)
    return found


def corrupt(
    transit: Transit, fault: Fault, history: History, chance: random.Random, forged: int
) -> Transit | None:
    session, first, count = HEADER.unpack_from(transit.data)
    data = transit.data
    if fault.what == "bits":
        return None
    if fault.what == "truncate":
        data = data[: max(0, len(data) - fault.amount)]
    elif fault.what == "count":
        other = (count + fault.amount) & 0xFFFF
        if transit.count == END:
            other = fault.amount
        elif count > fault.amount and chance.random() < 0.5:
            other = count - fault.amount
        data = HEADER.pack(session, first, other) + data[HEADER.size :]
    elif fault.what == "zero_block":
        if len(data) == HEADER.size:
            return None
        data = data[: HEADER.size] + bytes(2) + data[HEADER.size + 2 :]
    elif fault.what == "session":
        data = b"X%09d" % forged + data[10:]
    elif fault.what == "ahead":
        last = len(history.sessions[transit.session].messages)
        return _renumbered(transit, last + AHEAD + forged * APART, "ahead")
    else:
        return _renumbered(transit, chance.randrange(1, first + 1), "back")
    return replace(transit, data=data, harm=fault.what)


def _renumbered(transit: Transit, first: int, harm: str) -> Transit:
    session, _, count = HEADER.unpack_from(transit.data)
    data = HEADER.pack(session, first, count) + transit.data[HEADER.size :]
    return replace(transit, data=data, first=first, harm=harm)


def harmed(case: Case, history: History, sent: list[Transit], line: str) -> list[Transit]:
    """What arrives of a line."""
    transits = list(sent)
    in_order = sorted(enumerate(case.faults), key=lambda item: item[1].do == "corrupt")
    forged = 0 if line == "A" else 1000  # no two names or numbers alike
    for number, fault in in_order:
        if line not in fault.lines:
            continue
        chance = random.Random(f"fault {case.seed} {number} {line}")
        indices = taken(fault, sent, chance)
        after: list[Transit] = []
        for transit in transits:
            if transit.index not in indices:
                after.append(transit)
            elif fault.do == "duplicate":
                after += [
                    replace(transit, at_ns=transit.at_ns + copy)
                    for copy in range(min(fault.amount, COPIES_MAX) + 1)
                ]
            elif fault.do == "delay":
                after.append(replace(transit, at_ns=transit.at_ns + fault.amount * US))
            elif fault.do == "reorder":
                behind = sent[min(transit.index + fault.amount, len(sent) - 1)]
                after.append(replace(transit, at_ns=max(transit.at_ns, behind.at_ns + 1)))
            elif fault.do == "corrupt":
                forged += 1
                spoilt = transit if transit.harm else corrupt(transit, fault, history, chance, forged)
                after += [spoilt] if spoilt is not None else []
        transits = after
    return transits


def plan_of(case: Case) -> Plan:
    chance = random.Random(f"market {case.seed}")
    history = history_of(case)
    times = publish(case, history, chance)
    sent = {line: line_of(case, history, times, line) for line in "AB"}
    arrivals = [transit for line in "AB" for transit in harmed(case, history, sent[line], line)]
    arrivals.sort(key=lambda transit: (transit.at_ns, transit.line, transit.index))
    ends = [transit.at_ns for transit in arrivals] + [sent[line][-1].at_ns for line in "AB"]
    by_line = {line: tuple(transits) for line, transits in sent.items()}
    return Plan(history, times, tuple(arrivals), max(ends) + 1, by_line)
