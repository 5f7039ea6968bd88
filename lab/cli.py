"""The tailgate command: arguments in, exit codes out. No logic lives here.

0 PASS · 1 FAIL · 2 UNKNOWN · 64 usage or bad scenario · 69 a needed thing is missing
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from lab.ctl.cli import ctl
from lab.errors import TailgateError, UsageError
from lab.strategy.cli import strategy

__all__ = ["app", "main"]

EXIT_USAGE = 64
CAPACITY_WIRES = ("af_xdp", "kernel", "net_af_packet", "net_af_xdp", "net_memif")
EXIT_INTERRUPTED = 130

out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
prefix_option = click.option(
    "--prefix",
    default="tailgate",
    show_default=True,
    help="Name of the lab; its namespaces are PREFIX-exchange and PREFIX-engine.",
)
results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Directory that runs land in.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tailgate")
def app() -> None:
    """Measure a trading engine wire to wire, break its world, and say with evidence whether the tail held."""


app.add_command(ctl)
app.add_command(strategy)


@app.group()
def bench() -> None:
    """Measure the lab itself: wires side by side, and what a tap costs."""


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def assignments(pairs: tuple[str, ...]) -> dict[str, str]:
    """--set NAME=VALUE, as a mapping."""
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(
                f"--set {pair}: expected NAME=VALUE", todo="tailgate run SCENARIO --set capture=file.pcap"
            )
    return dict(pair.split("=", 1) for pair in pairs)


@app.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the scenario.")
@click.option("--no-report", is_flag=True, help="Leave report.html to `tailgate report RUN`.")
@click.option(
    "--trex-home",
    type=click.Path(path_type=Path),
    envvar="TREX_HOME",
    help="Folder of a TRex installation, for driver: trex.",
)
@results_option
@prefix_option
@as_json_option
def run(
    scenarios: tuple[str, ...],
    settings: tuple[str, ...],
    no_report: bool,
    trex_home: Path | None,
    results: Path,
    prefix: str,
    as_json: bool,
) -> int:
    """Run scenarios (files, names or directories) and judge them; the exit code is the worst verdict's."""
    from lab.run.command import run_scenarios

    return run_scenarios(
        scenarios,
        settings=assignments(settings),
        results=results,
        prefix=prefix,
        report=not no_report,
        console=None if as_json else out,
        emit=print_json if as_json else None,
        trex_home=trex_home,
    )


@app.command()
@click.option(
    "--nic", "nics", multiple=True, metavar="PORT", help="Look at this interface or PCI address instead."
)
@as_json_option
def doctor(nics: tuple[str, ...], as_json: bool) -> int:
    """Say what this host can measure, at which grade, and what to change; 69 when a needed thing is missing.

    With --nic the rows are those of the named ports and of the cores beside them; 64 when there is no such port.
    """
    from lab.host import examine
    from lab.host.nic import examine_nic
    from lab.report import render_findings

    findings = [finding for nic in nics for finding in examine_nic(nic)] if nics else examine()
    if as_json:
        print_json([finding.to_json() for finding in findings])
    else:
        render_findings(findings, out)
    return 69 if any(finding.status == "missing" for finding in findings) else 0


@app.command()
@click.argument("run_name", metavar="RUN", default="latest")
@results_option
@as_json_option
def report(run_name: str, results: Path, as_json: bool) -> None:
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
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@results_option
@click.option("--force", is_flag=True, help="Exit 0 although hosts or scenarios differ.")
@as_json_option
def compare(first: str, second: str, results: Path, force: bool, as_json: bool) -> int:
    """Put two runs side by side, with ratios and confidence intervals."""
    from lab.compare import compare_runs
    from lab.results import load_run

    comparison = compare_runs(load_run(first, root=results), load_run(second, root=results))
    show(comparison, as_json)
    return 0 if comparison.comparable or force else 2


@app.group()
def audit() -> None:
    """The audit trail: commands, limit changes, deploys, kills, trips, state changes, orders."""


@audit.command("verify")
@click.argument("run_name", metavar="RUN", default="latest")
@results_option
@as_json_option
def audit_verify(run_name: str, results: Path, as_json: bool) -> int:
    """Find any edited, removed, added or moved record of a run's audit trail (or of a file); 0 whole, 1 not."""
    from lab.report.evidence import render_audit
    from lab.results.evidence import audit_run

    path, verdict, doubts = audit_run(run_name, root=results)
    if as_json:
        print_json({"trail": str(path), **verdict.to_json(), "doubts": doubts})
    else:
        render_audit(path, verdict, doubts, out)
    return 1 if verdict.problem or doubts else 0


@app.command()
@click.argument("run_name", metavar="RUN", default="latest")
@results_option
@click.option(
    "--until", type=click.IntRange(min=0), help="Stop behind this feed position and show the state."
)
@click.option("--symbol", "symbols", type=int, multiple=True, help="Stock locate to show; else the busiest.")
@as_json_option
def replay(run_name: str, results: Path, until: int | None, symbols: tuple[int, ...], as_json: bool) -> int:
    """Run a run's journal (or a journal's file) through the engine again; 0 equal, 1 different, 2 undecidable."""
    from lab.report.evidence import render_replay
    from lab.results.evidence import replay_run

    path, replayed = replay_run(run_name, root=results, until=until, symbols=symbols)
    if as_json:
        print_json({"journal": str(path), **replayed.to_json()})
    else:
        render_replay(path, replayed, out)
    return replayed.exit_code


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    from lab.scenario import scenario_schema

    print_json(scenario_schema())


