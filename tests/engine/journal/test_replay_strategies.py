"""Strategies in shared objects, replayed: every callback, every way to break, and an object that is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from venue_bytes import Enter, accepted, add, executed, mold

from engine import Engine, EngineConfig, Order
from engine.binding import OBJECTS
from engine.config import BookConfig, BudgetConfig, JournalConfig, StrategiesConfig
from engine.replay import JournalUnreadableError, replay
from engine.strategy_check import shipped_path
from lab.strategy.command import build

MS = 1_000_000
EVERY_CALLBACK = """
#include "engine/strategy/strategy_abi.h"

struct state { uint64_t events, fills, refused, ticks; };

static int init(void *memory, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{
    (void)memory, (void)parameters, (void)host;
    return 0;
}

static void ask(struct tailgate_output *output, char side, uint32_t price, uint32_t shares)
{
    output->orders[output->count++] =
        (struct tailgate_order){.price = price, .shares = shares, .symbol = 1, .side = side};
}

static void on_event(void *memory, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    struct state *state = memory;
    (void)event;
    if (++state->events % 7 == 0 && top->bid_price && top->ask_price)
        ask(output, 'B', top->bid_price, (uint32_t)(1 + state->ticks % 5));
}

static void on_own_order(void *memory, const struct tailgate_own_event *event, struct tailgate_output *output)
{
    struct state *state = memory;
    if (event->kind == 2 && ++state->fills)
        ask(output, 'S', event->price + 100, event->shares);
}

static void on_timer(void *memory, uint64_t now_ns, struct tailgate_output *output)
{
    struct state *state = memory;
    if (++state->ticks % 3 == 0)
        ask(output, 'B', 9000, (uint32_t)(1 + now_ns / 1000000 % 50));
}

static void on_refused(void *memory, uint64_t id, const struct tailgate_order *order, uint32_t reason)
{
    struct state *state = memory;
    (void)id, (void)order;
    state->refused += reason;
}

static void forget(void *memory)
{
    ((struct state *)memory)->events = 0;
}

static const struct tailgate_strategy description = {
    TAILGATE_STRATEGY_SIZES, .state_bytes = sizeof(struct state), .name = "every_callback", .version = "1",
    .letter = 'E', .init = init, .on_event = on_event, .on_own_order = on_own_order, .on_timer = on_timer,
    .on_refused = on_refused, .forget = forget,
};

const struct tailgate_strategy *tailgate_strategy(void)
{
    return &description;
}
"""


def recorded(path: Path, budget: BudgetConfig | None = None) -> Engine:
    return Engine(
        EngineConfig(
            decisions=4_096,
            open_orders=1_024,
            book=BookConfig(orders=4_096, levels=1_024),
            strategies=StrategiesConfig(budget=budget or BudgetConfig(order_permille=4_000)),
            journal=JournalConfig(path=path, ring_bytes=1 << 22),
        )
    )


def market(engine: Engine, first: int, count: int) -> list[Order]:
    sent: list[Order] = []
    for i in range(first, first + count):
        message = add(i, "BS"[i % 2], 100, 10_000 + (i % 2) * 100 - i % 13)
        sent += engine.step(mold(i, message), now_ns=i * MS // 2)
        sent += engine.timer(now_ns=i * MS // 2 + 1)
    return sent


def answer(engine: Engine, orders: list[Order], now_ns: int) -> None:
    for order in orders:
        enter = Enter(
            token=order.raw[4:18].decode(),
            side=order.side,
            shares=order.shares,
            stock=order.stock.ljust(8),
            price=order.price,
        )
        engine.receive(accepted(enter) + executed(enter, order.shares), now_ns=now_ns)


def test_every_callback_of_an_own_strategy_replays(tmp_path: Path) -> None:
    source, path = tmp_path / "own.c", tmp_path / "own.journal"
    source.write_text(EVERY_CALLBACK)
    made = build(source, tmp_path / "own.so")
    with recorded(path) as engine:
        orders = market(engine, 1, 40)
        assert engine.deploy(made, {}, now_ns=20 * MS) == ""
        orders += market(engine, 41, 200)
        answer(engine, orders, now_ns=121 * MS)
        orders += market(engine, 250, 100)
        active = engine.strategies()["active"]
        letters = {order.raw[4:5] for order in orders}
    assert min(active["events"], active["own_events"], active["timers"], active["orders"]) > 10
    assert letters == {b"T", b"E"}
    replayed = replay(path)
    assert (replayed.outcome, replayed.problem, replayed.counts["orders"]) == ("equal", "", len(orders))
    made.unlink()
    assert replay(path).outcome == "equal", "the copy beside the journal is enough"
    shutil.rmtree(tmp_path / OBJECTS)
    with pytest.raises(
        JournalUnreadableError, match=r"strategy every_callback 1 with sha256 [0-9a-f]{64} is neither"
    ):
        replay(path)


def test_an_object_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "own.journal"
    with recorded(path) as engine:
        assert engine.deploy(shipped_path("quoter"), {}) == ""
        market(engine, 1, 20)
    (kept,) = (tmp_path / OBJECTS).iterdir()
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    assert replay(path).outcome == "equal", "the object is still where it came from"
    elsewhere = path.read_bytes().replace(b"/quoter.so", b"/quoter.xx")
    path.write_bytes(elsewhere)
    assert replay(path).exit_code == 1, "and a journal that was edited is no evidence"


@pytest.mark.parametrize(
    ("name", "parameters", "cause"),
    [
        ("bad_crash", {"after": 30}, "crash"),
        ("bad_hang", {"after": 30}, "hang"),
        ("bad_spam", {"after": 30}, "orders"),
        ("bad_slow", {"after": 30, "loops": 1_000_000}, "time"),
        ("bad_prices", {"after": 30}, "rejections"),
    ],
)
def test_a_strategy_that_breaks_replays_to_the_same_rollback(
    tmp_path: Path, name: str, parameters: dict[str, int], cause: str
) -> None:
    path = tmp_path / "bad.journal"
    with recorded(path, BudgetConfig()) as engine:
        market(engine, 1, 20)
        assert engine.deploy(shipped_path("quoter"), {}, now_ns=10 * MS) == ""
        assert engine.deploy(shipped_path(name), parameters, now_ns=10 * MS) == ""
        market(engine, 21, 200)
        changes = [row["cause"] for row in engine.strategies()["changes"]]
    assert changes == ["deployed", "deployed", cause]
    replayed = replay(path)
    assert (replayed.outcome, replayed.problem) == ("equal", "")
