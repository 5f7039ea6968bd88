"""Faults: what each does to the world, that healing undoes it, and that healing twice is harmless."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.faults import (
    Fault,
    FaultOptions,
    Rule,
    Sessions,
    exchange_settings_of,
    fault_for,
    impairs_wire,
    register,
    registered,
    sender_index_of,
    wire_places_of,
)
from lab.faults.chance import CERTAIN, of_2_32
from lab.faults.rule import POSITION_SHIFT, Action, Corruption, Pattern
from traffic.config import GatewayBehaviour, ImpairmentConfig, SessionConfig


class World:
    """Stands in for the lab: remembers every call, and what is broken now."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.rules: list[tuple[str, Rule]] = []
        self.down: set[str] = set()
        self.paused = False
        self.recovery: dict[str, int | bool] = {}
        self.deployed: list[str] = []
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.gateway: dict[str, int | bool] = {}

    @property
    def whole(self) -> bool:
        return not (self.rules or self.down or self.paused or any(self.recovery.values()) or self.gateway)

    def impair(self, place: str, rule: Rule) -> None:
        self.rules.append((place, rule))

    def clear_rules(self) -> None:
        self.rules.clear()

    def set_link(self, port: str, *, up: bool) -> None:
        (self.down.discard if up else self.down.add)(port)

    def pause_engine(self) -> None:
        self.paused = True

    def resume_engine(self) -> None:
        self.paused = False

    def set_gateway(self, settings: Mapping[str, int | bool]) -> None:
        self.gateway = dict(settings)  # what is not given is as by default

    def stall_engine(self) -> None:
        self.paused = True

    def unstall_engine(self) -> None:
        self.paused = False

    def detach_xdp(self, port: str) -> None:
        self.calls.append(("detached", port))

    def switch_wires(self, ports: Sequence[str], target: str) -> None:
        self.calls.append((target, *ports))

    def set_recovery(self, settings: Mapping[str, int | bool]) -> None:
        self.recovery.update(settings)
        if not settings.get("snapshot_cut_connections", 1):
            self.recovery.pop("snapshot_cut_after", None)

    def command(self, do: str, arguments: Mapping[str, Any]) -> None:
        self.commands.append((do, dict(arguments)))

    def deploy_strategy(self, path: Path, parameters: Mapping[str, int], at: Any) -> None:
        self.deployed.append(path.stem)


AT = {"sequence": 1000}
EXAMPLES: dict[str, dict[str, Any]] = {
    "drop": {"do": "drop", "packets": 64, "at": AT},
    "corrupt": {"do": "corrupt", "what": "bits", "probability": "1%", "at": AT},
    "duplicate": {"do": "duplicate", "copies": 2, "at": AT, "every": 7},
    "reorder": {"do": "reorder", "distance": 3, "at": {"time": "1s"}, "for": "20ms"},
    "delay": {"do": "delay", "by": "50us", "at": AT},
    "refuse_requests": {"do": "refuse_requests", "for": "200ms", "at": AT},
    "cut_snapshot": {"do": "cut_snapshot", "connections": 2, "after": 10, "at": {"time": "0s"}},
    "disconnect": {"do": "disconnect", "times": 200, "orders": 20, "seed": 3, "at": {"time": "1s"}},
    "session_roll": {"do": "session_roll", "at": {"sequence": 5000}},
    "link_down": {"do": "link_down", "port": "B", "for": "200ms", "at": {"time": "1s"}},
    "pause": {"do": "pause", "for": "50ms", "at": {"sequence": "2k"}},
    "kill": {"do": "kill", "for": "5ms", "at": {"time": "1s"}, "repeat": {"times": 3, "every": "20ms"}},
    "deploy": {"do": "deploy", "strategy": "quoter", "parameters": {"tick": "10k"}, "at": AT},
    "ctl": {"do": "ctl", "command": "kill symbol", "with": {"symbol": "7"}, "at": {"time": "1s"}},
    "stall": {"do": "stall", "for": "50ms", "at": {"sequence": "2k"}},
    "switch_wire": {"do": "switch_wire", "to": "kernel", "ports": ["A", "order"], "at": AT},
    "xdp_detach": {"do": "xdp_detach", "port": "order", "at": AT},
}
IN_THE_ENGINE = (
    "switch_wire",
    "xdp_detach",
    "deploy",
    "ctl",
)  # nothing to mend: the engine goes on with what it has
IN_THE_EXCHANGE = ("duplicate", "reorder", "delay", "session_roll", "kill")


