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
    """Medians in ns, all passes pooled per side.

    ``send``: the exchange's send call of line A, in which the kernel runs the market tap. ``answer``: the engine
    from a packet in hand to its order handed over, in which the kernel runs the order tap. Both are sw-app
    stamps that exist with and without the tap.
    """

    packets: int
    orders: int
    send_without_ns: int
    send_with_ns: int
    answer_without_ns: int
    answer_with_ns: int

    def to_json(self) -> dict[str, int]:
        return dict(vars(self))

    def __str__(self) -> str:
        send, answer = self.send_with_ns - self.send_without_ns, self.answer_with_ns - self.answer_without_ns
        return (
            f"the market tap adds {send} ns to a send call of {self.send_without_ns} ns (p50, {self.packets} a side)\n"
            f"the order tap adds {answer} ns to an answer of {self.answer_without_ns} ns (p50, {self.orders} a side)"
        )


def send_calls(directory: Path) -> NDArray[np.int64]:
    """How long the send call of line A took, for every packet: line B's begins when it returns."""
    sent = load_rows(directory / "packets.npy")["sent_ns"]
    calls: NDArray[np.int64] = sent[:, 1] - sent[:, 0]
    return calls


def answers(directory: Path) -> NDArray[np.int64]:
    """The engine's time from a packet in hand to the order handed over, for every order sent."""
    rows = load_rows(directory / "decisions.npy")
    rows = rows[rows["reason"] == 0]
    times: NDArray[np.int64] = rows["tx_ns"] - rows["rx_ns"]
    return times


def tap_cost(*, repeats: int, prefix: str, console: Console | None) -> TapCost:
    """Reflector passes with and without stamping in turn, so that drift of the host falls on both."""
    scenario = Scenario.model_validate(
        {"title": "What the tap costs", "measure": {"wire_floor_duration": "1s"}}
    )
    sends: dict[bool, list[NDArray[np.int64]]] = {False: [], True: []}
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
            sends[stamping].append(send_calls(result.exchange))
            times[stamping].append(answers(result.engine))
    send = {side: np.concatenate(parts) for side, parts in sends.items()}
    answer = {side: np.concatenate(parts) for side, parts in times.items()}
    return TapCost(
        packets=min(map(len, send.values())),
        orders=min(map(len, answer.values())),
        send_without_ns=int(np.median(send[False])),
        send_with_ns=int(np.median(send[True])),
        answer_without_ns=int(np.median(answer[False])),
        answer_with_ns=int(np.median(answer[True])),
    )
