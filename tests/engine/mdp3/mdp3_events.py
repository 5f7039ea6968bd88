"""What a decoded message means: the events that the engine should make of it, as plain dictionaries.

Written from the specification for tests; shares nothing with the engine but the names of the kinds.
"""

from typing import Any

from mdp3_layouts import INT_NULL, LAYOUTS, PRICE_NULL, UINT64_NULL, UINT_NULL, Message

__all__ = ["expected_events"]

SIDES = {b"0": "B", b"E": "B", b"1": "S", b"F": "S"}


def quantity(value: int, template: int) -> int:
    """64 bits, as the engine has them; the null of either width is UINT64_NULL."""
    if template in (64, 65, 66, 67, 69):
        return value
    return UINT64_NULL if value == INT_NULL else value % 2**64


def orders(value: int) -> int:
    return 0 if value == INT_NULL or value < 0 else value


def expected_events(message: Message) -> list[dict[str, Any]]:
    """Events in order; a field that is left out must be zero."""
    if message.fields is None:
        return []
    name = LAYOUTS[message.template].name
    common = {
        "venue": 1,
        "venue_type": message.template,
        "price_exponent": LAYOUTS[message.template].exponent,
        "indicator": message.fields.get("indicator", 0),
        "time_ns": message.fields.get("time", message.fields.get("updated", 0)),
    }
    maker = globals().get(f"_{name}")
    return [common | event for event in maker(message)] if maker else []


def _book_entry(entry: dict[str, Any], template: int) -> dict[str, Any]:
    event = {
        "wide_price": entry["price"],
        "wide_shares": quantity(entry["size"], template),
        "order_count": orders(entry["orders"]),
        "level": entry["level"],
        "flag": entry["type"],
    }
    if entry["type"] in SIDES:
        return event | {"kind": "LEVEL", "side": SIDES[entry["type"]]}
    return event | {"kind": "BOOK_RESET" if entry["type"] == b"J" else "STATISTIC"}


def _book(message: Message) -> list[dict[str, Any]]:
    entries, order_entries = message.groups
    events = [
        _book_entry(entry, message.template)
        | {"security": entry["security"], "report_sequence": entry["report"], "action": entry["action"]}
        for entry in entries
    ]
    for order in order_entries:
        event = {
            "kind": "ORDER", "order_reference": order["order"], "priority": order["priority"],
            "wide_shares": quantity(order["size"], 46), "action": order["action"], "wide_price": PRICE_NULL,
        }  # fmt: skip
        if 1 <= order["reference"] <= min(len(entries), 254):
            entry = entries[order["reference"] - 1]
            event |= {"wide_price": entry["price"], "security": entry["security"], "flag": entry["type"]}
            event |= {"side": SIDES[entry["type"]]} if entry["type"] in SIDES else {}
        events.append(event)
    return events


def _order(entry: dict[str, Any]) -> dict[str, Any]:
    event = {
        "kind": "ORDER", "order_reference": entry["order"], "priority": entry["priority"],
        "wide_price": entry["price"], "wide_shares": quantity(entry["size"], 46), "flag": entry["type"],
    }  # fmt: skip
    return event | ({"side": SIDES[entry["type"]]} if entry["type"] in SIDES else {})


def _order_book(message: Message) -> list[dict[str, Any]]:
    return [
        _order(entry) | {"security": entry["security"], "action": entry["action"]}
        for entry in message.groups[0]
    ]


