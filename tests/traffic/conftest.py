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

from lab.topology import Ledger  # noqa: E402


@pytest.fixture
def wires() -> Iterator[Wires]:
    """The ledger has the namespace: the next run, or `tailgate heal`, removes what a killed test has left."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    ledger = Ledger.open(f"t{os.getpid()}lines{time.monotonic_ns() % 10**6}")
    namespace = f"{ledger.prefix}-wires"
    try:
        ledger.add_namespace(namespace)
        try:
            wires = Wires(namespace).open()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"cannot make a network namespace here: {error}")
        try:
            yield wires
        finally:
            wires.close()
    finally:
        ledger.close()
