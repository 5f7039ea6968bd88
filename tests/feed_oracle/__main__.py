"""python -m tests.feed_oracle --cases 5000 --seed 1: many cases, one line; on failure a small case, and YAML."""

from __future__ import annotations

import argparse
import sys

from tests.feed_oracle.campaign import Failure, campaign, shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.feed_oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first case")
    parser.add_argument("--stop-after", type=int, default=None, help="failures after which it is enough")
    parser.add_argument(
        "--shrink", type=float, default=30.0, help="seconds for making the first failure smaller"
    )
    arguments = parser.parse_args()

    def notice(seed: int, failure: Failure) -> None:
        print(f"case {seed}: {failure.why}", flush=True)

    numbers = range(arguments.seed, arguments.seed + arguments.cases)
    tally = campaign(numbers, stop_after=arguments.stop_after, notice=notice)
    print(tally)
    if not tally.failures:
        return 0
    first = min(tally.failures, key=lambda failure: failure.case.size)
    print(f"\n{shrink(first.case, seconds=arguments.shrink)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
