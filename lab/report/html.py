"""A run directory goes in; report.html comes out: one file without outside resources, always the same bytes.

The numbers are those of summary.json; the raw files only add figures. Everything that came from a scenario, a
capture or an engine is escaped by the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lab.report.feed import RECOVERY_POINTS, facts, line_rows, slowest
from lab.report.generator import generator_rows
from lab.report.table import COUNTS, POINTS, WRONG_UNLESS_ZERO, fault_story, microseconds, supported
from lab.scenario.figures import STAGES
from lab.units import format_count, format_duration, format_ratio

if TYPE_CHECKING:
    from lab.report.sources import RunFiles

__all__ = ["render_report", "write_report"]

REPORT = "report.html"
TEMPLATES = "templates"
EVENTS_MAX = 200
RECOVERIES_MAX = 10
PASSED = "none"  # the risk gate's reason for an order it let through
CLOCK_TIME = "at_ns"
DASH = "\N{EN DASH}"
_MICROSECONDS = re.compile(r"(?<![A-Za-z_])us(?![A-Za-z_])")
LATENCY_NAMES = {
    "wire_to_wire": "first arrival of the trigger at the engine's port to the order at the wire's far end",
    "wire_to_wire_before_swap": "the same, in the 50 ms before the window around a change of strategy",
    "wire_to_wire_swap": "the same, in the 50 ms around a change of strategy",
    "wire_to_wire_after_swap": "the same, in the 50 ms after that window",
    "wire_to_wire_cold": "the same, first orders after the start or after 1 ms of idleness only",
    "response": "intended publish time of the trigger to the order at the wire's far end",
    "wire_floor": "the same wires with the engine as a reflector: the physical limit of this lab",
    "pacing_error": "intended publish time to actual arrival, line A",
    "pacing_error_B": "intended publish time to actual arrival, line B",
    "recovery.gap": "first packet lost to LIVE again, each loss of the run",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """One key figure: a value with its unit, and a line of context under it."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    wrong: bool = False


def write_report(run_dir: Path) -> Path:
    """Path of the report.html written. UsageError when the directory holds no summary."""
    from lab.report.sources import read_run

    source = read_run(run_dir)
    path = source.directory / REPORT
    part = path.with_name(f".{REPORT}.part")
    part.write_text(render_report(source), encoding="utf-8")
    part.replace(path)
    return path


def render_report(run: RunFiles) -> str:
    """The page as text."""
    # matplotlib takes long to load, and a terminal's table needs none of it
    from lab.report import gaps, plots

    summary = run.summary
    latency = summary.get("latency_ns", {})
    stages = latency.get("stage", {})
    folder = files("lab.report").joinpath(TEMPLATES)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": _count,
        "duration": _duration,
        "micro": _micro,
        "us": _us,
        "words": _words,
    }
    over_time = [plots.latency_over_time(run, name) for name in _timelines(latency)]
    return environment.from_string(folder.joinpath("report.html.j2").read_text("utf-8")).render(
        style=Markup(folder.joinpath("report.css").read_text("utf-8")),
        run=run,
        summary=summary,
        title=summary.get("title") or summary.get("scenario", "run"),
        verdict=summary.get("verdict", "UNKNOWN"),
        answer=answer(summary),
        facts=_facts(summary),
        cards=cards(summary),
        latency_rows=_latency_rows(latency),
        points=list(POINTS.values()),
        percentiles=plots.percentile_plot(run),
        over_time=[plot for plot in over_time if plot is not None],
        pacing=plots.pacing_plots(run),
        noise_plots=gaps.noise_plots(run),
        drivers=gaps.driver_rows(summary),
        streams=gaps.stream_rows(summary),
        stages=plots.stage_plot(stages),
        stage_rows=[(name, stages[name]) for name in STAGES if stages.get(name, {}).get("count")],
        checks=sorted(summary.get("checks", []), key=lambda check: _URGENCY.get(check["verdict"], 0)),
        faults=[(fault, fault_story(fault)) for fault in summary.get("faults", [])],
        generator=generator_rows(summary),
        counts=[
            (label, summary["counts"][key], key in WRONG_UNLESS_ZERO and summary["counts"][key] != 0)
            for key, label in COUNTS
            if key in summary.get("counts", {})
        ],
        feed_lines=_feed_lines(summary),
        feed_quality=_feed_quality(summary),
        feed_counters=_scalars(summary.get("feed", {})),
        mass_cancel=_scalars(
            summary.get("mass_cancel", {}) if summary.get("mass_cancel", {}).get("kills") else {}
        ),
        order_flow=_scalars(summary.get("order_flow", {})),
        risk=[(name, value) for name, value in _scalars(summary.get("risk", {})) if value and name != PASSED],
        host=_scalars(summary.get("host", {})),
        exchange=_scalars(summary.get("exchange", {})),
        tap=_scalars(summary.get("tap", {})),
        events=run.events[:EVENTS_MAX],
        events_more=max(0, len(run.events) - EVENTS_MAX),
        provenance=_provenance(run),
        knobs=_flat(run.manifest.get("host") or {}),
        reproduce=run.manifest.get("reproduce") or f"tailgate run {run.directory.name}/scenario.yaml",
    )


