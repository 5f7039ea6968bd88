"""Benches of the lab itself: kernel bypass against sockets, and the tap against no tap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from lab.compare import Comparison, compare_runs
from lab.report import render_terminal
from lab.results import load_run
from lab.run.command import play_and_judge, showing_progress
from lab.run.passes import run_pass
from lab.run.session import load_rows, open_session
from lab.run.settings import PassPlan, floor_plan
from lab.scenario import Scenario, load_scenarios

__all__ = ["TapCost", "compare_wires", "tap_cost"]

QUANTILES = (50.0, 99.0)


def compare_wires(name: str, *, results: Path, prefix: str, console: Console | None) -> Comparison:
    """Plays the scenario over kernel sockets, then over AF_XDP, on the same wires in the same session."""
    (scenario,) = load_scenarios([name])
    runs = []
    with open_session(prefix) as session:
        for wire in ("kernel", "af_xdp"):
            engine = scenario.engine.model_copy(update={"wire": wire})
            variant = scenario.model_copy(update={"engine": engine, "name": f"{scenario.name}-{wire}"})
            played = play_and_judge(session, variant, results=results, console=console)
            runs.append(load_run(str(played.directory), root=results))
            if console:
                render_terminal(
                    played.judgement.summary, console=console, report=played.directory / "report.html"
                )
    return compare_runs(runs[0], runs[1])


@dataclass(frozen=True, kw_only=True)
class TapCost:
    """The engine's answer time by the exchange's clock (send call to order read), ns; all passes pooled per side."""

    orders: int
    without_p50_ns: int
    with_p50_ns: int
    without_p99_ns: int
    with_p99_ns: int

    @property
    def cost_p50_ns(self) -> int:
        return self.with_p50_ns - self.without_p50_ns

    def to_json(self) -> dict[str, int]:
        return {**vars(self), "cost_p50_ns": self.cost_p50_ns}

    def __str__(self) -> str:
        return (
            f"answer time without tap: p50 {self.without_p50_ns} ns, p99 {self.without_p99_ns} ns\n"
            f"answer time with tap:    p50 {self.with_p50_ns} ns, p99 {self.with_p99_ns} ns\n"
            f"the tap costs {self.cost_p50_ns} ns at p50 ({self.orders} orders a side, sw-app stamps of the exchange)"
        )


def answer_times(directory: Path) -> NDArray[np.int64]:
    """From the send call of the triggering packet (first line) to the order's arrival at the gateway."""
    packets, rows = load_rows(directory / "packets.npy"), load_rows(directory / "drop_copy.npy")
    orders = rows[rows["kind"] == b"O"]
    triggers = np.array([int(token[1:13], 16) for token in orders["token"]], dtype=np.uint64)
    index = np.searchsorted(packets["first_sequence"], triggers, side="right") - 1
    times: NDArray[np.int64] = orders["at_ns"] - packets["sent_ns"][index, 0]
    return times


def tap_cost(*, repeats: int, prefix: str, console: Console | None) -> TapCost:
    """Reflector passes with and without stamping in turn, so that drift of the host falls on both."""
    scenario = Scenario.model_validate(
        {"title": "What the tap costs", "measure": {"wire_floor_duration": "1s"}}
    )
    times: dict[bool, list[NDArray[np.int64]]] = {False: [], True: []}
    with open_session(prefix) as session, showing_progress(console, "bench tap") as progress:
        for repeat in range(2 * repeats):
            stamping = repeat % 2 == 1
            base = floor_plan(scenario)
            plan = PassPlan(**{**vars(base), "name": f"pass-{repeat}", "stamping": stamping})
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
            times[stamping].append(answer_times(result.exchange))
    without, stamped = np.concatenate(times[False]), np.concatenate(times[True])
    low, high = np.percentile(without, QUANTILES).astype(int), np.percentile(stamped, QUANTILES).astype(int)
    return TapCost(
        orders=min(len(without), len(stamped)),
        without_p50_ns=int(low[0]),
        without_p99_ns=int(low[1]),
        with_p50_ns=int(high[0]),
        with_p99_ns=int(high[1]),
    )
