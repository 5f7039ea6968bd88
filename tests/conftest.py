"""What every test may ask for: the folder of real captures."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_directory() -> Path:
    """TAILGATE_REAL, or shared/real beside the repository; skips, saying so, when it is not there."""
    directory = Path(os.environ.get("TAILGATE_REAL") or Path(__file__).parents[2] / "shared" / "real")
    if not directory.is_dir():
        pytest.skip(f"no real captures: {directory} is not a directory; set TAILGATE_REAL")
    return directory
