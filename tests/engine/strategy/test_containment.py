"""What a strategy that is put out leaves behind: the one before goes on with its orders, and none of its own rest."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_shared import TAKER, engine
from venue_bytes import Enter, accepted, add, executed, mold, sequenced

from engine import Engine
from engine.config import BudgetConfig
from engine.strategy_check import shipped_path

ROOT = Path(__file__).parents[3]
ONE_SYMBOL = {"symbol_count": 1, "skew_ticks": 0}
OPENING = mold(1, add(1, "B", 100, 9_900), add(2, "S", 100, 10_100))

CRASHES_WHEN_TOLD = """
#include "engine/strategy/strategy_abi.h"
static uint8_t *volatile nowhere = (uint8_t *)8;
static int init(void *state, const struct tailgate_parameters *parameters, const struct tailgate_host *host)
{ (void)state, (void)parameters, (void)host; return 0; }
static void on_event(void *state, const struct tailgate_event *event, const struct tailgate_top *top,
                     struct tailgate_output *output)
{
    uint8_t *done = state;
    if (*done || top->bid_price == 0 || top->ask_price == 0)
        return;
    *done = 1;
    output->orders[0] = (struct tailgate_order){.symbol = event->symbol, .side = 'B', .price = 9800, .shares = 100,
                                                .time_in_force = 99998};
    output->count = 1;
}
static void on_own_order(void *state, const struct tailgate_own_event *event, struct tailgate_output *output)
{ (void)state, (void)event; output->count = *nowhere; }
static void forget(void *state) { (void)state; }
static const struct tailgate_strategy description = {
    TAILGATE_STRATEGY_SIZES, .state_bytes = 64, .name = "told", .version = "1", .letter = 'W', .init = init,
    .on_event = on_event, .on_own_order = on_own_order, .forget = forget};
const struct tailgate_strategy *tailgate_strategy(void) { return &description; }
"""


def requests(played: Engine) -> list[tuple[str, str]]:
    """(kind, token it is about) of every request since the last call."""
    data, found = played._runner.take_sent(), []
    while data:
        length = 2 + struct.unpack_from(">H", data)[0]
        if data[2:3] == b"U":
            found.append((chr(data[3]), data[4:18].decode()))
        data = data[length:]
    return found


def feed(played: Engine, datagram: bytes) -> list[tuple[str, str]]:
    played._runner.step(0, datagram, 0)
    return requests(played)


def later(played: Engine) -> list[tuple[str, str]]:
    played._runner.step_timer(1_000)
    return requests(played)


def entered(token: str, side: str, price: int) -> Enter:
    return Enter(token=token, side=side, shares=100, stock="ACME", price=price)


def quoting(played: Engine) -> tuple[Enter, Enter]:
    """A quoter whose bid and ask rest at the venue."""
    assert played.deploy(shipped_path("quoter"), ONE_SYMBOL) == ""
    (_, bid), (_, ask) = feed(played, OPENING)
    quotes = entered(bid, "B", 9_800), entered(ask, "S", 10_200)
    for reference, quote in enumerate(quotes, start=1):
        played.receive(accepted(quote, reference=reference))
    return quotes


def test_the_one_before_hears_of_its_orders_and_goes_on_from_there() -> None:
    with engine() as played:
        bid, _ = quoting(played)
        assert played.deploy(TAKER) == ""
        played.receive(executed(bid, 100))
        assert played.strategies()["previous"]["own_events"] == 3
        assert played.roll_back()
        ((kind, token),) = feed(played, mold(3, add(3, "B", 1, 9_900)))
        assert (kind, token[0]) == ("O", "Q"), "the bid is gone, so it is entered anew; the ask is left alone"
        assert played.strategies()["active"]["name"] == "quoter"


def test_what_it_asks_for_meanwhile_does_not_leave() -> None:
    with engine() as played:
        bid, _ = quoting(played)
        assert played.deploy(TAKER) == ""
        requests(played)
        played.receive(executed(bid, 40))
        assert requests(played) == []


def test_one_that_is_put_out_leaves_no_order_resting() -> None:
    budget = BudgetConfig(order_burst=2, order_permille=0, rejection_burst=100)
    with engine(budget=budget) as played:
        bid, ask = quoting(played)
        feed(
            played, mold(3, add(3, "B", 100, 10_000))
        )  # to be followed with a replace, for which it has no budget
        assert played.strategies()["changes"][-1]["cause"] == "orders"
        assert sorted(request for request in later(played) if request[0] == "X") == sorted(
            [("X", bid.token), ("X", ask.token)]
        )


def test_one_that_goes_by_command_keeps_its_orders() -> None:
    with engine() as played:
        quoting(played)
        assert played.roll_back()
        assert later(played) == []


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strategy that enters one order, and crashes when the venue says something of it."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "told.c").write_text(CRASHES_WHEN_TOLD)
    command = ["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}", "-o", str(folder / "told.so")]
    subprocess.run([*command, str(folder / "told.c")], check=True)
    return folder / "told.so"


def causes(played: Engine) -> list[Any]:
    return [(row["cause"], row["after"]) for row in played.strategies()["changes"]]


def test_a_crash_over_its_own_order_restores_the_one_before_and_cancels_that_order(told: Path) -> None:
    with engine() as played:
        assert played.deploy(shipped_path("quoter"), {"symbol_count": 1, "position_max": 0}) == ""
        assert played.deploy(told) == ""
        ((_, token),) = feed(played, OPENING)
        assert token[0] == "W"
        played.receive(accepted(entered(token, "B", 9_800)))
        assert causes(played)[-1] == ("crash", "quoter")
        assert ("X", token) in later(played)
        played.receive(sequenced(struct.pack(">cQ14sIc", b"C", 0, token.encode(), 100, b"U")))
        assert played.strategies()["active"]["name"] == "quoter"


def test_a_crash_of_the_one_before_leaves_the_active_one_alone(told: Path) -> None:
    with engine() as played:
        assert played.deploy(told) == ""
        ((_, token),) = feed(played, OPENING)
        assert played.deploy(TAKER) == ""
        played.receive(accepted(entered(token, "B", 9_800)))
        account = played.strategies()
        assert (account["active"]["name"], account["previous"]["generation"]) == ("touch_taker", 0)
        assert causes(played) == [("deployed", "told"), ("deployed", "touch_taker")]
        assert feed(played, mold(3, add(3, "B", 1, 9_900))) == []
        assert played.roll_back()
        assert played.strategies()["active"]["generation"] == 0
