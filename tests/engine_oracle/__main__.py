"""python -m tests.engine_oracle --cases 5000 --seed 1: many worlds, model against engine; a difference is shrunk."""

from __future__ import annotations

import argparse
import sys

from tests.engine_oracle.campaign import Failure, campaign, shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engine_oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first world")
    parser.add_argument("--stop-after", type=int, default=None, help="differences after which it is enough")
    parser.add_argument(
        "--shrink", type=float, default=30.0, help="seconds for making the first difference smaller"
    )
    arguments = parser.parse_args()

    def notice(seed: int, failure: Failure) -> None:
        print(f"world {seed}: {failure.why[:1000]}", flush=True)

    numbers = range(arguments.seed, arguments.seed + arguments.cases)
    tally = campaign(numbers, stop_after=arguments.stop_after, notice=notice)
    print(tally)
    if not tally.failures:
        return 0
    first = min(tally.failures, key=lambda failure: len(failure.case.steps))
    print(f"\n{shrink(first, seconds=arguments.shrink)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
