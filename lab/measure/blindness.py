"""The engine's own record of its feed in; the stretches of time in which it was blind out.

Blind is what is neither LIVE nor ENDED, from the first LIVE on. The transitions say it exactly; when the engine
could not remember them all, its episodes do, and when those are incomplete too, ``complete`` is False.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.measure.data import EngineReport, Episode, Transition

__all__ = ["Blindness", "Stretch", "blindness_of"]

IN_SYNC = ("LIVE", "ENDED")
SILENCE = frozenset({"DOWN"})
SAME_NS = 1_000_000  # an episode's and a transition's stamp of the same moment are this near


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """LIVE was left at ``left_ns`` and reached again at ``until_ns``, unless ``recovered`` is False.

    ``first_sequence`` is the position that was wanted next when LIVE was left, ``messages`` how many were
    declared missing (0: not known), ``way`` what brought them, ``silent`` that nothing but the lines' silence
    was wrong.
    """

    left_ns: int
    until_ns: int
    recovered: bool
    cause: str
    first_sequence: int = 0
    messages: int = 0
    way: str = ""
    silent: bool = False

    @property
    def length_ns(self) -> int:
        return self.until_ns - self.left_ns

    def to_json(self) -> dict[str, int | str | bool]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Blindness:
    """``first_live_ns`` is 0 when LIVE was never reached; ``end_ns`` is when the feed ended, or the run did."""

    stretches: tuple[Stretch, ...]
    first_live_ns: int
    end_ns: int
    complete: bool

    @property
    def total_ns(self) -> int:
        return sum(stretch.length_ns for stretch in self.stretches)

    @property
    def of_ns(self) -> int:
        """From the first LIVE to the end."""
        return max(0, self.end_ns - self.first_live_ns) if self.first_live_ns else 0

    @property
    def unrecovered(self) -> int:
        return sum(not stretch.recovered for stretch in self.stretches)


def blindness_of(engine: EngineReport, *, end_ns: int) -> Blindness:
    """``end_ns`` is the latest thing known of the run; an end of the feed comes before it."""
    if engine.transitions and not engine.transitions_lost:
        return _from_transitions(engine, end_ns)
    live_at = [change.at_ns for change in engine.transitions if change.after == "LIVE"]
    stretches = tuple(
        Stretch(
            left_ns=episode.left_ns,
            until_ns=episode.live_ns or end_ns,
            recovered=bool(episode.live_ns),
            cause="",
            first_sequence=episode.first_sequence,
            messages=episode.messages,
            way=episode.way,
        )
        for episode in sorted(engine.episodes, key=lambda episode: episode.left_ns)
        if episode.left_ns
    )
    known = bool(engine.transitions or engine.episodes) and not engine.episodes_lost
    first_live_ns = min([*live_at, *(stretch.left_ns for stretch in stretches)], default=0)
    return Blindness(stretches=stretches, first_live_ns=first_live_ns, end_ns=end_ns, complete=known)


def _from_transitions(engine: EngineReport, end_ns: int) -> Blindness:
    ordered = sorted(engine.transitions, key=lambda change: change.at_ns)
    found: list[Stretch] = []
    first_live_ns = ended_ns = 0
    begun: list[Transition] = []
    for change in ordered:
        if change.after == "ENDED":
            ended_ns = change.at_ns
        elif change.before == "ENDED":
            ended_ns = 0
        if not first_live_ns:
            first_live_ns = change.at_ns if change.after == "LIVE" else 0
        elif begun and change.after in IN_SYNC:
            found.append(_stretch(begun, change.at_ns, recovered=change.after == "LIVE"))
            begun = []
        elif begun or change.after not in IN_SYNC:
            begun.append(change)
    if begun:
        found.append(_stretch(begun, max(end_ns, begun[-1].at_ns), recovered=False))
    return Blindness(
        stretches=tuple(_told(found, engine.episodes)),
        first_live_ns=first_live_ns,
        end_ns=ended_ns or end_ns,
        complete=True,
    )


def _stretch(changes: Sequence[Transition], until_ns: int, *, recovered: bool) -> Stretch:
    return Stretch(
        left_ns=changes[0].at_ns,
        until_ns=until_ns,
        recovered=recovered,
        cause=changes[0].cause,
        first_sequence=changes[0].sequence,
        silent={change.after for change in changes} == SILENCE,
    )


def _told(stretches: Sequence[Stretch], episodes: Sequence[Episode]) -> list[Stretch]:
    """The stretches with what the engine's episodes, which may be several in one, know besides."""
    waiting = sorted((episode for episode in episodes if episode.left_ns), key=lambda one: one.left_ns)
    told = []
    for stretch in stretches:
        while waiting and waiting[0].left_ns < stretch.left_ns - SAME_NS:
            waiting.pop(0)
        mine = []
        while waiting and waiting[0].left_ns <= stretch.until_ns:
            mine.append(waiting.pop(0))
        if mine:
            ways = dict.fromkeys(episode.way for episode in mine)
            stretch = replace(
                stretch,
                first_sequence=mine[0].first_sequence or stretch.first_sequence,
                messages=sum(episode.messages for episode in mine),
                way="+".join(ways),
            )
        told.append(stretch)
    return told
