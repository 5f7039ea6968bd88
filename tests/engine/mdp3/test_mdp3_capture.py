"""Both lines of a real channel, replayed at the capture's own stamps: who won, what was decoded, and every book."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from captures import datagrams
from engine_mdp3 import KINDS
from mdp3_layouts import LAYOUTS, encode, packet
from reference_replay import ReferenceChannel

from engine.mdp3 import Mdp3Channel, Mdp3Options

pytestmark = pytest.mark.real

FILE = "mdp3/cme_2016-09-27_lines_ab.pcap"
PORTS = {14320: 0, 15320: 1}
FIRST, COUNT = 17_347_815, 5_000
OPTIONS = Mdp3Options(status_required=False)

Step = tuple[int, int, bytes]  # stamp, line, payload


@pytest.fixture(scope="module")
def steps(real_directory: Path) -> list[Step]:
    """Every datagram in the order of its stamp: the file has whole stretches of one line before the other's."""
    found = [(d.stamp_ns, PORTS[d.port], d.payload) for d in datagrams(real_directory / FILE)]
    return sorted(found)


def sequence_of(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "little")


@pytest.fixture(scope="module")
def stamps(steps: list[Step]) -> dict[int, list[int]]:
    """Arrival on A and on B by number."""
    found: dict[int, list[int]] = {}
    for stamp, line, payload in steps:
        found.setdefault(sequence_of(payload), [0, 0])[line] = stamp
    return found


@pytest.fixture(scope="module")
def reference(steps: list[Step]) -> ReferenceChannel:
    channel = ReferenceChannel()
    for payload in payloads(steps):
        channel.take(payload)
    return channel


def payloads(steps: list[Step]) -> Iterator[bytes]:
    """Each packet once, by number."""
    return iter(dict(sorted((sequence_of(payload), payload) for _, _, payload in steps)).values())


def replay(steps: list[Step], options: Mdp3Options = OPTIONS) -> tuple[Mdp3Channel, list[Any]]:
    channel, events = Mdp3Channel(options), []
    for stamp, line, payload in steps:
        events.append(channel.step(line, payload, stamp))
    events.append(channel.timer(steps[-1][0] + 10**9))
    return channel, events


def real_sides(book: dict[str, Any]) -> list[Any]:
    """Without the implied sides, of which this capture has none: a snapshot says so, the stream alone cannot."""
    assert not any(book["implied_bid"] + book["implied_ask"])
    return [book["bid"], book["ask"]]


def books(channel: Mdp3Channel) -> dict[int, Any]:
    return {security: channel.book(security) for security in channel.securities}


