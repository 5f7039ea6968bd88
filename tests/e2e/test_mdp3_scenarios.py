"""CME MDP 3.0 on real wires: both shipped scenarios, with a made-up capture everywhere and with the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_cli import REPOSITORY, Run, left_behind, play, replays, runs_in, tailgate
from two_line_capture import GROUPS, stamps_of, write_capture

pytestmark = pytest.mark.privileged

CLEAN, THINNED = "mdp3_two_lines", "mdp3_two_lines_thinned"
NAMES = (CLEAN, THINNED)
TIMED = {"pacing", "line_winners"}  # UNKNOWN on a host that stands still too often
REAL_GROUPS = {"A": "224.0.31.11:14320", "B": "224.0.32.11:15320"}
REAL = Path("mdp3", "cme_2016-09-27_lines_ab.pcap")
ORDERS = {"samples", "triggers_accounted", "orders_while_blind", "position_matches_drop_copy"}
PREFIX = "tgmdp3"
SLOWER = 100


def played(capture: Path, results: Path, groups: dict[str, str], *more: str) -> dict[str, Run]:
    return play(
        results,
        PREFIX,
        *(f"scenarios/real_lines/{name}" for name in NAMES),
        *("--set", f"capture={capture}"),
        *("--set", f"line_a={groups['A']}", "--set", f"line_b={groups['B']}"),
        *more,
        "--no-report",
        codes=(0, 2),
    )


class Played:
    """Both scenarios on one capture."""

    def __init__(self, capture: Path, runs: dict[str, Run]) -> None:
        self.capture, self.runs = capture, runs
        self.stamps = stamps_of(capture)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("made")
    capture = folder / "lines.pcap"
    assert write_capture(capture, seed=5, events=1_500) > 1_000
    return Played(capture, played(capture, folder / "results", GROUPS))


@pytest.fixture(scope="module")
def real(real_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    capture = real_directory / REAL
    if not capture.exists():
        pytest.skip(f"no real capture of two lines: {capture} is not there")
    return Played(capture, played(capture, tmp_path_factory.mktemp("results"), REAL_GROUPS))


@pytest.fixture(params=["made", pytest.param("real", marks=pytest.mark.real)])
def both(request: pytest.FixtureRequest) -> Played:
    found: Played = request.getfixturevalue(request.param)
    return found


def raw(run: Run, *path: str) -> Path:
    return run.path.joinpath("raw", "run", *path)


def engine_report(run: Run) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(raw(run, "engine", "engine.json").read_text())
    return report


@pytest.mark.parametrize("name", NAMES)
def test_every_check_but_the_timed_ones_passes(both: Played, name: str) -> None:
    run = both.runs[name]
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])
    assert "FAIL" not in run.not_passed().values(), json.dumps(run.summary["checks"])
    assert ORDERS & {check["name"] for check in run.summary["checks"]} == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_journal_replays_to_the_same_events_and_books(both: Played, name: str) -> None:
    run = both.runs[name]
    replayed = replays(run).to_json()
    assert replayed["delivered"] == engine_report(run)["feed"]["delivered"]
    assert replayed["book_hash"] == engine_report(run)["events"]["digest"]
    answer = tailgate("replay", run.path, "--until", str(replayed["position"] // 2))
    assert answer.code == 0, answer.err


def test_each_packet_of_the_capture_is_taken_once(both: Played) -> None:
    report, count = engine_report(both.runs[CLEAN]), len(both.stamps)
    assert (report["feed"]["delivered"], report["feed"]["gap_packets"]) == (count, 0)
    lines = report["feed"]["lines"]
    assert [lines[name]["packets"] for name in "AB"] == [count, count]
    assert lines["A"]["wins"] + lines["B"]["wins"] == count
    rows = np.load(raw(both.runs[CLEAN], "engine", "arrivals.npy"))
    assert sorted(rows["position"].tolist()) == sorted(both.stamps)


def test_who_won_and_by_how_much_is_what_the_capture_says(both: Played) -> None:
    """The capture is read here with nothing of the lab's, the margins are those of the engine's own clock."""
    run = both.runs[CLEAN]
    lines = run.summary["feed_quality"]["arbitration"]
    bound_ns = lines["bound_ns"]
    skews = {number: (b - a) * SLOWER for number, (a, b) in both.stamps.items()}
    apart = {number: skew for number, skew in skews.items() if abs(skew) >= bound_ns}
    rows = np.load(raw(run, "engine", "arrivals.npy"))
    margins = (rows["second_ns"] - rows["first_ns"]).astype(np.int64) * np.where(rows["line"] == 0, 1, -1)
    by_engine = dict(zip(rows["position"].tolist(), margins.tolist(), strict=True))
    agree = [number for number, skew in apart.items() if abs(by_engine[number] - skew) <= 2 * bound_ns]
    sound = lines["decided"] - lines["late_reads"]  # within the bound at the tap, and again by the engine
    assert len(agree) >= sound > 0  # how many is the verdict of line_winners
    clear = [number for number in agree if abs(apart[number]) > 2 * bound_ns]
    assert all((by_engine[number] > 0) == (apart[number] > 0) for number in clear)
    assert lines["wrong"] == 0
    assert lines["winners"]["A"]["capture"] == sum(skew >= 0 for skew in skews.values())
    assert lines["decided"] + lines["close"] + lines["off_schedule"] + lines["together"] == lines["both"]
    assert abs(lines["replay_error_ns"]["p50"]) < bound_ns


def test_thinned_lines_lose_what_the_wire_took_and_nothing_else(both: Played) -> None:
    run = both.runs[THINNED]
    quality, report, count = run.summary["feed_quality"], engine_report(run), len(both.stamps)
    for name, chance in (("A", 0.10), ("B", 0.15)):
        line = quality["lines"][name]
        assert line["lost"] == line["dropped_by_fault"] == count - line["packets_seen"]
        assert 0.5 * chance * count < line["lost"] < 1.5 * chance * count
        assert report["feed"]["lines"][name]["packets"] == line["packets_seen"]
    gone = quality["gaps"]["messages"]
    assert 0 < gone < 0.05 * count
    assert count - gone == report["feed"]["delivered"]


def test_the_same_events_are_published_as_without_a_wire(both: Played) -> None:
    from captures import datagrams

    from engine.config import EngineConfig
    from engine.venue import Mdp3Runner

    once = {int.from_bytes(one.payload[:4], "little"): one.payload for one in datagrams(both.capture)}
    settings = {"venue": "mdp3", "book": {"orders": 64, "levels": 64}, "mdp3": {"natural_refresh": True}}
    runner = Mdp3Runner(EngineConfig.model_validate(settings))
    for number in sorted(once):
        runner.step(0, once[number], number)
    expected = runner.report()["events"]
    levels = runner.levels()
    runner.close()
    assert engine_report(both.runs[CLEAN])["events"] == expected
    assert np.array_equal(np.load(raw(both.runs[CLEAN], "engine", "levels.npy")), levels)


def test_the_result_is_a_run_like_any_other(both: Played) -> None:
    run = both.runs[CLEAN]
    assert (run.summary["run"]["venue"], run.summary["run"]["strategy"]) == ("mdp3", "none")
    assert run.summary["counts"]["orders"] == run.summary["counts"]["triggers"] == 0
    assert tailgate("report", run.path).code == 0
    assert (run.path / "report.html").stat().st_size > 10_000
    assert tailgate("compare", run.path, both.runs[THINNED].path).code in (0, 1, 2)


def test_the_kernels_sockets_speak_it_too(made: Played, tmp_path: Path) -> None:
    text = (REPOSITORY / "scenarios" / "real_lines" / f"{CLEAN}.yaml").read_text()
    scenario = tmp_path / "mdp3_kernel.yaml"
    scenario.write_text(text.replace("wire: af_xdp", "wire: kernel"))
    answer = tailgate(
        "run", scenario, "--set", f"capture={made.capture}", "--set", f"line_a={GROUPS['A']}",
        "--set", f"line_b={GROUPS['B']}", "--results", tmp_path / "results", "--prefix", PREFIX,
    )  # fmt: skip
    assert not answer.err
    run = runs_in(tmp_path / "results")["mdp3_kernel"]
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])


def test_a_capture_that_is_not_there_is_one_line_and_64(tmp_path: Path) -> None:
    answer = tailgate("run", f"scenarios/real_lines/{CLEAN}", "--set", f"capture={tmp_path}/none.pcap")
    assert answer.code == 64
    assert answer.err.count("\n") == 1
    assert "none.pcap" in answer.err


def test_a_capture_without_the_groups_is_one_line_and_64(made: Played, tmp_path: Path) -> None:
    answer = tailgate(
        "run", f"scenarios/real_lines/{CLEAN}", "--set", f"capture={made.capture}", "--set", "line_b=224.9.9.9:9",
        "--set", f"line_a={GROUPS['A']}", "--results", tmp_path, "--prefix", PREFIX,
    )  # fmt: skip
    assert answer.code == 64
    assert answer.err.count("\n") == 1
    assert "224.9.9.9:9" in answer.err
    assert not left_behind(PREFIX)
