"""The gateway's replace, cancel, modify, resting orders and OUCH 5.0, asked by an independent client; and what it does
wrong on command."""

import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from test_exchange_gateway import MARKET, OPEN_NS, kinds, make_exchange, running, wait_for
from traffic_reference import OuchClient, add

from traffic.config import GatewayBehaviour
from traffic.exchange_bindings import Exchange

LATER_NS = 600_000_000  # when the sell side comes down to 99,000


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with running(*MARKET) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: Exchange) -> Iterator[OuchClient]:
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        yield client


def padded(token: str) -> bytes:
    return token.ljust(14).encode()


def replace(
    old: str, new: str, shares: int, price: int, *, time_in_force: int = 99_998, minimum: int = 0
) -> bytes:
    return struct.pack(
        ">c14s14sIIIccI", b"U", padded(old), padded(new), shares, price, time_in_force, b"Y", b"N", minimum
    )


def cancel(token: str, shares: int = 0) -> bytes:
    return struct.pack(">c14sI", b"X", padded(token), shares)


def modify(token: str, side: str, shares: int) -> bytes:
    return struct.pack(">c14scI", b"M", padded(token), side.encode(), shares)


def letters(client: OuchClient, count: int) -> bytes:
    return b"".join(client.message()[:1] for _ in range(count))


def test_a_replaced_order_lives_on_under_the_new_token_with_what_is_left(
    exchange: Exchange, client: OuchClient
) -> None:
    client.enter("A", "B", 400, "ACME", 100_500, time_in_force=99_998)
    assert letters(client, 2) == b"AE"  # 250 of 400 at the touch
    client.send(b"U", replace("A", "B", 500, 100_100))
    replaced = client.message()
    assert len(replaced) == 80
    assert struct.unpack_from(">Q14scI8sII", replaced, 1)[1:] == (
        padded("B"),
        b"B",
        250,
        b"ACME    ",
        100_100,
        99_998,
    )
    assert replaced[65:79] == padded("A")
    client.send(b"U", cancel("A"))  # dead: silence
    client.send(b"U", cancel("B", 300))  # 250 executed, so 50 shall be left
    assert struct.unpack(">cQ14sIc", client.message())[2:] == (padded("B"), 200, b"U")
    assert kinds(exchange) == b"OAEURXXC"


@pytest.mark.parametrize("time_in_force", [0, 99_998])
def test_a_replacement_is_matched_like_a_new_order(client: OuchClient, time_in_force: int) -> None:
    client.enter("A", "B", 400, "ACME", 1, time_in_force=99_998)
    client.send(b"U", replace("A", "B", 400, 100_500, time_in_force=time_in_force))
    assert letters(client, 4 if time_in_force == 0 else 3) == (b"AUEC" if time_in_force == 0 else b"AUE")


def test_a_wrong_replacement_cancels_the_order_and_leaves_the_token_free(client: OuchClient) -> None:
    client.enter("A", "B", 100, "ACME", 1, time_in_force=99_998)
    client.send(b"U", replace("A", "B", 100, 0))
    client.enter("B", "B", 100, "ACME", 1, time_in_force=99_998)
    assert letters(client, 3) == b"ACA"


def test_a_replacement_of_a_dead_order_or_by_a_used_token_is_ignored(
    exchange: Exchange, client: OuchClient
) -> None:
    client.enter("A", "B", 100, "ACME", 1)  # canceled at once
    client.enter("B", "B", 100, "ACME", 1, time_in_force=99_998)
    client.enter("C", "B", 100, "ACME", 1, time_in_force=99_998)
    client.send(b"U", replace("A", "D", 100, 2))
    client.send(b"U", replace("B", "C", 100, 2))
    client.send(b"U", cancel("B"))
    assert letters(client, 5) == b"ACAAC"
    assert kinds(exchange) == b"OACOAOAUUDXC"


def test_a_modify_changes_the_kind_of_sale_and_the_size(client: OuchClient) -> None:
    client.enter("A", "S", 100, "ACME", 200_000, time_in_force=99_998)
    client.send(b"U", modify("A", "B", 80))  # not into a purchase: silence
    client.send(b"U", modify("A", "T", 80))
    client.send(b"U", cancel("A"))
    assert client.message()[:1] == b"A"
    assert struct.unpack(">cQ14scI", client.message())[2:] == (padded("A"), b"T", 80)
    assert struct.unpack(">cQ14sIc", client.message())[3] == 80


