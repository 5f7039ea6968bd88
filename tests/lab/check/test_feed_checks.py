"""Checks and thresholds of runs that lost something: recovered or not, by which way, and what must not be hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic
from synthetic_feed import Loss, lossy, rows_of, step

from lab.check import CheckResult, Verdict, judge
from lab.measure import FaultRecord, Join, RunData, measure_run
from lab.measure.rows import TAP_CORRUPTED, TAP_DROPPED_BY_FAULT
from lab.scenario import Scenario

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
EXPECT = {"recovered": True, "no_recovery_traffic": True, "orders_while_blind": "== 0"}
WINDOWS = [Loss(first=first, count=8) for first in range(100, 1_900, 200)]
ENDLESS = Loss(first=1_500, count=10, way="none")

Change = Callable[[RunData], RunData]


@pytest.fixture(scope="module")
def sound() -> RunData:
    data = synthetic.run(floor=False)
    feed = {**data.engine.feed, "requests_sent": 0, "snapshots_started": 0}
    return replace(
        data,
        engine=replace(data.engine, feed=feed),
        exchange=replace(
            data.exchange,
            recovery={"requests": 0, "polls": 9, "snapshots": {"started": 0, "port": {"connections": 0}}},
        ),
    )


def judged(data: RunData, scenario: Scenario | None = None, **expect: object) -> dict[str, CheckResult]:
    scenario = scenario or synthetic.scenario(expect=expect or dict(EXPECT))
    measurement = measure_run(data, late_after_ns=scenario.measure.late_after_ns)
    return {check.name: check for check in judge(data, measurement, scenario).checks}


def expecting(data: RunData, figure: str, threshold: str) -> CheckResult:
    return judged(data, synthetic.scenario(expect={figure: threshold}))[figure]


def engine(**changes: Any) -> Change:
    return lambda data: replace(data, engine=replace(data.engine, **changes))


def counters(**changes: Any) -> Change:
    return lambda data: engine(feed={**data.engine.feed, **changes})(data)


def served(**recovery: object) -> Change:
    return lambda data: replace(data, exchange=replace(data.exchange, recovery=recovery))


def losing(*losses: Loss) -> Change:
    return lambda data: lossy(data, list(losses))[0]


def claiming(data: RunData) -> RunData:
    """LIVE again, the engine says, but nothing brought what was lost."""
    broken, (truth,) = lossy(data, [ENDLESS])
    back = step(truth.left_ns + 50_000, "RECOVERING", "LIVE", "recovered", 0)
    transitions = (*broken.engine.transitions, back, data.engine.transitions[-1])
    return engine(transitions=transitions, final_feed_state="ENDED")(broken)


def reply_only(data: RunData) -> RunData:
    """A reply that nobody counted reached the engine's port."""
    taps = data.market_taps.copy()
    taps["line"][np.flatnonzero(taps["count"] == 1)[0]] = 2
    return replace(data, market_taps=taps)


def then(*changes: Change) -> Change:
    def change(data: RunData) -> RunData:
        for each in changes:
            data = each(data)
        return data

    return change


SAME: Change = lambda data: data  # noqa: E731

