"""The table of commands: who may give each one, and what it does to the engine. The socket is control_server.py's.

A handler takes a Desk (the engine's hands, the configuration, a lock for the mailbox) and the command's arguments, and
returns a Reply. A new command is a row of the table and a handler here, and nothing elsewhere.

Exit codes of a reply: 0 done, 1 refused or unhealthy, 2 no answer from the engine, 64 wrong or not allowed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import EngineConfig
from engine.risk_table import RiskTableError, load_risk_table
from engine.strategy_binding import Answer
from engine.strategy_check import BYTES_MAX, check_strategy, private_copy

__all__ = ["HANDLERS", "Desk", "Handler", "Reply", "Wrong"]

DONE, REFUSED, NO_ANSWER, WRONG = 0, 1, 2, 64
ALL = frozenset({"viewer", "operator", "risk", "admin"})
OPERATING = frozenset({"operator", "risk", "admin"})
LIMITING = frozenset({"risk", "admin"})
CHANGING = frozenset({"operator", "admin"})
DEPLOYING = frozenset({"admin"})
LINES = {"A": 0, "B": 1}
PORTS = {"A": 1, "B": 2, "order": 4}
WIRES = {"kernel": 1, "af_xdp": 2, "dpdk": 2}
WIRE_SECONDS = 5.0
LOOK_SECONDS = 0.001
SYMBOL_COUNT = 65_536
BUILT_IN = {"touch_taker": ord("T")}
STALE_NS = 1_000_000_000
PARAMETERS_MAX = 32


class Wrong(Exception):
    """The command cannot be understood; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """``sequence`` is the first feed message handed out after the command took effect; None: it changed nothing."""

    exit: int
    message: str
    sequence: int | None = None
    poll: int | None = None
    at_ns: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.exit == DONE, **vars(self), "detail": dict(self.detail)}


@dataclass(kw_only=True)
class Desk:
    """What handlers work with. ``report`` is the engine's whole account of itself."""

    hands: Any
    config: EngineConfig
    report: Callable[[], Mapping[str, Any]]
    mailbox: threading.Lock = field(default_factory=threading.Lock)
    killed_symbols: set[int] = field(default_factory=set)
    killed_strategies: set[int] = field(default_factory=set)
    prepared: dict[int, Any] = field(default_factory=dict)  # loaded and not yet deployed, by generation

    def post(self, command: str, argument: int = 0) -> Answer | None:
        """Into the mailbox, one at a time. None: the engine did not take it."""
        assert self.config.ctl
        with self.mailbox:
            answer: Answer | None = self.hands.command(
                command, argument, seconds=self.config.ctl.answer_ns / 1e9
            )
        return answer


@dataclass(frozen=True, kw_only=True)
class Handler:
    """``changes``: it does something, so it must be in the audit trail before it is done."""

    roles: frozenset[str]
    run: Callable[[Desk, Mapping[str, Any]], Reply]
    changes: bool = True


def acknowledged(answer: Answer | None, done: str, refused: str) -> Reply:
    if answer is None:
        return Reply(exit=NO_ANSWER, message="the engine did not take the command in time")
    return Reply(
        exit=DONE if answer.done else REFUSED,
        message=done if answer.done else refused,
        sequence=answer.sequence,
        poll=answer.poll,
        at_ns=answer.at_ns,
    )


def text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Wrong(f"{name}: a text is wanted")
    return value


# ---- kill ----


def kill_all(desk: Desk, _arguments: Mapping[str, Any]) -> Reply:
    """The word first, which waits for nobody; then the mailbox, whose answer says from when on it held."""
    desk.hands.kill()
    return acknowledged(desk.post("none"), "no new order leaves", "")


def symbol_of(desk: Desk, name: str) -> int:
    """A stock locate, from itself or from a name that the feed has told."""
    number = int(name) if name.isascii() and name.isdigit() else desk.hands.locates().get(name, -1)
    if not 0 <= number < SYMBOL_COUNT:
        raise Wrong(f"symbol: the feed has named no {name}; give its stock locate")
    return int(number)


