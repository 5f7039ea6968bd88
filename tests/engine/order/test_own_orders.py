"""Own orders: the whole transition table, and any message sequence against an independent model."""

from __future__ import annotations

from typing import Any

import pytest
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_orders import Orders

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
}
KINDS = {
    "accepted": lib.OWN_EVENT_ACCEPTED,
    "replaced": lib.OWN_EVENT_REPLACED,
    "canceled": lib.OWN_EVENT_CANCELED,
    "executed": lib.OWN_EVENT_EXECUTED,
    "corrected": lib.OWN_EVENT_CORRECTED,
    "broken": lib.OWN_EVENT_BROKEN,
    "rejected": lib.OWN_EVENT_REJECTED,
    "cancel_pending": lib.OWN_EVENT_CANCEL_PENDING,
    "cancel_rejected": lib.OWN_EVENT_CANCEL_REJECTED,
    "priority": lib.OWN_EVENT_PRIORITY,
    "modified": lib.OWN_EVENT_MODIFIED,
    "trade_now": lib.OWN_EVENT_TRADE_NOW,
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

    def sent(self, number: int, side: str = "B", shares: int = 100, symbol: int = 1) -> str:
        values = {
            "trigger_sequence": number,
            "price": 1,
            "shares": shares,
            "symbol": symbol,
            "side": side.encode(),
        }
        return OUTCOMES[lib.own_orders_sent(self.c, ffi.new("struct order_request *", values), b"T")]

    def apply(
        self, kind: str, number: int, *, shares: int = 0, match: int = 0, live: bool = True, side: str = "B"
    ) -> str:
        event = ffi.new("struct own_event *", {"kind": KINDS[kind], "shares": shares, "match": match})
        event.token_key = event.previous_token_key = key(number)
        event.state = b"L" if live else b"D"
        event.side = side.encode()
        return OUTCOMES[lib.own_orders_apply(self.c, event)]

    def state(self, number: int) -> str:
        order = lib.own_orders_find(self.c, key(number))
        return "free" if order == ffi.NULL else ffi.string(lib.own_order_state_name(order.state)).decode()

    def symbol(self, symbol: int = 1) -> Any:
        return lib.own_orders_symbol(self.c, symbol)


STATES = [ffi.string(lib.own_order_state_name(state)).decode() for state in range(lib.OWN_STATE_COUNT)]
EVENTS = [ffi.string(lib.own_order_event_name(event)).decode() for event in range(lib.OWN_ON_COUNT)]
EXPECTED = {
    ("pending", "accepted"): "live",
    ("pending", "accepted_dead"): "dead",
    ("pending", "rejected"): "rejected",
    ("live", "executed_part"): "partial",
    ("live", "executed_all"): "filled",
    ("live", "canceled_part"): "live",
    ("live", "canceled_all"): "canceled",
    ("partial", "executed_part"): "partial",
    ("partial", "executed_all"): "filled",
    ("partial", "canceled_part"): "partial",
    ("partial", "canceled_all"): "canceled",
    **{(s, e): s for s in ("live", "partial") for e in ("cancel_pending", "cancel_rejected", "priority")},
    **{(s, e): s for s in ("partial", "filled", "canceled") for e in ("corrected", "broken")},
}
ACCOUNTED = {
    ("pending", "executed_part"): "partial",
    ("pending", "executed_all"): "filled",
    ("pending", "canceled_part"): "live",
    ("pending", "canceled_all"): "canceled",
    **{
        (s, e): s
        for s in ("filled", "canceled", "rejected", "dead")
        for e in ("executed_part", "executed_all")
    },
    **{(s, e): s for s in ("rejected", "dead") for e in ("corrected", "broken")},
}


@pytest.mark.parametrize("state", STATES)
def test_transition_table_is_exactly_this(state: str) -> None:
    for event_index, event in enumerate(EVENTS):
        got = lib.own_order_transition(STATES.index(state), event_index)
        cell = (state, event)
        verdict = (
            lib.OWN_EXPECTED
            if cell in EXPECTED
            else lib.OWN_ACCOUNTED
            if cell in ACCOUNTED
            else lib.OWN_UNEXPECTED
        )
        next_state = EXPECTED.get(cell) or ACCOUNTED.get(cell) or state
        assert (STATES[got.next], got.verdict) == (next_state, verdict), cell


def test_table_out_of_range_stays_and_is_unexpected() -> None:
    for state, event in ((lib.OWN_STATE_COUNT, 0), (255, 255), (1, lib.OWN_ON_COUNT)):
        got = lib.own_order_transition(state, event)
        assert (got.next, got.verdict) == (state, lib.OWN_UNEXPECTED)


def reach(table: Table, state: str) -> None:
    """Order 1, 100 shares to buy, brought into `state` by the shortest usual way."""
    if state == "free":
        return
    table.sent(1)
    if state == "rejected":
        table.apply("rejected", 1)
    elif state != "pending":
        table.apply("accepted", 1, shares=100, live=state != "dead")
    if state in ("partial", "filled"):
        table.apply("executed", 1, shares=40 if state == "partial" else 100, match=7)
    elif state == "canceled":
        table.apply("canceled", 1, shares=100)
    assert table.state(1) == state


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_real_messages_walk_every_cell_of_the_table(state: str, event: str) -> None:
    table = Table()
    reach(table, state)
    discrepancies = table.c.counters.discrepancies
    open_before = table.symbol().open_buy_shares
    position_before = table.symbol().position
    kind, _, how = event.partition("_") if event.endswith(("_part", "_all", "_dead")) else (event, "", "")
    part = how == "part" and open_before != 0
    shares = (10 if part else open_before or 10) if kind in ("executed", "canceled") else 100
    match = 7 if kind in ("corrected", "broken") else 8
    has_execution = state in ("partial", "filled")
    outcome = table.apply(kind, 1, shares=shares, match=match, live=how != "dead")
    cell = (state, event)
    if state == "free":
        assert outcome == "unknown"
    elif kind in ("corrected", "broken"):
        assert outcome == ("ok" if has_execution else "unexpected")
    elif cell in EXPECTED:
        assert (outcome, table.state(1)) == ("ok", EXPECTED[cell])
    elif cell in ACCOUNTED or (state, f"{kind}_all") in ACCOUNTED:
        assert outcome == "accounted"
    else:
        assert (outcome, table.state(1)) == ("unexpected", state)
        assert (table.symbol().open_buy_shares, table.symbol().position) == (open_before, position_before)
    assert table.c.counters.discrepancies == discrepancies + (outcome != "ok")


def test_execution_after_a_cancel_is_still_in_the_position() -> None:
    table = Table()
    reach(table, "canceled")
    assert table.apply("executed", 1, shares=60, match=9) == "accounted"
    assert table.symbol().position == 60
    assert table.symbol().open_buy_shares == 0
    assert not lib.own_orders_trusted(table.c)


@pytest.mark.parametrize("kind", ["executed", "canceled"])
def test_more_shares_than_are_open_are_accounted_and_close_the_order(kind: str) -> None:
    table = Table()
    reach(table, "live")
    assert table.apply(kind, 1, shares=101, match=9) == "accounted"
    assert table.state(1) == ("filled" if kind == "executed" else "canceled")
    assert table.symbol().position == (101 if kind == "executed" else 0)
    assert table.symbol().open_buy_shares == 0


def test_broken_trade_reverses_the_position_once() -> None:
    table = Table()
    reach(table, "filled")
    assert table.symbol().position == 100
    assert table.apply("broken", 1, match=7) == "ok"
    assert (table.symbol().position, table.symbol().broken_shares) == (0, 100)
    assert table.apply("broken", 1, match=7) == "unexpected"
    assert table.symbol().position == 0


def test_correction_moves_the_position_by_the_difference() -> None:
    table = Table()
    reach(table, "filled")
    assert table.apply("corrected", 1, match=7, shares=70) == "ok"
    assert table.symbol().position == 70


def test_broken_trade_older_than_the_ring_is_unexpected_and_changes_nothing() -> None:
    table = Table(executions_max=2)
    table.sent(1)
    table.apply("accepted", 1, shares=100)
    for match in range(1, 5):
        table.apply("executed", 1, shares=10, match=match)
    assert table.apply("broken", 1, match=1) == "unexpected"
    assert table.apply("broken", 1, match=4) == "ok"
    assert table.symbol().position == 30


def test_full_table_refuses_and_stores_nothing() -> None:
    table = Table(open_max=2)
    assert [table.sent(number) for number in (1, 2, 3)] == ["ok", "ok", "full"]
    assert lib.own_orders_full(table.c)
    assert table.state(3) == "free"
    assert table.symbol().open_buy_shares == 200
    table.apply("rejected", 1)
    assert table.sent(3) == "ok"


def test_dead_order_is_recycled_only_after_dead_keep_further_deaths() -> None:
    table = Table(open_max=1, dead_keep=3)
    for number in range(1, 5):
        table.sent(number)
        table.apply("rejected", number)
        assert [table.state(old) for old in range(max(1, number - 2), number + 1)] == ["rejected"] * min(
            3, number
        )
    assert table.state(1) == "free"
    assert table.c.counters.recycled == 1
    assert table.apply("executed", 1, shares=5, match=1) == "unknown"
    assert table.c.counters.unknown_executions == 1
    assert table.symbol().position == 0


def test_token_of_another_form_is_foreign_and_no_discrepancy() -> None:
    table = Table()
    event = ffi.new("struct own_event *", {"kind": lib.OWN_EVENT_EXECUTED, "shares": 5})
    assert OUTCOMES[lib.own_orders_apply(table.c, event)] == "foreign"
    assert lib.own_orders_trusted(table.c)


def test_system_event_is_remembered() -> None:
    table = Table()
    event = ffi.new("struct own_event *", {"kind": lib.OWN_EVENT_SYSTEM, "reason": b"E"})
    assert OUTCOMES[lib.own_orders_apply(table.c, event)] == "system"
    assert table.c.system_event == b"E"


def test_withdrawn_order_leaves_no_trace_in_open_shares() -> None:
    table = Table()
    table.sent(1)
    assert lib.own_orders_withdraw(table.c, key(1))
    assert (table.state(1), table.symbol().open_buy_shares, table.c.open_count) == ("free", 0, 0)
    table.sent(2)
    table.apply("accepted", 2, shares=100)
    assert not lib.own_orders_withdraw(table.c, key(2))
    assert not lib.own_orders_withdraw(table.c, key(3))


def test_replayed_accepted_of_a_run_before_is_adopted() -> None:
    table = Table()
    values = {"kind": lib.OWN_EVENT_ACCEPTED, "shares": 30, "side": b"S", "state": b"L", "token_key": key(5)}
    event = ffi.new("struct own_event *", values)
    assert OUTCOMES[lib.own_orders_adopt(table.c, event, 7)] == "ok"
    assert table.state(5) == "live"
    assert table.symbol(7).open_sell_shares == 30
    table.apply("executed", 5, shares=30, match=1)
    assert table.symbol(7).position == -30
    assert lib.own_orders_trusted(table.c)


def test_undecodable_message_costs_the_trust() -> None:
    table = Table()
    lib.own_orders_note_undecodable(table.c)
    assert not lib.own_orders_trusted(table.c)


@pytest.mark.parametrize(
    "values",
    [{"open_max": 0}, {"dead_keep": 0}, {"executions_max": 0}, {"open_max": 2**24}, {"dead_keep": 2**32 - 1}],
)
def test_options_out_of_range_need_no_bytes(values: dict[str, int]) -> None:
    good = {"open_max": 1, "dead_keep": 1, "executions_max": 1}
    assert lib.own_orders_bytes(ffi.new("struct own_orders_options *", good | values)) == 0


def test_memory_too_small_or_crooked_is_refused() -> None:
    options = ffi.new("struct own_orders_options *", {"open_max": 1, "dead_keep": 1, "executions_max": 1})
    size = lib.own_orders_bytes(options)
    memory = ffi.new("char[]", size + 64)
    aligned = memory + (-int(ffi.cast("uintptr_t", memory)) % 64)
    table = ffi.new("struct own_orders *")
    assert lib.own_orders_init(table, options, aligned, size - 1) < 0
    assert lib.own_orders_init(table, options, aligned + 8, size) < 0


numbers = st.integers(0, 4)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), numbers, st.integers(1, 20), st.integers(1, 2)),
        st.tuples(
            st.sampled_from([*sorted(KINDS), *["accepted", "executed", "canceled"] * 6]),
            numbers,
            st.integers(1, 20),
            st.sampled_from([True, True, True, False]),  # accepted live
            st.integers(0, 2),  # how many matches ago
            st.sampled_from([False] * 9 + [True]),  # accepted on the wrong side
        ),
    ),
    min_size=10,
    max_size=80,
)


