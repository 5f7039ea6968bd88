"""Clients of the recovery services in plain Python: re-requests over UDP, snapshots over SoupBinTCP.

Nothing here calls the code under test.
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from traffic_reference import OuchClient, messages_of

REPLY_BYTES_MAX = 1472
SO_RCVBUFFORCE = 33


@dataclass(frozen=True)
class Reply:
    session: bytes
    sequence: int
    messages: tuple[bytes, ...]
    size: int


def parse_reply(data: bytes) -> Reply:
    session, sequence, count = struct.unpack_from(">10sQH", data)
    messages = tuple(messages_of(data[20:]))
    assert len(messages) == count
    return Reply(session, sequence, messages, len(data))


class RequestClient:
    """Asks the re-request server and takes what it says."""

    def __init__(self, port: int, *, session: bytes = b"TAILGATE01") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(PermissionError):  # the usual buffer holds some 250 small replies
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        self.socket.connect(("127.0.0.1", port))
        self.session = session

    def __enter__(self) -> "RequestClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, sequence: int, count: int, *, session: bytes | None = None) -> None:
        self.socket.send(struct.pack(">10sQH", session or self.session, sequence, count))

    def reply(self, *, timeout_s: float = 5) -> Reply:
        self.socket.settimeout(timeout_s)
        return parse_reply(self.socket.recv(65536))

    def ask(self, sequence: int, count: int, *, session: bytes | None = None) -> Reply:
        self.send(sequence, count, session=session)
        return self.reply()

    def silent(self, *, timeout_s: float = 0.02) -> bool:
        """True when nothing comes in that time."""
        self.socket.settimeout(timeout_s)
        try:
            self.socket.recv(65536)
        except TimeoutError:
            return True
        return False


@dataclass(frozen=True)
class Snapshot:
    session: str
    messages: tuple[bytes, ...]  # without G
    sequence: int


class SnapshotClient(OuchClient):
    """Logs in to the snapshot service and takes what it streams."""

    def snapshot(self) -> Snapshot:
        accepted = self.log_in()
        assert accepted[:1] == b"A", accepted
        assert accepted[11:].strip() == b"1"
        messages = []
        while (message := self.message())[:1] != b"G":
            messages.append(message)
        assert len(message) == 21
        return Snapshot(accepted[1:11].decode().strip(), tuple(messages), int(message[1:]))
