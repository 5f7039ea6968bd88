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
    lib.OWN_ORDERS_REFUSED: "refused",
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


STATES = [ffi.string(lib.own_order_state_name(state)).decode() for state in range(lib.OWN_STATE_COUNT)]
EVENTS = [ffi.string(lib.own_order_event_name(event)).decode() for event in range(lib.OWN_ON_COUNT)]
UNANSWERED = {
    "pending": ("live", "partial"),
    "pending_new_cancel": ("pending_cancel", "pending_cancel_partial"),
}
KNOWN = {  # state: (with shares executed, back on cancel rejected, back on replace rejected)
    "live": ("partial", "live", ""),
    "partial": ("partial", "partial", ""),
    "pending_cancel": ("pending_cancel_partial", "live", "pending_cancel"),
    "pending_cancel_partial": ("pending_cancel_partial", "partial", "pending_cancel_partial"),
    "pending_replace": ("pending_replace_partial", "pending_replace", "live"),
    "pending_replace_partial": ("pending_replace_partial", "pending_replace_partial", "partial"),
}
DEAD = ("filled", "canceled", "rejected", "dead", "replaced")
NOTICES = ("canceled_part", "cancel_pending", "priority", "modified", "trade_now", "restated")


def expected_cells() -> dict[tuple[str, str], str]:
    cells = {}
    for state, (alive, _) in UNANSWERED.items():
        cells |= {
            (state, "accepted"): alive,
            (state, "accepted_dead"): "dead",
            (state, "rejected"): "rejected",
        }
        cells[state, "abandoned"] = "dead"
    cells["pending", "cancel_sent"] = "pending_new_cancel"
    for state, (part, unsaid, stands) in KNOWN.items():
        cells |= {(state, "executed_part"): part, (state, "executed_all"): "filled"}
        cells |= {(state, "canceled_all"): "canceled", (state, "cancel_rejected"): unsaid}
        cells |= {(state, notice): state for notice in NOTICES}
        suffix = "_partial" if part == state else ""
        if state in ("live", "partial"):
            cells |= {(state, "replace_sent"): f"pending_replace{suffix}", (state, "modify_sent"): state}
        else:
            cells |= {(state, "replaced"): "replaced", (state, "replace_rejected"): stands}
        if "cancel" not in state:
            cells[state, "cancel_sent"] = f"pending_cancel{suffix}"
        if part == state:
            cells |= {(state, "corrected"): state, (state, "broken"): state}
    for state in ("filled", "canceled", "replaced"):
        cells |= {(state, "corrected"): state, (state, "broken"): state}
    return cells


def accounted_cells() -> dict[tuple[str, str], str]:
    cells = {(state, "replaced"): "replaced" for state in (*UNANSWERED, "live", "partial")}
    for state, (alive, part) in UNANSWERED.items():
        cells |= {(state, "executed_part"): part, (state, "executed_all"): "filled"}
        cells |= {(state, "canceled_part"): alive, (state, "canceled_all"): "canceled"}
    for state in DEAD:
        cells |= {(state, "executed_part"): state, (state, "executed_all"): state}
    for state in ("rejected", "dead"):
        cells |= {(state, "corrected"): state, (state, "broken"): state}
    return cells


EXPECTED, ACCOUNTED = expected_cells(), accounted_cells()


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


MESSAGES = [
    event for event in EVENTS if event not in ("abandoned", "replace_rejected") and "_sent" not in event
]


@pytest.mark.parametrize("event", MESSAGES)
@pytest.mark.parametrize("state", STATES)
def test_real_messages_walk_every_cell_of_the_table(state: str, event: str) -> None:
    table = Table()
    reach(table, state)
    discrepancies = table.c.counters.discrepancies
    order = lib.own_orders_find(table.c, key(1))
    open_before = 0 if order == ffi.NULL else order.open_shares
    sums = (table.symbol().open_buy_shares, table.symbol().position)
    kind, _, how = event.partition("_") if event.endswith(("_part", "_all", "_dead")) else (event, "", "")
    part = how == "part" and open_before != 0
    shares = (10 if part else open_before or 10) if kind in ("executed", "canceled") else 100
    match = 7 if kind in ("corrected", "broken") else 8
    has_execution = state in ("partial", "filled") or state.endswith("_partial")
    arguments: dict[str, Any] = {"shares": shares, "match": match, "live": how != "dead"}
    number, previous = (2, 1) if kind == "replaced" else (1, None)
    outcome = table.apply(kind, number, previous=previous, **arguments)
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
        assert (table.symbol().open_buy_shares, table.symbol().position) == sums
    assert table.c.counters.discrepancies == discrepancies + (outcome != "ok")


