"""How many messages a second a wire brings the engine without loss: trials at rates, and the highest one by search.

A trial is one pass of packed, evenly spaced messages on both lines into the whole engine (feed, book, strategy, risk,
orders), journal off. A round of messages that leaves no order behind is played over and over, with sequence numbers,
times, references and match numbers that only rise (traffic/exchange/cycle.h), so that a trial can be long; what is lost
on both lines cannot be asked for again, and the feed stays in GAP behind it. An exchange that was kept from its core
catches up at 1.25 times the rate: a burst as fast as it can would try the wire at a rate that nobody asked for.
Its verdict is about the engine's end of the wire: LOST when a packet did not arrive, or found no room where it was to
leave, or the feed had a gap; SLOW when the exchange did not keep the rate, so that nothing is said about the wire; else
FREE.
A latency runs from the first stamp of the trigger's packet to its order's at the far end, as wire_to_wire does; what
the exchange sent late is not in it, so a SLOW trial's figures are those of the rate that it reached.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lab.errors import UndecidedError, UsageError
from lab.measure.rows import Rows
from lab.run.command import showing_progress
from lab.run.dpdk import market_stamps
from lab.run.passes import PassResult, Progress, run_pass
from lab.run.session import Session, load_rows, open_session
from lab.run.settings import PassPlan
from lab.scenario.models import Engine
from lab.tap import order_arrivals
from lab.units import format_rate, parse_duration_ns, parse_rate_per_s

__all__ = ["Capacity", "Trial", "measure_capacity", "search", "show_capacity"]

PACKED = 30  # messages a packet
SYMBOLS = 100
ROUND = 1_000_000  # messages of a round
COOLDOWN = 50_000  # messages of the feed between two orders of a symbol: a few thousand orders a second ...
ORDERS_MAX = 200_000  # ... and at most so many in a trial, which what records them has room for
CATCH_UP = (
    0.8  # of the spacing is between packets of an exchange that was kept from its core: no burst but its rate
)
REACHED = 0.99  # of the rate, or else the exchange was slow
SEARCH_FROM, SEARCH_MAX = 250_000, 20_000_000
PRECISION = 1.1  # the search ends when the next rate up is less than this times the highest free one
TRIALS_MAX = 14
DURATION_MIN_NS = 10_000_000
MESSAGES_MAX = 1_000_000_000  # 50 bytes a packet are kept in memory

PARTS = ("to_engine", "answer")
BOOK_COUNTS = ("ignored", "applied", "order_count", "order_count_max", "level_count_max", "complete")

Times = NDArray[np.int64]
Verdict = Literal["FREE", "LOST", "SLOW"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One pass. ``lost`` packets by line; ``missed`` is what the wire itself counted; latencies in ns, -1: no order.

    ``stalls`` are polls of the engine that came more than 20 us behind the one before, ``stalled_ns`` in all: the host
    away with the core, the backlog of that, or an order's send call. ``steal_ns`` is what the hypervisor owns to.
    ``parts_p99_ns``: until the packet is in the engine's hand, and from there to the order's stamp.
    """

    wire: str
    rate_per_s: int
    reached_per_s: int
    messages: int
    delivered: int
    lost: tuple[int, int]
    missed: int
    gaps: int
    orders: int
    p50_ns: int
    p99_ns: int
    max_ns: int
    late_max_ns: int
    steal_ns: int
    p90_ns: int = -1
    stalls: int = 0
    stalled_ns: int = 0
    parts_p99_ns: tuple[int, int] = (-1, -1)

    @property
    def verdict(self) -> Verdict:
        if any(self.lost) or self.gaps or self.delivered < self.messages:
            return "LOST"
        return "FREE" if self.reached_per_s >= REACHED * self.rate_per_s else "SLOW"

    def to_json(self) -> dict[str, Any]:
        parts = dict(zip(PARTS, self.parts_p99_ns, strict=True))
        lost = dict(zip("AB", self.lost, strict=True))
        return {**vars(self), "lost": lost, "parts_p99_ns": parts, "verdict": self.verdict}


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Every trial of every wire, and the highest rate found free of loss; 0: none, or not searched for."""

    trials: Sequence[Trial]
    highest: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"trials": [trial.to_json() for trial in self.trials], "highest_free_per_s": self.highest}


def engine_over(wire: str, messages: int) -> Engine:
    """The engine of a trial: everything but the journal and recovery, and few orders."""
    lines = {"wire": "dpdk", "dpdk": {"device": wire}} if wire.startswith("net_") else {"wire": wire}
    parameters = {"cooldown_messages": max(COOLDOWN, messages * SYMBOLS // ORDERS_MAX)}
    return Engine.model_validate(
        {**lines, "parameters": parameters, "journal": False, "recovery": [], "strategy": "touch_taker"}
    )


def trial_plan(wire: str, rate_per_s: int, duration_ns: int, *, number: int) -> PassPlan:
    messages = max(rate_per_s * duration_ns // 1_000_000_000, PACKED)
    spacing_ns = PACKED * 1_000_000_000 // rate_per_s
    return PassPlan(
        name=f"capacity-{number}",
        source={
            "kind": "model",
            "symbols": SYMBOLS,
            "messages": messages,
            "arrivals": "even",
            "rate_per_s": rate_per_s,
            "cycle_messages": ROUND,
        },
        packing={"messages_max": PACKED, "gap_min_ns": spacing_ns, "late_gap_ns": int(spacing_ns * CATCH_UP)},
        bursts=None,
        seed=1,
        engine=engine_over(wire, messages),
    )


def triggering(packets: Rows, orders: Rows) -> Rows:
    """The packets that carry the orders' triggers: of millions, those whose stamps are looked at."""
    owner = np.searchsorted(packets["first_sequence"], orders["trigger_sequence"], side="right") - 1
    return packets[np.unique(owner[owner >= 0])]


