"""What the comparison with the model has found, one small history each, with the answer that the headers give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.config import BudgetConfig, RiskConfig
from engine.risk_table import RiskProfile, RiskSymbol
from tests.engine_oracle import itch
from tests.engine_oracle.case import QUOTER, Setup
from tests.engine_oracle.ouch import Answer, answer, cancel_packet, replace_packet, token_of
from tests.engine_oracle.strategies import PUPPET, Puppet
from tests.engine_oracle.subject import EngineSubject

MS = 1_000_000
STOCK = b"SYM1    "
DAY = 99_998
OPEN = RiskConfig(late_after_ns=0)


class Desk:
    """An engine with a puppet, a book of 99 to 101, and a venue that says what the test says."""

    def __init__(self, limits: RiskConfig, **setup: Any) -> None:
        self.engine = EngineSubject(Setup(**{"strategy": "puppet", "limits": limits, **setup}))
        self.letter = ord("Q" if setup.get("strategy") == "quoter" else "P")
        self.sequence, self.now_ns = 1, MS
        self.say(itch.directory(1, 1, STOCK), itch.state(1, 1, STOCK, "T"))
        self.say(itch.add(1, 1, 1, "B", 100, 9_900, STOCK), itch.add(1, 1, 2, "S", 100, 10_100, STOCK))

    def say(self, *messages: bytes) -> list[bytes]:
        self.now_ns += 1
        self.engine.datagram(0, self.sequence, messages, self.now_ns)
        self.sequence += len(messages)
        return self.engine.take_sent()

    def ask(self, kind: str, shares: int, price: int = 0, *, target: int = 0, side: str = "B") -> list[bytes]:
        match = Puppet.match(kind, 1, DAY, target >> 16 << 8 | (target >> 8 & 255))
        return self.say(itch.trade(PUPPET, 1, shares, price, STOCK, match, side=side))

    @property
    def last(self) -> int:
        """Key of the order that the last message asked for."""
        return (self.sequence - 1) << 16 | self.letter

    def hear(self, kind: str, key: int, **said: Any) -> None:
        self.now_ns += 1
        self.engine.answers((answer(Answer(kind=kind, token=token_of(key), **said)),), self.now_ns)

    def buy(self, shares: int = 100, price: int = 9_900) -> int:
        """A resting order that the venue has accepted."""
        assert len(self.ask("new", shares, price)) == 1
        key = self.last
        self.hear("A", key, shares=shares, price=price, time_in_force=DAY, stock=STOCK)
        return key

    def timer(self, after_ns: int = 1) -> list[bytes]:
        self.now_ns += after_ns
        self.engine.timer(self.now_ns)
        return self.engine.take_sent()

    def view(self) -> dict[str, Any]:
        return self.engine.view((), (1,))


@contextmanager
def desk(limits: RiskConfig = OPEN, **setup: Any) -> Iterator[Desk]:
    made = Desk(limits, **setup)
    try:
        yield made
    finally:
        made.engine.close()


def test_a_replacement_whose_order_dies_first_is_no_open_order_of_the_gate() -> None:
    with desk() as at:
        old = at.buy()
        assert at.ask("replace", 300, 9_900, target=old)
        assert at.view()["exposure"] == (0, 300 * 9_900, 0, 300 * 9_900, 2)
        at.hear("C", old, shares=100)
        assert at.view()["exposure"] == (0, 0, 0, 0, 0)


def test_a_replacement_adds_what_the_venue_takes_from_its_order() -> None:
    with desk() as at:
        old = at.buy()
        at.ask("replace", 100, 9_800, target=old)
        at.hear("C", old, shares=40)
        view = at.view()
        assert view["own"][1][:3] == (0, 100, 0), "sixty stand and forty more would come"
        assert view["exposure"][1] == 60 * 9_900 + 40 * 9_800


def test_shares_of_a_replace_and_of_a_cancel_are_those_that_shall_be_left() -> None:
    with desk() as at:
        order = at.buy()
        at.hear("E", order, shares=30, price=9_900, match=1)
        assert at.ask("cancel", 50, target=order) == [cancel_packet(order, 80)]
        at.hear("C", order, shares=20)
        sent = at.ask("replace", 50, 9_800, target=order)
        assert sent == [replace_packet(order, at.last, 80, 9_800, DAY)]
        made = at.last
        at.hear("U", made, shares=50, price=9_800, time_in_force=DAY, stock=STOCK, previous=token_of(order))
        assert at.view()["own"][1] == (30, 50, 0, 9_800, 0)


def test_a_replace_that_cannot_be_done_is_not_asked_of_the_gate() -> None:
    with desk(RiskConfig(late_after_ns=0, message_burst=3, message_rate_per_s=0)) as at:
        order = at.buy()
        at.ask("replace", 100, 9_800, target=order)
        for _ in range(3):
            assert at.ask("replace", 100, 9_700, target=order) == [], "one at a time"
        assert at.view()["passed"] == 2
        assert len(at.ask("new", 100, 9_900)) == 1, "the third token is still there"


def test_cancels_of_a_kill_take_message_tokens() -> None:
    with desk(RiskConfig(late_after_ns=0, message_burst=3, message_rate_per_s=0)) as at:
        orders = [at.buy(), at.buy(price=9_800)]
        at.engine.kill_symbol(1, True)
        assert at.timer() == [cancel_packet(order, 0) for order in orders]
        at.engine.kill_symbol(1, False)
        assert at.ask("new", 100, 9_900) == []
        assert at.view()["answers"] == {"message_rate": 1}


def test_a_cancel_leaves_the_part_of_a_token_that_it_finds() -> None:
    with desk(RiskConfig(late_after_ns=0, message_burst=1, message_rate_per_s=1)) as at:
        order = at.buy()
        at.timer(600 * MS)
        assert len(at.ask("cancel", 0, target=order)) == 1
        at.hear("C", order, shares=100)
        at.timer(500 * MS)
        assert len(at.ask("new", 100, 9_900)) == 1, "sixty hundredths and fifty more"


def test_a_mass_cancel_does_not_mean_orders_that_are_sent_later() -> None:
    with desk() as at:
        old = at.buy()
        at.engine.kill_symbol(1, True)
        assert at.timer() == [cancel_packet(old, 0)]
        at.engine.kill_symbol(1, False)
        at.buy()
        assert at.timer() == at.timer() == []
        at.hear("I", old)
        assert at.timer() == [cancel_packet(old, 0)], "the old one goes on being meant"


def test_the_kill_of_another_strategy_cancels_nothing() -> None:
    with desk() as at:
        order = at.buy()
        at.engine.kill_strategy(ord("T"), True)
        assert at.timer() == []
        at.engine.kill_strategy(ord("P"), True)
        assert at.timer() == [cancel_packet(order, 0)]


def test_an_execution_that_finds_a_broken_profile_trips_the_gate_whatever_is_watched() -> None:
    small = RiskConfig(
        late_after_ns=0,
        profiles={"profile0": RiskProfile(position_max=1_000)},
        symbols=(RiskSymbol(locate=1, profile="profile0"),),
    )
    for what in ("profile0", 1):
        with desk(small) as at:
            order = at.buy()
            at.engine.corrupt(what, 3, 7)
            at.hear("E", order, shares=10, price=9_900, match=1)
            assert at.view()["tripped"] == "limits_invalid"


def quoting() -> tuple[tuple[str, int], ...]:
    return tuple((dict(QUOTER) | {"width_ticks": 0, "skew_ticks": 0, "retry_messages": 1}).items())


def test_the_quoter_keeps_a_quote_whose_replacement_was_rejected() -> None:
    with desk(strategy="quoter", quoter=quoting()) as at:
        at.engine.take_sent()
        bid = at.last
        at.hear("A", bid, shares=100, price=9_900, time_in_force=DAY, stock=STOCK)
        assert at.say(itch.add(1, 1, 3, "B", 100, 10_000, STOCK))[0] == replace_packet(
            bid, at.last, 100, 10_000, DAY
        )
        at.hear("J", at.last, reason="O")
        (again,) = at.say(itch.add(1, 1, 4, "B", 100, 9_800, STOCK))
        assert again == replace_packet(bid, at.last, 100, 10_000, DAY), "no second bid beside the first"


def test_an_execution_with_a_reference_price_is_an_execution_to_a_strategy() -> None:
    with desk(strategy="quoter", quoter=quoting()) as at:
        bid = at.last
        at.hear("A", bid, shares=100, price=9_900, time_in_force=DAY, stock=STOCK)
        at.hear("G", bid, shares=100, price=9_900, match=1)
        (new,) = at.say(itch.add(1, 1, 3, "S", 100, 10_200, STOCK))
        assert new[2:4] == b"UO", "the quote is gone, so another is asked for"


def test_refusals_that_are_the_engines_own_state_do_not_cost_a_strategy_its_place() -> None:
    budget = BudgetConfig(event_ns_max=10**9, hang_ns=400 * MS, rejection_burst=1, rejection_permille=0)
    with desk(budget=budget) as at:
        at.engine.kill_symbol(1, True)
        at.engine.kill_strategy(ord("P"), True)
        for _ in range(4):
            at.ask("new", 100, 9_900)
        at.engine.kill_symbol(1, False)
        for _ in range(4):
            at.ask("new", 100, 9_900)
        at.engine.withdraw()
        for _ in range(4):
            at.ask("new", 100, 9_900)
        assert at.view()["answers"] == {"kill_symbol": 4, "kill_strategy": 4, "limits_missing": 4}
        assert at.engine.engine.strategies()["active"]["name"] == "puppet"
