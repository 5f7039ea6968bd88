"""A pass of venue mdp3: its settings, and its raw files as the parts of a RunData that only this venue has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lab.measure.data import EngineReport, Transition
from lab.measure.rows import LEVELS, LINE_ARRIVALS, Rows, require_rows
from lab.measure.two_lines import TwoLineData, merged
from lab.measure.wire import NEVER, PUBLISHED_LINES, first_arrivals
from lab.oracle.mdp3_books import books_after
from lab.run.dpdk import wire_mode
from lab.scenario import Scenario, Traffic
from lab.scenario.venue import Mdp3

__all__ = ["engine_report_of", "mdp3_settings", "two_line_parts", "two_lines_source"]

ARRIVALS_LEAST, ARRIVALS_MOST = 1 << 13, 1 << 20
UNUSED = {"orders": 1024, "levels": 1024}  # the other venue's book, which stays empty


def two_lines_source(traffic: Traffic) -> dict[str, Any]:
    """The exchange's ``source``; its numbers are MsgSeqNum, as the tap's and the engine's are."""
    assert traffic.file
    assert traffic.lines
    source: dict[str, Any] = {
        "kind": "two_lines",
        "path": str(traffic.file[0]),
        "lines": {"A": traffic.lines.A, "B": traffic.lines.B},
        "speed": traffic.speed,
        "numbers": "mdp3",
    }
    if traffic.gap_max_ns is not None:
        source["gap_max_ns"] = traffic.gap_max_ns
    return source


def mdp3_settings(options: Mdp3, *, packets: int) -> dict[str, Any]:
    """What the engine is told of venue mdp3. ``packets`` of both lines size its memory of arrivals."""
    room = min(max(1 << max(packets - 1, 1).bit_length(), ARRIVALS_LEAST), ARRIVALS_MOST)
    return {
        "venue": "mdp3",
        "mdp3": {
            "hold_back_ns": options.hold_back_ns,
            "line_silence_ns": options.line_silence_ns,
            "natural_refresh": options.natural_refresh,
            "instrument_count": options.instrument_count,
            "arrival_count": room,
        },
        "book": UNUSED,
        "decisions": 1024,
        "open_orders": 1024,
    }


def engine_report_of(scenario: Scenario, raw: dict[str, Any], *, exit_code: int, stderr: str) -> EngineReport:
    """EngineReport from engine.json of venue mdp3; there are no orders to report."""
    lines = [raw["wire"][name] for name in "AB"]
    return EngineReport(
        alive=True,
        exit_code=exit_code,
        wire=scenario.engine.wire,
        wire_mode=wire_mode(scenario.engine, raw["wire"]),
        final_feed_state=raw["feed"]["state"],
        feed={
            **raw["feed"],
            "events_published": raw["events"]["count"],
            "wire_drops": sum(line["dropped"] + line["ring_full"] for line in lines),
            "bad_checksums": sum(line["bad_checksums"] for line in lines),
        },
        book=raw["book"],
        types=raw["types"],
        loop=raw["loop"],
        transitions=tuple(Transition(**row) for row in raw["transitions"]),
        transitions_lost=raw["transitions_lost"],
        journal=raw["journal"],
        stderr_tail=stderr,
    )


def two_line_parts(exchange: Path, engine: Path, *, market_taps: Rows) -> dict[str, Any]:
    """``packets`` (one row a number) and ``two_lines`` of a RunData; the books are read anew here."""
    copies, lines = np.load(exchange / "packets.npy"), np.load(exchange / "packet_lines.npy")
    packets, intended_ns, first_copy = merged(copies, lines)
    wire = first_arrivals(packets, market_taps)
    reached = (wire.at_engine[:PUBLISHED_LINES] != NEVER).any(axis=0)
    data = (exchange / "payloads.bin").read_bytes()
    payloads = [
        data[offset : offset + size]
        for offset, size in copies[["message_offset", "bytes"]][first_copy].tolist()
    ]
    return {
        "packets": packets,
        "two_lines": TwoLineData(
            intended_ns=intended_ns,
            arrivals=_rows(engine / "arrivals.npy", LINE_ARRIVALS),
            engine_levels=_rows(engine / "levels.npy", LEVELS) if (engine / "levels.npy").exists() else None,
            reached_levels=books_after(payloads[index] for index in np.flatnonzero(reached)),
            all_levels=books_after(payloads),
            live=_live(engine / "engine.json"),
        ),
    }


def _rows(path: Path, layout: np.dtype[Any]) -> Rows:
    if not path.exists():
        return np.empty(0, layout)
    return require_rows(np.load(path, allow_pickle=False), layout, str(path))


def _live(path: Path) -> tuple[int, ...]:
    if not path.exists():
        return ()
    instruments = json.loads(path.read_text())["instruments"]
    return tuple(int(one["security"]) for one in instruments if one["state"] == "LIVE")
