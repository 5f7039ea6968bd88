"""Own orders: every cell of the transition table, and real messages and requests that walk them."""

from __future__ import annotations

from typing import Any

import pytest
from c_orders import Table, key, reach
from engine._engine import ffi, lib

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