@pytest.mark.parametrize("state", STATES)
def test_what_is_sent_is_refused_where_the_table_says_so(state: str) -> None:
    for event in ("cancel_sent", "replace_sent", "modify_sent"):
        table = Table()
        reach(table, state)
        discrepancies = table.c.counters.discrepancies
        if event == "cancel_sent":
            outcome = table.cancel_sent(1)
        elif event == "replace_sent":
            outcome = table.replace_sent(1, 3, 90)
        else:
            outcome = table.modify_sent(1, 90)
        if state == "free":
            assert outcome == "unknown"
        elif (state, event) in EXPECTED:
            assert (outcome, table.state(1)) == ("ok", EXPECTED[state, event])
        else:
            assert outcome in ("refused", "invalid")
            assert (table.state(1), table.state(3)) == (state, "free")
        assert table.c.counters.discrepancies == discrepancies


def test_a_replacement_counts_for_what_it_adds_and_moves_the_shares_when_it_comes() -> None:
    table = Table()
    reach(table, "partial")  # 100 sent, 40 executed
    assert table.replace_sent(1, 2, 200, price=5) == "ok"
    assert table.symbol().open_buy_shares == 160  # 60 are open; 160 would be
    assert (table.state(1), table.state(2)) == ("pending_replace_partial", "pending")
    assert table.apply("replaced", 2, previous=1, shares=160, price=5) == "ok"
    assert (table.state(1), table.state(2)) == ("replaced", "live")
    assert (table.symbol().open_buy_shares, table.symbol().open_buy_orders) == (160, 1)
    assert lib.own_orders_find(table.c, key(2)).chain_shares == 40


def test_a_replacement_whose_order_is_executed_first_is_abandoned() -> None:
    table = Table()
    reach(table, "pending_replace")
    assert table.apply("executed", 1, shares=100, match=7) == "ok"
    assert (table.state(1), table.state(2)) == ("filled", "dead")
    assert (table.symbol().open_buy_shares, table.symbol().position) == (0, 100)
    assert table.c.counters.abandoned == 1


def test_a_rejected_replacement_leaves_the_order_as_it_was() -> None:
    table = Table()
    reach(table, "pending_replace_partial")
    assert table.apply("rejected", 2) == "ok"
    assert (table.state(1), table.state(2)) == ("partial", "rejected")
    assert table.symbol().open_buy_shares == 60
    assert table.cancel_sent(1) == "ok"


def test_best_own_prices_are_those_of_orders_that_may_rest() -> None:
    table = Table()
    assert table.sent(1, "B", price=100, rests=True) == "ok"
    table.sent(2, "B", price=101)  # immediate or cancel
    table.sent(3, "B", price=99, rests=True)
    table.sent(4, "S", price=105, rests=True)
    table.sent(5, "T", price=104, rests=True)
    own = table.symbol()
    assert (own.own_best_bid, own.own_best_ask) == (100, 104)
    assert (own.open_buy_orders, own.open_sell_orders) == (3, 2)
    table.apply("rejected", 1)
    table.apply("accepted", 5, side="T", shares=100, price=106)
    assert (own.own_best_bid, own.own_best_ask) == (99, 105)
    table.apply("rejected", 3)
    assert (own.own_best_bid, own.own_best_ask) == (0, 105)


def mass(table: Table) -> list[int]:
    """Sequences of the orders that a mass cancel yields now; each is noted."""
    found = []
    while True:
        token_key = lib.own_orders_cancel_next(table.c)
        if token_key == 0:
            return found
        assert lib.own_orders_cancel_sent(table.c, token_key) == lib.OWN_ORDERS_OK
        found.append(token_key >> 16)


