"""What the lab does to a running engine from outside: a thread frozen, a program taken off, a command on its page."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import struct
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from lab.errors import UndecidedError
from lab.tap import detach_link

__all__ = ["Freezer", "detach_programs", "switch_wires"]

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17  # linux/ptrace.h
WAIT_ALL = 0x4000_0000  # __WALL: threads too
HOT_THREAD = "engine-hot"
COMMAND_OFFSET, HANDLED_OFFSET, REFUSED_OFFSET = 60, 256, 260  # engine/control.h
PORTS = {"A": 1, "B": 2, "order": 4}
TARGETS = {"kernel": 1, "af_xdp": 2, "dpdk": 2}
HANDLED_SECONDS = 5.0
LOOK_SECONDS = 0.001

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def trace(request: int, thread: int) -> None:
    if libc.ptrace(request, thread, None, None) < 0:
        error = ctypes.get_errno()
        raise UndecidedError(f"thread {thread} of the engine could not be frozen", why=os.strerror(error))


def hot_thread(pid: int) -> int:
    """The thread that polls the wires."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == HOT_THREAD:
            return int(task.name)
    raise UndecidedError("the engine has no polling thread", why=f"no thread {HOT_THREAD!r} in process {pid}")


class Freezer:
    """Stops one thread of a process, and only that: a signal would stop them all."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._thread = 0

    def freeze(self) -> None:
        """Returns when the hot thread stands still."""
        thread = hot_thread(self._pid)
        trace(SEIZE, thread)
        self._thread = thread
        trace(INTERRUPT, thread)
        os.waitpid(thread, WAIT_ALL)

    def thaw(self) -> None:
        """Lets it go on; nothing to do when it was not frozen, or is gone."""
        if self._thread:
            libc.ptrace(DETACH, self._thread, None, None)
        self._thread = 0


def xdp_links(pid: int) -> Iterator[int]:
    """Numbers of the XDP links that a process holds."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        text = path.read_text()
        if re.search(r"^link_type:\s*xdp$", text, re.MULTILINE):
            found = re.search(r"^link_id:\s*(\d+)$", text, re.MULTILINE)
            if found:
                yield int(found.group(1))


def detach_programs(pid: int) -> int:
    """Takes the process's own XDP programs off their interfaces; how many there were."""
    links = list(xdp_links(pid))
    for link in links:
        detach_link(link)
    return len(links)


def switch_wires(page: Path, ports: Collection[str], target: Literal["kernel", "af_xdp", "dpdk"]) -> None:
    """Commands an engine to change wires and waits until it has. UndecidedError when it refuses or does not."""
    with page.open("r+b") as file, mmap.mmap(file.fileno(), 0) as control:

        def word(offset: int) -> int:
            return int(struct.unpack_from("<I", control, offset)[0])

        number = (word(COMMAND_OFFSET) >> 16) % 0xFFFF + 1
        command = number << 16 | sum(PORTS[port] for port in ports) << 8 | TARGETS[target]
        struct.pack_into("<I", control, COMMAND_OFFSET, command)
        deadline = time.monotonic() + HANDLED_SECONDS
        while word(HANDLED_OFFSET) != command:
            if time.monotonic() > deadline:
                raise UndecidedError(
                    f"the engine did not change {', '.join(ports)} to {target} within {HANDLED_SECONDS:.0f} s"
                )
            time.sleep(LOOK_SECONDS)
        if word(REFUSED_OFFSET) == command:
            raise UndecidedError(
                f"the engine refused to change {', '.join(ports)} to {target}",
                why="its engine.json says why: wires.error",
            )
