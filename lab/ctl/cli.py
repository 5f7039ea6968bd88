"""tailgate ctl: arguments in, exit codes out; the work is command.py's."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["ctl"]


class Target:
    """The engine that is meant, and how to speak of it."""

    def __init__(self, socket: Path | None, prefix: str, as_json: bool) -> None:
        self.socket, self.prefix, self.as_json = socket, prefix, as_json

    def ask(self, do: str, **arguments: object) -> int:
        from lab.ctl.command import command, socket_of

        return command(socket_of(self.socket, self.prefix), do, as_json=self.as_json, **arguments)


target = click.make_pass_decorator(Target)


@click.group()
@click.option("--socket", type=click.Path(path_type=Path), help="The engine's control socket.")
@click.option("--prefix", default="tailgate", show_default=True, help="Name of the lab that runs the engine.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def ctl(context: click.Context, socket: Path | None, prefix: str, as_json: bool) -> None:
    """Command a running engine: every command is authorised, acknowledged and written to the audit trail."""
    context.obj = Target(socket, prefix, as_json)


@ctl.group()
def kill() -> None:
    """Stop new orders; cancels still pass."""


@kill.command("all")
@target
def kill_all(engine: Target) -> int:
    """No new order leaves."""
    return engine.ask("kill all")


@kill.command("symbol")
@click.argument("symbol")
@target
def kill_symbol(engine: Target, symbol: str) -> int:
    """No new order in one symbol."""
    return engine.ask("kill symbol", symbol=symbol)


@kill.command("strategy")
@click.argument("name")
@target
def kill_strategy(engine: Target, name: str) -> int:
    """No new order of one strategy."""
    return engine.ask("kill strategy", name=name)


@ctl.command()
@target
def rearm(engine: Target) -> int:
    """Let orders leave again after a kill."""
    return engine.ask("rearm")


@ctl.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@target
def limits(engine: Target, file: Path) -> int:
    """Replace the risk limits by those of a file."""
    return engine.ask("limits", path=str(file.absolute()))


@ctl.group()
def strategy() -> None:
    """Put another strategy into the engine, or the one before back."""


SETTING = click.option(
    "--set", "settings", multiple=True, metavar="NAME=NUMBER", help="A parameter of the strategy."
)


def strategy_object(file: str, settings: tuple[str, ...]) -> dict[str, object]:
    from lab.ctl.command import parameters_of
    from lab.faults.deploy import object_path

    return {"path": str(object_path(file)), "parameters": parameters_of(settings)}


@strategy.command()
@click.argument("file")
@SETTING
@target
def prepare(engine: Target, file: str, settings: tuple[str, ...]) -> int:
    """Check FILE and load it, so that `deploy` only has to swap; the answer names the generation."""
    return engine.ask("strategy prepare", **strategy_object(file, settings))


@strategy.command()
@click.argument("file", required=False)
@SETTING
@click.option("--generation", type=click.IntRange(1), help="What was prepared, instead of FILE.")
@click.option("--at-sequence", type=click.IntRange(1), help="Swap at this feed message, not at once.")
@target
def deploy(
    engine: Target,
    file: str | None,
    settings: tuple[str, ...],
    generation: int | None,
    at_sequence: int | None,
) -> int:
    """Check FILE (or a shipped strategy's name), load it beside the running one, swap it in between two packets."""
    if (file is None) == (generation is None):
        raise click.UsageError("give FILE or --generation")
    what: dict[str, object] = strategy_object(file, settings) if file else {"generation": generation}
    when = {"at_sequence": at_sequence} if at_sequence else {}
    return engine.ask("strategy deploy", **what, **when)


@strategy.command()
@click.argument("generation", type=click.IntRange(1))
@target
def discard(engine: Target, generation: int) -> int:
    """Unload what was prepared; a swap that was planned for it does not come."""
    return engine.ask("strategy discard", generation=generation)


@strategy.command()
@target
def rollback(engine: Target) -> int:
    """The strategy before is active again."""
    return engine.ask("strategy rollback")


@ctl.group()
def wire() -> None:
    """The wires that market data and orders take."""


@wire.command()
@click.argument("to", metavar="kernel|af_xdp|dpdk")
@click.option(
    "--port",
    "ports",
    type=click.Choice(["A", "B", "order"]),
    multiple=True,
    help="Only these; else both lines.",
)
@target
def switch(engine: Target, to: str, ports: tuple[str, ...]) -> int:
    """Go over to another wire without losing sequence or session."""
    return engine.ask("wire switch", to=to, ports=list(ports) or ["A", "B"])


@ctl.group()
def line() -> None:
    """The lines of the feed."""


@line.command()
@click.argument("name", metavar="A|B")
@target
def enable(engine: Target, name: str) -> int:
    """Listen to a line again."""
    return engine.ask("line enable", line=name)


@line.command()
@click.argument("name", metavar="A|B")
@target
def disable(engine: Target, name: str) -> int:
    """Throw away what a line brings."""
    return engine.ask("line disable", line=name)


@ctl.command()
@target
def state(engine: Target) -> int:
    """Feed, session, lines, kill switch, and the strategies."""
    return engine.ask("state")


@ctl.command()
@target
def counters(engine: Target) -> int:
    """What the engine has counted so far."""
    return engine.ask("counters")


@ctl.command()
@target
def health(engine: Target) -> int:
    """Exit code 0 when orders could leave now; 1 and the reasons when not."""
    return engine.ask("health")
