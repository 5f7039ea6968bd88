"""What holds for every test: no property test is timed, and the folder of real captures is there to ask for.

With two workers (`pytest -n 2`) files are shared out between them, and the labs, which need every core, come last, in
one worker, when the other has nothing left to do.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# No timed assertion: a busy host is not a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def real_directory() -> Path:
    """TAILGATE_REAL, or shared/real beside the repository; skips, saying so, when it is not there."""
    directory = Path(os.environ.get("TAILGATE_REAL") or Path(__file__).parents[2] / "shared" / "real")
    if not directory.is_dir():
        pytest.skip(f"no real captures: {directory} is not a directory; set TAILGATE_REAL")
    return directory


LABS = "tests/e2e/"


class LabsTogether(LoadFileScheduling):
    """A file is one piece of work; so are all labs."""

    def _split_scope(self, nodeid: str) -> str:
        return LABS if nodeid.startswith(LABS) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LabsTogether:
    return LabsTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.nodeid.startswith(LABS))


@pytest.fixture(scope="session")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The file that says whose turn it is, for this worker: labs lock it alone, other tests share it."""
    with open(tmp_path_factory.getbasetemp().parent / "turn", "a") as file:
        yield file.fileno()


@pytest.fixture(autouse=True)
def _beside_no_lab(request: pytest.FixtureRequest, turn: int) -> Iterator[None]:
    if request.node.nodeid.startswith(LABS):
        yield
        return
    fcntl.flock(turn, fcntl.LOCK_SH)
    yield
    fcntl.flock(turn, fcntl.LOCK_UN)
