"""The re-request server on loopback: what it serves, what it keeps silent about, and how it misbehaves on request."""

import random
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import LOOPBACK, make_exchange, running, wait_for
from recovery_reference import REPLY_BYTES_MAX, RequestClient
from traffic_reference import frame, messages_of

from traffic.bindings import generate_model
from traffic.config import ImpairmentConfig, RecoveryBehaviour, SessionConfig
from traffic.exchange_bindings import Exchange, OpenError, RecoveryOptions

MESSAGES = 3000
FRAMED = generate_model(seed=3, symbols=10, messages=MESSAGES).tobytes()
STREAM = list(messages_of(FRAMED))
ROLLS = (
    SessionConfig(at_sequence=1001, session="TAILGATE02"),
    SessionConfig(at_sequence=1003, session="SHORT", end_previous=False),
    SessionConfig(at_sequence=2500, session="TAILGATE04"),
)
SESSIONS = {
    b"TAILGATE01": (0, 1000),
    b"TAILGATE02": (1000, 2),
    b"SHORT     ": (1002, 1497),
    b"TAILGATE04": (2499, 501),
}


def counters(exchange: Exchange) -> dict[str, Any]:
    return exchange.counters()["recovery"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def plain() -> Iterator[Exchange]:
    """One session, packets of seven messages, all published."""
    with running(FRAMED, messages_max=7, behaviour=RecoveryBehaviour()) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def rolled() -> Iterator[Exchange]:
    """Four sessions."""
    with running(FRAMED, messages_max=7, rolls=ROLLS, behaviour=RecoveryBehaviour()) as exchange:
        yield exchange


@given(sequence=st.integers(1, MESSAGES), count=st.integers(1, 65535))
@settings(deadline=None)
def test_a_reply_has_the_messages_asked_for_as_far_as_they_fit(
    plain: Exchange, sequence: int, count: int
) -> None:
    with RequestClient(plain.request_port()) as client:
        reply = client.ask(sequence, count)
    assert (reply.session, reply.sequence) == (b"TAILGATE01", sequence)
    got = len(reply.messages)
    assert list(reply.messages) == STREAM[sequence - 1 : sequence - 1 + got]
    assert 1 <= got <= min(count, MESSAGES - sequence + 1)
    assert reply.size <= REPLY_BYTES_MAX
    if got < min(count, MESSAGES - sequence + 1):
        assert reply.size + 2 + len(STREAM[sequence - 1 + got]) > REPLY_BYTES_MAX, (
            "one more would have fitted"
        )


def test_a_client_that_asks_for_the_rest_gets_the_whole_stream(plain: Exchange) -> None:
    got: list[bytes] = []
    with RequestClient(plain.request_port()) as client:
        while len(got) < MESSAGES:
            got += client.ask(len(got) + 1, 65535).messages
    assert got == STREAM


@given(index=st.integers(0, MESSAGES - 1), count=st.integers(1, 400))
@settings(deadline=None)
def test_every_session_is_served_from_history_and_never_beyond_its_end(
    rolled: Exchange, index: int, count: int
) -> None:
    name, (first, size) = next(
        (name, place) for name, place in SESSIONS.items() if index < place[0] + place[1]
    )
    with RequestClient(rolled.request_port(), session=name) as client:
        reply = client.ask(index - first + 1, count)
    assert (reply.session, reply.sequence) == (name, index - first + 1)
    end = index + len(reply.messages)
    assert list(reply.messages) == STREAM[index:end]
    assert index < end <= min(index + count, first + size)


@pytest.mark.parametrize(
    ("session", "sequence", "count", "counter"),
    [
        (b"TAILGATE09", 1, 1, "unknown_session"),
        (b"tailgate01", 1, 1, "unknown_session"),
        (b"TAILGATE01", 0, 1, "out_of_range"),
        (b"TAILGATE01", 1001, 1, "out_of_range"),
        (b"TAILGATE01", 2**64 - 1, 1, "out_of_range"),
        (b"TAILGATE02", 3, 1, "out_of_range"),
        (b"TAILGATE04", 502, 1, "out_of_range"),
        (b"TAILGATE01", 1, 0, "malformed"),
    ],
)
def test_what_there_is_not_is_met_with_silence_and_counted(
    rolled: Exchange, session: bytes, sequence: int, count: int, counter: str
) -> None:
    before = counters(rolled)
    with RequestClient(rolled.request_port()) as client:
        client.send(sequence, count, session=session)
        assert client.silent()
    after = counters(rolled)
    assert after[counter] == before[counter] + 1
    assert after["requests"] == before["requests"] + 1
    assert after["answered"] == before["answered"]


@given(data=st.binary(max_size=100))
@settings(deadline=None, max_examples=50)
def test_any_datagram_is_survived_and_counted_once(plain: Exchange, data: bytes) -> None:
    reasons = (
        "answered", "refused", "lost", "throttled", "malformed", "unknown_session", "out_of_range", "too_old",
    )  # fmt: skip
    before = counters(plain)
    with RequestClient(plain.request_port()) as client:
        client.socket.send(data)
        wait_for(lambda: counters(plain)["requests"] == before["requests"] + 1)
        assert client.ask(5, 1).messages == (STREAM[4],)
    wait_for(lambda: counters(plain)["requests"] == before["requests"] + 2)
    after = counters(plain)
    assert sum(after[reason] - before[reason] for reason in reasons) == 2


def test_a_reply_goes_to_whoever_asked(plain: Exchange) -> None:
    with RequestClient(plain.request_port()) as one, RequestClient(plain.request_port()) as other:
        one.send(10, 1)
        other.send(20, 2)
        assert other.reply().sequence == 20
        assert one.reply().sequence == 10
        assert one.silent(timeout_s=0.005)
        assert other.silent(timeout_s=0.005)


def test_numbers_need_not_begin_at_one() -> None:
    with (
        running(FRAMED, first_sequence=19_009_117, behaviour=RecoveryBehaviour()) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        assert client.ask(19_009_117, 3).messages == tuple(STREAM[:3])
        client.send(19_009_116, 1)
        client.send(1, 1)
        assert client.silent()


def test_long_messages_that_fill_a_datagram_are_served_one_by_one() -> None:
    large = [bytes([65 + index]) + bytes(1449) for index in range(5)]
    with (
        running(frame(*large), behaviour=RecoveryBehaviour()) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        for index, message in enumerate(large):
            reply = client.ask(1 + index, 5)
            assert reply.messages == (message,)
            assert reply.size == REPLY_BYTES_MAX


def test_only_what_is_published_is_served() -> None:
    times = np.arange(200) * 2_000_000
    with (
        running(frame(*STREAM[:200]), times_ns=times, messages_max=1, wait=False, behaviour=RecoveryBehaviour())
        as exchange,
        RequestClient(exchange.request_port()) as client,
    ):  # fmt: skip
        wait_for(lambda: len(exchange.published_packets()) > 0)
        reply = client.ask(1, 200)
        published = len(exchange.published_packets())
        assert list(reply.messages) == STREAM[: len(reply.messages)]
        assert 1 <= len(reply.messages) <= published < 200
        client.send(200, 1)
        assert client.silent(timeout_s=0.005)


# --- limits and misbehaviour ---


def served(behaviour: dict[str, object], requests: list[tuple[int, int]]) -> tuple[list[int], dict[str, Any]]:
    """(first sequences of the replies, counters) when these requests come one behind the other."""
    with (
        running(FRAMED, messages_max=7, behaviour=RecoveryBehaviour(**behaviour)) as exchange,  # type: ignore[arg-type]
        RequestClient(exchange.request_port()) as client,
    ):
        for sequence, count in requests:
            client.send(sequence, count)
        wait_for(lambda: counters(exchange)["requests"] == len(requests))
        replies = []
        while len(replies) < counters(exchange)["answered"]:
            replies.append(client.reply().sequence)
        assert client.silent(timeout_s=0.005)
        return replies, counters(exchange)


def test_a_reply_is_no_longer_than_messages_max() -> None:
    with (
        running(FRAMED, behaviour=RecoveryBehaviour(messages_max=5)) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        assert [len(client.ask(1, count).messages) for count in (3, 5, 6, 65535)] == [3, 5, 5, 5]
        assert counters(exchange)["partial"] == 2


def test_refusal_is_silence() -> None:
    replies, counted = served({"refuse": True}, [(1, 1)] * 5)
    assert (replies, counted["refused"], counted["answered"]) == ([], 5, 0)


def test_the_first_requests_are_lost() -> None:
    replies, counted = served({"lose_requests": 3}, [(sequence, 1) for sequence in range(1, 6)])
    assert (replies, counted["lost"]) == ([4, 5], 3)


def test_requests_that_cannot_be_served_are_not_the_ones_that_are_lost() -> None:
    replies, counted = served({"lose_requests": 1}, [(MESSAGES + 1, 1), (1, 1), (2, 1)])
    assert (replies, counted["lost"], counted["out_of_range"]) == ([2], 1, 1)


def test_loss_has_its_rate_and_is_seeded() -> None:
    requests = [(sequence, 1) for sequence in range(1, 201)]
    replies, counted = served({"loss": 0.3}, requests)
    assert counted["lost"] + len(replies) == 200
    assert 30 <= counted["lost"] <= 90
    assert served({"loss": 0.3}, requests)[0] == replies


def test_history_that_is_too_old_is_met_with_silence() -> None:
    replies, counted = served({"history_messages": 100}, [(MESSAGES - 100, 1), (MESSAGES - 99, 1), (1, 3)])
    assert (replies, counted["too_old"]) == ([MESSAGES - 99], 2)


def test_above_the_rate_there_is_silence_after_a_burst() -> None:
    replies, counted = served({"rate_per_s": 1, "burst": 3}, [(sequence, 1) for sequence in range(1, 8)])
    assert (replies, counted["throttled"]) == ([1, 2, 3], 4)


def test_the_rate_lets_requests_through_again() -> None:
    behaviour = RecoveryBehaviour(rate_per_s=200, burst=1)
    with running(FRAMED, behaviour=behaviour) as exchange, RequestClient(exchange.request_port()) as client:
        while counters(exchange)["answered"] < 5:
            client.send(1, 1)
            client.silent(timeout_s=0.002)
        assert counters(exchange)["throttled"] > 0


def test_a_delayed_reply_keeps_its_order_and_its_time() -> None:
    behaviour = RecoveryBehaviour(delay_ns=50_000_000)
    with running(FRAMED, behaviour=behaviour) as exchange, RequestClient(exchange.request_port()) as client:
        begin_ns = time.monotonic_ns()
        for sequence in (3, 1, 2):
            client.send(sequence, 1)
        assert [client.reply().sequence for _ in range(3)] == [3, 1, 2]
        assert time.monotonic_ns() - begin_ns >= 50_000_000


def test_more_delayed_replies_than_there_is_room_for_are_lost_and_counted() -> None:
    behaviour = RecoveryBehaviour(delay_ns=500_000_000)
    with running(FRAMED, behaviour=behaviour) as exchange, RequestClient(exchange.request_port()) as client:
        for sequence in range(1, 281):
            client.send(sequence, 1)
        wait_for(lambda: counters(exchange)["requests"] == 280)
        assert counters(exchange)["delayed_lost"] == 280 - 256
        assert [client.reply().sequence for _ in range(256)] == list(range(1, 257))


def test_behaviour_changes_while_it_runs_and_counts_down_anew_only_when_told() -> None:
    with (
        running(FRAMED, behaviour=RecoveryBehaviour(lose_requests=2)) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        client.send(1, 1)
        assert client.silent()
        exchange.behave(RecoveryBehaviour(lose_requests=2, messages_max=1), given=frozenset({"messages_max"}))
        client.send(2, 1)
        assert client.silent(), "the second of the two"
        assert len(client.ask(3, 9).messages) == 1
        exchange.behave(
            RecoveryBehaviour(lose_requests=1), given=frozenset({"lose_requests", "messages_max"})
        )
        client.send(4, 1)
        assert client.silent()
        assert len(client.ask(5, 9).messages) == 9
        exchange.behave(RecoveryBehaviour(refuse=True), given=frozenset({"refuse"}))
        client.send(6, 1)
        assert client.silent()
        assert counters(exchange)["commands"] == 3


# --- impairments of replies ---


def impaired(
    requests: list[tuple[int, int]], *rules: dict[str, object], seed: int = 7, silence_s: float = 0.05
) -> tuple[list[bytes], dict[str, Any]]:
    configs = tuple(ImpairmentConfig(lines=("recovery",), **rule) for rule in rules)  # type: ignore[arg-type]
    with (
        running(FRAMED, behaviour=RecoveryBehaviour(), impairments=configs, seed=seed) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        for sequence, count in requests:
            client.send(sequence, count)
        wait_for(lambda: counters(exchange)["answered"] == len(requests))
        client.socket.settimeout(silence_s)
        datagrams = []
        while True:
            try:
                datagrams.append(client.socket.recv(65536))
            except TimeoutError:
                return datagrams, counters(exchange)["impaired"]


def numbers(datagrams: list[bytes]) -> list[int]:
    return [struct.unpack_from(">Q", data, 10)[0] for data in datagrams]


ONE_BY_ONE = [(sequence, 1) for sequence in range(1, 11)]


def test_replies_are_dropped_by_position() -> None:
    datagrams, counted = impaired(ONE_BY_ONE, {"action": "drop", "from_position": 4, "packets": 2})
    assert numbers(datagrams) == [1, 2, 3, 6, 7, 8, 9, 10]
    assert counted["dropped"] == 2


def test_replies_are_duplicated_reordered_and_delayed() -> None:
    datagrams, _ = impaired(
        ONE_BY_ONE, {"action": "duplicate", "amount": 2, "from_position": 3, "packets": 1}
    )
    assert numbers(datagrams) == [1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10]
    datagrams, _ = impaired(ONE_BY_ONE, {"action": "reorder", "amount": 3, "from_position": 3, "packets": 1})
    assert numbers(datagrams) == [1, 2, 4, 5, 6, 3, 7, 8, 9, 10]
    datagrams, _ = impaired(ONE_BY_ONE, {"action": "reorder", "amount": 3, "from_position": 9, "packets": 1})
    assert numbers(datagrams) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 9], "not held for ever"
    slow = {"action": "delay", "delay_ns": 200_000_000, "from_position": 3, "packets": 2}
    assert numbers(impaired(ONE_BY_ONE, slow, silence_s=0.5)[0]) == [1, 2, 5, 6, 7, 8, 9, 10, 3, 4]


def test_replies_are_spoiled_in_each_way() -> None:
    whole = struct.pack(">10sQH", b"TAILGATE01", 1, 2) + frame(*STREAM[:2])

    def spoil(**fields: object) -> bytes:
        datagrams, counted = impaired([(1, 2)], {"action": "corrupt", **fields})
        assert counted["corrupted"] == 1
        return datagrams[0]

    assert spoil(corruption="truncate", amount=5) == whole[:-5]
    assert spoil(corruption="count", amount=3) == whole[:18] + b"\0\5" + whole[20:]
    assert spoil(corruption="zero_block") == whole[:20] + b"\0\0" + whole[22:]
    bits = spoil(corruption="bits", amount=3)
    assert spoil(corruption="bits", amount=3) == bits, "one seed, the same bits"
    changed = int.from_bytes(bits, "big") ^ int.from_bytes(whole, "big")
    assert (len(bits), changed.bit_count()) == (len(whole), 3)


def test_a_stream_asked_for_under_loss_of_requests_and_replies_is_whole_in_the_end() -> None:
    generator = random.Random(5)
    configs = (
        ImpairmentConfig(lines=("recovery",), action="drop", pattern="random", probability=0.2),
        ImpairmentConfig(lines=("recovery",), action="reorder", pattern="random", probability=0.1, amount=2),
    )
    got: dict[int, bytes] = {}
    with (
        running(FRAMED, behaviour=RecoveryBehaviour(loss=0.2), impairments=configs) as exchange,
        RequestClient(exchange.request_port()) as client,
    ):
        client.socket.settimeout(0.002)
        while missing := [number for number in range(1, MESSAGES + 1) if number not in got]:
            for number in generator.sample(missing, min(4, len(missing))):
                client.send(number, generator.randint(1, 60))
            try:
                while True:
                    data = client.socket.recv(65536)
                    first = struct.unpack_from(">Q", data, 10)[0]
                    got.update(enumerate(messages_of(data[20:]), first))
            except TimeoutError:
                pass
    assert [got[number] for number in sorted(got)] == STREAM


def test_a_port_in_use_is_an_error_that_names_it(plain: Exchange) -> None:
    taken = RecoveryOptions(
        address=LOOPBACK, request_port=plain.request_port(), snapshot_port=0, username="A", password="B"
    )
    with pytest.raises(OpenError, match=f"recovery: cannot bind on 127.0.0.1:{plain.request_port()}"):
        make_exchange(FRAMED, recovery=taken).open()
    taken = RecoveryOptions(
        address=LOOPBACK, request_port=0, snapshot_port=plain.snapshot_port(), username="A", password="B"
    )
    with pytest.raises(OpenError, match=f"snapshots: cannot listen on 127.0.0.1:{plain.snapshot_port()}"):
        make_exchange(FRAMED, recovery=taken).open()
