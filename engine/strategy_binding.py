"""Commands and strategies of one engine, as plain Python: slot numbers, answers and accounts come out of the C."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine._engine import ffi, lib
from engine.risk_build import RiskControl

__all__ = ["COMMANDS", "Answer", "Change", "Hands", "Loaded", "fill_budget", "strategy_report"]

COMMANDS = {
    "none": lib.COMMAND_NONE,
    "deploy": lib.COMMAND_STRATEGY_DEPLOY,
    "rollback": lib.COMMAND_STRATEGY_ROLLBACK,
    "deploy_at": lib.COMMAND_STRATEGY_DEPLOY_AT,
    "deploy_when": lib.COMMAND_STRATEGY_DEPLOY_WHEN,
    "unplan": lib.COMMAND_STRATEGY_UNPLAN,
    "line_enable": lib.COMMAND_LINE_ENABLE,
    "line_disable": lib.COMMAND_LINE_DISABLE,
}
BUDGET = (
    "event_ns_max",
    "hang_ns",
    "order_burst",
    "order_permille",
    "rejection_burst",
    "rejection_permille",
)
LOOK_SECONDS = 0.0005
COUNTERS = (
    "events",
    "orders",
    "refused",
    "rejections",
    "unsupported",
    "own_events",
    "timers",
    "suspicions",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the engine said of a command. ``sequence``: the first feed message handed out after it took effect."""

    done: bool
    sequence: int
    poll: int
    at_ns: int


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A strategy that waits in a slot, or why none does (``slot`` -1)."""

    slot: int
    name: str = ""
    version: str = ""
    generation: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Another strategy is active from feed message ``sequence`` on. Generation 0 is the built-in one."""

    at_ns: int
    sequence: int
    poll: int
    cause: str
    detail: int
    signal: str
    before: str
    before_generation: int
    after: str
    after_generation: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def _text(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


def fill_budget(options: Any, budget: Any) -> None:
    """Copies a BudgetConfig into ``struct engine_options``."""
    for name in BUDGET:
        setattr(options.strategy_budget, name, getattr(budget, name))


def _change(row: Any) -> Change:
    return Change(
        at_ns=int(row.at_ns),
        sequence=int(row.position),
        poll=int(row.poll),
        cause=_text(lib.strategy_cause_name(row.cause)),
        detail=int(row.detail),
        signal=_text(lib.guard_signal_name(row.signal)) if row.signal else "",
        before=_text(row.from_name),
        before_generation=int(row.from_generation),
        after=_text(row.to_name),
        after_generation=int(row.to_generation),
    )


def _name(strategies: Any, slot: int) -> dict[str, Any]:
    if slot < 0:
        return {"name": "touch_taker", "version": "built in", "generation": 0}
    row = strategies.slots[slot]
    counters = {name: int(getattr(row.counters, name)) for name in COUNTERS}
    return {
        "name": _text(row.name),
        "version": _text(row.version),
        "generation": int(row.generation),
        **counters,
    }


def strategy_report(engine: Any) -> dict[str, Any]:
    """Which strategies were active when, and what the active one has done."""
    strategies = engine.strategies
    kind = int(engine.strategy)
    active = _name(strategies, int(strategies.active))
    if kind == lib.STRATEGY_REFLECTOR:
        active = {"name": "reflector", "version": "built in", "generation": 0}
    return {
        "active": active,
        "previous": _name(strategies, int(strategies.previous)),
        "changes": [_change(row).to_json() for row in strategies.changes[0 : strategies.change_count]],
        "changes_lost": int(strategies.changes_lost),
        "budget": {name: int(getattr(strategies.budget, name)) for name in BUDGET},
    }


class Hands:
    """What a control thread does to a running engine. One thread at a time, but for ``kill``."""

    def __init__(self, runner: Any, engine: Any, *, objects: Path | None = None) -> None:
        """``objects``: where a journaled engine keeps a copy of every object that it loads."""
        self._runner, self._engine = runner, engine
        self._seen = 0
        self._objects = objects
        self.risk = RiskControl(
            engine.risk_memory, announce=lambda table: bool(lib.runner_note_table(runner, table))
        )

    def kill(self) -> None:
        """No new order leaves from the next risk check on."""
        lib.runner_kill(self._runner, True)

    def release(self) -> None:
        """The switch for all, back."""
        lib.runner_kill(self._runner, False)

    @property
    def killed(self) -> bool:
        return bool(lib.runner_killed(self._runner))

    @property
    def heartbeat_ns(self) -> int:
        return int(lib.runner_heartbeat_ns(self._runner))

    @property
    def lines_off(self) -> int:
        return int(self._engine.lines_off)

    def locates(self) -> dict[str, int]:
        """Stock locate by name, of every symbol that the feed has named so far."""
        size = ffi.sizeof("struct touch_taker_symbol")
        data = bytes(ffi.buffer(self._engine.touch_taker.symbols, size * lib.STRATEGY_SYMBOL_COUNT))
        at = ffi.offsetof("struct touch_taker_symbol", "stock")
        names = ((data[first : first + 8], first // size) for first in range(at, len(data), size))
        return {name.decode("latin-1").rstrip(): number for name, number in names if name[0]}

    def letters(self) -> dict[str, int]:
        """By name, of what is or was loaded: the letter of its orders, by which the risk gate knows it."""
        loaded = (slot for slot in self._engine.strategies.slots if slot.generation)
        return {_text(slot.name): ord(slot.letter) for slot in loaded}

    def wire_command(self, ports: int, target: int) -> int:
        """Leaves a command for the watchdog of the wires; its number."""
        return int(lib.runner_wire_command(self._runner, ports, target))

    def wire_handled(self, number: int) -> bool | None:
        """None: not yet. False: refused."""
        refused = ffi.new("bool *")
        if not lib.runner_wire_handled(self._runner, number, refused):
            return None
        return not refused[0]

    def here(self) -> int:
        """Step runs: this thread steps the engine. 0 or -errno."""
        return int(lib.runner_strategies_here(self._runner))

    def post(self, command: str, argument: int = 0) -> int:
        """Leaves a command for the engine; its number."""
        return int(lib.runner_command(self._runner, COMMANDS[command], argument))

    def answered(self, number: int) -> Answer | None:
        """None: not yet."""
        answer = ffi.new("struct command_answer *")
        if not lib.runner_answered(self._runner, number, answer):
            return None
        return Answer(
            done=answer.outcome == lib.COMMAND_DONE,
            sequence=int(answer.position),
            poll=int(answer.poll),
            at_ns=int(answer.at_ns),
        )

    def command(self, command: str, argument: int = 0, *, seconds: float) -> Answer | None:
        """Posts and waits. None: the engine did not take it within ``seconds``."""
        number = self.post(command, argument)
        deadline = time.monotonic() + seconds
        while (answer := self.answered(number)) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return answer

    def load(self, path: Path, parameters: Mapping[str, int], *, source: Path | None = None) -> Loaded:
        """Into a slot, ready to be swapped in. The file must have passed the check; ``source``: its first place."""
        items = ffi.new("struct tailgate_parameter[]", len(parameters) or 1)
        for item, (name, value) in zip(items, parameters.items(), strict=False):
            item.name, item.value = name.encode(), value
        given = ffi.new("struct tailgate_parameters *", {"count": len(parameters), "items": items})
        report = ffi.new("struct loader_report *")
        if not lib.runner_load_strategy(self._runner, str(path).encode(), given, report):
            return Loaded(slot=-1, why=_text(report.what))
        slot = int(report.slot)
        loaded = Loaded(
            slot=slot,
            name=_text(report.name),
            version=_text(report.version),
            generation=int(self._engine.strategies.slots[slot].generation),
        )
        try:
            self._announce(loaded, path, parameters, source or path)
        except OSError as error:
            self.reclaim(slot)
            return Loaded(slot=-1, why=f"the journal cannot keep it: {error.strerror}")
        return loaded

    def _announce(self, loaded: Loaded, path: Path, parameters: Mapping[str, int], source: Path) -> None:
        """What a replay has to know of the object, and a copy of it beside the journal. OSError: neither is done."""
        if self._objects is None:
            return
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        self._objects.mkdir(exist_ok=True)
        kept = self._objects / f"{digest}.so"
        if not kept.exists():  # never written over: somebody may have loaded it
            fresh = kept.with_suffix(".new")
            fresh.write_bytes(data)
            fresh.replace(kept)
        known = {
            "generation": loaded.generation,
            "sha256": digest,
            "source": str(source),
            "name": loaded.name,
            "version": loaded.version,
            "parameters": dict(parameters),
        }
        if not lib.runner_note_object(self._runner, json.dumps(known).encode()):
            raise OSError(errno.EIO, "it cannot be written")

    def reclaim(self, ready: int = -1) -> None:
        """Unloads what the engine has done with, and slot ``ready`` that it never got."""
        lib.runner_reclaim_strategies(self._runner, ready)

    def news(self) -> list[Change]:
        """Changes since the last call."""
        strategies = self._engine.strategies
        count = int(strategies.change_count)
        rows = [_change(row) for row in strategies.changes[self._seen : count]]
        self._seen = count
        return rows

    def report(self) -> dict[str, Any]:
        return strategy_report(self._engine)
