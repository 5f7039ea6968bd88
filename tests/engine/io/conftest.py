"""This folder's helpers on the import path (tests run with --import-mode=importlib), and its wire."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

folder = str(Path(__file__).resolve().parent)
if folder not in sys.path:
    sys.path.append(folder)

from order_stream import Wire, wire  # noqa: E402


@pytest.fixture(scope="module")
def ends() -> Iterator[Wire]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces and AF_XDP sockets are made")
    with wire() as made:
        yield made
