"""ITCH 5.0 in plain Python, written from the fact sheet: field values enter, messages leave, and back.

Nothing here calls the code under test. Times are ns since midnight, prices the integers on the wire.
"""

import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["HEAD", "LAYOUTS", "decode", "encode", "frame", "length", "messages_of", "size_of"]

Value = int | bytes

HEAD = (("type", "c"), ("stock_locate", "H"), ("tracking_number", "H"), ("timestamp", "6s"))


def _layout(text: str) -> tuple[tuple[str, str], ...]:
    fields = (field.split(":") for field in text.split())
    return (*HEAD, *((name, code) for name, code in fields))


_ADD = "order_reference:Q side:c shares:I stock:8s price:I"
_EXECUTED = "order_reference:Q executed_shares:I match_number:Q"

LAYOUTS = {
    "S": _layout("event_code:c"),
    "R": _layout(
        "stock:8s market_category:c financial_status:c round_lot_size:I round_lots_only:c"
        " issue_classification:c issue_subtype:2s authenticity:c short_sale_threshold:c ipo_flag:c"
        " luld_tier:c etp_flag:c etp_leverage_factor:I inverse_indicator:c"
    ),
    "H": _layout("stock:8s trading_state:c reserved:c reason:4s"),
    "Y": _layout("stock:8s action:c"),
    "L": _layout("mpid:4s stock:8s primary_market_maker:c mode:c participant_state:c"),
    "V": _layout("level_1:Q level_2:Q level_3:Q"),
    "W": _layout("breached_level:c"),
    "K": _layout("stock:8s release_time_s:I release_qualifier:c price:I"),
    "J": _layout("stock:8s reference_price:I upper_price:I lower_price:I extension_count:I"),
    "h": _layout("stock:8s market_code:c halt_action:c"),
    "A": _layout(_ADD),
    "F": _layout(_ADD + " mpid:4s"),
    "E": _layout(_EXECUTED),
    "C": _layout(_EXECUTED + " printable:c price:I"),
    "X": _layout("order_reference:Q cancelled_shares:I"),
    "D": _layout("order_reference:Q"),
    "U": _layout("order_reference:Q new_order_reference:Q shares:I price:I"),
    "P": _layout(_ADD + " match_number:Q"),
    "Q": _layout("shares:Q stock:8s price:I match_number:Q cross_type:c"),
    "B": _layout("match_number:Q"),
    "I": _layout(
        "paired_shares:Q imbalance_shares:Q imbalance_direction:c stock:8s far_price:I near_price:I"
        " reference_price:I cross_type:c price_variation:c"
    ),
    "N": _layout("stock:8s interest_flag:c"),
    "O": _layout(
        "stock:8s open_eligible:c minimum_price:I maximum_price:I near_price:I near_time:Q"
        " lower_collar:I upper_collar:I"
    ),
}

_FORMATS = {kind: struct.Struct(">" + "".join(code for _, code in LAYOUTS[kind])) for kind in LAYOUTS}


def size_of(code: str) -> int:
    """Bytes of one field."""
    return struct.calcsize(">" + code)


def length(kind: str) -> int:
    """Bytes of a message."""
    return _FORMATS[kind].size


def encode(kind: str, **values: Value) -> bytes:
    """A message; fields that are not given are 0 or spaces."""
    wire: list[Value] = []
    given: dict[str, Any] = {"type": kind.encode(), **values}
    for name, code in LAYOUTS[kind]:
        value = given.pop(name, 0 if code in "HIQ" else b" ")
        if name == "timestamp":
            value = int(value if value != b" " else 0).to_bytes(6, "big")
        wire.append(value.ljust(size_of(code)) if isinstance(value, bytes) else value)
    assert not given, f"{kind} has no {', '.join(given)}"
    return _FORMATS[kind].pack(*wire)


def decode(message: bytes) -> dict[str, Any]:
    """Every field by name; alpha fields stay padded bytes, the time stamp becomes an integer."""
    kind = chr(message[0])
    values = _FORMATS[kind].unpack_from(message)
    fields = {name: value for (name, _), value in zip(LAYOUTS[kind], values, strict=True)}
    return fields | {"timestamp": int.from_bytes(fields["timestamp"], "big")}


def frame(*messages: bytes) -> bytes:
    """Messages as a daily file holds them: u16 length, then the bytes."""
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


def messages_of(framed: bytes) -> Iterator[bytes]:
    """The messages of a daily file."""
    offset = 0
    while offset < len(framed):
        (size,) = struct.unpack_from(">H", framed, offset)
        message = framed[offset + 2 : offset + 2 + size]
        assert len(message) == size > 0
        yield message
        offset += 2 + size
