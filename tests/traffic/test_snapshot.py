"""The snapshot service on loopback: content against the reference book, cut anywhere; SoupBinTCP; misbehaviour."""

import random
import socket
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itch_reference import decode
from loopback import count_messages, make_exchange, running, wait_for
from recovery_reference import RequestClient, Snapshot, SnapshotClient
from reference_book import ReferenceBook
from traffic_reference import add, cancel, delete, frame, head, messages_of

from traffic.bindings import generate_model
from traffic.config import RecoveryBehaviour, SessionConfig
from traffic.exchange_bindings import Exchange

PLAIN = RecoveryBehaviour()


def counters(exchange: Exchange) -> dict[str, Any]:
    return exchange.counters()["recovery"]["snapshots"]  # type: ignore[index, no-any-return]


def take(exchange: Exchange) -> Snapshot:
    with SnapshotClient(exchange.snapshot_port()) as client:
        return client.snapshot()


def book_of(messages: list[bytes] | tuple[bytes, ...]) -> ReferenceBook:
    book = ReferenceBook()
    for message in messages:
        book.apply(decode(message))
    return book


def last_by_subject(messages: list[bytes], kind: bytes) -> list[bytes]:
    """The last message of each subject, in the order they were published."""
    last: dict[bytes, tuple[int, bytes]] = {}
    for index, message in enumerate(messages):
        if message[:1] == kind:
            last[message[11:12] if kind == b"S" else message[1:3]] = (index, message)
    return [message for _, message in sorted(last.values())]


def check_snapshot(snapshot: Snapshot, before: list[bytes]) -> None:
    """The snapshot is what `before` leaves: reference messages, then orders, oldest first at every price."""
    kinds = b"".join(message[:1] for message in snapshot.messages)
    reference = [message for kind in b"SRHYh" for message in last_by_subject(before, bytes([kind]))]
    assert list(snapshot.messages[: len(reference)]) == reference
    assert not kinds[len(reference) :].strip(b"AF"), "only orders behind"
    orders = snapshot.messages[len(reference) :]
    book = book_of(orders)
    assert book.outcomes == ({"applied": len(orders)} if orders else {})
    assert book.rows() == book_of(before).rows()
    names = {message[1:3]: message[24:32] for message in before if message[:1] in b"AF"}
    assert all(message[24:32] == names[message[1:3]] for message in orders)
    entered = {message[11:19]: message for message in before if message[:1] in b"AF"}
    for message in orders:
        original = entered.get(message[11:19], b"A")  # entered by a replacement: A
        assert message[:1] == original[:1]
        assert message[36:] == original[36:40], "the participant of an F"


@given(seed=st.integers(0, 2**32), symbols=st.integers(1, 12), cut=st.integers(100, 2500))
@settings(deadline=None, max_examples=40)
def test_it_is_the_reference_book_at_any_cut_of_any_stream(seed: int, symbols: int, cut: int) -> None:
    framed = generate_model(seed=seed, symbols=symbols, messages=max(cut, 8 * symbols)).tobytes()
    with running(framed, behaviour=PLAIN) as exchange:
        snapshot = take(exchange)
    assert snapshot.sequence == count_messages(framed) + 1
    assert snapshot.session == "TAILGATE01"
    check_snapshot(snapshot, list(messages_of(framed)))


def test_it_is_of_one_moment_whatever_is_published_meanwhile() -> None:
    """Logins at random moments of a busy stream; each snapshot is the book at its own G."""
    framed = generate_model(seed=21, symbols=40, messages=60_000).tobytes()
    stream = list(messages_of(framed))
    generator = random.Random(4)
    times_ns = np.arange(len(stream)) * 25_000
    taken = []
    with running(framed, times_ns=times_ns, messages_max=4, wait=False, behaviour=PLAIN) as exchange:
        while exchange.published_ns() == 0:
            time.sleep(generator.random() * 0.3)
            taken.append((len(exchange.published_packets()), take(exchange)))
        assert counters(exchange)["completed"] == len(taken)
    assert len({snapshot.sequence for _, snapshot in taken}) > 3
    for packets_before, snapshot in taken:
        assert snapshot.sequence - 1 >= packets_before, "never older than the login"
        check_snapshot(snapshot, stream[: snapshot.sequence - 1])


