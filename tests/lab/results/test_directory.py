"""Run directories: what is written, in which order, and that other programs' readers read it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as parquet
import pytest
import synthetic
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from lab.check import CheckResult, Verdict
from lab.errors import UsageError
from lab.measure import Event, RunData
from lab.measure.histogram import HIGHEST_NS, SIGNIFICANT_DIGITS
from lab.measure.rows import MISSING
from lab.results import Judgement, RunDirectory, StoredRun, judge_run, load_run
from lab.results import directory as directory_module
from lab.results.histograms import hgrm_text
from lab.results.junit import junit_xml
from lab.scenario import Scenario

SCENARIO = synthetic.scenario(expect={"wire_to_wire.p99": "< 40us", "faults.fired": "== 1"}).model_copy(
    update={"name": "steady"}
)


@pytest.fixture(scope="module")
def data() -> RunData:
    data = synthetic.run(packets=400, gap_ns=8_000_000, faults=True)
    orders = data.order_arrivals[1:]  # one trigger of the run stays without an answer
    return replace(data, order_arrivals=orders)


@pytest.fixture(scope="module")
def judgement(data: RunData) -> Judgement:
    return judge_run(SCENARIO, data)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, data: RunData, judgement: Judgement) -> StoredRun:
    root = tmp_path_factory.mktemp("results")
    run = RunDirectory.create(root, SCENARIO)
    run.write_scenario()
    run.write(judgement, data)
    (run.path / "report.html").write_text("<html>")
    run.finish()
    return load_run("latest", root=root)


def test_a_run_directory_is_named_by_time_scenario_and_an_id(tmp_path: Path) -> None:
    paths = {RunDirectory.create(tmp_path / "deep" / "er", SCENARIO).path for _ in range(3)}
    assert len(paths) == 3
    for path in paths:
        stamp, name, identity = path.name.split("-")
        assert len(stamp) == 16
        assert stamp[8] == "T"
        assert stamp.endswith("Z")
        assert (name, len(identity)) == ("steady", 4)
        assert (path / "raw").is_dir()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/../b", "a-..-b"), ("..", "scenario"), ("x" * 200, "x" * 60), ("\N{SNOWMAN} sun", "sun")],
)
def test_a_scenario_name_never_leaves_the_root_or_makes_a_hidden_file(
    tmp_path: Path, name: str, shown: str
) -> None:
    run = RunDirectory.create(tmp_path, SCENARIO.model_copy(update={"name": name}))
    assert run.path.parent == tmp_path
    assert f"-{shown}-" in run.path.name


def test_a_root_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UsageError, match="Not a directory; next: name another directory with --results"):
        RunDirectory.create(tmp_path / "results", SCENARIO)


def test_every_file_of_the_contract_is_there(stored: StoredRun) -> None:
    names = {path.name for path in stored.path.iterdir()}
    assert {
        "scenario.yaml",
        "manifest.json",
        "samples.parquet",
        "latency.hlog",
        "wire_to_wire.hgrm",
        "stage.book.hgrm",
        "wire_floor.hgrm",
        "events.jsonl",
        "summary.json",
        "junit.xml",
        "raw",
    } <= names
    assert not [name for name in names if name.startswith(".")]


def test_the_summary_has_every_key_of_schema_1(stored: StoredRun) -> None:
    summary = stored.summary
    assert summary["schema"] == 1
    assert (summary["scenario"], summary["seed"], summary["title"]) == ("steady", 1, "A synthetic run")
    assert summary["verdict"] in ("PASS", "FAIL", "UNKNOWN")
    assert {"domain", "grade", "uncertainty_ns"} <= set(summary["clock"])
    counts = {"published", "triggers", "orders", "matched", "unmatched", "risk_blocked", "duplicate", "late"}
    assert counts <= set(summary["counts"])
    points = {"count", "min", "p50", "p90", "p99", "p99_9", "p99_99", "max"}
    latency = summary["latency_ns"]
    for name in ("wire_to_wire", "response", "pacing_error", "wire_floor"):
        assert set(latency[name]) == points
    assert set(latency["stage"]["book"]) == points
    for check in summary["checks"]:
        assert set(check) == {"name", "verdict", "expected", "observed", "evidence"}
    for fault in summary["faults"]:
        assert {"name", "injected_ns", "healed_ns", "detected_ns", "recovered_ns"} <= set(fault)
    assert {"run", "feed", "stages", "host", "order_flow", "wires", "exchange", "engine"} <= set(summary)
    assert summary["run"]["id"] == stored.name


def test_the_summary_on_disk_is_the_judgement_and_the_runs_identity(
    stored: StoredRun, judgement: Judgement
) -> None:
    in_memory = json.loads(json.dumps(judgement.summary))
    on_disk = dict(stored.summary)
    on_disk["run"] = {name: on_disk["run"][name] for name in in_memory["run"]}
    assert on_disk == in_memory


def test_judging_twice_gives_the_same_summary(data: RunData, judgement: Judgement) -> None:
    assert judge_run(SCENARIO, data).summary == judgement.summary


def test_samples_come_back_exactly_as_they_were_measured(stored: StoredRun, judgement: Judgement) -> None:
    assert (stored.samples() == judgement.measurement.samples).all()


def test_samples_are_a_row_per_trigger_with_null_for_what_never_happened(stored: StoredRun) -> None:
    table = parquet.read_table(stored.path / "samples.parquet").to_pylist()
    assert len(table) == stored.summary["counts"]["triggers"]
    unanswered = [row for row in table if row["order_ns"] is None]
    assert unanswered
    assert all(row["wire_to_wire_ns"] is None and row["status"] != "matched" for row in unanswered)
    assert {row["status"] for row in table} == {"matched", "blocked", "unmatched"}
    assert {row["reason_name"] for row in table if row["status"] == "blocked"} == {"collar"}
    assert {row["wire_line"] for row in table} <= {"A", "B"}
    assert {row["side"] for row in table} == {"B", "S"}


def test_some_columns_are_read_without_the_rest(stored: StoredRun, judgement: Judgement) -> None:
    columns = stored.columns("wire_to_wire_ns", "status")
    assert columns["wire_to_wire_ns"].tolist() == judgement.measurement.samples["wire_to_wire_ns"].tolist()
    assert set(columns["status"]) == {"matched", "blocked", "unmatched"}
    with pytest.raises(UsageError, match="has no column nothing"):
        stored.columns("nothing")


def intervals_of(path: Path) -> list[tuple[str, HdrHistogram]]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append((histogram.get_tag(), histogram))
    reader.input_file.close()
    return found


def test_the_histogram_log_is_read_by_hdrhistogram_and_adds_up(
    stored: StoredRun, judgement: Judgement
) -> None:
    lines = (stored.path / "latency.hlog").read_text().splitlines()
    assert "#[Histogram log format version 1.3]" in lines
    found = intervals_of(stored.path / "latency.hlog")
    starts = [histogram.get_start_time_stamp() for _, histogram in found]
    assert starts == sorted(starts)
    for name, series in judgement.measurement.series.items():
        parts = [histogram for tag, histogram in found if tag == name]
        whole = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
        for part in parts:
            whole.add(part)
        assert whole.get_total_count() == series.histogram.count, name
        counts = [whole.get_count_at_index(index) for index in range(whole.counts_len)]
        assert counts == series.histogram.counts.tolist(), name
    assert len([tag for tag, _ in found if tag == "wire_to_wire"]) > 2


def hgrm_rows(path: Path) -> list[tuple[float, float, int]]:
    lines = [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [(float(line[0]), float(line[1]), int(line[2])) for line in lines[1:]]


def test_the_percentile_file_agrees_with_hdrhistogram(stored: StoredRun, judgement: Judgement) -> None:
    for name, series in judgement.measurement.series.items():
        if series.histogram.count == 0:
            assert not (stored.path / f"{name}.hgrm").exists()
            continue
        reference = series.histogram.to_hdr()
        rows = hgrm_rows(stored.path / f"{name}.hgrm")
        assert rows[-1] == (float(reference.get_max_value()), 1.0, series.histogram.count)
        assert rows == sorted(rows)
        for value, share, _ in rows:
            assert value == series.histogram.value_at(Fraction(share).limit_denominator(10**9))
    text = (stored.path / "wire_to_wire.hgrm").read_text()
    mean, deviation = (
        text.split(f"{word} ")[1].split("=")[1].split(",")[0].split("]")[0]
        for word in ("[Mean  ", "StdDeviation  ")
    )
    reference = judgement.measurement.series["wire_to_wire"].histogram.to_hdr()
    assert float(mean) == pytest.approx(reference.get_mean_value(), abs=0.01)
    assert float(deviation) == pytest.approx(reference.get_stddev(), rel=1e-5)
    assert (
        f"#[Buckets = {reference.bucket_count:12d}, SubBuckets     = {reference.sub_bucket_count:12d}]"
        in text
    )


def test_a_single_sample_has_a_percentile_file_that_ends() -> None:
    from lab.measure import Histogram

    lines = hgrm_text(Histogram.of(np.array([5_000]))).splitlines()
    assert [line.split()[1] for line in lines[2:4]] == ["0.000000000000", "1.000000000000"]


def test_events_are_in_order_of_time_and_name_states_and_faults(stored: StoredRun) -> None:
    events = stored.events()
    times = [event["at_ns"] for event in events]
    assert times == sorted(times)
    told = [(event["kind"], event["what"]) for event in events]
    assert ("feed_state", "STARTUP -> LIVE") in told
    assert ("fault", "pause injected") in told
    assert ("fault", "pause healed") in told
    assert all(event["since_start_ns"] == event["at_ns"] - synthetic.START_NS for event in events)


def test_a_fault_that_the_lab_noted_itself_is_not_told_twice(tmp_path: Path, data: RunData) -> None:
    at_ns = data.faults[0].injected_ns
    noted = replace(data, events=(*data.events, Event(at_ns=at_ns, kind="fault", what="pause injected")))
    run = RunDirectory.create(tmp_path, SCENARIO)
    run.write(judge_run(SCENARIO, noted), noted)
    told = [event["what"] for event in load_run(run.path).events()]
    assert told.count("pause injected") == 1


def test_junit_has_a_case_per_check_with_fail_as_failure_and_unknown_as_error(stored: StoredRun) -> None:
    root = ElementTree.parse(stored.path / "junit.xml").getroot()
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    tag = {"PASS": "system-out", "FAIL": "failure", "UNKNOWN": "error"}
    assert cases == {check["name"]: [tag[check["verdict"]]] for check in stored.summary["checks"]}
    suite = next(root.iter("testsuite"))
    assert int(suite.get("failures", "0")) == sum(
        check["verdict"] == "FAIL" for check in stored.summary["checks"]
    )
    assert int(suite.get("errors", "0")) == sum(
        check["verdict"] == "UNKNOWN" for check in stored.summary["checks"]
    )


def junit(checks: list[CheckResult], verdict: Verdict) -> ElementTree.Element:
    text = junit_xml(scenario="s", title="t", checks=checks, verdict=verdict, timestamp="2026", seconds=1.0)
    return ElementTree.fromstring(text)


def test_junit_survives_control_characters_and_markup() -> None:
    check = CheckResult(
        name="engine_alive",
        verdict=Verdict.FAIL,
        expected="<&>",
        observed="\x1b[31m\x00]]>",
        evidence="\ud800",
    )
    failure = next(junit([check], Verdict.FAIL).iter("failure"))
    assert "<&>" in (failure.get("message") or "")


def test_junit_without_a_check_is_an_error_and_never_an_empty_green_suite() -> None:
    root = junit([], Verdict.UNKNOWN)
    assert [child.tag for child in next(root.iter("testcase"))] == ["error"]


def test_the_manifest_has_the_hash_of_every_other_file_and_how_to_run_again(stored: StoredRun) -> None:
    manifest = stored.manifest
    files = {
        str(path.relative_to(stored.path))
        for path in stored.path.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert set(manifest["files"]) == files
    assert "report.html" in files
    assert stored.damaged() == []
    assert manifest["seed"] == 1
    assert manifest["host"] == {"cpu": "synthetic"}
    assert manifest["reproduce"] == f"tailgate run {stored.path / 'scenario.yaml'}"
    assert {"python", "numpy", "tailgate"} <= set(manifest["versions"])


def test_a_file_changed_afterwards_is_found(tmp_path: Path, data: RunData, judgement: Judgement) -> None:
    run = RunDirectory.create(tmp_path, SCENARIO)
    run.write(judgement, data)
    (run.path / "summary.json").write_text(json.dumps({**judgement.summary, "verdict": "PASS "}))
    (run.path / "junit.xml").unlink()
    assert load_run(run.path).damaged() == ["junit.xml", "summary.json"]
    assert load_run(run.path).damaged(["samples.parquet"]) == []


def test_a_crash_while_writing_leaves_what_was_done_and_no_manifest(
    tmp_path: Path, data: RunData, judgement: Judgement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(directory_module, "write_hlog", crash)
    run = RunDirectory.create(tmp_path, SCENARIO)
    with pytest.raises(OSError, match="no space"):
        run.write(judgement, data)
    run.finish()
    names = {path.name for path in run.path.iterdir()}
    assert {"raw", "events.jsonl", "scenario.yaml", "samples.parquet"} == names
    assert (tmp_path / "latest").resolve() == run.path
    with pytest.raises(UsageError, match=r"was never judged: it has no summary\.json; next: tailgate run "):
        load_run("latest", root=tmp_path)


def test_files_of_the_passes_are_kept_and_not_written_again(
    tmp_path: Path, data: RunData, judgement: Judgement
) -> None:
    run = RunDirectory.create(tmp_path, SCENARIO)
    exchange = run.raw / "run" / "exchange"
    exchange.mkdir(parents=True)
    np.save(exchange / "packets.npy", data.packets[:5])
    run.write(judgement, data)
    stored = load_run(run.path)
    packets = stored.packets()
    assert packets is not None
    assert len(packets) == 5
    assert stored.market_taps() is None
    assert sorted(path.name for path in (run.raw / "run").iterdir()) == ["exchange", "expected_triggers.npy"]


def test_rows_without_a_pass_are_stored_and_read_back(stored: StoredRun, data: RunData) -> None:
    for name in ("packets", "market_taps", "order_arrivals", "decisions", "drop_copy"):
        assert (getattr(stored, name)() == getattr(data, name)).all()


def test_latest_moves_to_the_newest_run_even_when_it_was_not_judged(tmp_path: Path) -> None:
    first, second = RunDirectory.create(tmp_path, SCENARIO), RunDirectory.create(tmp_path, SCENARIO)
    first.finish()
    assert (tmp_path / "latest").resolve() == first.path
    second.finish()
    assert (tmp_path / "latest").resolve() == second.path
    assert (tmp_path / "latest").readlink() == Path(second.path.name)


def test_a_directory_called_latest_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "latest" / "precious").mkdir(parents=True)
    with pytest.raises(UsageError, match="latest is in the way"):
        RunDirectory.create(tmp_path, SCENARIO).finish()
    assert (tmp_path / "latest" / "precious").is_dir()


def test_a_run_is_found_by_path_by_name_and_as_latest(stored: StoredRun) -> None:
    root = stored.path.parent
    for name in (str(stored.path), stored.path.name, "latest"):
        assert load_run(name, root=root).path == stored.path


def test_the_stored_scenario_is_the_one_that_ran_under_its_name(stored: StoredRun) -> None:
    assert isinstance(stored.scenario, Scenario)
    assert stored.scenario.name == "steady"
    assert stored.scenario.model_dump() == SCENARIO.model_dump()


def test_wrong_directories_are_usage_errors_that_name_the_next_step(
    tmp_path: Path, stored: StoredRun
) -> None:
    root = stored.path.parent
    with pytest.raises(UsageError, match=r"no run at nowhere: .*next: name one of the runs in .*-steady-"):
        load_run("nowhere", root=root)
    with pytest.raises(UsageError, match=r"there is no run in .* yet; next: tailgate run"):
        load_run("latest", root=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is not a run"):
        load_run(tmp_path / "empty", root=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, a run is a directory"):
        load_run("file", root=tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot read"),
        ("[1]", "holds no JSON object"),
        ('{"schema": 2}', "has schema 2, this version reads 1"),
    ],
)
def test_a_summary_of_another_kind_is_a_usage_error(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UsageError, match=said):
        load_run(tmp_path)


def test_samples_that_are_not_parquet_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"schema": 1}')
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="cannot read"):
        load_run(tmp_path).samples()


def test_a_run_without_a_trigger_is_written_and_read(tmp_path: Path) -> None:
    data = synthetic.run(packets=20, every=10_000, floor=False)
    run = RunDirectory.create(tmp_path, SCENARIO)
    judgement = judge_run(SCENARIO, data)
    assert judgement.verdict is not Verdict.PASS
    run.write(judgement, data)
    stored = load_run(run.path)
    assert len(stored.samples()) == 0
    assert stored.summary["latency_ns"]["wire_to_wire"]["p99"] is None
    assert MISSING not in stored.samples()["wire_to_wire_ns"]
