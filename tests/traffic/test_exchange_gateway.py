"""The order gateway over loopback TCP, asked by an independent client."""

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_reference import OuchClient, add, delete, enter, frame, head

from traffic.bindings import PublishedBook, ScheduleOptions, build_schedule
from traffic.exchange_bindings import PROGRESS_BYTES, Exchange, ExchangeOptions, OpenError
from traffic.market.sessions import Session

OPEN_NS = 34_200_000_000_000
MARKET = [
    head("R", 1) + b"ACME    " + bytes(20),
    add(1, "B", 300, 100_000, time_ns=OPEN_NS),
    add(2, "S", 200, 100_500, time_ns=OPEN_NS),
    add(3, "S", 50, 100_500, time_ns=OPEN_NS),
    add(4, "S", 900, 100_600, time_ns=OPEN_NS),
]


def make_exchange(*messages: bytes, orders_max: int = 1000, port: int = 0, notify_fd: int = -1) -> Exchange:
    """An exchange without lines."""
    arena = np.frombuffer(bytearray(frame(*messages)), np.uint8)
    packets = build_schedule(arena, np.zeros(len(messages), np.int64), ScheduleOptions(messages_max=100))
    return Exchange(
        ExchangeOptions(
            arena=arena,
            packets=packets,
            sessions=(
                Session(name=b"TAILGATE01", first_sequence=1, first_message=0, messages=len(messages)),
            ),
            lines=(),
            gateway_address=socket.inet_aton("127.0.0.1"),
            gateway_port=port,
            gateway_session="TAILGATE01",
            username="TAILGT",
            password="TAILGATE",
            heartbeat_ns=10**9,
            notify_fd=notify_fd,
            orders_max=orders_max,
        ),
        book=PublishedBook(orders_max=100, levels_max=1000),
        progress=np.zeros(PROGRESS_BYTES, np.uint8),
    )


@contextmanager
def running(*messages: bytes, orders_max: int = 1000) -> Iterator[Exchange]:
    """An exchange that has published `messages`."""
    published = os.eventfd(0)
    exchange = make_exchange(*messages, orders_max=orders_max, notify_fd=published)
    exchange.open()
    exchange.start_thread()
    try:
        exchange.start(time.monotonic_ns())
        assert select.select([published], [], [], 10)[0]
        yield exchange
    finally:
        exchange.stop()
        os.close(published)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with running(*MARKET) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: Exchange) -> Iterator[OuchClient]:
    with OuchClient(exchange.gateway_port()) as client:
        assert client.log_in() == b"ATAILGATE01" + b"1".rjust(20)
        yield client


def kinds(exchange: Exchange) -> bytes:
    return b"".join(exchange.drop_copy()["kind"].tolist())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited 10 s in vain"
        time.sleep(0.001)


def test_a_marketable_order_is_accepted_and_executed_at_the_touch(
    exchange: Exchange, client: OuchClient
) -> None:
    client.enter("T00000000002A0", "B", 100, "ACME", 100_600)
    accepted, executed = client.message(), client.message()
    assert len(accepted) == 66
    stamp, token, side, shares, stock, price, tif, firm, display, reference = struct.unpack_from(
        ">Q14scI8sII4scQ", accepted, 1
    )
    assert OPEN_NS <= stamp < OPEN_NS + 60 * 10**9
    assert (token, side, shares, stock, price, tif) == (b"T00000000002A0", b"B", 100, b"ACME    ", 100_600, 0)
    assert (firm, display) == (b"    ", b"Y")
    assert accepted[57:] == b"PN" + bytes(4) + b"NL "
    assert struct.unpack(">cQ14sIIcQ", executed)[2:6] == (b"T00000000002A0", 100, 100_500, b"R")
    rows = exchange.drop_copy()
    assert kinds(exchange) == b"OAE"
    assert rows["shares"].tolist() == [100, 100, 100]
    assert rows["price"].tolist() == [100_600, 100_600, 100_500]
    assert rows["order_reference"].tolist() == [0, reference, reference]
    assert rows["symbol"].tolist() == [1, 1, 1]
    assert set(rows["stock"].tolist()) == {b"ACME    "}
    assert set(rows["published_sequence"].tolist()) == {5}


def test_what_the_touch_does_not_fill_is_canceled_at_once(exchange: Exchange, client: OuchClient) -> None:
    client.enter("A", "B", 400, "ACME", 200_000)
    answers = [client.message() for _ in range(3)]
    assert struct.unpack_from(">I", answers[1], 23)[0] == 250, "both orders at the touch, none behind it"
    assert struct.unpack_from(">Ic", answers[2], 23) == (150, b"I")
    assert kinds(exchange) == b"OAEC"


@pytest.mark.parametrize(("side", "price"), [("B", 100_499), ("S", 100_001), ("T", 100_001), ("E", 199_999)])
def test_an_order_that_is_not_marketable_is_canceled(client: OuchClient, side: str, price: int) -> None:
    client.enter("A", side, 100, "ACME", price)
    assert [client.message()[:1], client.message()[27:]] == [b"A", b"I"]


