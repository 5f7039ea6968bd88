"""A prepared stream: a source's configuration enters; an arena of framed messages and its packets leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import ItchScan, ScheduleOptions, build_schedule, scan_itch
from traffic.config import BurstsConfig, PackingConfig
from traffic.market.cycle import Cycle

__all__ = ["Stream", "bounded_gaps", "even_offsets", "pack", "scan_stream"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Messages and when they leave.

    `packets` is PACKET_DTYPE with intended offsets in ns from the first packet; `session` is the 10 bytes on
    the wire; `notes` is what a user should know of the source: counts, or mappings of counts.
    With `packet_lines` (index of the line of each packet) the arena has whole payloads of no protocol known here,
    each for one line alone; otherwise blocks of MoldUDP64, each packet for all lines.
    With `cycle` the packets of a round share the messages of the round before; `scan` counts all that is played.
    """

    arena: NDArray[np.uint8]
    packets: NDArray[np.void]
    scan: ItchScan
    session: bytes
    first_sequence: int = 1
    packet_lines: NDArray[np.uint8] | None = None
    cycle: Cycle | None = None
    notes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def duration_ns(self) -> int:
        """From the first packet to the last."""
        return int(self.packets["intended_ns"][-1])


def even_offsets(count: int, rate_per_s: int) -> NDArray[np.int64]:
    """Offsets in ns of `count` messages at an even rate; exact, nothing adds up."""
    index = np.arange(count, dtype=np.int64)
    return index // rate_per_s * 1_000_000_000 + index % rate_per_s * 1_000_000_000 // rate_per_s


def bounded_gaps(
    times_ns: NDArray[np.int64], *, speed: float, gap_max_ns: int | None
) -> tuple[NDArray[np.int64], int]:
    """Offsets from the first of `times_ns`, gaps bounded and then scaled by 1/speed; how many were shortened.

    Steps back in time (messages keep their order, not their clock) become no gap at all.
    """
    gaps = np.diff(times_ns, prepend=times_ns[:1])
    np.maximum(gaps, 0, out=gaps)
    collapsed = 0
    if gap_max_ns is not None:
        collapsed = int(np.count_nonzero(gaps > gap_max_ns))
        np.minimum(gaps, gap_max_ns, out=gaps)
    if speed != 1.0:
        gaps = np.rint(gaps / speed).astype(np.int64)
    return np.cumsum(gaps, dtype=np.int64), collapsed


def scan_stream(arena: NDArray[np.uint8]) -> ItchScan:
    """Count an arena that is already known to be whole."""
    scan = scan_itch(arena, strict=False)
    assert scan.outcome == "ok", scan
    return scan


def pack(
    arena: NDArray[np.uint8],
    times_ns: NDArray[np.int64],
    *,
    packing: PackingConfig,
    bursts: BurstsConfig | None,
    stamp_base_ns: int = -1,
) -> NDArray[np.void]:
    """Packets of `arena` as the configuration wants them."""
    return build_schedule(
        arena,
        times_ns,
        ScheduleOptions(
            messages_max=packing.messages_max,
            gap_min_ns=packing.gap_min_ns,
            stamp_base_ns=stamp_base_ns,
            burst_messages=bursts.messages if bursts else 0,
            burst_every_ns=bursts.every_ns if bursts else 0,
            burst_spacing_ns=bursts.spacing_ns if bursts else 0,
            burst_packing=bursts.packing if bursts else 1,
        ),
    )
