"""The engine end to end, a datagram at a time: what leaves is read back by the venue's own formats."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from venue_bytes import (
    Enter,
    accepted,
    add,
    canceled,
    delete,
    enters_in,
    executed,
    heartbeat,
    itch,
    mold,
    rejected,
    replace,
    sequenced,
    trading_state,
)

from engine import Engine, EngineConfig
from engine.config import (
    BookConfig,
    FeedConfig,
    RecoveryConfig,
    RiskConfig,
    SnapshotConfig,
    StrategyConfig,
)

MS = 1_000_000
KILL_OFFSET = 12  # of the kill switch in the control page
ANSWER_NS = 50 * MS

BOOK = (add(1, "B", 100, 10_000), add(2, "S", 100, 10_100))  # both sides, leaning to neither
RAISE = add(3, "B", 100, 10_050)  # a better bid: buy at the ask
LOWER = add(4, "S", 100, 10_075)  # a better ask: sell at the bid


@contextmanager
def stepping(**config: Any) -> Iterator[Engine]:
    small: dict[str, Any] = {
        "decisions": 1_024,
        "open_orders": 64,
        "book": BookConfig(orders=4_096, levels=1_024),
    }
    small["feed"] = FeedConfig(delivery="best_effort", unconfirmed_jump_messages=2**62)
    with Engine(EngineConfig(**{**small, **config})) as engine:
        yield engine


def orders(engine: Engine, datagram: bytes, **where: Any) -> list[Enter]:
    """Orders that a datagram causes, read from their bytes; Engine's own reading must be the same."""
    said = engine.step(datagram, **where)
    read = list(enters_in(b"".join(order.raw for order in said)))
    for mine, theirs in zip(said, read, strict=True):
        assert theirs.token == f"{theirs.token[0]}{mine.trigger_sequence:012X}{mine.ordinal}"
        assert (theirs.side, theirs.shares, theirs.price) == (mine.side, mine.shares, mine.price)
        assert theirs.stock.rstrip() == mine.stock
    return read


def reasons(engine: Engine) -> list[str]:
    names = engine.report()["reason_names"]
    return [names[int(row["reason"])] for row in engine.decisions()]


# From a packet to an order


def test_a_better_bid_buys_at_the_ask() -> None:
    with stepping() as engine:
        assert orders(engine, mold(1, *BOOK)) == []
        (order,) = orders(engine, mold(3, RAISE))
        assert order == Enter(token="T0000000000030", side="B", shares=100, stock="ACME    ", price=10_100)
        assert engine.top(1) == (10_050, 100, 10_100, 100)


def test_a_better_ask_sells_at_the_bid() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        (order,) = orders(engine, mold(3, LOWER))
        assert order == Enter(token="T0000000000030", side="S", shares=100, stock="ACME    ", price=10_000)


def test_an_order_takes_no_more_than_is_displayed_nor_than_it_may() -> None:
    with stepping(strategy=StrategyConfig(order_shares=70)) as engine:
        orders(engine, mold(1, *BOOK))
        assert [order.shares for order in orders(engine, mold(3, RAISE))] == [70]
        orders(engine, mold(4, add(5, "S", 30, 10_090), add(6, "B", 20, 10_000)))
        assert [order.shares for order in orders(engine, mold(6, add(7, "B", 30, 10_060)))] == [30]


def test_two_triggers_of_one_datagram_leave_in_their_order() -> None:
    with stepping() as engine:
        found = orders(engine, mold(1, *BOOK, RAISE, LOWER))
        assert [order.token for order in found] == ["T0000000000030", "T0000000000040"]
        assert [order.side for order in found] == ["B", "S"]


def test_symbols_do_not_touch_each_other() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        touches = ((8, "B", 500), (9, "S", 510), (10, "B", 505))
        other = [add(*touch[:2], 100, touch[2], symbol=2, stock="OTHER") for touch in touches]
        assert orders(engine, mold(3, *other[:2])) == []
        (order,) = orders(engine, mold(5, other[2]))
        assert (order.stock, order.price) == ("OTHER   ", 510)
        assert engine.top(1) == (10_000, 100, 10_100, 100)


def test_a_replace_to_no_shares_takes_the_order_out_and_is_heard_of() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK, add(8, "S", 5, 10_100)))
        (order,) = orders(engine, mold(4, replace(2, 9, 0, 10_100)))  # the top leans to the bid now
        assert (order.side, order.price, order.shares) == ("B", 10_100, 5)
        assert engine.top(1) == (10_000, 100, 10_100, 5)


