"""The byte stream of the order session: one contract, tried over the kernel's TCP and over the bypass."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from engine._engine import lib
from order_stream import Stream, Wire

pytestmark = pytest.mark.privileged
ORDER = bytes(range(52))
SECONDS = 10.0


@pytest.fixture(params=["kernel", "af_xdp"])
def stream(request: pytest.FixtureRequest, ends: Wire) -> Iterator[Stream]:
    if request.param == "af_xdp" and not lib.bypass_tcp_built():
        pytest.skip("built without lwIP: apt-get install liblwip-dev")
    made = Stream(request.param)
    yield made
    made.close()


@pytest.fixture
def server(ends: Wire) -> Iterator[socket.socket]:
    with ends.listen() as listener:
        yield listener


def connected(stream: Stream, server: socket.socket) -> socket.socket:
    assert stream.connect(), os.strerror(stream.failure)
    client = server.accept()[0]
    client.settimeout(SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def read(client: socket.socket, count: int, stream: Stream) -> bytes:
    """At the peer, while the engine polls: what is still to be sent must be sent by somebody. Nothing comes back."""
    data = b""
    deadline = time.monotonic() + SECONDS
    while len(data) < count and time.monotonic() < deadline:
        assert stream.receive() == b""
        if select.select([client], [], [], 0)[0]:
            chunk = client.recv(count - len(data))
            if not chunk:
                break
            data += chunk
    return data


def test_orders_and_answers_go_both_ways(stream: Stream, server: socket.socket) -> None:
    with connected(stream, server) as client:
        for number in range(1_000):
            order = struct.pack(">Q", number) + ORDER[8:]
            assert stream.ready
            assert stream.send(order)
            assert client.recv(100) == order
            client.sendall(order[::-1])
            assert stream.read(52) == order[::-1]


def test_an_order_is_at_the_peer_when_the_call_returns(stream: Stream, server: socket.socket) -> None:
    with connected(stream, server) as client:
        client.setblocking(False)
        for _ in range(50):
            assert stream.send(ORDER)
            assert client.recv(100) == ORDER
            stream.poll(0.001)


def test_nobody_listening_is_a_refusal(stream: Stream) -> None:
    assert not stream.connect()
    assert stream.failure == errno.ECONNREFUSED
    assert not stream.send(ORDER)


def test_a_reset_by_the_peer_is_told_behind_what_came_before_it(
    stream: Stream, server: socket.socket
) -> None:
    client = connected(stream, server)
    client.sendall(b"last words")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.02)
    assert stream.read(10) == b"last words"
    client.close()
    assert stream.until(lambda: not stream.stream.open or (stream.receive() and False))
    assert stream.failure == errno.ECONNRESET
    assert not stream.ready
    assert not stream.send(ORDER)


def test_the_end_by_the_peer_closes_without_a_failure_and_gives_what_came_before(
    stream: Stream, server: socket.socket
) -> None:
    client = connected(stream, server)
    client.sendall(b"goodbye")
    client.shutdown(socket.SHUT_WR)
    assert stream.read(7) == b"goodbye"
    assert stream.until(lambda: not stream.stream.open or (stream.receive() and False))
    assert stream.failure == 0
    client.close()


def test_what_was_sent_before_closing_arrives_and_then_the_end(stream: Stream, server: socket.socket) -> None:
    client = connected(stream, server)
    sent = b"".join(struct.pack(">I", number) + ORDER[4:] for number in range(60))
    for at in range(0, len(sent), 52):
        assert stream.send(sent[at : at + 52])
    stream.close()
    data = b""
    while chunk := client.recv(65_536):
        data += chunk
    assert data == sent
    client.close()


def test_closing_with_answers_unread_still_delivers_the_orders(stream: Stream, server: socket.socket) -> None:
    if stream.transport == "kernel":
        pytest.skip("the kernel resets a connection that is closed with bytes unread")
    client = connected(stream, server)
    client.sendall(bytes(5_000))
    stream.poll(0.02)
    assert stream.send(ORDER)
    client.sendall(bytes(5_000))
    stream.close()
    assert client.recv(100) == ORDER
    assert client.recv(100) == b""
    client.close()


def test_a_full_window_makes_it_unready_and_loses_nothing(stream: Stream, ends: Wire) -> None:
    with ends.listen() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with connected(stream, server) as client:
            sent = bytearray()
            number = 0
            while stream.stream.pending_count < 2_000 and number < 300_000:
                if stream.transport == "af_xdp" and not stream.ready and number % 64 == 0:
                    stream.tick()
                order = struct.pack(">Q", number) + ORDER[8:]
                assert stream.send(order)
                sent += order
                number += 1
            assert not stream.ready
            assert read(client, len(sent), stream) == sent
            assert stream.until(lambda: (stream.receive() or True) and stream.ready)


def test_more_than_can_be_kept_closes_it(stream: Stream, ends: Wire) -> None:
    with ends.listen() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with connected(stream, server):
            tries = 0
            while stream.send(ORDER) and tries < 1_000_000:
                tries += 1
            assert not stream.stream.open
            assert stream.failure == errno.ENOBUFS


@pytest.mark.parametrize("size", [1, 51, 1_459, 1_460, 1_461, 4_000])
def test_pieces_of_every_size_arrive_whole(stream: Stream, server: socket.socket, size: int) -> None:
    data = random.Random(size).randbytes(size)
    with connected(stream, server) as client:
        for _ in range(20):
            assert stream.send(data)
            assert read(client, size, stream) == data
            client.sendall(data)
            assert stream.read(size) == data


def test_a_storm_of_reconnections_leaves_a_working_stream(stream: Stream, server: socket.socket) -> None:
    server.listen(64)
    for number in range(200):
        client = connected(stream, server)
        assert stream.send(ORDER)
        assert read(client, 52, stream) == ORDER
        if number % 3 == 0:
            client.close()
        lib.stream_close(stream.stream)
        if number % 3:
            client.close()
    with connected(stream, server) as client:
        assert stream.send(ORDER)
        assert read(client, 52, stream) == ORDER


def test_a_million_orders_and_answers_arrive_unchanged(stream: Stream, server: socket.socket) -> None:
    """In blocks of twenty orders; the peer hashes what it gets and sends it all back."""
    blocks, block_bytes = 50_000, 20 * 52
    heard, said = hashlib.sha256(), hashlib.sha256()

    def echo(client: socket.socket) -> None:
        left = blocks * block_bytes
        while left:
            chunk = client.recv(65_536)
            if not chunk:
                return
            heard.update(chunk)
            client.sendall(chunk)
            left -= len(chunk)

    generator = random.Random(7)
    with connected(stream, server) as client:
        client.settimeout(60)
        thread = threading.Thread(target=echo, args=(client,))
        thread.start()
        answered, back, outstanding = hashlib.sha256(), 0, 0
        for _ in range(blocks):
            block = generator.randbytes(block_bytes)
            while not stream.ready or outstanding > 40_000:
                data = stream.receive()
                answered.update(data)
                back += len(data)
                outstanding -= len(data)
                assert stream.stream.open
            assert stream.send(block)
            said.update(block)
            outstanding += block_bytes
        rest = stream.read(blocks * block_bytes - back, 60)
        answered.update(rest)
        thread.join(60)
    assert back + len(rest) == blocks * block_bytes
    assert said.hexdigest() == heard.hexdigest() == answered.hexdigest()
