"""The engine's feed and decoder for tests: datagrams and messages enter as bytes, Python values leave."""

import struct
from dataclasses import dataclass
from typing import Any

from engine._engine import ffi, lib

__all__ = [
    "BEST_EFFORT",
    "END",
    "RECOVERY",
    "SESSION",
    "EngineFeed",
    "Message",
    "block",
    "datagram",
    "decode",
    "fields_of",
    "parse",
]

SESSION = b"SESSION001"
BEST_EFFORT = lib.FEED_DELIVERY_BEST_EFFORT
RECOVERY = 2  # the source of replies
END = 0xFFFF  # the count of an end-of-session datagram


def block(message: bytes) -> bytes:
    return struct.pack(">H", len(message)) + message


def datagram(
    sequence: int, messages: list[bytes] | tuple[bytes, ...] = (), *, count: int | None = None,
    session: bytes = SESSION,
) -> bytes:  # fmt: skip
    """A MoldUDP64 datagram; `count` overrides the number of messages (0xFFFF: end of session)."""
    head = session + struct.pack(">QH", sequence, len(messages) if count is None else count)
    return head + b"".join(map(block, messages))


@dataclass(frozen=True, kw_only=True)
class Message:
    """One delivered message."""

    sequence: int
    data: bytes
    line: int
    arrival_ns: int
    position: int
    state: str  # of the feed when it was handed out


class EngineFeed:
    """A feed that is drained after every call; `state` and `delivered` are what a test looks at."""

    def __init__(self, **options: int | bytes) -> None:
        self._options = ffi.new("struct feed_options *")
        lib.feed_options_default(self._options)
        self._options.unconfirmed_jump_messages = 2**64 - 1  # one datagram is enough, unless a test wants two
        for name, value in options.items():
            setattr(self._options, name, value)
        size = lib.feed_memory_size(self._options)
        self._memory = ffi.new("char[]", size + lib.FEED_MEMORY_ALIGNMENT)
        skip = -int(ffi.cast("uintptr_t", self._memory)) % lib.FEED_MEMORY_ALIGNMENT
        self.feed = ffi.new("struct feed *")
        self._message = ffi.new("struct feed_message *")
        assert lib.feed_init(self.feed, self._options, self._memory + skip, size) == 0
        self.delivered: list[Message] = []

    @property
    def state(self) -> str:
        return name_of(lib.feed_state_name(self.feed.state))

    @property
    def statistics(self) -> Any:
        return self.feed.statistics

    def accept(self, line: int, data: bytes, now_ns: int) -> str:
        """What became of the datagram; everything deliverable is in `delivered` afterwards."""
        outcome = lib.feed_accept(self.feed, line, data, len(data), now_ns)
        self._drain()
        return name_of(lib.feed_outcome_name(outcome))

    def timer(self, now_ns: int) -> None:
        lib.feed_timer(self.feed, now_ns)
        self._drain()

    def requests(self) -> list[tuple[int, int]]:
        """(sequence, count) of every request that is due now."""
        found, request = [], ffi.new("uint8_t[20]")
        while lib.feed_next_request(self.feed, request):
            assert bytes(request)[:10] == bytes(self.feed.session)
            found.append(struct.unpack(">QH", bytes(request)[10:]))
        return found

    def start_snapshot(self, now_ns: int) -> None:
        assert lib.feed_wants_snapshot(self.feed)
        lib.feed_snapshot_started(self.feed, now_ns)

    def join(self, sequence: int, now_ns: int) -> bool:
        """The snapshot is whole; ``sequence`` is the first message behind it."""
        joined = bool(lib.feed_snapshot_complete(self.feed, sequence, now_ns))
        self._drain()
        return joined

    def lose_snapshot(self, now_ns: int) -> None:
        lib.feed_snapshot_failed(self.feed, now_ns)

    @property
    def wants_snapshot(self) -> bool:
        return bool(lib.feed_wants_snapshot(self.feed))

    @property
    def snapshot_running(self) -> bool:
        return bool(lib.feed_snapshot_running(self.feed))

    @property
    def numbers(self) -> list[int]:
        """Sequence numbers delivered so far."""
        return [message.sequence for message in self.delivered]

    def episodes(self) -> list[Any]:
        """Remembered blind episodes, oldest first."""
        rows = ffi.new("struct feed_episode[]", lib.FEED_EPISODE_COUNT)
        return list(rows[0 : lib.feed_episodes(self.feed, rows, lib.FEED_EPISODE_COUNT)])

    def positions(self) -> list[int]:
        """Where every remembered transition happened."""
        rows = ffi.new("struct feed_transition[]", lib.FEED_TRANSITION_COUNT)
        count = lib.feed_transitions(self.feed, rows, lib.FEED_TRANSITION_COUNT)
        return [int(row.sequence) for row in rows[0:count]]

    def transitions(self) -> list[tuple[str, str, str]]:
        """(from, to, cause) of every remembered transition."""
        rows = ffi.new("struct feed_transition[]", lib.FEED_TRANSITION_COUNT)
        count = lib.feed_transitions(self.feed, rows, lib.FEED_TRANSITION_COUNT)
        return [
            (
                name_of(lib.feed_state_name(getattr(rows[index], "from"))),
                name_of(lib.feed_state_name(rows[index].to)),
                name_of(lib.feed_cause_name(rows[index].cause)),
            )
            for index in range(count)
        ]

    def _drain(self) -> None:
        message = self._message
        while lib.feed_next(self.feed, message):
            self.delivered.append(
                Message(
                    sequence=message.sequence,
                    data=ffi.buffer(message.data, message.length)[:],
                    line=message.line,
                    arrival_ns=message.arrival_ns,
                    position=message.position,
                    state=self.state,
                )
            )


def name_of(text: Any) -> str:
    return str(ffi.string(text).decode())


def parse(data: bytes) -> tuple[str, Any]:
    """Outcome by name and the parsed packet."""
    packet = ffi.new("struct moldudp64_packet *")
    return name_of(lib.moldudp64_outcome_name(lib.moldudp64_parse(data, len(data), packet))), packet


def decode(message: bytes) -> tuple[int, Any]:
    """enum itch_outcome and the event."""
    event = ffi.new("struct event *")
    return lib.itch50_decode(message, len(message), event), event


def fields_of(message: bytes) -> dict[str, int | bytes]:
    """Every field of a message by the engine's own table."""
    table = lib.itch50_message_find(message[:1])
    assert table != ffi.NULL, message[:1]
    values: dict[str, int | bytes] = {}
    for index in range(table.field_count):
        field = table.fields[index]
        data = message[field.offset : field.offset + field.size]
        alpha = field.kind == lib.ITCH50_ALPHA
        values[ffi.string(field.name).decode()] = data if alpha else int.from_bytes(data, "big")
    return values