def options(**given: Any) -> Any:
    return registered()[given["do"]].options_model.model_validate(given)


def make(name: str) -> Fault[Any]:
    return fault_for(registered()[name].options_model.model_validate(EXAMPLES[name]))


def test_every_fault_has_an_example_here() -> None:
    assert set(registered()) == set(EXAMPLES)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in IN_THE_EXCHANGE + IN_THE_ENGINE])
def test_a_fault_breaks_the_world_and_healing_mends_it(name: str) -> None:
    world, fault = World(), make(name)
    fault.inject(world)
    assert not world.whole
    fault.heal(world)
    assert world.whole


def test_a_deployment_is_asked_for_and_left_to_the_engine() -> None:
    world, fault = World(), make("deploy")
    fault.inject(world)
    fault.heal(world)
    assert (world.deployed, fault.armed) == (["quoter"], True)


def test_a_command_is_given_with_what_it_is_about() -> None:
    world, fault = World(), make("ctl")
    fault.inject(world)
    fault.heal(world)
    assert world.commands == [("kill symbol", {"symbol": "7"})]


@pytest.mark.parametrize("name", EXAMPLES)
def test_healing_works_twice_and_without_injection(name: str) -> None:
    world, fault = World(), make(name)
    fault.heal(world)
    fault.inject(world)
    fault.heal(world)
    fault.heal(world)
    assert world.whole


def test_what_is_done_to_the_engine_names_its_ports() -> None:
    world = World()
    make("switch_wire").inject(world)
    make("xdp_detach").inject(world)
    assert world.calls == [("kernel", "A", "order"), ("detached", "order")]
    assert world.whole


@pytest.mark.parametrize("name", IN_THE_EXCHANGE)
def test_what_the_exchange_plays_is_told_before_the_start_and_touches_nothing(name: str) -> None:
    world, fault = World(), make(name)
    fault.inject(world)
    assert world.whole
    assert fault.armed
    assert not fault.on_wire
    (key,) = exchange_settings_of([fault.options], 1)
    assert key == {"session_roll": "sessions", "kill": "switches"}.get(name, "impairments")


