"""A market played over and over is one long valid feed: numbers without a hole, nothing said twice, no order left."""

import json
import select
import socket
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_process import Process, Wires, check_frame, configure, sum_of
from hypothesis import given, settings
from hypothesis import strategies as st
from played_cycle import MATCHES, cycled, expected, played
from traffic_reference import ReferenceBook, messages_of

from engine import Engine, EngineConfig
from engine.config import BookConfig
from traffic.config import load_config
from traffic.errors import InputError
from traffic.market import cycle as cycle_module
from traffic.market.cycle import play_rounds

CYCLE = {"kind": "model", "symbols": 5, "messages": 3000, "rate_per_s": 100_000, "cycle_messages": 700}


@st.composite
def streams(draw: st.DrawFn) -> dict[str, Any]:
    symbols = draw(st.integers(1, 6))
    cycle_messages = draw(st.integers(32 * symbols, 32 * symbols + 500))
    return {
        "symbols": symbols,
        "cycle_messages": cycle_messages,
        "messages": draw(st.integers(1, 4 * cycle_messages)),
        "messages_max": draw(st.integers(1, 40)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "rate": draw(st.sampled_from([1_000, 10**6, 10**8])),
        "arrivals": draw(st.sampled_from(["even", "poisson", "hawkes"])),
        "gap_min_ns": draw(st.sampled_from([0, 1, 5_000])),
    }


@settings(deadline=None, max_examples=60)
@given(streams())
def test_the_exchange_plays_what_plain_python_says(options: dict[str, Any]) -> None:
    stream = cycled(**options)
    sent = list(played(stream))
    assert [blocks for blocks, _ in sent] == expected(stream)
    assert [total for _, total in sent] == [sum_of(blocks) for blocks, _ in sent]


@settings(deadline=None, max_examples=60)
@given(streams())
def test_a_cycled_feed_is_a_valid_feed(options: dict[str, Any]) -> None:
    stream = cycled(**options)
    packets, book = stream.packets, ReferenceBook()
    counts = packets["count"].astype(np.int64)
    assert packets["first_sequence"].tolist() == (1 + np.cumsum(counts) - counts).tolist()
    asked = max(options["messages"], 4 + 3 * options["symbols"])  # the opening is always whole
    assert asked <= counts.sum() < asked + options["messages_max"]
    assert (np.diff(packets["intended_ns"]) >= options["gap_min_ns"]).all()
    entered: Counter[int] = Counter()
    matches: Counter[int] = Counter()
    types: Counter[str] = Counter()
    assert stream.cycle is not None
    begun_ns = latest_ns = 0  # of a round: none begins before the one before it has ended
    for index, blocks in enumerate(expected(stream)):
        if (
            index >= stream.cycle.first_packet
            and (index - stream.cycle.first_packet) % stream.cycle.packets == 0
        ):
            begun_ns = latest_ns
        for message in messages_of(blocks):
            kind = chr(message[0])
            types[kind] += 1
            book.apply(message)
            if kind in "AFU":
                entered[struct.unpack_from(">Q", message, 19 if kind == "U" else 11)[0]] += 1
            if kind in "ECPQ":
                matches[struct.unpack_from(">Q", message, MATCHES[kind])[0]] += 1
            time_ns = int.from_bytes(message[5:11], "big")
            assert time_ns >= begun_ns
            latest_ns = max(latest_ns, time_ns)
    assert (book.unknown, book.duplicate, book.excess) == (0, 0, 0)
    assert not [number for numbers in (entered, matches) for number, times in numbers.items() if times > 1]
    assert (stream.scan.messages, dict(stream.scan.types)) == (counts.sum(), dict(types))


@settings(deadline=None, max_examples=25)
@given(streams())
def test_the_engine_takes_the_cycle_for_a_whole_feed_and_has_the_references_book(
    options: dict[str, Any],
) -> None:
    stream, reference = cycled(**options), ReferenceBook()
    with Engine(EngineConfig(book=BookConfig(orders=4096, levels=2048))) as engine:
        for packet, (blocks, _) in zip(stream.packets, played(stream), strict=True):
            header = struct.pack(">10sQH", b"TAILGATE01", packet["first_sequence"], packet["count"])
            for line in "AB":
                engine.step(header + blocks, line=line)
            for message in messages_of(blocks):
                reference.apply(message)
        report = engine.report()
        assert [tuple(row) for row in engine.book().tolist()] == reference.rows()
    assert report["feed"]["delivered"] == stream.scan.messages
    assert (report["feed"]["state"], report["feed"]["gaps"], report["book"]["complete"]) == ("LIVE", 0, 1)
    assert not any(report["decode"].values())
    assert {name for name, count in report["book"].items() if count} <= {
        "ignored", "applied", "order_count", "order_count_max", "level_count_max", "complete"
    }  # fmt: skip


@pytest.mark.parametrize("symbols", [1, 3, 40])
def test_no_order_is_left_at_the_end_of_a_round(symbols: int) -> None:
    for cycle_messages in range(32 * symbols, 32 * symbols + 12):
        stream = cycled(symbols=symbols, cycle_messages=cycle_messages, messages=3 * cycle_messages)
        assert stream.cycle is not None
        begin, each = stream.cycle.first_packet, stream.cycle.packets
        book = ReferenceBook()
        for index, blocks in enumerate(expected(stream)):
            if index >= begin and (index - begin) % each == 0:
                assert book.orders == {}
            for message in messages_of(blocks):
                book.apply(message)


def test_the_time_goes_round_at_midnight() -> None:
    stream = cycled(symbols=1, cycle_messages=100, messages=700, rate=1)  # 100 s a round; opened at 09:30
    stream.arena[:] = np.frombuffer(
        b"".join(
            len(message).to_bytes(2, "big")
            + message[:5]
            + (int.from_bytes(message[5:11], "big") + 52_000_000_000_000).to_bytes(6, "big")
            + message[11:]
            for message in messages_of(stream.arena.tobytes())
        ),
        np.uint8,
    )
    assert [blocks for blocks, _ in played(stream)] == expected(stream)
    times = [int.from_bytes(blocks[7:13], "big") for blocks, _ in played(stream)]
    assert max(times) < 86_400_000_000_000
    assert min(times) < 10**12


def test_more_packets_than_memory_is_meant_for_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = cycled(symbols=1, cycle_messages=100, messages=100)
    assert stream.cycle is not None
    opening, rest = np.split(stream.packets, [stream.cycle.first_packet])
    monkeypatch.setattr(cycle_module, "PACKETS_MAX", 40)
    with pytest.raises(InputError, match="at most 40"):
        play_rounds(opening, rest, messages=10_000, time_ns=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recovery": {"address": "10.77.4.1"}}, "overwrites what it has played"),
        ({"bursts": {"messages": 10, "every_ns": 10**9, "spacing_ns": 1}}, "no bursts"),
        ({"sessions": [{"at_sequence": 50, "session": "B"}]}, "no sessions"),
        ({"publisher": {"kind": "trex", "folder": "/tmp/x"}}, "no publisher"),
        ({"source": CYCLE | {"cycle_messages": 159}}, "at least 32"),
        ({"source": CYCLE | {"cycle_messages": None, "messages": 50_000_001}}, "played over and over"),
    ],
)
def test_what_cannot_be_true_of_a_cycle_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        load_config(configure(tmp_path, **{"bursts": None, "source": CYCLE} | changes))


