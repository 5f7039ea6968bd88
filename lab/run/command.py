"""Names of scenarios go in; every one is played, judged, written and shown; the worst exit code comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from lab.check.base import Verdict
from lab.results import Judgement, RunDirectory, judge_run
from lab.run.passes import Progress as Report
from lab.run.session import Session, check_ports, open_session
from lab.run.settings import main_plan
from lab.scenario import Scenario, load_scenarios

__all__ = ["PlayedRun", "play_and_judge", "run_scenarios", "showing_progress"]

SEVERITY = {Verdict.PASS: 0, Verdict.UNKNOWN: 1, Verdict.FAIL: 2}
REFRESH_PER_S = 2  # drawing takes time from the exchange's core


class PlayedRun:
    """A scenario that was played and judged, with its directory."""

    def __init__(self, scenario: Scenario, judgement: Judgement, directory: Path) -> None:
        self.scenario, self.judgement, self.directory = scenario, judgement, directory


@contextmanager
def showing_progress(console: Console | None, title: str) -> Iterator[Report]:
    """A progress bar on a terminal, one line a stage in a pipe, nothing for --json."""
    if console is None:
        yield lambda _what, _done, _total: None
    elif not console.is_terminal:
        seen: set[str] = set()

        def say(what: str, _done: int, _total: int) -> None:
            if what not in seen:
                seen.add(what)
                console.print(f"{title}: {what}", markup=False)

        yield say
    else:
        columns = (TextColumn("{task.fields[title]}: {task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
            task = bar.add_task("", total=None, title=title)

            def draw(what: str, done: int, total: int) -> None:
                bar.update(task, description=what, completed=done, total=total or None, refresh=True)

            yield draw


def play_and_judge(
    session: Session, scenario: Scenario, *, results: Path, console: Console | None, report: bool = True
) -> PlayedRun:
    """One scenario from its file to its report. Raw files are on disk before anything is derived."""
    directory = RunDirectory.create(results, scenario)
    try:
        directory.write_scenario()
        with showing_progress(console, scenario.name) as progress:
            data = session.play(scenario, directory.raw, progress=progress)
            progress("judging", 0, 0)
            judgement = judge_run(scenario, data)
            directory.write(judgement, data)
            if report:
                from lab.report import write_report  # plots are loaded only by who draws them

                progress("writing the report", 0, 0)
                write_report(directory.path)
    finally:
        directory.finish()
    return PlayedRun(scenario, judgement, directory.path)


def run_scenarios(
    names: Sequence[str],
    *,
    settings: Mapping[str, str],
    results: Path,
    prefix: str,
    report: bool,
    console: Console | None,
    emit: Callable[[Any], None] | None,
    trex_home: Path | None = None,
) -> int:
    """Plays scenarios that follow each other on one set of wires while they name the same ports.

    FAIL outranks UNKNOWN outranks PASS.
    """
    scenarios = load_scenarios(names, settings=settings)
    for scenario in scenarios:
        main_plan(scenario, trex_home=trex_home)  # what is nowhere is said before anything is started
    check_ports([scenario.ports for scenario in scenarios])
    played = []
    for ports, group in groupby(scenarios, key=attrgetter("ports")):
        with open_session(prefix, ports, trex_home=trex_home) as session:
            for scenario in group:
                one = play_and_judge(session, scenario, results=results, console=console, report=report)
                played.append(one)
                if console:
                    from lab.report import render_terminal

                    path = one.directory / "report.html" if report else None
                    render_terminal(one.judgement.summary, console=console, report=path)
    if emit:
        summaries = [dict(one.judgement.summary) for one in played]
        emit(summaries[0] if len(summaries) == 1 else summaries)
    return max((one.judgement.verdict for one in played), key=SEVERITY.__getitem__).exit_code
