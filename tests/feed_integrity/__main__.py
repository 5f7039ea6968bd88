"""Feed integrity, thousands of cases: python -m tests.feed_integrity --cases 5000 --seed 1

Prints one line; and for every rule that was broken its smallest case, as an expression and as a scenario file.
"""

from __future__ import annotations

import argparse

import tests.feed_integrity.conftest  # noqa: F401  # isort: skip  (the import path of what follows)
from tests.feed_integrity.campaign import Broken, MakeReceiver, broken_by, run_campaign, smallest
from tests.feed_integrity.case import Case, RandomDraws, draw_case, from_text
from tests.feed_integrity.engine_receiver import EngineReceiver
from tests.feed_integrity.overheard import traced
from tests.feed_integrity.reference_receiver import MUTANTS, ReferenceReceiver
from tests.feed_integrity.scenario_text import as_scenario


def receiver_named(name: str) -> MakeReceiver:
    if name == "engine":
        return EngineReceiver
    return lambda case: ReferenceReceiver(case, mutant="" if name == "reference" else name)


def one(case: Case, make_receiver: MakeReceiver) -> int:
    """Plays one case aloud."""
    violation = broken_by(case, lambda case: traced(make_receiver(case), print))
    print("kept" if violation is None else f"broke {violation}")
    return int(violation is not None)


def show(broken: Broken) -> None:
    print(f"\n{broken.violation}\n\n{as_scenario(broken.case, broken=str(broken.violation))}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.feed_integrity", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the first case; the next has the next one"
    )
    parser.add_argument("--case", help="play this one, Case(...), and tell every step")
    parser.add_argument("--show", type=int, help="play the case of this seed, and tell every step")
    parser.add_argument("--broken", type=int, default=20, help="stop at so many (default: %(default)s)")
    parser.add_argument("--unshrunk", action="store_true", help="show broken cases as they were drawn")
    parser.add_argument(
        "--receiver",
        default="engine",
        choices=("engine", "reference", *MUTANTS),
        metavar="NAME",
        help="engine (the default), reference, or the reference with one of its wrongs: "
        + ", ".join(MUTANTS),
    )
    options = parser.parse_args()
    make_receiver = receiver_named(options.receiver)
    if options.case or options.show is not None:
        case = from_text(options.case) if options.case else draw_case(RandomDraws(options.show))
        return one(case, make_receiver)
    seeds = range(options.seed, options.seed + options.cases)
    campaign = run_campaign(seeds, make_receiver, broken_max=options.broken)
    print(campaign.summary)
    first_of = {broken.violation.rule: broken for broken in reversed(campaign.broken)}
    for broken in campaign.broken if options.unshrunk else first_of.values():
        show(broken if options.unshrunk else smallest(broken, make_receiver))
    return int(bool(campaign.broken))


if __name__ == "__main__":
    raise SystemExit(main())
