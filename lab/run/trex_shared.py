"""Lines in memory shared by TRex and the engine: what the engine heard goes in; their beginnings and stamps come out.

No tap sees such a line, and TRex stamps nothing. So the engine's own clock has to do (grade ``sw-app``): the start
of the poll in which it took a datagram, in its journal for each of them, and in its control page for the last one
while the run goes on. A datagram may have waited for the poll before to end, and may have come while this one had
begun: either takes less than STALL_NS, or is counted as a stall of the engine. That much is the uncertainty.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.journal_binding import journal_records
from lab.errors import UndecidedError
from lab.measure.data import ClockInfo
from lab.measure.rows import MARKET_TAPS, Rows
from lab.results.stored import MARKET_STAMPS
from lab.run.pages import EnginePage

__all__ = ["LATE_BEGIN_NS", "beginnings_heard", "heard_clock", "heard_stamps", "no_lead_in"]

LINES = ("A", "B")
LOOK_SECONDS = 0.005  # the page changes every 0.1 ms, a heartbeat comes every 2 ms
LOOKS_MIN = 20  # with a heartbeat of their own each
LEAD_IN_SHARE = 0.5  # of it is waited for
EARLY_PERCENT = 10  # of the looks may be too early: the engine stood still in the poll that took a heartbeat,
EARLY_NS = 200_000  # by more than this before the others
LATE_BEGIN_NS = 10_000_000_000  # a server may take so long to begin
STALL_NS = 20_000  # ENGINE_STALL_NS
DATAGRAM = 2  # JOURNAL_DATAGRAM
MOLDUDP64 = struct.Struct(">10sQH")
FRAME_HEAD = 42  # Ethernet, IPv4, UDP


def no_lead_in(
    seen: Mapping[str, int], wanted: int, *, where: Path, todo: str | None = None
) -> UndecidedError:
    """The error of a server whose first packets are not there."""
    found = ", ".join(f"{count} on line {line}" for line, count in seen.items())
    return UndecidedError(
        "TRex's lead-in did not reach the engine's ports",
        why=f"{found}, {wanted} wanted",
        where=str(where),
        todo=todo,
    )


def beginnings_heard(
    page: Path, published: Mapping[str, Any], *, asked_ns: int, check: Callable[[], None], where: Path
) -> dict[str, int]:
    """When each line's first record was due: datagram n of the lead-in, minus n times their distance, the earliest.

    Minus the uncertainty of its stamp, so that no packet is said to be meant for later than it was.
    """
    every_ns, last = int(published["lead_every_ns"]), int(published["lead_in"])
    deadline_ns = asked_ns + int(published["market_ns"]) + LATE_BEGIN_NS
    began: dict[str, dict[int, int]] = {line: {} for line in LINES}
    enough_ns = asked_ns + int(LEAD_IN_SHARE * int(published["market_ns"]))
    engine = EnginePage(page)
    try:
        while time.monotonic_ns() < enough_ns or min(map(len, began.values())) < LOOKS_MIN:
            time.sleep(LOOK_SECONDS)
            heard = engine.lines()
            for line, packets, heard_ns in (
                zip(LINES, heard.packets, heard.heard_ns, strict=True) if heard else ()
            ):
                if 0 < packets <= last:
                    began[line][packets] = heard_ns - (packets - 1) * every_ns
            check()
            if time.monotonic_ns() > deadline_ns:
                raise no_lead_in({line: len(some) for line, some in began.items()}, LOOKS_MIN, where=where)
    finally:
        engine.close()
    return {line: earliest(np.array(list(some.values()))) for line, some in began.items()}


def earliest(began: NDArray[np.int64]) -> int:
    """The earliest that others stand by."""
    return int(began[began >= np.percentile(began, EARLY_PERCENT) - EARLY_NS].min()) - STALL_NS


def heard_stamps(engine: Path, directory: Path, others: Rows) -> Rows:
    """MARKET_TAPS: what the engine in this folder took from its lines, and what taps saw of the other wires.

    Written down too, beside the taps' own.
    """
    found = []
    path = engine / "engine.journal"
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as whole,
        memoryview(whole) as view,
    ):
        for record in journal_records(view, [DATAGRAM]):
            if len(record.data) >= MOLDUDP64.size and record.flags < len(LINES):
                _, sequence, count = MOLDUDP64.unpack_from(record.data)
                length = FRAME_HEAD + len(record.data)
                found.append((record.time_ns, sequence, count, record.flags, 0, length))
    together = np.concatenate([np.array(found, MARKET_TAPS), others[others["line"] >= len(LINES)]])
    together = together[np.argsort(together["stamp_ns"], kind="stable")]
    np.save(directory / MARKET_STAMPS, together)
    return together


def heard_clock(*, taps: Rows, orders: int, uncertainty_ns: int) -> ClockInfo:
    """What such stamps are worth."""
    lines = int((taps["line"] < len(LINES)).sum())
    return ClockInfo(
        grade="sw-app",
        uncertainty_ns=uncertainty_ns + STALL_NS,
        stamps_by_grade={"sw-app": lines, "sw-driver": len(taps) - lines + orders},
    )