CASES: list[tuple[str, str, Change, Verdict, str]] = [
    ("recovered", "sound", SAME, PASS, "never blind"),
    ("recovered", "re-requested", losing(*WINDOWS), PASS, "blind 9 times, LIVE again each time"),
    ("recovered", "by snapshot", losing(Loss(first=300, count=30, way="snapshot")), PASS, "blind once"),
    ("recovered", "stuck", losing(ENDLESS), FAIL, "ended in RECOVERING"),
    (
        "recovered",
        "ended while blind",
        then(losing(ENDLESS), engine(final_feed_state="ENDED")),
        FAIL,
        "to the end",
    ),
    (
        "recovered",
        "never LIVE",
        engine(transitions=(step(1, "STARTUP", "ENDED", "end", 1),)),
        FAIL,
        "never LIVE",
    ),
    ("recovered", "only claimed", claiming, FAIL, "by no line, no reply and no snapshot"),
    (
        "recovered",
        "tap lost",
        lambda d: replace(claiming(d), tap=replace(d.tap, lost=9)),
        UNKNOWN,
        "by no line",
    ),
    ("recovered", "states lost", engine(transitions_lost=3, episodes_lost=1), UNKNOWN, "not all states"),
    ("recovered", "dead", engine(alive=False), UNKNOWN, "left no states"),
    ("recovered", "no state", engine(final_feed_state=""), UNKNOWN, "unknown state"),
    ("no_recovery_traffic", "sound", SAME, PASS, "by engine, exchange and tap"),
    ("no_recovery_traffic", "one line", then(losing(Loss(first=100, count=50, lines=(0,)))), PASS, "0 gaps"),
    ("no_recovery_traffic", "asked", losing(*WINDOWS), FAIL, "the engine says requests_sent 9"),
    ("no_recovery_traffic", "heard", served(requests=2), FAIL, "exchange counts requests requests 2"),
    (
        "no_recovery_traffic",
        "snapshot",
        served(snapshots={"port": {"connections": 1}}),
        FAIL,
        "snapshots port_connections 1",
    ),
    ("no_recovery_traffic", "seen", reply_only, FAIL, "1 replies reached"),
    ("no_recovery_traffic", "silent engine", engine(feed={}), UNKNOWN, "does not report requests_sent"),
    ("no_recovery_traffic", "dead", engine(alive=False), UNKNOWN, "left no counters"),
    ("no_recovery_traffic", "nobody to ask", served(), UNKNOWN, "nobody to ask"),
]


@pytest.mark.parametrize(
    ("name", "change", "verdict", "said"),
    [pytest.param(case[0], *case[2:], id=f"{case[0]}: {case[1]}") for case in CASES],
)
def test_a_feed_check_gives_its_verdict_and_says_why(
    sound: RunData, name: str, change: Change, verdict: Verdict, said: str
) -> None:
    result = judged(change(sound))[name]
    assert result.verdict is verdict, result
    assert said in f"{result.observed} {result.evidence}", result


def test_both_feed_checks_are_tested_in_all_three_verdicts() -> None:
    for name in ("recovered", "no_recovery_traffic"):
        assert {case[3] for case in CASES if case[0] == name} == {PASS, FAIL, UNKNOWN}


# Thresholds


@pytest.mark.parametrize(
    ("figure", "threshold", "verdict", "said"),
    [
        ("recovery.gap.max", "< 10ms", PASS, "of 9 samples"),
        ("recovery.gap.max", "< 1us", FAIL, "of 9 samples"),
        ("recovery.gap.p99", "< 10ms", UNKNOWN, "p99 needs 100"),
        ("recovery.gap.count", "== 9", PASS, ""),
        ("feed_quality.recovery_ns.max", "< 10ms", PASS, ""),
        ("feed_quality.blind.count", "== 9", PASS, ""),
        ("feed_quality.blind.max_ns", "< 5ms", PASS, ""),
        ("feed_quality.blind.percent", "< 100%", PASS, ""),
        ("feed_quality.lines.A.lost", "== 72", PASS, ""),
        ("feed_quality.lines.B.lost_percent", "== 3.6%", PASS, ""),
        ("feed_quality.skew_ns.p50", "< 2us", PASS, ""),
        ("feed_quality.won_by_ns.A.p50", "< 2us", PASS, ""),
        ("won_by.A.p50", "< 2us", PASS, ""),
        ("feed_quality.gaps.messages_max", "> 8", PASS, ""),
        ("feed_quality.recovered.lines", "== 0", PASS, ""),
        ("feed_quality.requests.sent", "== 9", PASS, ""),
        ("feed_quality.requests.exchange.answered", "== 9", PASS, ""),
        ("feed_quality.stale_symbols.max", "> 1", UNKNOWN, "did not measure it"),
    ],
)
def test_figures_of_the_feed_can_be_expected(
    sound: RunData, figure: str, threshold: str, verdict: Verdict, said: str
) -> None:
    result = expecting(losing(*WINDOWS)(sound), figure, threshold)
    assert result.verdict is verdict, result
    assert said in result.evidence


def test_when_nothing_was_lost_a_recovery_is_unknown(sound: RunData) -> None:
    result = expecting(sound, "recovery.gap.max", "< 5ms")
    assert (result.verdict, result.observed) == (UNKNOWN, "not measured")
    assert "nothing was lost" in result.evidence
    assert expecting(sound, "recovery.gap.count", "== 0").verdict is PASS


