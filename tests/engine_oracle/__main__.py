"""python -m tests.engine_oracle --cases 5000 --seed 1: many worlds, model against engine; a difference is shrunk."""

import sys

from tests.engine_oracle.campaign import Failure, campaign, shrink
from tests.oracle_command import oracle_command


def smallest(failures: list[Failure], seconds: float) -> Failure:
    return shrink(min(failures, key=lambda failure: len(failure.case.steps)), seconds=seconds)


if __name__ == "__main__":
    sys.exit(oracle_command("tests.engine_oracle", __doc__, campaign, smallest))
