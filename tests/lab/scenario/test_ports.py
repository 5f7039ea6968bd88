"""``ports:`` of a scenario: which wires are interfaces of the host, and what cannot be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import ScenarioError
from lab.scenario import Scenario, freeze, load_scenarios
from lab.scenario.load import load_frozen


def load(folder: Path, ports: str) -> Scenario:
    path = folder / "cards.yaml"
    path.write_text(f"title: cards\nports: {ports}\n")
    [scenario] = load_scenarios([path])
    return scenario


def test_without_the_key_every_wire_is_a_pair_of_veths(tmp_path: Path) -> None:
    path = tmp_path / "veths.yaml"
    path.write_text("title: veths\n")
    [scenario] = load_scenarios([path])
    assert scenario.ports.wires == {}
    assert not scenario.ports.allow_default_route


def test_wires_are_named_by_their_two_ends_and_survive_freezing(tmp_path: Path) -> None:
    scenario = load(
        tmp_path,
        "{A: {exchange: enp1s0f0, engine: '0000:01:00.1'}, recovery: {exchange: a, engine: b}, stamps: hardware}",
    )
    assert scenario.ports.wires == {"A": ("enp1s0f0", "0000:01:00.1"), "recovery": ("a", "b")}
    frozen = tmp_path / "scenario.yaml"
    frozen.write_text(freeze(scenario))
    assert load_frozen(frozen).ports == scenario.ports


FAR = "traffic: {driver: trex, server: far, ports: [0, 1], trex: {folder: /shared}}\n"
NO_FLOOR = "measure: {wire_floor: false}\n"


def test_lines_may_end_at_a_servers_own_ports(tmp_path: Path) -> None:
    scenario = load(
        tmp_path, "{A: {engine: a}, B: {engine: b}, order: {exchange: c, engine: d}}\n" + FAR + NO_FLOOR
    )
    assert scenario.ports.wires == {"A": (None, "a"), "B": (None, "b"), "order": ("c", "d")}
    frozen = tmp_path / "scenario.yaml"
    frozen.write_text(freeze(scenario))
    assert load_frozen(frozen).ports == scenario.ports


FAR_ENDS = "{A: {engine: a}, B: {engine: b}}\n"
NOT_FAR = {
    FAR_ENDS + NO_FLOOR: "ports.A.exchange: without it somebody else has to send",
    FAR_ENDS
    + NO_FLOOR
    + "traffic: {driver: trex}\n": "ports.A.exchange: without it somebody else has to send",
    FAR_ENDS + FAR: "measure.wire_floor: the exchange measures it, and has no end of these lines",
    "{A: {engine: a}}\n" + FAR + NO_FLOOR: "ports.A.exchange: TRex sends both lines",
    "{A: {engine: a}, B: {engine: a}}\n" + FAR + NO_FLOOR: "a is named twice",
    "{order: {engine: a}}\n" + FAR + NO_FLOOR: "ports.order.exchange: is required",
    FAR_ENDS
    + FAR
    + NO_FLOOR
    + "faults: [{do: link_down, port: B, for: 1ms, at: {time: 1ms}}]\n": "faults[0].port: the far",
}


@pytest.mark.parametrize("text", NOT_FAR)
def test_what_does_not_go_with_a_far_end_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, text)
    [problem] = caught.value.problems
    assert NOT_FAR[text] in str(problem)


WRONG = {
    "{A: {exchange: enp1s0f0}}": ":2: ports.A.engine: is required",
    "{recovery: {engine: enp1s0f0}}": ":2: ports.recovery.exchange: is required",
    "{C: {exchange: a, engine: b}}": ":2: ports.C: unknown key (known: A, B, order, recovery",
    "{A: {exchange: a, engine: a}}": "ports: a is named twice; each end of each wire has a port of its own",
    "{A: {exchange: a, engine: b}, B: {exchange: c, engine: b}}": "ports: b is named twice",
    "{A: {exchange: a name, engine: b}}": ":2: ports.A.exchange: ",
    "{A: {exchange: a/b, engine: b}}": ":2: ports.A.exchange: ",
    "{A: {exchange: sixteen_letters_, engine: b}}": ":2: ports.A.exchange: ",
    "{A: {exchange: '', engine: b}}": ":2: ports.A.exchange: ",
    "{stamps: best}": ":2: ports.stamps: 'best' is not one of auto, hardware, software",
    "{allow_default_route: 'yes'}": ":2: ports.allow_default_route: ",
    "[a, b]": ":2: ports: a mapping is needed",
}


@pytest.mark.parametrize("ports", WRONG)
def test_what_cannot_be_a_port_is_said_with_its_line(tmp_path: Path, ports: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, ports)
    [problem] = caught.value.problems
    assert WRONG[ports] in str(problem)