_URGENCY = {"FAIL": -2, "UNKNOWN": -1}


def answer(summary: Mapping[str, Any]) -> str:
    """The verdict as one sentence, with the number that decided it."""
    verdict, checks = summary.get("verdict", "UNKNOWN"), summary.get("checks", [])
    decisive = [check for check in checks if check["verdict"] == verdict]
    if verdict == "PASS":
        figures = summary.get("latency_ns", {}).get("wire_to_wire", {})
        tail = ""
        if figures.get("count"):
            half, most, all_of = (format_duration(figures[point]) for point in ("p50", "p99", "max"))
            count = format_count(figures["count"])
            tail = (
                f": half of {count} orders left within {half}, 99% within {most}, the slowest after {all_of}"
            )
        return f"It held. All {len(checks)} checks passed{tail}."
    lead = "It did not hold" if verdict == "FAIL" else "It could not be decided"
    if not decisive:
        return f"{lead}: no check was made."
    named = decisive[-1] if verdict == "FAIL" else decisive[0]
    others = len(decisive) - 1
    more = f" ({others} more {'check' if others == 1 else 'checks'} {verdict})" if others else ""
    expected = f"expected {named['expected']}" if named["expected"] else ""
    detail = "; ".join(part for part in (expected, f"observed {named['observed']}") if part)
    return f"{lead}: {named['name']}, {detail}{more}."


def cards(summary: Mapping[str, Any]) -> list[Card]:
    """p50, p99, p99.9 and max of wire_to_wire, the floor's p50 with the ratio to it, matched of triggers."""
    latency, counts = summary.get("latency_ns", {}), summary.get("counts", {})
    figures, floor = latency.get("wire_to_wire", {}), latency.get("wire_floor", {})
    response = latency.get("response", {})
    result = []
    for point in ("p50", "p99", "p99_9", "max"):
        good = supported(figures, point) and figures.get(point) is not None
        value, _, unit = format_duration(figures[point]).partition(" ") if good else (DASH, "", "")
        beside = response.get(point)
        note = f"response {_duration(beside)}" if good and beside is not None else "too few samples"
        result.append(Card(label=f"wire to wire {POINTS[point]}", value=value, unit=_micro(unit), note=note))
    floor_p50 = floor.get("p50")
    value, _, unit = format_duration(floor_p50).partition(" ") if floor_p50 else (DASH, "", "")
    ratio = figures["p50"] / floor_p50 if floor_p50 and figures.get("p50") else None
    note = "no order to compare" if floor_p50 else "not measured"
    if ratio is not None:
        note = f"wire to wire is {format_ratio(ratio)}"
    below = ratio is not None and ratio < 1  # nothing is faster than its wires: the floor is in doubt
    result.append(Card(label="wire floor p50", value=value, unit=_micro(unit), note=note, wrong=below))
    triggers, unmatched = counts.get("triggers", 0), counts.get("unmatched", 0)
    note = f"of {format_count(triggers)} triggers"
    blocked = counts.get("risk_blocked", 0)
    note += f", {format_count(blocked)} blocked" if blocked else ""
    result.append(
        Card(label="matched", value=format_count(counts.get("matched", 0)), note=note, wrong=bool(unmatched))
    )
    return result


def _timelines(latency: Mapping[str, Any]) -> list[str]:
    """response has a figure of its own where it tells another story, as after an outage of the feed."""
    inner, outer = (latency.get(name, {}).get("max") for name in ("wire_to_wire", "response"))
    return ["wire_to_wire", "response"] if inner and outer and outer > 2 * inner else ["wire_to_wire"]


def _latency_rows(latency: Mapping[str, Any]) -> list[tuple[str, str, list[str], int]]:
    rows = []
    for name, meaning in LATENCY_NAMES.items():
        figures: Any = latency
        for part in name.split("."):
            figures = figures.get(part, {})
        if figures.get("count"):
            cells = [_us(figures[point]) if supported(figures, point) else DASH for point in POINTS]
            rows.append((name, meaning, cells, int(figures["count"])))
    return rows


