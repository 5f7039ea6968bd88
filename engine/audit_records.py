"""A finished run goes in; its state changes, risk records and orders go into the audit trail.

They are taken from what the engine remembers, so that its thread writes nothing for the trail while it runs: first what
changed, by time, then the orders as they left, in batches of one record. ``time_ns`` of a record is when it
happened, so it may lie before that of the record in front of it. What the engine's logs could not hold is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.audit import AuditTrail
from engine.binding import Runner
from engine.config import EngineConfig
from engine.identity import config_digest, library_digest
from engine.venue import Mdp3Runner

__all__ = ["append_run", "begin_trail"]

ORDERS_MAX = 256  # in one record


def trail_path(config: EngineConfig) -> Path | None:
    """Where the control socket wants it, else beside the results; None: nobody asked for any."""
    if config.ctl:
        return config.ctl.audit
    return config.output / "audit.jsonl" if config.output else None


def begin_trail(config: EngineConfig) -> AuditTrail | None:
    """The trail of a run with its first records. OSError when it cannot be written."""
    path = trail_path(config)
    if path is None:
        return None
    trail = AuditTrail(path)
    limits = config.risk.model_dump(mode="json")
    trail.append("start", {"config": config_digest(config), "library": library_digest(), "limits": limits})
    return trail


def append_run(trail: AuditTrail, runner: Runner) -> None:
    """Everything that the engine did by itself, up to its end."""
    report = runner.report()
    if isinstance(runner, Mdp3Runner):
        trail.append("stop", {"market_data_only": True, "feed": report["feed"]["state"]})
        return
    for time_ns, kind, detail in sorted(changes(report), key=lambda change: change[0]):
        trail.append(kind, detail, time_ns=time_ns)
    for batch in orders(runner):
        trail.append("orders", {"orders": batch}, time_ns=batch[0]["time_ns"])
    lost = {
        "feed_states": report["transitions_lost"],
        "risk": report["risk_state"]["records_lost"],
        "orders": report["decisions"]["lost"],
    }
    stop = {"orders": report["loop"]["orders"], "positions": report["positions"], "lost": lost}
    trail.append("stop", stop)


def changes(report: Mapping[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(when, kind of record, detail) of what the engine remembers, orders left out."""
    for row in report["transitions"]:
        yield row["at_ns"], "feed_state", without_time(row)
    for row in report["risk_state"]["records"]:
        detail = {**without_time(row), "change": row["kind"]}
        del detail["kind"]
        yield row["at_ns"], "trip" if row["kind"] == "trip" else "risk", detail
    for name, kind in (("line_changes", "line_wire"), ("order_changes", "order_wire")):
        for row in report["wires"][name]:
            yield row["at_ns"], kind, without_time(row)


def without_time(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "at_ns"}


def orders(runner: Runner) -> Iterator[list[dict[str, Any]]]:
    """The decisions that led to an order, in batches."""
    rows = runner.decisions()
    rows = rows[rows["reason"] == 0]
    for first in range(0, len(rows), ORDERS_MAX):
        yield [
            {
                "time_ns": int(row["tx_ns"]),
                "trigger_sequence": int(row["trigger_sequence"]),
                "ordinal": int(row["ordinal"]),
                "symbol": int(row["symbol"]),
                "side": row["side"].decode("latin-1"),
                "shares": int(row["shares"]),
                "price": int(row["price"]),
            }
            for row in rows[first : first + ORDERS_MAX]
        ]
