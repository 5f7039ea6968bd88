"""Strategies in shared objects inside the engine, step by step: same orders, swaps, and every way to be put out."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_against_oracle import FIRST, SMALL, STRATEGIES, adversarial, deliveries, orderly
from venue_bytes import add, mold

from engine import Engine, EngineConfig
from engine.config import BookConfig, BudgetConfig, FeedConfig, StrategiesConfig, StrategyConfig
from engine.strategy_check import shipped_path
from lab.oracle import Reset, TouchTaker, replay

TAKER = shipped_path("touch_taker")


def engine(first: int = 1, *, budget: BudgetConfig | None = None, **strategy: int) -> Engine:
    return Engine(
        EngineConfig(
            **{
                **SMALL,
                "decisions": 65_536,
                "open_orders": 65_536,
                "book": BookConfig(orders=65_536, levels=8_192),
                "feed": FeedConfig(
                    reorder_packets=128, first_sequence=first, unconfirmed_jump_messages=2**62
                ),
            },
            strategy=StrategyConfig(**strategy),
            strategies=StrategiesConfig(
                budget=budget or BudgetConfig(order_permille=4_000, rejection_burst=10**6)
            ),
        )
    )


def decided(played: Engine) -> list[tuple[Any, ...]]:
    names = ["trigger_sequence", "symbol", "side", "price", "shares", "ordinal", "reason", "line"]
    return [tuple(row) for row in played.decisions()[names].tolist()]


# The same rule twice


@settings(deadline=None, max_examples=60)
@given(st.data(), st.one_of(orderly(), adversarial()), STRATEGIES, FIRST)
def test_touch_taker_as_an_object_gives_the_orders_of_the_one_compiled_in(
    data: st.DataObject, messages: list[bytes], strategy: TouchTaker, first: int
) -> None:
    carried = data.draw(deliveries(messages, first))
    with engine(first, **vars(strategy)) as inside, engine(first) as outside:
        assert outside.deploy(TAKER, vars(strategy)) == ""
        for line, datagram in carried:
            assert inside.step(datagram, line=line) == outside.step(datagram, line=line)
        assert decided(inside) == decided(outside)
        assert outside.strategies()["active"]["generation"] == 1


@settings(deadline=None, max_examples=50)
@given(st.data(), st.one_of(orderly(), adversarial()), STRATEGIES)
def test_a_swap_and_a_rollback_are_new_beginnings_and_lose_no_message(
    data: st.DataObject, messages: list[bytes], strategy: TouchTaker
) -> None:
    """The oracle, told to begin anew where the account says, has the same orders."""
    datagrams = [mold(1 + at, *messages[at : at + 3]) for at in range(0, len(messages), 3)]
    swap, back = sorted(data.draw(st.tuples(st.integers(0, len(datagrams)), st.integers(0, len(datagrams)))))
    with engine(**vars(strategy)) as played:
        for number, datagram in enumerate(datagrams):
            if number == swap:
                assert played.deploy(TAKER, vars(strategy)) == ""
            if number == back:
                played.roll_back()
            played.step(datagram)
        changes = played.strategies()["changes"]
        resets = [Reset(position=row["sequence"], skipped_from=row["sequence"]) for row in changes]
        stream = b"".join(struct.pack(">H", len(message)) + message for message in messages)
        expected = replay(stream, strategy=strategy, resets=resets)
        assert played.decisions()["trigger_sequence"].tolist() == expected.triggers["sequence"].tolist()
        assert played.report()["feed"]["delivered"] == len(messages)


# A market that goes on for long enough


def market(count: int) -> list[bytes]:
    """Bids that improve: touch_taker triggers at every other message."""
    rows = []
    for number in range(count):
        side, price = ("S", 10_600) if number % 500 == 0 else ("B", 10_000 + number % 500)
        rows.append(add(1 + number, side, 100, price, symbol=1 + number // 500 % 8))
    return rows


def play(played: Engine, messages: list[bytes], *, first: int = 1, each: int = 4) -> list[Any]:
    orders: list[Any] = []
    for at in range(0, len(messages), each):
        orders += played.step(mold(first + at, *messages[at : at + each]), now_ns=(first + at) * 10_000)
    return orders


def last(played: Engine) -> dict[str, Any]:
    row: dict[str, Any] = played.strategies()["changes"][-1]
    return row


@pytest.mark.parametrize(
    ("name", "cause", "parameters"),
    [
        ("bad_spam", "orders", {}),
        ("bad_prices", "rejections", {}),
        ("bad_crash", "crash", {}),
        ("bad_slow", "time", {"loops": 100_000}),
        ("bad_hang", "hang", {}),
    ],
)
def test_what_breaks_a_budget_is_rolled_back_and_no_message_is_lost(
    name: str, cause: str, parameters: dict[str, int]
) -> None:
    budget = BudgetConfig(hang_ns=5_000_000, event_ns_max=20_000)
    messages = market(4_000)
    with engine(budget=budget) as played:
        play(played, messages[:1_000])
        assert played.deploy(shipped_path(name), {"after": 500, **parameters}, now_ns=10_001_000) == ""
        assert played.strategies()["active"]["name"] == name
        play(played, messages[1_000:], first=1_001)
        account = played.strategies()
        change = account["changes"][-1]
        assert (change["cause"], change["before"], change["after"]) == (cause, name, "touch_taker")
        assert account["active"]["name"] == "touch_taker"
        assert 1_500 <= change["sequence"] < 1_700
        assert played.report()["feed"]["delivered"] == 4_000
        rows = played.decisions()
        before = rows[(rows["trigger_sequence"] > 1_500) & (rows["trigger_sequence"] < change["sequence"])]
        after = rows[rows["trigger_sequence"] >= change["sequence"]]
        assert len(after) > 1_000
        assert (after["reason"] == 0).all()
        assert len(before) <= 64 + 17 * 2
        if name == "bad_crash":
            assert change["signal"] == "segmentation fault"


def test_the_order_that_empties_the_purse_does_not_leave() -> None:
    budget = BudgetConfig(order_burst=10, order_permille=0)
    with engine(budget=budget) as played:
        play(played, market(500))
        assert played.deploy(shipped_path("bad_spam"), {"after": 0}) == ""
        orders = play(played, market(600)[500:], first=501)
        change = last(played)
        assert change["cause"] == "orders"
        sent = [order for order in orders if order.trigger_sequence < change["sequence"]]
        assert len(sent) == 10
        assert len({(order.trigger_sequence, order.ordinal) for order in orders}) == len(orders)


def test_refusals_of_the_engines_own_making_cost_a_strategy_nothing() -> None:
    with engine(budget=BudgetConfig(order_permille=4_000, rejection_burst=1, rejection_permille=0)) as played:
        assert played.deploy(TAKER) == ""
        played.kill()
        assert play(played, market(800)) == []
        assert played.strategies()["active"]["name"] == "touch_taker"
        assert played.strategies()["active"]["refused"] > 100
        assert len(played.strategies()["changes"]) == 1


def test_one_slow_batch_alone_ends_nobody() -> None:
    """A core that was taken away for a while looks like a slow strategy, once."""
    with engine(budget=BudgetConfig(order_permille=4_000, event_ns_max=1_000_000)) as played:
        assert played.deploy(shipped_path("bad_slow"), {"after": 0, "loops": 10_000}) == ""
        play(played, market(400))
        assert len(played.strategies()["changes"]) == 1


# Chains


def test_the_one_before_comes_back_and_then_the_built_in_one() -> None:
    with engine() as played:
        assert played.deploy(shipped_path("quoter")) == ""
        assert played.deploy(TAKER) == ""
        assert played.strategies()["previous"]["name"] == "quoter"
        assert played.roll_back()
        assert played.strategies()["active"]["name"] == "quoter"
        assert played.roll_back()
        assert played.strategies()["active"]["generation"] == 0
        assert not played.roll_back()
        assert [row["cause"] for row in played.strategies()["changes"]] == ["deployed"] * 2 + ["operator"] * 2


def test_slots_come_back_however_often_one_deploys() -> None:
    with engine() as played:
        for _ in range(40):
            assert played.deploy(TAKER) == ""
        assert played.strategies()["active"]["generation"] == 40


def test_one_that_crashes_when_it_comes_back_gives_way_too() -> None:
    """The account holds the first rows; a full one says how many it lost."""
    with engine() as played:
        for _ in range(100):
            assert played.deploy(TAKER) == ""
        account = played.strategies()
        assert (len(account["changes"]), account["changes_lost"]) == (64, 36)


def test_the_reflector_is_not_swapped() -> None:
    with Engine(EngineConfig(**SMALL, strategy=StrategyConfig(name="reflector"))) as played:
        assert "cannot swap" in played.deploy(TAKER)


@pytest.mark.parametrize(
    ("name", "said"),
    [("bad_abi", "version 2 of the strategy interface"), ("strategy-probe", "")],
)
def test_an_object_that_does_not_fit_is_not_loaded(name: str, said: str) -> None:
    with engine() as played:
        why = played.deploy(shipped_path(name))
        assert why
        assert said in why
        assert played.strategies()["changes"] == []


def test_a_parameter_that_nobody_knows_is_refused() -> None:
    with engine() as played:
        assert "refuses the parameters" in played.deploy(TAKER, {"nonsense": 1})


def test_a_file_that_is_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("hello")
    with engine() as played:
        assert played.deploy(path)


# Planned swaps


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=30), st.integers(1, 120))
def test_a_planned_swap_comes_with_the_first_packet_that_reaches_its_message(
    sizes: list[int], position: int
) -> None:
    with engine() as played:
        assert played.plan(TAKER, position=position) == ""
        next_message = 1
        for size in sizes:
            messages = [add(next_message + i, "B", 1, 100) for i in range(size)]
            played.step(mold(next_message, *messages))
            next_message += size
        changes = played.strategies()["changes"]
        boundaries = [1]
        for size in sizes:
            boundaries.append(boundaries[-1] + size)
        reached = [at for at in boundaries if at >= position]
        assert [row["sequence"] for row in changes] == reached[:1]
        assert [row["detail"] for row in changes] == ([position] if reached else [])


def test_a_swap_can_wait_for_a_time_and_two_of_them_come_in_their_order() -> None:
    with engine() as played:
        assert played.plan(shipped_path("quoter"), at_ns=2_000, now_ns=10) == ""
        assert played.plan(TAKER, position=3, now_ns=20) == ""
        played.step(mold(1, add(1, "B", 1, 100)), now_ns=1_000)
        assert played.strategies()["changes"] == []
        played.step(mold(2, add(2, "B", 1, 100), add(3, "B", 1, 100)), now_ns=1_500)
        played.step(mold(4, add(4, "B", 1, 100)), now_ns=2_500)
        changes = played.strategies()["changes"]
        assert [(row["after"], row["sequence"]) for row in changes] == [("touch_taker", 4), ("quoter", 5)]
        assert [row["detail"] for row in changes] == [3, 0]
