"""A struct own_orders with its memory, and the states that it is brought into, for tests."""

from __future__ import annotations

from typing import Any

from engine._engine import ffi, lib

__all__ = ["KINDS", "OUTCOMES", "Table", "key", "reach"]

OUTCOMES = {
    lib.OWN_ORDERS_OK: "ok",
    lib.OWN_ORDERS_FULL: "full",
    lib.OWN_ORDERS_DUPLICATE: "duplicate",
    lib.OWN_ORDERS_INVALID: "invalid",
    lib.OWN_ORDERS_ACCOUNTED: "accounted",
    lib.OWN_ORDERS_UNEXPECTED: "unexpected",
    lib.OWN_ORDERS_UNKNOWN: "unknown",
    lib.OWN_ORDERS_FOREIGN: "foreign",
    lib.OWN_ORDERS_SYSTEM: "system",
    lib.OWN_ORDERS_REFUSED: "refused",
}
KINDS = {
    "accepted": lib.OWN_EVENT_ACCEPTED,
    "replaced": lib.OWN_EVENT_REPLACED,
    "canceled": lib.OWN_EVENT_CANCELED,
    "executed": lib.OWN_EVENT_EXECUTED,
    "executed_reference": lib.OWN_EVENT_EXECUTED_REFERENCE,
    "self_trade_canceled": lib.OWN_EVENT_SELF_TRADE_CANCELED,
    "corrected": lib.OWN_EVENT_CORRECTED,
    "broken": lib.OWN_EVENT_BROKEN,
    "rejected": lib.OWN_EVENT_REJECTED,
    "cancel_pending": lib.OWN_EVENT_CANCEL_PENDING,
    "cancel_rejected": lib.OWN_EVENT_CANCEL_REJECTED,
    "priority": lib.OWN_EVENT_PRIORITY,
    "modified": lib.OWN_EVENT_MODIFIED,
    "trade_now": lib.OWN_EVENT_TRADE_NOW,
    "restated": lib.OWN_EVENT_RESTATED,
}


def key(number: int) -> int:
    return int(lib.ouch42_token_key(b"T", number, 0))


class Table:
    """A struct own_orders with aligned memory."""

    def __init__(self, *, open_max: int = 8, dead_keep: int = 8, executions_max: int = 64) -> None:
        values = {"open_max": open_max, "dead_keep": dead_keep, "executions_max": executions_max}
        options = ffi.new("struct own_orders_options *", values)
        size = lib.own_orders_bytes(options)
        self.memory = ffi.new("char[]", size + 64)
        address = int(ffi.cast("uintptr_t", self.memory))
        self.c: Any = ffi.new("struct own_orders *")
        assert lib.own_orders_init(self.c, options, self.memory + (-address % 64), size) == 0

    def sent(
        self,
        number: int,
        side: str = "B",
        shares: int = 100,
        symbol: int = 1,
        price: int = 1,
        rests: bool = False,
    ) -> str:
        values = {
            "trigger_sequence": number,
            "price": price,
            "time_in_force": 99_998 if rests else 0,
            "shares": shares,
            "symbol": symbol,
            "side": side.encode(),
        }
        return OUTCOMES[lib.own_orders_sent(self.c, ffi.new("struct order_request *", values), b"T")]

    def cancel_sent(self, number: int) -> str:
        return OUTCOMES[lib.own_orders_cancel_sent(self.c, key(number))]

    def replace_sent(self, number: int, new: int, total: int, price: int = 1) -> str:
        values = {"token_key": key(number), "new_token_key": key(new), "shares": total, "price": price}
        change = ffi.new("struct order_change *", values | {"time_in_force": 99_998})
        return OUTCOMES[lib.own_orders_replace_sent(self.c, change)]

    def modify_sent(self, number: int, total: int, side: str = "") -> str:
        values = {"token_key": key(number), "shares": total, "side": side.encode() or b"\0"}
        return OUTCOMES[lib.own_orders_modify_sent(self.c, ffi.new("struct order_change *", values))]

    def apply(
        self,
        kind: str,
        number: int,
        *,
        shares: int = 0,
        match: int = 0,
        live: bool = True,
        side: str = "B",
        price: int = 1,
        previous: int | None = None,
    ) -> str:
        event = ffi.new("struct own_event *", {"kind": KINDS[kind], "shares": shares, "match": match})
        event.token_key = key(number)
        event.previous_token_key = 0 if previous is None else key(previous)
        event.price = price
        event.state = b"L" if live else b"D"
        event.side = side.encode()
        return OUTCOMES[lib.own_orders_apply(self.c, event)]

    def state(self, number: int) -> str:
        order = lib.own_orders_find(self.c, key(number))
        return "free" if order == ffi.NULL else ffi.string(lib.own_order_state_name(order.state)).decode()

    def symbol(self, symbol: int = 1) -> Any:
        return lib.own_orders_symbol(self.c, symbol)


def reach(table: Table, state: str) -> None:
    """Order 1, 100 shares to buy, brought into `state` by the shortest usual way."""
    if state == "free":
        return
    table.sent(1)
    if state == "rejected":
        table.apply("rejected", 1)
    elif not state.startswith("pending") or state[8:] not in ("", "new_cancel"):
        table.apply("accepted", 1, shares=100, live=state != "dead")
    if state in ("partial", "filled") or state.endswith("_partial"):
        table.apply("executed", 1, shares=100 if state == "filled" else 40, match=7)
    if "cancel" in state and state != "canceled":
        table.cancel_sent(1)
    elif "replace" in state:
        assert table.replace_sent(1, 2, 100) == "ok"
    if state == "canceled":
        table.apply("canceled", 1, shares=100)
    elif state == "replaced":
        table.apply("replaced", 2, previous=1, shares=100)
    assert table.state(1) == state