def test_a_book_row_says_where_an_order_stands() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK, add(5, "B", 7, 10_000), delete(1), replace(2, 6, 40, 10_200)))
        rows = [tuple(row) for row in engine.book().tolist()]
        assert rows == [(1, b"B", 10_000, 0, 5, 7), (1, b"S", 10_200, 0, 6, 40)]


# Two lines


def test_the_same_packet_on_both_lines_gives_one_order() -> None:
    with stepping() as engine:
        for line in "AB":
            orders(engine, mold(1, *BOOK), line=line)
        found = orders(engine, mold(3, RAISE), line="B") + orders(engine, mold(3, RAISE), line="A")
        assert len(found) == 1
        assert engine.decisions()["line"].tolist() == [1], "line B was first"


def test_the_other_line_fills_a_hole_and_no_order_is_missed() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        assert orders(engine, mold(4, LOWER)) == [], "message 3 is missing"
        found = orders(engine, mold(3, RAISE), line="B")
        assert [order.token for order in found] == ["T0000000000030", "T0000000000040"]
        assert engine.feed_state == "LIVE"


# Fail closed


def test_after_a_gap_no_order_leaves_and_the_reason_is_kept() -> None:
    with stepping(
        feed=FeedConfig(delivery="best_effort", unconfirmed_jump_messages=2**62, hold_back_ns=MS)
    ) as engine:
        orders(engine, mold(1, *BOOK), now_ns=1)
        assert orders(engine, mold(4, RAISE), now_ns=2) == []
        assert engine.timer(now_ns=2 + MS) == []
        assert engine.feed_state == "GAP"
        assert orders(engine, mold(5, LOWER), now_ns=3 + MS) == []
        assert reasons(engine) == ["feed_not_live", "feed_not_live"]
        assert set(engine.decisions()["feed_state"].tolist()) == {3}


def test_silent_lines_stop_orders_until_the_feed_is_heard_again() -> None:
    with stepping(
        feed=FeedConfig(delivery="best_effort", unconfirmed_jump_messages=2**62, line_silence_ns=MS)
    ) as engine:
        orders(engine, mold(1, *BOOK), now_ns=1)
        engine.timer(now_ns=3 * MS)
        assert engine.feed_state == "DOWN"
        assert len(orders(engine, mold(3, RAISE), now_ns=4 * MS)) == 1, "nothing was missed"
        assert engine.feed_state == "LIVE"


def test_the_end_of_the_session_ends_orders() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        orders(engine, heartbeat(3, end=True))
        assert engine.feed_state == "ENDED"
        assert orders(engine, mold(3, RAISE)) == []


def trigger(engine: Engine) -> None:
    engine.step(mold(1, *BOOK, RAISE))


def gap(engine: Engine) -> None:
    engine.step(mold(1, *BOOK))
    engine.step(mold(4, RAISE), now_ns=MS)
    engine.timer(now_ns=9 * MS)


def overfull_book(engine: Engine) -> None:
    engine.step(mold(1, *BOOK, add(7, "B", 1, 9_000), add(8, "B", 1, 9_001), RAISE))
    engine.step(mold(6, delete(7), delete(8), add(9, "B", 100, 10_060)))


def halted(engine: Engine) -> None:
    engine.step(mold(1, trading_state("T"), *BOOK, trading_state("H"), RAISE))


def late(engine: Engine) -> None:
    engine._runner._engine.late = True
    trigger(engine)


def stray_write(engine: Engine) -> None:
    engine._runner._engine.risk.limits.notional_max += 1
    trigger(engine)


def nameless(engine: Engine) -> None:
    touches = ((1, "B", 10_000), (2, "S", 10_100), (3, "B", 10_050))
    engine.step(mold(1, *(add(number, side, 100, price, stock="") for number, side, price in touches)))


def twice(engine: Engine) -> None:
    engine.step(mold(1, *BOOK, RAISE, LOWER))


def nonsense_answer(engine: Engine) -> None:
    engine.receive(sequenced(b"?"))
    trigger(engine)


def mismatched(engine: Engine) -> None:
    engine.step(mold(1, *BOOK, delete(1, symbol=2), add(9, "B", 100, 10_000), RAISE))


