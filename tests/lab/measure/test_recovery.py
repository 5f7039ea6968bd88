"""Recovery: losses from the first drop to LIVE again, blindness, and what nobody must mistake for either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_feed import Loss, Truth, lossy, replies, rows_of, step

from lab.measure import (
    EngineReport,
    FaultRecord,
    FeedQuality,
    Join,
    RunData,
    figure_blocks,
    measure_run,
)
from lab.measure.rows import TAP_DROPPED_BY_FAULT

LATE_NS = 10_000_000
REQUEST, SNAPSHOT = Loss(first=200, count=64), Loss(first=600, count=30, way="snapshot")


@pytest.fixture(scope="module")
def sound() -> RunData:
    return synthetic.run(floor=False)


def quality_of(data: RunData) -> FeedQuality:
    return measure_run(data, late_after_ns=LATE_NS).feed


def block_of(data: RunData) -> dict[str, Any]:
    block: dict[str, Any] = figure_blocks(data, measure_run(data, late_after_ns=LATE_NS))["feed_quality"]
    return block


def gaps(truths: list[Truth]) -> list[int]:
    return [truth.live_ns - truth.dropped_ns for truth in truths if truth.live_ns]


def measured(data: RunData) -> list[int]:
    samples, _ = quality_of(data).recovery_samples()
    return [int(sample) for sample in samples]


def test_a_recovery_is_from_the_first_drop_of_its_window_to_live(sound: RunData) -> None:
    losses = [Loss(first=first, count=20) for first in range(100, 1_900, 200)]
    data, truths = lossy(sound, losses)
    assert measured(data) == gaps(truths)
    quality = quality_of(data)
    assert [one.messages for one in quality.recoveries] == [truth.messages for truth in truths]
    assert {one.fault for one in quality.recoveries} == {"drop"}
    assert (quality.unrecovered, quality.unrestored) == (0, 0)
    assert len(quality.blindness.stretches) == len(losses)
    assert quality.blindness.total_ns == sum(truth.live_ns - truth.left_ns for truth in truths)


WORLD = synthetic.run(packets=1_500, floor=False)


@st.composite
def losses(draw: st.DrawFn) -> list[Loss]:
    """Far enough apart that each is recovered before the next; the last one perhaps never."""
    found, first = [], draw(st.integers(1, 150))
    while first < 1_400 and len(found) < 5:
        loss = Loss(
            first=first,
            count=draw(st.integers(1, 40)),
            lines=draw(st.sampled_from([(0, 1), (0, 1), (0,), (1,)])),
            way=draw(st.sampled_from(["request", "snapshot"])),
        )
        found.append(loss)
        first += loss.count + draw(st.integers(220, 500))
    if draw(st.booleans()):
        found[-1] = replace(found[-1], way="none")
    return found


@given(losses())
@settings(max_examples=40, deadline=None)
def test_whatever_is_lost_every_recovery_is_measured_exactly(lost: list[Loss]) -> None:
    data, truths = lossy(WORLD, lost)
    quality = quality_of(data)
    blind = [truth for truth in truths if truth.left_ns]
    assert measured(data) == gaps(truths)
    assert [one.lost_ns for one in quality.recoveries] == [truth.dropped_ns for truth in blind]
    assert quality.unrecovered == sum(not truth.live_ns for truth in blind)
    assert quality.unrestored == sum(truth.messages for truth in blind if not truth.live_ns)
    assert len(quality.gaps.lengths) == len(quality.blindness.stretches) == len(blind)
    assert [line.lost for line in quality.lines] == [
        sum(loss.count for loss in lost if line in loss.lines) for line in (0, 1)
    ]


def test_a_fault_without_windows_gives_one_recovery_for_each_blindness(sound: RunData) -> None:
    data, truths = lossy(sound, [Loss(first=first, count=20) for first in (100, 500, 900)], windows=False)
    assert measured(data) == gaps(truths)


def test_windows_that_end_in_one_blindness_are_a_recovery_each(sound: RunData) -> None:
    data, (first, second) = lossy(sound, [Loss(first=200, count=20), Loss(first=400, count=20)])
    joined = tuple(
        change
        for change in data.engine.transitions
        if change.at_ns
        not in (first.live_ns, second.left_ns)  # blind from the first to the end of the second
    )
    data = replace(data, engine=replace(data.engine, transitions=joined, episodes=data.engine.episodes[:1]))
    assert measured(data) == [second.live_ns - first.dropped_ns, second.live_ns - second.dropped_ns]
    assert len(quality_of(data).blindness.stretches) == 1


def test_random_loss_in_one_long_window_is_a_recovery_for_each_blindness(sound: RunData) -> None:
    data, truths = lossy(sound, [Loss(first=first, count=1) for first in (100, 500, 900, 1_300)])
    fault = replace(data.faults[0], windows=((data.faults[0].injected_ns, data.faults[0].healed_ns),))
    assert measured(replace(data, faults=(fault,))) == gaps(truths)


def test_windows_of_both_lines_of_a_fault_are_one(sound: RunData) -> None:
    data, truths = lossy(sound, [REQUEST])
    (first_ns, last_ns) = data.faults[0].windows[0]
    other = int(data.market_taps["stamp_ns"][rows_of(data.market_taps, data.packets[201], (1,))][0])
    doubled = replace(data.faults[0], windows=((first_ns, last_ns), (other, last_ns)))
    assert measured(replace(data, faults=(doubled,))) == gaps(truths)


def test_what_another_line_supplied_while_blind_is_no_loss(sound: RunData) -> None:
    data, (truth,) = lossy(sound, [REQUEST])
    taps = data.market_taps.copy()
    after = int(np.searchsorted(data.packets["intended_ns"], truth.left_ns)) + 1
    hit = rows_of(taps, data.packets[after], (0,))
    taps["flags"][hit] = TAP_DROPPED_BY_FAULT
    stamp = int(taps["stamp_ns"][hit][0])
    assert truth.left_ns < stamp < truth.live_ns
    other = FaultRecord(name="drop", injected_ns=stamp, healed_ns=stamp, windows=((stamp, stamp),))
    data = replace(data, market_taps=taps, faults=(*data.faults, other))
    assert measured(data) == gaps([truth])


def test_a_line_that_is_late_beyond_the_hold_back_is_a_loss(sound: RunData) -> None:
    taps = sound.market_taps.copy()
    packet = sound.packets[300]
    taps["flags"][rows_of(taps, packet, (0,))] = TAP_DROPPED_BY_FAULT
    dropped_ns = int(taps["stamp_ns"][rows_of(taps, packet, (0,))][0])
    late = rows_of(taps, packet, (1,))
    taps["stamp_ns"][late] += 3_000_000
    arrived_ns = int(taps["stamp_ns"][late][0])
    first, last = sound.engine.transitions
    away = step(
        dropped_ns + 1_000_000, "LIVE", "RECOVERING", "hold-back expired", int(packet["first_sequence"])
    )
    back = step(arrived_ns + 5_000, "RECOVERING", "LIVE", "recovered", 0)
    engine = replace(sound.engine, transitions=(first, away, back, last))
    data = replace(sound, market_taps=taps, engine=engine)
    assert measured(data) == [back.at_ns - dropped_ns]


def test_a_snapshot_recovers_what_it_skips(sound: RunData) -> None:
    data, truths = lossy(sound, [REQUEST, SNAPSHOT])
    assert measured(data) == gaps(truths)
    block = block_of(data)
    assert block["skipped"] == block["recovered"]["snapshot"] == truths[1].messages
    assert block["gaps"]["unrestored"] == 0
    assert block["blind"]["count"] == 2
    assert [stretch["way"] for stretch in block["stretches"]] == ["request", "snapshot"]
    counts = figure_blocks(data, measure_run(data, late_after_ns=LATE_NS))["counts"]
    assert counts["skipped"] > 0
    assert counts["triggers"] == counts["matched"] + counts["risk_blocked"] + counts["unmatched"]


def test_a_loss_that_is_never_recovered_has_no_sample_and_is_counted(sound: RunData) -> None:
    data, truths = lossy(sound, [REQUEST, Loss(first=1_500, count=10, way="none")])
    quality = quality_of(data)
    assert measured(data) == gaps(truths)
    assert len(quality.recoveries) == 2
    assert (quality.unrecovered, quality.unrestored) == (1, truths[1].messages)
    assert quality.blindness.unrecovered == 1
    end_ns = max(int(data.market_taps["stamp_ns"].max()), truths[1].left_ns)
    assert quality.blindness.stretches[-1].until_ns == end_ns


def test_what_is_lost_before_the_first_live_is_recovered_by_it(sound: RunData) -> None:
    data, (truth,) = lossy(sound, [Loss(first=0, count=20)])
    live = step(truth.live_ns, "RECOVERING", "LIVE", "recovered", 60)
    transitions = (
        step(truth.left_ns, "STARTUP", "RECOVERING", "late start", 1),
        live,
        data.engine.transitions[-1],
    )
    data = replace(data, engine=replace(data.engine, transitions=transitions, episodes=()))
    quality = quality_of(data)
    assert measured(data) == gaps([truth])
    assert quality.blindness.stretches == ()
    first_seen = int(data.market_taps["stamp_ns"][data.market_taps["count"] > 0].min())
    assert quality.join_ns == truth.live_ns - first_seen


def test_a_gap_that_no_tap_saw_starts_with_its_packet_on_the_wire(sound: RunData) -> None:
    """The engine's own ring lost it: the tap stamped the packet, and nothing dropped it there."""
    packet = sound.packets[500]
    on_wire = int(sound.market_taps["stamp_ns"][rows_of(sound.market_taps, packet, (0, 1))].min())
    first, last = sound.engine.transitions
    away = step(on_wire + 1_000_000, "LIVE", "RECOVERING", "hold-back expired", int(packet["first_sequence"]))
    back = step(on_wire + 1_300_000, "RECOVERING", "LIVE", "recovered", 0)
    engine = replace(sound.engine, transitions=(first, away, back, last))
    quality = quality_of(replace(sound, engine=engine))
    assert [(one.lost_ns, one.gap_ns, one.fault) for one in quality.recoveries] == [(on_wire, 1_300_000, "")]