def latencies(packets: Rows, stamps: Rows, orders: Rows) -> tuple[Times, Rows]:
    """From the first stamp of each trigger's packet to its order's, in ns, and those orders: all that have a stamp."""
    lines = stamps[(stamps["line"] < 2) & (stamps["count"] > 0) & (stamps["count"] < 0xFFFF)]
    lines = lines[np.argsort(lines["sequence"], kind="stable")]
    sequences, begins = np.unique(lines["sequence"], return_index=True)
    if not len(sequences) or not len(orders):
        return np.empty(0, np.int64), orders[:0]
    first_ns = np.minimum.reduceat(lines["stamp_ns"], begins)
    owner = np.searchsorted(packets["first_sequence"], orders["trigger_sequence"], side="right") - 1
    wanted = packets["first_sequence"][np.maximum(owner, 0)]
    place = np.minimum(np.searchsorted(sequences, wanted), len(sequences) - 1)
    found = (owner >= 0) & (sequences[place] == wanted)
    times: Times = (orders["stamp_ns"] - first_ns[place])[found]
    return times, orders[found]


def parts_p99(times: Times, orders: Rows, decisions: Rows) -> tuple[int, int]:
    """The 99th percentile of each of PARTS, over the orders whose decision the engine kept; -1: there is none."""
    sent = decisions[decisions["reason"] == 0]
    sent = sent[np.argsort(sent["trigger_sequence"], kind="stable")]
    if not len(sent) or not len(orders):
        return -1, -1
    place = np.searchsorted(sent["trigger_sequence"], orders["trigger_sequence"]).clip(max=len(sent) - 1)
    known = sent["trigger_sequence"][place] == orders["trigger_sequence"]
    taken_ns, arrived_ns = sent["rx_ns"][place[known]], orders["stamp_ns"][known]
    parts = (taken_ns - arrived_ns + times[known], arrived_ns - taken_ns)
    first, second = (int(np.percentile(part, 99, method="higher")) if len(part) else -1 for part in parts)
    return first, second


