"""python -m tests.feed_oracle --cases 5000 --seed 1: many cases, one line; on failure a small case, and YAML."""

import sys

from tests.feed_oracle.campaign import Failure, campaign, shrink
from tests.oracle_command import oracle_command


def smallest(failures: list[Failure], seconds: float) -> Failure:
    return shrink(min(failures, key=lambda failure: failure.case.size).case, seconds=seconds)


if __name__ == "__main__":
    sys.exit(oracle_command("tests.feed_oracle", __doc__, campaign, smallest))
