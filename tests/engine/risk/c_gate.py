"""Orders in, reasons out: one struct risk of the engine, for tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine._engine import ffi, lib
from reference_risk import Context, Limits, Request, Top

__all__ = ["REASONS", "CGate", "c_limits", "c_request"]

REASONS = [
    "none",
    "kill_switch",
    "feed_not_live",
    "book_incomplete",
    "late",
    "session_down",
    "halted",
    "order_shares",
    "notional",
    "price_invalid",
    "collar",
    "position",
    "order_rate",
    "own_orders_full",
    "limits_invalid",
    "request_invalid",
    "kill_symbol",
    "kill_strategy",
    "tripped",
    "limits_missing",
    "limits_stale",
    "session_hours",
    "feed_age",
    "quote_age",
    "restricted",
    "collar_last",
    "short_sale",
    "net_exposure",
    "gross_exposure",
    "self_cross",
    "duplicate",
    "open_orders",
    "message_rate",
]


def c_limits(limits: Limits, *, seal: bool = True) -> Any:
    made = ffi.new("struct risk_limits *", asdict(limits))
    if seal:
        lib.risk_limits_seal(made)
    return made


def c_request(request: Request) -> Any:
    return ffi.new("struct order_request *", asdict(request) | {"side": request.side.encode("latin-1")})


class CGate:
    """A struct risk with its kill switch."""

    def __init__(self, limits: Limits, *, seal: bool = True) -> None:
        self.kill = ffi.new("struct risk_kill_switch *")
        self.c: Any = ffi.new("struct risk *")
        self.memory = ffi.new("struct risk_memory *")
        options = ffi.new("struct risk_options *", {"limits": c_limits(limits, seal=seal)[0]})
        options.kill_switch, options.memory = self.kill, self.memory
        self.result = lib.risk_init(self.c, options)

    def check(self, request: Request, top: Top, context: Context) -> str:
        c_context = ffi.new(
            "struct risk_context *",
            {name: value for name, value in asdict(context).items() if name not in ("live", "trading_state")},
        )
        c_context.feed_state = lib.FEED_LIVE if context.live else lib.FEED_GAP
        c_context.trading_state = context.trading_state.encode("latin-1")
        c_top = ffi.new("struct book_top *", {**asdict(top), "bid_shares": 1, "ask_shares": 1})
        c_context.rehearsal = True
        rehearsed = lib.risk_check(self.c, c_request(request), c_top, c_context)
        c_context.rehearsal = False
        answer = lib.risk_check(self.c, c_request(request), c_top, c_context)
        assert answer == rehearsed
        return REASONS[answer]
