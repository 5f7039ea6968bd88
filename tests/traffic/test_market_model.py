"""The order-flow model, replayed message by message by an independent book."""

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_reference import LENGTHS, ReferenceBook, messages_of

from traffic.bindings import arrival_offsets, generate_model
from traffic.config import ModelSource, PackingConfig
from traffic.market.order_flow import OPEN_NS, order_flow_stream

GOLDEN = "85df89528dec61d1f1e7fc086d5211e913b609a6af596b182139d2b1d6c8950e"
GOLDEN_ARRIVALS = [50374345, 50549852]


def digest(**options: int) -> str:
    return hashlib.sha256(generate_model(**options).tobytes()).hexdigest()


def test_one_seed_gives_one_stream_and_another_seed_another() -> None:
    first = digest(seed=7, symbols=20, messages=20_000)
    assert first == digest(seed=7, symbols=20, messages=20_000)
    assert first != digest(seed=8, symbols=20, messages=20_000)


def test_the_stream_of_a_seed_never_changes_by_accident() -> None:
    """Bytes made by this model on x86-64; a deliberate change of the model changes this line with it."""
    assert digest(seed=7, symbols=10, messages=5_000) == GOLDEN


def test_arrivals_of_a_seed_never_change_by_accident() -> None:
    offsets = [
        arrival_offsets(kind, seed=7, rate_per_s=100_000, count=5000) for kind in ("poisson", "hawkes")
    ]
    assert [int(each[-1]) for each in offsets] == GOLDEN_ARRIVALS


@given(st.integers(1, 40), st.integers(1, 500))
def test_any_number_of_messages_comes_out_exact(symbols: int, messages: int) -> None:
    assert (
        len(list(messages_of(generate_model(seed=1, symbols=symbols, messages=messages).tobytes())))
        == messages
    )


@pytest.mark.parametrize(("symbols", "messages"), [(1, 20_000), (25, 60_000), (300, 40_000)])
def test_a_replay_meets_no_crossed_book_no_unknown_reference_and_no_excess(
    symbols: int, messages: int
) -> None:
    book = ReferenceBook()
    references: set[int] = set()
    touch: dict[tuple[int, bytes], dict[int, int]] = {}
    count = 0
    for message in messages_of(generate_model(seed=3, symbols=symbols, messages=messages).tobytes()):
        count += 1
        kind = chr(message[0])
        assert len(message) == LENGTHS[kind]
        changed = []
        if kind in "AF":
            changed.append((struct.unpack_from(">Q", message, 11)[0], +1))
        elif kind in "ECXDU":
            reference = struct.unpack_from(">Q", message, 11)[0]
            assert reference in book.orders
            order = book.orders[reference]
            prices = touch[order[0], order[1]]
            prices[order[2]] -= 1
            if prices[order[2]] == 0:
                del prices[order[2]]
            if kind in "EC":  # the oldest order of the best price
                best = (max if order[1] == b"B" else min)([*prices, order[2]])
                assert order[2] == best
            changed.append((reference, 0))
            if kind == "U":
                changed.append((struct.unpack_from(">Q", message, 19)[0], +1))
        book.apply(message)
        for reference, new in changed:
            if new:
                assert reference not in references, "order references are unique"
                references.add(reference)
            if reference not in book.orders:
                continue
            locate, side, price, _ = book.orders[reference]
            prices = touch.setdefault((locate, side), {})
            prices[price] = prices.get(price, 0) + 1
            bids, offers = touch.get((locate, b"B")), touch.get((locate, b"S"))
            if bids and offers:
                assert max(bids) < min(offers), "locked or crossed"
    assert count == messages
    assert (book.unknown, book.duplicate, book.excess) == (0, 0, 0)


def test_executions_take_the_oldest_order_at_the_best_price() -> None:
    queues: dict[tuple[int, bytes, int], list[int]] = {}
    book = ReferenceBook()
    for message in messages_of(generate_model(seed=5, symbols=5, messages=20_000).tobytes()):
        kind = chr(message[0])
        if kind in "ECXDU":
            reference = struct.unpack_from(">Q", message, 11)[0]
            locate, side, price, _ = book.orders[reference]
            if kind in "EC":
                assert queues[locate, side, price][0] == reference
        book.apply(message)
        if kind in "ECXDU" and reference not in book.orders:
            queues[locate, side, price].remove(reference)
        if kind in "AFU":
            new = struct.unpack_from(">Q", message, 19 if kind == "U" else 11)[0]
            locate, side, price, _ = book.orders[new]
            queues.setdefault((locate, side, price), []).append(new)


