"""A run's files go in; the table of every driver and a figure of the gaps of what was sent beside the market come out.

Whether the generator kept its plan, by the stamps of the wire alone. The market's own gaps are drawn with its pacing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.measure.noise import noise_arrivals
from lab.measure.rows import LINE_NAMES
from lab.measure.wire import NEVER, PUBLISHED_LINES
from lab.report.plots import HALF_WIDTH, LINE_COLOURS, US, Plot, distribution, log_bins, log_x
from lab.report.sources import RunFiles
from lab.report.svg import COLOURS, new_figure, styled, to_svg

__all__ = ["driver_rows", "noise_plots", "stream_rows"]


def driver_rows(summary: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """(name, cells: frames, missing, gap meant p50, gap error p50, p99, max, bursts, worst of a burst p99 and max)."""
    rows = []
    for name, one in summary.get("gaps", {}).items():
        meant, error, bursts = one["intended_ns"], one["error_ns"], one["bursts"]
        cells = [one["frames"], one["missing"], meant["p50"], error["p50"], error["p99"], error["max"]]
        cells += [bursts["count"], bursts["worst_ns"]["p99"], bursts["worst_ns"]["max"]]
        rows.append((name, cells))
    return rows


def stream_rows(summary: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """(profile and stream, cells: line, planned, frames, errors, forced, latest) of the noise."""
    return [
        (
            f"{one['profile']} {one['stream']}",
            [one["line"], one["planned"], one["frames"], one["errors"], one["forced"], one["late_max_ns"]],
        )
        for one in summary.get("noise", {}).get("streams", [])
    ]


@styled
def noise_plots(files: RunFiles) -> list[Plot]:
    """Gaps between neighbouring frames of the noise of each line, intended and on the wire; all streams together."""
    plots = []
    for line in range(PUBLISHED_LINES) if files.noise is not None else ():
        assert files.noise is not None
        records, arrivals = noise_arrivals(files.noise, line)
        seen = arrivals[arrivals != NEVER]
        if len(records) < 2 or len(seen) < 2:
            continue
        name = LINE_NAMES[line]
        meant, came = np.diff(records["intended_ns"]), np.diff(seen)
        figure = new_figure(HALF_WIDTH, 280)
        axes = figure.add_subplot()
        bound_ns = files.summary.get("run", {}).get("gap_bound_ns")
        edges = log_bins(meant, came, *([np.array([bound_ns])] if bound_ns else []))
        distribution(axes, meant, edges, "muted", fill=True)
        distribution(axes, came, edges, LINE_COLOURS[name], fill=False)
        if bound_ns:
            axes.axvline(bound_ns / US, color=COLOURS["ink"], lw=1.2, linestyle=(0, (4, 3)))
        log_x(axes, edges)
        axes.set_xlabel(f"gap to the frame before on line {name}, µs")
        bound = " The dashed line is the bound on a gap's error." if bound_ns else ""
        label = f"Distribution of the gaps between frames of the noise on line {name}, intended and actual"
        plots.append(
            Plot(
                svg=to_svg(figure, name=f"noise-gaps-{name}", label=label),
                caption=f"Share of the noise's frames by gap; gaps left of the axis count in its first bin.{bound}",
                legend=(("intended", "muted", "pale"), (f"wire {name}", LINE_COLOURS[name], "solid")),
            )
        )
    return plots
