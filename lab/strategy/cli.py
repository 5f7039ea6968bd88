"""tailgate strategy: arguments in, exit codes out; the work is command.py's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

__all__ = ["strategy"]

WORDS = {True: "good", False: "BAD", None: "-"}


@click.group()
def strategy() -> None:
    """Build and check strategies, which are shared objects behind a small C interface."""


@strategy.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "output", type=click.Path(path_type=Path), help="Where to; SOURCE with .so by default.")
def build(source: Path, output: Path | None) -> int:
    """Compile SOURCE (C, knows engine/strategy/strategy_abi.h alone) and check what comes out."""
    from lab.strategy.command import build as compile_strategy

    target = compile_strategy(source, output)
    return report(target, allow=(), settings=(), event_ns=None, as_json=False)


@strategy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--allow", multiple=True, metavar="SHA256", help="A digest that may be deployed; without any: all."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=NUMBER", help="A parameter of the strategy.")
@click.option("--event-ns", type=click.IntRange(100, 10**9), help="Its time budget for an event.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def check(
    file: Path, allow: tuple[str, ...], settings: tuple[str, ...], event_ns: int | None, as_json: bool
) -> int:
    """Say whether an engine would take FILE: symbols, allowed digest, version and sizes, a trial run."""
    return report(file, allow=allow, settings=settings, event_ns=event_ns, as_json=as_json)


def report(
    file: Path, *, allow: tuple[str, ...], settings: tuple[str, ...], event_ns: int | None, as_json: bool
) -> int:
    from lab.ctl.command import parameters_of
    from lab.strategy.command import EVENT_NS_MAX
    from lab.strategy.command import check as check_object

    checked = check_object(
        file,
        allowed=frozenset(digest.lower() for digest in allow) if allow else None,
        parameters=parameters_of(settings),
        event_ns_max=event_ns or EVENT_NS_MAX,
    )
    if as_json:
        sys.stdout.write(json.dumps(checked.to_json(), indent=2) + "\n")
    else:
        rows = [f"  {step.name:8} {WORDS[step.good]:5} {step.said}" for step in checked.steps]
        verdict = "may be deployed" if checked.good else f"refused: {checked.why}"
        sys.stdout.write("\n".join([f"{file}: {verdict}", *rows, f"  sha256   {checked.sha256}"]) + "\n")
    return 0 if checked.good else 1