def test_the_mix_is_that_of_a_nasdaq_day_and_every_common_type_occurs() -> None:
    source = ModelSource(kind="model", symbols=50, messages=300_000)
    stream = order_flow_stream(source, seed=7, session=b"TAILGATE01", packing=PackingConfig(), bursts=None)
    share = {kind: 100 * count / 300_000 for kind, count in stream.scan.types.items()}
    bounds = {"A": (38, 47), "F": (1, 4), "D": (36, 44), "U": (7, 11), "E": (3.5, 7), "X": (1, 2),
              "C": (0.2, 0.5), "P": (0.7, 1.3)}  # fmt: skip
    for kind, (low, high) in bounds.items():
        assert low <= share[kind] <= high, (kind, share[kind])
    assert set("SRHYVLJKhQBIN") <= set(stream.scan.types)
    assert stream.scan.types["R"] == 50
    assert stream.scan.types["S"] == 3


def test_books_stay_two_sided_and_stationary() -> None:
    book = ReferenceBook()
    for message in messages_of(generate_model(seed=9, symbols=20, messages=80_000).tobytes()):
        book.apply(message)
    depth: dict[tuple[int, bytes], int] = {}
    for locate, side, _, _ in book.orders.values():
        depth[locate, side] = depth.get((locate, side), 0) + 1
    assert len(depth) == 40
    assert min(depth.values()) >= 3
    assert max(depth.values()) <= 90


def test_activity_is_unequal_as_zipf_has_it() -> None:
    counts: dict[int, int] = {}
    for message in messages_of(generate_model(seed=2, symbols=100, messages=100_000).tobytes()):
        locate = struct.unpack_from(">H", message, 1)[0]
        counts[locate] = counts.get(locate, 0) + 1
    assert counts[1] > 5 * counts[10] > 5 * 4 * counts[100]


def test_messages_are_stamped_with_half_past_nine_plus_the_time_they_are_due() -> None:
    source = ModelSource(kind="model", symbols=2, messages=500, arrivals="even", rate_per_s=1000)
    stream = order_flow_stream(source, seed=7, session=b"TAILGATE01", packing=PackingConfig(), bursts=None)
    stamps = [int.from_bytes(message[5:11], "big") for message in messages_of(stream.arena.tobytes())]
    assert stamps == [OPEN_NS + index * 1_000_000 for index in range(500)]


@pytest.mark.parametrize("kind", ["even", "poisson", "hawkes"])
@pytest.mark.parametrize("rate_per_s", [2_000, 100_000, 1_000_000])
def test_arrivals_keep_the_mean_rate_and_never_go_back(kind: str, rate_per_s: int) -> None:
    count = 400_000
    offsets = arrival_offsets(kind, seed=7, rate_per_s=rate_per_s, count=count)
    assert offsets[0] == 0
    assert np.all(np.diff(offsets) >= 0)
    assert offsets[-1] / 1e9 == pytest.approx(count / rate_per_s, rel=0.03)


def test_hawkes_arrivals_cluster_and_poisson_arrivals_do_not() -> None:
    """Variance over mean of counts in long windows: 1 for Poisson, 1 / (1 - 0.6)^2 = 6.25 for Hawkes."""

    def dispersion(kind: str) -> float:
        offsets = arrival_offsets(kind, seed=7, rate_per_s=100_000, count=1_000_000)
        counts = np.bincount(offsets // 5_000_000)[:-1]
        return float(np.var(counts) / np.mean(counts))

    assert dispersion("poisson") == pytest.approx(1, abs=0.15)
    assert dispersion("hawkes") == pytest.approx(6.25, rel=0.2)


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(arrival_offsets("poisson", seed=1, rate_per_s=1000, count=500_000))
    for quantile in (0.1, 0.5, 0.9, 0.99, 0.999):
        assert np.quantile(gaps, quantile) == pytest.approx(-1e6 * np.log(1 - quantile), rel=0.03)
