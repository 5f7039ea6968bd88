"""Benches of the lab itself: kernel bypass against sockets, and the tap against no tap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from lab.compare import Comparison, compare_runs
from lab.errors import UsageError
from lab.report import render_terminal
from lab.results import load_run
from lab.run.command import play_and_judge, showing_progress
from lab.run.passes import PassResult, run_pass
from lab.run.session import load_rows, open_session
from lab.run.settings import PassPlan, floor_plan
from lab.scenario import Scenario, load_scenarios
from lab.scenario.models import Orders

__all__ = ["TapCost", "compare_wires", "tap_cost"]

WIRES: tuple[Literal["kernel", "af_xdp"], ...] = ("kernel", "af_xdp")


def compare_wires(
    name: str, *, results: Path, prefix: str, console: Console | None, orders: bool = False
) -> Comparison:
    """Plays the scenario over kernel sockets, then over AF_XDP, on the same wires in the same session.

    ``orders``: it is the order session that changes, and the lines stay as the scenario has them.
    """
    scenarios = load_scenarios([name])
    if len(scenarios) != 1:
        raise UsageError(f"{name} holds {len(scenarios)} scenarios", todo="name one of them with --scenario")
    scenario = scenarios[0]
    runs = []
    with open_session(prefix, scenario.ports) as session:
        for wire in WIRES:
            change = (
                {"orders": Orders(wire=wire)} if orders else {"wire": wire, "orders": Orders(wire="kernel")}
            )
            engine = scenario.engine.model_copy(update=change)
            variant = scenario.model_copy(update={"engine": engine, "name": f"{scenario.name}-{wire}"})
            played = play_and_judge(session, variant, results=results, console=console)
            runs.append(load_run(str(played.directory), root=results))
            if console:
                render_terminal(
                    played.judgement.summary, console=console, report=played.directory / "report.html"
                )
    return compare_runs(runs[0], runs[1])


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of the comparison, all its passes pooled; ns.

    ``market_run`` and ``order_run``: mean run time of the BPF programs, by the kernel's own count. ``answer_p50``:
    the engine from a packet in hand to its order handed over, in which the kernel runs the order program.
    """

    packets: int
    orders: int
    market_run_ns: float
    order_run_ns: float
    answer_p50_ns: int


@dataclass(frozen=True, kw_only=True)
class TapCost:
    """With stamping against without it, on the same wires in turn."""

    without: Side
    stamped: Side

    def to_json(self) -> dict[str, dict[str, float]]:
        return {"without": vars(self.without), "stamped": vars(self.stamped)}

    def __str__(self) -> str:
        low, high = self.without, self.stamped
        return (
            f"a market packet costs {high.market_run_ns - low.market_run_ns:.0f} ns more with its stamp"
            f" ({low.market_run_ns:.0f} to {high.market_run_ns:.0f} ns, {high.packets} packets)\n"
            f"an order frame costs {high.order_run_ns - low.order_run_ns:.0f} ns more with its stamp and copy"
            f" ({low.order_run_ns:.0f} to {high.order_run_ns:.0f} ns, {high.orders} orders)\n"
            f"the engine's answer took {low.answer_p50_ns} ns without and {high.answer_p50_ns} ns with the tap (p50;"
            " the difference has the host's drift in it)"
        )


def answers(directory: Path) -> NDArray[np.int64]:
    """The engine's time from a packet in hand to the order handed over, for every order sent."""
    rows = load_rows(directory / "decisions.npy")
    rows = rows[rows["reason"] == 0]
    times: NDArray[np.int64] = rows["tx_ns"] - rows["rx_ns"]
    return times


def pooled(passes: Sequence[PassResult]) -> Side:
    """The passes of one side together."""
    times = np.concatenate([answers(one.engine) for one in passes])
    market, order = [one.market_tap for one in passes], [one.order_tap for one in passes]
    return Side(
        packets=sum(cost.runs for cost in market),
        orders=len(times),
        market_run_ns=sum(cost.run_ns for cost in market) / max(1, sum(cost.runs for cost in market)),
        order_run_ns=sum(cost.run_ns for cost in order) / max(1, sum(cost.runs for cost in order)),
        answer_p50_ns=int(np.median(times)),
    )


def tap_cost(*, repeats: int, prefix: str, console: Console | None) -> TapCost:
    """Reflector passes with and without stamping in turn, so that drift of the host falls on both."""
    scenario = Scenario.model_validate(
        {"title": "What the tap costs", "measure": {"wire_floor_duration": "1s"}}
    )
    sides: dict[bool, list[PassResult]] = {False: [], True: []}
    with open_session(prefix) as session, showing_progress(console, "bench tap") as progress:
        for repeat in range(2 * repeats):
            stamping = repeat % 2 == 1
            base = floor_plan(scenario)
            plan = PassPlan(
                **{**vars(base), "name": f"pass-{repeat}", "stamping": stamping, "profiling": True}
            )
            result = run_pass(
                plan,
                faults=(),
                topology=session.topology,
                ledger=session.ledger,
                cores=session.cores,
                directory=session.scratch / plan.name,
                scratch=session.scratch,
                progress=progress,
            )
            sides[stamping].append(result)
        return TapCost(without=pooled(sides[False]), stamped=pooled(sides[True]))
