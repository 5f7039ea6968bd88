"""Frozen scenarios: every default written out, and the same scenario read back."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.faults import registered
from lab.scenario import Scenario, freeze, load_frozen, load_scenario, scenario_schema
from lab.scenario.document import read_document
from lab.scenario.figures import CHECKS, canonical, figure_for
from lab.units import Kind

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
DURATIONS = st.integers(1, 10**10).map(lambda value: f"{value}ns")
FIGURES = {
    "wire_to_wire.p99": "< 40us",
    "response.p99.9": "<= 1ms",
    "wire_to_wire.p50_over_floor": "< 1.6x",
    "counts.unmatched": 0,
    "share.late": "<= 0.1%",
    "pacing.within_2us": ">= 99%",
    "faults.fired": "== 1",
    "book_matches_oracle": True,
    "feed.lines.A.holes": ">= 1",
}


@st.composite
def faults(draw: st.DrawFn) -> dict[str, Any]:
    at = draw(st.one_of(st.just({"sequence": 5}), st.just({"time": "1us"})))
    return draw(
        st.sampled_from(
            [
                {"do": "drop", "lines": ["B"], "packets": 3, "at": {"sequence": 7}},
                {"do": "drop", "lines": ["requests"], "every": 3, "at": at},
                {"do": "drop", "gilbert_elliott": {"good_to_bad": 0.001, "bad_to_good": "30%"}, "at": at},
                {"do": "corrupt", "what": "bits", "amount": 3, "probability": "0.1%", "at": at},
                {"do": "delay", "by": "50us", "packets": 2, "repeat": {"times": 3, "every": 9}, "at": at},
                {"do": "reorder", "distance": 2, "together": True, "probability": 0.25, "at": at},
                {"do": "duplicate", "copies": 2, "for": "1us", "at": {"time": "2us"}},
                {"do": "refuse_requests", "at": at},
                {"do": "cut_snapshot", "connections": 2, "after": 5, "at": at},
                {"do": "pause", "for": "2ms", "at": at},
                {"do": "link_down", "port": "order", "for": "1500ns", "at": at},
            ]
        )
    )


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    figures = draw(st.lists(st.sampled_from(sorted(FIGURES)), unique=True))
    return {
        "title": draw(TEXT),
        "description": draw(TEXT),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "traffic": {
            "symbols": draw(st.integers(1, 65_535)),
            "rate": f"{draw(st.integers(1_000, 10**7))}/s",
            "duration": f"{draw(st.integers(1, 100))}s",
            "arrivals": draw(st.sampled_from(["hawkes", "poisson", "even"])),
            "packing": draw(st.integers(1, 1000)),
            "heartbeat": draw(st.sampled_from(["1ms", "1s"])),
            "recovery": draw(
                st.sampled_from([{}, {"loss": "5%", "rate": "1k/s"}, {"snapshot_wrong_sequence": -3}])
            ),
        },
        "engine": {
            "wire": draw(st.sampled_from(["af_xdp", "kernel"])),
            "risk": {"late_after": draw(DURATIONS)},
            "feed": draw(st.sampled_from([{}, {"delivery": "best_effort", "retry": "0s", "give_up": "10k"}])),
            "recovery": ["requests", "snapshots"],
        },
        "faults": draw(st.lists(faults(), max_size=3)),
        "measure": {"wire_floor": draw(st.booleans()), "late_after": draw(DURATIONS)},
        "expect": {name: FIGURES[name] for name in figures},
    }


@given(scenarios())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_frozen_scenario_reads_back_as_the_same_scenario(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    scenario = load_scenario(path)
    frozen = tmp_path / "frozen.yaml"
    frozen.write_text(freeze(scenario))
    again = load_frozen(frozen)
    assert again.model_dump() == scenario.model_dump()
    assert freeze(again) == freeze(scenario)


def test_a_frozen_scenario_states_every_default() -> None:
    content = yaml.safe_load(freeze(Scenario.model_validate({"title": "T"})))
    assert content["traffic"]["rate"] == "100k/s"
    assert content["engine"]["feed"] == {
        "hold_back": "1ms",
        "start": "first_message",
        "line_silence": "3s",
        "delivery": "strict",
        "request_messages": 1024,
        "request_outstanding": 4,
        "request_attempts": 5,
        "request_timeout": "2ms",
        "give_up": 100_000,
        "snapshot_attempts": 5,
        "snapshot_timeout": "2s",
        "retry": "100ms",
    }
    assert content["engine"]["recovery"] == ["requests", "snapshots"]
    assert content["traffic"]["heartbeat"] == "1s"
    assert content["traffic"]["recovery"] == {
        "messages_max": 0,
        "delay": "0ns",
        "loss": 0.0,
        "lose_requests": 0,
        "refuse": False,
        "history": 0,
        "snapshot_cut_connections": 0,
        "snapshot_cut_after": 100,
        "snapshot_refuse": False,
        "snapshot_delay": "0ns",
        "snapshot_stall": False,
        "snapshot_wrong_sequence": 0,
    }
    assert content["measure"]["pacing_bound"] == "50us"
    assert "name" not in content
    assert "path" not in content


def test_a_frozen_scenario_is_read_when_its_traffic_files_are_gone(tmp_path: Path) -> None:
    feed = tmp_path / "feed.itch"
    feed.touch()
    (tmp_path / "one.yaml").write_text("title: T\ntraffic: {file: feed.itch}\n")
    frozen = tmp_path / "scenario.yaml"
    frozen.write_text(freeze(load_scenario(tmp_path / "one.yaml")))
    feed.unlink()
    assert load_frozen(frozen).traffic.file == (str(feed),)


def test_the_schema_describes_every_key_of_every_section() -> None:
    schema = scenario_schema()

    def undescribed(properties: dict[str, Any], prefix: str) -> list[str]:
        return [f"{prefix}.{key}" for key, value in properties.items() if not value.get("description")]

    missing = undescribed(schema["properties"], "")
    for name, definition in schema["$defs"].items():
        if definition.get("type") == "object":
            missing += undescribed(definition.get("properties", {}), name)
            assert definition["additionalProperties"] is False, name
    assert missing == []
    assert len(schema["properties"]["faults"]["items"]["anyOf"]) == len(registered())


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_any_text_is_a_document_or_a_problem_and_never_a_crash(text: str) -> None:
    document = read_document(text, file="x.yaml")
    assert document.data is not None or document.problems or text.strip()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wire_to_wire.p99.9", Kind.DURATION),
        ("wire_to_wire.p99.99_over_floor", Kind.RATIO),
        ("stage.book.p50", Kind.DURATION),
        ("stage.book.count", Kind.COUNT),
        ("counts.late", Kind.COUNT),
        ("share.late", Kind.PERCENT),
        ("pacing.within_2us", Kind.PERCENT),
        ("pacing.A.late_max_ns", Kind.DURATION),
        ("feed.lines.A.holes", Kind.COUNT),
        ("order_flow.risk.late", Kind.COUNT),
        ("exchange.loop_stall_max_ns", Kind.DURATION),
        ("host.steal_ns", Kind.DURATION),
        ("faults.fired", Kind.COUNT),
        ("every_message_decoded", Kind.TRUTH),
        ("recovered", Kind.TRUTH),
        ("no_recovery_traffic", Kind.TRUTH),
        ("recovery.gap.p99", Kind.DURATION),
        ("feed_quality.lines.A.lost", Kind.COUNT),
        ("feed_quality.lines.B.lost_percent", Kind.PERCENT),
        ("feed_quality.blind.percent", Kind.PERCENT),
        ("feed_quality.blind.total_ns", Kind.DURATION),
        ("feed_quality.skew_ns.p99", Kind.DURATION),
        ("feed_quality.won_by_ns.A.p50", Kind.DURATION),
        ("feed_quality.recovery_ns.count", Kind.COUNT),
        ("wire_floor.p50_over_floor", None),
        ("wire_to_wire.p75", None),
        ("counts.nothing", None),
        ("feed", None),
        ("feed.", None),
        ("nonsense.p99", None),
    ],
)
def test_a_figure_has_a_kind_or_is_no_figure(name: str, kind: Kind | None) -> None:
    figure = figure_for(name)
    assert (figure.kind if figure else None) is kind


def test_every_registered_check_may_be_expected_by_name() -> None:
    from lab.check import registered_checks

    assert set(registered_checks()) == set(CHECKS)
    assert canonical("wire_to_wire.p99.99") == "wire_to_wire.p99_99"