def engine_report_of(result: PassResult) -> dict[str, Any]:
    """What the engine said of itself at its end. UndecidedError: it said nothing."""
    path = result.engine / "engine.json"
    if not path.exists():
        why = result.engine_stderr.strip() or "it said nothing"
        raise UndecidedError(f"the engine left no report: exit code {result.engine_exit}", why=why)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def refusals(report: dict[str, Any]) -> dict[str, int]:
    """What the engine counted that a feed without faults never makes it count."""
    counted = {**report["decode"], **report["book"]}
    return {name: int(count) for name, count in counted.items() if count and name not in BOOK_COUNTS}


def trial_of(wire: str, rate_per_s: int, engine: Engine, result: PassResult) -> Trial:
    """What a pass shows."""
    packets = load_rows(result.exchange / "packets.npy")
    report = engine_report_of(result)
    exchange = json.loads((result.exchange / "exchange.json").read_text())
    refused = refusals(report)
    if refused:
        raise UndecidedError(
            "the engine's decoder or book refused messages of a feed that is whole",
            why=f"it counted {refused}",
        )
    lines = report["feed"]["lines"]
    lost = [
        len(packets) - (line["packets"] - line["heartbeats"] - line["ends"])
        for line in (lines["A"], lines["B"])
    ]
    sent_ns = packets["sent_ns"][packets["sent_ns"][:, 0] > 0, 0]
    begun, ended = (sent_ns[0], sent_ns[-1]) if len(sent_ns) else (0, 0)
    messages = int(packets["count"].sum())
    spent_ns = max(1, int(ended - begun))
    orders = order_arrivals(result.directory / "order_frames.bin")
    wanted = triggering(packets, orders)
    times, answered = latencies(wanted, market_stamps(engine, wanted, result.directory), orders)
    p50, p90, p99 = np.percentile(times, (50, 90, 99), method="higher") if len(times) else (-1, -1, -1)
    decisions = load_rows(result.engine / "decisions.npy")
    return Trial(
        wire=wire,
        rate_per_s=rate_per_s,
        reached_per_s=(messages - int(packets["count"][-1])) * 1_000_000_000 // spent_ns,
        messages=messages,
        delivered=int(report["feed"]["delivered"]),
        lost=(lost[0], lost[1]),
        missed=sum(report["wire"][name]["dropped"] + report["wire"][name]["ring_full"] for name in "AB"),
        gaps=int(report["feed"]["gaps"]),
        orders=len(times),
        p50_ns=int(p50),
        p99_ns=int(p99),
        max_ns=int(times.max()) if len(times) else -1,
        late_max_ns=int(exchange["loop"]["late_max_ns"]),
        steal_ns=result.steal_ns,
        p90_ns=int(p90),
        stalls=int(report["loop"]["stalls"]),
        stalled_ns=int(report["loop"]["stall_ns_total"]),
        parts_p99_ns=parts_p99(times, answered, decisions),
    )


def search(attempt: Callable[[int], Verdict]) -> int:
    """The highest rate free of loss: doubled until one is not, then halved in between; 0 when the lowest is not.

    A SLOW attempt ends the way up as a LOST one does: no rate above what the exchange can send is claimed.
    """
    free, rate, beyond = 0, SEARCH_FROM, 0
    for _ in range(TRIALS_MAX):
        if attempt(rate) == "FREE":
            free = rate
        else:
            beyond = rate
        if beyond == 0 and rate < SEARCH_MAX:
            rate = min(2 * rate, SEARCH_MAX)
        elif free and beyond > free * PRECISION:
            rate = (free + beyond) // 2
        else:
            break
    return free


def highest_free(trials: Sequence[Trial], wire: str) -> int:
    """Of every trial of the wire, those before the search too; 0: none was free."""
    return max((one.rate_per_s for one in trials if one.wire == wire and one.verdict == "FREE"), default=0)