def test_a_kill_is_thrown_and_released_each_time() -> None:
    told = exchange_settings_of([make("kill").options], 1)["switches"]
    assert [(command["at_ns"] // 1_000_000, command["value"]) for command in told] == [
        (1000, 1), (1005, 0), (1020, 1), (1025, 0), (1040, 1), (1045, 0),
    ]  # fmt: skip


def test_disconnect_tells_the_gateway_where_the_cuts_fall() -> None:
    world = World()
    make("disconnect").inject(world)
    assert world.gateway == {"cuts": 200, "cut_orders": 20, "cut_seed": 3}
    fault_for(options(do="disconnect", at=AT)).inject(world)
    assert world.gateway == {"cuts": 1, "cut_orders": 0, "cut_seed": 1}  # at once
    fault_for(options(do="disconnect", at=AT, times=2)).inject(world)
    assert world.gateway["cut_orders"] == 1  # the second needs an order to fall on
    GatewayBehaviour.model_validate(world.gateway)


def test_drop_arms_every_line_it_names_with_the_same_rule() -> None:
    world = World()
    make("drop").inject(world)
    rule = Rule(action=Action.DROP, sequence=1000, packets=64)
    assert world.rules == [("A", rule), ("B", rule)]
    assert make("drop").armed


def test_a_fault_with_a_length_says_when_it_is_to_be_healed() -> None:
    assert make("pause").options.duration_ns() == 50_000_000
    assert make("link_down").options.duration_ns() == 200_000_000
    assert make("refuse_requests").options.duration_ns() == 200_000_000
    assert make("cut_snapshot").options.duration_ns() is None
    assert make("drop").options.duration_ns() is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"do": "drop", "packets": 1, "at": {"sequence": 0}}, "counts from 1"),
        ({"do": "drop", "lines": [], "packets": 1, "at": AT}, "at least 1"),
        ({"do": "drop", "lines": ["A", "A"], "packets": 1, "at": AT}, "named twice"),
        ({"do": "drop", "at": AT}, "say how many packets"),
        ({"do": "drop", "every": 2, "probability": 0.1, "at": AT}, "every and probability are two patterns"),
        ({"do": "drop", "for": "1s", "at": AT}, "for: needs at"),
        ({"do": "drop", "probability": 0, "at": AT}, "greater than 0"),
        ({"do": "drop", "probability": "101%", "at": AT}, "less than or equal to 1"),
        ({"do": "drop", "probability": "often", "at": AT}, "'often' is no probability"),
        ({"do": "drop", "probability": "5ms", "at": AT}, "'5ms' is no probability"),
        ({"do": "drop", "probability": True, "at": AT}, "valid number"),
        ({"do": "drop", "every": 3, "repeat": {"times": 2, "every": 9}, "at": AT}, "never ends"),
        ({"do": "drop", "packets": 10, "repeat": {"times": 2, "every": 9}, "at": AT}, "is not over"),
        ({"do": "drop", "packets": 1, "repeat": {"times": 1, "every": 9}, "at": AT}, "times"),
        ({"do": "drop", "lines": ["snapshot"], "packets": 1, "at": AT}, "no message numbers"),
        (
            {
                "do": "drop",
                "lines": ["snapshot"],
                "packets": 1,
                "at": {"time": "0s"},
                "repeat": {"times": 2, "every": 5},
            },
            "no message numbers",
        ),
        ({"do": "drop", "gilbert_elliott": {"good_to_bad": 0.1}, "at": AT}, "bad_to_good"),
        ({"do": "corrupt", "what": "bits", "amount": 65, "at": AT}, "at most 64"),
        ({"do": "corrupt", "what": "zero_block", "amount": 1, "at": AT}, "means nothing to zero_block"),
        ({"do": "corrupt", "what": "smell", "at": AT}, "what"),
        ({"do": "corrupt", "what": "bits", "lines": ["requests"], "at": AT}, "lines"),
        ({"do": "delay", "at": AT}, "by"),
        ({"do": "delay", "by": "0s", "at": AT}, "by"),
        ({"do": "delay", "by": "1us", "lines": ["recovery"], "at": AT}, "lines"),
        ({"do": "reorder", "distance": 0, "at": AT}, "distance"),
        ({"do": "duplicate", "copies": 0, "at": AT}, "copies"),
        ({"do": "session_roll", "at": {"time": "1s"}}, "at"),
        ({"do": "session_roll", "at": AT, "session": "TOO LONG A NAME"}, "session"),
        ({"do": "pause", "for": "1s", "at": {"sequence": 0}}, "counts from 1"),
        ({"do": "pause", "for": "0s", "at": {"sequence": 1}}, "for"),
        ({"do": "pause", "for": "1s"}, "at"),
        ({"do": "pause", "for": "1s", "at": {"sequence": 1}, "line": "A"}, "line"),
        ({"do": "kill", "for": "1ms", "at": AT}, "give time"),
        (
            {"do": "kill", "for": "2ms", "at": {"time": "1s"}, "repeat": {"times": 2, "every": "2ms"}},
            "longer than for",
        ),
        ({"do": "link_down", "port": "C", "for": "1s", "at": {"time": "1s"}}, "port"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(**given)


# Rules


def rule_of(**given: Any) -> Rule:
    fault = fault_for(options(**given))
    found: Rule = fault.rule()  # type: ignore[attr-defined]
    return found


def test_each_pattern_becomes_its_own_fields() -> None:
    drop = {"do": "drop", "at": AT}
    assert rule_of(**drop, every=3).every == 3
    assert rule_of(**drop, every=3).pattern is Pattern.EVERY
    chance = rule_of(**drop, probability="0.1%")
    assert (chance.pattern, chance.probability) == (Pattern.RANDOM, 0.001)
    chain = rule_of(**drop, gilbert_elliott={"good_to_bad": 0.01, "bad_to_good": "30%"})
    assert chain.pattern is Pattern.GILBERT_ELLIOTT
    assert (chain.good_to_bad, chain.bad_to_good) == (0.01, 0.3)
    assert (chain.probability, chain.probability_good) == (1.0, 0.0)
    again = rule_of(**drop, packets=4, repeat={"times": 10, "every": "5k"}, together=True)
    assert (again.packets, again.windows, again.repeat_every, again.together) == (4, 10, 5_000, True)


@pytest.mark.parametrize(
    ("what", "amount", "expected"),
    [("bits", None, 1), ("bits", 5, 5), ("truncate", 40, 40), ("count", 2, 2), ("checksum", None, 0)],
)
def test_a_corruption_has_its_amount(what: str, amount: int | None, expected: int) -> None:
    rule = rule_of(do="corrupt", what=what, at=AT, **({"amount": amount} if amount else {}))
    assert (rule.action, rule.corruption, rule.amount) == (
        Action.CORRUPT,
        Corruption[what.upper()],
        expected,
    )


def fields(
    rule: Rule, place: Any = "A", *, index: int = 0, sessions: Sessions | None = None
) -> dict[str, int]:
    return rule.fields(place, seed=9, index=index, start_ns=5_000, sessions=sessions or Sessions())


def test_a_time_counts_from_the_start_and_a_message_is_a_position() -> None:
    timed = fields(rule_of(do="drop", at={"time": "1us"}, **{"for": "2us"}))
    assert (timed["from_ns"], timed["until_ns"]) == (6_000, 8_000)
    assert "from_position" not in timed
    numbered = rule_of(do="drop", at={"sequence": 120}, packets=1)
    assert fields(numbered)["from_position"] == 120
    rolled = fields(numbered, sessions=Sessions(rolls=(101,)))
    assert rolled["from_position"] == 1 << POSITION_SHIFT | 20


def test_lines_and_faults_draw_from_seeds_of_their_own_unless_they_fall_together() -> None:
    apart = rule_of(do="drop", at=AT, probability=0.5)
    together = rule_of(do="drop", at=AT, probability=0.5, together=True)
    seeds = {fields(apart, place, index=index)["random"] for place in ("A", "B") for index in (0, 1)}
    assert len(seeds) == 4
    assert fields(together, "A") == fields(together, "B")


@given(st.floats(0, 1))
def test_a_chance_in_units_of_the_rule_is_near_and_certainty_is_certain(chance: float) -> None:
    assert abs(of_2_32(chance) - chance * 2**32) <= 1
    assert of_2_32(1.0) == CERTAIN


# What the exchange is told


def test_the_exchange_gets_its_impairments_in_the_order_of_the_file_and_takes_them() -> None:
    names = ("drop", "delay", "pause", "reorder", "duplicate")
    faults = [options(**EXAMPLES[name]) for name in names]
    told = exchange_settings_of(faults, 3)
    assert [item["action"] for item in told["impairments"]] == ["delay", "reorder", "duplicate"]
    assert told["impairments"][0] == {
        "lines": ["B"],
        "action": "delay",
        "pattern": "run",
        "from_position": 1000,
        "delay_ns": 50_000,
    }
    assert [sender_index_of(faults, index) for index in (1, 3, 4)] == [0, 1, 2]
    for item in told["impairments"]:
        ImpairmentConfig.model_validate({**item, "lines": tuple(item["lines"])})


@pytest.mark.parametrize(
    "pattern",
    [
        {"every": 3},
        {"probability": "5%", "together": True},
        {"gilbert_elliott": {"good_to_bad": "1%", "bad_to_good": "20%", "while_good": "0.1%"}},
        {"packets": 5, "repeat": {"times": 4, "every": 100}},
        {"at": {"time": "0s"}, "for": "1ms"},
    ],
)
@pytest.mark.parametrize("name", ["duplicate", "reorder", "delay"])
def test_the_exchange_makes_the_same_rule_of_what_it_is_told(name: str, pattern: dict[str, Any]) -> None:
    from traffic.exchange_bindings import impairment_rule

    given = {key: EXAMPLES[name][key] for key in EXAMPLES[name].keys() & {"do", "by", "copies", "distance"}}
    fault = fault_for(options(**{"at": AT, **given, "lines": ["A", "B"], **pattern}))
    (told,) = exchange_settings_of([fault.options], 9)["impairments"]
    config = ImpairmentConfig.model_validate({**told, "lines": tuple(told["lines"])})
    for line, place in enumerate(("A", "B")):
        theirs = impairment_rule(config, seed=9, index=0, line=line)
        mine = fault.rule().fields(place, seed=9, index=0, start_ns=0, sessions=Sessions())  # type: ignore[attr-defined]
        pattern_of = mine["pattern"]
        for key, value in mine.items():
            if key in ("every", "probability", "bad_to_good") and pattern_of == Pattern.RUN:
                continue
            assert getattr(theirs, key) == value, key


def test_rolls_are_told_in_the_order_of_the_stream_with_names_of_their_own() -> None:
    faults = [
        options(do="session_roll", at={"sequence": 9000}, end_previous=False),
        options(do="session_roll", at={"sequence": 5000}, session="BACKUP"),
        options(do="drop", packets=1, at={"sequence": 9003}),
    ]
    told = exchange_settings_of(faults, 3)
    assert told == {
        "sessions": [
            {"at_sequence": 5000, "session": "BACKUP", "end_previous": True},
            {"at_sequence": 9000, "session": "TAILGATE03", "end_previous": False},
        ]
    }
    for item in told["sessions"]:
        SessionConfig.model_validate(item)


def test_without_such_faults_the_exchange_is_told_nothing() -> None:
    assert exchange_settings_of([options(**EXAMPLES["drop"]), options(**EXAMPLES["pause"])], 1) == {}


def test_only_faults_of_the_wire_need_its_rules() -> None:
    on_wire = [name for name in EXAMPLES if wire_places_of(options(**EXAMPLES[name]))]
    assert on_wire == ["drop", "corrupt"]
    assert impairs_wire([options(**EXAMPLES["delay"]), options(**EXAMPLES["corrupt"])])
    assert not impairs_wire([options(**EXAMPLES["delay"]), options(**EXAMPLES["link_down"])])


def test_faults_of_a_recovery_service_say_which() -> None:
    lines = ["recovery", "requests", "A"]
    assert options(do="drop", lines=lines, packets=1, at=AT).services() == {"requests"}
    frames = options(do="drop", lines=["snapshot"], packets=1, at={"time": "0s"})
    assert frames.services() == {"snapshots"}
    assert options(**EXAMPLES["cut_snapshot"]).services() == {"snapshots"}
    assert options(**EXAMPLES["refuse_requests"]).services() == {"requests"}
    assert options(**EXAMPLES["corrupt"]).services() == set()


# The registry


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two faults are called 'drop'"):
        register(registered()["drop"])


def test_options_know_their_fault() -> None:
    for name, fault in registered().items():
        assert fault.name == name
        assert issubclass(fault.options_model, FaultOptions)
        assert fault.__module__ == f"lab.faults.{name}"


@given(st.integers(0, 100_000))
def test_a_percentage_is_the_same_chance_as_its_number(thousandths: int) -> None:
    given = {"do": "drop", "at": AT}
    if thousandths:
        text = options(**given, probability=f"{thousandths / 1000:.3f}%")
        assert text.probability == pytest.approx(thousandths / 100_000)
        assert options(**given, probability=text.probability) == text