@app.command()
@as_json_option
def heal(as_json: bool) -> int:
    """Undo what crashed runs left: processes, ports of the host, namespaces, scratch; 2: not all is as it was."""
    from lab.topology import heal as undo

    healed = undo()
    if as_json:
        print_json(
            {
                "runs": healed.runs,
                "processes": healed.processes,
                "namespaces": list(healed.namespaces),
                "ports": list(healed.ports),
                "problems": list(healed.problems),
            }
        )
    elif healed:
        names = ", ".join(healed.namespaces) or "no namespaces"
        ports = f", {', '.join(healed.ports)} given back" if healed.ports else ""
        out.print(
            f"healed {healed.runs} crashed run(s): {healed.processes} processes ended, {names} removed{ports}"
        )
    else:
        out.print("nothing to heal")
    for problem in healed.problems:
        err.print(f"tailgate: {problem}", markup=False)
    return 2 if healed.problems else 0


@bench.command("wires")
@click.option("--scenario", default="scenarios/steady", show_default=True, help="Played over both wires.")
@results_option
@prefix_option
@as_json_option
def bench_wires(scenario: str, results: Path, prefix: str, as_json: bool) -> None:
    """Play one scenario over kernel sockets and over af_xdp, and compare them."""
    from lab.run.bench import compare_wires

    show(compare_wires(scenario, results=results, prefix=prefix, console=None if as_json else out), as_json)


@bench.command("orders")
@click.option(
    "--messages", type=click.IntRange(min=1_000), default=20_000, show_default=True, help="In a race."
)
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Races, pooled.")
@click.option("--scenario", help="Play this scenario over both transports too, and compare the whole engine.")
@results_option
@prefix_option
@as_json_option
def bench_orders(
    messages: int, repeats: int, scenario: str | None, results: Path, prefix: str, as_json: bool
) -> None:
    """Race the bypass's TCP against the kernel's on the order wire, message by message in turn."""
    from lab.run.bench import compare_wires
    from lab.run.order_bench import race_orders, show_race

    console = None if as_json else out
    race = race_orders(rows=messages, repeats=repeats, prefix=prefix, console=console)
    if as_json:
        print_json(race.to_json())
    else:
        show_race(race, out)
    if scenario:
        show(compare_wires(scenario, results=results, prefix=prefix, console=console, orders=True), as_json)


@bench.command("capacity")
@click.option(
    "--wire", "wires", multiple=True, type=click.Choice(CAPACITY_WIRES), help="Repeatable; all by default."
)
@click.option(
    "--rate", "rates", multiple=True, default=("1M/s", "2M/s", "5M/s"), show_default=True, help="Of a trial."
)
@click.option("--duration", default="2s", show_default=True, help="Of a trial.")
@click.option("--search/--no-search", default=False, help="Search for the highest rate without loss.")
@prefix_option
@as_json_option
def bench_capacity(
    wires: tuple[str, ...], rates: tuple[str, ...], duration: str, search: bool, prefix: str, as_json: bool
) -> None:
    """Send packed messages at rising rates over each wire: loss, p50 and p99, and the highest rate without loss."""
    from lab.run.capacity import measure_capacity, show_capacity

    capacity = measure_capacity(
        wires=wires or CAPACITY_WIRES,
        rates=rates,
        duration=duration,
        searching=search,
        prefix=prefix,
        console=None if as_json else out,
    )
    if as_json:
        print_json(capacity.to_json())
    else:
        show_capacity(capacity, out)


@bench.command("tap")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Pairs of passes.")
@prefix_option
@as_json_option
def bench_tap(repeats: int, prefix: str, as_json: bool) -> None:
    """Measure what the taps add to the exchange's send call and to the engine's answer time."""
    from lab.run.bench import tap_cost

    cost = tap_cost(repeats=repeats, prefix=prefix, console=None if as_json else out)
    if as_json:
        print_json(cost.to_json())
    else:
        out.print(str(cost), soft_wrap=True)


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


def unwind_on_signals() -> None:
    """SIGTERM and SIGHUP unwind like Ctrl-C, so that everything is healed and taken down.

    Only in this process: the netlink library forks children and ends them with SIGTERM, and a child that
    unwound would take down what its parent has just built.
    """
    owner = os.getpid()

    def interrupt(number: int, _frame: object) -> NoReturn:
        if os.getpid() != owner:
            os._exit(128 + number)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def main() -> None:
    """Entry point of the ``tailgate`` command."""
    unwind_on_signals()
    try:
        code = app(standalone_mode=False)
    except TailgateError as error:
        complain(error, "--json" in sys.argv)
        code = error.exit_code
    except click.ClickException as error:
        err.print(f"tailgate: {error.format_message()}; next: tailgate --help", markup=False)
        code = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        err.print("tailgate: interrupted; everything the run made has been taken down", markup=False)
        code = EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
