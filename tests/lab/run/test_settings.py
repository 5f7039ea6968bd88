"""Every scenario that loads gives configurations that exchange and engine take, with its own values in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from lab.errors import TailgateError
from lab.host import Cores
from lab.run.settings import (
    FLOOR_EVERY,
    PassPlan,
    engine_settings,
    exchange_settings,
    floor_plan,
    main_plan,
    order_wire,
)
from lab.scenario import Scenario, load_scenarios
from traffic.config import Config

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))
CORES = Cores(engine=5, exchange=4, lab=0)
SCRATCH = Path("/dev/shm/tailgate-test")


def loaded(path: Path) -> Scenario:
    try:
        (scenario,) = load_scenarios([path], root=ROOT)
    except TailgateError as error:
        pytest.skip(f"does not load without more: {str(error).splitlines()[0]}")
    return scenario


def exchange_config(plan: PassPlan, tmp_path: Path) -> Config:
    settings = exchange_settings(plan, directory=tmp_path, scratch=SCRATCH, cores=CORES)
    return Config.model_validate_json(json.dumps(settings))


def engine_config(plan: PassPlan, tmp_path: Path, **changes: Any) -> EngineConfig:
    run = {"socket_map": 9, "session": "TAILGATE01", "first_sequence": 1, "messages": 5_000}
    run = {**run, "packets": 2_000, "duration_ns": 10**9, **changes}
    settings = engine_settings(plan, directory=tmp_path, scratch=SCRATCH, cores=CORES, **run)
    return EngineConfig.model_validate_json(json.dumps(settings))


def scenario(**parts: Any) -> Scenario:
    return Scenario.model_validate({"title": "A test", **parts})


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 8


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: str(path.relative_to(ROOT / "scenarios")))
@pytest.mark.parametrize("make", [main_plan, floor_plan])
def test_a_scenario_gives_configurations_that_both_sides_take(path: Path, make: Any, tmp_path: Path) -> None:
    plan = make(loaded(path))
    exchange, engine = exchange_config(plan, tmp_path), engine_config(plan, tmp_path)
    assert exchange.seed == plan.seed
    assert [str(line.group) for line in exchange.lines] == [line.group for line in engine.lines]
    assert [line.port for line in exchange.lines] == [line.port for line in engine.lines]
    assert [line.interface for line in exchange.lines] == [line.interface for line in engine.lines]
    if engine.venue == "mdp3":
        assert (engine.gateway, exchange.recovery, exchange.source.kind) == (None, None, "two_lines")
        return
    assert engine.gateway is not None
    assert (str(exchange.gateway.address), exchange.gateway.port) == (
        engine.gateway.address,
        engine.gateway.port,
    )
    assert (exchange.gateway.username, exchange.gateway.password) == (
        engine.gateway.username,
        engine.gateway.password,
    )
    assert (engine.cpu, exchange.cpu) == (CORES.engine, CORES.exchange)


def test_the_engine_gets_every_value_of_the_scenario(tmp_path: Path) -> None:
    given = scenario(
        engine={
            "wire": "kernel",
            "parameters": {"order_shares": 7, "imbalance_permille": 333, "cooldown_messages": 5},
            "risk": {
                "order_shares_max": 11,
                "notional_max": 12,
                "collar_permille": 13,
                "position_max": 14,
                "order_rate_per_s": 15,
                "soft": {"position_max": 9},
                "trips": {"counted": ["order_rate"], "breaches": 3},
                "symbols": [{"locate": 5, "restricted": True}],
                "order_burst": 16,
                "late_after": "17us",
            },
            "feed": {"hold_back": "18us", "start": "first_seen"},
            "capacity": {"orders": 19, "levels": 20},
        }
    )
    engine = engine_config(main_plan(given), tmp_path)
    strategy, risk = engine.strategy, engine.risk
    assert (strategy.name, strategy.order_shares) == ("touch_taker", 7)
    assert (strategy.imbalance_permille, strategy.cooldown_messages) == (333, 5)
    assert (risk.order_shares_max, risk.notional_max, risk.collar_permille) == (11, 12, 13)
    assert (risk.position_max, risk.order_rate_per_s, risk.order_burst) == (14, 15, 16)
    assert risk.late_after_ns == 17_000
    assert (risk.soft.position_max, risk.trips.counted, risk.trips.breaches) == (9, ("order_rate",), 3)
    assert [(symbol.locate, symbol.restricted) for symbol in risk.symbols] == [(5, True)]
    assert (engine.feed.hold_back_ns, engine.feed.first_sequence) == (18_000, 0)
    assert (engine.book.orders, engine.book.levels) == (19, 20)
    assert [(line.wire, line.socket_map) for line in engine.lines] == [("kernel", None)] * 2


def test_limits_that_are_left_out_are_the_engines_own(tmp_path: Path) -> None:
    assert engine_config(main_plan(scenario()), tmp_path).risk == EngineConfig().risk


def test_over_af_xdp_both_lines_share_the_taps_map(tmp_path: Path) -> None:
    engine = engine_config(main_plan(scenario()), tmp_path, socket_map=23)
    assert [(line.wire, line.socket_map) for line in engine.lines] == [("af_xdp", 23)] * 2


def test_joining_from_the_first_message_starts_at_its_number(tmp_path: Path) -> None:
    engine = engine_config(main_plan(scenario()), tmp_path, first_sequence=77, session="S2")
    assert (engine.feed.first_sequence, engine.feed.session) == (77, "S2")


@pytest.mark.parametrize(("messages", "decisions"), [(0, 1_024), (5_000, 5_000), (10**9, 1 << 22)])
def test_the_decision_log_holds_a_decision_a_message_within_bounds(
    tmp_path: Path, messages: int, decisions: int
) -> None:
    assert engine_config(main_plan(scenario()), tmp_path, messages=messages).decisions == decisions


def test_the_exchange_gets_the_traffic_of_the_scenario(tmp_path: Path) -> None:
    given = scenario(
        seed=9,
        traffic={
            "source": "model",
            "symbols": 3,
            "rate": "10k/s",
            "duration": "2s",
            "arrivals": "poisson",
            "packing": {"messages_max": 5, "gap_min": "6us"},
            "bursts": {"messages": 100, "every": "500ms", "spacing": "7us", "packing": 8},
        },
    )
    exchange = exchange_config(main_plan(given, lead_ns=1_234), tmp_path)
    assert exchange.source.model_dump() == {
        "kind": "model",
        "symbols": 3,
        "messages": 20_000,
        "arrivals": "poisson",
        "rate_per_s": 10_000,
        "cycle_messages": None,
    }
    assert exchange.packing.model_dump() == {"messages_max": 5, "gap_min_ns": 6_000, "late_gap_ns": 0}
    assert exchange.bursts is not None
    assert exchange.bursts.model_dump() == {
        "messages": 100,
        "every_ns": 500_000_000,
        "spacing_ns": 7_000,
        "packing": 8,
    }
    assert (exchange.seed, exchange.lead_ns) == (9, 1_234)


def test_the_floor_is_the_reflector_on_even_traffic_of_the_scenarios_wire(tmp_path: Path) -> None:
    given = scenario(engine={"wire": "kernel"}, measure={"wire_floor_duration": "500ms"})
    plan = floor_plan(given)
    engine, exchange = engine_config(plan, tmp_path), exchange_config(plan, tmp_path)
    assert (engine.strategy.name, engine.strategy.every) == ("reflector", FLOOR_EVERY)
    assert {line.wire for line in engine.lines} == {"kernel"}
    assert exchange.source.kind == "model"
    assert exchange.source.arrivals == "even"
    assert exchange.source.messages == 50_000
    assert exchange.bursts is None


@pytest.mark.parametrize(("key", "kind"), [("file", "itch_file"), ("pcap", "pcap")])
def test_recorded_traffic_keeps_its_files_and_its_speed(tmp_path: Path, key: str, kind: str) -> None:
    given = scenario(traffic={key: ["one", "two"], "speed": 10})
    source = exchange_config(main_plan(given), tmp_path).source
    assert (source.kind, source.paths, source.speed, source.rate_per_s) == (kind, ("one", "two"), 10.0, None)


@pytest.mark.parametrize(
    ("engine", "built", "expected"),
    [
        ({}, True, "af_xdp"),
        ({}, False, "kernel"),
        ({"wire": "kernel"}, True, "kernel"),
        ({"wire": "kernel", "orders": {"wire": "af_xdp"}}, True, "af_xdp"),
        ({"orders": {"wire": "kernel"}}, True, "kernel"),
    ],
)
def test_orders_follow_the_lines_unless_it_is_said_otherwise(
    engine: dict[str, Any], built: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.run.settings.bypass_built", lambda: built)
    assert order_wire(scenario(engine=engine).engine) == expected
