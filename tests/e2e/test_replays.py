"""Every scenario that no other test plays: its journal, run again, gives the same orders and books."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_cli import Run, left_behind, replays, runs_in, tailgate

pytestmark = [pytest.mark.privileged, pytest.mark.timeout(600)]

SCENARIOS = ("steady", "microburst", "pacing", "feed/recover_64_200_times")
CAPTURE = "pcaps/Nasdaq__Nasdaq.Equities.TotalView.Itch.v5.0.20230822__AddOrderNoMPID.pcap"
PREFIX = "tgreplay"


def played(results: Path, *arguments: str) -> dict[str, Run]:
    answer = tailgate("run", *arguments, "--results", results, "--prefix", PREFIX, "--no-report")
    assert not answer.err
    assert answer.code in (0, 1, 2)  # their bounds are in time, and the host has a say in it
    assert not left_behind(PREFIX)
    return runs_in(results)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    return played(tmp_path_factory.mktemp("results"), *(f"scenarios/{name}" for name in SCENARIOS))


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
    runs = played(tmp_path, f"scenarios/{name}", "--set", f"{parameter}={real_directory / file}")
    replays(runs[name])
