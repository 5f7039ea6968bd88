"""Lines in shared memory: when they began, from what the engine's page tells; stamps, from its journal."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from engine import Engine, EngineConfig
from engine.config import BookConfig, JournalConfig
from lab.errors import UndecidedError
from lab.measure.rows import MARKET_TAPS
from lab.run.pages import ENGINE_LINES_OFFSET, ENGINE_MAGIC
from lab.run.trex_shared import STALL_NS, beginnings_heard, heard_clock, heard_stamps

EVERY_NS = 2_000_000
PUBLISHED = {"lead_every_ns": EVERY_NS, "lead_in": 400, "market_ns": 500_000_000}


class Page:
    """An engine's page whose lines hear heartbeats as they are told."""

    def __init__(self, path: Path) -> None:
        self.path, self.looks = path, 0
        path.write_bytes(struct.pack("<Q", ENGINE_MAGIC).ljust(4096, b"\0"))

    def heard(self, *lines: tuple[int, int]) -> None:
        """(datagrams, time of the last) of A and of B."""
        self.looks += 2
        packets, times = zip(*lines, strict=True)
        with self.path.open("r+b") as file:
            file.seek(ENGINE_LINES_OFFSET)
            file.write(struct.pack("<7Q", 1, 1, *packets, *times, self.looks))


def test_a_line_began_when_its_least_late_heartbeats_say_and_not_the_earliest(tmp_path: Path) -> None:
    page, began = Page(tmp_path / "page"), (5_000_000_000, 5_000_700_000)
    done = threading.Event()

    def play() -> None:
        for number in range(1, 401):
            late = 300_000 if number % 3 else 0  # most are late, as from a generator that sleeps
            early = -8_000_000 if number == 40 else 0  # the engine stood still within the poll that took it
            page.heard(*((number, at + (number - 1) * EVERY_NS + late + early) for at in began))
            if done.wait(0.002):
                return

    player = threading.Thread(target=play)
    player.start()
    try:
        found = beginnings_heard(
            page.path, PUBLISHED, asked_ns=time.monotonic_ns(), check=lambda: None, where=tmp_path
        )
    finally:
        done.set()
        player.join()
    assert found == {"A": began[0] - STALL_NS, "B": began[1] - STALL_NS}


def test_a_line_that_tells_nothing_is_undecided(tmp_path: Path) -> None:
    page = Page(tmp_path / "page")
    long_ago = time.monotonic_ns() - 60_000_000_000
    with pytest.raises(
        UndecidedError, match="lead-in did not reach the engine's ports: 0 on line A, 0 on line B"
    ):
        beginnings_heard(page.path, PUBLISHED, asked_ns=long_ago, check=lambda: None, where=tmp_path)


def test_stamps_are_the_journals_and_those_of_other_wires_the_taps(tmp_path: Path) -> None:
    journal = JournalConfig(path=tmp_path / "engine.journal", ring_bytes=1 << 20)
    config = EngineConfig(journal=journal, decisions=16, open_orders=4, book=BookConfig(orders=16, levels=16))
    block = struct.pack(">H", 1) + b"?"
    with Engine(config) as engine:
        engine.step(b"TAILGATE01" + struct.pack(">QH", 1, 0), line="B", now_ns=1_000)  # a heartbeat on B
        engine.step(b"TAILGATE01" + struct.pack(">QH", 1, 2) + 2 * block, line="A", now_ns=3_000)
        engine.step(b"no MoldUDP64", line="A", now_ns=4_000)
    others = np.zeros(2, MARKET_TAPS)
    others["stamp_ns"], others["line"], others["sequence"] = (2_000, 2_500), (2, 0), (7, 8)
    rows = heard_stamps(tmp_path, tmp_path, others)
    told = [
        tuple(int(value) for value in row)
        for row in rows[["stamp_ns", "line", "sequence", "count", "length"]]
    ]
    assert told == [(1_000, 1, 1, 0, 62), (2_000, 2, 7, 0, 0), (3_000, 0, 1, 2, 68)], "no tap knows line A"
    clock = heard_clock(taps=rows, orders=5, uncertainty_ns=100)
    assert (clock.grade, clock.uncertainty_ns) == ("sw-app", 20_100)
    assert clock.stamps_by_grade == {"sw-app": 2, "sw-driver": 6}
