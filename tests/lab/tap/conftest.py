"""Wires of this test's own to put taps on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.topology import Ledger, Topology, ledger


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces are made and BPF programs loaded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "LEDGER_DIRECTORY", Path(tmp_path_factory.mktemp("run")))
        own = Ledger.open(f"t{os.getpid()}p")
        try:
            with Topology(own) as topology:
                yield topology
        finally:
            own.close()