def test_a_mass_cancel_takes_what_is_meant_and_says_when_all_is_acknowledged() -> None:
    table = Table(open_max=8)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_NONE
    for number, symbol in enumerate((1, 1, 2, 1), start=1):
        table.sent(number, symbol=symbol)
        table.apply("accepted", number, shares=100)
    table.replace_sent(4, 5, 100)
    lib.own_orders_cancel_all(table.c, 1, b"T")
    assert mass(table) == [1, 2, 4, 5]
    assert mass(table) == []
    table.apply("canceled", 1, shares=100)
    table.apply("executed", 2, shares=100, match=1)  # it crossed the cancel
    assert (
        table.apply("replaced", 5, previous=4, shares=100) == "ok"
    )  # so did this; its own cancel is on its way
    assert table.state(5) == "pending_cancel"
    assert mass(table) == []
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_UNDER_WAY
    table.apply("cancel_pending", 5)
    mass(table), mass(table)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_HELD
    table.apply("canceled", 5, shares=100)
    mass(table), mass(table)
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_ACKNOWLEDGED
    assert table.state(3) == "live"


def test_a_mass_cancel_of_another_strategy_takes_nothing() -> None:
    table = Table()
    table.sent(1)
    lib.own_orders_cancel_all(table.c, lib.OWN_CANCEL_ALL_SYMBOLS, b"Q")
    assert mass(table) == []
    assert lib.own_orders_cancel_state(table.c) == lib.OWN_CANCEL_ACKNOWLEDGED


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
shares = st.integers(1, 20)
prices = st.integers(1, 6)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), numbers, shares, st.integers(1, 2), prices, st.booleans()),
        st.tuples(st.just("cancel_sent"), numbers),
        st.tuples(st.just("replace_sent"), numbers, numbers, shares, prices),
        st.tuples(st.just("modify_sent"), numbers, shares, st.sampled_from(["", "B", "S", "T"])),
        st.tuples(
            st.sampled_from([*sorted(KINDS), *["accepted", "executed", "canceled", "replaced"] * 6]),
            numbers,
            shares,
            st.sampled_from([True, True, True, False]),  # accepted live
            st.integers(0, 2),  # how many matches ago
            st.sampled_from([False] * 9 + [True]),  # on the wrong side
            prices,
            numbers,  # replaced: which
        ),
    ),
    min_size=10,
    max_size=80,
)


def side_of(number: int) -> str:
    return "BS"[number % 2]


def perform(table: Table, model: Orders, action: tuple[Any, ...], matches: int) -> int:
    """Does the same to both; they must say the same. Returns the number of executions so far."""
    what, number = action[:2]
    name = str(number)
    if what == "sent":
        assert table.sent(number, side_of(number), *action[2:]) == model.sent(
            name, side_of(number), *action[2:]
        )
    elif what == "cancel_sent":
        assert table.cancel_sent(number) == model.cancel_sent(name)
    elif what == "replace_sent":
        assert table.replace_sent(*action[1:]) == model.replace_sent(name, str(action[2]), *action[3:])
    elif what == "modify_sent":
        assert table.modify_sent(*action[1:]) == model.modify_sent(name, *action[2:])
    else:
        _, _, amount, live, back, crossed, price, previous = action
        matches += what == "executed"
        match = matches if what == "executed" else max(0, matches - back)
        side = side_of((previous if what == "replaced" else number) + crossed)
        if what != "replaced" and name in model.orders and not crossed:
            side = model.orders[name].side  # a chain of replacements keeps its side, whatever its numbers
        arguments = {"shares": amount, "match": match, "live": live, "side": side, "price": price}
        mine = table.apply(what, number, previous=previous, **arguments)
        assert mine == model.apply(what, name, previous=str(previous), **arguments), action
    return matches


@settings(max_examples=400, deadline=None)
@given(actions=actions, open_max=st.integers(1, 6), dead_keep=st.integers(1, 4))
def test_any_message_sequence_gives_what_the_model_gives(
    actions: list[tuple[Any, ...]], open_max: int, dead_keep: int
) -> None:
    table = Table(open_max=open_max, dead_keep=dead_keep, executions_max=256)
    model = Orders(open_max, dead_keep)
    matches = 0
    for action in actions:
        matches = perform(table, model, action, matches)
        for symbol in (1, 2):
            own = table.symbol(symbol)
            assert own.position == model.position[symbol]
            assert own.open_buy_shares == model.open_shares(symbol, buy=True)
            assert own.open_sell_shares == model.open_shares(symbol, buy=False)
            assert own.open_buy_orders == model.open_count(symbol, buy=True)
            assert own.open_sell_orders == model.open_count(symbol, buy=False)
            assert own.own_best_bid == model.best(symbol, buy=True)
            assert own.own_best_ask == model.best(symbol, buy=False)
        for number in range(5):
            order = model.orders.get(str(number))
            assert table.state(number) == (order.state if order else "free")
    assert table.c.counters.discrepancies == model.discrepancies