@pytest.mark.parametrize("figure", ["recovery.gap.max", "feed_quality.recovery_ns.max"])
def test_a_loss_that_was_never_recovered_is_slower_than_any_bound(sound: RunData, figure: str) -> None:
    result = expecting(losing(WINDOWS[0], ENDLESS)(sound), figure, "< 100s")
    assert (result.verdict, result.observed) == (FAIL, "never")
    assert "1 of 2 losses were never recovered" in result.evidence
    alone = expecting(losing(ENDLESS)(sound), figure, "< 100s")
    assert (alone.verdict, alone.observed) == (FAIL, "never")


def test_recoveries_that_the_engine_forgot_leave_the_figure_undecided(sound: RunData) -> None:
    data = then(losing(*WINDOWS), engine(transitions_lost=3, episodes_lost=1))(sound)
    result = expecting(data, "recovery.gap.max", "< 10ms")
    assert result.verdict is UNKNOWN
    assert "could not remember" in result.evidence


def test_triggers_that_a_snapshot_skipped_rank_above_every_answer(sound: RunData) -> None:
    data = losing(Loss(first=300, count=200, way="snapshot"))(sound)
    result = expecting(data, "response.max", "< 100s")
    assert (result.verdict, result.observed) == (FAIL, "no answer")
    assert "were never answered" in result.evidence
    assert expecting(sound, "response.max", "< 100s").verdict is PASS


# Checks that knew nothing of recovery before


def test_triggers_of_skipped_messages_are_explained(sound: RunData) -> None:
    data = losing(Loss(first=300, count=60, way="snapshot"))(sound)
    result = judged(data)["triggers_accounted"]
    assert result.verdict is PASS
    assert "more triggers were in messages skipped by a snapshot" in result.evidence
    everything = replace(data, expected_triggers=sound.expected_triggers, skipped_triggers=None)
    result = judged(everything)["triggers_accounted"]
    assert result.verdict is PASS
    assert "triggers were skipped by the snapshot" in result.evidence


def test_joins_that_the_engine_forgot_leave_the_triggers_in_doubt(sound: RunData) -> None:
    data = then(losing(Loss(first=300, count=60, way="snapshot")), engine(joins_lost=2))(sound)
    assert judged(data)["triggers_accounted"].verdict is UNKNOWN


def test_orders_while_blind_holds_over_a_thousand_transitions(sound: RunData) -> None:
    changes, at_ns = [sound.engine.transitions[0]], synthetic.START_NS + 1_000
    for number in range(1_000):
        changes.append(step(at_ns, "LIVE", "RECOVERING", "hold-back expired", number + 1))
        changes.append(step(at_ns + 10_000, "RECOVERING", "LIVE", "recovered", number + 2))
        at_ns += 20_000
    changes.append(sound.engine.transitions[-1])
    data = engine(transitions=tuple(changes))(sound)
    result = judged(data)["orders_while_blind"]
    assert (result.verdict, result.observed) == (PASS, "0")
    liar = data.decisions.copy()
    liar["feed_state"][np.flatnonzero(liar["reason"] == 0)[5]] = 4
    result = judged(replace(data, decisions=liar))["orders_while_blind"]
    assert (result.verdict, result.observed) == (FAIL, "1")


def test_counts_of_types_cannot_be_compared_over_a_snapshot(sound: RunData) -> None:
    data = losing(Loss(first=300, count=60, way="snapshot"))(sound)
    types = {"A": 5}
    data = replace(
        data, exchange=replace(data.exchange, types=types), engine=replace(data.engine, types=types)
    )
    result = judged(data, every_message_decoded=True)["every_message_decoded"]
    assert result.verdict is UNKNOWN
    assert "a snapshot stood for" in result.evidence


