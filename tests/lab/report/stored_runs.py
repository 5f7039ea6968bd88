"""A synthetic RunData goes in; the files of a run directory, as the report reads them, come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.check import judge
from lab.measure import RunData, Status, figure_blocks, measure_run
from lab.measure.rows import MARKET_TAPS, MISSING
from lab.scenario import freeze
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


def summary_of(data: RunData, what: Scenario) -> dict[str, Any]:
    measurement = measure_run(data, late_after_ns=what.measure.late_after_ns)
    judgement = judge(data, measurement, what)
    return {
        "schema": 1,
        "scenario": what.name,
        "title": what.title,
        "seed": what.seed,
        "verdict": judgement.verdict.value,
        **figure_blocks(data, measurement),
        "checks": [check.to_json() for check in judgement.checks],
    }


def write_samples(path: Path, data: RunData, what: Scenario) -> None:
    rows = measure_run(data, late_after_ns=what.measure.late_after_ns).samples
    columns: dict[str, Any] = {}
    for name in rows.dtype.names:
        values = rows[name]
        if name == "status":
            columns[name] = pa.array([Status(value).name.lower() for value in values.tolist()], pa.string())
        elif values.dtype == np.int64:
            columns[name] = pa.array(values, mask=values == MISSING)
        elif values.dtype.kind == "S":
            columns[name] = pa.array([value.decode() for value in values.tolist()], pa.string())
        else:
            columns[name] = pa.array(values)
    pq.write_table(pa.table(columns), path)


def store(directory: Path, data: RunData, what: Scenario | None = None) -> Path:
    """Every file that the report looks at, in a new directory."""
    what = what or scenario()
    exchange = directory / "raw" / "run" / "exchange"
    exchange.mkdir(parents=True)
    np.save(exchange / "packets.npy", data.packets)
    record = np.dtype(
        [("stamp_ns", "<u8"), ("sequence", "<u8"), ("length", "<u4"), ("count", "<u2"), ("line", "u1"), ("flags", "u1")]
    )
    taps = np.zeros(len(data.market_taps), record)
    for name in MARKET_TAPS.names or ():
        taps[name] = data.market_taps[name]
    taps.tofile(directory / "raw" / "run" / "market_taps.bin")
    (directory / "scenario.yaml").write_text(freeze(what))
    write_samples(directory / "samples.parquet", data, what)
    (directory / "summary.json").write_text(json.dumps(summary_of(data, what), indent=1))
    lines = [json.dumps(vars(event) | {"detail": dict(event.detail)}) for event in data.events]
    (directory / "events.jsonl").write_text("".join(line + "\n" for line in lines))
    manifest = {
        "schema": 1,
        "commit": "928f2f8c2d3b",
        "dirty": False,
        "build": {"buildtype": "release", "compiler": "gcc 12.2.0"},
        "host": {"name": "lab-1"},
        "knobs": dict(data.host.knobs),
        "seed": what.seed,
        "versions": {"python": "3.11.2", "numpy": np.__version__},
        "files": {},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return directory