def _trade(message: Message) -> list[dict[str, Any]]:
    entries, fills = message.groups
    numbered = not (message.template == 42 and message.version < 7)
    events = [
        {
            "kind": "TRADE_SUMMARY", "wide_price": entry["price"], "flag": b"2", "action": entry["action"],
            "wide_shares": quantity(entry["size"], message.template), "security": entry["security"],
            "report_sequence": entry["report"], "order_count": orders(entry["orders"]),
            "side": {1: "B", 2: "S"}.get(entry["aggressor"], " "),
            "match": entry["trade"] if numbered and entry["trade"] != UINT_NULL else 0,
        }
        for entry in entries
    ]  # fmt: skip
    owners = [
        (entry, place) for entry in entries for place in range(min(orders(entry["orders"]), len(fills)))
    ]
    for index, fill in enumerate(fills):
        event = {"kind": "TRADE_ORDER", "order_reference": fill["order"], "wide_price": PRICE_NULL}
        event["wide_shares"] = quantity(fill["size"], 46)
        if index < len(owners):
            entry, place = owners[index]
            aggressor = {1: "B", 2: "S"}.get(entry["aggressor"])
            resting = {"B": "S", "S": "B"}.get(aggressor or "", " ")
            first = place == 0 and aggressor is not None
            event |= {
                "security": entry["security"], "wide_price": entry["price"], "flag": b"A" if first else b"R",
                "side": aggressor if first else resting,
            }  # fmt: skip
        events.append(event)
    return events


def _volume(message: Message) -> list[dict[str, Any]]:
    return [
        {
            "kind": "VOLUME", "wide_price": PRICE_NULL, "wide_shares": quantity(entry["size"], message.template),
            "security": entry["security"], "report_sequence": entry["report"], "action": entry["action"],
            "flag": b"e",
        }
        for entry in message.groups[0]
    ]  # fmt: skip


def _statistic(message: Message) -> list[dict[str, Any]]:
    sized = not (message.template == 35 and message.version < 8)
    return [
        {
            "kind": "STATISTIC", "wide_price": entry["price"], "security": entry["security"],
            "report_sequence": entry["report"], "action": entry["action"], "flag": entry["type"],
            "level": entry["flag"],
            "wide_shares": quantity(entry["size"], message.template) if sized else UINT64_NULL,
        }
        for entry in message.groups[0]
    ]  # fmt: skip


def _daily(message: Message) -> list[dict[str, Any]]:
    return [
        event | {"shares": entry["date"]}
        for event, entry in zip(_statistic(message), message.groups[0], strict=True)
    ]


def _limits(message: Message) -> list[dict[str, Any]]:
    return [
        {
            "kind": "LIMIT", "wide_price": entry[name], "flag": flag, "security": entry["security"],
            "report_sequence": entry["report"] if flag == b"H" else 0, "wide_shares": UINT64_NULL,
        }
        for entry in message.groups[0]
        for name, flag in (("high", b"H"), ("low", b"L"), ("variation", b"V"))
    ]  # fmt: skip


def _snapshot(message: Message) -> list[dict[str, Any]]:
    fields = message.fields or {}
    events = [
        {"kind": "SNAPSHOT", "flag": b"P", "report_sequence": fields["report"], "match": fields["last"]}
    ]
    for entry in message.groups[0]:
        event = _book_entry(entry, message.template)
        if event["kind"] == "STATISTIC":
            event |= {"level": entry["flag"], "shares": entry.get("date", 0)}
        events.append(event)
    return [event | {"security": fields["security"]} for event in events]


def _order_snapshot(message: Message) -> list[dict[str, Any]]:
    fields = message.fields or {}
    events = [{"kind": "SNAPSHOT", "flag": b"O", "match": fields["last"]}]
    events += [_order(entry) for entry in message.groups[0]]
    return [event | {"security": fields["security"]} for event in events]


def _channel_reset(message: Message) -> list[dict[str, Any]]:
    return [{"kind": "CHANNEL_RESET"}]


def _status(message: Message) -> list[dict[str, Any]]:
    fields = message.fields or {}
    return [
        {
            "kind": "STATUS", "security": fields["security"], "flag": bytes([fields["status"]]),
            "action": fields["reason"], "level": fields["event"], "shares": fields["date"],
            "stock": fields["group"],
        }
    ]  # fmt: skip


def _definition(message: Message) -> list[dict[str, Any]]:
    fields = message.fields or {}
    feeds = {entry["feed"]: max(entry["depth"], 0) for entry in message.groups[1]}
    return [
        {
            "kind": "DEFINITION", "security": fields["security"], "flag": fields["action"],
            "stock": fields["symbol"][:8], "level": feeds.get(b"GBX", 0), "order_count": feeds.get(b"GBI", 0),
        }
    ]  # fmt: skip
