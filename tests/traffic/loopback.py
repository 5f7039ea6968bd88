"""An exchange without lines in this process, its gateway and recovery services on loopback."""

import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import PublishedBook, ScheduleOptions, build_schedule
from traffic.config import RecoveryBehaviour, SessionConfig
from traffic.exchange_bindings import PROGRESS_BYTES, Exchange, ExchangeOptions, RecoveryOptions
from traffic.market.sessions import roll_sessions

SESSION = b"TAILGATE01"
LOOPBACK = socket.inet_aton("127.0.0.1")


def make_exchange(
    framed: bytes,
    *,
    times_ns: NDArray[np.int64] | None = None,
    messages_max: int = 100,
    rolls: Sequence[SessionConfig] = (),
    first_sequence: int = 1,
    behaviour: RecoveryBehaviour | None = None,
    notify_fd: int = -1,
    **options: Any,
) -> Exchange:
    """Not opened yet. Recovery only where `behaviour` is given."""
    arena = np.frombuffer(bytearray(framed), np.uint8)
    if times_ns is None:
        times_ns = np.zeros(count_messages(framed), np.int64)
    packets = build_schedule(
        arena, times_ns, ScheduleOptions(messages_max=messages_max, first_sequence=first_sequence)
    )
    packets, sessions = roll_sessions(
        arena, packets, session=SESSION, first_sequence=first_sequence, rolls=rolls
    )
    recovery = None
    if behaviour is not None:
        recovery = RecoveryOptions(
            address=LOOPBACK, request_port=0, snapshot_port=0, username="TAILGT", password="TAILGATE",
            behaviour=behaviour,
        )  # fmt: skip
    given: dict[str, Any] = {
        "arena": arena,
        "packets": packets,
        "sessions": sessions,
        "lines": (),
        "gateway_address": LOOPBACK,
        "gateway_port": 0,
        "gateway_session": "TAILGATE01",
        "username": "TAILGT",
        "password": "TAILGATE",
        "heartbeat_ns": 10**9,
        "notify_fd": notify_fd,
        "orders_max": 1000,
        "recovery": recovery,
    }
    adds = max(1, count_messages(framed))
    return Exchange(
        ExchangeOptions(**given | options),
        book=PublishedBook.for_stream(arena, adds=adds),
        progress=np.zeros(PROGRESS_BYTES, np.uint8),
    )


def count_messages(framed: bytes) -> int:
    count = offset = 0
    while offset < len(framed):
        offset += 2 + int.from_bytes(framed[offset : offset + 2], "big")
        count += 1
    return count


@contextmanager
def running(framed: bytes, *, wait: bool = True, **options: Any) -> Iterator[Exchange]:
    """An exchange that has published `framed`, or (without `wait`) has just begun to."""
    published = os.eventfd(0)
    exchange = make_exchange(framed, notify_fd=published, **options)
    exchange.open()
    exchange.start_thread()
    try:
        exchange.start(time.monotonic_ns())
        if wait:
            assert select.select([published], [], [], 20)[0]
        yield exchange
    finally:
        exchange.stop()
        os.close(published)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited 10 s in vain"
        time.sleep(0.001)