def test_a_line_that_the_engine_read_too_late_is_a_loss_of_the_drop_on_the_other(sound: RunData) -> None:
    """The tap saw B's copy in time; the engine, held up, gave the hole up before it had looked."""
    taps = sound.market_taps.copy()
    packet = sound.packets[500]
    hit = rows_of(taps, packet, (0,))
    taps["flags"][hit] = TAP_DROPPED_BY_FAULT
    dropped_ns = int(taps["stamp_ns"][hit][0])
    first, last = sound.engine.transitions
    low = int(packet["first_sequence"])
    away = step(dropped_ns + 1_000_000, "LIVE", "RECOVERING", "hold-back expired", low)
    back = step(dropped_ns + 1_010_000, "RECOVERING", "LIVE", "recovered", low)
    engine = replace(sound.engine, transitions=(first, away, back, last))
    fault = FaultRecord(name="drop", injected_ns=dropped_ns, healed_ns=dropped_ns)
    taps["stamp_ns"][rows_of(taps, packet, (1,))] = dropped_ns + 500
    quality = quality_of(replace(sound, market_taps=taps, engine=engine, faults=(fault,)))
    assert [(one.lost_ns, one.gap_ns, one.fault) for one in quality.recoveries] == [
        (dropped_ns, 1_010_000, "drop")
    ]