@pytest.mark.parametrize("side", ["S", "T", "E"])
def test_all_kinds_of_sales_meet_the_bid(client: OuchClient, side: str) -> None:
    client.enter("A", side, 100, "ACME", 99_000)
    client.message()
    assert struct.unpack_from(">II", client.message(), 23) == (100, 100_000)


def test_fills_leave_the_published_book_alone(exchange: Exchange, client: OuchClient) -> None:
    for index in range(3):
        client.enter(f"A{index}", "B", 250, "ACME", 100_500)
        assert client.message()[:1] == b"A"
        assert struct.unpack_from(">I", client.message(), 23)[0] == 250


def test_a_resting_order_is_executed_in_part_and_canceled_by_total_size(
    exchange: Exchange, client: OuchClient
) -> None:
    client.enter("A", "B", 400, "ACME", 100_500, time_in_force=99_998)
    client.message()
    assert struct.unpack_from(">I", client.message(), 23)[0] == 250
    for total, decrement in ((350, 50), (360, None), (0, 100), (0, None)):
        client.send(b"U", b"X" + b"A".ljust(14) + struct.pack(">I", total))
        if decrement:
            assert struct.unpack_from(">Ic", client.message(), 23) == (decrement, b"U")
    wait_for(lambda: kinds(exchange) == b"OAEXCXXCX")


def test_a_minimum_quantity_above_the_touch_is_not_filled(client: OuchClient) -> None:
    client.enter("A", "B", 400, "ACME", 100_500, minimum=300)
    assert [client.message()[:1], client.message()[:1]] == [b"A", b"C"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stock": "NOPE"}, b"S"),
        ({"shares": 0}, b"Z"),
        ({"shares": 1_000_000}, b"Z"),
        ({"price": 0}, b"X"),
        ({"price": 0x7735939D}, b"X"),
        ({"price": 0x7FFFFFFF}, b"X"),
        ({"side": "Q"}, b"O"),
        ({"time_in_force": 100_000}, b"O"),
        ({"display": "?"}, b"D"),
        ({"cross": "O"}, b"R"),
        ({"minimum": 101}, b"N"),
    ],
)
def test_a_wrong_order_is_rejected_with_its_reason(
    exchange: Exchange, client: OuchClient, changes: dict[str, object], reason: bytes
) -> None:
    fields = {"token": "A", "side": "B", "shares": 100, "stock": "ACME", "price": 1000} | changes
    client.enter(**fields)  # type: ignore[arg-type]
    answer = client.message()
    assert (len(answer), answer[:1], answer[9:23], answer[23:]) == (24, b"J", b"A".ljust(14), reason)
    assert kinds(exchange) == b"OJ"
    assert exchange.drop_copy()["reason"].tolist() == [b"", reason]


def test_the_largest_price_is_accepted(client: OuchClient) -> None:
    client.enter("A", "B", 100, "ACME", 0x7735939C)
    assert client.message()[:1] == b"A"


def test_a_token_used_before_is_ignored_in_silence(exchange: Exchange, client: OuchClient) -> None:
    client.enter("A", "B", 100, "ACME", 1)
    client.enter("A", "B", 900, "ACME", 100_500)
    client.enter("B", "B", 100, "NOPE", 1)
    client.enter("B", "B", 100, "ACME", 1)
    client.enter("C", "B", 100, "ACME", 1)
    assert b"".join(client.message()[:1] for _ in range(5)) == b"ACJAC"
    assert kinds(exchange) == b"OACDOJDOAC"
    assert exchange.drop_copy()["shares"][3] == 900


def test_messages_of_other_kinds_are_ignored_and_counted(exchange: Exchange, client: OuchClient) -> None:
    for message in (b"U" + bytes(46), b"M" + bytes(19), b"N" + bytes(14)):
        client.send(b"U", message)
    for message in (
        b"Z",
        b"O" * 48,
        b"X" * 20,
        enter("A\0", "B", 1, "ACME", 1),
        enter("A", "B", 1, "ACME", 1) + b".",
    ):
        client.send(b"U", message)
    client.enter("A", "B", 100, "ACME", 1)
    assert client.message()[:1] == b"A"
    counters = exchange.counters()["gateway"]
    assert counters["unsupported"] == 1  # type: ignore[index]
    assert counters["bad_messages"] == 7  # type: ignore[index]


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        ({"username": "OTHER"}, b"JA"),
        ({"password": "wrong"}, b"JA"),
        ({"session": "YESTERDAY"}, b"JS"),
        ({"username": "tailgt", "password": "tailgate"}, b"A"),
        ({"session": "TAILGATE01"}, b"A"),
    ],
)
def test_a_login_is_checked(exchange: Exchange, login: dict[str, Any], answer: bytes) -> None:
    with OuchClient(exchange.gateway_port()) as client:
        assert client.log_in(**login).startswith(answer)
        if answer[:1] == b"J":
            assert client.receive() == b"", "the connection is closed behind a rejection"


def test_a_second_login_is_rejected_while_the_first_holds(exchange: Exchange, client: OuchClient) -> None:
    with OuchClient(exchange.gateway_port()) as second:
        assert second.log_in() == b"JA"
        assert second.receive() == b""
    client.enter("A", "B", 100, "ACME", 1)
    assert client.message()[:1] == b"A"