ONE_ORDER = RiskConfig(order_burst=1, order_rate_per_s=1)
REASONS: dict[str, tuple[dict[str, Any], Callable[[Engine], None]]] = {
    "none": ({}, trigger),
    "feed_not_live": ({}, gap),
    "book_incomplete": ({"book": BookConfig(orders=3, levels=64)}, overfull_book),
    "book_incomplete for a message that names another symbol than its order's": ({}, mismatched),
    "late": ({}, late),
    "session_down": ({}, nonsense_answer),
    "halted": ({}, halted),
    "order_shares": ({"risk": RiskConfig(order_shares_max=0)}, trigger),
    "notional": ({"risk": RiskConfig(notional_max=100 * 10_100 - 1)}, trigger),
    "price_invalid": ({"risk": RiskConfig(price_max=10_099)}, trigger),
    "collar": ({"risk": RiskConfig(collar_permille=0)}, trigger),
    "position": ({"risk": RiskConfig(position_max=99)}, trigger),
    "order_rate": ({"risk": ONE_ORDER}, twice),
    "own_orders_full": ({"open_orders": 1}, twice),
    "limits_invalid": ({}, stray_write),
    "request_invalid": ({}, nameless),
}


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_reached_counted_and_logged(reason: str) -> None:
    config, happen = REASONS[reason]
    reason = reason.partition(" ")[0]
    with stepping(**config) as engine:
        happen(engine)
        assert reasons(engine)[-1] == reason
        report = engine.report()
        assert report["risk"][reason] >= 1
        assert report["loop"]["orders"] == report["risk"]["none"]
        assert report["loop"]["triggers"] == len(engine.decisions())


def test_an_unannounced_symbol_is_refused_when_the_limits_say_so() -> None:
    with stepping(risk=RiskConfig(allow_unannounced=False)) as engine:
        trigger(engine)
        assert reasons(engine) == ["halted"]
    with stepping(risk=RiskConfig(allow_unannounced=False)) as engine:
        assert len(orders(engine, mold(1, trading_state("T"), *BOOK, RAISE))) == 1


def test_the_kill_switch_in_the_control_page_stops_orders_at_once(tmp_path: Path) -> None:
    page = tmp_path / "engine.page"
    with stepping(control=page) as engine, page.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        assert len(orders(engine, mold(1, *BOOK, RAISE))) == 1
        shared[KILL_OFFSET] = 1
        assert orders(engine, mold(4, LOWER)) == []
        shared[KILL_OFFSET] = 0
        assert len(orders(engine, mold(5, add(9, "B", 100, 10_060)))) == 1
        assert reasons(engine) == ["none", "kill_switch", "none"]


# The order session


def test_positions_follow_the_venues_executions() -> None:
    with stepping() as engine:
        bought, sold = orders(engine, mold(1, *BOOK, RAISE, LOWER))
        engine.receive(accepted(bought) + accepted(sold))
        engine.receive(executed(bought, 60) + executed(sold, 85, match=2) + canceled(bought, 40))
        report = engine.report()
        assert report["positions"] == {"1": -25}
        assert report["orders"]["executions"] == 2
        assert report["orders"]["discrepancies"] == 0
        assert len(orders(engine, mold(5, add(9, "B", 100, 10_060)))) == 1


def test_answers_may_be_cut_anywhere() -> None:
    with stepping() as engine:
        (order,) = orders(engine, mold(1, *BOOK, RAISE))
        for byte in accepted(order) + executed(order, 100):
            engine.receive(bytes([byte]))
        assert engine.report()["positions"] == {"1": 100}


def test_the_position_limit_counts_what_is_open_and_what_is_held() -> None:
    with stepping(risk=RiskConfig(position_max=150)) as engine:
        (first,) = orders(engine, mold(1, *BOOK, RAISE))
        assert orders(engine, mold(4, add(9, "B", 100, 10_060))) == [], "100 open and 100 more"
        engine.receive(accepted(first) + executed(first, 10) + canceled(first, 90))
        assert len(orders(engine, mold(5, add(10, "B", 100, 10_070)))) == 1, "10 held and 100 more"
        assert reasons(engine) == ["none", "position", "none"]