def test_repetitions_that_did_not_happen_are_not_shown(sound: RunData) -> None:
    data = losing(*WINDOWS)(sound)
    drop = {"do": "drop", "lines": ["A", "B"], "packets": 8, "at": {"sequence": 10}}
    repeated = {**drop, "repeat": {"times": 9, "every": 400}}
    assert judged(data, synthetic.scenario(faults=[repeated]))["faults_fired"].verdict is PASS
    more = {**drop, "repeat": {"times": 12, "every": 400}}
    result = judged(data, synthetic.scenario(faults=[more]))["faults_fired"]
    assert (result.verdict, result.observed) == (UNKNOWN, "drop: 9 of 12 windows harmed a packet")
    chance = {**more, "probability": "1%"}
    assert judged(data, synthetic.scenario(faults=[chance]))["faults_fired"].verdict is PASS


def test_packets_held_back_on_purpose_do_not_break_the_pacing(sound: RunData) -> None:
    taps = sound.market_taps.copy()
    taps["stamp_ns"][taps["line"] == 0] += 3_000_000
    data = replace(sound, market_taps=taps[np.argsort(taps["stamp_ns"], kind="stable")])
    begin, end = synthetic.START_NS, int(sound.packets["intended_ns"][-1])
    record = FaultRecord(name="delay", injected_ns=begin, healed_ns=end)
    delay = {"do": "delay", "lines": ["A"], "by": "3ms", "at": {"sequence": 1}}
    assert judged(data)["pacing"].verdict is UNKNOWN
    late = replace(data, faults=(record,))
    result = judged(late, synthetic.scenario(faults=[delay]))["pacing"]
    assert result.verdict is PASS, result
    assert "judged on line B without the packets that a fault held back (2,000 of line A)" in result.evidence
    both = synthetic.scenario(faults=[{**delay, "lines": ["A", "B"]}])
    assert judged(late, both)["pacing"].verdict is UNKNOWN
    half = replace(record, healed_ns=(begin + end) // 2)
    assert judged(replace(data, faults=(half,)), synthetic.scenario(faults=[delay]))["pacing"].verdict is PASS
    twice = replace(record, windows=((begin, begin + 1), (begin + 9_000_000, begin + 9_000_001)))
    result = judged(replace(late, faults=(twice,)), synthetic.scenario(faults=[delay]))["pacing"]
    assert result.verdict is PASS
    assert "judged on line B" in result.evidence


def test_an_engine_that_takes_a_corrupted_packet_breaks_the_clock_and_is_told_why(sound: RunData) -> None:
    trigger = int(sound.decisions["trigger_sequence"][sound.decisions["reason"] == 0][100])
    packet = sound.packets[np.searchsorted(sound.packets["first_sequence"], trigger, side="right") - 1]
    taps = sound.market_taps.copy()
    taps["flags"][rows_of(taps, packet, (0,))] = TAP_CORRUPTED
    taps["stamp_ns"][rows_of(taps, packet, (1,))] += 50_000_000
    result = judged(replace(sound, market_taps=taps))["clock"]
    assert result.verdict is UNKNOWN
    assert "in a packet that a fault had corrupted first" in result.evidence
    late = sound.market_taps.copy()
    late["stamp_ns"][rows_of(late, packet, (0, 1))] += 50_000_000
    result = judged(replace(sound, market_taps=late))["clock"]
    assert (result.verdict, "corrupted" in result.evidence) == (UNKNOWN, False)


def test_a_drop_on_one_line_needs_no_join(sound: RunData) -> None:
    """A join whose span is empty skips nothing."""
    nothing = Join(sequence=50, skipped_from=50, at_ns=synthetic.START_NS, emptied=True)
    data = engine(joins=(nothing,))(sound)
    assert measure_run(data, late_after_ns=1).feed.skipped == 0
    assert judged(data)["recovered"].verdict is PASS


def test_what_was_dropped_while_nothing_was_wanted_is_not_missing(sound: RunData) -> None:
    """The first packets are lost, and the feed joins behind them."""
    taps = sound.market_taps.copy()
    for packet in sound.packets[:5]:
        taps["flags"][rows_of(taps, packet, (0, 1))] = TAP_DROPPED_BY_FAULT
    first, last = sound.engine.transitions
    later = replace(first, at_ns=int(sound.packets["intended_ns"][6]))
    data = replace(sound, market_taps=taps, engine=replace(sound.engine, transitions=(later, last)))
    assert judged(data)["recovered"].verdict is PASS
