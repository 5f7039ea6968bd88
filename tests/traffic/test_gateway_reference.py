"""Random traffic of orders, replaces, cancels and modifies into a moving book: the drop copy of the gateway is, row by
row, that of an independent one which is told the same in the order that the rows show."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gateway_reference import UNTIL_CLOSE, ReferenceGateway, Row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_exchange_changes import cancel, modify, replace
from test_exchange_gateway import MARKET, OPEN_NS, make_exchange, wait_for
from traffic_reference import OuchClient, add, delete, enter, frame

from traffic.bindings import PublishedBook, ScheduleOptions, build_schedule
from traffic.exchange_bindings import PROGRESS_BYTES, Exchange, ExchangeOptions

STEP_NS = 400_000
PRICES = st.sampled_from([0, 99_900, 100_000, 100_100, 100_400, 100_500, 100_600, 2_000_000_000])
SHARES = st.sampled_from([0, 1, 40, 100, 250, 300, 700, 999_999, 1_000_000])
TOKENS = [f"T{number}" for number in range(12)]
TOKEN = st.sampled_from(TOKENS)
TIMES = st.sampled_from([0, UNTIL_CLOSE, UNTIL_CLOSE, 60])

REQUEST = st.one_of(
    st.builds(
        lambda token, side, shares, price, time_in_force, stock: enter(
            token, side, shares, stock, price, time_in_force=time_in_force
        ),
        TOKEN,
        st.sampled_from("BSTE"),
        SHARES,
        PRICES,
        TIMES,
        st.sampled_from(["ACME", "ACME", "ACME", "NONE"]),
    ),
    st.builds(
        lambda old, new, shares, price, time_in_force: replace(
            old, new, shares, price, time_in_force=time_in_force
        ),
        TOKEN,
        TOKEN,
        SHARES,
        PRICES,
        TIMES,
    ),
    st.builds(cancel, TOKEN, st.sampled_from([0, 0, 50, 300])),
    st.builds(modify, TOKEN, st.sampled_from("BSTE"), SHARES),
)
REQUESTS = st.lists(st.tuples(REQUEST, st.integers(0, 400)), min_size=5, max_size=40)  # and a pause, us
MOVES = st.lists(
    st.tuples(
        st.sampled_from("BS"), st.sampled_from([99_900, 100_000, 100_400, 100_500]), st.sampled_from([5, 80])
    ),
    min_size=2,
    max_size=12,
)


def messages_of(moves: list[tuple[str, int, int]]) -> list[bytes]:
    """Orders that come inside the spread and go again, so that the touch moves through what rests."""
    messages: list[bytes] = []
    for index, (side, price, shares) in enumerate(moves):
        messages += [add(100 + index, side, shares, price, time_ns=OPEN_NS)]
        if index % 2:
            messages += [delete(100 + index)]
    return messages


def playing(messages: list[bytes], step_ns: int) -> Exchange:
    """One message a packet, so that the drop copy says exactly between which two messages a request came."""
    options: ExchangeOptions = make_exchange(*messages)._options
    arena = np.frombuffer(bytearray(frame(*messages)), np.uint8)
    first = len(MARKET)
    offsets = np.array(
        [0] * first + [step_ns * (1 + index) for index in range(len(messages) - first)], np.int64
    )
    packets = build_schedule(arena, offsets, ScheduleOptions(messages_max=1))
    return Exchange(
        ExchangeOptions(**{**vars(options), "arena": arena, "packets": packets}),
        book=PublishedBook(orders_max=200, levels_max=1000),
        progress=np.zeros(PROGRESS_BYTES, np.uint8),
    )


def drop_copy_of(messages: list[bytes], requests: list[tuple[bytes, int]], step_ns: int = STEP_NS) -> Any:
    exchange = playing(messages, step_ns)
    exchange.open()
    exchange.start_thread()
    try:
        with OuchClient(exchange.gateway_port()) as client:
            client.log_in()
            exchange.start(time.monotonic_ns() + 2_000_000)
            time.sleep(0.002)
            for request, pause_us in requests:
                client.send(b"U", request)
                time.sleep(pause_us / 1e6)
            wait_for(lambda: exchange.published_ns() > 0)
            client.send(b"U", cancel("LAST"))
            wait_for(lambda: bool((exchange.drop_copy()["token"] == b"LAST          ").any()))
        return exchange.drop_copy()
    finally:
        exchange.stop()


def plain(row: Any) -> Row:
    return (
        bytes(row["kind"]),
        bytes(row["token"]).ljust(14),
        bytes(row["side"]),
        int(row["shares"]),
        int(row["price"]),
        bytes(row["reason"]),
    )


def asked_at(rows: Any) -> Iterator[int]:
    """How much was published when each request came; a modify of an unknown token and of no other leaves no row."""
    before = b""
    for row in rows:
        kind = bytes(row["kind"])
        if kind in b"OUXM" or (kind == b"D" and before != b"U"):
            yield int(row["published_sequence"])
        before = kind


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=MOVES, requests=REQUESTS)
def test_every_request_has_the_outcome_of_the_reference(
    moves: list[tuple[str, int, int]], requests: list[tuple[bytes, int]]
) -> None:
    messages = [*MARKET, *messages_of(moves)]
    rows = drop_copy_of(messages, requests)
    reference = ReferenceGateway()
    done = 0
    times = asked_at(rows)
    for request in [*(request for request, _ in requests), cancel("LAST")]:
        if request[:1] == b"M" and request[1:15] not in reference.orders:
            continue
        for message in messages[done : (done := max(done, next(times)))]:
            reference.publish(message)
        reference.request(request)
    assert next(times, None) is None
    assert [plain(row) for row in rows] == reference.rows


def test_the_reference_meets_resting_fills_and_every_kind_of_row() -> None:
    """The comparison above would prove little if nothing ever happened in it."""
    messages = [*MARKET, add(50, "S", 80, 100_000, time_ns=OPEN_NS)]
    requests = [
        (enter("A", "B", 300, "ACME", 100_500, time_in_force=UNTIL_CLOSE), 0),  # 250 at once
        (replace("A", "B", 400, 100_000), 0),
        (modify("B", "B", 380), 0),
        (enter("C", "S", 0, "ACME", 100_500), 0),
        (cancel("B", 360), 0),
    ]
    rows = drop_copy_of(messages, requests, step_ns=100_000_000)
    assert b"".join(bytes(row["kind"]) for row in rows) == b"OAEURMmOJXCEX"
    assert [bytes(row["reason"]) for row in rows if row["kind"] == b"E"] == [b"R", b"A"]


@pytest.mark.parametrize("side", ["B", "S"])
def test_two_own_orders_that_cross_do_not_trade_with_each_other(side: str) -> None:
    """Without market impact an own order never meets another one; that no such pair stands is the engine's part."""
    other = "S" if side == "B" else "B"
    rows = drop_copy_of(
        MARKET,
        [
            (enter("A", side, 100, "ACME", 100_200, time_in_force=UNTIL_CLOSE), 0),
            (enter("B", other, 100, "ACME", 100_200, time_in_force=UNTIL_CLOSE), 0),
        ],
    )
    assert b"".join(bytes(row["kind"]) for row in rows) == b"OAOAX"