def test_the_capture_is_what_its_readme_says_but_for_the_winners(stamps: dict[int, list[int]]) -> None:
    assert (min(stamps), len(stamps), max(stamps)) == (FIRST, COUNT, FIRST + COUNT - 1)
    skews = [a - b for a, b in stamps.values()]
    assert (sum(skew < 0 for skew in skews), sum(skew > 0 for skew in skews), skews.count(0)) == (
        711,
        4289,
        0,
    )
    assert (min(skews), max(skews), sorted(skews)[COUNT // 2]) == (-5_030, 14_350, 589)
    # in seconds as floating point, whose step is 238 ns here, the winners are those of the README
    rounded = [(a / 1e9, b / 1e9) for a, b in stamps.values()]
    assert (sum(a < b for a, b in rounded), sum(a > b for a, b in rounded)) == (693, 4153)


def test_every_packet_is_won_once_by_the_line_and_the_margin_of_the_capture(
    steps: list[Step], stamps: dict[int, list[int]]
) -> None:
    channel, _ = replay(steps)
    rows = channel.arrivals()
    assert sorted(rows["position"]) == sorted(stamps)
    for row in rows:
        a, b = stamps[int(row["position"])]
        assert (row["first_ns"], row["second_ns"], row["line"]) == (min(a, b), max(a, b), int(b < a))
    assert list(rows["second_ns"]) == sorted(rows["second_ns"])
    for line, wins in enumerate((711, 4289)):
        counters = channel.line_counters(line)
        margins = [abs(a - b) for a, b in stamps.values() if (b < a) == bool(line)]
        assert counters["wins"] == counters["margins"] == wins == len(margins)
        assert (counters["margin_ns_sum"], counters["margin_ns_max"]) == (sum(margins), max(margins))
        assert counters["packets"] == COUNT
        assert counters["duplicates"] == COUNT - wins
        assert counters["late"] == counters["dropped"] == counters["stashed"] == counters["holes"] == 0
    counters = channel.counters()
    assert (counters["delivered"], counters["gaps"], counters["arrivals_lost"]) == (COUNT, 0, 0)


def test_every_message_is_decoded_without_a_byte_left(steps: list[Step], reference: ReferenceChannel) -> None:
    channel, parts = replay(steps)
    counters = channel.counters()
    templates = {int(name[9:]): count for name, count in counters.items() if name.startswith("template_")}
    assert templates == {12: 6, 30: 99, 32: 4898, 35: 179, 37: 57, 42: 60}
    assert counters["unknown_templates"] == counters["unknown_schemas"] == counters["events_lost"] == 0
    assert not [
        name for line in (0, 1) for name in channel.line_counters(line) if name.startswith("malformed")
    ]
    events = np.concatenate(parts)
    expected = reference.events[: reference.ended]
    assert len(events) == len(expected)
    kinds = Counter(event["kind"] for event in expected)
    assert {KINDS[kind]: count for kind, count in Counter(events["kind"].tolist()).items()} == kinds
    for name, zero in (("sequence", 0), ("security", 0), ("report_sequence", 0), ("wide_price", 0)):
        assert events[name].tolist() == [event.get(name, zero) for event in expected]
    for name in ("wide_shares", "order_count", "level", "action", "indicator", "time_ns", "price_exponent"):
        assert events[name].tolist() == [event.get(name, 0) for event in expected]
    for name in ("flag", "side"):
        texts = [event.get(name, b"") for event in expected]
        assert events[name].tolist() == [text.encode() if isinstance(text, str) else text for text in texts]


def test_books_are_those_of_the_reference(steps: list[Step], reference: ReferenceChannel) -> None:
    channel, _ = replay(steps)
    assert books(channel).keys() >= reference.books.keys()
    for security, book in reference.books.items():
        assert channel.book(security) == book.shown()
        assert channel.instrument(security)["expected_report"] == reference.reports[security] + 1
    assert channel.counters()["contradictions"] == reference.contradictions == 0
    assert len(reference.complete()) == 15


def test_a_late_start_is_never_live_and_natural_refresh_completes_some_books(
    steps: list[Step], reference: ReferenceChannel
) -> None:
    channel, _ = replay(steps)
    assert channel.state == "SYNC"
    assert {channel.instrument_state(security) for security in channel.securities} == {"SYNC"}
    natural, _ = replay(steps, Mdp3Options(status_required=False, natural_refresh=True))
    live = {s for s in natural.securities if natural.instrument_state(s) == "LIVE"}
    assert live == set(reference.complete())
    assert all(natural.tradable(security) for security in live)


@pytest.mark.parametrize("line", [0, 1])
def test_either_line_alone_gives_the_same_books(steps: list[Step], line: int) -> None:
    both, events = replay(steps)
    alone, alone_events = replay([step for step in steps if step[1] == line])
    assert books(alone) == books(both)
    assert np.array_equal(np.concatenate(alone_events), np.concatenate(events))
    assert alone.line_counters(line)["wins"] == COUNT


@pytest.mark.parametrize("seed", range(4))
def test_lines_that_lose_different_packets_give_the_same_books(steps: list[Step], seed: int) -> None:
    """Each packet is lost on at most one line; a long hold-back stands for a market that is never silent."""
    both, events = replay(steps)
    random = Random(seed)
    rate = random.choice([0.02, 0.3, 0.5])
    victims = {
        sequence: random.randrange(2) for sequence in range(FIRST, FIRST + COUNT) if random.random() < rate
    }
    thinned = [step for step in steps if victims.get(sequence_of(step[2])) != step[1]]
    channel, parts = replay(thinned)
    assert books(channel) == books(both)
    assert np.array_equal(np.concatenate(parts), np.concatenate(events))
    counters = channel.counters()
    assert (counters["delivered"], counters["gaps"]) == (COUNT, 0)
    assert len(channel.arrivals()) == COUNT - len(victims)


def snapshot_packets(reference: ReferenceChannel, last: int, loop: int) -> list[bytes]:
    """A loop of template 38 with the books of the reference that are completely known."""
    names = {"bid": b"0", "ask": b"1", "implied_bid": b"E", "implied_ask": b"F"}
    securities = reference.complete()
    found = []
    for number, security in enumerate(securities, 1):
        entries = [
            {"type": names[side], "level": level, "price": values[0], "size": values[1], "orders": values[2]}
            for side, levels in reference.books[security].sides.items()
            for level, values in enumerate(levels, 1)
            if isinstance(values, tuple)
        ]
        fields = {
            "last": last,
            "reports": len(securities),
            "security": security,
            "report": reference.reports[security],
        }
        message = encode(38, fields | {"status": 17}, entries, version=8)
        found.append(packet(number, message, sending_ns=10**18 * 2 + loop))
    return found


def test_snapshot_layout_of_the_test_is_the_schema_of_the_capture() -> None:
    assert LAYOUTS[38].exponent == LAYOUTS[32].exponent == -7


@pytest.mark.parametrize("seed", range(6))
def test_what_both_lines_lost_is_not_live_until_proven_by_report_or_snapshot(
    steps: list[Step], seed: int
) -> None:
    random = Random(seed)
    joined_at, resynced_at = FIRST + 2_500, FIRST + 4_900
    starts = random.sample(range(joined_at + 50, resynced_at - 60), 4)
    lost = {number for start in starts for number in range(start, start + random.choice([1, 3, 40]))}
    channel, truth = Mdp3Channel(OPTIONS), ReferenceChannel()
    suspects: set[int] = set()  # not LIVE since the last hole
    wrong: set[int] = set()  # an entry of theirs was lost since the last snapshot
    proven = ever_wrong = 0
    for payload in payloads(steps):
        sequence, now_ns = sequence_of(payload), sequence_of(payload) * 10**7
        truth.touched.clear()
        truth.take(payload)
        if sequence in lost:
            wrong |= truth.touched
            suspects = set(channel.securities)
            continue
        channel.step(random.randrange(2), payload, now_ns)
        channel.timer(now_ns + 2 * 10**6)
        if sequence in (joined_at, resynced_at):
            for data in snapshot_packets(truth, sequence, sequence):
                channel.step(2, data, now_ns + 3 * 10**6)
            ever_wrong = max(ever_wrong, len(wrong & set(truth.complete())))
            wrong -= set(truth.complete())
            suspects -= set(truth.complete())
            assert {channel.instrument_state(security) for security in truth.complete()} == {"LIVE"}
        for security in channel.securities if sequence % 50 == 0 else truth.touched & set(channel.securities):
            if channel.instrument_state(security) != "LIVE":
                assert not channel.tradable(security)
                continue
            assert security not in wrong
            assert security not in suspects or security in truth.touched
            assert real_sides(channel.book(security)) == real_sides(truth.books[security].shown())
            proven += security in suspects
            suspects.discard(security)
    assert channel.counters()["gaps"] >= 2
    assert proven > 0
    assert ever_wrong > 0


def test_right_after_a_loss_on_both_lines_nothing_is_live(steps: list[Step]) -> None:
    channel, truth = Mdp3Channel(OPTIONS), ReferenceChannel()
    stream = list(payloads(steps))
    for index, payload in enumerate(stream[:3_000]):
        channel.step(0, payload, index * 10**6)
        truth.take(payload)
    for data in snapshot_packets(truth, sequence_of(stream[2_999]), 1):
        channel.step(2, data, 3_000 * 10**6)
    assert {channel.instrument_state(security) for security in truth.complete()} == {"LIVE"}
    for line in (0, 1):  # 3,000 to 3,002 are lost on both
        channel.step(line, stream[3_003], 3_001 * 10**6)
    assert {channel.instrument_state(security) for security in truth.complete()} == {"LIVE"}  # held back
    channel.timer(3_003 * 10**6)
    before = {security: channel.instrument_state(security) for security in truth.complete()}
    for payload in stream[3_000:3_003]:
        truth.take(payload)
    truth.touched.clear()
    truth.take(stream[3_003])
    for security, state in before.items():
        assert state == "LIVE" if security in truth.touched and state == "LIVE" else state != "LIVE"
    assert channel.state in ("RECOVERING", "RESYNC", "SYNC")


def test_memory_of_a_million_of_them_is_not_needed(steps: list[Step]) -> None:
    """The same stream through the smallest channel: bounds are reached, counted, and nothing is LIVE wrongly."""
    small = Mdp3Options(
        reorder_packet_count=2, arrival_count=2, event_capacity=64, join_capacity=1, instrument_count=3,
        status_required=False, natural_refresh=True,
    )  # fmt: skip
    channel, _ = replay(steps, small)
    counters = channel.counters()
    assert len(channel.securities) == 3
    assert counters["instruments_lost"] > 0
    truth = ReferenceChannel()
    for payload in payloads(steps):
        truth.take(payload)
    for security in channel.securities:
        if channel.instrument_state(security) == "LIVE":
            assert channel.book(security) == truth.books[security].shown()
