"""A ledger of this test's own, so that no other lab on the machine is seen or touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import netns

from lab.topology import ledger


@pytest.fixture
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "run"
    monkeypatch.setattr(ledger, "LEDGER_DIRECTORY", directory)
    return directory


@pytest.fixture
def prefix(run_directory: Path) -> Iterator[str]:
    """A name that no other test process uses; whatever a failed test leaves of it is taken away."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces are made")
    name = f"t{os.getpid()}"
    yield name
    for left in {f"{name}-exchange", f"{name}-engine"} & set(netns.listnetns()):
        netns.remove(left)
