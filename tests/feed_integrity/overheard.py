"""A receiver that tells every call it gets and what came of it, a line each; for looking at one case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.feed_integrity.mold import parse, request_of
from tests.feed_integrity.receiver import Observed, Receiver

__all__ = ["traced"]

CALLS = ("step", "timer", "snapshot_open", "snapshot_bytes", "snapshot_close")


def traced(receiver: Receiver, tell: Callable[[str], None]) -> Receiver:
    """The receiver itself, with its calls overheard. Timer calls are told when they change something."""
    last: list[Observed | None] = [None]

    def overheard(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any) -> Any:
            result = call(*arguments)
            seen = receiver.observe()
            if name != "timer" or seen != last[0]:
                sent = f", {len(result)} orders" if result else ""
                tell(f"{arguments[-1] / 1e6:10.4f} ms {name} {_said(arguments[:-1])} -> {_state(seen)}{sent}")
            last[0] = seen
            return result

        return wrapper

    for name in CALLS:
        setattr(receiver, name, overheard(name, getattr(receiver, name)))
    take = receiver.take_requests

    def take_requests() -> list[bytes]:
        requests = take()
        for session, sequence, count in map(request_of, requests):
            tell(f"              asks for {session.decode()} {sequence} + {count}")
        return requests

    receiver.take_requests = take_requests  # type: ignore[method-assign]
    return receiver


def _state(seen: Observed) -> str:
    session = seen.session.decode(errors="backslashreplace")
    return f"{seen.state} in {session or '?'}, next {seen.next}, delivered {seen.delivered}"


def _said(arguments: tuple[Any, ...]) -> str:
    return " ".join(_bytes(item) if isinstance(item, bytes) else "AB*"[item] for item in arguments)


def _bytes(data: bytes) -> str:
    parsed = parse(data)
    if parsed is None:
        return f"{len(data)} bytes {data[:24]!r}"
    session = parsed.session.decode(errors="backslashreplace")
    return f"{session} {parsed.sequence} + {'end' if parsed.end else len(parsed.blocks)}"
