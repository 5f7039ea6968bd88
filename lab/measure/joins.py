"""The engine's snapshot joins in; the same in order of their positions, with spans that never overlap, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.measure.data import Join

__all__ = ["disjoint"]


def disjoint(joins: Sequence[Join]) -> tuple[Join, ...]:
    """What the oracle can replay, whatever an engine reports.

    A snapshot that ends before messages that had been delivered already, as one of a wrong number does, skipped
    none of them.
    """
    result: list[Join] = []
    for join in sorted(joins, key=lambda one: (one.sequence, not one.emptied)):
        delivered = result[-1].sequence if result else 0
        result.append(replace(join, skipped_from=min(max(join.skipped_from, delivered), join.sequence)))
    return tuple(result)
