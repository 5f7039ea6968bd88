"""A summary, a comparison or the doctor's findings go in; aligned text for a terminal or a pipe comes out.

Latencies are microseconds with the decimal point in one column. Text of scenarios is printed as it is, never
as markup, and without control characters. Nothing is wider than the console: long text folds, and tables that
do not fit are printed as lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.host.doctor import Finding
from lab.measure.histogram import PERCENTILES, supports
from lab.report.feed import RECOVERY_POINTS, facts, line_rows
from lab.report.generator import generator_rows
from lab.units import format_duration

__all__ = ["microseconds", "render_comparison", "render_findings", "render_terminal"]

VERDICT_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "UNKNOWN": "bold yellow",
}
CHANGE_STYLES = {"slower": "bold red", "faster": "green"}
STATUS_STYLES = {"good": "green", "warning": "yellow", "missing": "bold red", "unknown": "magenta"}
POINTS = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "p99_99": "p99.99", "max": "max"}
LATENCY_SERIES = (
    "wire_to_wire",
    "wire_to_wire_cold",
    "wire_to_wire_before_swap",
    "wire_to_wire_swap",
    "wire_to_wire_after_swap",
    "response",
    "wire_floor",
    "pacing_error",
    "pacing_error_B",
)
ALWAYS_SHOWN = ("wire_to_wire", "response", "wire_floor", "pacing_error")
COUNTS = (
    ("published", "published"),
    ("triggers", "triggers"),
    ("orders", "orders"),
    ("matched", "matched"),
    ("unmatched", "unmatched"),
    ("risk_blocked", "risk blocked"),
    ("duplicate", "duplicate"),
    ("late", "late"),
    ("cold", "cold"),
    ("unexpected", "unexpected"),
    ("skipped", "skipped"),
)
WRONG_UNLESS_ZERO = frozenset({"unmatched", "duplicate", "late", "unexpected"})
EVIDENCE_COLUMN_WIDTH = 160  # consoles at least this wide show evidence beside a check instead of under it
WHOLE_US_NS = 1_000_000  # from 1 ms on, decimals of a microsecond are below the histogram's resolution
NARROW_LATENCY_WIDTH = 84
INTERVALS_WIDTH = 100
STAGE_POINTS = ("p50", "p99")
STAGE_PREFIX = "stage."
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def microseconds(value_ns: int | float | None, *, decimals: int = 2) -> str:
    """3421 -> "3.42"; from 1 ms on whole microseconds, padded so that decimal points stay in one column."""
    if value_ns is None:
        return "-" + " " * (decimals + 1)
    if abs(value_ns) >= WHOLE_US_NS:
        return f"{value_ns / 1000:,.0f}" + " " * (decimals + 1)
    return f"{value_ns / 1000:.{decimals}f}"


def render_terminal(
    summary: Mapping[str, Any], *, console: Console, report: Path | str | None = None
) -> None:
    """The whole of a run on one screen or two. ``report`` is the path of report.html, when it was written."""
    _verdict(summary, console)
    _denominators(summary.get("counts", {}), console)
    _latency(summary.get("latency_ns", {}), console)
    _stages(summary.get("latency_ns", {}).get("stage", {}), console)
    _feed_quality(summary.get("feed_quality"), console)
    _checks(summary.get("checks", []), console)
    _faults(summary.get("faults", []), console)
    for name, text in generator_rows(summary):
        console.print(Padding(_text(f"{name}: {text}"), (0, 0, 0, 2)))
    _host(summary, console)
    path = report or summary.get("report")
    if path:
        _heading("Report", console)
        console.print(Padding(_text(path), (0, 0, 0, 2)), soft_wrap=False)


def render_findings(findings: Sequence[Finding], console: Console) -> None:
    """What this host can measure, one line a finding, and what to do about each that is not good."""
    width = max((len(item.name) for item in findings), default=0)
    for item in findings:
        grid = _grid(9, min(width, 24), None)
        status = Text(item.status, style=STATUS_STYLES.get(item.status, ""))
        grid.add_row(status, _text(item.name), _text(item.observed))
        console.print(grid)
        if item.todo:
            console.print(Padding(_text(f"-> {item.todo}", style="dim"), (0, 0, 0, 12)))
    counted = {status: sum(item.status == status for item in findings) for status in STATUS_STYLES}
    console.print()
    shown = {status: count for status, count in counted.items() if count or status != "unknown"}
    console.print(_text(", ".join(f"{count} {status}" for status, count in shown.items())))


def render_comparison(comparison: Mapping[str, Any], console: Console) -> None:
    """Two runs side by side: what they are, why they may not be compared, and each figure with its ratio."""
    for side in ("a", "b"):
        _compared_run(side, comparison[side], console)
    console.print()
    if comparison["comparable"]:
        console.print(Text("comparable: the same experiment on the same host", style="dim"))
    else:
        console.print(
            Text("not comparable: the figures below differ for more reasons than the engine", "bold red")
        )
    for warning in comparison["warnings"]:
        console.print(Padding(_text(f"- {warning}", style="yellow"), (0, 0, 0, 2)))
    intervals = console.width >= INTERVALS_WIDTH
    latency = comparison["latency_ns"]
    whole = {metric: figures for metric, figures in latency.items() if not metric.startswith(STAGE_PREFIX)}
    stages = {metric: figures for metric, figures in latency.items() if metric not in whole}
    confidence = f"{100 * comparison['confidence']:.0f}%"
    for title, part, points in (("Latency", whole, tuple(POINTS)), ("Stages", stages, STAGE_POINTS)):
        if part:
            _heading(title, console, "us")
            _compared_table(part, points, confidence if intervals else None, console)
    if comparison["counts"]:
        _heading("Denominators", console)
        table = _figures_table("", ["a", "b"])
        for key, label in COUNTS:
            if key in comparison["counts"]:
                pair = comparison["counts"][key]
                table.add_row(Text(label), *(Text(f"{int(pair[side]):,}") for side in ("a", "b")))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _compared_run(side: str, run: Mapping[str, Any], console: Console) -> None:
    verdict = str(run.get("verdict") or "UNKNOWN")
    commit = run.get("commit")
    facts = (
        f"commit {str(commit)[:12]}{' with uncommitted changes' if run.get('dirty') else ''}"
        if commit
        else ""
    )
    line = Text(f"{side}  ", style="bold", overflow="fold")
    line.append(f"{verdict:<7}  ", style=VERDICT_STYLES.get(verdict, ""))
    line.append_text(_text(run["name"]))
    if facts:
        line.append(f"  {facts}", style="dim")
    console.print(line)


def _compared_table(
    part: Mapping[str, Any], points: Sequence[str], confidence: str | None, console: Console
) -> None:
    """A row per series and point; ``confidence`` heads the intervals, None leaves them out."""
    between = [f"a {confidence}", f"b {confidence}"] if confidence else []
    table = _figures_table("", ["", "a", "b", "b/a", *between, ""])
    decimals = 3 if tuple(points) == STAGE_POINTS else 2
    for metric, figures in part.items():
        shown = [point for point in points if point in figures]
        for point in shown:
            name = metric.removeprefix(STAGE_PREFIX) if point == shown[0] else ""
            cells = _compared_cells(figures, point, decimals=decimals, intervals=confidence is not None)
            table.add_row(Text(name), Text(POINTS[point]), *cells)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _compared_cells(
    figures: Mapping[str, Any], point: str, *, decimals: int, intervals: bool
) -> Iterator[Text]:
    one, counts = figures[point], figures["count"]
    for side in ("a", "b"):
        good = supported({"count": counts[side]}, point)
        yield Text(microseconds(one[side] if good else None, decimals=decimals))
    yield Text(f"{one['ratio']:.3f}x" if one["ratio"] is not None else "-")
    for side in ("a_interval", "b_interval") if intervals else ():
        ends = [microseconds(end, decimals=decimals).strip() for end in one[side] or ()]
        yield Text(" to ".join(ends) or "-")
    change = one.get("change") or ""
    yield Text(change, style=CHANGE_STYLES.get(change, "dim"))


def _text(value: object, style: str = "") -> Text:
    return Text(_CONTROL.sub(" ", str(value)), style=style, overflow="fold")


def _heading(title: str, console: Console, note: str = "") -> None:
    line = Text(title, style="bold")
    if note:
        line.append(f"  {note}", style="dim")
    console.print()
    console.print(line)


def _grid(*widths: int | None) -> Table:
    """A borderless table whose columns have these widths; None takes what is left and folds."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=None in widths)
    for width in widths:
        grid.add_column(width=width, overflow="fold", ratio=1 if width is None else None)
    return grid