def test_a_resting_order_is_executed_at_its_price_when_the_book_comes_to_it() -> None:
    import numpy as np
    from traffic_reference import frame

    from traffic.bindings import PublishedBook, ScheduleOptions, build_schedule
    from traffic.exchange_bindings import PROGRESS_BYTES, ExchangeOptions

    messages = [*MARKET, add(9, "S", 30, 99_000, time_ns=OPEN_NS), add(10, "S", 5, 99_000, time_ns=OPEN_NS)]
    plain = make_exchange(*messages)
    options: ExchangeOptions = plain._options
    arena = np.frombuffer(bytearray(frame(*messages)), np.uint8)
    offsets = np.array([0] * len(MARKET) + [LATER_NS, LATER_NS + 1_000_000], np.int64)
    packets = build_schedule(arena, offsets, ScheduleOptions(messages_max=1))
    exchange = Exchange(
        ExchangeOptions(**{**vars(options), "arena": arena, "packets": packets}),
        book=PublishedBook(orders_max=100, levels_max=1000),
        progress=np.zeros(PROGRESS_BYTES, np.uint8),
    )
    exchange.open()
    exchange.start_thread()
    try:
        exchange.start(time.monotonic_ns())
        with OuchClient(exchange.gateway_port()) as client:
            client.log_in()
            client.enter("A", "B", 100, "ACME", 100_200, time_in_force=99_998)
            client.enter("B", "B", 10, "ACME", 99_000, time_in_force=99_998)
            assert letters(client, 2) == b"AA"
            executed = [struct.unpack(">cQ14sIIcQ", client.message())[2:6] for _ in range(3)]
        assert executed[:2] == [(padded("A"), 30, 100_200, b"A"), (padded("B"), 10, 99_000, b"A")]
        assert executed[2] == (padded("A"), 35, 100_200, b"A")  # 30 and 5 are displayed now
        rows = exchange.drop_copy()
        first = rows["published_sequence"][rows["kind"] == b"E"]
        assert first.tolist() == [5, 5, 6]  # behind the packet before: it is counted when its packet is done
    finally:
        exchange.stop()


def enter50(
    number: int, token: str, shares: int, price: int, time: bytes = b"3", options: bytes = b""
) -> bytes:
    fixed = struct.pack(
        ">cIcI8sQccccc14sH", b"O", number, b"B", shares, b"ACME    ", price, time, b"Y", b"P", b"N", b"N",
        padded(token), len(options),
    )  # fmt: skip
    return fixed + options


@pytest.fixture
def client50() -> Iterator[tuple[OuchClient, Exchange]]:
    exchange = make_exchange(*MARKET)
    exchange._given.gateway.protocol = 1
    exchange.open()
    exchange.start_thread()
    exchange.start(time.monotonic_ns())
    wait_for(lambda: exchange.published_ns() > 0)
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        yield client, exchange
    exchange.stop()


def test_ouch50_orders_are_named_by_rising_numbers(client50: tuple[OuchClient, Exchange]) -> None:
    client, exchange = client50
    client.send(b"U", enter50(5, "T00000000002A0", 100, 100_600, options=b"\x05\x02LIME\x03\xc8ab"))
    accepted, executed = client.message(), client.message()
    assert struct.unpack(">cQIcI8sQccQcccc14sH", accepted)[2:9] == (
        5, b"B", 100, b"ACME    ", 100_600, b"3", b"Y"
    )  # fmt: skip
    assert accepted[48:62] == b"T00000000002A0"
    assert struct.unpack(">cQIIQcQH", executed)[2:6] == (5, 100, 100_500, b"R")
    client.send(b"U", enter50(5, "T00000000002B0", 100, 1))  # not above: ignored
    client.send(b"U", enter50(4, "T00000000002C0", 100, 1))
    client.send(b"U", b"Q")
    assert struct.unpack(">cQI", client.message())[::2] == (b"Q", 6)
    assert kinds(exchange) == b"OAEDD"
    assert exchange.drop_copy()["token"][0] == b"T00000000002A0"


