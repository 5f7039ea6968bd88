"""The risk gate: every reason, every boundary, and what limits may and may not do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from c_gate import REASONS, CGate, c_limits, c_request
from engine._engine import ffi, lib
from reference_risk import Context, Limits, Request, Top

SECOND = 1_000_000_000


def check(*, limits: Limits | None = None, request: Any = None, top: Any = None, context: Any = None) -> str:
    gate = CGate(limits or Limits())
    assert gate.result == 0
    return gate.check(Request(**(request or {})), Top(**(top or {})), Context(**(context or {})))


def test_names_of_reasons_are_stable() -> None:
    names = [ffi.string(lib.risk_reason_name(code)).decode() for code in range(lib.RISK_REASON_COUNT)]
    assert names == REASONS
    assert ffi.string(lib.risk_reason_name(99)) == b"unknown"


def test_an_order_with_nothing_against_it_passes() -> None:
    assert check() == "none"


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"live": False}, "feed_not_live"),
        ({"book_complete": False}, "book_incomplete"),
        ({"session_up": False}, "session_down"),
        ({"late": True}, "late"),
        ({"own_orders_full": True}, "own_orders_full"),
        ({"trading_state": "H"}, "halted"),
        ({"trading_state": "P"}, "halted"),
        ({"trading_state": "Q"}, "halted"),
        ({"trading_state": "t"}, "halted"),
    ],
)
def test_each_condition_alone_blocks(context: dict[str, Any], reason: str) -> None:
    assert check(context=context) == reason


def test_only_a_live_feed_lets_orders_pass() -> None:
    gate = CGate(Limits(order_burst=100))
    top = ffi.new("struct book_top *", asdict(Top()))
    for state in [*range(lib.FEED_STATE_COUNT), 255, 2**32 - 1]:
        context = ffi.new(
            "struct risk_context *",
            {"feed_state": state, "session_up": True, "book_complete": True, "trading_state": b"T"},
        )
        passed = lib.risk_check(gate.c, c_request(Request()), top, context) == lib.RISK_NONE
        assert passed == (state == lib.FEED_LIVE)


def test_symbol_never_announced_is_halted_unless_the_limits_allow_it() -> None:
    unannounced = {"trading_state": "\0"}
    assert check(context=unannounced, limits=Limits(allow_unannounced=0)) == "halted"
    assert check(context=unannounced, limits=Limits(allow_unannounced=1)) == "none"


def test_order_shares_at_the_limit_pass_and_one_more_does_not() -> None:
    assert check(request={"shares": 1000}) == "none"
    assert check(request={"shares": 1001}) == "order_shares"
    assert check(request={"shares": 0}) == "order_shares"


def test_notional_at_the_limit_passes_and_one_more_does_not() -> None:
    assert check(limits=Limits(notional_max=100_000_000)) == "none"
    assert check(limits=Limits(notional_max=99_999_999)) == "notional"


def test_largest_price_times_largest_shares_does_not_wrap() -> None:
    request = {"shares": 2**32 - 1, "price": 2**32 - 1}
    assert check(request=request) == "order_shares"
    limits = Limits(order_shares_max=999_999, notional_max=1)
    assert check(limits=limits, request={"shares": 999_999, "price": 1_999_999_900}) == "notional"


def test_price_is_more_than_nothing_and_at_most_the_limit() -> None:
    assert check(request={"price": 0}) == "price_invalid"
    assert check(limits=Limits(price_max=1_000_000)) == "none"
    assert check(limits=Limits(price_max=999_999)) == "price_invalid"


@pytest.mark.parametrize(
    "top",
    [
        {"bid_price": 0},
        {"ask_price": 0},
        {"bid_price": 0, "ask_price": 0},
        {"bid_price": 1_000_000},
        {"bid_price": 1_000_001},
    ],
)
def test_top_without_two_sides_in_order_blocks(top: dict[str, int]) -> None:
    assert check(top=top) == "collar"


@pytest.mark.parametrize(("price", "reason"), [(95, "none"), (94, "collar"), (105, "none"), (106, "collar")])
def test_collar_is_inclusive_on_both_sides_of_the_middle(price: int, reason: str) -> None:
    assert check(request={"price": price}, top={"bid_price": 99, "ask_price": 101}) == reason


@pytest.mark.parametrize("side", ["B", "S"])
def test_position_counts_open_orders_of_the_same_side(side: str) -> None:
    sign, name = (1, "open_buy_shares") if side == "B" else (-1, "open_sell_shares")
    request = {"side": side}
    assert check(request=request, context={"position": sign * 4000, name: 900}) == "none"
    assert check(request=request, context={"position": sign * 4001, name: 900}) == "position"
    assert check(request=request, context={"position": sign * 4000, name: 901}) == "position"
    assert check(request=request, context={"position": -sign * 10**12, name: 900}) == "none"


@pytest.mark.parametrize("position", [2**63 - 1, -(2**63)])
@pytest.mark.parametrize("opened", [0, 2**63, 2**64 - 1])
@pytest.mark.parametrize("side", ["B", "S"])
def test_sums_that_do_not_fit_are_judged_as_if_they_did(side: str, opened: int, position: int) -> None:
    context = {"position": position, "open_buy_shares": opened, "open_sell_shares": opened}
    worst = position + opened + 100 if side == "B" else -position + opened + 100
    expected = "position" if worst > 5000 else "none"
    assert check(request={"side": side}, context=context) in (expected, "position")


@pytest.mark.parametrize(
    "request_",
    [
        {"side": "T"},
        {"side": "\0"},
        {"ordinal": 10},
        {"time_in_force": 100_000},
        {"trigger_sequence": 2**48},
        {"stock": bytes(8)},
        {"stock": b" " * 8},
        {"stock": b"\xff" * 8},
    ],
)
def test_request_that_cannot_be_encoded_is_blocked(request_: dict[str, Any]) -> None:
    assert check(request=request_) == "request_invalid"


def test_kill_switch_blocks_and_releases_at_once() -> None:
    gate = CGate(Limits())
    gate.kill.value = 7
    assert gate.check(Request(), Top(), Context()) == "kill_switch"
    gate.kill.value = 0
    assert gate.check(Request(), Top(), Context()) == "none"


def test_burst_passes_then_the_rate_holds_to_the_nanosecond() -> None:
    gate = CGate(Limits(order_burst=2, order_rate_per_s=3))
    results = [gate.check(Request(), Top(), Context(now_ns=5)) for _ in range(3)]
    assert results == ["none", "none", "order_rate"]
    assert gate.check(Request(), Top(), Context(now_ns=5 + 333_333_333)) == "order_rate"
    assert gate.check(Request(), Top(), Context(now_ns=5 + 333_333_334)) == "none"
    assert gate.check(Request(), Top(), Context(now_ns=5 + 666_666_666)) == "order_rate"
    assert gate.check(Request(), Top(), Context(now_ns=5 + 666_666_667)) == "none"
    assert gate.check(Request(), Top(), Context(now_ns=5 + SECOND)) == "none"


def test_bucket_of_one_is_not_full_a_nanosecond_early() -> None:
    gate = CGate(Limits(order_burst=1, order_rate_per_s=3))
    times_ns = [5, 5 + 333_333_333, 5 + 333_333_334]
    results = [gate.check(Request(), Top(), Context(now_ns=now_ns)) for now_ns in times_ns]
    assert results == ["none", "order_rate", "none"]


def test_clock_that_steps_back_earns_nothing() -> None:
    gate = CGate(Limits(order_burst=1, order_rate_per_s=1))
    assert gate.check(Request(), Top(), Context(now_ns=100 * SECOND)) == "none"
    assert gate.check(Request(), Top(), Context(now_ns=0)) == "order_rate"
    assert gate.check(Request(), Top(), Context(now_ns=101 * SECOND - 1)) == "order_rate"
    assert gate.check(Request(), Top(), Context(now_ns=101 * SECOND)) == "none"


def test_blocked_orders_take_no_token() -> None:
    gate = CGate(Limits(order_burst=1, order_rate_per_s=0))
    for _ in range(5):
        assert gate.check(Request(shares=0), Top(), Context()) == "order_shares"
    assert gate.check(Request(), Top(), Context()) == "none"
    assert gate.check(Request(), Top(), Context(now_ns=10**18)) == "order_rate"


def test_limits_of_zero_let_nothing_pass() -> None:
    gate = CGate(
        Limits(
            order_shares_max=0,
            notional_max=0,
            position_long_max=0,
            position_short_max=0,
            price_max=0,
            collar_permille=0,
            order_burst=0,
            order_rate_per_s=0,
            allow_unannounced=0,
        )
    )
    assert gate.result == 0
    assert gate.check(Request(), Top(), Context()) != "none"
    assert check(limits=Limits(order_burst=0)) == "order_rate"


def test_unsealed_limits_are_refused_and_leave_a_closed_gate() -> None:
    gate = CGate(Limits(), seal=False)
    assert gate.result < 0
    assert gate.check(Request(), Top(), Context()) == "limits_invalid"


def test_gate_of_zeros_is_closed() -> None:
    gate = CGate(Limits())
    gate.c = ffi.new("struct risk *")
    assert gate.check(Request(), Top(), Context()) == "limits_invalid"


def test_gate_without_a_kill_switch_is_refused() -> None:
    options = ffi.new("struct risk_options *", {"limits": c_limits(Limits())[0]})
    memory = options.memory = ffi.new("struct risk_memory *")
    assert lib.risk_init(ffi.new("struct risk *"), options) < 0
    kill = options.kill_switch = ffi.new("struct risk_kill_switch *")
    assert lib.risk_init(ffi.new("struct risk *"), options) == 0
    options.memory = ffi.NULL
    assert lib.risk_init(ffi.new("struct risk *"), options) < 0, "nor without memory"
    assert memory
    assert kill


@pytest.mark.parametrize(
    "change",
    [
        {"order_shares_max": 10**6},
        {"price_max": 1_999_999_901},
        {"collar_permille": 1001},
        {"order_burst": 10**9 + 1},
        {"order_rate_per_s": 10**9 + 1},
        {"position_long_max": 10**15 + 1},
        {"position_short_max": 2**64 - 1},
        {"allow_unannounced": 2},
    ],
)
def test_limits_out_of_bounds_are_refused_though_sealed(change: dict[str, int]) -> None:
    assert CGate(Limits(**change)).result < 0


def test_any_flipped_bit_of_the_limits_closes_the_gate() -> None:
    gate = CGate(Limits(order_burst=1000))
    raw = ffi.buffer(ffi.addressof(gate.c.limits))
    for bit in range(len(raw) * 8):
        flip = bytes([raw[bit // 8][0] ^ 1 << bit % 8])
        before = raw[bit // 8]
        raw[bit // 8] = flip
        assert gate.check(Request(), Top(), Context()) == "limits_invalid", bit
        raw[bit // 8] = before
    assert gate.check(Request(), Top(), Context()) == "none"


def test_refused_replacement_keeps_the_old_limits() -> None:
    gate = CGate(Limits())
    assert lib.risk_replace_limits(gate.c, c_limits(Limits(order_shares_max=1), seal=False), 0) < 0
    assert gate.check(Request(), Top(), Context()) == "none"
    assert lib.risk_replace_limits(gate.c, c_limits(Limits(order_shares_max=1)), 0) == 0
    assert gate.check(Request(), Top(), Context()) == "order_shares"


def test_replaced_limits_give_no_fresh_burst() -> None:
    gate = CGate(Limits(order_burst=2, order_rate_per_s=0))
    assert [gate.check(Request(), Top(), Context()) for _ in range(2)] == ["none", "none"]
    assert (
        lib.risk_replace_limits(gate.c, c_limits(Limits(order_burst=9, order_rate_per_s=1)), 50 * SECOND) == 0
    )
    assert gate.check(Request(), Top(), Context(now_ns=50 * SECOND)) == "order_rate"
    assert gate.check(Request(), Top(), Context(now_ns=51 * SECOND)) == "none"


def test_replaced_limits_keep_what_the_old_rate_has_earned() -> None:
    gate = CGate(Limits(order_burst=5, order_rate_per_s=1))
    assert [gate.check(Request(), Top(), Context(now_ns=SECOND)) for _ in range(5)] == ["none"] * 5
    assert (
        lib.risk_replace_limits(gate.c, c_limits(Limits(order_burst=9, order_rate_per_s=0)), 4 * SECOND) == 0
    )
    results = [gate.check(Request(), Top(), Context(now_ns=9 * SECOND)) for _ in range(4)]
    assert results == ["none"] * 3 + ["order_rate"]


def test_every_answer_is_counted_once() -> None:
    gate = CGate(Limits(order_burst=1, order_rate_per_s=0))
    for _ in range(3):
        gate.check(Request(), Top(), Context())
    assert list(gate.c.reasons) == [
        1 if name == "none" else 2 if name == "order_rate" else 0 for name in REASONS
    ]
