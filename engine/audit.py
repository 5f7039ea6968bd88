"""The audit trail: what was commanded, changed, tripped and sent goes in; a hash-chained file of JSON lines comes out.

A line is one record in canonical JSON (keys sorted, no spaces, ASCII), ended by a newline:

    {"detail":{...},"hash":H,"kind":K,"n":N,"prev":P,"time_ns":T,"who":W}

``n`` counts from 0; ``prev`` is the hash of the record before it (64 zeros for the first); ``hash`` is the sha256 of
the record without ``hash``. The first record is the ``head`` with the run's id, the last the ``seal`` with the
number of records before it. So an edited, removed, added, moved or repeated record breaks the chain where it stands,
and a file that was cut off has no seal. Whoever rewrites the whole chain changes the seal's hash, which engine.json
and manifest.json know. Cold path: the engine's thread never comes here.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["AuditProblem", "AuditTrail", "AuditVerdict", "verify"]

FORMAT = 1
FIRST = "0" * 64
HEAD, SEAL = "head", "seal"
FIELDS = {"n", "time_ns", "kind", "who", "detail", "prev", "hash"}


def canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(record: Mapping[str, Any]) -> str:
    """sha256 of a record, its own hash left out."""
    content = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


class AuditTrail:
    """Appends records to a file that is made anew; each is in the kernel's hands when ``append`` returns."""

    def __init__(self, path: Path, *, run: str | None = None) -> None:
        self._file = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        self._count, self._last = 0, FIRST
        self._sealed = False
        self.append(HEAD, {"format": FORMAT, "run": run or secrets.token_hex(8)}, who="engine")

    def append(
        self, kind: str, detail: Mapping[str, Any], *, who: str = "engine", time_ns: int | None = None
    ) -> None:
        """``time_ns`` is CLOCK_MONOTONIC, now when it is not given. ValueError after the seal."""
        with self._lock:
            if self._sealed:
                raise ValueError("the audit trail is sealed")
            record: dict[str, Any] = {
                "n": self._count,
                "time_ns": time.monotonic_ns() if time_ns is None else time_ns,
                "kind": kind,
                "who": who,
                "detail": dict(detail),
                "prev": self._last,
            }
            record["hash"] = digest(record)
            data = canonical(record).encode() + b"\n"
            while data:
                data = data[self._file.write(data) :]
            self._count += 1
            self._last = str(record["hash"])

    def seal(self) -> str:
        """The last record; returns its hash, for whoever keeps it elsewhere."""
        self.append(SEAL, {"records": self._count}, who="engine")
        self._sealed = True
        os.fsync(self._file.fileno())
        self._file.close()
        return self._last


@dataclass(frozen=True, kw_only=True)
class AuditProblem:
    """What is wrong with the trail, in which record and where it stands: line from 1, offset in bytes from 0."""

    what: str
    record: int
    line: int
    offset: int

    def __str__(self) -> str:
        return f"record {self.record} (line {self.line}, offset {self.offset}): {self.what}"


@dataclass(frozen=True, kw_only=True)
class AuditVerdict:
    """``problem`` None: every record is there, in its order and as it was written, and the seal holds."""

    records: int
    run: str
    seal: str
    problem: AuditProblem | None

    def to_json(self) -> dict[str, Any]:
        problem = self.problem and {
            "what": self.problem.what,
            "record": self.problem.record,
            "line": self.problem.line,
            "offset": self.problem.offset,
        }
        return {"records": self.records, "run": self.run, "seal": self.seal, "problem": problem}


def read_line(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None when it is not one in canonical form."""
    try:
        record = json.loads(line)
        if not isinstance(record, dict) or set(record) != FIELDS or not isinstance(record["n"], int):
            return None
        return record if canonical(record).encode() == line else None
    except (ValueError, RecursionError):
        return None


def verify(path: Path) -> AuditVerdict:
    """Reads the trail to its first fault. OSError when there is no such file."""
    content = path.read_bytes()
    lines = content.split(b"\n")
    complete = lines.pop() == b""
    records = [read_line(line) for line in lines]
    numbers = {record["n"]: index for index, record in reversed(list(enumerate(records))) if record}
    problem, last, offset = None, FIRST, 0
    for index, record in enumerate(records):
        what = fault(records, index, record, last, numbers)
        if what:
            problem = AuditProblem(what=what, record=index, line=index + 1, offset=offset)
            break
        assert record is not None
        last = record["hash"]
        offset += len(lines[index]) + 1
    if problem is None:
        what = end_fault(records, complete, len(content))
        if what:
            at = len(records)
            problem = AuditProblem(what=what, record=at, line=at + 1, offset=offset)
    head = records[0] if records else None
    run = str(head["detail"].get("run", "")) if head and isinstance(head["detail"], dict) else ""
    return AuditVerdict(records=len(records), run=run, seal="" if problem else last, problem=problem)


def fault(
    records: list[dict[str, Any] | None],
    index: int,
    record: dict[str, Any] | None,
    last: str,
    numbers: Mapping[int, int],
) -> str:
    """What is wrong with the record at ``index``, whose predecessors are all right; empty when nothing is."""
    if record is None:
        return "edited: the line is no record in canonical form"
    number = record["n"]
    if digest(record) != record["hash"]:
        return "edited: its content does not give its hash"
    if number != index:
        if 0 <= number < index:
            return f"record {number} stands here once more: repeated"
        if index in numbers:
            return f"reordered: record {number} stands here, record {index} on line {numbers[index] + 1}"
        return f"removed: record {number} stands here"
    if record["prev"] != last:
        before = index - 1
        return f"edited: it follows another record {before} than the one before it" if index else "edited"
    if (record["kind"] == HEAD) != (index == 0):
        return "the head is not the first record"
    if record["kind"] == SEAL:
        if not isinstance(record["detail"], dict) or record["detail"].get("records") != index:
            return "the seal counts other records"
        if index != len(records) - 1:
            return "records follow the seal"
    return ""


def end_fault(records: list[dict[str, Any] | None], complete: bool, size: int) -> str:
    if size == 0:
        return "truncated: the file is empty"
    if not complete:
        return "truncated: the last line has no end"
    if records[-1] is None or records[-1]["kind"] != SEAL:
        return "truncated: there is no seal"
    return ""
