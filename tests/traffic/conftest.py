"""Puts the reference models of this folder and of the engine's book on the import path (--import-mode=importlib)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

folder = Path(__file__).resolve().parent
for each in (folder, folder.parent / "engine" / "feed", folder.parent / "engine" / "book"):
    if str(each) not in sys.path:
        sys.path.append(str(each))

from exchange_process import Wires  # noqa: E402 (the path comes first)


@pytest.fixture
def wires() -> Iterator[Wires]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    try:
        wires = Wires(f"tgt{os.getpid()}-{time.monotonic_ns() % 10**6}").__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot make a network namespace here: {error}")
    try:
        yield wires
    finally:
        wires.__exit__()
