"""Every scenario that no other test plays: its journal, run again, gives the same orders and books."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_cli import REPOSITORY, Run, play, replays
from test_scenarios import SCENARIOS as PLAYED

pytestmark = [pytest.mark.privileged, pytest.mark.timeout(600)]

SCENARIOS = ("steady", "microburst", "pacing", "feed/recover_64_200_times")
CAPTURE = "pcaps/Nasdaq__Nasdaq.Equities.TotalView.Itch.v5.0.20230822__AddOrderNoMPID.pcap"
PREFIX = "tgreplay"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    results = tmp_path_factory.mktemp("results")  # their bounds are in time: any verdict will do
    return play(results, PREFIX, *(f"scenarios/{name}" for name in SCENARIOS), "--no-report")


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_journal_replays_to_the_same_orders_and_books(runs: dict[str, Run], name: str) -> None:
    replays(runs[Path(name).name])


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "parameter", "file"),
    [
        ("replay_capture", "capture", CAPTURE),
        ("replay_itch_file", "itch", "itch/nasdaq_2019-12-30_open_1000.itch"),
    ],
)
def test_so_do_those_of_recordings(
    real_directory: Path, tmp_path: Path, name: str, parameter: str, file: str
) -> None:
    given = ("--set", f"{parameter}={real_directory / file}", "--no-report")
    replays(play(tmp_path, PREFIX, f"scenarios/{name}", *given)[name])


def test_every_shipped_scenario_is_played_and_replayed_by_some_test() -> None:
    """In a folder all are, by the test that plays the folder."""
    folders = {
        "feed",
        "kill",
        "noise",
        "orders",
        "real_lines",
        "real_open",
        "risk",
        "strategy",
        "trex",
        "two_servers",
        "wires",
    }
    alone = {*PLAYED, *SCENARIOS, "replay_capture", "replay_itch_file"}
    shipped = {
        path.relative_to(REPOSITORY / "scenarios") for path in (REPOSITORY / "scenarios").rglob("*.yaml")
    }
    assert {path.parts[0] for path in shipped if len(path.parts) > 1} == folders
    assert {path.stem for path in shipped if len(path.parts) == 1} <= alone
