"""Faults: what each does to the world, that healing undoes it, and that healing twice is harmless."""

from typing import Any

import pytest
from pydantic import ValidationError

from lab.faults import Fault, FaultOptions, fault_for, register, registered


class World:
    """Stands in for the lab: remembers every call, and what is broken now."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.drops: set[str] = set()
        self.down: set[str] = set()
        self.paused = False

    @property
    def whole(self) -> bool:
        return not (self.drops or self.down or self.paused)

    def drop_packets(self, line: str, sequence: int, packets: int) -> None:
        self.calls.append(("drop", line, sequence, packets))
        self.drops.add(line)

    def clear_drops(self, line: str) -> None:
        self.drops.discard(line)

    def set_link(self, port: str, *, up: bool) -> None:
        self.calls.append(("link", port, up))
        (self.down.discard if up else self.down.add)(port)

    def pause_engine(self) -> None:
        self.paused = True

    def resume_engine(self) -> None:
        self.paused = False


EXAMPLES: dict[str, dict[str, Any]] = {
    "drop": {"do": "drop", "packets": 64, "at": {"sequence": 1000}},
    "link_down": {"do": "link_down", "port": "B", "for": "200ms", "at": {"time": "1s"}},
    "pause": {"do": "pause", "for": "50ms", "at": {"sequence": "2k"}},
}


def make(name: str) -> Fault[Any]:
    return fault_for(registered()[name].options_model.model_validate(EXAMPLES[name]))


def test_every_fault_has_an_example_here() -> None:
    assert set(registered()) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_fault_breaks_the_world_and_healing_mends_it(name: str) -> None:
    world, fault = World(), make(name)
    fault.inject(world)
    assert not world.whole
    fault.heal(world)
    assert world.whole


@pytest.mark.parametrize("name", EXAMPLES)
def test_healing_works_twice_and_without_injection(name: str) -> None:
    world, fault = World(), make(name)
    fault.heal(world)
    fault.inject(world)
    fault.heal(world)
    fault.heal(world)
    assert world.whole


def test_drop_arms_every_line_it_names_with_the_same_rule() -> None:
    world = World()
    make("drop").inject(world)
    assert world.calls == [("drop", "A", 1000, 64), ("drop", "B", 1000, 64)]
    assert make("drop").armed


def test_a_fault_with_a_length_says_when_it_is_to_be_healed() -> None:
    assert make("pause").options.duration_ns() == 50_000_000
    assert make("link_down").options.duration_ns() == 200_000_000
    assert make("drop").options.duration_ns() is None


@pytest.mark.parametrize(
    "options",
    [
        {"do": "drop", "packets": 1, "at": {"time": "1s"}},
        {"do": "drop", "packets": 1, "at": {"sequence": 0}},
        {"do": "drop", "lines": [], "packets": 1, "at": {"sequence": 1}},
        {"do": "pause", "for": "1s", "at": {"sequence": 0}},
        {"do": "pause", "for": "0s", "at": {"sequence": 1}},
        {"do": "pause", "for": "1s"},
        {"do": "pause", "for": "1s", "at": {"sequence": 1}, "line": "A"},
        {"do": "link_down", "port": "C", "for": "1s", "at": {"time": "1s"}},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registered()[options["do"]].options_model.model_validate(options)


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two faults are called 'drop'"):
        register(registered()["drop"])


def test_options_know_their_fault() -> None:
    for name, fault in registered().items():
        assert fault.name == name
        assert issubclass(fault.options_model, FaultOptions)
        assert fault.__module__ == f"lab.faults.{name}"
