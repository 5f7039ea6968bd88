"""A journal's bytes go in; its records, what is wrong with it, or the outcome of running it again come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine._engine import ffi, lib
from engine.binding import Runner, fields, text

__all__ = [
    "JournalProblem",
    "LoadedObject",
    "Record",
    "gate_state",
    "journal_problem",
    "journal_records",
    "journal_table",
    "kind_name",
    "replay_journal",
    "session_names",
    "transition_names",
]

NO_END = ALL_KINDS = 2**64 - 1
Buffer = bytes | memoryview


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record as it stands in the file; ``kind`` is enum journal_kind."""

    number: int
    offset: int
    kind: int
    flags: int
    time_ns: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class JournalProblem:
    """The first thing that is wrong with a journal: what, and where it stands."""

    what: str
    record: int
    offset: int


def kind_name(kind: int) -> str:
    return text(lib.journal_kind_name(kind))


def transition_names(before: int, after: int, cause: int) -> dict[str, str]:
    """A feed transition's numbers in words."""
    return {
        "before": text(lib.feed_state_name(before)).upper(),
        "after": text(lib.feed_state_name(after)).upper(),
        "cause": text(lib.feed_cause_name(cause)),
    }


def session_names(state: int, cause: int) -> dict[str, str]:
    """An order session's state and cause in words."""
    return {"state": text(lib.soupbin_state_name(state)), "cause": text(lib.soupbin_cause_name(cause))}


def gate_state(runner: Runner) -> dict[str, Any]:
    """The risk gate as it is now: limits, and the kill switch as the gate last saw it."""
    return {
        "limits": fields(runner.engine.risk.limits),
        "kill_switch": bool(runner.engine.kill.value),
    }


class Reader:
    """Reads on until something is wrong; ``outcome`` says what, or that all was read."""

    def __init__(self, journal: Buffer, kinds: Iterable[int] | None = None) -> None:
        self._kinds = ALL_KINDS if kinds is None else sum(1 << kind for kind in kinds)
        self._data = ffi.from_buffer(journal)
        self._reader, self._view = ffi.new("struct journal_reader *"), ffi.new("struct journal_view *")
        self.outcome = lib.journal_read_open(self._reader, ffi.cast("uint8_t *", self._data), len(self._data))

    def __iter__(self) -> Iterator[Any]:
        while self.outcome == lib.JOURNAL_READ_RECORD:
            self.outcome = lib.journal_read_kinds(self._reader, self._view, self._kinds)
            if self.outcome == lib.JOURNAL_READ_RECORD:
                yield self._view

    @property
    def problem(self) -> JournalProblem | None:
        if self.outcome == lib.JOURNAL_READ_DONE:
            return None
        what = text(lib.journal_outcome_name(self.outcome))
        return JournalProblem(what=what, record=int(self._reader.number), offset=int(self._reader.offset))


def journal_records(journal: Buffer, kinds: Iterable[int] | None = None) -> Iterator[Record]:
    """Every record, or those of some kinds, up to the end or up to the first that is wrong."""
    for view in Reader(journal, kinds):
        yield Record(
            number=int(view.number),
            offset=int(view.offset),
            kind=int(view.kind),
            flags=int(view.flags),
            time_ns=int(view.time_ns),
            data=bytes(ffi.buffer(view.bytes, view.length)),
        )


def journal_problem(journal: Buffer) -> JournalProblem | None:
    """The first thing wrong with a journal, None when every record is as it was written and the end is there."""
    reader = Reader(journal, ())
    for _ in reader:
        pass
    return reader.problem


def journal_table(journal: Buffer, generation: int) -> bytes | None:
    """A table of limits that the journal has, in binary form."""
    data, table = ffi.from_buffer(journal), ffi.new("struct risk_table *")
    if not lib.replay_find_table(ffi.cast("uint8_t *", data), len(data), generation, table):
        return None
    return bytes(ffi.buffer(table))


def shown(record: Any) -> dict[str, Any] | None:
    """A record of a replay's result, None when there was none."""
    if record.kind == 0:
        return None
    length = int(record.length)
    return {
        "kind": kind_name(record.kind),
        "flags": int(record.flags),
        "length": length,
        "bytes": bytes(record.bytes[0 : min(length, len(record.bytes))]),
    }


@dataclass(frozen=True, kw_only=True)
class LoadedObject:
    """A strategy's shared object that the journal names, and where a file with the same content is."""

    generation: int
    path: Path
    parameters: Mapping[str, int]


def c_parameters(parameters: Mapping[str, int]) -> tuple[Any, ...]:
    """``struct tailgate_parameters *``, and what it points to."""
    items = ffi.new("struct tailgate_parameter[]", len(parameters) or 1)
    for item, (name, value) in zip(items, parameters.items(), strict=False):
        item.name, item.value = name.encode(), value
    return ffi.new("struct tailgate_parameters *", {"count": len(parameters), "items": items}), items


def replay_journal(
    runner: Runner, journal: Buffer, until: int | None, objects: Sequence[LoadedObject] = ()
) -> dict[str, Any]:
    """``struct replay_result`` of a journal run through an engine that has done nothing yet."""
    result, options = ffi.new("struct replay_result *"), ffi.new("struct replay_options *")
    data = ffi.from_buffer(journal)
    rows, keep = ffi.new("struct replay_object[]", len(objects) or 1), []
    for row, known in zip(rows, objects, strict=False):
        keep += [ffi.new("char[]", str(known.path).encode()), *c_parameters(known.parameters)]
        row.generation, row.path, row.parameters = known.generation, keep[-3], keep[-2]
    options.until = NO_END if until is None else until
    options.objects, options.object_count = rows, len(objects)
    lib.replay_run(runner.engine, runner.mdp3, ffi.cast("uint8_t *", data), len(data), options, result)
    return {
        **fields(result[0]),
        "outcome": text(lib.replay_outcome_name(result.outcome)),
        "journal_outcome": text(lib.journal_outcome_name(result.journal_outcome)),
        "expected": shown(result.expected),
        "given": shown(result.given),
    }