def test_a_snapshot_and_the_messages_from_g_on_make_the_same_book() -> None:
    framed = generate_model(seed=5, symbols=10, messages=20_000).tobytes()
    stream = list(messages_of(framed))
    with running(framed, times_ns=np.arange(20_000) * 20_000, wait=False, behaviour=PLAIN) as exchange:
        wait_for(lambda: len(exchange.published_packets()) > 5_000)
        snapshot = take(exchange)
        wait_for(lambda: exchange.published_ns() > 0)
    book = book_of(snapshot.messages)
    for message in stream[snapshot.sequence - 1 :]:
        assert book.apply(decode(message)) in ("applied", "ignored")
    assert book.rows() == book_of(stream).rows()


def test_before_anything_is_published_it_is_empty() -> None:
    exchange = make_exchange(frame(add(1, "B", 1, 1)), behaviour=PLAIN)
    exchange.open()
    exchange.start_thread()
    try:
        assert take(exchange) == Snapshot("TAILGATE01", (), 1)
    finally:
        exchange.stop()


def test_reference_messages_are_the_last_of_their_symbol() -> None:
    directory = [head("R", locate) + b"STOCK%03d" % locate + bytes(20) for locate in (7, 3)]
    states = [head("H", 7) + b"STOCK007" + state + b"     " for state in (b"T", b"H", b"T")]
    other = [head("H", 3) + b"STOCK003" + b"H     "]
    sho = [head("Y", 3) + b"STOCK003" + action for action in (b"0", b"1")]
    halts = [head("h", 7) + b"STOCK007B" + action for action in (b"H", b"T")]
    events = [head("S", 0) + event for event in (b"O", b"S", b"S")]
    stream = [*events, *directory, *states, *other, *sho, *halts, head("L", 7) + bytes(15)]
    with running(frame(*stream), behaviour=PLAIN) as exchange:
        snapshot = take(exchange)
    assert list(snapshot.messages) == [
        events[0], events[2], *directory, states[2], other[0], sho[1], halts[1],
    ]  # fmt: skip
    assert snapshot.sequence == len(stream) + 1


def test_messages_shorter_than_their_type_are_left_out() -> None:
    stream = [head("R", 1) + b"ACME", head("S", 0), add(1, "B", 5, 9), head("H", 1)]
    with running(frame(*stream), behaviour=PLAIN) as exchange:
        snapshot = take(exchange)
    assert [message[:1] for message in snapshot.messages] == [b"A"]


def test_a_partly_executed_order_has_its_remaining_shares_and_the_market_time_of_the_login() -> None:
    stream = [add(1, "B", 50, 9, time_ns=5), add(2, "B", 20, 9, time_ns=6), cancel(1, 8), delete(2)]
    stream[3] = stream[3][:5] + (77).to_bytes(6, "big") + stream[3][11:]
    with running(frame(*stream), behaviour=PLAIN) as exchange:
        (order,) = take(exchange).messages
    assert order == add(1, "B", 42, 9, time_ns=77)


def test_it_follows_the_session() -> None:
    framed = generate_model(seed=5, symbols=3, messages=500).tobytes()
    rolls = (SessionConfig(at_sequence=301, session="TAILGATE02"),)
    with running(framed, rolls=rolls, behaviour=PLAIN) as exchange:
        snapshot = take(exchange)
        with SnapshotClient(exchange.snapshot_port()) as client:
            assert client.log_in(session="TAILGATE01") == b"JS", "that one is over"
    assert (snapshot.session, snapshot.sequence) == ("TAILGATE02", 201)
    check_snapshot(snapshot, list(messages_of(framed)))


def test_right_behind_a_roll_it_says_the_new_session_and_message_one() -> None:
    framed = generate_model(seed=5, symbols=3, messages=500).tobytes()
    rolls = (SessionConfig(at_sequence=301, session="TAILGATE02"),)
    times_ns = np.where(np.arange(500) < 300, 0, 20_000_000_000)
    with running(framed, times_ns=times_ns, rolls=rolls, wait=False, behaviour=PLAIN) as exchange:
        wait_for(lambda: int(exchange.published_packets()["count"].sum()) == 300)
        snapshot = take(exchange)
        with RequestClient(exchange.request_port()) as client:
            assert client.ask(300, 5).sequence == 300
    assert (snapshot.session, snapshot.sequence) == ("TAILGATE02", 1)
    check_snapshot(snapshot, list(messages_of(framed))[:300])


