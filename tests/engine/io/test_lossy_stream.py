"""The order stream on a wire that loses, swaps, doubles and spoils frames: what arrives is what was sent."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from engine._engine import lib
from lossy import Lossy, lossy_wire
from order_stream import Stream

pytestmark = pytest.mark.privileged
ORDERS = 2_000
ORDER_BYTES = 52


@pytest.fixture(scope="module")
def lossy() -> Iterator[Lossy]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces and AF_XDP sockets are made")
    with lossy_wire(seed=11) as made:
        yield made


@pytest.fixture(params=["kernel", "af_xdp", "af_xdp through the door"])
def stream(request: pytest.FixtureRequest, lossy: Lossy) -> Iterator[Stream]:
    if request.param != "kernel" and not lib.bypass_tcp_built():
        pytest.skip("built without lwIP: apt-get install liblwip-dev")
    lossy.take_redirected(on=request.param == "af_xdp through the door")
    made = Stream(request.param.partition(" ")[0])
    yield made
    assert made.transport == "kernel" or (made.counters().sent_at_door > 0) == (request.param != "af_xdp")
    lossy.lose = lossy.double = lossy.swap = lossy.spoil = 0.0
    made.close()


def exchange(stream: Stream, lossy: Lossy, harm: dict[str, float], orders: int) -> tuple[bytes, bytes, bytes]:
    """Orders one by one, each echoed: (sent, arrived at the peer, come back)."""
    arrived = bytearray()

    def echo(client: socket.socket) -> None:
        while len(arrived) < orders * ORDER_BYTES:
            chunk = client.recv(65_536)
            if not chunk:
                return
            arrived.extend(chunk)
            client.sendall(chunk)

    sent, back = bytearray(), bytearray()
    with lossy.listen() as server:
        assert stream.connect(), os.strerror(stream.failure)
        client = server.accept()[0]
        for name, chance in harm.items():
            setattr(lossy, name, chance)
        client.settimeout(60)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=echo, args=(client,))
        thread.start()
        for number in range(orders):
            while not stream.ready:
                back += stream.receive()
                assert stream.stream.open, os.strerror(stream.failure)
            order = struct.pack(">Q", number) + random.Random(number).randbytes(ORDER_BYTES - 8)
            assert stream.send(order)
            sent += order
            back += stream.receive()
        back += stream.read(len(sent) - len(back), 60)
        thread.join(60)
        client.close()
    return bytes(sent), bytes(arrived), bytes(back)


@pytest.mark.parametrize(
    "harm",
    [
        {"lose": 3.0},
        {"swap": 5.0},
        {"double": 10.0},
        {"spoil": 3.0},
        {"lose": 2.0, "swap": 2.0, "spoil": 1.0},
    ],
)
def test_what_arrives_is_what_was_sent(stream: Stream, lossy: Lossy, harm: dict[str, float]) -> None:
    before = lossy.lost + lossy.swapped + lossy.doubled + lossy.spoiled
    sent, arrived, back = exchange(stream, lossy, harm, ORDERS)
    assert lossy.lost + lossy.swapped + lossy.doubled + lossy.spoiled > before
    assert arrived == sent
    assert back == sent


def test_a_wire_that_is_away_for_a_while_costs_nothing(stream: Stream, lossy: Lossy) -> None:
    with lossy.listen() as server:
        assert stream.connect()
        client = server.accept()[0]
        client.settimeout(10)
        lossy.lose = 100.0
        for number in range(20):
            assert stream.send(bytes([number]) * ORDER_BYTES)
        stream.poll(0.15)
        lossy.lose = 0.0
        data = bytearray()
        client.setblocking(False)

        def all_there() -> bool:
            stream.receive()
            with contextlib.suppress(BlockingIOError):
                data.extend(client.recv(65_536))
            return len(data) == 20 * ORDER_BYTES

        assert stream.until(all_there)
        assert bytes(data) == b"".join(bytes([number]) * ORDER_BYTES for number in range(20))
        client.close()


@pytest.fixture
def bypass(lossy: Lossy) -> Iterator[Stream]:
    if not lib.bypass_tcp_built():
        pytest.skip("built without lwIP: apt-get install liblwip-dev")
    made = Stream("af_xdp")
    yield made
    lossy.lose = 0.0
    made.close()


def test_a_connection_that_nobody_answers_times_out(bypass: Stream, lossy: Lossy) -> None:
    lossy.lose = 100.0
    assert not bypass.connect()
    assert bypass.failure == errno.ETIMEDOUT


def test_a_peer_that_never_answers_again_is_given_up(bypass: Stream, lossy: Lossy) -> None:
    with lossy.listen() as server:
        assert bypass.connect()
        client = server.accept()[0]
        lossy.lose = 100.0
        assert bypass.send(ORDER_BYTES * b"x")
        assert bypass.until(lambda: not bypass.stream.open or (bypass.receive() and False), 10)
        assert bypass.failure == errno.ETIMEDOUT
        client.close()