def test_ouch50_changes_follow_the_numbers(client50: tuple[OuchClient, Exchange]) -> None:
    client, exchange = client50
    client.send(b"U", enter50(1, "A", 100, 1, b"0"))
    client.send(
        b"U",
        struct.pack(">cIIIQccc14sH", b"U", 1, 2, 150, 2, b"6", b"Y", b"N", padded("B"), 6)
        + b"\x05\x0f\0\0\0\x3c",
    )
    client.send(b"U", struct.pack(">cII", b"X", 2, 40))
    client.send(b"U", struct.pack(">cIcI", b"M", 2, b"B", 30))
    client.send(b"U", struct.pack(">cII", b"X", 2, 0))
    client.send(b"U", enter50(9, "C", 0, 1))
    assert client.message()[:1] == b"A"
    replaced = struct.unpack(">cQIIcI8sQccQcccc14sH", client.message())
    assert (replaced[2:4], replaced[5], replaced[7], replaced[8]) == ((1, 2), 150, 2, b"6")
    assert struct.unpack(">cQIIc", client.message())[2:] == (2, 110, b"U")
    assert struct.unpack(">cQIcI", client.message())[2:] == (2, b"B", 30)
    assert struct.unpack(">cQIIc", client.message())[2:] == (2, 30, b"U")
    assert struct.unpack(">cQIH14s", client.message())[2:] == (9, 0x13, padded("C"))
    client.send(b"U", enter50(10, "D", 1, 1) + b"\0")  # options that do not end with the message
    wait_for(lambda: exchange.counters()["gateway"]["bad_messages"] == 1)  # type: ignore[index]


def test_an_order_is_rejected_on_command(exchange: Exchange, client: OuchClient) -> None:
    exchange.behave_gateway(GatewayBehaviour(reject_orders=1))
    client.enter("A", "B", 100, "ACME", 1)
    client.enter("B", "B", 100, "ACME", 1)
    assert struct.unpack(">cQ14sc", client.message())[2:] == (padded("A"), b"H")
    assert letters(client, 2) == b"AC"


def test_answers_are_kept_back_and_late_on_command(exchange: Exchange, client: OuchClient) -> None:
    exchange.behave_gateway(GatewayBehaviour(mute=True))
    client.enter("A", "B", 100, "ACME", 1)
    wait_for(lambda: kinds(exchange) == b"OAC")
    client.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.message()
    exchange.behave_gateway(GatewayBehaviour())
    client.socket.settimeout(5)
    assert letters(client, 2) == b"AC"
    exchange.behave_gateway(GatewayBehaviour(delay_ns=200_000_000))
    asked_ns = time.monotonic_ns()
    client.enter("B", "B", 100, "ACME", 1)
    assert letters(client, 2) == b"AC"
    assert time.monotonic_ns() - asked_ns >= 200_000_000


def test_a_cut_without_orders_comes_at_once(exchange: Exchange, client: OuchClient) -> None:
    exchange.behave_gateway(GatewayBehaviour(cuts=1))
    assert client.receive() == b""
    assert exchange.counters()["gateway"]["cuts"] == 1  # type: ignore[index]


def until_cut(client: OuchClient) -> list[bytes]:
    """What still arrives, whole packets only."""
    arrived = b""
    try:
        while data := client.socket.recv(4096):
            arrived += data
    except ConnectionResetError:
        pass
    found = []
    while len(arrived) >= 2 and len(arrived) >= 2 + int.from_bytes(arrived[:2], "big"):
        length = 2 + int.from_bytes(arrived[:2], "big")
        found.append(arrived[2:length])
        arrived = arrived[length:]
    return [packet for packet in found if packet[:1] == b"S"]


@pytest.mark.parametrize("seed", range(12))
def test_what_a_cut_took_away_comes_again_at_the_next_login(exchange: Exchange, seed: int) -> None:
    exchange.behave_gateway(GatewayBehaviour(cuts=1, cut_orders=4, cut_seed=seed))
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in()
        with suppress(ConnectionError):  # the cut may come while there is more to say
            for token in "ABCDEFGH":
                client.enter(token, "B", 100, "ACME", 1)
        heard = until_cut(client)
    received = kinds(exchange)
    assert 0 <= received.count(b"O") <= 7
    counters: Any = exchange.counters()
    assert counters["gateway"]["cuts"] == 1
    with OuchClient(exchange.gateway_port()) as client:
        client.log_in(sequence=len(heard) + 1)
        rest = [client.message() for _ in range(2 * received.count(b"O") - len(heard))]
        for token in "ABCDEFGH":  # all that was not answered, under the same tokens
            client.enter(token, "B", 100, "ACME", 1)
        answers = letters(client, 2 * (8 - received.count(b"O")))
    messages = [packet[1:2] for packet in heard] + [message[:1] for message in rest]
    assert b"".join(messages) + answers == b"AC" * 8
    rows = exchange.drop_copy()
    assert sorted(rows["token"][rows["kind"] == b"O"].tolist()) == [padded(token) for token in "ABCDEFGH"]
