"""The tailgate command: arguments in, exit codes out. No logic lives here.

0 PASS · 1 FAIL · 2 UNKNOWN · 64 usage or bad scenario · 69 a needed thing is missing
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import click
import typer
from rich.console import Console

from lab.errors import TailgateError, UsageError

__all__ = ["app", "main"]

EXIT_USAGE = 64
EXIT_INTERRUPTED = 130

app = typer.Typer(
    help="Measure a trading engine wire to wire, break its world, and say with evidence whether the tail held.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="Measure the lab itself: wires side by side, and what a tap costs.", no_args_is_help=True)
app.add_typer(bench, name="bench")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Prefix = Annotated[str, typer.Option(help="Name of the lab; its namespaces are PREFIX-exchange and PREFIX-engine.")]
Results = Annotated[Path, typer.Option(help="Directory that runs land in.")]
Scenarios = Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Scenario files, names or directories.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's directory, or latest.")]


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def assignments(pairs: list[str]) -> dict[str, str]:
    """--set NAME=VALUE, as a mapping."""
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(f"--set {pair}: expected NAME=VALUE", todo="tailgate run SCENARIO --set capture=file.pcap")
    return dict(pair.split("=", 1) for pair in pairs)


@app.command()
def run(
    scenarios: Scenarios,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter.")] = None,
    results: Results = Path("results"),
    prefix: Prefix = "tailgate",
    as_json: Json = False,
) -> None:
    """Run scenarios and judge them; the exit code is the worst verdict's."""
    from lab.run.command import run_scenarios

    raise typer.Exit(
        run_scenarios(
            scenarios,
            settings=assignments(settings or []),
            results=results,
            prefix=prefix,
            console=None if as_json else out,
            emit=print_json if as_json else None,
        )
    )


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this host can measure, at which grade, and what to change."""
    from lab.host import examine
    from lab.report import render_findings

    findings = examine()
    if as_json:
        print_json([finding.to_json() for finding in findings])
    else:
        render_findings(findings, out)
    raise typer.Exit(69 if any(finding.status == "missing" for finding in findings) else 0)


@app.command()
def report(run_name: Run = "latest", results: Results = Path("results"), as_json: Json = False) -> None:
    """Print a run's table and write its report.html again from its files."""
    from lab.report import render_terminal, write_report
    from lab.results import load_run

    stored = load_run(run_name, root=results)
    path = write_report(stored.path)
    if as_json:
        print_json({**stored.summary, "report": str(path)})
    else:
        render_terminal(stored.summary, console=out, report=path)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="The base.")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="What is compared with it.")],
    results: Results = Path("results"),
    force: Annotated[bool, typer.Option(help="Compare although hosts or scenarios differ.")] = False,
    as_json: Json = False,
) -> None:
    """Put two runs side by side, with ratios and confidence intervals."""
    from lab.compare import compare_runs
    from lab.report import render_comparison
    from lab.results import load_run

    comparison = compare_runs(load_run(first, root=results), load_run(second, root=results))
    if as_json:
        print_json(comparison.to_json())
    else:
        render_comparison(comparison.to_json(), out)
    raise typer.Exit(0 if comparison.comparable or force else 2)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    from lab.scenario import scenario_schema

    print_json(scenario_schema())


@app.command()
def heal(as_json: Json = False) -> None:
    """Undo what crashed runs left behind: processes, namespaces, scratch files."""
    from lab.topology import heal as undo

    healed = undo()
    if as_json:
        print_json({"runs": healed.runs, "processes": healed.processes, "namespaces": list(healed.namespaces)})
    elif healed:
        names = ", ".join(healed.namespaces) or "no namespaces"
        out.print(f"healed {healed.runs} crashed run(s): {healed.processes} processes ended, {names} removed")
    else:
        out.print("nothing to heal")


@bench.command("wires")
def bench_wires(
    scenario: Annotated[str, typer.Option(help="Scenario played over both wires.")] = "scenarios/steady",
    results: Results = Path("results"),
    prefix: Prefix = "tailgate",
    as_json: Json = False,
) -> None:
    """Play one scenario over af_xdp and over kernel sockets, and compare them."""
    from lab.run.bench import compare_wires

    show(compare_wires(scenario, results=results, prefix=prefix, console=None if as_json else out), as_json)


@bench.command("tap")
def bench_tap(
    repeats: Annotated[int, typer.Option(min=1, help="Pairs of passes, with and without the tap.")] = 3,
    prefix: Prefix = "tailgate",
    as_json: Json = False,
) -> None:
    """Measure what the tap adds to the engine's answer time, seen by the exchange's own clock."""
    from lab.run.bench import tap_cost

    cost = tap_cost(repeats=repeats, prefix=prefix, console=None if as_json else out)
    if as_json:
        print_json(cost.to_json())
    else:
        out.print(str(cost))


def show(comparison: Any, as_json: bool) -> None:
    from lab.report import render_comparison

    if as_json:
        print_json(comparison.to_json())
    else:
        render_comparison(comparison.to_json(), out)


def complain(error: TailgateError, as_json: bool) -> None:
    if as_json:
        print_json(error.to_json())
    else:
        err.print(f"tailgate: {error}", markup=False)


def interrupt(_signal: int, _frame: object) -> NoReturn:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that everything is healed and taken down."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the ``tailgate`` command."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    as_json = "--json" in sys.argv
    try:
        code = app(standalone_mode=False)
    except TailgateError as error:
        complain(error, as_json)
        code = error.exit_code
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.UsageError as error:
        err.print(f"tailgate: {error.format_message()}; next: tailgate --help", markup=False)
        code = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        err.print("tailgate: interrupted; everything the run made has been taken down", markup=False)
        code = EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