@pytest.mark.privileged
def test_both_lines_carry_the_cycle_with_right_checksums(wires: Wires, tmp_path: Path) -> None:
    packing = {"messages_max": 6, "gap_min_ns": 50_000}
    config = configure(tmp_path, source=CYCLE, packing=packing, bursts=None)
    arrived: tuple[list[bytes], list[bytes]] = ([], [])
    with Process(config, namespace=wires.namespace) as process:
        ready = process.event()
        process.command(do="start", at_ns=time.monotonic_ns() + 20_000_000)
        stdout = process.process.stdout
        while not select.select([stdout], [], [], 0.005)[0]:
            for line in (0, 1):
                arrived[line].extend(wires.frames(line))
        assert process.event()["event"] == "published"
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
        assert process.end() == (0, "")
    for line in (0, 1):
        arrived[line].extend(wires.frames(line))
    stream = cycled(
        symbols=5, cycle_messages=700, messages=3000, messages_max=6, seed=7, rate=100_000,
        arrivals="hawkes", gap_min_ns=50_000,
    )  # fmt: skip
    out = tmp_path / "out"
    assert ready["messages"] == stream.scan.messages
    assert not (out / "messages.itch").exists()
    numbers = np.load(out / "packets.npy")[["first_sequence", "count"]].tolist()
    for line, group, source, port in (
        (0, "239.77.0.1", "10.77.1.1", 26477),
        (1, "239.205.0.2", "10.77.2.1", 26478),
    ):
        given_ = {"group": socket.inet_aton(group), "source": socket.inet_aton(source), "port": port}
        parts = [check_frame(data, **given_) for data in arrived[line]]  # type: ignore[arg-type]
        data = [each for each in parts if each[2] not in (0, 0xFFFF)]
        assert [(each[1], each[2]) for each in data] == numbers
        assert [each[3] for each in data] == expected(stream)
    reference = ReferenceBook()
    for blocks in expected(stream):
        for message in messages_of(blocks):
            reference.apply(message)
    assert [tuple(row) for row in np.load(out / "book.npy").tolist()] == reference.rows()
    counters = json.loads((out / "exchange.json").read_text())["book"]
    assert (counters["unknown_reference"], counters["duplicate_reference"], counters["excess_shares"]) == (
        0,
        0,
        0,
    )
