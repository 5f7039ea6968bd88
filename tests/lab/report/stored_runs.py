"""A synthetic RunData goes in; a run directory, written by lab.results as after a run, comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.measure import RunData
from lab.results import RunDirectory, judge_run
from lab.scenario.models import Scenario

TITLE = "A hundred symbols at 50k messages per second are answered within 40 us at p99"


def scenario(**changes: Any) -> Scenario:
    values: dict[str, Any] = {
        "title": TITLE,
        "description": "The plainest run there is: no fault, no burst, one strategy.",
        "seed": 7,
        "expect": {
            "wire_to_wire.p99": "< 40us",
            "wire_to_wire.p50_over_floor": "< 3x",
            "counts.unmatched": "== 0",
            "orders_while_blind": "== 0",
            "book_matches_oracle": True,
        },
    }
    return Scenario.model_validate(values | changes).model_copy(update={"name": "steady_open"})


def store(root: Path, data: RunData, what: Scenario | None = None) -> Path:
    """A run under ``root``, complete but for its report.html."""
    what = what or scenario()
    run = RunDirectory.create(root, what)
    run.write(judge_run(what, data), data)
    run.finish()
    return run.path
