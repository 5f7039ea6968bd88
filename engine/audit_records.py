"""A finished run goes in; its state changes, commands, trips and orders go into the audit trail, in their order.

They are taken from the journal, or where there is none from what the engine remembers, so that the engine's thread
writes nothing for the trail while it runs. Orders come in batches of one record.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.audit import AuditTrail
from engine.binding import Runner
from engine.journal_binding import Record, journal_records, session_names, transition_names

__all__ = ["append_run"]

COMMAND, SENT, TRANSITION, SESSION, LOST, END = 20, 32, 34, 35, 48, 49
KINDS = (COMMAND, SENT, TRANSITION, SESSION, LOST, END)
TAKEN, SNAPSHOT_STREAM = 8, 64
ORDERS_MAX = 256  # in one record
ENTER_BYTES = 52
COMMANDS = {1: "kill_switch"}
TRANSITION_ROW = struct.Struct("<QQBBB5x")


def append_run(trail: AuditTrail, runner: Runner, journal: Path | None) -> None:
    """Everything that the engine did, up to its end."""
    if journal is None:
        append_remembered(trail, runner)
        return
    with (
        journal.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        append_journal(trail, journal_records(data, KINDS))


def append_journal(trail: AuditTrail, records: Iterator[Record]) -> None:
    batch: list[dict[str, Any]] = []
    for record in records:
        if record.kind == SENT and not record.flags & SNAPSHOT_STREAM and record.data[2:3] == b"U":
            batch.append(order(record))
            if len(batch) < ORDERS_MAX:
                continue
        if batch and (record.kind != SENT or len(batch) == ORDERS_MAX):
            trail.append("orders", {"orders": batch}, time_ns=batch[0]["time_ns"])
            batch = []
        kind, detail = told(record)
        if kind:
            trail.append(kind, detail, time_ns=record.time_ns)
    if batch:
        trail.append("orders", {"orders": batch}, time_ns=batch[0]["time_ns"])


def told(record: Record) -> tuple[str, dict[str, Any]]:
    """The audit record of a journal record other than an order; an empty kind when it is none."""
    if record.kind == COMMAND:
        name, value = struct.unpack_from("<II", record.data)
        trips = {"record": record.number, "command": COMMANDS.get(name, str(name)), "value": value}
        return ("trip" if value else "command"), trips
    if record.kind == TRANSITION:
        _, sequence, before, after, cause = TRANSITION_ROW.unpack_from(record.data)
        names = transition_names(before, after, cause)
        return "feed_state", {**names, "sequence": sequence}
    if record.kind == SESSION:
        return "order_session", session_names(record.data[0], record.data[1])
    if record.kind == LOST:
        return "journal_lost", {"records": int.from_bytes(record.data, "little")}
    return "", {}


def order(record: Record) -> dict[str, Any]:
    """One packet of the order stream: an Enter Order field by field, anything else as its bytes."""
    data = record.data
    row: dict[str, Any] = {
        "time_ns": record.time_ns,
        "taken": bool(record.flags & TAKEN),
        "type": data[3:4].decode("latin-1"),
    }
    if len(data) != ENTER_BYTES or data[3:4] != b"O":
        return {**row, "bytes": data.hex()}
    return {
        **row,
        "token": data[4:18].decode("latin-1"),
        "side": data[18:19].decode("latin-1"),
        "shares": int.from_bytes(data[19:23], "big"),
        "stock": data[23:31].decode("latin-1").rstrip(),
        "price": int.from_bytes(data[31:35], "big"),
    }


def append_remembered(trail: AuditTrail, runner: Runner) -> None:
    """Without a journal: the feed's transitions, then the decisions that led to an order."""
    for change in runner.report()["transitions"]:
        at_ns = change.pop("at_ns")
        trail.append("feed_state", change, time_ns=at_ns)
    rows = runner.decisions()
    rows = rows[rows["reason"] == 0]
    for first in range(0, len(rows), ORDERS_MAX):
        batch = [
            {
                "time_ns": int(row["tx_ns"]),
                "trigger_sequence": int(row["trigger_sequence"]),
                "symbol": int(row["symbol"]),
                "side": row["side"].decode("latin-1"),
                "shares": int(row["shares"]),
                "price": int(row["price"]),
            }
            for row in rows[first : first + ORDERS_MAX]
        ]
        trail.append("orders", {"orders": batch}, time_ns=batch[0]["time_ns"])