def test_an_execution_that_fits_no_order_closes_the_gate() -> None:
    with stepping() as engine:
        (order,) = orders(engine, mold(1, *BOOK, RAISE))
        stranger = Enter(token="T00000000FFFF0", side="B", shares=1, stock="ACME    ", price=1)
        engine.receive(accepted(order) + executed(stranger, 1))
        assert orders(engine, mold(4, LOWER)) == []
        assert reasons(engine)[-1] == "session_down"


def test_the_venues_end_of_session_closes_the_gate() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        engine.receive(b"\0\x01Z")
        assert orders(engine, mold(3, RAISE)) == []
        assert reasons(engine) == ["session_down"]
        assert engine.report()["session"]["state"] == "ended"


def test_an_order_without_an_answer_closes_the_gate_and_the_answer_opens_it() -> None:
    with stepping() as engine:
        engine.timer(now_ns=MS)
        (order,) = orders(engine, mold(1, *BOOK, RAISE), now_ns=MS)
        engine.timer(now_ns=MS + ANSWER_NS)
        assert len(orders(engine, mold(4, LOWER), now_ns=MS + ANSWER_NS)) == 1, "not overdue yet"
        engine.timer(now_ns=2 * MS + ANSWER_NS)
        assert orders(engine, mold(5, add(9, "B", 100, 10_060)), now_ns=2 * MS + ANSWER_NS) == []
        engine.receive(accepted(order), now_ns=3 * MS + ANSWER_NS)
        engine.timer(now_ns=3 * MS + ANSWER_NS)
        assert len(orders(engine, mold(6, add(10, "B", 100, 10_070)), now_ns=3 * MS + ANSWER_NS)) == 1
        assert reasons(engine) == ["none", "none", "session_down", "none"]


def test_a_rejected_order_is_an_answered_one() -> None:
    with stepping() as engine:
        engine.timer(now_ns=MS)
        (order,) = orders(engine, mold(1, *BOOK, RAISE), now_ns=MS)
        engine.receive(rejected(order), now_ns=2 * MS)
        engine.timer(now_ns=10 * ANSWER_NS)
        assert len(orders(engine, mold(4, LOWER), now_ns=10 * ANSWER_NS)) == 1


def test_when_nothing_is_owed_time_closes_nothing() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        engine.timer(now_ns=10 * ANSWER_NS)
        assert len(orders(engine, mold(3, RAISE), now_ns=10 * ANSWER_NS)) == 1
        engine.timer(now_ns=10 * ANSWER_NS + MS)
        assert len(orders(engine, mold(4, LOWER), now_ns=10 * ANSWER_NS + MS)) == 1


# The reflector


def test_the_reflector_answers_every_nth_message_and_decodes_nothing() -> None:
    with stepping(strategy=StrategyConfig(name="reflector", every=3)) as engine:
        found = orders(engine, mold(1, *BOOK, itch("?", b"no such message"), RAISE, b"", b"\xff", LOWER))
        assert [order.token for order in found] == ["R0000000000030", "R0000000000060"]
        assert len(engine.book()) == 0
        rows = engine.decisions()
        assert rows["trigger_sequence"].tolist() == [3, 6]
        assert (rows["decode_ns"] == 0).all()
        assert (rows["tx_ns"] >= rows["rx_ns"]).all()


def test_the_reflector_is_silent_after_a_gap_and_under_the_kill_switch(tmp_path: Path) -> None:
    page = tmp_path / "engine.page"
    config = {"strategy": StrategyConfig(name="reflector", every=1), "control": page}
    with stepping(**config) as engine, page.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        assert len(orders(engine, mold(1, b"x"))) == 1
        shared[KILL_OFFSET] = 1
        assert orders(engine, mold(2, b"x")) == []
        shared[KILL_OFFSET] = 0
        engine.step(mold(4, b"x"))
        engine.timer(now_ns=9 * MS)
        assert orders(engine, mold(5, b"x"), now_ns=9 * MS) == []
        assert reasons(engine) == ["none", "kill_switch", "feed_not_live", "feed_not_live"]


def test_answers_to_the_reflector_are_not_judged() -> None:
    with stepping(strategy=StrategyConfig(name="reflector", every=1)) as engine:
        orders(engine, mold(1, b"x"))
        engine.receive(sequenced(b"?"))
        engine.timer(now_ns=10 * ANSWER_NS)
        assert len(orders(engine, mold(2, b"x"), now_ns=10 * ANSWER_NS)) == 1