def _facts(summary: Mapping[str, Any]) -> list[str]:
    run, clock = summary.get("run", {}), summary.get("clock", {})
    facts = [f"scenario {summary['scenario']}"] if summary.get("scenario") else []
    facts += [f"seed {summary['seed']}"] if "seed" in summary else []
    if run.get("wire"):
        facts.append(f"{run['wire']}{' (' + run['wire_mode'] + ')' if run.get('wire_mode') else ''}")
    if run.get("duration_ns"):
        facts.append(f"{format_duration(run['duration_ns'])} of traffic")
    if clock:
        uncertainty = _duration(clock.get("uncertainty_ns", 0))
        facts.append(f"stamps {clock.get('grade', '?')}, ±{uncertainty}")
    if run.get("created_utc"):
        facts.append(str(run["created_utc"]))
    return facts


def _feed_lines(summary: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[Any]]]]:
    """(columns, (line, cells) per line), of what the taps saw and the pacing of each line."""
    wire, pacing = summary.get("feed", {}).get("wire", {}), summary.get("pacing", {})
    rows = {line: {**counters, **pacing.get(line, {})} for line, counters in wire.items()}
    names = [
        "packets",
        "dropped_by_fault",
        "corrupted_by_fault",
        "missing",
        "unsent",
        "early",
        "early_max_ns",
        "late_max_ns",
    ]
    columns = [name for name in names if any(name in row for row in rows.values())]
    return columns, [(line, [row.get(name) for name in columns]) for line, row in rows.items()]


def _feed_quality(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the section shows; None for a run that did not measure it."""
    quality = summary.get("feed_quality")
    if not quality:
        return None
    columns, rows = line_rows(quality)
    figures = quality.get("recovery_ns", {})
    started_ns = summary.get("run", {}).get("started_ns", 0)
    recoveries = [
        (recovery["lost_ns"] - started_ns, recovery["fault"], recovery["messages"], recovery["gap_ns"])
        for recovery in slowest(quality, count=RECOVERIES_MAX)
    ]
    return {
        "columns": columns,
        "rows": rows,
        "facts": facts(quality),
        "points": [POINTS[point] for point in RECOVERY_POINTS],
        "recovery": [_us(figures[point]) if supported(figures, point) else DASH for point in RECOVERY_POINTS]
        if figures.get("count")
        else [],
        "count": figures.get("count", 0),
        "slowest": recoveries,
        "others": max(0, len(quality.get("recoveries", [])) - RECOVERIES_MAX),
    }


def _scalars(block: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What can stand in a table of two columns; a time of the clock, such as at_ns, says nothing there."""
    return [
        (name, value)
        for name, value in block.items()
        if not isinstance(value, Mapping | list | tuple) and name != CLOCK_TIME
    ]


def _flat(block: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in block.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name} ")
        else:
            rows.append(
                (f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value))
            )
    return rows


def _provenance(run: RunFiles) -> list[tuple[str, str]]:
    manifest = run.manifest
    commit = manifest.get("commit")
    if isinstance(commit, Mapping):
        commit = f"{commit.get('id')}{' with uncommitted changes' if commit.get('dirty') else ''}"
    rows = [("run", run.directory.name), ("commit", str(commit or "not known"))]
    rows += [("command", str(manifest["command"]))] if manifest.get("command") else []
    rows += [("seed", str(run.summary.get("seed", "not known")))]
    clock = run.summary.get("clock", {})
    grades = clock.get("stamps_by_grade", {})
    shown = ", ".join(f"{format_count(number)} {grade}" for grade, number in grades.items())
    rows += [
        ("clock", str(clock.get("domain", "not known"))),
        ("stamps", shown or str(clock.get("grade", ""))),
    ]
    for block in ("build", "versions"):
        rows += _flat(manifest.get(block) or {})
    return rows


def _micro(text: str) -> str:
    """ "8.29 us" -> "8.29 µs": for people; names such as "status" stay."""
    return _MICROSECONDS.sub("µs", text)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _duration(value_ns: int | float | None) -> str:
    return DASH if value_ns is None else _micro(format_duration(value_ns))


def _us(value_ns: int | float | None, decimals: int = 2) -> str:
    return DASH if value_ns is None else microseconds(value_ns, decimals=decimals).strip()


def _words(name: str) -> str:
    return name.removesuffix("_ns").replace("_", " ")