def kill_symbol(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """The switch holds at once, open orders are cancelled by the poll that the answer names."""
    name = text(arguments, "symbol")
    number = symbol_of(desk, name)
    with desk.mailbox:
        desk.hands.risk.kill_symbol(number)
        desk.killed_symbols.add(number)
    reply = acknowledged(desk.post("none"), f"no new order leaves in {name}", "")
    return Reply(**{**vars(reply), "detail": {"symbol": number}})


def kill_strategy(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """By the letter of its orders: every version of it, loaded or to come, and its open orders are canceled."""
    name = text(arguments, "name")
    letters = {**BUILT_IN, **desk.hands.letters()}
    if name not in letters:
        known = ", ".join(sorted(letters))
        raise Wrong(f"name: {name} is neither loaded nor built in ({known})")
    letter = letters[name]
    with desk.mailbox:
        desk.hands.risk.kill_strategy(letter)
        desk.killed_strategies.add(letter)
    said = f"no new order of {name} leaves, nor any other with the letter {letter:c}"
    reply = acknowledged(desk.post("none"), said, "")
    return Reply(**{**vars(reply), "detail": {"strategy": name, "letter": chr(letter)}})


def rearm(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """Takes back every kill that was given here, and arms a tripped gate."""
    hands = desk.hands
    with desk.mailbox:
        if not hands.risk.rearm(int(arguments.get("uid", 0))):
            return Reply(exit=REFUSED, message="not armed: too many commands are waiting")
        detail = {
            "kill_all": hands.killed,
            "symbols": sorted(desk.killed_symbols),
            "strategies": [chr(letter) for letter in sorted(desk.killed_strategies)],
        }
        for number in desk.killed_symbols:
            hands.risk.kill_symbol(number, on=False)
        for number in desk.killed_strategies:
            hands.risk.kill_strategy(number, on=False)
        desk.killed_symbols.clear()
        desk.killed_strategies.clear()
        hands.release()
    answer = desk.post("none")
    desk.post("none")  # the poll that carried it out is over
    reply = acknowledged(answer, "armed: kills are taken back", "")
    tripped = desk.report()["risk_state"]["tripped"]
    if reply.exit == DONE and tripped:
        reply = Reply(**{**vars(reply), "exit": REFUSED, "message": f"tripped again at once: {tripped}"})
    return Reply(**{**vars(reply), "detail": {"released": detail}})


# ---- limits ----


def limits(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """A whole new table, in force from the next order on; a table that is not good changes nothing."""
    path = Path(text(arguments, "path"))
    try:
        table = load_risk_table(path)
        with desk.mailbox:
            generation = desk.hands.risk.publish(
                table, created_ns=time.monotonic_ns(), locates=desk.hands.locates()
            )
    except RiskTableError as error:
        return Reply(exit=REFUSED, message=f"limits unchanged: {error}")
    answer = desk.post("none")
    desk.post("none")  # the poll that took the table up is over
    in_force = desk.report()["risk_state"]["generation"]
    reply = acknowledged(answer, f"limits of generation {generation} are in force", "")
    detail = {"generation": generation, "in_force": in_force, "limits": table.model_dump(mode="json")}
    return Reply(**{**vars(reply), "detail": detail})


# ---- wires ----


def wire_switch(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """Both lines, or the ports that are named; the watchdog changes them one packet after the other."""
    to, ports = text(arguments, "to"), arguments.get("ports", ["A", "B"])
    if to not in WIRES:
        raise Wrong(f"to: {to} is no wire; known: {', '.join(WIRES)}")
    if not isinstance(ports, list) or not ports or not all(port in PORTS for port in ports):
        raise Wrong(f"ports: a list of {', '.join(PORTS)} is wanted")
    with desk.mailbox:
        number = desk.hands.wire_command(sum(PORTS[port] for port in set(ports)), WIRES[to])
        deadline = time.monotonic() + WIRE_SECONDS
        while (handled := desk.hands.wire_handled(number)) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
    named = ", ".join(ports)
    if handled is None:
        return Reply(exit=NO_ANSWER, message=f"{named} did not change to {to} within {WIRE_SECONDS:.0f} s")
    if not handled:
        return Reply(exit=REFUSED, message=f"{named} not changed: {desk.report()['wires']['error']}")
    return acknowledged(desk.post("none"), f"{named}: {to} is in use", "")


# ---- strategies ----


def parameters_of(arguments: Mapping[str, Any]) -> dict[str, int]:
    given = arguments.get("parameters", {})
    if not isinstance(given, dict) or len(given) > PARAMETERS_MAX:
        raise Wrong("parameters: a mapping of names and whole numbers is wanted")
    for name, value in given.items():
        if (
            not name.isidentifier()
            or len(name) > 23
            or type(value) is not int
            or not -(2**63) <= value < 2**63
        ):
            raise Wrong(f"parameters: {name}={value} is no parameter")
    return given


def read_object(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise Wrong(f"{name}: {error.strerror}") from error


def loaded_by(desk: Desk, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any], str]:
    """(what waits in a slot now or None, the check's account, why not): checked outside, loaded beside the other."""
    path, parameters = text(arguments, "path"), parameters_of(arguments)
    settings = desk.config.strategies
    data = read_object(path)
    started = time.monotonic_ns()
    with private_copy(data) as copy:
        checked = check_strategy(
            Path(path),
            data,
            allowed=frozenset(settings.allow),
            parameters=parameters,
            event_ns_max=settings.budget.event_ns_max,
            copy=copy,
        )
        detail: dict[str, Any] = {"check": checked.to_json(), "check_ns": time.monotonic_ns() - started}
        if not checked.good:
            return None, detail, checked.why
        with desk.mailbox:
            loaded = desk.hands.load(copy, parameters, source=Path(path).resolve())
    if loaded.slot < 0:
        return None, detail, loaded.why
    detail |= {"name": loaded.name, "version": loaded.version, "generation": loaded.generation}
    return loaded, detail, ""


def whole(arguments: Mapping[str, Any], name: str, most: int) -> int:
    value = arguments.get(name)
    if type(value) is not int or not 0 < value <= most:
        raise Wrong(f"{name}: a whole number up to {most} is wanted")
    return value


def prepare(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """All of a deployment but the swap: what takes long is over before it is wanted."""
    loaded, detail, why = loaded_by(desk, arguments)
    if loaded is None:
        return Reply(exit=REFUSED, message=f"not prepared: {why}", detail=detail)
    desk.prepared[loaded.generation] = loaded
    message = f"{loaded.name} {loaded.version} waits as generation {loaded.generation}"
    return Reply(exit=DONE, message=message, detail=detail)


def waiting(desk: Desk, arguments: Mapping[str, Any]) -> Any:
    """What was prepared as the generation that is named."""
    number = whole(arguments, "generation", 2**32 - 1)
    for change in desk.hands.report()["changes"]:
        desk.prepared.pop(change["after_generation"], None)
    if number not in desk.prepared:
        known = ", ".join(map(str, sorted(desk.prepared))) or "none"
        raise Wrong(f"generation: {number} does not wait to be deployed; waiting: {known}")
    return desk.prepared[number]


def discard(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """What was prepared is unloaded; a swap that was planned for it does not come."""
    loaded = waiting(desk, arguments)
    answer = desk.post("unplan", loaded.slot)
    name = f"{loaded.name} {loaded.version}"
    if answer is not None:
        del desk.prepared[loaded.generation]
    if answer is not None and answer.done:
        with desk.mailbox:
            desk.hands.reclaim(loaded.slot)
    reply = acknowledged(answer, f"{name} is unloaded", f"{name} was deployed already")
    return Reply(**{**vars(reply), "sequence": None})


def deploy(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
    """Swapped in between two packets, at once or where it is planned: what was prepared, or the object at a path."""
    sequence = whole(arguments, "at_sequence", 2**48 - 1) if "at_sequence" in arguments else 0
    at_ns = whole(arguments, "at_ns", 2**55) if "at_ns" in arguments else 0
    if sequence and at_ns:
        raise Wrong("at_sequence, at_ns: one of them")
    if "generation" in arguments:
        loaded = waiting(desk, arguments)
        detail = {"name": loaded.name, "version": loaded.version, "generation": loaded.generation}
    else:
        loaded, detail, why = loaded_by(desk, arguments)
        if loaded is None:
            return Reply(exit=REFUSED, message=f"not deployed: {why}", detail=detail)
    name = f"{loaded.name} {loaded.version}"
    refused = f"{name}: the engine cannot swap its strategy now"
    if sequence or at_ns:
        desk.prepared[loaded.generation] = loaded
        command, when = ("deploy_at", sequence) if sequence else ("deploy_when", at_ns)
        reply = acknowledged(desk.post(command, when << 8 | loaded.slot), f"{name} is planned", refused)
        detail["planned"] = {"sequence": sequence} if sequence else {"at_ns": at_ns}
        return Reply(**{**vars(reply), "sequence": None, "detail": detail})
    answer = desk.post("deploy", loaded.slot)
    if answer is not None:
        desk.prepared.pop(loaded.generation, None)
    if answer is not None and not answer.done:
        with desk.mailbox:
            desk.hands.reclaim(loaded.slot)
    reply = acknowledged(answer, f"{name} is active", refused)
    return Reply(**{**vars(reply), "detail": detail})


def roll_back(desk: Desk, _arguments: Mapping[str, Any]) -> Reply:
    answer = desk.post("rollback")
    active = desk.hands.report()["active"]["name"]
    return acknowledged(answer, f"{active} is active", "the built-in strategy has none before it")


# ---- lines ----


def line(command: str) -> Callable[[Desk, Mapping[str, Any]], Reply]:
    def run(desk: Desk, arguments: Mapping[str, Any]) -> Reply:
        name = text(arguments, "line").upper()
        if name not in LINES:
            raise Wrong(f"line: {name} is neither A nor B")
        done = "is heard" if command == "line_enable" else "is not heard"
        return acknowledged(desk.post(command, LINES[name]), f"line {name} {done}", "no such line")

    return run


# ---- looking ----


def state(desk: Desk, _arguments: Mapping[str, Any]) -> Reply:
    report = desk.report()
    strategies = desk.hands.report()
    off = desk.hands.lines_off
    detail = {
        "feed": report["feed"]["state"],
        "session": report["session"]["state"],
        "killed": desk.hands.killed,
        "lines": {name: not off >> bit & 1 for name, bit in LINES.items()},
        "strategy": strategies["active"],
        "previous": strategies["previous"]["name"],
        "changes": strategies["changes"][-5:],
    }
    active = strategies["active"]
    message = f"feed {detail['feed']}, session {detail['session']}, {active['name']} {active['version']}"
    return Reply(exit=DONE, message=message + (", KILLED" if detail["killed"] else ""), detail=detail)


def counters(desk: Desk, _arguments: Mapping[str, Any]) -> Reply:
    report = desk.report()
    names = ("loop", "risk", "orders", "decode", "decisions", "strategies")
    detail = {name: report[name] for name in names}
    loop = report["loop"]
    return Reply(
        exit=DONE, message=f"{loop['triggers']} triggers, {loop['orders']} orders sent", detail=detail
    )


def health(desk: Desk, _arguments: Mapping[str, Any]) -> Reply:
    report = desk.report()
    wrong = []
    age_ns = time.monotonic_ns() - desk.hands.heartbeat_ns
    if age_ns > STALE_NS:
        wrong.append(f"no sign of life for {age_ns / 1e9:.1f} s")
    if report["feed"]["state"] != "LIVE":
        wrong.append(f"feed {report['feed']['state']}")
    if str(report["session"]["state"]).upper() != "UP":
        wrong.append(f"order session {report['session']['state']}")
    if not report["book"]["complete"]:
        wrong.append("book incomplete")
    if desk.hands.killed:
        wrong.append("killed")
    if desk.hands.lines_off:
        wrong.append("a line is switched off")
    detail = {"heartbeat_age_ns": age_ns, "wrong": wrong}
    return Reply(exit=REFUSED if wrong else DONE, message="; ".join(wrong) or "healthy", detail=detail)


HANDLERS: dict[str, Handler] = {
    "kill all": Handler(roles=OPERATING, run=kill_all),
    "kill symbol": Handler(roles=OPERATING, run=kill_symbol),
    "kill strategy": Handler(roles=OPERATING, run=kill_strategy),
    "rearm": Handler(roles=LIMITING, run=rearm),
    "limits": Handler(roles=LIMITING, run=limits),
    "strategy prepare": Handler(roles=DEPLOYING, run=prepare),
    "strategy discard": Handler(roles=DEPLOYING, run=discard),
    "strategy deploy": Handler(roles=DEPLOYING, run=deploy),
    "strategy rollback": Handler(roles=OPERATING, run=roll_back),
    "wire switch": Handler(roles=CHANGING, run=wire_switch),
    "line enable": Handler(roles=CHANGING, run=line("line_enable")),
    "line disable": Handler(roles=CHANGING, run=line("line_disable")),
    "state": Handler(roles=ALL, run=state, changes=False),
    "counters": Handler(roles=ALL, run=counters, changes=False),
    "health": Handler(roles=ALL, run=health, changes=False),
}
