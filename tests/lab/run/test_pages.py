"""Shared pages read as values: the exchange's by its layout, the engine's as the engine itself writes it."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from engine._engine import lib

from engine import Engine, EngineConfig
from engine.config import BookConfig
from lab.errors import UndecidedError
from lab.run.pages import ENGINE_LINES_OFFSET, ENGINE_MAGIC, EnginePage, ExchangePage

EXCHANGE_MAGIC = 0x7461696C67617465


def test_the_exchanges_page_is_read_by_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(struct.pack("<10Q", EXCHANGE_MAGIC, 1, 2, 3, 4, 5, 6, 7, 8, 9).ljust(4_096, b"\0"))
    page = ExchangePage(path)
    assert vars(page.read()) == {
        "messages": 1,
        "packets": 2,
        "orders": 3,
        "state": 4,
        "last_intended_ns": 5,
        "stall_max_ns": 6,
        "stall_count": 7,
    }
    page.close()


def test_a_page_shows_what_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(struct.pack("<10Q", EXCHANGE_MAGIC, *[0] * 9))
    page = ExchangePage(path)
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("<Q", 99))
    assert page.read().messages == 99
    page.close()


def test_the_engines_page_is_what_the_engine_publishes(tmp_path: Path) -> None:
    path = tmp_path / "engine.page"
    config = EngineConfig(control=path, decisions=16, open_orders=4, book=BookConfig(orders=16, levels=16))
    before_ns = time.monotonic_ns()
    with Engine(config) as engine:
        blocks = struct.pack(">H", 1) + b"?"
        now_ns = time.monotonic_ns()
        engine.receive(b"\0\x01H", now_ns=now_ns)
        engine.step(b"TAILGATE01" + struct.pack(">QH", 1, 3) + 3 * blocks, now_ns=now_ns)
        lib.engine_poll(engine._runner._engine)
        page = EnginePage(path)
        state, lines = page.read(), page.lines()
        page.close()
    assert lines is not None
    assert (lines.next, lines.packets) == ((4, 0), (1, 0)), "line A told of messages 1 to 3"
    assert lines.heard_ns == (now_ns, now_ns), "of B: when the feed was first heard at all"
    assert before_ns <= state.heartbeat_ns <= time.monotonic_ns() + 1_000_000
    assert (state.delivered, state.triggers, state.orders) == (3, 0, 0)
    assert (state.feed_state, state.session_up) == (2, True)


def test_what_the_lines_told_is_not_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page"
    for looks, whole in ((6, True), (7, False)):
        head = struct.pack("<Q", ENGINE_MAGIC).ljust(ENGINE_LINES_OFFSET, b"\0")
        path.write_bytes(head + struct.pack("<7Q", 10, 20, 30, 40, 50, 60, looks).ljust(4096, b"\0"))
        page = EnginePage(path)
        lines = page.lines()
        assert (lines is not None) == whole
        if lines is not None:
            assert (lines.next, lines.packets, lines.heard_ns) == ((10, 20), (30, 40), (50, 60))
        page.close()


@pytest.mark.parametrize("content", [b"", b"short", bytes(4_096), struct.pack("<Q", EXCHANGE_MAGIC + 1)])
def test_another_file_is_refused_and_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page"
    path.write_bytes(content)
    with pytest.raises(UndecidedError, match="not the page") as caught:
        ExchangePage(path)
    assert caught.value.where == str(path)


def test_the_pages_of_engine_and_exchange_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(struct.pack("<10Q", EXCHANGE_MAGIC, *[0] * 9))
    with pytest.raises(UndecidedError):
        EnginePage(path)
