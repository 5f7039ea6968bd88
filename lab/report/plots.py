"""A run's files go in; inline SVG figures, each with a caption that says what it leaves out, come out.

Latency axes are logarithmic microseconds; the percentile axis counts nines, so that every tenfold rarer event
has the same width. A figure that has nothing to show is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from lab.measure.histogram import PERCENTILES, Histogram
from lab.measure.rows import MISSING, Rows
from lab.measure.wire import NEVER, first_arrivals
from lab.report.marks import bursts_of, mark_blindness, mark_faults
from lab.report.sources import RunFiles
from lab.report.svg import COLOURS, Cloud, new_figure, placeholder, styled, to_svg
from lab.scenario.figures import canonical
from lab.units import Kind, UnitError, format_count, parse_threshold

__all__ = [
    "Plot",
    "distribution",
    "latency_over_time",
    "log_bins",
    "log_x",
    "pacing_plots",
    "percentile_plot",
    "stage_plot",
]

WIDTH, HALF_WIDTH = 1056.0, 512.0  # CSS pixels: the page's column, and half of it
BODY_POINTS_MAX = 20_000
MARKS_MAX = 2_000
BURST_WIDTH = 3.0  # least pixels that a burst is shaded
TICK_STEPS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))
TICKS_MIN = 4
SERIES_STYLES = {
    "wire_to_wire": ("blue", "solid"),
    "response": ("vermillion", "dashed"),
    "wire_floor": ("green", "dotted"),
}
LINE_COLOURS = {"A": "purple", "B": "orange"}
US = 1_000.0
NS_PER_S = 1e9


@dataclass(frozen=True, kw_only=True)
class Plot:
    """``legend`` is (label, CSS colour variable, line style)."""

    svg: str
    caption: str
    legend: tuple[tuple[str, str, str], ...] = ()


def _present(values: Rows) -> NDArray[np.int64]:
    present: NDArray[np.int64] = values[values != MISSING]
    return present


def _plain_us(value: float, _position: object = None) -> str:
    return f"{value:g}" if value < 1_000 else f"{value:,.0f}"


def _log_latency(axes: Axes, lowest_us: float, highest_us: float) -> None:
    """A log axis in microseconds with labels at decades, or at finer steps where those are few."""
    low, high = max(lowest_us, 1e-3) * 0.8, max(highest_us, lowest_us, 2e-3) * 1.25
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in TICK_STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= TICKS_MIN:
            break
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain_us))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.set_ylabel("µs")


def _nine_label(nines: float) -> str:
    if nines == 0:
        return "0%"
    if nines < 1:
        return "50%"
    count = round(nines)
    return f"{100 - 10.0 ** (2 - count):.{max(count - 2, 0)}f}%"


def _expected(files: RunFiles, series: Iterable[str]) -> list[tuple[float, float, str]]:
    """(nines, bound in us, text) of every duration that the scenario expects of a percentile."""
    marks = []
    for name, text in (files.scenario.get("expect") or {}).items():
        head, _, tail = canonical(str(name)).rpartition(".")
        if head not in series or tail not in PERCENTILES:
            continue
        try:
            threshold = parse_threshold(text)
        except (UnitError, AttributeError):
            continue
        if threshold.kind is Kind.DURATION:
            nines = -math.log10(1 - float(PERCENTILES[tail]))
            label = f"{head} {tail.replace('_', '.')} {threshold.text}"
            marks.append((nines, float(threshold.value) / US, label))
    return marks


@styled
def percentile_plot(files: RunFiles) -> Plot | None:
    """wire_to_wire, response and wire_floor by percentile, each up to the last nine its samples support."""
    curves: dict[str, tuple[Rows, Rows, int]] = {}
    for name in ("wire_to_wire", "response"):
        values = _present(files.times[f"{name}_ns"]) if files.times is not None else np.empty(0, np.int64)
        if len(values):
            curves[name] = (*Histogram.of(values).curve(), len(values))
    floor = files.summary.get("latency_ns", {}).get("wire_floor", {})
    if files.floor_curve is not None:
        curves["wire_floor"] = (*files.floor_curve, int(floor["count"]))
    elif floor.get("count"):
        known = [(float(share), floor[point]) for point, share in PERCENTILES.items() if floor.get(point)]
        known = [(0.0, floor["min"]), *known, (1.0, floor["max"])]
        points = np.array(known, np.float64)
        curves["wire_floor"] = (points[:, 0], points[:, 1], int(floor["count"]))
    if not curves:
        return None
    figure = new_figure(WIDTH, 400)
    axes = figure.add_subplot()
    last = 1.0
    legend = []
    for name, (share, value_ns, count) in curves.items():
        end = math.log10(max(count, 2))
        last = max(last, end)
        nines = -np.log10(np.maximum(1 - share, 1 / max(count, 2)))
        drawn = np.concatenate([[0.0], nines]), np.concatenate([value_ns[:1], value_ns]) / US
        colour, style = SERIES_STYLES[name]
        axes.plot(*_thin_curve(*drawn), color=COLOURS[colour], linestyle=style, drawstyle="steps-pre")
        axes.plot([end], [value_ns[-1] / US], "o", ms=5, color=COLOURS[colour], clip_on=False, zorder=5)
        legend.append((f"{name} ({format_count(count)})", colour, style))
    for nines_at, bound_us, text in _expected(files, curves):
        axes.plot([nines_at], [bound_us], marker="v", ms=8, color=COLOURS["ink"], zorder=6, clip_on=False)
        axes.annotate(text, (nines_at, bound_us), (0, 9), textcoords="offset points", ha="center", zorder=6)
    ticks = [0.0, -math.log10(0.5), *range(1, math.floor(last + 1e-9) + 1)]
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _nine_label(value)))
    axes.grid(axis="x")
    values_us = [value / US for _, value_ns, _ in curves.values() for value in (value_ns[0], value_ns[-1])]
    values_us += [bound for _, bound, _ in _expected(files, curves)]
    _log_latency(axes, min(values_us), max(values_us))
    caption = "Each curve ends in a dot: its largest sample. The axis stops where the samples do."
    if _expected(files, curves):
        caption += " Triangles are the bounds that the scenario expects."
    if "wire_floor" in curves and files.floor_curve is None:
        caption += " wire_floor is drawn from its percentiles in summary.json: wire_floor.hgrm is not there."
    label = "Latency by percentile, on a scale of nines"
    return Plot(svg=to_svg(figure, name="percentiles", label=label), caption=caption, legend=tuple(legend))


def _thin_curve(x: Rows, y: Rows, *, step: float = 0.002) -> tuple[Rows, Rows]:
    """Drops steps narrower than half a pixel; the last of each place stays."""
    if len(x) < 2:
        return x, y
    keep = np.append(np.floor(x[1:] / step) != np.floor(x[:-1] / step), True)
    keep[0] = True
    return x[keep], y[keep]


@styled
def latency_over_time(files: RunFiles, series: str) -> Plot | None:
    """A dot per order at its trigger's intended time: all above p99, the rest thinned to BODY_POINTS_MAX."""
    if files.times is None:
        return None
    value, when = files.times[f"{series}_ns"], files.times["intended_ns"]
    timed = (value != MISSING) & (when != MISSING)
    if not timed.any():
        return None
    packets = files.packets
    origin_ns = (
        int(packets["intended_ns"][0]) if packets is not None and len(packets) else int(when[timed].min())
    )
    seconds, latency_us = (when[timed] - origin_ns) / NS_PER_S, np.maximum(value[timed], 1) / US
    p99_us = (files.summary["latency_ns"][series]["p99"] or 0) / US
    tail = latency_us > p99_us
    body = np.flatnonzero(~tail)
    stride = -(-len(body) // BODY_POINTS_MAX) or 1
    body = body[::stride]
    end_s = float(seconds.max())
    if packets is not None and len(packets):
        end_s = max(end_s, (int(packets["intended_ns"][-1]) - origin_ns) / NS_PER_S)

    figure = new_figure(WIDTH, 340)
    axes = figure.add_subplot()
    bursts = bursts_of(packets, origin_ns)
    least_s = BURST_WIDTH * end_s / WIDTH
    spans = [(start, max(length, least_s)) for start, length in bursts]
    axes.broken_barh(spans, (0, 1), transform=axes.get_xaxis_transform(), color=COLOURS["shade"], lw=0)
    marked = mark_faults(axes, files.summary.get("faults", []), origin_ns, end_s)
    blind = mark_blindness(axes, files.summary.get("feed_quality", {}), origin_ns, least_s)
    colour, _ = SERIES_STYLES[series]
    placeholder(axes, "body")
    axes.axhline(p99_us, color=COLOURS["muted"], lw=1, linestyle=(0, (4, 3)))
    placeholder(axes, "tail")
    axes.annotate(
        f"p99 {_plain_us(float(f'{p99_us:.3g}'))}", (1.0, p99_us), (6, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="center", color=COLOURS["muted"],
    )  # fmt: skip
    lost = (files.times["unmatched"] & (when != MISSING)).nonzero()[0][:MARKS_MAX]
    if len(lost):
        axes.plot(
            (when[lost] - origin_ns) / NS_PER_S, np.full(len(lost), 0.02), "x", ms=6, mew=1.5,
            color=COLOURS["vermillion"], transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.set_xlim(0, end_s or 1.0)
    axes.set_xlabel("seconds since the first packet")
    _log_latency(axes, float(latency_us.min()), float(latency_us.max()))
    figure.draw_without_rendering()
    clouds = (
        Cloud(
            name="body", axes=axes, x=seconds[body], y=latency_us[body], colour=colour, opacity=0.5, width=2.2
        ),
        Cloud(name="tail", axes=axes, x=seconds[tail], y=latency_us[tail], colour=colour, width=3.2),
    )
    rest = f"of the rest every {_ordinal(stride)} in feed order" if stride > 1 else "and all of the rest"
    above = format_count(int(tail.sum()))
    parts = [f"{format_count(len(latency_us))} orders; all {above} above p99 are drawn, {rest}."]
    parts += [f"Grey: {format_count(len(bursts))} bursts."] if bursts else []
    parts += (
        [f"Orange: {marked} fault{'s' if marked > 1 else ''}, from injection to recovery."] if marked else []
    )
    parts += [f"Purple at the foot: the feed was blind, {format_count(blind)} times."] if blind else []
    parts += ["Crosses at the foot: triggers without an order."] if len(lost) else []
    label = f"{series} of each order over the time of the run"
    return Plot(
        svg=to_svg(figure, name=f"time-{series}", label=label, clouds=clouds), caption=" ".join(parts)
    )


def _ordinal(number: int) -> str:
    special = {1: "st", 2: "nd", 3: "rd"}
    suffix = "th" if number % 100 in (11, 12, 13) else special.get(number % 10, "th")
    return f"{number}{suffix}"


def log_bins(*series: Rows) -> NDArray[np.float64]:
    """A twentieth of a decade wide, from the 1st permille of what is above 0 to the largest value."""
    joined = [values[values > 0] for values in series]
    low = min((max(float(np.quantile(values, 0.001)), 1.0) for values in joined if len(values)), default=1.0)
    high = max((int(values.max()) for values in joined if len(values)), default=10)
    low_log, high_log = math.floor(math.log10(low) * 10) / 10, math.ceil(math.log10(high) * 10 + 1e-9) / 10
    return np.logspace(low_log, max(high_log, low_log + 0.1), round(max(high_log - low_log, 0.1) * 20) + 1)


def distribution(axes: Axes, values: Rows, edges_ns: NDArray[np.float64], colour: str, *, fill: bool) -> None:
    """Share of the packets per bin; values left of the axis are in the first bin."""
    counts, _ = np.histogram(np.maximum(values, edges_ns[0]), edges_ns)
    share = 100 * counts / max(len(values), 1)
    axes.stairs(share, edges_ns / US, color=COLOURS[colour], fill=fill, alpha=0.25 if fill else 1.0, lw=1.8)


def log_x(axes: Axes, edges_ns: NDArray[np.float64]) -> None:
    """A logarithmic axis of microseconds over these bins, shares upwards."""
    axes.set_xscale("log")
    axes.set_xlim(edges_ns[0] / US, edges_ns[-1] / US)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain_us))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.grid(axis="y")
    axes.tick_params(length=0, which="both")
    axes.tick_params(axis="x", pad=7)


@styled
def pacing_plots(files: RunFiles) -> list[Plot]:
    """Gaps between packets, intended and on the wire; and how far each packet was off its time."""
    packets, taps = files.packets, files.market_taps
    if packets is None or len(packets) < 2:
        return []
    intended = packets["intended_ns"]
    wire = (
        first_arrivals(packets, taps).at_wire if taps is not None else np.empty((0, len(packets)), np.int64)
    )
    arrivals = {name: at for name, at in zip(LINE_COLOURS, wire, strict=False) if (at != NEVER).any()}
    gaps = {"intended": np.diff(intended)}
    gaps |= {line: np.diff(np.sort(at[at != NEVER])) for line, at in arrivals.items()}
    errors = {line: np.abs(at[at != NEVER] - intended[at != NEVER]) for line, at in arrivals.items()}

    figure = new_figure(HALF_WIDTH, 280)
    axes = figure.add_subplot()
    edges = log_bins(*gaps.values())
    for name, values in gaps.items():
        if len(values):
            distribution(axes, values, edges, LINE_COLOURS.get(name, "muted"), fill=name == "intended")
    log_x(axes, edges)
    axes.set_xlabel("gap to the packet before, µs")
    legend = [
        ("intended", "muted", "pale"),
        *((f"wire {line}", LINE_COLOURS[line], "solid") for line in arrivals),
    ]
    label = "Distribution of the gaps between packets, intended and actual"
    plots = [
        Plot(
            svg=to_svg(figure, name="gaps", label=label),
            caption="Share of the packets by gap. Where the curves part, the wire did not see what was meant."
            " Gaps left of the axis count in its first bin.",
            legend=tuple(legend),
        )
    ]
    if errors:
        plots.append(_error_plot(files, errors))
    return plots


def _error_plot(files: RunFiles, errors: Mapping[str, Rows]) -> Plot:
    figure = new_figure(HALF_WIDTH, 280)
    axes = figure.add_subplot()
    bound_ns = _bound_ns(files)
    edges = log_bins(*errors.values(), *([np.array([bound_ns])] if bound_ns else []))
    for line, values in errors.items():
        distribution(axes, values, edges, LINE_COLOURS[line], fill=False)
    if bound_ns:
        axes.axvline(bound_ns / US, color=COLOURS["ink"], lw=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            f"bound on p99: {_plain_us(bound_ns / US)} µs", (bound_ns / US, 1), (-5, -2), ha="right",
            va="top", xycoords=("data", "axes fraction"), textcoords="offset points",
        )  # fmt: skip
    log_x(axes, edges)
    axes.set_xlabel("pacing error, µs")
    return Plot(
        svg=to_svg(figure, name="pacing-error", label="Distribution of the pacing error on each line"),
        caption="Distance between a packet's intended time and its arrival on the wire.",
        legend=tuple((f"wire {line}", LINE_COLOURS[line], "solid") for line in errors),
    )


def _bound_ns(files: RunFiles) -> int | None:
    bound = files.summary.get("run", {}).get("pacing_bound_ns")
    return int(bound) if bound else None


@styled
def stage_plot(stages: Mapping[str, Mapping[str, Any]]) -> Plot | None:
    """A bar per stage in the order of the wire; p50 and p99 beside each other, each on its own scale."""
    shown = {name: figures for name, figures in stages.items() if figures.get("count")}
    if not shown:
        return None
    figure = new_figure(WIDTH, 34 * len(shown) + 62)
    rows = range(len(shown))
    for index, point in enumerate(("p50", "p99")):
        axes = figure.add_subplot(1, 2, index + 1)
        lengths = [figures[point] / US for figures in shown.values()]
        axes.barh(rows, lengths, height=0.6, color=COLOURS["blue"], lw=0)
        for row, length in zip(rows, lengths, strict=True):
            at = (length, row)
            axes.annotate(_short_us(length), at, (6, 0), textcoords="offset points", va="center")
        axes.set_yticks(list(rows), list(shown) if index == 0 else [""] * len(shown))
        axes.tick_params(length=0)
        axes.tick_params(axis="y", labelcolor=COLOURS["ink"])
        axes.invert_yaxis()
        axes.set_xlim(0, max(lengths) * 1.16 or 1.0)
        axes.xaxis.set_major_formatter(FuncFormatter(_plain_us))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_title(point, loc="left", fontsize=13, fontweight="bold", color=COLOURS["ink"])
        axes.set_xlabel("µs")
    count = format_count(int(next(iter(shown.values()))["count"]))
    caption = (
        f"{count} orders. The two scales differ. Percentiles of stages do not add up to those of the whole."
    )
    return Plot(svg=to_svg(figure, name="stages", label="Time in each stage, p50 and p99"), caption=caption)


def _short_us(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
