"""Puts the synthetic runs on the import path (tests run with --import-mode=importlib), and stores some."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parents[1]):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

import stored_runs  # noqa: E402
import synthetic  # noqa: E402
import synthetic_feed  # noqa: E402


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 packets, floor measured, nothing wrong; with its report."""
    return reported(tmp_path_factory.mktemp("plain"), synthetic.run())


@pytest.fixture(scope="session")
def faulty_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bursts, a fault, and an expectation that does not hold; with its report."""
    what = stored_runs.scenario(expect={"wire_to_wire.p99": "< 1us"})
    data = synthetic.run(packets=12_000, every=2, bursts=True, faults=True)
    return reported(tmp_path_factory.mktemp("faulty"), data, what)


@pytest.fixture(scope="session")
def empty_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Market data without a single trigger, and no floor; with its report."""
    return reported(tmp_path_factory.mktemp("empty"), synthetic.run(packets=50, every=10**6, floor=False))


@pytest.fixture(scope="session")
def lossy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Losses on both lines: re-requested, skipped by a snapshot, and one never recovered; with its report."""
    losses = [synthetic_feed.Loss(first=first, count=16) for first in range(200, 1_400, 300)]
    losses += [
        synthetic_feed.Loss(first=1_500, count=30, way="snapshot"),
        synthetic_feed.Loss(first=1_900, count=5, way="none"),
    ]
    return reported(tmp_path_factory.mktemp("lossy"), synthetic_feed.lossy(synthetic.run(), losses)[0])


def reported(root: Path, data: object, *what: object) -> Path:
    from lab.report import write_report

    directory = stored_runs.store(root, data, *what)  # type: ignore[arg-type]
    write_report(directory)
    return directory
