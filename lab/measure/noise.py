"""What the exchange sent beside the market, and where the taps saw it: rows enter, arrivals and counts leave.

Frames of one line reach its tap in the order they were sent, so where there are as many stamps as frames they belong
together one by one. Where some are missing, a stamp belongs to the last frame sent before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.measure.rows import Rows
from lab.measure.wire import NEVER

__all__ = ["NOISE", "NoiseData", "noise_arrivals", "noise_block"]

NOISE = np.dtype(  # noise.npy of the exchange (traffic/exchange/noise_plan.h)
    [
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("stream", "<u4"),
        ("burst", "<i4"),
        ("bytes", "<u4"),
        ("line", "<u4"),
    ]
)

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NoiseData:
    """``records`` are NOISE rows in order of time, ``taps`` MARKET_TAPS rows of noise, lines 0 and 1.

    ``streams`` are the exchange's counters, a row a stream. ``discarded`` counts by line the frames that the engine's
    bypass dropped as not its feed; empty when it read no frames (kernel sockets) or did not say.
    """

    records: Rows
    taps: Rows
    streams: Sequence[Mapping[str, Any]]
    discarded: Mapping[str, int] = field(default_factory=dict)


def noise_arrivals(noise: NoiseData, line: int) -> tuple[Rows, Integers]:
    """(records of a line that came up for sending, when each was at the engine's port; NEVER: it was not seen)."""
    records = noise.records[noise.records["line"] == line]
    stamps = np.sort(noise.taps["stamp_ns"][noise.taps["line"] == line]).astype(np.int64)
    arrivals = np.full(len(records), NEVER, np.int64)
    sent = np.flatnonzero(records["sent_ns"] > 0)
    if len(sent) == len(stamps):
        arrivals[sent] = stamps
        return records, arrivals
    owner = np.searchsorted(records["sent_ns"][sent], stamps, side="right") - 1
    known = owner >= 0
    np.minimum.at(arrivals, sent[owner[known]], stamps[known])
    return records, arrivals


def noise_block(noise: NoiseData) -> dict[str, Any]:
    """``noise`` of summary.json: what was sent, seen and dropped by line, and what each stream sent.

    A TRex that sent it tells what its ports sent (``generator``), not what each stream meant.
    """
    lines = {}
    for index, name in enumerate("AB"):
        records, arrivals = noise_arrivals(noise, index)
        if not len(records) and (stamped := int((noise.taps["line"] == index).sum())):
            lines[name] = {"at_wire": stamped, "engine_dropped": noise.discarded.get(name)}
        elif len(records):
            lines[name] = {
                "frames": int((records["sent_ns"] > 0).sum()),
                "unsent": int((records["sent_ns"] == 0).sum()),
                "bytes": int(records["bytes"][records["sent_ns"] > 0].sum(dtype=np.int64)),
                "at_wire": int((arrivals != NEVER).sum()),
                "engine_dropped": noise.discarded.get(name),
            }
    return {"lines": lines, "streams": [dict(stream) for stream in noise.streams]}
