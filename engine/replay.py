"""A journal goes in; the same C code runs again, and "equal", the first difference or the state at a message comes out.

The verdict is about the engine as it is built now: a journal that another build recorded may differ with good
reason, and says so (``same_library``).
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.binding import OBJECTS, EngineError, Runner
from engine.config import EngineConfig
from engine.identity import library_digest
from engine.journal_binding import (
    JournalProblem,
    LoadedObject,
    Record,
    gate_state,
    journal_problem,
    journal_records,
    journal_table,
    kind_name,
    replay_journal,
)
from engine.venue import Mdp3Runner, runner_for

__all__ = ["JournalUnreadableError", "Replay", "replay"]

CONFIG = 1
DAMAGED = ("damaged", "bytes behind the end", "unknown kind")
SENT = 32
COMMAND = 20
OPERATOR = 14
OBJECT = 41
FIRST_GENERATION = 1
TABLE = 25
COMMANDS = (COMMAND, OPERATOR, TABLE)
SWITCHES = {1: "kill all", 2: "killed symbols", 3: "killed strategies", 5: "cancel all"}
GATE_COMMAND = 4
GATE_COMMANDS = {1: "cancel all", 2: "cancel symbol", 3: "cancel strategy", 4: "re-arm"}
OPERATED = {
    0: "none",
    1: "deploy",
    2: "roll back",
    3: "enable line",
    4: "disable line",
    5: "deploy at",
    6: "deploy when",
    7: "unplan",
}
LAST = 10
COUNTS: tuple[str, ...] = ("records", "steps", "outputs", "checkpoints", "orders", "delivered", "position")
COUNTS = (*COUNTS, "order_hash", "book_hash", "decision_hash", "book_digest")
BUSIEST = 5
SNAPSHOT_STREAM = 64


class JournalUnreadableError(EngineError):
    """The file is no journal of this version, or the record that it must begin with is not there or not whole."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """``outcome``: equal, different, unreadable, lossy or stopped. ``counts`` are those of struct replay_result."""

    outcome: str
    counts: Mapping[str, int]
    same_library: bool
    problem: str
    state: Mapping[str, Any] | None
    damaged: bool

    @property
    def exit_code(self) -> int:
        """0 equal, also as far as asked; 1 different, or the file was changed; 2 nobody can tell."""
        return 1 if self.damaged else {"equal": 0, "stopped": 0, "different": 1}.get(self.outcome, 2)

    def to_json(self) -> dict[str, Any]:
        hashes = ("order_hash", "book_hash", "decision_hash", "book_digest")
        counts = {name: f"{value:016x}" if name in hashes else value for name, value in self.counts.items()}
        known = {"outcome": self.outcome, "problem": self.problem or None, "same_library": self.same_library}
        return {**known, **counts, **({"state": dict(self.state)} if self.state is not None else {})}


def replay(path: Path, *, until: int | None = None, symbols: tuple[int, ...] = ()) -> Replay:
    """Runs the journal at ``path`` again; with ``until`` (a position of the feed) only so far, and shows the state.

    JournalUnreadableError when there is nothing to run; whatever else is wrong is in the result.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise JournalUnreadableError(f"{path}: not a journal (record 0, offset 0): the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as journal:
            return run(path, journal, until, symbols)


def run(path: Path, journal: memoryview, until: int | None, symbols: tuple[int, ...]) -> Replay:
    first = next(journal_records(journal), None)
    if first is None:
        return unreadable(path, journal_problem(journal))
    if first.kind != CONFIG:
        raise JournalUnreadableError(
            f"{path}: record 0: begins with {kind_name(first.kind)}, not with config"
        )
    config, library = begun_with(path, first)
    table = journal_table(journal, FIRST_GENERATION)
    if table is None:
        problem = journal_problem(journal)
        if problem is None:
            raise JournalUnreadableError(f"{path}: the limits that the engine began with are not in it")
        return unreadable(path, problem)
    runner = runner_for(config, wired=False, first_table=table)
    try:
        result = replay_journal(runner, journal, until, objects_of(path, journal))
        expected, given = result.pop("expected"), result.pop("given")
        outcome, journal_outcome = result.pop("outcome"), result.pop("journal_outcome")
        state = state_of(runner, journal, result, symbols) if until is not None else None
    finally:
        runner.close()
    return Replay(
        outcome=outcome,
        counts=result,
        same_library=library == library_digest(),
        problem=sentence(outcome, journal_outcome, result, expected, given),
        state=state,
        damaged=outcome == "unreadable" and journal_outcome in DAMAGED,
    )


def objects_of(path: Path, journal: memoryview) -> list[LoadedObject]:
    """Every shared object that was loaded, with a file of the same content. JournalUnreadableError: there is none."""
    found = []
    for record in journal_records(journal, (OBJECT,)):
        known = json.loads(record.data)
        places = (
            path.parent / OBJECTS / f"{known['sha256']}.so",
            *path.parent.glob(f"raw/*/engine/{OBJECTS}/{known['sha256']}.so"),
            Path(known["source"]),
        )
        file = next((place for place in places if digest_of(place) == known["sha256"]), None)
        if file is None:
            raise JournalUnreadableError(
                f"{path}: record {record.number}: strategy {known['name']} {known['version']} with sha256 "
                f"{known['sha256']} is neither beside the journal nor at {known['source']}"
            )
        found.append(LoadedObject(generation=known["generation"], path=file, parameters=known["parameters"]))
    return found


def digest_of(path: Path) -> str:
    """The file's sha256; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def unreadable(path: Path, problem: JournalProblem | None) -> Replay:
    """Header or first record are not as they were written; JournalUnreadableError when this never was a journal."""
    if problem is None or problem.what not in (*DAMAGED, "truncated"):
        raise JournalUnreadableError(f"{path}: {problem.what if problem else 'no records'} (offset 0)")
    counts = {"number": problem.record, "offset": problem.offset, "time_ns": 0, "lost": 0}
    return Replay(
        outcome="unreadable",
        counts={**dict.fromkeys(COUNTS, 0), **counts},
        same_library=True,
        problem=sentence("unreadable", problem.what, counts, None, None),
        state=None,
        damaged=problem.what in DAMAGED,
    )


def begun_with(path: Path, first: Record) -> tuple[EngineConfig, str]:
    """The recorded configuration without the parts that would touch the world, and the recorder's library."""
    try:
        content = json.loads(first.data)
        config = EngineConfig.model_validate_json(json.dumps(content["config"]))
        library = str(content["library"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise JournalUnreadableError(f"{path}: record 0: no configuration of this version: {why}") from error
    harmless = {"journal": None, "control": None, "ctl": None, "output": None, "cpu": None}
    return config.model_copy(update=harmless), library


def sentence(
    outcome: str,
    journal_outcome: str,
    result: Mapping[str, int],
    expected: Mapping[str, Any] | None,
    given: Mapping[str, Any] | None,
) -> str:
    """What kept the replay from being equal, and where; empty when nothing did."""
    where = f"record {result['number']}, offset {result['offset']}, time {result['time_ns']} ns"
    if outcome == "unreadable":
        return f"{where}: journal {journal_outcome}"
    if outcome == "no object":
        return f"{where}: the strategy that was deployed here could not be loaded"
    if outcome == "lossy":
        return f"{where}: {result['lost']} records found the ring full and are missing"
    if outcome == "different":
        return f"{where}: the journal has {told(expected)}, the replay gave {told(given)}"
    return ""


def told(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "nothing"
    data = bytes(record["bytes"])
    more = "..." if record["length"] > len(data) else ""
    return f"{record['kind']} (flags {record['flags']}, {record['length']} bytes) {data.hex()}{more}"


def state_of(
    runner: Runner, journal: memoryview, result: Mapping[str, int], symbols: tuple[int, ...]
) -> dict[str, Any]:
    """Book, positions, limits, feed, last commands and last orders where the replay ended."""
    if isinstance(runner, Mdp3Runner):
        return state_of_mdp3(runner, result)
    report = runner.report()
    book = runner.book()
    counts: dict[int, int] = {}
    for symbol in book["symbol"].tolist():
        counts[symbol] = counts.get(symbol, 0) + 1
    shown = symbols or tuple(sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:BUSIEST])
    commands: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for record in journal_records(journal, (*COMMANDS, SENT)):
        if record.number >= result["number"]:
            break
        if record.kind in COMMANDS:
            commands.append({"time_ns": record.time_ns, **command_told(record)})
        elif record.kind == SENT and not record.flags & SNAPSHOT_STREAM and record.data[2:4] == b"UO":
            orders.append({"time_ns": record.time_ns, "token": record.data[4:18].decode("ascii", "replace")})
    return {
        "position": result["position"],
        "time_ns": result["time_ns"],
        "feed": {"state": runner.feed_state, "transitions": report["transitions"][-LAST:]},
        "book": [
            {"symbol": symbol, "orders": counts.get(symbol, 0), **top(runner, symbol)} for symbol in shown
        ],
        "book_orders": len(book),
        "positions": report["positions"],
        **gate_state(runner),
        "risk": report["risk"],
        "last_commands": commands[-LAST:],
        "last_orders": orders[-LAST:],
    }


def state_of_mdp3(runner: Mdp3Runner, result: Mapping[str, int]) -> dict[str, Any]:
    """Books by price and feed: the venue is market data only."""
    channel = runner.channel
    books = [
        {"security": security, "state": channel.instrument_state(security), **channel.book(security)}
        for security in channel.securities[:BUSIEST]
    ]
    return {
        "position": result["position"],
        "time_ns": result["time_ns"],
        "feed": {"state": runner.feed_state, "transitions": runner.report()["transitions"][-LAST:]},
        "books": books,
        "market_data_only": True,
    }


def command_told(record: Record) -> dict[str, Any]:
    """A record of what an operator did, in words."""
    data = record.data
    if record.kind == OPERATOR:
        number, kind, argument = struct.unpack_from("<IIQ", data)
        return {"command": OPERATED.get(kind, str(kind)), "value": argument, "number": number}
    if record.kind == TABLE:
        held, _, generation = struct.unpack_from("<QQI", data)
        return {"command": "limits" if held & 3 else "limits withdrawn", "value": generation}
    name, index, value = struct.unpack_from("<IIQ", data)
    if name == GATE_COMMAND:
        return {"command": GATE_COMMANDS.get(value & 0xFF, str(value & 0xFF)), "value": value >> 8 & 0xFFFF}
    return {"command": SWITCHES.get(name, str(name)), "value": value, "index": index}


def top(runner: Runner, symbol: int) -> dict[str, int]:
    bid_price, bid_shares, ask_price, ask_shares = runner.top(symbol)
    return {
        "bid_price": bid_price,
        "bid_shares": bid_shares,
        "ask_price": ask_price,
        "ask_shares": ask_shares,
    }
