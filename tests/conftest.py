"""What holds for every test: no property test is timed, and the folder of real captures is there to ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
