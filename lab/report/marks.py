"""What happened in a run goes in: bursts, faults, blindness; marks on a time line come out.

Times are seconds since ``origin_ns``, the first packet. Every mark says how many there were, for the caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lab.measure.rows import Rows
from lab.report.svg import COLOURS

__all__ = ["bursts_of", "mark_blindness", "mark_faults"]

NS_PER_S = 1e9
FOOT = 0.035  # share of the height that the strip of blindness takes
WINDOWS_MARKED_MAX = 1_000

Span = tuple[float, float]  # start, length


def bursts_of(packets: Rows | None, origin_ns: int) -> list[Span]:
    """Each burst of the traffic."""
    if packets is None:
        return []
    inside = packets[packets["burst"] >= 0]
    if len(inside) == 0:
        return []
    edges = np.flatnonzero(np.diff(inside["burst"])) + 1
    first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(inside)]]) - 1
    start = (inside["intended_ns"][first] - origin_ns) / NS_PER_S
    length = (inside["intended_ns"][last] - inside["intended_ns"][first]) / NS_PER_S
    return list(zip(start.tolist(), length.tolist(), strict=True))


def mark_faults(axes: Axes, faults: Sequence[Mapping[str, Any]], origin_ns: int, end_s: float) -> int:
    """From injection to recovery; a fault that came again and again has a line for each time."""
    marked = 0
    for fault in faults:
        if not fault.get("injected_ns"):
            continue
        start = (fault["injected_ns"] - origin_ns) / NS_PER_S
        windows = fault.get("windows") or []
        if len(windows) > 1:
            for first_ns, _ in windows[:WINDOWS_MARKED_MAX]:
                axes.axvline(
                    (first_ns - origin_ns) / NS_PER_S, color=COLOURS["vermillion"], lw=0.8, alpha=0.5
                )
        else:
            stop_ns = max(int(fault.get(f"{what}_ns") or 0) for what in ("healed", "recovered"))
            stop = (stop_ns - origin_ns) / NS_PER_S if stop_ns else end_s
            axes.axvspan(start, max(stop, start), color=COLOURS["vermillion"], alpha=0.12, lw=0)
            axes.axvline(start, color=COLOURS["vermillion"], lw=1.2)
        again = f" x{len(windows)}" if len(windows) > 1 else ""
        height = 1.0 - 0.07 * (marked % 4)
        right = start > 0.85 * end_s
        axes.annotate(
            f"{fault['name']}{again}", (start, height), (-5 if right else 5, -4),
            xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
            color=COLOURS["vermillion"], ha="right" if right else "left",
        )  # fmt: skip
        marked += 1
    return marked


def mark_blindness(axes: Axes, quality: Mapping[str, Any], origin_ns: int, least_s: float) -> int:
    """A strip at the foot for each stretch that was not LIVE, at least ``least_s`` wide so that it is seen."""
    spans: list[Span] = []
    for stretch in quality.get("stretches", []):
        start = (stretch["left_ns"] - origin_ns) / NS_PER_S
        length = (stretch["until_ns"] - stretch["left_ns"]) / NS_PER_S
        spans.append((start, max(length, least_s)))
    if spans:
        strip = axes.get_xaxis_transform()
        axes.broken_barh(spans, (0, FOOT), transform=strip, color=COLOURS["purple"], lw=0, zorder=4)
    return len(spans)
