"""Snapshot joins and sessions in; every place of the stream where the engine began anew out, for the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.measure.data import Join, Session

__all__ = ["begun_anew"]


def begun_anew(joins: Sequence[Join], sessions: Sequence[Session], *, rolls: int) -> tuple[Join, ...]:
    """The joins in order of their positions, and the sessions that the engine followed without one.

    ``rolls`` is how many new sessions it followed. A session that no snapshot opened begins with an empty book,
    whatever stood in the one before. Spans never overlap: a join behind messages that had been delivered before
    skipped none of them again.
    """
    found = sorted(joins, key=lambda join: join.sequence)
    for session in sessions:
        first = session.first_position
        opened = any(join.skipped_from <= first < join.sequence or join.sequence == first for join in joins)
        if 0 < session.ordinal <= rolls and not opened and session.last_position >= first:
            found.append(Join(sequence=first, skipped_from=first, at_ns=0, emptied=True))
    found.sort(key=lambda join: (join.sequence, not join.emptied))
    result: list[Join] = []
    for join in found:
        delivered = result[-1].sequence if result else 0
        result.append(replace(join, skipped_from=min(max(join.skipped_from, delivered), join.sequence)))
    return tuple(result)
