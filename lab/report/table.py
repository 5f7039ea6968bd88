"""A summary, a comparison or the doctor's findings go in; aligned text for a terminal or a pipe comes out.

Latencies are microseconds with the decimal point in one column. Text from scenarios is printed as it is, never
read as markup, and without control characters. Nothing is wider than the console: long text folds, tables that
do not fit are printed as lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.host.doctor import Finding
from lab.measure.histogram import PERCENTILES, supports
from lab.units import format_duration

__all__ = ["microseconds", "render_comparison", "render_findings", "render_terminal"]

VERDICT_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "UNKNOWN": "bold yellow",
    "SAME": "bold green",
    "BETTER": "bold green",
    "IMPROVED": "bold green",
    "WORSE": "bold red",
    "REGRESSED": "bold red",
}
STATUS_STYLES = {"good": "green", "warning": "yellow", "missing": "bold red"}
POINTS = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "p99_99": "p99.99", "max": "max"}
LATENCY_SERIES = ("wire_to_wire", "wire_to_wire_cold", "response", "wire_floor", "pacing_error", "pacing_error_B")
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
)
WRONG_UNLESS_ZERO = frozenset({"unmatched", "duplicate", "late", "unexpected"})
EVIDENCE_COLUMN_WIDTH = 160  # consoles at least this wide show evidence beside a check instead of under it
WHOLE_US_NS = 1_000_000  # from 1 ms on, decimals of a microsecond are below the histogram's resolution
NARROW_LATENCY_WIDTH = 76
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def microseconds(value_ns: int | float | None, *, decimals: int = 2) -> str:
    """3421 -> "3.42"; from 1 ms on whole microseconds, padded so that decimal points stay in one column."""
    if value_ns is None:
        return "-" + " " * (decimals + 1)
    if abs(value_ns) >= WHOLE_US_NS:
        return f"{value_ns / 1000:,.0f}" + " " * (decimals + 1)
    return f"{value_ns / 1000:.{decimals}f}"


def render_terminal(summary: Mapping[str, Any], *, console: Console, report: Path | str | None = None) -> None:
    """The whole of a run on one screen or two. ``report`` is the path of report.html, when it was written."""
    _verdict(summary, console)
    _denominators(summary.get("counts", {}), console)
    _latency(summary.get("latency_ns", {}), console)
    _stages(summary.get("latency_ns", {}).get("stage", {}), console)
    _checks(summary.get("checks", []), console)
    _faults(summary.get("faults", []), console)
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
    console.print(_text(", ".join(f"{count} {status}" for status, count in counted.items())))


def render_comparison(comparison: Mapping[str, Any], console: Console) -> None:
    """Two or more runs side by side: the verdict, why they may not be compared, and each figure's change."""
    raise NotImplementedError


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


def _checks(checks: Sequence[Mapping[str, str]], console: Console) -> None:
    _heading("Checks", console)
    if not checks:
        console.print(Padding(_text("none was made, so nothing was shown"), (0, 0, 0, 2)))
        return
    wide = console.width >= EVIDENCE_COLUMN_WIDTH
    name_width = min(max(len(item["name"]) for item in checks), 28, max(console.width // 4, 8))
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
    """healed after 2.00 ms, detected after 812 ns, never recovered; times since the injection."""
    injected_ns = int(fault.get("injected_ns") or 0)
    detail = f" ({fault['detail']})" if fault.get("detail") else ""
    if not injected_ns:
        return f"not injected{detail}"
    parts = []
    for what in ("detected", "healed", "recovered"):
        at_ns = int(fault.get(f"{what}_ns") or 0)
        parts.append(f"{what} after {format_duration(at_ns - injected_ns)}" if at_ns else f"not {what}")
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