# The decision log


def test_a_decision_has_stamps_in_the_order_of_the_stages() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK, RAISE), now_ns=5)
        (row,) = engine.decisions()
        names = ("rx", "decode", "book", "strategy", "risk", "encode", "tx")
        stages = [int(row[f"{name}_ns"]) for name in names]
        assert stages == sorted(stages)
        assert stages[0] > 0
        assert (row["price"], row["shares"], row["symbol"], row["side"]) == (10_100, 100, 1, b"B")
        assert (row["reason"], row["feed_state"], row["line"], row["ordinal"]) == (0, 2, 0, 0)


def test_a_refused_order_has_no_stamp_of_stages_it_did_not_reach() -> None:
    with stepping(risk=RiskConfig(order_shares_max=0)) as engine:
        trigger(engine)
        (row,) = engine.decisions()
        assert row["risk_ns"] > 0
        assert (row["encode_ns"], row["tx_ns"]) == (0, 0)


def test_without_stages_only_the_ends_are_stamped() -> None:
    with stepping(stages=False) as engine:
        trigger(engine)
        (row,) = engine.decisions()
        assert (row["decode_ns"], row["book_ns"], row["strategy_ns"]) == (0, 0, 0)
        assert 0 < row["rx_ns"] <= row["risk_ns"] <= row["encode_ns"] <= row["tx_ns"]


def test_first_orders_and_orders_after_idle_time_are_marked() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK, RAISE), now_ns=MS)
        orders(engine, mold(4, LOWER), now_ns=2 * MS - 1)
        orders(engine, mold(5, add(9, "B", 100, 10_060)), now_ns=3 * MS)
        assert engine.decisions()["flags"].tolist() == [1, 0, 2]


def test_a_full_decision_log_loses_the_newest_and_counts_it() -> None:
    with stepping(decisions=1) as engine:
        assert len(orders(engine, mold(1, *BOOK, RAISE, LOWER))) == 2, "orders leave all the same"
        assert engine.decisions()["trigger_sequence"].tolist() == [3]
        assert engine.report()["decisions"] == {"count": 1, "lost": 1}


# Bytes that mean nothing


def test_noise_is_counted_and_changes_nothing() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        before = engine.book().tolist()
        for noise in (b"", b"\0", bytes(19), mold(3, RAISE)[:-1], mold(3, RAISE) + b"\0"):
            assert orders(engine, noise) == []
        assert engine.book().tolist() == before
        assert engine.report()["feed"]["lines"]["A"]["malformed"] == 5
        assert len(orders(engine, mold(3, RAISE))) == 1


def test_a_foreign_session_is_not_believed_and_closes_the_gate() -> None:
    with stepping() as engine:
        orders(engine, mold(1, *BOOK))
        assert orders(engine, mold(3, RAISE, session=b"SOMEOTHER1")) == []
        assert engine.feed_state == "GAP"


def snapshot_of(session: str) -> bytes:
    """Login Accepted in that session, one symbol's directory message, and 'G' before message 4."""
    accepted = b"A" + session.rjust(10).encode() + b"1".rjust(20)
    messages = [b"S" + add(1, "B", 100, 10_000), b"SG" + b"4".ljust(20)]
    return b"".join(len(packet).to_bytes(2, "big") + packet for packet in (accepted, *messages))


@pytest.mark.parametrize(("session", "joined"), [("TAILGATE01", True), ("TAILGATE02", False)])
def test_a_snapshot_of_another_session_is_refused_where_the_service_names_it(
    session: str, joined: bool
) -> None:
    service = SnapshotConfig(address="10.0.0.1", port=1, username="USER", password="WORD", names_session=True)
    with Engine(EngineConfig(recovery=RecoveryConfig(snapshots=service), decisions=16)) as engine:
        engine.step(mold(1, add(9, "S", 100, 20_000)), now_ns=1)
        engine.step(mold(4, delete(5)), now_ns=2)
        engine.step(mold(5, delete(6)), now_ns=3)
        engine.timer(now_ns=10_000_000)
        assert engine.wants_snapshot
        engine.snapshot_open(10_000_001)
        engine.snapshot_bytes(snapshot_of(session), 10_000_002)
        assert not engine.snapshot_is_open
        assert engine.wants_snapshot is not joined
        assert len(engine.book()) == (1 if joined else 0)
