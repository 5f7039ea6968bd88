"""Scenarios of venue mdp3: what they may say, and what is reported when they do not fit together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config import EngineConfig
from lab.errors import ScenarioError
from lab.host import Cores
from lab.run.settings import engine_settings, exchange_settings, main_plan
from lab.scenario import freeze, load_scenario, load_scenarios, scenario_schema
from lab.scenario.load import load_frozen
from traffic.config import Config, TwoLinesSource

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios" / "real_lines"
SHIPPED = ("mdp3_two_lines", "mdp3_two_lines_thinned")
TRAFFIC = '{source: two_lines, file: x.pcap, lines: {A: "224.0.31.11:14320", B: "224.0.32.11:15320"}}'
DROP = "{do: drop, lines: [A], probability: 10%, at: {sequence: 1}}"
COUNT_FAULT = "{do: corrupt, what: count, probability: 1%, at: {sequence: 1}}"
WHOLE = f"""\
title: Two lines
traffic: {TRAFFIC}
engine: {{venue: mdp3, mdp3: {{hold_back: 5ms}}}}
faults:
  - {DROP}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "x.pcap").touch()
    path = folder / "one.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios([written(folder, text)], root=folder)
    return str(caught.value)


def test_a_two_line_scenario_becomes_what_exchange_and_engine_are_told(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, WHOLE))
    plan, cores = main_plan(scenario), Cores(lab=0, exchange=0, engine=1)
    told = exchange_settings(plan, directory=tmp_path, scratch=tmp_path, cores=cores)
    source = Config.model_validate_json(json.dumps(told)).source
    assert isinstance(source, TwoLinesSource)
    assert (source.path, source.numbers, source.speed) == (str(tmp_path / "x.pcap"), "mdp3", 1.0)
    assert str(source.lines["B"]) == "224.0.32.11:15320"
    assert told["recovery"] is None
    settings = engine_settings(
        plan, directory=tmp_path, scratch=tmp_path, cores=cores, socket_map=3, session="", first_sequence=5,
        messages=10_000, packets=10_000, duration_ns=1_000_000_000,
    )  # fmt: skip
    config = EngineConfig.model_validate_json(json.dumps(settings))
    assert (config.venue, config.gateway, config.mdp3.hold_back_ns) == ("mdp3", None, 5_000_000)
    assert config.mdp3.arrival_count == 16_384
    assert config.mdp3.snapshots is False


def test_a_frozen_two_line_scenario_is_the_same_scenario(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, WHOLE))
    frozen = tmp_path / "scenario.yaml"
    frozen.write_text(freeze(scenario))
    again = load_frozen(frozen)
    assert again.traffic == scenario.traffic
    assert again.engine == scenario.engine
    assert again.faults == scenario.faults


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("venue: mdp3, ", ""), "venue mdp3 and traffic source: two_lines go together"),
        ((TRAFFIC, "{}"), "go together"),
        (("file: x.pcap, ", ""), "needs file:"),
        (("file: x.pcap", "file: y.pcap"), "no file at y.pcap"),
        (("file: x.pcap", "file: [x.pcap, x.pcap]"), "plays one capture"),
        (("file: x.pcap", "file: x.pcap, symbols: 4"), "symbols: does not belong to source: two_lines"),
        (('"224.0.31.11:14320"', '"nowhere"'), "traffic.lines.A"),
        (("hold_back: 5ms", "hold_back: 5"), "has no unit"),
        (("hold_back: 5ms", "depth_of_field: 5"), "unknown key"),
        (("mdp3: {hold_back: 5ms}", "feed: {hold_back: 5ms}"), "engine.feed: is of MoldUDP64"),
        ((DROP, "{do: pause, for: 1ms, at: {sequence: 1}}"), "say at: {time: ...}"),
        ((DROP, "{do: session_roll, at: {sequence: 9}}"), "session_roll is of MoldUDP64"),
        ((DROP, COUNT_FAULT), "count is of MoldUDP64"),
        (("lines: [A], p", "lines: [recovery], p"), "recovery services, which venue mdp3 does not have"),
        (("faults:", "expect: {book_matches_oracle: true}\nfaults:"), "no order leaves with venue mdp3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_fit_venue_mdp3_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in WHOLE
    text = problems(tmp_path, WHOLE.replace(*change))
    assert said in text
    assert "one.yaml:" in text


def test_checks_of_two_lines_and_their_groups_belong_to_venue_mdp3(tmp_path: Path) -> None:
    said = problems(tmp_path, "title: x\nexpect: {line_winners: true}\n")
    assert "expect.line_winners: is of venue mdp3" in said
    said = problems(tmp_path, 'title: x\ntraffic: {lines: {A: "1.2.3.4:5", B: "1.2.3.4:6"}}\n')
    assert "belongs to source: two_lines only" in said


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_scenarios_take_any_capture_and_miss_one_in_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.pcap").touch()
    given = {"capture": str(tmp_path / "mine.pcap"), "line_a": "239.1.1.1:7", "line_b": "239.1.1.2:8"}
    scenario = load_scenario(SCENARIOS / f"{name}.yaml", settings=given)
    assert scenario.traffic.file == (str(tmp_path / "mine.pcap"),)
    assert scenario.traffic.lines is not None
    assert (scenario.traffic.lines.A, scenario.traffic.speed) == ("239.1.1.1:7", 0.01)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(SCENARIOS / f"{name}.yaml", settings={**given, "capture": "/nowhere.pcap"})
    assert str(caught.value).count("\n") == 0
    assert "no file at /nowhere.pcap" in str(caught.value)


def test_the_schema_knows_both_venues() -> None:
    definitions = scenario_schema()["$defs"]
    assert definitions["Engine"]["properties"]["venue"]["enum"] == ["itch50", "mdp3"]
    assert set(definitions["TwoLines"]["properties"]) == {"A", "B"}
    assert all(key.get("description") for key in definitions["Mdp3"]["properties"].values())
