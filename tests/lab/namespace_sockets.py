"""A namespace's name goes in; sockets that live in it come out, for the process that stays outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from pyroute2 import netns

__all__ = ["ETH_P_ALL", "PACKET_OUTGOING", "packet_socket", "socket_inside"]

ETH_P_ALL = 3
PACKET_OUTGOING = 4


def socket_inside(namespace: str, make: Callable[[], socket.socket]) -> socket.socket:
    """What ``make`` returns when it is called by a thread inside the namespace."""
    made: list[socket.socket] = []

    def work() -> None:
        netns.setns(namespace)
        made.append(make())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


def packet_socket(namespace: str, interface: str, protocol: int = 0) -> socket.socket:
    """A raw packet socket on one interface; protocol 0 only sends, ETH_P_ALL receives everything too."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.bind((interface, protocol))
        made.setblocking(False)
        return made

    return socket_inside(namespace, make)