def test_a_client_that_comes_back_gets_what_it_missed(exchange: Exchange) -> None:
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        for index in range(3):
            client.enter(f"A{index}", "B", 100, "ACME", 1)
        whole = [client.message() for _ in range(6)]
    wait_for(lambda: exchange.counters()["order_port"]["disconnects"] == 1)  # type: ignore[index]
    for sequence, first in ((1, 1), (4, 4), (7, 7), (50, 7), (0, 6)):
        with OuchClient(exchange.gateway_port()) as client:
            assert client.log_in(session="TAILGATE01", sequence=sequence)[11:] == str(first).encode().rjust(
                20
            )
            assert [client.message() for _ in whole[first - 1 :]] == whole[first - 1 :]
            client.send(b"O")
            assert client.receive() == b"", "a logout closes the connection"


@pytest.mark.parametrize(
    "junk",
    [
        b"\0\0",
        b"\xff\xffU",
        struct.pack(">H", 4097) + b"U",
        b"\0\1Q",
        b"\0\1R",
        b"\0\2Ux",
        struct.pack(">H", 47) + b"L" + b"x" * 46,
        struct.pack(">H", 46) + b"L" + b" " * 45,
    ],
)
def test_a_client_that_breaks_the_protocol_is_cut_off(exchange: Exchange, junk: bytes) -> None:
    with OuchClient(exchange.gateway_port()) as client:
        client.socket.sendall(junk)
        assert client.receive() in (b"", b"JA")
    port = exchange.counters()["order_port"]
    assert port["protocol_errors"] + port["login_rejects"] == 1  # type: ignore[index]


def test_a_length_above_the_maximum_counts_as_oversize(exchange: Exchange, client: OuchClient) -> None:
    client.socket.sendall(b"\xff\xff" + b"U" * 100)
    assert client.receive() == b""
    assert exchange.counters()["order_port"]["oversize_packets"] == 1  # type: ignore[index]


def test_debug_packets_and_heartbeats_are_taken_at_any_time(exchange: Exchange) -> None:
    with OuchClient(exchange.gateway_port()) as client:
        client.send(b"+", b"hello")
        assert client.log_in()[:1] == b"A"
        client.send(b"R")
        client.send(b"+", b"x" * 4000)
        client.enter("A", "B", 100, "ACME", 1)
        assert client.message()[:1] == b"A"


def test_one_connection_too_many_is_closed_at_once(exchange: Exchange, client: OuchClient) -> None:
    idle = [OuchClient(exchange.gateway_port()) for _ in range(3)]
    wait_for(lambda: exchange.counters()["order_port"]["connections"] == 4)  # type: ignore[index]
    with OuchClient(exchange.gateway_port()) as one_more:
        assert one_more.receive() == b""
    for each in idle:
        each.socket.close()


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(1, 250), max_size=12))
def test_packets_may_come_in_any_pieces(cuts: list[int]) -> None:
    data = b"".join(b"\0\x32U" + enter(f"A{index}", "B", 100, "ACME", 1) for index in range(5))
    with running(*MARKET) as exchange, OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = 0
        for end in [*sorted(cuts), len(data)]:
            client.socket.sendall(data[begin:end])
            begin = end
        assert b"".join(client.message()[:1] for _ in range(10)) == b"AC" * 5


def test_a_client_that_does_not_read_loses_nothing(exchange: Exchange) -> None:
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        for index in range(900):
            client.enter(f"A{index}", "B", 300, "ACME", 100_500)
        answers = [client.message() for _ in range(2700)]
    assert b"".join(answer[:1] for answer in answers) == b"AEC" * 900
    assert [int(answer[10:23]) for answer in answers[::3]] == list(range(900))


def test_an_order_too_many_is_refused_in_silence_and_counted() -> None:
    with running(*MARKET, orders_max=2) as exchange, OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        for index in range(5):
            client.enter(f"A{index}", "B", 100, "ACME", 1)
        assert b"".join(client.message()[:1] for _ in range(4)) == b"ACAC"
        wait_for(lambda: exchange.counters()["gateway"]["orders_refused"] == 3)  # type: ignore[index]


def test_an_idle_client_hears_a_heartbeat_and_the_end_of_the_session() -> None:
    with running(*MARKET) as exchange:
        client = OuchClient(exchange.gateway_port())
        client.log_in()
        assert client.receive() == b"H"
    assert client.receive() == b"Z"
    assert client.receive() == b""
    client.socket.close()


def test_an_order_for_a_side_that_was_deleted_is_not_marketable() -> None:
    with running(MARKET[0], MARKET[2], delete(2)) as exchange, OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        client.enter("A", "B", 100, "ACME", 200_000)
        assert [client.message()[:1], client.message()[:1]] == [b"A", b"C"]


def test_a_port_in_use_is_an_error_that_names_it(exchange: Exchange) -> None:
    other = make_exchange(*MARKET, port=exchange.gateway_port())
    with pytest.raises(OpenError, match=f"127.0.0.1:{exchange.gateway_port()}: Address already in use"):
        other.open()
