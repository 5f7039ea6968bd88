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
LOOPBACK = ("tests/traffic/", "tests/engine/test_process")  # they share its multicast groups
PORTS_OF_ITS_OWN = "tests/traffic/trex/"


class LabsTogether(LoadFileScheduling):
    """A file is one piece of work; so are all labs, and all that speak on the loopback."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(LABS):
            return LABS
        speaks = nodeid.startswith(LOOPBACK) and not nodeid.startswith(PORTS_OF_ITS_OWN)
        return LOOPBACK[0] if speaks else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LabsTogether:
    return LabsTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest piece first, labs last."""
    items.sort(key=lambda item: (item.nodeid.startswith(LABS), not item.nodeid.startswith(LOOPBACK)))


@pytest.fixture(scope="session", autouse=True)
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A file that every worker shares with the others to its end; a lab locks it for itself."""
    own = tmp_path_factory.getbasetemp()
    run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # a run alone has nobody to wait for
    with open(run / "turn", "a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file.fileno()