# --- SoupBinTCP ---

SMALL = generate_model(seed=9, symbols=2, messages=200).tobytes()


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        ({"username": "OTHER"}, b"JA"),
        ({"password": "wrong"}, b"JA"),
        ({"session": "YESTERDAY"}, b"JS"),
        ({"username": "tailgt", "password": "tailgate"}, b"A"),
        ({"session": "TAILGATE01"}, b"A"),
        ({"sequence": 0}, b"A"),
        ({"sequence": 1000}, b"A"),
    ],
)
def test_a_login_is_checked_and_always_begins_at_one(login: dict[str, Any], answer: bytes) -> None:
    with running(SMALL, behaviour=PLAIN) as exchange, SnapshotClient(exchange.snapshot_port()) as client:
        accepted = client.log_in(**login)
        assert accepted[: len(answer)] == answer
        if answer == b"A":
            assert int(accepted[11:]) == 1
            while client.message()[:1] != b"G":
                pass
        else:
            assert client.receive() == b""


def test_behind_g_there_are_heartbeats_until_the_client_logs_out() -> None:
    with running(SMALL, behaviour=PLAIN) as exchange, SnapshotClient(exchange.snapshot_port()) as client:
        client.snapshot()
        assert client.receive() == b"H"
        client.send(b"R")
        client.send(b"O")
        assert client.receive() == b""
        assert counters(exchange)["completed"] == 1
        assert counters(exchange)["abandoned"] == 0


def test_snapshots_follow_each_other_and_the_newest_login_wins() -> None:
    framed = generate_model(seed=9, symbols=300, messages=30_000).tobytes()
    with running(framed, behaviour=PLAIN) as exchange:
        expected = take(exchange)
        for _ in range(3):
            assert take(exchange) == expected
        slow = SnapshotClient(exchange.snapshot_port())
        assert slow.log_in()[:1] == b"A"
        assert take(exchange) == expected
        assert counters(exchange)["port"]["superseded"] >= 1
        with suppress(ConnectionResetError):
            while slow.socket.recv(65536):
                pass
        slow.socket.close()


def test_a_client_that_does_not_read_holds_nothing_up_and_gets_it_all_in_the_end() -> None:
    framed = generate_model(seed=9, symbols=1500, messages=100_000).tobytes()
    with running(framed, behaviour=PLAIN) as exchange, SnapshotClient(exchange.snapshot_port()) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        assert client.log_in()[:1] == b"A"
        time.sleep(0.1)
        with RequestClient(exchange.request_port()) as requests:
            assert requests.ask(1, 1).sequence == 1
        messages = []
        while (message := client.message())[:1] != b"G":
            messages.append(message)
    check_snapshot(Snapshot("", tuple(messages), 0), list(messages_of(framed)))


def test_a_client_that_goes_away_is_counted_and_the_next_is_served() -> None:
    behaviour = RecoveryBehaviour(snapshot_delay_ns=20_000_000_000)
    with running(SMALL, behaviour=behaviour) as exchange:
        client = SnapshotClient(exchange.snapshot_port())
        assert client.log_in()[:1] == b"A"
        client.socket.close()
        wait_for(lambda: counters(exchange)["abandoned"] == 1)
        exchange.behave(PLAIN, given=frozenset())
        assert take(exchange).sequence == 201


@pytest.mark.parametrize("junk", [b"\0\0", b"\xff\xffU", b"\0\1Q", b"\0\1R", b"\0\2Ux"])
def test_a_client_that_breaks_the_protocol_is_cut_off(junk: bytes) -> None:
    with running(SMALL, behaviour=PLAIN) as exchange:
        with SnapshotClient(exchange.snapshot_port()) as client:
            client.socket.sendall(junk)
            assert client.receive() == b""
        assert counters(exchange)["port"]["protocol_errors"] == 1