def test_a_link_that_goes_down_is_lost_from_that_moment(sound: RunData) -> None:
    start = synthetic.START_NS
    first, last = sound.engine.transitions
    engine = replace(
        sound.engine,
        transitions=(
            first,
            step(start + 9_000_000, "LIVE", "RECOVERING", "hold-back expired", 1_000),
            step(start + 9_500_000, "RECOVERING", "LIVE", "recovered", 1_200),
            last,
        ),
    )
    fault = FaultRecord(name="link_down", injected_ns=start + 5_000_000, healed_ns=start + 8_000_000)
    quality = quality_of(replace(sound, engine=engine, faults=(fault,)))
    assert [(one.gap_ns, one.fault) for one in quality.recoveries] == [(4_500_000, "link_down")]


def test_silence_alone_is_blindness_and_no_loss(sound: RunData) -> None:
    start = synthetic.START_NS
    first, last = sound.engine.transitions
    down = step(start + 5_000_000, "LIVE", "DOWN", "lines silent", 100)
    up = step(start + 6_000_000, "DOWN", "LIVE", "in sequence", 100)
    quality = quality_of(replace(sound, engine=replace(sound.engine, transitions=(first, down, up, last))))
    assert quality.recoveries == ()
    assert quality.blindness.total_ns == 1_000_000


