"""The checks of venue mdp3 in each of their verdicts, on a replay of two lines that is right but for one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab.check import CheckResult, Verdict, judge
from lab.measure import EngineReport, ExchangeReport, RunData, TapReport, measure_run
from lab.measure.rows import (
    DROP_COPY,
    LEVELS,
    LINE_ARRIVALS,
    MARKET_TAPS,
    ORDER_ARRIVALS,
    PACKETS,
    TAP_CORRUPTED,
)
from lab.measure.two_lines import TwoLineData
from lab.measure.wire import NEVER
from lab.scenario import Scenario

JOURNAL = {"records": 5, "bytes": 320, "lost": 0, "high_water": 64, "ring_bytes": 1 << 18, "failure": 0}

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
START_NS, FIRST, COUNT = 10**12, 17_000, 400
READ_NS, WIRE_NS = 700, 2_500  # from stamp to read, from intended time to stamp
SCENARIO = Scenario.model_validate(
    {
        "title": "two lines",
        "traffic": {
            "source": "two_lines",
            "file": "x.pcap",
            "lines": {"A": "224.0.0.1:1", "B": "224.0.0.2:1"},
        },
        "engine": {"venue": "mdp3"},
    }
)
Change = Callable[[RunData], RunData]


def made() -> RunData:
    """Packet i comes on A at 1 ms * i, on B (i % 41 - 20) * 5 us later; one engine poll behind each stamp."""
    packets = np.zeros(COUNT, PACKETS)
    packets["first_sequence"] = FIRST + np.arange(COUNT)
    packets["count"], packets["burst"] = 1, -1
    skew = (np.arange(COUNT) % 41 - 20) * 5_000
    intended = START_NS + np.arange(COUNT) * 1_000_000 + np.array([np.zeros(COUNT, np.int64), skew])
    packets["intended_ns"] = intended.min(axis=0)
    packets["sent_ns"] = intended.T + 100
    stamps = intended + WIRE_NS
    taps = np.zeros(2 * COUNT, MARKET_TAPS)
    taps["sequence"], taps["count"] = np.tile(packets["first_sequence"], 2), 1
    taps["line"] = np.repeat([0, 1], COUNT)
    taps["stamp_ns"] = stamps.ravel()
    arrivals = np.zeros(COUNT, LINE_ARRIVALS)
    arrivals["position"] = packets["first_sequence"]
    arrivals["first_ns"], arrivals["second_ns"] = stamps.min(axis=0) + READ_NS, stamps.max(axis=0) + READ_NS
    arrivals["line"] = stamps[1] < stamps[0]
    wins = int(arrivals["line"].sum())
    levels = np.array(
        [(7, 0, 1, True, 100, 5, 1), (7, 1, 1, False, 0, 0, 0), (9, 0, 1, True, 1, 1, 1)], LEVELS
    )
    lines = {
        name: {"packets": COUNT, "wins": won, "duplicates": COUNT - won, "late": 0, "malformed": 0}
        for name, won in (("A", COUNT - wins), ("B", wins))
    }
    return RunData(
        packets=packets,
        market_taps=taps[np.argsort(taps["stamp_ns"], kind="stable")],
        order_arrivals=np.empty(0, ORDER_ARRIVALS),
        drop_copy=np.empty(0, DROP_COPY),
        engine=EngineReport(
            alive=True,
            exit_code=0,
            wire="af_xdp",
            final_feed_state="SYNC",
            feed={"delivered": COUNT, "gap_packets": 0, "arrivals_lost": 0, "lines": lines},
            book={"instruments": 2, "live": 1},
            journal=JOURNAL,
        ),
        exchange=ExchangeReport(),
        tap=TapReport(lost=0, capacity=4096),
        started_ns=START_NS,
        two_lines=TwoLineData(
            intended_ns=intended,
            arrivals=arrivals,
            engine_levels=levels,
            reached_levels=levels.copy(),
            all_levels=levels.copy(),
            live=(7,),
        ),
    )  # fmt: skip


def two(**changes: Any) -> Change:
    def change(data: RunData) -> RunData:
        assert data.two_lines is not None
        return replace(data, two_lines=replace(data.two_lines, **changes))

    return change


def arrivals(edit: Callable[[Any], Any]) -> Change:
    def change(data: RunData) -> RunData:
        assert data.two_lines is not None
        rows = data.two_lines.arrivals.copy()
        changed = edit(rows)
        return two(arrivals=rows if changed is None else changed)(data)

    return change


def feed(**changes: Any) -> Change:
    return lambda data: replace(data, engine=replace(data.engine, feed={**data.engine.feed, **changes}))


def lines(**changes: int) -> Change:
    def change(data: RunData) -> RunData:
        known: Any = data.engine.feed["lines"]
        return feed(lines={name: {**line, **changes} for name, line in known.items()})(data)

    return change


def both(*changes: Change) -> Change:
    def change(data: RunData) -> RunData:
        for one in changes:
            data = one(data)
        return data

    return change


def swap_winner(rows: Any) -> None:
    rows["line"][0] ^= 1  # 100 us apart: the engine had read the first copy long before


def read_early(rows: Any) -> None:
    rows["first_ns"] -= 2 * READ_NS


def read_together(rows: Any, count: int) -> None:
    """The engine stood still: both copies of B's first packets were read at once, A's first."""
    mine = np.flatnonzero(rows["line"] == 1)[:count]
    rows["line"][mine] = 0
    rows["first_ns"][mine] = rows["second_ns"][mine]
    rows["second_ns"][mine] += 90


def taps_shifted(share: float) -> Change:
    """The lab sent so many packets of line B 200 us early."""

    def change(data: RunData) -> RunData:
        taps, victims = data.market_taps.copy(), FIRST + np.arange(int(share * COUNT))
        late = (taps["line"] == 1) & np.isin(taps["sequence"], victims)
        taps["stamp_ns"][late] -= 200_000
        return replace(data, market_taps=taps)

    return change


def close_together(data: RunData) -> RunData:
    assert data.two_lines is not None
    intended = data.two_lines.intended_ns.copy()
    intended[1] = intended[0] + 10
    return two(intended_ns=intended)(data)


def dead(data: RunData) -> RunData:
    return replace(data, engine=EngineReport(alive=False, exit_code=1, wire="af_xdp"))


def tap_lost(data: RunData) -> RunData:
    return replace(data, tap=TapReport(lost=3, capacity=4096))


def wrong_level(name: str) -> Change:
    def change(data: RunData) -> RunData:
        assert data.two_lines is not None
        levels = getattr(data.two_lines, name).copy()
        levels["price"][0] += 1
        return two(**{name: levels})(data)

    return change


def wrong_level_of_all(data: RunData) -> RunData:
    return wrong_level("all_levels")(data)


def spoilt(data: RunData) -> RunData:
    taps = data.market_taps.copy()
    taps["flags"][3] = TAP_CORRUPTED
    return replace(data, market_taps=taps)


CASES: list[tuple[str, str, Change, Verdict, str]] = [
    ("packets_accepted_once", "right", both(), PASS, "400 of 400 packets, each once"),
    ("packets_accepted_once", "one twice", feed(delivered=COUNT + 1), FAIL, "401 were taken"),
    ("packets_accepted_once", "one too few", feed(delivered=COUNT - 1), FAIL, "399 were taken"),
    ("packets_accepted_once", "invented gap", feed(gap_packets=1), FAIL, "1 numbers were given up"),
    ("packets_accepted_once", "lost in the port", lines(packets=COUNT - 1), FAIL, "399 were read"),
    ("packets_accepted_once", "wins", lines(wins=1), FAIL, "the lines won 2 packets"),
    ("packets_accepted_once", "tap lost", both(feed(delivered=1), tap_lost), UNKNOWN, "3 tap records lost"),
    (
        "packets_accepted_once",
        "given up too soon",
        both(
            feed(delivered=COUNT - 1, gap_packets=1),
            lambda data: feed(
                lines={n: {**line, "late": 1} for n, line in data.engine.feed["lines"].items()}  # type: ignore[attr-defined]
            )(data),
        ),
        UNKNOWN,
        "came after their number was given up",
    ),
    ("packets_accepted_once", "spoilt", both(feed(delivered=1), spoilt), UNKNOWN, "1 packets corrupted"),
    ("level_books_match", "spoilt", both(wrong_level_of_all, spoilt), UNKNOWN, "1 packets were corrupted"),
    ("packets_accepted_once", "dead", dead, UNKNOWN, "left no counters"),
    ("line_winners", "right", both(), PASS, "0 wrong"),
    ("line_winners", "a wrong winner", arrivals(swap_winner), FAIL, "packets 17000"),
    ("line_winners", "no report", arrivals(lambda rows: rows[1:]), FAIL, "does not say so"),
    ("line_winners", "two reports", arrivals(lambda rows: rows[[0, *range(COUNT)]]), FAIL, "or its second"),
    (
        "line_winners",
        "read before it came",
        arrivals(read_early),
        FAIL,
        "before the copy was on the wire",
    ),
    (
        "line_winners",
        "few found together",
        arrivals(lambda rows: read_together(rows, 9)),
        PASS,
        "9 found waiting",
    ),
    ("line_winners", "stood still", arrivals(lambda rows: read_together(rows, 60)), UNKNOWN, "copies late"),
    ("line_winners", "off schedule", taps_shifted(0.2), UNKNOWN, "differences wrongly"),
    ("line_winners", "too close", close_together, UNKNOWN, "too few are decided"),
    (
        "line_winners",
        "rows lost",
        both(arrivals(lambda rows: rows[1:]), feed(arrivals_lost=1)),
        UNKNOWN,
        "lost",
    ),
    ("line_winners", "dead", dead, UNKNOWN, "left no arrivals"),
    ("level_books_match", "right", both(), PASS, "3 levels of 2 books"),
    ("level_books_match", "another level", wrong_level("engine_levels"), FAIL, "security 7 bid 1"),
    ("level_books_match", "wrong and called right", wrong_level("all_levels"), FAIL, "that it calls right"),
    (
        "level_books_match",
        "late copies",
        both(wrong_level("reached_levels"), lines(late=2)),
        UNKNOWN,
        "given up",
    ),
    ("level_books_match", "no books", two(engine_levels=None), UNKNOWN, "left no books"),
    (
        "level_books_match",
        "empty",
        two(engine_levels=np.empty(0, LEVELS), reached_levels=np.empty(0, LEVELS)),
        UNKNOWN,
        "nothing was compared",
    ),
]


def judged(data: RunData) -> dict[str, CheckResult]:
    measure = SCENARIO.measure
    measurement = measure_run(data, late_after_ns=measure.late_after_ns, line_bound_ns=measure.line_bound_ns)
    return {check.name: check for check in judge(data, measurement, SCENARIO).checks}


@pytest.mark.parametrize(
    ("name", "change", "verdict", "said"),
    [pytest.param(case[0], *case[2:], id=f"{case[0]}: {case[1]}") for case in CASES],
)
def test_a_check_of_two_lines_gives_its_verdict_and_says_why(
    name: str, change: Change, verdict: Verdict, said: str
) -> None:
    result = judged(change(made()))[name]
    assert result.verdict is verdict, result
    assert said in f"{result.observed} {result.evidence}", result


def test_a_run_without_orders_is_not_asked_for_any() -> None:
    results = judged(made())
    assert {result.verdict for result in results.values()} == {PASS}
    assert set(results) == {
        "engine_alive", "tap_complete", "journal_complete", "clock", "pacing", "packets_accepted_once", "line_winners",
        "level_books_match",
    }  # fmt: skip


def test_numbers_that_the_capture_has_not_are_given_up_by_right() -> None:
    data = made()
    assert data.two_lines is not None
    kept = np.arange(COUNT) != 7
    data = replace(
        data,
        packets=data.packets[kept],
        market_taps=data.market_taps[data.market_taps["sequence"] != FIRST + 7],
        two_lines=replace(
            data.two_lines,
            intended_ns=data.two_lines.intended_ns[:, kept],
            arrivals=data.two_lines.arrivals[kept],
        ),
    )
    fewer: Any = data.engine.feed["lines"]  # number 7 was B's
    fewer = {
        name: {**line, "packets": COUNT - 1, "wins": line["wins"] - (name == "B")}
        for name, line in fewer.items()
    }
    result = judged(feed(delivered=COUNT - 1, gap_packets=1, lines=fewer)(data))["packets_accepted_once"]
    assert result.verdict is PASS, result


def test_packets_that_are_on_one_line_only_are_not_missing_on_the_other() -> None:
    data = made()
    assert data.two_lines is not None
    intended = data.two_lines.intended_ns.copy()
    intended[1, 5] = NEVER
    taps = data.market_taps[(data.market_taps["line"] == 0) | (data.market_taps["sequence"] != FIRST + 5)]
    known: Any = data.engine.feed["lines"]
    changed = {**known, "B": {**known["B"], "packets": COUNT - 1}}
    assert data.two_lines.arrivals["line"][5] == 1  # it was B's, and is A's now
    changed = {
        "A": {**changed["A"], "wins": changed["A"]["wins"] + 1},
        "B": {**changed["B"], "wins": changed["B"]["wins"] - 1},
    }
    data = replace(data, market_taps=taps)
    data = both(two(intended_ns=intended), arrivals(lambda rows: np.delete(rows, 5)), feed(lines=changed))(
        data
    )
    results = judged(data)
    assert {result.verdict for result in results.values()} == {PASS}
    measurement = measure_run(data, late_after_ns=1)
    assert [(one.packets, one.missing) for one in measurement.pacing] == [(COUNT, 0), (COUNT - 1, 0)]
