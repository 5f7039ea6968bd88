"""Feed quality: what each line delivered by the taps, skew, gaps, stale symbols, and the counters of both ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import synthetic
from synthetic_feed import Loss, Truth, lossy, rows_of

from lab.measure import (
    FeedQuality,
    RunData,
    Session,
    figure_blocks,
    look_up,
    measure_run,
)
from lab.measure.rows import POSITION_SESSION_SHIFT, TAP_CORRUPTED

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


# Lines


def test_a_sound_run_loses_nothing_and_every_packet_has_a_winner(sound: RunData) -> None:
    block = block_of(sound)
    for line in ("A", "B"):
        counts = block["lines"][line]
        assert counts["packets_published"] == counts["packets_seen"] == len(sound.packets)
        assert (counts["lost"], counts["lost_percent"], counts["duplicates"], counts["alone"]) == (0, 0, 0, 0)
    assert sum(block["lines"][line]["wins"] for line in ("A", "B")) == len(sound.packets)
    assert block["gaps"]["count"] == block["blind"]["count"] == block["unrecovered"] == 0
    assert block["recovery_ns"]["count"] == 0
    assert block["stale_symbols"]["max"] == 0


def test_skew_is_signed_and_the_margins_are_its_two_sides(sound: RunData) -> None:
    stamps = {
        line: np.array(
            [
                int(sound.market_taps["stamp_ns"][rows_of(sound.market_taps, packet, (line,))][0])
                for packet in sound.packets
            ]
        )
        for line in (0, 1)
    }
    difference = np.sort(stamps[1] - stamps[0])
    measurement = measure_run(sound, late_after_ns=LATE_NS)
    block = figure_blocks(sound, measurement)
    skew = block["feed_quality"]["skew_ns"]
    assert (skew["count"], skew["min"], skew["max"]) == (len(difference), difference[0], difference[-1])
    assert skew["min"] < 0 < skew["p50"]
    assert skew["p50"] == difference[(len(difference) + 1) // 2 - 1]
    assert measurement.series["won_by.A"].histogram.count == int((difference >= 0).sum())
    assert measurement.series["won_by.B"].histogram.count == int((difference < 0).sum())
    assert look_up(block, "won_by.B.max") == look_up(block, "feed_quality.won_by_ns.B.max")
    assert block["feed_quality"]["lines"]["B"]["wins"] == int((difference < 0).sum())


def test_copies_and_late_packets_are_counted_apart(sound: RunData) -> None:
    taps = sound.market_taps
    copy = taps[rows_of(taps, sound.packets[10], (0,))]
    copy["stamp_ns"] += 3_000_000
    late = taps.copy()
    late["stamp_ns"][rows_of(late, sound.packets[20], (1,))] += 5_000_000
    data = replace(sound, market_taps=np.concatenate([late, copy, copy]))
    before, lines = block_of(sound)["lines"], block_of(data)["lines"]
    assert (lines["A"]["duplicates"], lines["B"]["duplicates"]) == (2, 0)
    assert lines["A"]["out_of_order"] == before["A"]["out_of_order"]
    assert lines["B"]["out_of_order"] == before["B"]["out_of_order"] + 1


def test_a_packet_lost_on_one_line_is_no_gap(sound: RunData) -> None:
    data, _ = lossy(sound, [Loss(first=100, count=50, lines=(0,))])
    block = block_of(data)
    assert (block["lines"]["A"]["lost"], block["lines"]["A"]["lost_percent"]) == (50, 2.5)
    assert block["lines"]["B"]["alone"] == block["lines"]["A"]["dropped_by_fault"] == 50
    assert block["gaps"]["count"] == 0
    assert measured(data) == []


def test_a_corrupted_packet_brings_nothing_and_starts_no_latency(sound: RunData) -> None:
    taps = sound.market_taps.copy()
    hit = rows_of(taps, sound.packets[30], (0, 1))
    taps["flags"][hit] = TAP_CORRUPTED
    taps["count"][hit] += 5  # the count itself may be what was corrupted
    data = replace(sound, market_taps=taps)
    measurement = measure_run(data, late_after_ns=LATE_NS)
    assert measurement.wire.corrupted == (1, 1, 0)
    assert [line.missing for line in measurement.pacing] == [0, 0], "it did reach the wire"
    assert [line.lost for line in measurement.feed.lines] == [1, 1]
    block = block_of(data)
    assert block["lines"]["A"]["corrupted_by_fault"] == block["gaps"]["count"] == 1
    assert block["gaps"]["unrestored"] == int(sound.packets["count"][30])


def test_latency_of_a_retransmitted_trigger_starts_at_the_reply_that_carries_it(sound: RunData) -> None:
    data, (truth,) = lossy(sound, [REQUEST])
    samples = measure_run(data, late_after_ns=LATE_NS).samples
    low = int(data.packets["first_sequence"][REQUEST.first])
    inside = samples[
        (samples["trigger_sequence"] >= low) & (samples["trigger_sequence"] < low + truth.messages)
    ]
    assert len(inside) > 10
    assert (inside["wire_line"] == 2).all()
    assert (inside["wire_ns"] > truth.left_ns).all()
    assert (inside["wire_ns"] < truth.live_ns).all()


def test_gaps_are_runs_of_packets_and_end_with_their_session(sound: RunData) -> None:
    data, _ = lossy(sound, [Loss(first=200, count=3), Loss(first=700, count=200)])
    block = block_of(data)["gaps"]
    lengths = [
        int(data.packets["count"][first : first + count].sum()) for first, count in ((200, 3), (700, 200))
    ]
    assert (block["count"], block["messages"], block["messages_max"]) == (2, sum(lengths), max(lengths))
    assert block["lengths"] == {"1_to_9": 1, "10_to_99": 0, "100_to_999": 1, "1000_up": 0}
    rolled = np.uint64(1 << POSITION_SESSION_SHIFT)
    packets, taps = data.packets.copy(), data.market_taps.copy()
    second = packets["first_sequence"][800]
    packets["first_sequence"][800:] += rolled - second + np.uint64(1)
    taps["sequence"][taps["sequence"] >= second] += rolled - second + np.uint64(1)
    sessions = (
        Session(session="ONE", ordinal=0, first_position=1, last_position=int(second) - 1),
        Session(session="TWO", ordinal=1, first_position=int(rolled) + 1, last_position=int(rolled) + 1_000),
    )
    assert block_of(replace(data, packets=packets, market_taps=taps, sessions=sessions))["gaps"]["count"] == 3


# Staleness, counters, positions


def test_stale_symbols_are_those_of_messages_published_and_not_delivered(sound: RunData) -> None:
    data, (truth,) = lossy(sound, [REQUEST])
    total = int(data.packets["count"].sum())
    locates = np.ones(total, "<u2")
    first = int(data.packets["first_sequence"][REQUEST.first]) - 1
    published = int(np.searchsorted(data.packets["intended_ns"], truth.live_ns, side="right"))
    last = int(data.packets["first_sequence"][published - 1] + data.packets["count"][published - 1]) - 1
    locates[first : first + 4] = [7, 8, 9, 0]
    locates[first - 1], locates[last - 1], locates[last] = 20, 21, 22
    stale = block_of(replace(data, message_locates=locates))["stale_symbols"]
    assert (stale["max"], stale["now"], stale["known"]) == (5, 0, 7)  # 1, 7, 8, 9, 21
    assert stale["counted"].startswith("symbols with a message")


def test_without_the_stream_every_symbol_is_stale_and_the_report_says_so(sound: RunData) -> None:
    data, _ = lossy(sound, [Loss(first=1_500, count=10, way="none")])
    data = replace(data, exchange=replace(data.exchange, types={"R": 100, "A": 9}))
    stale = block_of(data)["stale_symbols"]
    assert (stale["max"], stale["now"], stale["known"]) == (100, 100, 100)
    assert "taints every symbol" in stale["counted"]


def test_counters_of_both_ends_are_side_by_side(sound: RunData) -> None:
    data, _ = lossy(sound, [REQUEST])
    snapshots = {"started": 1, "port": {"logins": 2, "name": "not a number"}}
    recovery = {"requests": 3, "answered": 2, "impaired": {"dropped": 4}, "snapshots": snapshots}
    data = replace(data, exchange=replace(data.exchange, recovery=recovery))
    blocks = figure_blocks(data, measure_run(data, late_after_ns=LATE_NS))
    assert look_up(blocks, "feed_quality.requests.sent") == 1
    assert blocks["feed_quality"]["requests"]["exchange"] == {
        "requests": 3,
        "answered": 2,
        "impaired_dropped": 4,
    }
    assert blocks["feed_quality"]["snapshots"]["exchange"] == {"started": 1, "port_logins": 2}
    assert look_up(blocks, "exchange.recovery.answered") == 2