def side_of(number: int) -> str:
    return "BS"[number % 2]


@settings(max_examples=300, deadline=None)
@given(actions=actions, open_max=st.integers(1, 6), dead_keep=st.integers(1, 4))
def test_any_message_sequence_gives_what_the_model_gives(
    actions: list[tuple[Any, ...]], open_max: int, dead_keep: int
) -> None:
    table = Table(open_max=open_max, dead_keep=dead_keep, executions_max=256)
    model = Orders(open_max, dead_keep)
    matches = 0
    for action in actions:
        if action[0] == "sent":
            _, number, shares, symbol = action
            side = side_of(number)
            assert table.sent(number, side, shares, symbol) == model.sent(str(number), side, shares, symbol)
        else:
            kind, number, shares, live, back, crossed = action
            side = side_of(number + crossed)
            matches += kind == "executed"
            match = matches if kind == "executed" else max(0, matches - back)
            arguments = {"shares": shares, "match": match, "live": live, "side": side}
            assert table.apply(kind, number, **arguments) == model.apply(kind, str(number), **arguments), (
                action
            )
        for symbol in (1, 2):
            own = table.symbol(symbol)
            assert own.position == model.position[symbol]
            assert own.open_buy_shares == model.open_shares(symbol, buy=True)
            assert own.open_sell_shares == model.open_shares(symbol, buy=False)
    for number in range(5):
        order = model.orders.get(str(number))
        assert table.state(number) == (order.state if order else "free")
    assert table.c.counters.discrepancies == model.discrepancies
