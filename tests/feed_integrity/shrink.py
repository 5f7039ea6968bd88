"""A failing case goes in, the simplest one found that breaks the same rule comes out.

Greedy: whatever can be left out, made plain or made smaller is tried, as long as something helps. Values of a case
that are not their defaults are what makes it complicated. Used by the command; pytest leaves it to Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, replace
from typing import Any, TypeVar

from tests.feed_integrity.case import Case, Fault

__all__ = ["shrink"]

TRIES_MAX = 600

T = TypeVar("T")


def shrink(case: Case, fails: Callable[[Case], bool], *, tries_max: int = TRIES_MAX) -> Case:
    """``fails``: True when a case still breaks what ``case`` breaks."""
    tries, tried = 0, {case}
    progress = True
    while progress:
        progress = False
        for simpler in _simpler(case):
            if simpler in tried:
                continue
            if tries >= tries_max:
                return case
            tries += 1
            tried.add(simpler)
            if fails(simpler):
                case, progress = simpler, True
                break
    return case


def _simpler(case: Case) -> Iterator[Case]:
    for name in ("faults", "rolls", "connections"):
        items = getattr(case, name)
        if len(items) > 1:
            yield _with(case, name, ())
        for index in range(len(items)):
            yield _with(case, name, items[:index] + items[index + 1 :])
    for name in ("requests", "policy"):
        for plain in _plainer(getattr(case, name)):
            yield _with(case, name, plain)
    yield from _plainer(
        case, but=("messages", "faults", "rolls", "connections", "requests", "policy", "seed")
    )
    needed = max([8, *(fault.at for fault in case.faults), *(roll.at + 1 for roll in case.rolls)])
    for messages in _lower(case.messages, needed):
        yield replace(case, messages=messages)
    for index, fault in enumerate(case.faults):
        for simpler in _simpler_faults(fault):
            yield replace(case, faults=case.faults[:index] + (simpler,) + case.faults[index + 1 :])
    for index, roll in enumerate(case.rolls):
        above = case.rolls[index - 1].at + 1 if index else 2
        for at in _lower(roll.at, above):
            yield replace(case, rolls=case.rolls[:index] + (replace(roll, at=at),) + case.rolls[index + 1 :])
        for plain in _plainer(roll, but=("at",)):
            yield replace(case, rolls=case.rolls[:index] + (plain,) + case.rolls[index + 1 :])
    for seed in range(min(case.seed, 4)):
        yield replace(case, seed=seed)


def _simpler_faults(fault: Fault) -> Iterator[Fault]:
    yield from _plainer(fault, but=("do", "what", "lines", "at", "packets", "amount"))
    if len(fault.lines) > 1:
        yield from (replace(fault, lines=line) for line in fault.lines)
    for name in ("packets", "at", "amount"):
        yield from (_with(fault, name, value) for value in _lower(getattr(fault, name), 1))
    if fault.by_us > 150:
        yield replace(fault, by_us=fault.by_us // 2)


def _with(values: T, name: str, value: Any) -> T:
    return replace(values, **{name: value})  # type: ignore[type-var]


def _lower(value: int, least: int) -> Iterator[int]:
    """Smaller values, boldest first."""
    if value > least:
        yield least
    step = (value - least) // 2
    while step > 0:
        if value - step > least:
            yield value - step
        step //= 2


def _plainer(values: T, *, but: tuple[str, ...] = ()) -> Iterator[T]:
    """Copies with one field at its default; first of all with all of them."""
    off = {
        item.name: _default(item)
        for item in fields(values)  # type: ignore[arg-type]
        if item.name not in but and getattr(values, item.name) != _default(item)
    }
    if len(off) > 1:
        yield replace(values, **off)  # type: ignore[type-var]
    for name, plain in off.items():
        yield _with(values, name, plain)


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else None
