"""The short way out of the bypass: used where the far end takes redirected frames, left when they get lost."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from engine._engine import lib
from order_stream import Stream, Wire, run

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(not lib.bypass_tcp_built(), reason="built without lwIP: apt-get install liblwip-dev"),
]
ORDER_BYTES = 52
SECONDS = 10.0
ETHERTYPE_IP = 0x0800
PACKET_OUTGOING = 4


def take_redirected(ends: Wire, *, on: bool) -> None:
    """A veth's far end takes redirected frames while it polls: with an XDP program, or with GRO."""
    run("ip", "netns", "exec", ends.peer, "ethtool", "-K", "order", "gro", "on" if on else "off")


@pytest.fixture
def redirecting(ends: Wire) -> Iterator[Wire]:
    take_redirected(ends, on=True)
    yield ends
    take_redirected(ends, on=False)


@pytest.fixture
def open_stream(ends: Wire) -> Iterator[Callable[[], tuple[Stream, socket.socket]]]:
    """Makes the connection: the engine's end and the peer's."""
    made: list[tuple[Stream, socket.socket]] = []
    with ends.listen() as server:

        def make() -> tuple[Stream, socket.socket]:
            stream = Stream("af_xdp")
            assert stream.connect(), os.strerror(stream.failure)
            client = server.accept()[0]
            client.settimeout(SECONDS)
            made.append((stream, client))
            return stream, client

        yield make
        for stream, client in made:
            client.close()
            stream.close()


def door_of(stream: Stream) -> dict[str, int]:
    found = stream.counters()
    return {name: int(getattr(found, name)) for name in ("door", "sent_at_door", "door_misses", "rehearsals")}


def send_and_read(stream: Stream, client: socket.socket, numbers: range) -> bool:
    """Orders one by one, each waited for; whether they arrived as they were sent."""
    client.setblocking(False)
    for number in numbers:
        order = struct.pack(">Q", number).ljust(ORDER_BYTES, b"o")
        data = bytearray()

        def arrived(data: bytearray = data) -> bool:
            try:
                data += client.recv(ORDER_BYTES - len(data))
            except BlockingIOError:
                return False
            return len(data) == ORDER_BYTES

        assert stream.until(lambda: stream.ready)
        assert stream.send(order)
        if not stream.until(arrived) or data != order:
            return False
    return True


def test_orders_go_through_it_where_the_far_end_takes_redirected_frames(
    redirecting: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    assert send_and_read(stream, client, range(200))
    stream.poll(0.1)
    seen = door_of(stream)
    assert seen["door"] == 1
    assert seen["sent_at_door"] == 200
    assert seen["door_misses"] == 0


def test_it_stays_shut_where_the_far_end_takes_none(
    ends: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    assert send_and_read(stream, client, range(50))
    assert door_of(stream) == {"door": 0, "sent_at_door": 0, "door_misses": 0, "rehearsals": 0}


def test_one_loss_shuts_it_before_anything_has_come_through(
    redirecting: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    take_redirected(redirecting, on=False)
    assert send_and_read(stream, client, range(20))
    seen = door_of(stream)
    assert seen["door"] == 0
    assert (seen["sent_at_door"], seen["door_misses"]) == (1, 1)


def test_three_losses_in_a_row_shut_it_later(
    redirecting: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    assert send_and_read(stream, client, range(20))
    stream.poll(0.1)
    take_redirected(redirecting, on=False)
    for number in range(20, 24):
        assert send_and_read(stream, client, range(number, number + 1))
        stream.poll(0.1)  # acknowledged, and judged
    seen = door_of(stream)
    assert seen["door"] == 0
    assert (seen["sent_at_door"], seen["door_misses"]) == (23, 3)
    assert send_and_read(stream, client, range(24, 50))


def test_a_loss_now_and_then_leaves_it_open(
    redirecting: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    for number in range(0, 12, 2):
        assert send_and_read(stream, client, range(number, number + 1))
        stream.poll(0.05)
        take_redirected(redirecting, on=False)
        assert send_and_read(stream, client, range(number + 1, number + 2))
        take_redirected(redirecting, on=True)
        stream.poll(0.05)
    seen = door_of(stream)
    assert seen["door"] == 1
    assert seen["door_misses"] == 6


def test_rehearsals_put_nothing_on_the_wire(
    redirecting: Wire, open_stream: Callable[[], tuple[Stream, socket.socket]]
) -> None:
    stream, client = open_stream()
    assert send_and_read(stream, client, range(5))
    stream.poll(0.2)  # acknowledgements that wait
    with redirecting.at_peer(
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IP))
    ) as listener:
        listener.bind(("order", ETHERTYPE_IP))
        listener.setblocking(False)
        before = door_of(stream)["rehearsals"]
        stream.poll(0.2)
        assert door_of(stream)["rehearsals"] - before > 100
        with pytest.raises(BlockingIOError):
            listener.recv(4096)


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_it_is_gone_with_the_wire(redirecting: Wire) -> None:
    before = interfaces()
    stream = Stream("af_xdp")
    assert {name.rstrip("0123456789") for name in interfaces() - before} == {"orderdoor"}
    stream.close()
    deadline = time.monotonic() + SECONDS
    while interfaces() != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert interfaces() == before


@pytest.mark.parametrize("on", [True, False])
def test_the_kernel_says_who_takes_redirected_frames(ends: Wire, on: bool) -> None:
    take_redirected(ends, on=on)
    answer = lib.redirect_target(socket.if_nametoindex("order"))
    take_redirected(ends, on=False)
    assert answer == on


def test_an_interface_that_does_not_exist_is_an_error(ends: Wire) -> None:
    assert lib.redirect_target(2**31 - 1) < 0
