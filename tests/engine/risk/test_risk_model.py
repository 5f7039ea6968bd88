"""The risk gate on random input against an independent model, and against the encoder behind it."""

from __future__ import annotations

from typing import Any

from c_gate import CGate, c_limits, c_request
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_risk import Context, Gate, Limits, Request, Top

SECOND = 1_000_000_000


def near(*values: int, low: int = 0, high: int = 2**32 - 1) -> st.SearchStrategy[int]:
    close = [value + step for value in values for step in (-1, 0, 1) if low <= value + step <= high]
    return st.one_of(st.sampled_from(close), st.integers(low, high))


mostly = st.sampled_from([True] * 15 + [False])
rarely = st.sampled_from([False] * 15 + [True])
limits_strategy = st.builds(
    Limits,
    order_shares_max=st.sampled_from([0, 100, 1000, 999_999]),
    notional_max=st.sampled_from([0, 10**6, 10**9, 10**15, 2**64 - 1]),
    position_long_max=st.sampled_from([0, 500, 5000, 10**15]),
    position_short_max=st.sampled_from([0, 500, 5000, 10**15]),
    price_max=st.sampled_from([10_000, 1_000_000, 1_999_999_900]),
    collar_permille=st.sampled_from([0, 1, 50, 999, 1000]),
    order_burst=st.sampled_from([0, 1, 3, 10**9]),
    order_rate_per_s=st.sampled_from([0, 1, 3, 7, 1000, 10**9]),
    allow_unannounced=st.sampled_from([0, 1]),
)
request_strategy = st.builds(
    Request,
    side=st.sampled_from("BBBBSSSSX"),
    shares=near(0, 1, 100, 1000, 999_999, high=1_000_000),
    price=near(0, 9500, 10_000, 10_500, 999_950, 1_000_000, 1_999_999_900),
    ordinal=st.sampled_from([0, 1, 9, 9, 0, 10]),
    stock=st.sampled_from([b"AAPL    "] * 9 + [bytes(8)]),
)
top_strategy = st.one_of(
    st.sampled_from([Top(bid_price=9_999, ask_price=10_001), Top(bid_price=999_900, ask_price=1_000_000)]),
    st.builds(Top, bid_price=near(0, 10_000), ask_price=near(0, 10_000)),
)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    return Context(
        now_ns=draw(st.integers(0, 3 * SECOND)),
        position=draw(near(0, 400, -400, 4900, -4900, low=-(10**16), high=10**16)),
        open_buy_shares=draw(near(0, 100, 5000, high=10**16)),
        open_sell_shares=draw(near(0, 100, 5000, high=10**16)),
        live=draw(mostly),
        book_complete=draw(mostly),
        session_up=draw(mostly),
        late=draw(rarely),
        own_orders_full=draw(rarely),
        trading_state=draw(st.sampled_from("TTTTTTTTT\0H")),
    )


@settings(max_examples=300, deadline=None)
@given(
    limits=limits_strategy,
    later=limits_strategy,
    steps=st.lists(st.tuples(request_strategy, top_strategy, contexts(), rarely, rarely), max_size=20),
)
def test_any_sequence_gives_what_the_model_gives(limits: Limits, later: Limits, steps: list[Any]) -> None:
    gate, model = CGate(limits), Gate(limits)
    assert gate.result == 0
    for request, top, context, killed, replaced in steps:
        gate.kill.value = model.killed = killed
        if replaced:
            assert lib.risk_replace_limits(gate.c, c_limits(later), context.now_ns) == 0
            model.replace(later, context.now_ns)
        assert gate.check(request, top, context) == model.check(request, top, context)


@settings(max_examples=300)
@given(request=request_strategy, top=top_strategy, letter=st.sampled_from("TR"))
def test_an_order_that_passes_can_always_be_encoded(request: Request, top: Top, letter: str) -> None:
    wide = Limits(
        order_shares_max=999_999,
        notional_max=2**64 - 1,
        position_long_max=10**15,
        position_short_max=10**15,
        collar_permille=1000,
    )
    gate = CGate(wide)
    template = ffi.new("struct ouch42_template *")
    assert lib.ouch42_template_init(template, ffi.new("struct ouch42_options *")) == 0
    if gate.check(request, top, Context()) == "none":
        out = ffi.new("uint8_t[52]")
        assert lib.ouch42_enter(template, c_request(request), letter.encode(), out) == 52
