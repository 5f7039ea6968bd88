"""Network namespaces by path or inode: enter one with this thread, find one again after its maker is gone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import netns

__all__ = ["NAMED", "find_namespace", "here", "inside"]

NAMED = Path("/run/netns")
OWN = Path("/proc/thread-self/ns/net")
FIRST = Path("/proc/1/ns/net")


def here() -> int:
    """Inode of this thread's network namespace: its identity while it lives."""
    return OWN.stat().st_ino


def find_namespace(inode: int) -> Path | None:
    """Where the namespace can be opened: this thread's, a named one or that of process 1; None when it is nowhere."""
    named = sorted(NAMED.iterdir()) if NAMED.is_dir() else []
    for path in (OWN, FIRST, *named):
        with contextlib.suppress(OSError), path.open() as opened:  # one that cannot be opened is of no use
            if os.fstat(opened.fileno()).st_ino == inode:
                return path
    return None


@contextlib.contextmanager
def inside(path: Path) -> Iterator[None]:
    """Runs the body in another namespace (this thread only)."""
    home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    there = -1
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        netns.setns(there)
        yield
    finally:
        netns.setns(home)
        os.close(home)
        if there >= 0:
            os.close(there)