def test_a_new_session_after_an_end_is_blindness_from_the_roll(sound: RunData) -> None:
    start = synthetic.START_NS
    first, last = sound.engine.transitions
    changes = (
        first,
        step(start + 5_000_000, "LIVE", "ENDED", "end of session", 900),
        step(start + 5_100_000, "ENDED", "RESYNC", "new session", 1),
        step(start + 7_000_000, "RESYNC", "LIVE", "snapshot joined", 40),
        last,
    )
    fault = FaultRecord(name="session_roll", injected_ns=start + 5_050_000, healed_ns=start + 5_050_000)
    data = replace(sound, engine=replace(sound.engine, transitions=changes), faults=(fault,))
    quality = quality_of(data)
    assert [stretch.length_ns for stretch in quality.blindness.stretches] == [1_900_000]
    assert [(one.gap_ns, one.fault) for one in quality.recoveries] == [(1_950_000, "session_roll")]
    assert quality.blindness.end_ns == last.at_ns


def test_a_feed_that_ends_while_blind_has_not_recovered(sound: RunData) -> None:
    data, (truth,) = lossy(sound, [Loss(first=1_500, count=10, way="none")])
    ended = step(truth.left_ns + 700_000, "RECOVERING", "ENDED", "end of session", 0)
    engine = replace(data.engine, transitions=(*data.engine.transitions, ended), final_feed_state="ENDED")
    quality = quality_of(replace(data, engine=engine))
    assert quality.blindness.unrecovered == quality.unrecovered == 1
    assert quality.blindness.total_ns == 700_000


# What the engine forgot


def test_forgotten_transitions_are_replaced_by_episodes(sound: RunData) -> None:
    data, truths = lossy(sound, [REQUEST, SNAPSHOT])
    whole = quality_of(data).blindness
    engine = replace(data.engine, transitions=data.engine.transitions[2:], transitions_lost=2)
    forgot = replace(data, engine=engine)
    told = quality_of(forgot).blindness
    assert [(one.left_ns, one.until_ns) for one in told.stretches] == [
        (one.left_ns, one.until_ns) for one in whole.stretches
    ]
    assert told.complete
    assert measured(forgot) == gaps(truths)


def test_when_both_are_forgotten_the_counters_speak_and_nothing_is_complete(sound: RunData) -> None:
    data, _ = lossy(sound, [REQUEST, SNAPSHOT])
    feed = {**data.engine.feed, "blind_count": 9_000, "blind_ns": 123, "blind_ns_max": 12}
    engine = replace(data.engine, transitions_lost=2, episodes_lost=1, feed=feed)
    blind = block_of(replace(data, engine=engine))["blind"]
    assert (blind["count"], blind["total_ns"], blind["max_ns"], blind["complete"]) == (9_000, 123, 12, False)


def test_a_dead_engine_leaves_no_claim_of_blindness(sound: RunData) -> None:
    dead = EngineReport(alive=False, exit_code=-9, wire="af_xdp")
    block = block_of(replace(sound, engine=dead))
    assert block["blind"] == {
        "count": None,
        "total_ns": None,
        "max_ns": None,
        "unrecovered": None,
        "of_ns": 0,
        "percent": None,
        "complete": False,
    }
    assert block["recoveries"] == []


def test_a_reply_that_is_cut_across_a_join_restores_the_rest(sound: RunData) -> None:
    """A snapshot ends in the middle of a lost packet, and a re-request brings the other half."""
    data, (truth,) = lossy(sound, [Loss(first=600, count=3, way="snapshot")])
    packet = next(row for row in data.packets[600:] if row["count"] > 1)
    middle = int(packet["first_sequence"]) + 1
    taps = data.market_taps.copy()
    taps["flags"][rows_of(taps, packet, (0, 1))] = TAP_DROPPED_BY_FAULT
    low = data.engine.joins[0].skipped_from
    end = int(packet["first_sequence"] + packet["count"])
    join = Join(sequence=middle, skipped_from=low, at_ns=data.engine.joins[0].at_ns)
    rest = replies(middle, max(end, data.engine.joins[0].sequence), from_ns=truth.live_ns - 10_000)
    whole = replace(
        data, market_taps=np.concatenate([taps, rest]), engine=replace(data.engine, joins=(join,))
    )
    assert quality_of(whole).unrestored == 0
    assert quality_of(replace(whole, market_taps=taps)).unrestored > 0
    assert measured(whole) == gaps([truth])
