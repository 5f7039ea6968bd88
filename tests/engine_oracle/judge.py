"""Model and engine side by side: a step, then all that both show must be equal; the first difference ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.engine_oracle.case import Case, Setup, Step
from tests.engine_oracle.model import EngineModel
from tests.engine_oracle.play import Player, Subject
from tests.engine_oracle.subject import EngineSubject
from tests.engine_oracle.world import World

__all__ = ["Difference", "MakeEngine", "Outcome", "Tested", "run_case", "run_seed"]


class Tested(Subject, Protocol):
    """What the model is compared with."""

    def close(self) -> None: ...


MakeEngine = Callable[[Setup], Tested]


class Difference(Exception):
    """Where model and engine differ: the step's number, the key, and both values."""

    def __init__(self, case: Case, key: str, model: Any, engine: Any) -> None:
        self.case, self.key = case, key
        self.why = f"step {len(case.steps)}, {key}: the model has {model!r}, the engine {engine!r}"
        super().__init__(self.why)


@dataclass
class Outcome:
    case: Case
    reasons: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)


class Judge:
    def __init__(self, seed: int, setup: Setup, make_engine: MakeEngine) -> None:
        self.seed, self.setup = seed, setup
        self.model = EngineModel(setup)
        self.engine = make_engine(setup)
        self.player = Player((self.model, self.engine))
        self.steps: list[Step] = []
        self.symbols = (0, 1, 2, 7, 65)
        self.states: Counter[str] = Counter()

    @property
    def case(self) -> Case:
        return Case(seed=self.seed, setup=self.setup, steps=tuple(self.steps))

    def take(self, step: Step) -> list[bytes]:
        """Plays a step and compares; what was sent."""
        self.steps.append(step)
        self.player.play(step)
        keys = list(self.model.own.orders)
        mine, theirs = self.model.view(keys, self.symbols), self.engine.view(keys, self.symbols)
        for key, value in mine.items():
            if value != theirs[key]:
                raise Difference(self.case, key, *narrow(value, theirs[key]))
        self.states[self.model.feed.state] += 1
        sent: list[bytes] = mine["sent"]
        return sent

    def outcome(self) -> Outcome:
        gate = self.model.gate
        return Outcome(
            self.case,
            gate.answers
            if self.model.strategy is not None
            else Counter(decision.reason for decision in self.model.decisions),
            Counter(self.model.actions),
            Counter(gate.warnings),
            Counter(record[2] for record in gate.records),
            self.states,
        )


def narrow(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Of two dictionaries only what differs."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return {key: mine.get(key) for key in keys}, {key: theirs.get(key) for key in keys}
    return mine, theirs


def run_seed(seed: int, make_engine: MakeEngine = EngineSubject) -> Outcome:
    """A world that grows as it is played; Difference when the two disagree."""
    world = World(seed)
    judge = Judge(seed, world.setup, make_engine)
    try:
        step, sent = world.step(judge.model, []), list[bytes]()
        while step is not None:
            sent = judge.take(step)
            step = world.step(judge.model, sent)
        return judge.outcome()
    finally:
        judge.engine.close()


def run_case(case: Case, make_engine: MakeEngine = EngineSubject) -> Outcome:
    """The steps of a case as they are written."""
    judge = Judge(case.seed, case.setup, make_engine)
    try:
        for step in case.steps:
            judge.take(step)
        return judge.outcome()
    finally:
        judge.engine.close()
