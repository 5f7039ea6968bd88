"""The shipped scenarios, played on real wires; figures of time are the host's as well and are not asserted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as parquet
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from lab_cli import REPOSITORY, Run, play, replays, tailgate

from engine.audit import verify
from engine.journal_binding import journal_problem

pytestmark = pytest.mark.privileged

REPORTED = ("quickstart", "drop_both_lines")
SCENARIOS = (*REPORTED, "wire_floor", "link_down", "pause", "kill_switch_200_times")
TIMED = (
    "pacing",
    "wire_to_wire.p90",
    "wire_to_wire.p50_over_floor",
    "kill.p99",
)  # the host has a say in these
PREFIX = "tge2e"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    results = tmp_path_factory.mktemp("results")
    play(results, PREFIX, *(f"scenarios/{name}" for name in SCENARIOS if name not in REPORTED), "--no-report")
    return play(results, PREFIX, *(f"scenarios/{name}" for name in REPORTED))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_check_but_the_timed_ones_passes(played: dict[str, Run], name: str) -> None:
    run = played[name]
    assert {check for check in run.not_passed() if check not in TIMED} == set(), json.dumps(
        run.summary["checks"]
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_verdict_follows_from_the_checks(played: dict[str, Run], name: str) -> None:
    run = played[name]
    verdicts = set(run.not_passed().values())
    expected = "FAIL" if "FAIL" in verdicts else "UNKNOWN" if verdicts else "PASS"
    assert run.summary["verdict"] == expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_trigger_is_accounted_for(played: dict[str, Run], name: str) -> None:
    counts = played[name].summary["counts"]
    assert counts["triggers"] > 0
    assert counts["triggers"] == counts["matched"] + counts["risk_blocked"] + counts["unmatched"]


@pytest.mark.parametrize("name", ["quickstart", "wire_floor"])
def test_matched_orders_are_those_of_the_drop_copy(played: dict[str, Run], name: str) -> None:
    run = played[name]
    rows = np.load(run.path / "raw" / "run" / "exchange" / "drop_copy.npy")
    assert run.summary["counts"]["matched"] == run.summary["counts"]["orders"] == (rows["kind"] == b"O").sum()


def test_a_run_directory_holds_the_contract(played: dict[str, Run]) -> None:
    path = played["quickstart"].path
    for name in (
        "scenario.yaml",
        "manifest.json",
        "samples.parquet",
        "events.jsonl",
        "summary.json",
        "junit.xml",
    ):
        assert (path / name).is_file(), name
    manifest = json.loads((path / "manifest.json").read_text())
    assert "summary.json" in manifest["files"]
    for name, file in manifest["files"].items():
        assert hashlib.sha256((path / name).read_bytes()).hexdigest() == file["sha256"], name
    assert "<html" in (path / "report.html").read_text()
    assert (path.parent / "latest").is_symlink()


def test_histograms_are_read_by_another_tool(played: dict[str, Run]) -> None:
    run = played["quickstart"]
    reader = HistogramLogReader(str(run.path / "latency.hlog"), HdrHistogram(1, 100_000_000_000, 3))
    total = 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        if interval.get_tag() == "wire_to_wire":
            total += interval.get_total_count()
    reader.close()
    assert total == run.summary["latency_ns"]["wire_to_wire"]["count"]


def test_samples_have_a_row_for_every_trigger(played: dict[str, Run]) -> None:
    run = played["quickstart"]
    assert parquet.read_table(run.path / "samples.parquet").num_rows >= run.summary["counts"]["triggers"]


def test_packets_lost_on_both_lines_are_noticed_and_silence_the_engine(played: dict[str, Run]) -> None:
    run = played["drop_both_lines"]
    (fault,) = run.summary["faults"]
    assert 0 < fault["injected_ns"] <= fault["detected_ns"]
    taps = np.load(run.path / "raw" / "run" / "engine" / "decisions.npy")
    after = taps[taps["trigger_sequence"] >= 100_064]
    assert len(after)
    assert (after["reason"] != 0).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_journal_replays_to_the_same_orders_and_books(played: dict[str, Run], name: str) -> None:
    assert replays(played[name]).counts["checkpoints"] > 0


def test_a_replay_until_a_message_shows_the_state_there(played: dict[str, Run]) -> None:
    answer = tailgate("replay", played["quickstart"].path, "--until", "100000", "--json")
    assert answer.code == 0, answer.err
    state = json.loads(answer.out)["state"]
    assert state["position"] == 100_001
    assert state["feed"]["state"] == "LIVE"
    assert len(state["book"]) == 5
    assert state["positions"]
    assert state["last_orders"]
    assert tailgate("replay", played["quickstart"].path, "--until", "100000").code == 0


def test_a_flipped_byte_of_journal_or_trail_is_found_and_named(
    played: dict[str, Run], tmp_path: Path
) -> None:
    journal = bytearray((played["quickstart"].path / "engine.journal").read_bytes())
    journal[len(journal) // 2] ^= 0x10
    path = tmp_path / "engine.journal"
    path.write_bytes(journal)
    answer = tailgate("replay", path, "--json")
    replayed = json.loads(answer.out)
    assert (answer.code, replayed["outcome"]) == (1, "unreadable")
    assert 0 <= len(journal) // 2 - replayed["offset"] < 65_536
    assert f"record {replayed['number']}, offset {replayed['offset']}" in replayed["problem"]

    trail = bytearray((played["quickstart"].path / "audit.jsonl").read_bytes())
    line = trail[: len(trail) // 2].count(b"\n")
    trail[len(trail) // 2] ^= 0x01
    path = tmp_path / "audit.jsonl"
    path.write_bytes(trail)
    answer = tailgate("audit", "verify", path, "--json")
    assert (answer.code, json.loads(answer.out)["problem"]["record"]) == (1, line)


def test_a_byte_flipped_anywhere_is_found_where_it_stands(played: dict[str, Run], tmp_path: Path) -> None:
    """Random places of the whole journal and of the whole trail; each fault is named by the record that has it."""
    random, run = Random(7), played["quickstart"].path
    journal, trail = bytearray((run / "engine.journal").read_bytes()), (run / "audit.jsonl").read_bytes()
    assert journal_problem(journal) is None
    for _ in range(25):
        at, mask = random.randrange(len(journal)), random.randrange(1, 256)
        journal[at] ^= mask
        problem = journal_problem(journal)
        journal[at] ^= mask
        assert problem is not None, at
        assert problem.offset <= at < problem.offset + 16 + 65_536
    path = tmp_path / "audit.jsonl"
    for _ in range(40):
        at = random.randrange(len(trail))
        flipped = bytearray(trail)
        flipped[at] ^= random.randrange(1, 256)
        path.write_bytes(flipped)
        found = verify(path).problem
        assert found is not None, at
        assert found.record == trail[:at].count(b"\n"), at


def test_a_replay_of_nothing_is_64(tmp_path: Path) -> None:
    path = tmp_path / "engine.journal"
    path.write_bytes(b"nothing")
    for arguments in (
        ("replay", path),
        ("replay", tmp_path / "none"),
        ("audit", "verify", tmp_path / "none"),
    ):
        answer = tailgate(*arguments)
        assert (answer.code, answer.err.count("\n")) == (64, 1), answer.err


def test_a_stored_run_can_be_shown_again(played: dict[str, Run]) -> None:
    path = played["quickstart"].path
    before = (path / "report.html").stat().st_mtime_ns
    answer = tailgate("report", path)
    assert answer.code == 0, answer.err
    assert "wire_to_wire" in answer.out
    assert (path / "report.html").stat().st_mtime_ns > before


def test_two_runs_are_compared(played: dict[str, Run]) -> None:
    path = played["quickstart"].path
    answer = tailgate("compare", "--json", path, path)
    assert answer.code == 0, answer.err
    json.loads(answer.out)


def test_scenarios_live_in_the_repository() -> None:
    assert (REPOSITORY / "scenarios" / "quickstart.yaml").is_file()


def test_no_results_of_tests_land_in_the_repository(played: dict[str, Run]) -> None:
    assert all(Path(REPOSITORY) not in run.path.parents for run in played.values())
