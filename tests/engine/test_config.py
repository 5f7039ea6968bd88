"""The engine's configuration: what is let in can be run, and what is not is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engine import Engine, EngineConfig

LINE = {"wire": "kernel", "interface": "lo", "group": "239.77.1.1", "port": 26_477}
GATEWAY = {"address": "127.0.0.1", "port": 30_001, "username": "TAILGT", "password": "TAILGATE"}
SMALL = {"decisions": 16, "open_orders": 4, "book": {"orders": 16, "levels": 16}}


def config(**parts: Any) -> EngineConfig:
    return EngineConfig.model_validate_json(json.dumps({**SMALL, **parts}))


def test_an_empty_object_is_a_whole_configuration() -> None:
    assert EngineConfig.model_validate_json("{}") == EngineConfig()


def test_a_whole_configuration_is_read_as_it_stands() -> None:
    read = config(lines=[LINE, {**LINE, "socket_map": 7}], gateway=GATEWAY, cpu=1, output="/tmp/x")
    assert [line.socket_map for line in read.lines] == [None, 7]
    assert read.gateway is not None
    assert (read.gateway.address, read.cpu, str(read.output)) == ("127.0.0.1", 1, "/tmp/x")


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EngineConfig().cpu = 1  # type: ignore[misc]


WRONG: dict[str, dict[str, Any]] = {
    "unknown": {"unknown": 1},
    "risk.unknown": {"risk": {"unknown": 1}},
    "cpu": {"cpu": -1},
    "decisions": {"decisions": 0},
    "lines": {"lines": [LINE, LINE, LINE]},
    "lines.0.interface": {"lines": [{**LINE, "interface": "sixteen_letters_"}]},
    "lines.0.group": {"lines": [{**LINE, "group": "239.77.1"}]},
    "lines.0.port": {"lines": [{**LINE, "port": 0}]},
    "lines.0.wire": {"lines": [{**LINE, "wire": "carrier pigeon"}]},
    "lines.0.socket_map": {"lines": [{**LINE, "socket_map": -1}]},
    "gateway.address": {"gateway": {**GATEWAY, "address": "localhost"}},
    "gateway.username": {"gateway": {**GATEWAY, "username": "SEVENSS"}},
    "gateway.password": {"gateway": {**GATEWAY, "password": "naïve"}},
    "gateway.session": {"gateway": {**GATEWAY, "session": "línea"}},
    "feed.session": {"feed": {"session": "línea"}},
    "feed.first_sequence": {"feed": {"first_sequence": 2**63}},
    "feed.hold_back_ns": {"feed": {"hold_back_ns": 1.5}},
    "feed.reorder_packets": {"feed": {"reorder_packets": 1_000}},
    "book.orders": {"book": {"orders": 0}},
    "strategy.name": {"strategy": {"name": "guess"}},
    "strategy.every": {"strategy": {"every": 2**64}},
    "strategy.cooldown_messages": {"strategy": {"cooldown_messages": -1}},
    "strategy.order_shares": {"strategy": {"order_shares": 1_000_000}},
    "risk.collar_permille": {"risk": {"collar_permille": 1_001}},
    "risk.late_after_ns": {"risk": {"late_after_ns": "10ms"}},
    "risk.allow_unannounced": {"risk": {"allow_unannounced": 1}},
    "die_with_parent": {"die_with_parent": "yes"},
}


@pytest.mark.parametrize("where", WRONG)
def test_a_wrong_value_is_named_where_it_stands(where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**WRONG[where])
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [where]


EXTREMES: dict[str, dict[str, Any]] = {
    "numbers at their least": {
        "feed": {"first_sequence": 0, "hold_back_ns": 0, "line_silence_ns": 0, "reorder_packets": 1},
        "book": {"orders": 1, "levels": 1},
        "strategy": {"order_shares": 1, "imbalance_permille": 0, "cooldown_messages": 0, "every": 1},
        "risk": {
            "order_shares_max": 0,
            "notional_max": 0,
            "price_max": 0,
            "collar_permille": 0,
            "position_max": 0,
            "order_rate_per_s": 0,
            "order_burst": 0,
            "late_after_ns": 0,
        },
        "open_orders": 1,
        "decisions": 1,
    },
    "numbers at their most": {
        "feed": {"first_sequence": 2**63 - 1, "hold_back_ns": 2**63 - 1, "line_silence_ns": 2**63 - 1},
        "strategy": {"order_shares": 999_999, "imbalance_permille": 10**6, "cooldown_messages": 2**63 - 1},
        "risk": {
            "order_shares_max": 999_999,
            "notional_max": 2**63 - 1,
            "price_max": 1_999_999_900,
            "collar_permille": 1_000,
            "position_max": 10**15,
            "order_rate_per_s": 10**9,
            "order_burst": 10**9,
            "late_after_ns": 2**63 - 1,
        },
    },
    "a reflector that never answers": {"strategy": {"name": "reflector", "every": 2**63 - 1}},
    "text at its longest": {
        "gateway": {**GATEWAY, "username": "SIXSIX", "password": "tenletters", "session": "tenletters"},
        "feed": {"session": "tenletters"},
    },
}


@pytest.mark.parametrize("name", EXTREMES)
def test_the_engine_takes_every_value_that_the_configuration_lets_in(name: str) -> None:
    with Engine(config(**EXTREMES[name])) as engine:
        engine.step(bytes(20), now_ns=2**62)
        engine.timer(now_ns=2**63 - 1)
        assert engine.report()["loop"]["orders"] == 0
