"""Stand-ins and workers for the tests of this folder, which is put on the import path (--import-mode=importlib)."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

folder = str(Path(__file__).resolve().parent)
if folder not in sys.path:
    sys.path.append(folder)

from worker_process import StandIn, Worker  # noqa: E402 (the path comes first)


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Callable[..., StandIn]]:
    """Starts a stand-in with options; all are ended with the test."""
    started: list[StandIn] = []

    def start(*options: str) -> StandIn:
        started.append(StandIn(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker with a configuration; all are ended with the test."""
    started: list[Worker] = []

    def start(config: dict[str, Any], **environment: str) -> Worker:
        started.append(Worker(tmp_path, config, **environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()
