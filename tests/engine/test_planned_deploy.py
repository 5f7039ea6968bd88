"""Strategies that are prepared before they are wanted: planned, deployed, discarded, and asked for wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_control import Rig, deploy

from engine.control_client import ask

QUOTER = {**deploy("quoter"), "do": "strategy prepare"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def prepared(rig: Rig) -> int:
    reply = ask(rig.socket, QUOTER)
    assert (reply["exit"], reply["sequence"]) == (0, None)
    assert reply["detail"]["check"]["good"]
    return int(reply["detail"]["generation"])


def active(rig: Rig) -> Any:
    return rig.runner.hands.report()["active"]["generation"]


def test_what_was_prepared_is_swapped_in_by_its_generation(rig: Rig) -> None:
    generation = prepared(rig)
    assert active(rig) == 0
    reply = ask(rig.socket, {"do": "strategy deploy", "generation": generation})
    assert (reply["exit"], active(rig)) == (0, generation)
    assert reply["sequence"] is not None
    again = ask(rig.socket, {"do": "strategy deploy", "generation": generation})
    assert (again["exit"], "waiting: none" in again["message"]) == (64, True)


def test_a_planned_swap_is_acknowledged_as_planned_and_comes_at_its_time(rig: Rig) -> None:
    generation = prepared(rig)
    later = ask(rig.socket, {"do": "strategy deploy", "generation": generation, "at_sequence": 10**6})
    assert (later["exit"], later["sequence"], active(rig)) == (0, None, 0)
    assert later["detail"]["planned"] == {"sequence": 10**6}
    past = ask(rig.socket, {"do": "strategy deploy", "generation": generation, "at_ns": 1})
    assert past["exit"] == 0
    assert ask(rig.socket, {"do": "health"})["exit"] == 1  # a poll or more later
    assert active(rig) == generation


def test_what_is_discarded_is_gone_and_its_plan_with_it(rig: Rig) -> None:
    for _ in range(10):  # more than there are slots
        generation = prepared(rig)
        ask(rig.socket, {"do": "strategy deploy", "generation": generation, "at_sequence": 10**6})
        assert ask(rig.socket, {"do": "strategy discard", "generation": generation})["exit"] == 0
    assert ask(rig.socket, {"do": "strategy discard", "generation": generation})["exit"] == 64
    assert active(rig) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"generation": 7}, "does not wait"),
        ({"generation": "1"}, "whole number"),
        ({"at_sequence": 0}, "whole number"),
        ({"at_sequence": 5, "at_ns": 5}, "one of them"),
    ],
)
def test_a_deployment_that_makes_no_sense_is_refused(rig: Rig, arguments: dict[str, Any], words: str) -> None:
    reply = ask(rig.socket, {**deploy("quoter"), **arguments})
    assert (reply["exit"], active(rig)) == (64, 0)
    assert words in reply["message"]


def test_an_object_that_fails_its_check_is_not_prepared(rig: Rig) -> None:
    reply = ask(rig.socket, {**deploy("bad_abi"), "do": "strategy prepare"})
    assert (reply["exit"], reply["message"].startswith("not prepared: abi")) == (1, True)
