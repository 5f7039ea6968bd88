"""Terminal output: complete, plain in pipes, aligned, and never wider than the console."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import stored_runs
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from lab.host.doctor import Finding
from lab.report import render_comparison, render_findings, render_terminal
from lab.report.table import fault_story, microseconds


def printed(summary: Any, *, width: int = 100, render: Any = render_terminal, **options: Any) -> str:
    out = io.StringIO()
    render(summary, console=Console(file=out, width=width), **options)
    return out.getvalue()


def summary_of(directory: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((directory / "summary.json").read_text())
    return loaded


def test_table_holds_verdict_title_counts_latency_stages_checks_and_path(plain_run: Path) -> None:
    summary = summary_of(plain_run)
    text = printed(summary, width=200, report=plain_run / "report.html")
    assert text.startswith(f"{summary['verdict']}  {stored_runs.TITLE}\n")
    for label in (
        "published",
        "triggers",
        "orders",
        "matched",
        "unmatched",
        "risk blocked",
        "duplicate",
        "late",
    ):
        assert label in text
    for name in ("wire_to_wire", "response", "wire_floor", "pacing_error", "wire_in", "wire_out", "steal"):
        assert name in text
    for check in summary["checks"]:
        assert check["name"] in text
        assert check["evidence"] in " ".join(text.split())
    assert "report.html" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160, 240])
@pytest.mark.parametrize("name", ["plain_run", "faulty_run", "empty_run"])
def test_pipe_gets_plain_text_within_the_width(name: str, width: int, request: pytest.FixtureRequest) -> None:
    text = printed(summary_of(request.getfixturevalue(name)), width=width)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_decimal_points_of_a_column_are_aligned(plain_run: Path) -> None:
    lines = printed(summary_of(plain_run)).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("Latency"))
    rows = [line for line in lines[start + 2 :] if line.startswith("  wire_to_wire ") or "response" in line][
        :2
    ]
    places = [[place for place, letter in enumerate(row) if letter == "."] for row in rows]
    assert places[0][:3] == places[1][:3]


def test_unsupported_percentiles_are_dashes_with_a_note(empty_run: Path, plain_run: Path) -> None:
    summary = summary_of(plain_run)
    assert summary["latency_ns"]["wire_to_wire"]["count"] < 10_000
    text = printed(summary)
    row = next(line for line in text.splitlines() if line.startswith("  wire_to_wire "))
    assert row.split()[5] == "-"
    assert "fewer samples" in text
    assert "wire_floor" in printed(summary_of(empty_run))


def test_markup_and_control_characters_of_a_title_do_not_act() -> None:
    text = printed({"verdict": "PASS", "title": "[bold red]x[/] \x1b[31m \x07 y"})
    assert "[bold red]x[/]" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_summary_with_nothing_but_a_verdict_renders() -> None:
    assert printed({"verdict": "UNKNOWN"}).startswith("UNKNOWN  run")


def test_terminal_gets_colours(plain_run: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system="standard")
    render_terminal(summary_of(plain_run), console=console)
    assert "\x1b[" in out.getvalue()


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0.00"),
        (3_421, "3.42"),
        (84_856, "84.86"),
        (999_999, "1000.00"),
        (1_955_000, "1,955   "),
        (None, "-   "),
    ],
)
def test_microseconds_keep_the_decimal_point_in_its_place(value_ns: int | None, text: str) -> None:
    assert microseconds(value_ns) == text


@given(st.integers(0, 10**11))
def test_microseconds_are_within_half_a_unit_shown(value_ns: int) -> None:
    shown = float(microseconds(value_ns).replace(",", "")) * 1000
    assert abs(shown - value_ns) <= (500 if value_ns >= 1_000_000 else 5.001)


def test_fault_story_tells_only_what_happened() -> None:
    fault = {
        "name": "drop",
        "injected_ns": 1_000,
        "detected_ns": 1_812,
        "healed_ns": 2_001_000,
        "recovered_ns": 0,
    }
    assert fault_story(fault) == "detected after 812 ns, healed after 2.00 ms, not recovered"
    assert fault_story({"injected_ns": 0, "detail": "never reached"}) == "not injected (never reached)"


def test_findings_name_the_next_step_of_what_is_not_good() -> None:
    findings = [
        Finding(name="root", status="good", observed="yes"),
        Finding(name="AF_XDP", status="missing", observed="no", todo="a kernel with CONFIG_XDP_SOCKETS"),
    ]
    out = io.StringIO()
    render_findings(findings, Console(file=out, width=60))
    text = out.getvalue()
    assert "-> a kernel with CONFIG_XDP_SOCKETS" in text
    assert "1 good, 0 warning, 1 missing" in text
    assert max(len(line) for line in text.splitlines()) <= 60


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60), width=st.integers(30, 200))
def test_no_text_of_a_check_is_lost_to_markup_or_makes_lines_too_wide(text: str, width: int) -> None:
    check = {"name": "a", "verdict": "FAIL", "expected": text, "observed": text, "evidence": text}
    shown = printed({"verdict": "FAIL", "title": text, "checks": [check]}, width=width)
    assert "\x1b" not in shown
    assert "FAIL" in shown


@pytest.mark.parametrize("width", [60, 80, 140])
def test_comparison_shows_ratio_doubts_and_both_runs(plain_run: Path, tmp_path: Path, width: int) -> None:
    from lab.compare import compare_runs
    from lab.results import load_run

    other = stored_runs.store(tmp_path, synthetic.run(seed=2), stored_runs.scenario(seed=8))
    comparison = compare_runs(load_run(plain_run), load_run(other)).to_json()
    out = io.StringIO()
    render_comparison(comparison, Console(file=out, width=width))
    text = out.getvalue()
    words = "".join(text.split())
    assert plain_run.name in words
    assert other.name in words
    assert "not comparable" in text
    assert "scenarios differ: seed" in text
    ratio = comparison["latency_ns"]["wire_to_wire"]["p50"]["ratio"]
    assert f"{ratio:.3f}x" in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= width