def _figures_table(first: str, columns: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), show_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _verdict(summary: Mapping[str, Any], console: Console) -> None:
    verdict = str(summary.get("verdict", "UNKNOWN"))
    title = summary.get("title") or summary.get("scenario") or "run"
    line = Text(verdict, style=VERDICT_STYLES.get(verdict, "bold"), overflow="fold")
    line.append("  ")
    line.append_text(_text(title, style="bold"))
    console.print(line)
    clock = summary.get("clock", {})
    facts = [f"scenario {summary['scenario']}"] if summary.get("scenario") else []
    facts += [f"seed {summary['seed']}"] if "seed" in summary else []
    if clock:
        uncertainty = format_duration(clock.get("uncertainty_ns", 0))
        facts.append(f"{clock.get('domain', 'clock?')}, grade {clock.get('grade', '?')}, +-{uncertainty}")
    if facts:
        console.print(_text(", ".join(facts), style="dim"))


def _denominators(counts: Mapping[str, Any], console: Console) -> None:
    _heading("Denominators", console)
    cells = []
    for key, label in COUNTS:
        if key not in counts:
            continue
        value = int(counts[key])
        wrong = key in WRONG_UNLESS_ZERO and value != 0
        cells.append((label, Text(f"{value:,}", style="bold yellow" if wrong else "")))
    columns = max(1, min(4, (console.width - 2) // 26))
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(columns):
        grid.add_column(min_width=12)
        grid.add_column(justify="right", min_width=9)
        grid.add_column()
    for start in range(0, len(cells), columns):
        row: list[Text] = []
        for label, shown in cells[start : start + columns]:
            row += [Text(label), shown, Text("")]
        grid.add_row(*row)
    console.print(Padding(grid, (0, 0, 0, 2), expand=False))


def supported(figures: Mapping[str, Any], point: str) -> bool:
    """True when enough samples lie behind the figure for it to be more than the maximum again."""
    quantile = PERCENTILES.get(point)
    return quantile is None or supports(int(figures.get("count") or 0), quantile)


def _latency(latency: Mapping[str, Any], console: Console) -> None:
    shown = [name for name in LATENCY_SERIES if latency.get(name, {}).get("count") or name in ALWAYS_SHOWN]
    thin = False
    rows: list[tuple[str, list[str], int]] = []
    for name in shown:
        figures = latency.get(name, {})
        cells = []
        for point in POINTS:
            good = supported(figures, point)
            thin |= not good and bool(figures.get("count"))
            cells.append(microseconds(figures.get(point) if good else None))
        rows.append((name, cells, int(figures.get("count") or 0)))
    _heading("Latency", console, "us")
    _by_point(rows, list(POINTS.values()), console)
    if thin:
        note = "- fewer samples than it takes for one to lie above the percentile"
        console.print(Padding(_text(note, style="dim"), (0, 0, 0, 2)))


def _by_point(rows: Sequence[tuple[str, list[str], int]], points: Sequence[str], console: Console) -> None:
    """A row per series; a row per percentile when the console is too narrow for that."""
    if console.width >= NARROW_LATENCY_WIDTH:
        table = _figures_table("", [*points, "count"])
        for name, cells, count in rows:
            table.add_row(Text(name), *(Text(cell, no_wrap=True) for cell in cells), Text(f"{count:,}"))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
        return
    for name, cells, count in rows:
        table = _figures_table(name, [""])
        for label, cell in zip([*points, "count"], [*cells, f"{count:,}"], strict=True):
            table.add_row(Text(label), Text(cell))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _stages(stages: Mapping[str, Any], console: Console) -> None:
    if not any(figures.get("count") for figures in stages.values()):
        return
    _heading("Stages", console, "us, in order of the wire")
    table = _figures_table("", ["p50", "p99", "count"])
    for name, figures in stages.items():
        cells = [
            Text(microseconds(figures.get(point) if supported(figures, point) else None, decimals=3))
            for point in ("p50", "p99")
        ]
        table.add_row(Text(name), *cells, Text(f"{int(figures.get('count') or 0):,}"))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _feed_quality(quality: Mapping[str, Any] | None, console: Console) -> None:
    """Each line, what was lost and how it came back, and the distribution of recovery.gap when there is one."""
    if not quality:
        return
    _heading("Feed quality", console)
    columns, rows = line_rows(quality)
    if rows and console.width >= NARROW_LATENCY_WIDTH:
        table = _figures_table("line", columns)
        for name, cells in rows:
            table.add_row(Text(name), *(Text(cell, no_wrap=True) for cell in cells))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
    for name, cells in rows if console.width < NARROW_LATENCY_WIDTH else ():
        text = ", ".join(f"{column} {cell}" for column, cell in zip(columns, cells, strict=True))
        console.print(Padding(_text(f"line {name}: {text}"), (0, 0, 0, 2)))
    for name, text in facts(quality):
        console.print(Padding(_text(f"{name}: {text}"), (0, 0, 0, 2)))
    figures = quality.get("recovery_ns", {})
    if not figures.get("count"):
        return
    _heading("Recovery", console, "us, from the first drop to LIVE again")
    cells = [microseconds(figures[point] if supported(figures, point) else None) for point in RECOVERY_POINTS]
    _by_point(
        [("recovery.gap", cells, int(figures["count"]))],
        [POINTS[point] for point in RECOVERY_POINTS],
        console,
    )


def _checks(checks: Sequence[Mapping[str, str]], console: Console) -> None:
    _heading("Checks", console)
    if not checks:
        console.print(Padding(_text("none was made, so nothing was shown"), (0, 0, 0, 2)))
        return
    wide = console.width >= EVIDENCE_COLUMN_WIDTH
    name_width = min(max(len(item["name"]) for item in checks), 34, max(console.width * 3 // 10, 8))
    expected_width = min(max(len(item["expected"]) for item in checks), 34, max(console.width // 4, 8))
    for item in checks:
        verdict = Text(item["verdict"], style=VERDICT_STYLES.get(item["verdict"], ""))
        cells = [verdict, _text(item["name"]), _text(item["expected"], style="dim"), _text(item["observed"])]
        if wide:
            grid = _grid(7, name_width, expected_width, 40, None)
            grid.add_row(*cells, _text(item["evidence"], style="dim"))
        else:
            grid = _grid(7, name_width, expected_width, None)
            grid.add_row(*cells)
        console.print(Padding(grid, (0, 0, 0, 2)))
        if item["evidence"] and not wide:
            console.print(Padding(_text(item["evidence"], style="dim"), (0, 0, 0, 11)))


def _faults(faults: Sequence[Mapping[str, Any]], console: Console) -> None:
    if not faults:
        return
    _heading("Faults", console)
    for fault in faults:
        console.print(Padding(_text(f"{fault['name']}: {fault_story(fault)}"), (0, 0, 0, 2)))


def fault_story(fault: Mapping[str, Any]) -> str:
    """detected after 812 ns, healed after 2.00 ms, not recovered; times since the injection."""
    injected_ns = int(fault.get("injected_ns") or 0)
    detail = f" ({fault['detail']})" if fault.get("detail") else ""
    if not injected_ns:
        return f"not injected{detail}"
    parts = []
    for what in ("detected", "healed", "recovered"):
        at_ns = int(fault.get(f"{what}_ns") or 0)
        if at_ns:
            parts.append(f"{what} after {format_duration(at_ns - injected_ns)}")
        elif what == "healed" or fault.get("detected_ns"):
            parts.append(f"not {what}")
        elif what == "detected":
            parts.append("LIVE was not left")
    return ", ".join(parts) + detail


def _host(summary: Mapping[str, Any], console: Console) -> None:
    host = summary.get("host")
    if not host:
        return
    stalls = f"{int(host.get('stall_count', 0)):,} stalls of a busy loop"
    facts = [f"steal {format_duration(host.get('steal_ns', 0))}", stalls]
    facts.append(f"longest {format_duration(host.get('stall_max_ns', 0))}")
    facts.append(f"{int(host.get('involuntary_switches', 0)):,} involuntary switches")
    tap = summary.get("tap", {})
    if tap:
        facts.append(f"{int(tap.get('lost', 0)):,} tap records lost")
    _heading("Host's part", console)
    console.print(Padding(_text(", ".join(facts)), (0, 0, 0, 2)))
