"""The engine's account of its wires goes in; how often, why and how fast it changed them comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CAUSES", "wires_block"]

CAUSES = ("command", "connection_lost", "program_gone", "wire_down", "stalled")


def wires_block(wires: Mapping[str, Any]) -> dict[str, Any]:
    """``orders`` and ``lines``; empty when the engine left no account."""
    if not wires:
        return {}
    orders, lines = wires["order_changes"], wires["line_changes"]
    resumed = [row for row in orders if row["up_ns"]]
    done = [row for row in lines if row["done_ns"]]
    return {
        "in_use": wires["orders"],
        "orders": {
            "changes": wires["order_change_count"],
            "resumed": len(resumed),
            "attempts_max": max((row["attempts"] for row in orders), default=0),
            "resume_max_ns": max((row["up_ns"] - row["at_ns"] for row in resumed), default=0),
            "causes": causes(orders),
        },
        "lines": {
            "changes": wires["line_change_count"],
            "done": len(done),
            "change_max_ns": max((row["done_ns"] - row["at_ns"] for row in done), default=0),
            "causes": causes(lines),
        },
        "bypass": dict(wires["bypass"]),
        "dpdk": dict(wires.get("dpdk", {})),
    }


def causes(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {cause: sum(row["cause"] == cause for row in rows) for cause in CAUSES}
