"""Own orders: any sequence of messages and requests against an independent model."""

from __future__ import annotations

from typing import Any

from c_orders import KINDS, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_orders import Orders

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
        executes = what in ("executed", "executed_reference")
        matches += executes
        match = matches if executes else max(0, matches - back)
        side = side_of((previous if what == "replaced" else number) + crossed)
        if what != "replaced" and name in model.orders and not crossed:
            side = model.orders[name].side  # a chain of replacements keeps its side, whatever its numbers
        arguments = {"shares": amount, "match": match, "live": live, "side": side, "price": price}
        mine = table.apply(what, number, previous=previous, **arguments)
        assert mine == model.apply(what, name, previous=str(previous), **arguments), action
    return matches


@settings(max_examples=200, deadline=None)
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
