"""Real traffic over both wires into the engine: the open of a Nasdaq day, and every MoldUDP64 capture."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from lab_cli import Run, play, replays

pytestmark = [pytest.mark.privileged, pytest.mark.real]

PREFIX = "tgreal"
# README of the captures: per-type counters of the start of day and of the open.
DAY = Counter(S=1, R=993, H=3, Y=3)
OPEN = Counter(A=367, U=225, F=193, D=167, E=28, X=6, I=4, P=4, Q=4, C=1, S=1)
OPEN_NAMES = ("open_at_0_1x", "open_at_1x", "open_at_10x")


@pytest.fixture(scope="module")
def played(real_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    results = tmp_path_factory.mktemp("results")
    itch = real_directory / "itch"
    return play(
        results,
        PREFIX,
        "scenarios/real_open",
        *("--set", f"day={itch / 'nasdaq_start_of_day_1000.itch'}"),
        *("--set", f"open={itch / 'nasdaq_2019-12-30_open_1000.itch'}"),
        *("--set", f"pcaps={real_directory / 'pcaps'}"),
        "--no-report",
    )


def engine_report(run: Run) -> dict[str, dict[str, int]]:
    report: dict[str, dict[str, int]] = json.loads(
        (run.path / "raw" / "run" / "engine" / "engine.json").read_text()
    )
    return report


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_every_message_of_the_open_is_decoded_and_counted(played: dict[str, Run], name: str) -> None:
    report = engine_report(played[name])
    assert report["types"] == dict(DAY + OPEN)
    assert report["decode"] == {"unknown_types": 0, "length_errors": 0, "long_messages": 0}
    assert report["book"]["unknown_reference"] == 399  # 394 entered before the cut, 5 of their replacements


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_the_open_is_answered_with_orders_that_are_all_accounted_for(
    played: dict[str, Run], name: str
) -> None:
    run = played[name]
    counts = run.summary["counts"]
    assert counts["triggers"] == 33
    assert counts["orders"] > 0
    assert counts["unmatched"] == 0
    assert {check for check in run.not_passed() if check != "pacing"} == set(), json.dumps(
        run.summary["checks"]
    )


def test_every_message_of_the_captures_is_decoded(played: dict[str, Run], real_directory: Path) -> None:
    expected = json.loads((real_directory / "expected.json").read_text())
    types = Counter(
        message["type"]
        for capture in expected["itch"]
        for packet in capture["packets"]
        for message in packet["messages"]
    )
    report = engine_report(played["captures"])
    assert report["types"] == dict(types)
    assert report["decode"] == {"unknown_types": 0, "length_errors": 0, "long_messages": 0}
    assert played["captures"].verdict("every_message_decoded") == "PASS"


@pytest.mark.parametrize("name", [*OPEN_NAMES, "captures"])
def test_the_journal_replays_to_the_same_orders_and_books(played: dict[str, Run], name: str) -> None:
    replays(played[name])
