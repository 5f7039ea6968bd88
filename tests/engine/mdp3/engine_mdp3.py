"""The engine's MDP 3.0 decoder for tests: bytes enter, outcomes and events as plain Python leave."""

from typing import Any

from engine._engine import ffi, lib

__all__ = ["KINDS", "check", "decode", "expected_values", "values"]

KINDS = {
    int(getattr(lib, name)): name.removeprefix("EVENT_")
    for name in dir(lib)
    if name.startswith("EVENT_")
    and not name.startswith(
        ("EVENT_VENUE", "EVENT_ACTION", "EVENT_INDICATOR", "EVENT_PRICE", "EVENT_QUANTITY")
    )
    and name not in ("EVENT_SCHEMA_VERSION", "EVENT_KIND_COUNT")
}


def name_of(pointer: Any) -> str:
    return str(ffi.string(pointer).decode())


def check(data: bytes) -> tuple[str, Any]:
    """Outcome of a whole datagram by name, and the parsed header."""
    packet = ffi.new("struct mdp3_packet *")
    return name_of(lib.mdp3_outcome_name(lib.mdp3_packet_check(data, len(data), packet))), packet


def values(event: Any) -> dict[str, Any]:
    """Fields of an event that are not zero, its kind by name."""
    found = {name: getattr(event, name) for name, _ in ffi.typeof("struct event").fields}
    found["kind"] = KINDS[event.kind]
    found["stock"] = bytes(ffi.buffer(event.stock))
    found["venue_type"] = event.venue_type[0]
    return {name: value for name, value in found.items() if value not in (0, b"\0", b"\0" * 8)}


def expected_values(event: dict[str, Any]) -> dict[str, Any]:
    """An expected event in the form of values()."""
    found = event | {
        "stock": event.get("stock", b"")[:8].ljust(8, b"\0"),
        "side": event.get("side", "\0").encode(),
    }
    return {name: value for name, value in found.items() if value not in (0, b"\0", b"\0" * 8)}


def decode(message: bytes) -> tuple[str, list[dict[str, Any]]]:
    """Outcome of one message by name, and its events."""
    parsed, cursor, event = (ffi.new(f"struct {name} *") for name in ("mdp3_message", "mdp3_cursor", "event"))
    data = ffi.from_buffer(message)
    outcome = lib.mdp3_message_parse(data, len(message), parsed)
    found = []
    if outcome in (lib.MDP3_VALID, lib.MDP3_NEWER_LAYOUT):
        lib.mdp3_decode_begin(cursor, parsed)
        while lib.mdp3_decode_next(cursor, event):
            found.append(values(event))
    return name_of(lib.mdp3_outcome_name(outcome)), found
