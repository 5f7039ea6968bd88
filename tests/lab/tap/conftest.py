"""Wires of this test's own to put taps on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.topology import Ledger, Topology


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces are made and BPF programs loaded")
    own = Ledger.open(
        f"t{os.getpid()}p"
    )  # the machine's own ledger: what a killed test leaves, the next run heals
    try:
        with Topology(own) as topology:
            yield topology
    finally:
        own.close()
