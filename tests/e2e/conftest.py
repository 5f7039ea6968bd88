"""Every end-to-end test needs the privileges of a lab, and skips without them; it has the machine for itself."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _privileged() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, BPF, pinned cores")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")


@pytest.fixture(scope="session", autouse=True)
def _alone(turn: int) -> None:
    """No other worker has a test left."""
    fcntl.flock(turn, fcntl.LOCK_EX)
