"""report.html: from files alone, self-contained, escaped, and honest about what is absent."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import stored_runs
import synthetic

from lab.errors import UsageError
from lab.measure.rows import MARKET_TAPS
from lab.report import write_report
from lab.report.html import answer, cards
from lab.report.plots import BODY_POINTS_MAX

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(directory: Path) -> Page:
    return Page((directory / "report.html").read_text())


def copied(directory: Path, to: Path) -> Path:
    return Path(shutil.copytree(directory, to / directory.name))


@pytest.mark.parametrize("name", ["plain_run", "faulty_run", "empty_run"])
def test_report_loads_nothing_from_outside(name: str, request: pytest.FixtureRequest) -> None:
    directory = request.getfixturevalue(name)
    text = (directory / "report.html").read_text()
    page = Page(text)
    assert not re.search(r"https?://", text)
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "img", "object", "embed")]
    targets = [
        value
        for _, attributes in page.elements
        for key, value in attributes.items()
        if key in ("src", "href")
    ]
    assert all(target is not None and target.startswith(("#", "data:")) for target in targets)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


@pytest.mark.parametrize("name", ["plain_run", "faulty_run", "empty_run"])
def test_report_is_well_formed_and_its_ids_are_unique(name: str, request: pytest.FixtureRequest) -> None:
    page = page_of(request.getfixturevalue(name))
    assert not page.wrong
    assert not page.open
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {f"#{one}" for one in ids}
    references = {attributes["href"] for tag, attributes in page.elements if tag == "use"}
    assert references <= anchors


def test_second_rendering_from_the_files_alone_is_equal(faulty_run: Path, tmp_path: Path) -> None:
    first = (faulty_run / "report.html").read_bytes()
    again = copied(faulty_run, tmp_path)
    (again / "report.html").unlink()
    assert write_report(again) == (again / "report.html").resolve()
    assert (again / "report.html").read_bytes() == first


def test_report_has_verdict_title_figures_and_every_check(plain_run: Path) -> None:
    summary = json.loads((plain_run / "summary.json").read_text())
    page = page_of(plain_run)
    assert summary["title"] in page.text
    assert any(attributes.get("class") == f"badge {summary['verdict']}" for _, attributes in page.elements)
    for check in summary["checks"]:
        assert check["name"] in page.text
    labels = [attributes.get("aria-label") for tag, attributes in page.elements if tag == "svg"]
    assert len(labels) == 5
    assert all(labels)


def test_hostile_texts_are_escaped(tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script> & </title><img src=x onerror=alert(2)> {{ 7 * 7 }}'
    what = stored_runs.scenario(title=hostile, description="</style><b>x</b>")
    directory = stored_runs.store(tmp_path, synthetic.run(packets=300), what)
    page = Page(write_report(directory).read_text())
    assert not [tag for tag, _ in page.elements if tag in ("script", "img", "b")]
    assert not page.wrong
    assert page.text.count(hostile) >= 2


def test_run_without_triggers_renders_and_is_not_green(empty_run: Path) -> None:
    page = page_of(empty_run)
    assert any(attributes.get("class") == "badge UNKNOWN" for _, attributes in page.elements)
    assert "It could not be decided: samples" in page.text
    assert "no order was timed" in page.text


def test_run_without_a_packet_renders(tmp_path: Path) -> None:
    data = synthetic.run(packets=50, every=10**6, floor=False)
    data = dataclasses.replace(data, packets=data.packets[:0], market_taps=np.empty(0, MARKET_TAPS))
    page = Page(write_report(stored_runs.store(tmp_path, data)).read_text())
    assert any(attributes.get("class") == "badge UNKNOWN" for _, attributes in page.elements)


def test_run_with_a_single_order_renders(tmp_path: Path) -> None:
    data = synthetic.run(packets=20, messages=1, every=15, blocked_share=0.0)
    assert "too few samples" in write_report(stored_runs.store(tmp_path, data)).read_text()


def test_absent_and_damaged_files_become_visible_notes(plain_run: Path, tmp_path: Path) -> None:
    directory = copied(plain_run, tmp_path)
    shutil.rmtree(directory / "raw")
    (directory / "samples.parquet").write_bytes(b"not parquet")
    for name in ("events.jsonl", "manifest.json", "scenario.yaml", "wire_floor.hgrm"):
        (directory / name).unlink()
    page = Page(write_report(directory).read_text())
    notes = page.text
    for what in (
        "raw packets",
        "raw market taps",
        "samples.parquet",
        "events.jsonl",
        "manifest.json",
        "scenario.yaml",
    ):
        assert what in notes
    assert "wire_floor.hgrm is not there" in notes
    assert not page.wrong


def test_directory_without_summary_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_report(tmp_path)


def test_every_point_above_p99_is_drawn_and_thinning_is_told(tmp_path: Path) -> None:
    data = synthetic.run(packets=30_000, every=3, floor=False, blocked_share=0.0)
    directory = stored_runs.store(tmp_path, data)
    text = write_report(directory).read_text()
    figures = json.loads((directory / "summary.json").read_text())["latency_ns"]["wire_to_wire"]
    told = re.search(r"([\d,]+) orders; all ([\d,]+) above p99 are drawn, of the rest every (\d+)", text)
    assert told is not None
    orders, above, stride = (int(group.replace(",", "")) for group in told.groups())
    assert orders == figures["count"]
    assert above == pytest.approx(0.01 * orders, rel=0.1)
    dots = sorted(path.count("h0") for path in re.findall(r'd="((?:m-?[\d.]+ -?[\d.]+h0)+)"', text))
    assert len(dots) == 2
    assert dots[0] <= above  # points on the same tenth of a pixel are one dot
    assert dots[0] > 0.9 * above
    assert dots[1] <= -(-(orders - above) // stride) <= BODY_POINTS_MAX


def test_size_is_bounded(faulty_run: Path) -> None:
    assert (faulty_run / "report.html").stat().st_size < 1_500_000


def test_colours_are_left_to_the_page(faulty_run: Path) -> None:
    text = (faulty_run / "report.html").read_text()
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "var(--blue)" in drawn
    assert not re.findall(r"(?:fill|stroke): ?#(?!000000|ffffff)[0-9a-f]{6}", drawn)
    assert "prefers-color-scheme: dark" in text


def test_failed_answer_names_the_check_that_decided() -> None:
    checks = [
        {"name": "clock", "verdict": "PASS", "expected": "no negative latency", "observed": "none"},
        {"name": "wire_to_wire.p99", "verdict": "FAIL", "expected": "< 5us", "observed": "8.29 us"},
    ]
    said = answer({"verdict": "FAIL", "checks": checks})
    assert said == "It did not hold: wire_to_wire.p99, expected < 5us; observed 8.29 us."


def test_answer_without_checks_says_so() -> None:
    assert answer({"verdict": "UNKNOWN"}) == "It could not be decided: no check was made."


def test_cards_of_an_empty_summary_hold_dashes() -> None:
    assert [card.value for card in cards({})] == ["\N{EN DASH}"] * 5 + ["0"]
