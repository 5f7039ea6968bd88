"""Gate and own orders together: whatever the venue does with what passed, the position keeps its limits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ouch import encode_host, token
from reference_risk import Limits

LONG_MAX, SHORT_MAX = 300, 200


class Engine:
    """One symbol, the gate in front of the table, the decoder behind it; no sockets."""

    def __init__(self) -> None:
        options = ffi.new(
            "struct own_orders_options *", {"open_max": 6, "dead_keep": 4, "executions_max": 64}
        )
        size = lib.own_orders_bytes(options)
        self.memory = ffi.new("char[]", size + 64)
        self.orders: Any = ffi.new("struct own_orders *")
        aligned = self.memory + (-int(ffi.cast("uintptr_t", self.memory)) % 64)
        assert lib.own_orders_init(self.orders, options, aligned, size) == 0
        limits = Limits(position_long_max=LONG_MAX, position_short_max=SHORT_MAX, order_burst=10**6)
        sealed = ffi.new("struct risk_limits *", asdict(limits))
        lib.risk_limits_seal(sealed)
        self.kill = ffi.new("struct risk_kill_switch *")
        self.gate = ffi.new("struct risk *")
        self.gate_memory = ffi.new("struct risk_memory *")
        options = ffi.new("struct risk_options *", {"limits": sealed[0], "kill_switch": self.kill})
        options.memory = self.gate_memory
        assert lib.risk_init(self.gate, options) == 0
        self.top = ffi.new("struct book_top *", {"bid_price": 999_900, "ask_price": 1_000_000})
        self.decoder = ffi.new("struct ouch42_decoder *")
        self.event = ffi.new("struct own_event *")
        self.sequence = 0
        self.venue: dict[
            int, dict[str, Any]
        ] = {}  # what the venue still owes: sequence -> side, open, accepted
        self.matches = 0

    @property
    def symbol(self) -> Any:
        return lib.own_orders_symbol(self.orders, 1)

    def order(self, side: str, shares: int) -> bool:
        self.sequence += 1
        request = ffi.new(
            "struct order_request *",
            {
                "trigger_sequence": self.sequence,
                "price": 1_000_000,
                "shares": shares,
                "symbol": 1,
                "side": side.encode(),
                "stock": b"AAPL    ",
            },
        )
        context = ffi.new(
            "struct risk_context *",
            {
                "feed_state": lib.FEED_LIVE,
                "session_up": True,
                "book_complete": True,
                "trading_state": b"T",
                "position": self.symbol.position,
                "open_buy_shares": self.symbol.open_buy_shares,
                "open_sell_shares": self.symbol.open_sell_shares,
                "own_orders_full": lib.own_orders_full(self.orders),
            },
        )
        if lib.risk_check(self.gate, request, self.top, context) != lib.RISK_NONE:
            return False
        assert lib.own_orders_sent(self.orders, request, b"T") == lib.OWN_ORDERS_OK
        lib.risk_on_sent(self.gate, 1, side.encode(), shares, 1_000_000)
        self.venue[self.sequence] = {"side": side, "open": shares, "accepted": False}
        return True

    def hear(self, message: bytes) -> None:
        raw = ffi.new(f"uint8_t[{len(message)}]", message)
        assert lib.ouch42_decode(self.decoder, raw, len(message), self.event) == lib.OUCH42_DECODED
        assert lib.risk_follow(self.gate, self.orders, self.event, 0) == lib.OWN_ORDERS_OK

    def answer(self, action: str, pick: int, shares: int) -> None:
        """The venue does something it may do with one of the orders it has."""
        if not self.venue:
            return
        number = sorted(self.venue)[pick % len(self.venue)]
        order = self.venue[number]
        name = {"time_ns": 1, "token": token("T", number, 0)}
        if not order["accepted"]:
            if action == "reject":
                self.hear(encode_host("J", **name, reason=b"H"))
                del self.venue[number]
                return
            order["accepted"] = True
            self.hear(
                encode_host(
                    "A",
                    **name,
                    side=order["side"].encode(),
                    shares=order["open"],
                    stock=b"AAPL    ",
                    price=1_000_000,
                    time_in_force=0,
                    firm=b"    ",
                    display=b"Y",
                    order_reference=number,
                    capacity=b"P",
                    intermarket_sweep=b"N",
                    minimum_shares=0,
                    cross=b"N",
                    state=b"L",
                    bbo_weight=b" ",
                )
            )
            return
        shares = min(shares, order["open"])
        if action == "execute":
            self.matches += 1
            self.hear(
                encode_host("E", **name, shares=shares, price=1_000_000, liquidity=b"R", match=self.matches)
            )
        else:
            self.hear(encode_host("C", **name, shares=shares, reason=b"U"))
        order["open"] -= shares
        if order["open"] == 0:
            del self.venue[number]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from("BS"), st.integers(1, 150)),
        st.tuples(
            st.sampled_from(["execute", "execute", "cancel", "reject"]),
            st.integers(0, 9),
            st.integers(1, 150),
        ),
    ),
    max_size=150,
)


@settings(max_examples=120, deadline=None)
@given(steps)
def test_position_never_passes_its_limits_under_any_answers_of_the_venue(
    actions: list[tuple[Any, ...]],
) -> None:
    engine = Engine()
    for action in actions:
        if action[0] == "order":
            engine.order(action[1], action[2])
        else:
            engine.answer(*action)
        own = engine.symbol
        assert -SHORT_MAX <= own.position <= LONG_MAX
        assert own.position + own.open_buy_shares <= LONG_MAX
        assert own.position - own.open_sell_shares >= -SHORT_MAX
        for side, shares in (("B", own.open_buy_shares), ("S", own.open_sell_shares)):
            assert shares == sum(order["open"] for order in engine.venue.values() if order["side"] == side)
        exposure = engine.gate.exposure
        assert (exposure.open_buy, exposure.open_sell) == (
            own.open_buy_shares * 1_000_000,
            own.open_sell_shares * 1_000_000,
        )
        assert exposure.value == own.position * 1_000_000
        assert exposure.open_orders == len(engine.venue) == engine.orders.open_count
        assert not exposure.lost
    assert lib.own_orders_trusted(engine.orders)


def test_worst_case_fills_reach_the_limit_exactly() -> None:
    engine = Engine()
    assert [engine.order("B", 100) for _ in range(4)] == [True, True, True, False]
    for _ in range(6):
        engine.answer("execute", 0, 100)
    assert engine.symbol.position == LONG_MAX
    assert not engine.order("B", 1)
    assert engine.order("S", LONG_MAX + SHORT_MAX)