def twice(attempt: Callable[[], Verdict]) -> Verdict:
    """A second try for a rate that was not free: what a host takes away once is not the wire's limit."""
    first = attempt()
    return first if first == "FREE" else attempt()


def measure_capacity(
    *,
    wires: Sequence[str],
    rates: Sequence[str],
    duration: str,
    searching: bool,
    prefix: str,
    console: Console | None,
) -> Capacity:
    """Trials of each wire at each rate ("2M/s"), and where wanted the search; all on the same lab. UsageError."""
    try:
        rates_per_s, duration_ns = [parse_rate_per_s(rate) for rate in rates], parse_duration_ns(duration)
    except ValueError as error:
        raise UsageError(str(error), todo="--rate 2M/s --duration 5s") from error
    if duration_ns < DURATION_MIN_NS:
        raise UsageError(f"--duration {duration} is too short for a trial", todo="--duration 10ms or longer")
    most = max([*rates_per_s, SEARCH_MAX if searching else 0]) * duration_ns // 1_000_000_000
    if most > MESSAGES_MAX:
        raise UsageError(
            f"a trial would publish {most:,} messages, and at most {MESSAGES_MAX:,} can be kept record of",
            todo="a shorter --duration, or lower rates",
        )
    trials: list[Trial] = []
    highest: dict[str, int] = {}
    with open_session(prefix) as session, showing_progress(console, "bench capacity") as progress:

        def attempt(wire: str, rate: int) -> Verdict:
            trials.append(run_trial(session, wire, rate, duration_ns, number=len(trials), progress=progress))
            return trials[-1].verdict

        for wire in wires:
            for rate in rates_per_s:
                attempt(wire, rate)
            if searching:
                search(lambda rate, wire=wire: twice(lambda: attempt(wire, rate)))  # type: ignore[misc]
                highest[wire] = highest_free(trials, wire)
    return Capacity(trials=trials, highest=highest)


def run_trial(
    session: Session, wire: str, rate: int, duration_ns: int, *, number: int, progress: Progress
) -> Trial:
    plan = trial_plan(wire, rate, duration_ns, number=number)
    directory: Path = session.scratch / plan.name
    try:
        result = run_pass(
            plan,
            faults=(),
            topology=session.topology,
            ledger=session.ledger,
            cores=session.cores,
            directory=directory,
            scratch=session.scratch,
            progress=progress,
        )
        return trial_of(wire, rate, plan.engine, result)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def show_capacity(capacity: Capacity, console: Console) -> None:
    table = Table(
        box=None, title="Packed messages into the whole engine", title_justify="left", padding=(0, 1, 0, 0)
    )
    for column in (
        "wire",
        "rate",
        "reached",
        "",
        "lost A",
        "lost B",
        "gaps",
        "orders",
        "p50 us",
        "p90 us",
        "p99 us",
        "max us",
        "stalled ms",
    ):
        table.add_column(column, justify="left" if column in ("wire", "") else "right")
    for trial in capacity.trials:
        times = (trial.p50_ns, trial.p90_ns, trial.p99_ns, trial.max_ns)
        table.add_row(
            trial.wire.removeprefix("net_"),
            format_rate(trial.rate_per_s),
            f"{trial.reached_per_s / 1e6:.2f}M",
            trial.verdict,
            *(f"{count:,}" for count in (*trial.lost, trial.gaps, trial.orders)),
            *(f"{time / 1e3:,.1f}" if time >= 0 else "-" for time in times),
            f"{trial.stalled_ns / 1e6:,.0f}",
        )
    console.print(table)
    for wire, rate in capacity.highest.items():
        console.print(
            f"{wire}: highest rate found free of loss {rate / 1e6:.2f}M messages/s"
            if rate
            else f"{wire}: none"
        )
    console.print("SLOW: the exchange did not keep the rate; LOST: packets, or gaps of the feed")
    console.print("stalled: between polls of the engine that came 20 us or more behind the one before")
