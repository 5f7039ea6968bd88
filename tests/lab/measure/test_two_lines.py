"""Copies of two lines become packets with two times; who was first is counted as one would by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.arbitration import arbitrate
from lab.measure.rows import LEVELS, LINE_ARRIVALS, MARKET_TAPS, PACKETS
from lab.measure.two_lines import TwoLineData, merged
from lab.measure.wire import NEVER, first_arrivals

LEVELS_NONE = np.empty(0, LEVELS)


def copies(*rows: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(number, line, intended) of each copy, in the order in which they are sent."""
    packets, lines = np.zeros(len(rows), PACKETS), np.zeros(len(rows), np.uint8)
    for index, (number, line, at_ns) in enumerate(rows):
        packets[index]["first_sequence"], packets[index]["count"] = number, 1
        packets[index]["intended_ns"], packets[index]["sent_ns"][line] = at_ns, at_ns + 7
        packets[index]["message_offset"], lines[index] = 100 * index, line
    return packets, lines


def test_copies_are_merged_by_number_and_keep_the_times_of_both_lines() -> None:
    packets, lines = copies((8, 1, 40), (7, 0, 50), (8, 0, 60), (9, 1, 70), (7, 1, 80), (9, 1, 90))
    rows, intended, first_copy = merged(packets, lines)
    assert rows["first_sequence"].tolist() == [7, 8, 9]
    assert rows["intended_ns"].tolist() == [50, 40, 70]
    assert intended.tolist() == [[50, 60, NEVER], [80, 40, 70]]
    assert rows["sent_ns"].tolist() == [[57, 87], [67, 47], [0, 77]]
    assert packets["first_sequence"][first_copy].tolist() == [7, 8, 9]
    assert rows["count"].tolist() == [1, 1, 1]


BOUND = 50
TIMES = st.integers(-200, 200)


@given(
    st.lists(
        st.tuples(TIMES, TIMES, TIMES, st.integers(0, 300), st.integers(0, 300), st.integers(0, 1), st.booleans()),
        max_size=30,
    )
)  # fmt: skip
def test_every_packet_is_in_one_class_and_in_the_right_one(
    cases: list[tuple[int, int, int, int, int, int, bool]],
) -> None:
    rows, taps, arrivals, counts = (
        [],
        [],
        [],
        dict.fromkeys(("close", "off", "together", "wrong", "right"), 0),
    )
    missing = early = late = 0
    for index, (capture, error_a, error_b, read_a, read_b, line, reported) in enumerate(cases):
        number, at_ns = index + 1, 10_000 * (index + 1)
        wanted = (at_ns, at_ns + capture)
        wire = (wanted[0] + error_a, wanted[1] + error_b)
        rows += [(number, 0, wanted[0]), (number, 1, wanted[1])]
        taps += [(wire[0], number, 1, 0, 0, 30), (wire[1], number, 1, 1, 0, 30)]
        read = (wire[0] + read_a, wire[1] + read_b)
        first_ns, second_ns = (
            read[line],
            max(read[1 - line], read[line]),
        )  # an engine's clock does not go back
        if not reported:
            missing += 1
            continue
        arrivals.append((number, first_ns, second_ns, line, b""))
        tap = wire[1] - wire[0]
        winner = 1 if tap < 0 else 0
        if abs(capture) < BOUND or abs(tap) < BOUND:
            kind = "close"
        elif abs(tap - capture) > BOUND:
            kind = "off"
        elif winner == line:
            kind = "right"
        else:
            kind = "together" if first_ns >= max(wire) else "wrong"
        counts[kind] += 1
        margin = (second_ns - first_ns) * (1 if line == 0 else -1)
        late += kind == "right" and abs(margin - tap) > BOUND
        early += first_ns < wire[line] or second_ns < wire[1 - line]
    packets, lines = copies(*rows)
    table, intended, _ = merged(packets, lines)
    two = TwoLineData(
        intended_ns=intended,
        arrivals=np.array(arrivals, LINE_ARRIVALS),
        engine_levels=None,
        reached_levels=LEVELS_NONE,
        all_levels=LEVELS_NONE,
        live=(),
    )
    found = arbitrate(table, first_arrivals(table, np.array(taps, MARKET_TAPS)), two, bound_ns=BOUND)
    assert (found.both, found.unreported) == (len(cases), missing)
    assert (found.close, found.off_schedule) == (counts["close"], counts["off"])
    assert (found.together, found.wrong) == (counts["together"], counts["wrong"])
    assert found.decided == counts["right"] + counts["wrong"]
    assert (found.early, found.late_reads) == (early, late)
    assert (found.unfounded, found.repeated) == (0, 0)
    assert sum(engine for _, _, engine in found.winners.values()) == len(cases) - missing
    assert len(found.replay_error) == len(found.engine_error) == len(cases) - missing