def test_unsequenced_messages_are_ignored() -> None:
    with running(SMALL, behaviour=PLAIN) as exchange, SnapshotClient(exchange.snapshot_port()) as client:
        client.snapshot()
        client.send(b"U", b"hello")
        assert client.receive() == b"H"


def test_the_end_of_the_run_is_said() -> None:
    with running(SMALL, behaviour=PLAIN) as exchange:
        client = SnapshotClient(exchange.snapshot_port())
        client.snapshot()
    assert client.receive() == b"Z"
    assert client.receive() == b""
    client.socket.close()


# --- misbehaviour ---


def test_refusal_is_a_rejected_login() -> None:
    with running(SMALL, behaviour=RecoveryBehaviour(snapshot_refuse=True)) as exchange:
        with SnapshotClient(exchange.snapshot_port()) as client:
            assert client.log_in() == b"JS"
            assert client.receive() == b""
        exchange.behave(PLAIN, given=frozenset({"snapshot_refuse"}))
        assert take(exchange).sequence == 201
        assert counters(exchange)["refused"] == 1


@pytest.mark.parametrize("after", [0, 1, 17])
def test_the_first_snapshots_are_cut_off_after_so_many_messages(after: int) -> None:
    behaviour = RecoveryBehaviour(snapshot_cut_connections=2, snapshot_cut_after=after)
    with running(SMALL, behaviour=behaviour) as exchange:
        for _ in range(2):
            with SnapshotClient(exchange.snapshot_port()) as client:
                assert client.log_in()[:1] == b"A"
                got = 0
                while client.receive():
                    got += 1
                assert got == after
        assert take(exchange).sequence == 201
        assert (counters(exchange)["cut"], counters(exchange)["abandoned"]) == (2, 0)


def test_a_cut_behind_the_last_message_comes_before_g() -> None:
    behaviour = RecoveryBehaviour(snapshot_cut_connections=1, snapshot_cut_after=10_000)
    with running(SMALL, behaviour=behaviour) as exchange:
        with SnapshotClient(exchange.snapshot_port()) as client:
            client.log_in()
            kinds = set()
            while packet := client.receive():
                kinds.add(packet[1:2])
            assert b"A" in kinds
            assert b"G" not in kinds
        assert take(exchange).sequence == 201


@pytest.mark.parametrize(("wrong", "says"), [(-3, 198), (5, 206), (-1000, 0)])
def test_the_number_in_g_is_wrong_by_so_much(wrong: int, says: int) -> None:
    with running(SMALL, behaviour=RecoveryBehaviour(snapshot_wrong_sequence=wrong)) as exchange:
        assert take(exchange).sequence == says


def test_a_delay_comes_between_login_and_first_message() -> None:
    with (
        running(SMALL, behaviour=RecoveryBehaviour(snapshot_delay_ns=60_000_000)) as exchange,
        SnapshotClient(exchange.snapshot_port()) as client,
    ):
        begin_ns = time.monotonic_ns()
        client.snapshot()
        assert time.monotonic_ns() - begin_ns >= 60_000_000


def test_a_delayed_snapshot_is_still_of_the_login() -> None:
    framed = generate_model(seed=5, symbols=3, messages=2000).tobytes()
    stream = list(messages_of(framed))
    behaviour = RecoveryBehaviour(snapshot_delay_ns=60_000_000)
    times_ns = np.arange(2000) * 100_000
    with running(framed, times_ns=times_ns, wait=False, behaviour=behaviour) as exchange:
        wait_for(lambda: int(exchange.published_packets()["count"].sum()) > 500)
        before = int(exchange.published_packets()["count"].sum())
        snapshot = take(exchange)
        assert int(exchange.published_packets()["count"].sum()) >= before + 300
    assert before < snapshot.sequence < before + 300
    check_snapshot(snapshot, stream[: snapshot.sequence - 1])


def test_a_stalled_snapshot_has_heartbeats_and_nothing_else() -> None:
    with running(SMALL, behaviour=RecoveryBehaviour(snapshot_stall=True)) as exchange:
        with SnapshotClient(exchange.snapshot_port()) as client:
            assert client.log_in()[:1] == b"A"
            assert client.receive() == b"H"
        exchange.behave(PLAIN, given=frozenset())
        assert take(exchange).sequence == 201
        assert counters(exchange)["stalled"] == 1
