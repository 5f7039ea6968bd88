"""Every check in each of its three verdicts, on runs that are right but for one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic

from lab.check import CheckResult, Verdict, judge, register, registered_checks, verdict_of
from lab.check import base as check_base
from lab.measure import EngineReport, FaultRecord, RunData, Transition, measure_run
from lab.scenario import Scenario
from lab.scenario.venue import LINE_CHECKS

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
TYPES = {"A": 300, "D": 150, "E": 50}
EXPECT_ALL: dict[str, object] = {
    "orders_while_blind": "== 0",
    "position_matches_drop_copy": True,
    "book_matches_oracle": True,
    "every_message_decoded": True,
    "no_lost_or_duplicate_orders": True,
}

Change = Callable[[RunData], RunData]


@pytest.fixture(scope="module")
def run() -> RunData:
    data = synthetic.run(packets=600)
    return replace(
        data,
        engine=replace(
            data.engine, types=TYPES, feed={**data.engine.feed, "unknown_types": 0, "length_errors": 0}
        ),
        exchange=replace(data.exchange, types=TYPES),
    )


def judged(data: RunData, scenario: Scenario | None = None) -> dict[str, CheckResult]:
    scenario = scenario or synthetic.scenario(expect=EXPECT_ALL)
    measurement = measure_run(data, late_after_ns=scenario.measure.late_after_ns)
    return {check.name: check for check in judge(data, measurement, scenario).checks}


JOURNAL = {"records": 5, "bytes": 320, "lost": 0, "high_water": 64, "ring_bytes": 1 << 18, "failure": 0}


def engine(**changes: Any) -> Change:
    return lambda data: replace(data, engine=replace(data.engine, **changes))


def exchange(**changes: Any) -> Change:
    return lambda data: replace(data, exchange=replace(data.exchange, **changes))


def rows(table: str, column: str, where: Any, value: Any) -> Change:
    """One column of one table, changed in the rows ``where``; ``value`` may be a function."""

    def change(data: RunData) -> RunData:
        changed = getattr(data, table).copy()
        changed[column][where] = value(changed[column][where]) if callable(value) else value
        return replace(data, **{table: changed})

    return change


def less(table: str, keep: Callable[[Any], Any]) -> Change:
    return lambda data: replace(data, **{table: getattr(data, table)[keep(getattr(data, table))]})


def nothing_answered(data: RunData) -> RunData:
    return replace(
        data,
        order_arrivals=data.order_arrivals[:0],
        decisions=data.decisions[:0],
        drop_copy=data.drop_copy[:0],
    )


def no_trigger(data: RunData) -> RunData:
    return replace(nothing_answered(data), expected_triggers=np.empty(0, "<u8"))


def stray_order(data: RunData) -> RunData:
    stray = synthetic.order_rows(np.array([6], np.uint64), np.array([synthetic.START_NS + 10**6]))
    return replace(data, order_arrivals=np.concatenate([data.order_arrivals, stray]))


def silent(data: RunData) -> RunData:
    """The engine says nothing at all of one trigger, well after the start."""
    assert data.expected_triggers is not None
    gone = data.expected_triggers[150]
    return replace(
        data,
        decisions=data.decisions[data.decisions["trigger_sequence"] != gone],
        order_arrivals=data.order_arrivals[data.order_arrivals["trigger_sequence"] != gone],
    )


def gap_throughout(data: RunData) -> RunData:
    first, last = data.engine.transitions
    gap = Transition(at_ns=first.at_ns, before="LIVE", after="GAP", cause="gap on both lines")
    return replace(data, engine=replace(data.engine, transitions=(first, gap, replace(last, before="GAP"))))


def unreached(data: RunData) -> RunData:
    """No line carried the packet of the silent trigger to the engine."""
    assert data.expected_triggers is not None
    gone = data.expected_triggers[150]
    taps = data.market_taps.copy()
    hit = (
        (taps["sequence"] <= gone)
        & (gone < taps["sequence"] + taps["count"].astype("u8"))
        & (taps["count"] < 0xFFFF)
    )
    taps["flags"][hit] = 1
    triggers = data.expected_triggers
    inside = (triggers >= taps["sequence"][hit][0]) & (
        triggers < taps["sequence"][hit][0] + taps["count"][hit][0].astype("u8")
    )
    kept = np.setdiff1d(triggers, triggers[inside])
    return replace(
        data,
        market_taps=taps,
        decisions=data.decisions[np.isin(data.decisions["trigger_sequence"], kept)],
        order_arrivals=data.order_arrivals[np.isin(data.order_arrivals["trigger_sequence"], kept)],
    )


def blind(share: float) -> Change:
    return lambda data: rows("decisions", "feed_state", slice(0, int(len(data.decisions) * share)), 3)(data)


def drop_copy_again(kind: bytes) -> Change:
    """The exchange received an order a second time: as a new one (O), or one to be ignored (D)."""

    def change(data: RunData) -> RunData:
        again = data.drop_copy[data.drop_copy["kind"] == b"O"][:1].copy()
        again["kind"] = kind
        arrivals = np.concatenate([data.order_arrivals, order_seen_again(data)])
        return replace(data, drop_copy=np.concatenate([data.drop_copy, again]), order_arrivals=arrivals)

    return change


def order_seen_again(data: RunData) -> Any:
    token = data.drop_copy["token"][data.drop_copy["kind"] == b"O"][0]
    again = data.order_arrivals[data.order_arrivals["token"] == token][:1].copy()
    again["stamp_ns"] += 10**6
    return again


def sent_again(count: int, kind: bytes = b"D") -> Change:
    def change(data: RunData) -> RunData:
        data = drop_copy_again(kind)(data)
        return replace(
            data, engine=replace(data.engine, orders={**data.engine.orders, "resent_orders": count})
        )

    return change


def other_book(data: RunData) -> RunData:
    assert data.engine_book is not None
    book = data.engine_book.copy()
    book["shares"][3] += 1
    return replace(data, engine_book=book)


SAME: Change = lambda data: data  # noqa: E731

CASES: list[tuple[str, str, Change, Verdict, str]] = [
    ("samples", "sound", SAME, PASS, "orders timed"),
    ("samples", "nothing answered", nothing_answered, UNKNOWN, "none"),
    ("engine_alive", "sound", SAME, PASS, "both did"),
    ("engine_alive", "died", engine(alive=False, exit_code=-9, stderr_tail="boom"), FAIL, "signal 9"),
    ("engine_alive", "exit 3", engine(exit_code=3), FAIL, "exit code 3"),
    ("engine_alive", "end unseen", engine(exit_code=None), UNKNOWN, "not seen"),
    ("engine_alive", "exchange died", exchange(exit_code=1), UNKNOWN, "the exchange ended with exit code 1"),
    ("tap_complete", "sound", SAME, PASS, "0 lost"),
    ("tap_complete", "lost", lambda d: replace(d, tap=replace(d.tap, lost=3)), UNKNOWN, "3 tap records lost"),
    ("tap_complete", "unstamped", less("order_arrivals", lambda r: slice(1, None)), UNKNOWN, "no wire stamp"),
    (
        "tap_complete",
        "unreceived",
        less("drop_copy", lambda r: slice(3, None)),
        UNKNOWN,
        "not in the drop copy",
    ),
    ("journal_complete", "sound", SAME, PASS, "0 lost"),
    ("journal_complete", "none", engine(journal={}), UNKNOWN, "no journal"),
    ("journal_complete", "lost", engine(journal={**JOURNAL, "lost": 7}), UNKNOWN, "7 records lost"),
    ("journal_complete", "disk", engine(journal={**JOURNAL, "failure": 28}), UNKNOWN, "No space left"),
    ("tap_complete", "no market", less("market_taps", lambda r: slice(0, 0)), UNKNOWN, "no arrival stamp"),
    ("clock", "sound", SAME, PASS, "none"),
    (
        "clock",
        "order first",
        rows("order_arrivals", "stamp_ns", 0, synthetic.START_NS),
        UNKNOWN,
        "wire_to_wire",
    ),
    (
        "clock",
        "stage back",
        rows("decisions", "book_ns", 5, lambda v: v - 10**6),
        UNKNOWN,
        "book: 1 negative",
    ),
    ("pacing", "sound", SAME, PASS, "p99"),
    ("pacing", "late", rows("packets", "intended_ns", slice(0, 60), lambda v: v - 10**6), UNKNOWN, "1.00 ms"),
    ("pacing", "no packet", less("market_taps", lambda r: slice(0, 0)), UNKNOWN, "no packet reached"),
    (
        "pacing",
        "missing",
        less("market_taps", lambda r: (r["line"] == 0) | (r["sequence"] > 50)),
        UNKNOWN,
        "line B",
    ),
    ("triggers_accounted", "sound", SAME, PASS, "=="),
    ("triggers_accounted", "no trigger", no_trigger, UNKNOWN, "no trigger"),
    ("triggers_accounted", "silent", silent, FAIL, "arrived while LIVE and left no decision"),
    ("triggers_accounted", "silent in a gap", lambda d: gap_throughout(silent(d)), PASS, "was not LIVE"),
    ("triggers_accounted", "silent, unreached", unreached, PASS, "never reached the engine"),
    (
        "triggers_accounted",
        "states lost",
        lambda d: engine(transitions_lost=1)(silent(d)),
        UNKNOWN,
        "not known",
    ),
    ("triggers_accounted", "stray order", stray_order, FAIL, "not a trigger"),
    (
        "triggers_accounted",
        "order vanished",
        less("order_arrivals", lambda r: slice(1, None)),
        FAIL,
        "seen by nobody",
    ),
    ("triggers_accounted", "order twice", drop_copy_again(b"D"), FAIL, "sent more than once"),
    ("triggers_accounted", "sent again after a disconnect", sent_again(1), PASS, "=="),
    ("triggers_accounted", "taken twice", sent_again(1, b"O"), FAIL, "received as new orders more than once"),
    ("no_lost_or_duplicate_orders", "sound", SAME, PASS, "sent"),
    ("no_lost_or_duplicate_orders", "sent again", sent_again(1), PASS, "1 orders more than once on the wire"),
    ("no_lost_or_duplicate_orders", "twice", sent_again(1, b"O"), FAIL, "received more than once"),
    (
        "no_lost_or_duplicate_orders",
        "lost",
        less("drop_copy", lambda r: slice(3, None)),
        FAIL,
        "never received",
    ),
    (
        "no_lost_or_duplicate_orders",
        "invented",
        less("decisions", lambda r: slice(1, None)),
        FAIL,
        "did not send",
    ),
    (
        "no_lost_or_duplicate_orders",
        "unseen",
        less("order_arrivals", lambda r: slice(1, None)),
        FAIL,
        "nobody saw on the wire",
    ),
    (
        "no_lost_or_duplicate_orders",
        "foreign",
        rows("drop_copy", "token", 0, b"lower case tok"),
        FAIL,
        "another form",
    ),
    ("no_lost_or_duplicate_orders", "dead", engine(alive=False), UNKNOWN, "left no decisions"),
    ("no_lost_or_duplicate_orders", "no order", nothing_answered, UNKNOWN, "no order was sent"),
    (
        "no_lost_or_duplicate_orders",
        "tap lost",
        lambda d: replace(d, tap=replace(d.tap, lost=3)),
        UNKNOWN,
        "the tap lost 3",
    ),
    (
        "no_lost_or_duplicate_orders",
        "rows lost",
        exchange(counters={"rows_lost": 2}),
        UNKNOWN,
        "found no room in the drop copy",
    ),
    ("orders_while_blind", "sound", SAME, PASS, "0"),
    ("orders_while_blind", "blind", blind(0.1), FAIL, "in GAP; first for message"),
    ("orders_while_blind", "no order", nothing_answered, UNKNOWN, "no order at all"),
    ("orders_while_blind", "no states", engine(transitions=()), UNKNOWN, "second witness"),
    ("orders_while_blind", "liar", gap_throughout, UNKNOWN, "decisions say LIVE"),
    (
        "orders_while_blind",
        "no record",
        less("decisions", lambda r: slice(9, None)),
        UNKNOWN,
        "no decision record",
    ),
    ("position_matches_drop_copy", "sound", SAME, PASS, "agree"),
    ("position_matches_drop_copy", "off by one", engine(positions={1: 1}), FAIL, "symbols differ"),
    ("position_matches_drop_copy", "dead", engine(alive=False), UNKNOWN, "left no positions"),
    ("position_matches_drop_copy", "no order", nothing_answered, UNKNOWN, "no order was sent"),
    ("book_matches_oracle", "sound", SAME, PASS, "are equal"),
    ("book_matches_oracle", "shares differ", other_book, FAIL, "first difference"),
    ("book_matches_oracle", "shorter", less("engine_book", lambda r: slice(0, -1)), FAIL, "has no such row"),
    (
        "book_matches_oracle",
        "absent",
        lambda d: replace(d, engine_book=None),
        UNKNOWN,
        "the engine left no book",
    ),
    (
        "book_matches_oracle",
        "judges disagree",
        lambda d: replace(d, exchange_book=None),
        UNKNOWN,
        "the exchange left",
    ),
    ("book_matches_oracle", "blind at the end", engine(final_feed_state="GAP"), UNKNOWN, "not in sync"),
    ("every_message_decoded", "sound", SAME, PASS, "500 of 500 messages"),
    (
        "every_message_decoded",
        "one missed",
        engine(types={**TYPES, "E": 49}),
        FAIL,
        "type E: engine 49, published 50",
    ),
    (
        "every_message_decoded",
        "one invented",
        engine(types={**TYPES, "Z": 1}),
        FAIL,
        "type Z: engine 1, published 0",
    ),
    (
        "every_message_decoded",
        "unknown",
        engine(feed={"unknown_types": 2, "length_errors": 0}),
        FAIL,
        "2 unknown",
    ),
    (
        "every_message_decoded",
        "length",
        engine(feed={"unknown_types": 0, "length_errors": 1}),
        FAIL,
        "1 length",
    ),
    ("every_message_decoded", "no counter", engine(feed={}), UNKNOWN, "does not report unknown_types"),
    ("every_message_decoded", "no types", exchange(types={}), UNKNOWN, "types are not known"),
    ("every_message_decoded", "dead", engine(alive=False), UNKNOWN, "left no counters"),
    ("every_message_decoded", "odd stream", exchange(unknown_types=1), UNKNOWN, "published stream itself"),
]


@pytest.mark.parametrize(
    ("name", "change", "verdict", "said"),
    [pytest.param(case[0], *case[2:], id=f"{case[0]}: {case[1]}") for case in CASES],
)
def test_a_check_gives_its_verdict_and_says_why(
    run: RunData, name: str, change: Change, verdict: Verdict, said: str
) -> None:
    result = judged(change(run))[name]
    assert result.verdict is verdict, result
    assert said in f"{result.observed} {result.evidence}", result
    assert result.expected


def test_every_check_that_can_fail_is_tested_in_all_three_verdicts() -> None:
    never_fail = {"samples", "tap_complete", "journal_complete", "clock", "pacing"}  # they judge the lab
    # below, in test_feed_checks.py, in a file of their own, and in test_line_checks.py
    elsewhere = {"faults_fired", "recovered", "no_recovery_traffic", "session_resumed", "no_self_cross"} | {
        "risk_limits_kept",
        "mass_cancel_acknowledged",
        "burst_shape",
        "noise_dropped",
    }
    for name in set(registered_checks()) - elsewhere - {*LINE_CHECKS}:
        wanted = {PASS, UNKNOWN} if name in never_fail else {PASS, FAIL, UNKNOWN}
        assert {case[3] for case in CASES if case[0] == name} == wanted, name


def test_a_sound_run_passes_and_any_other_verdict_outranks_pass(run: RunData) -> None:
    results = judged(run)
    assert {result.verdict for result in results.values()} == {PASS}
    assert verdict_of(list(results.values())) is PASS
    unknown = replace(results["clock"], verdict=UNKNOWN)
    failed = replace(results["clock"], verdict=FAIL)
    assert verdict_of([*results.values(), unknown]) is UNKNOWN
    assert verdict_of([unknown, failed]) is FAIL
    assert verdict_of([]) is UNKNOWN


def test_exit_codes_follow_the_verdict() -> None:
    assert [verdict.exit_code for verdict in (PASS, FAIL, UNKNOWN)] == [0, 1, 2]


def test_a_crashed_check_is_unknown_and_never_pass(run: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_base, "_registry", dict(check_base._registry))

    @register("crashing", always=True)
    def crash(_evidence: object) -> CheckResult:
        raise ZeroDivisionError("one over none")

    result = judged(run)["crashing"]
    assert result.verdict is UNKNOWN
    assert "ZeroDivisionError: one over none (test_checks.py:" in result.evidence


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two checks are called 'clock'"):
        register("clock", always=True)(lambda evidence: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("figure", "threshold", "verdict", "said"),
    [
        ("wire_to_wire.p50", "< 1s", PASS, "samples"),
        ("wire_to_wire.p50", "< 1ns", FAIL, "samples"),
        ("wire_to_wire.p99.99", "< 1s", UNKNOWN, "p99_99 needs 10,000"),
        ("recovery.gap.p99", "< 5ms", UNKNOWN, "nothing was lost"),
        ("takeover.p50", "< 5ms", UNKNOWN, "did not measure it"),
        ("feed.gapz", "== 0", UNKNOWN, "nearest: feed.gaps"),
        ("feed.gaps", "== 0", PASS, ""),
        ("counts.unmatched", "== 0", PASS, ""),
        ("share.late", "<= 0%", PASS, ""),
        ("wire_to_wire.p50_over_floor", "< 100x", PASS, "over wire_floor.p50"),
        ("wire_to_wire.p50_over_floor", "< 0.1x", FAIL, "over wire_floor.p50"),
        ("wire_to_wire.p99.9_over_floor", "< 9x", UNKNOWN, "needs 1,000"),
        ("pacing.within_100us", ">= 99%", PASS, ""),
        ("faults.fired", "== 1", FAIL, ""),
        ("order_flow.risk.collar", ">= 1", PASS, ""),
        ("exchange.types.A", "== 300", PASS, ""),
        ("host.stall_max_ns", "< 1ms", PASS, ""),
    ],
)
def test_a_threshold_is_judged_only_on_enough_samples(
    run: RunData, figure: str, threshold: str, verdict: Verdict, said: str
) -> None:
    result = judged(run, synthetic.scenario(expect={figure: threshold}))[figure]
    assert result.verdict is verdict, result
    assert said in result.evidence


def test_without_a_floor_a_ratio_to_it_is_unknown() -> None:
    data = synthetic.run(packets=300, floor=False)
    expect = {"wire_to_wire.p50_over_floor": "< 100x"}
    assert judged(data, synthetic.scenario(expect=expect))["wire_to_wire.p50_over_floor"].verdict is UNKNOWN


def test_a_link_fault_explains_the_packets_its_line_misses(run: RunData) -> None:
    data = less("market_taps", lambda r: (r["line"] == 0) | (r["sequence"] > 50))(run)
    faults = [{"do": "link_down", "port": "B", "for": "1ms", "at": {"sequence": 1}}]
    outage = FaultRecord(
        name="link_down", injected_ns=synthetic.START_NS, healed_ns=synthetic.START_NS + 1_000_000_000
    )
    broken = synthetic.scenario(faults=faults)
    assert judged(replace(data, faults=(outage,)), broken)["pacing"].verdict is PASS
    assert judged(data, broken)["pacing"].verdict is UNKNOWN, "no outage is known to have taken place"


def test_a_dead_engine_that_left_nothing_fails_and_crashes_no_check(run: RunData) -> None:
    dead = EngineReport(alive=False, exit_code=-11, wire="af_xdp", stderr_tail="Segmentation fault")
    data = replace(nothing_answered(run), engine=dead, engine_book=None)
    results = judged(data)
    assert results["engine_alive"].verdict is FAIL
    assert "Segmentation fault" in results["engine_alive"].evidence
    assert not any("crashed" in result.observed for result in results.values())


def test_the_reflector_is_not_asked_what_it_decoded(run: RunData) -> None:
    scenario = synthetic.scenario(engine={"strategy": "reflector"}, expect={"every_message_decoded": True})
    assert judged(run, scenario)["every_message_decoded"].verdict is UNKNOWN


def test_a_fault_that_never_fired_leaves_the_run_undecided(run: RunData) -> None:
    pause = {"do": "pause", "for": "1ms", "at": {"time": "1ms"}}
    scenario = synthetic.scenario(faults=[pause])
    fired = FaultRecord(name="pause", injected_ns=synthetic.START_NS + 5, healed_ns=synthetic.START_NS + 9)
    quiet = replace(fired, injected_ns=0, healed_ns=0, detail="its trigger was never reached")
    assert "faults_fired" not in judged(run)
    assert judged(replace(run, faults=(fired,)), scenario)["faults_fired"].verdict is PASS
    result = judged(replace(run, faults=(quiet,)), scenario)["faults_fired"]
    assert (result.verdict, result.evidence) == (UNKNOWN, "pause: its trigger was never reached")
    assert judged(run, scenario)["faults_fired"].verdict is UNKNOWN
