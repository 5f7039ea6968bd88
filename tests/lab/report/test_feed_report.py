"""What the terminal and the page say of a feed: the same, in words, and nothing of what did not happen."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import stored_runs
import synthetic
from rich.console import Console

from lab.report import render_terminal, write_report
from lab.report.feed import facts, line_rows, slowest


def quality_of(directory: Path) -> dict[str, Any]:
    block: dict[str, Any] = json.loads((directory / "summary.json").read_text())["feed_quality"]
    return block


def printed(directory: Path, *, width: int = 120) -> str:
    out = io.StringIO()
    summary = json.loads((directory / "summary.json").read_text())
    render_terminal(summary, console=Console(file=out, width=width))
    return out.getvalue()


def section(directory: Path, name: str) -> str:
    page = (directory / "report.html").read_text()
    begin = page.index(f'<section id="{name}">')
    return page[begin : page.index("</section>", begin)]


def test_the_terminal_prints_the_distribution_of_recoveries(lossy_run: Path) -> None:
    text = printed(lossy_run)
    assert "Feed quality" in text
    head = next(line for line in text.splitlines() if line.split() == ["p50", "p90", "p99", "max", "count"])
    row = text.splitlines()[text.splitlines().index(head) + 1].split()
    figures = quality_of(lossy_run)["recovery_ns"]
    assert row[0] == "recovery.gap"
    assert row[-1] == "5"
    assert row[1] == f"{figures['p50'] / 1_000:.2f}"
    assert row[3] == "-", "five samples are too few for a p99"


def test_the_terminal_says_how_each_line_did_and_what_came_back(lossy_run: Path) -> None:
    text = " ".join(printed(lossy_run).split())
    assert "gaps: 6 on both lines" in text
    assert "never reached the engine; 1 loss was never recovered" in text
    assert "blind: 6 times" in text
    assert "not LIVE again" in text
    assert "re-requests: 4 sent" in text
    assert "snapshots: 1 asked for, 1 joined; they stood for" in text
    assert "messages by re-requests" in text


def test_a_run_that_lost_nothing_has_its_lines_and_no_recovery(plain_run: Path) -> None:
    text = printed(plain_run)
    assert "Feed quality" in text
    assert "recovery.gap" not in text
    names = [name for name, _ in facts(quality_of(plain_run))]
    assert names == ["skew"]


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_a_narrow_console_gets_the_same_without_being_widened(lossy_run: Path, width: int) -> None:
    text = printed(lossy_run, width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "recovery.gap" in text
    assert "out of order" in " ".join(text.split())


def test_the_page_has_the_lines_the_recoveries_and_the_slowest_first(lossy_run: Path) -> None:
    text = section(lossy_run, "feed-quality")
    assert "recovery.gap" in text
    ends = re.findall(r'<td class="n[^"]*">([^<]*)</td></tr>', text[text.index("LIVE again after") :])
    assert ends[0] == "never"
    assert len(ends) == 6
    assert ends[1].endswith(" ms"), "the snapshot took longer than the re-requests"
    for name, sentence in facts(quality_of(lossy_run)):
        assert name in text
        assert sentence.split()[0] in text


def test_the_timeline_marks_when_the_feed_was_blind(lossy_run: Path, plain_run: Path) -> None:
    assert "Purple at the foot: the feed was blind, 6 times." in section(lossy_run, "time")
    assert "var(--purple)" in section(lossy_run, "time")
    assert "Purple" not in section(plain_run, "time")


def test_a_fault_that_came_again_is_marked_each_time(lossy_run: Path) -> None:
    assert ">drop x6<" in section(lossy_run, "time")


def test_a_run_stored_before_the_feed_was_measured_is_still_reported(tmp_path: Path) -> None:
    directory = stored_runs.store(tmp_path, synthetic.run(packets=300))
    summary = json.loads((directory / "summary.json").read_text())
    del summary["feed_quality"], summary["latency_ns"]["recovery"], summary["latency_ns"]["won_by"]
    (directory / "summary.json").write_text(json.dumps(summary))
    write_report(directory)
    assert "feed-quality" not in (directory / "report.html").read_text()
    assert "Feed quality" not in printed(directory)


def test_what_was_not_reported_is_a_dash_and_what_is_zero_is_left_out(plain_run: Path) -> None:
    columns, rows = line_rows(quality_of(plain_run))
    cells = dict(zip(columns, rows[0][1], strict=True))
    assert cells["malformed"] == "-"
    assert cells["packets"] == "2,000"
    assert facts({}) == []
    assert line_rows({})[1] == []


def test_the_slowest_recoveries_are_those_without_an_end_and_then_the_longest() -> None:
    recoveries = [{"gap_ns": gap} for gap in (5, None, 9, 1)]
    assert [one["gap_ns"] for one in slowest({"recoveries": recoveries}, count=3)] == [None, 9, 5]


def test_the_winners_of_two_lines_are_told_in_a_sentence() -> None:
    lines = {
        "both": 3790, "decided": 3304, "wrong": 0, "replay_error_ns": {"count": 3790, "p50": 500, "p90": 6_000},
        "engine_error_ns": {"count": 3790, "p50": -40, "p90": None},
    }  # fmt: skip
    assert dict(facts({"arbitration": lines}))["winners"] == (
        "3,304 of 3,790 packets decided, 0 wrong; margin, tap less capture: p50 500 ns, p90 6.00 us;"
        " margin, engine less tap: p50 -40 ns"
    )
    assert "winners" not in dict(facts({"arbitration": {"both": 0}}))
