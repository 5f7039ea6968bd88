"""The command line of an oracle: many numbered cases, one line; where they differ, the smallest found. 64: no cases."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

__all__ = ["oracle_command"]

WHY_CHARACTERS = 1000


class Failure(Protocol):
    why: str


class Tally(Protocol):
    failures: list[Any]


class Campaign(Protocol):
    def __call__(
        self, seeds: Iterable[int], *, stop_after: int | None, notice: Callable[[int, Any], None]
    ) -> Tally: ...


def oracle_command(
    program: str, description: str, campaign: Campaign, smallest: Callable[..., object]
) -> int:
    """``smallest(failures, seconds)`` is printed when there are any."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--cases", type=int, default=5000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first case")
    parser.add_argument("--stop-after", type=int, default=None, help="failures after which it is enough")
    parser.add_argument("--shrink", type=float, default=30.0, help="seconds for making a failure smaller")
    arguments = parser.parse_args()
    if arguments.cases < 1 or arguments.seed < 0:
        print(f"{program}: error: --cases must be at least 1 and --seed at least 0", file=sys.stderr)
        return 64

    def notice(seed: int, failure: Failure) -> None:
        print(f"case {seed}: {failure.why[:WHY_CHARACTERS]}", flush=True)

    numbers = range(arguments.seed, arguments.seed + arguments.cases)
    tally = campaign(numbers, stop_after=arguments.stop_after, notice=notice)
    print(tally)
    if not tally.failures:
        return 0
    print(f"\n{smallest(tally.failures, arguments.shrink)}")
    return 1
