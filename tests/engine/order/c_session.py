"""Bytes in, messages out: one struct soupbin of the engine, for tests."""

from __future__ import annotations

from typing import Any

from engine._engine import ffi, lib
from reference_ouch import login_accepted

__all__ = ["Session"]


class Session:
    """A struct soupbin with its bytes kept alive."""

    def __init__(self, *, session: str = "", sequence: int = 1, **timers: int) -> None:
        self.options = ffi.new(
            "struct soupbin_options *",
            {
                "username": b"user",
                "password": b"password",
                "session": session.encode(),
                "requested_sequence": sequence,
                **timers,
            },
        )
        self.c: Any = ffi.new("struct soupbin *")
        assert lib.soupbin_init(self.c, self.options) == 0
        self.out = ffi.new("uint8_t[64]")

    def login(self, now_ns: int = 0) -> bytes:
        assert lib.soupbin_connected(self.c, now_ns)
        return bytes(self.out[0 : lib.soupbin_login(self.c, now_ns, self.out, 64)])

    def up(self, *, session: str = "S1", sequence: int = 1, now_ns: int = 0) -> Session:
        self.login(now_ns)
        assert self.receive(login_accepted(session=session, sequence=sequence), now_ns) == []
        assert self.state == "up"
        return self

    def receive(self, stream: bytes, now_ns: int = 0) -> list[tuple[int, bytes]]:
        chunk = ffi.new("uint8_t[]", stream)
        message = ffi.new("struct soupbin_message *")
        lib.soupbin_receive(self.c, chunk, len(stream), now_ns)
        got = []
        while lib.soupbin_next(self.c, message):
            got.append((message.sequence, bytes(message.payload[0 : message.length])))
        return got

    def timer(self, now_ns: int, capacity: int = 64) -> bytes:
        return bytes(self.out[0 : lib.soupbin_timer(self.c, now_ns, self.out, capacity)])

    @property
    def state(self) -> str:
        return ffi.string(lib.soupbin_state_name(self.c.state)).decode()

    @property
    def cause(self) -> str:
        return ffi.string(lib.soupbin_cause_name(self.c.cause)).decode()
