"""Scenarios go in; judged runs come out, each in its own directory under results/.

One session builds the wires once, then for every scenario measures the wire floor (when asked), plays the
scenario, lets the oracle replay what was published, and hands everything to measure, check and report. Raw
files are in the run's directory before anything is derived from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import UndecidedError
from lab.faults import DeployOptions
from lab.host import Cores, choose_cores, host_knobs
from lab.measure.data import (
    ClockInfo,
    EngineReport,
    Episode,
    ExchangeReport,
    FloorData,
    HostReport,
    Join,
    RunData,
    TapReport,
    Transition,
)
from lab.measure.data import Session as FeedSession
from lab.measure.joins import disjoint
from lab.measure.rows import DECISIONS, Rows
from lab.measure.strategies import beginnings, foreign, triggers_with
from lab.oracle import OracleResult, Reflector, Reset, SessionRange, TouchTaker, replay
from lab.oracle.tops import tops_behind
from lab.run.dpdk import market_stamps, shared_clock, wire_mode
from lab.run.mdp3 import engine_report_of, two_line_parts
from lab.run.noise import noise_data
from lab.run.passes import PassResult, Progress, run_pass
from lab.run.settings import FLOOR_EVERY, floor_plan, main_plan
from lab.run.trex_shared import heard_clock, heard_stamps
from lab.scenario import Scenario, StrategyParameters
from lab.scenario.dpdk import is_shared
from lab.scenario.ports import Ports
from lab.tap import (
    arrivals_among,
    market_rows,
    messages_among,
    order_arrivals,
    order_packets,
    stamps_by_card,
)
from lab.tap.card_clock import CARD_ENDS, stored_clocks
from lab.topology import Ledger, PortPlan, Topology, heal, survey_ports

__all__ = ["Session", "check_ports", "open_session"]

SCRATCH = Path("/dev/shm")
TAP_UNCERTAINTY_NS = 100  # two reads of the same kernel clock on two CPUs, and its rounding


class Session:
    """Wires that are up, and the cores the two busy threads have."""

    def __init__(
        self, topology: Topology, ledger: Ledger, cores: Cores, scratch: Path, trex_home: Path | None = None
    ) -> None:
        self.topology, self.ledger, self.cores, self.scratch = topology, ledger, cores, scratch
        self.trex_home = trex_home

    def play(self, scenario: Scenario, raw: Path, *, progress: Progress) -> RunData:
        """Floor, then the scenario; raw files of both stay in ``raw``."""
        parts: dict[str, Any] = {
            "topology": self.topology,
            "ledger": self.ledger,
            "cores": self.cores,
            "scratch": self.scratch,
            "progress": progress,
        }
        floor, lead_ns = None, 0
        if scenario.measure.wire_floor and scenario.engine.venue != "mdp3":
            floor = floor_data(
                scenario, run_pass(floor_plan(scenario), faults=(), directory=raw / "floor", **parts)
            )
            lead_ns = send_time_ns(floor)
        plan = main_plan(scenario, lead_ns=lead_ns, trex_home=self.trex_home)
        main = run_pass(plan, faults=scenario.faults, directory=raw / "run", **parts)
        progress("asking the oracle", 0, 0)
        return run_data(scenario, main, floor)


@contextmanager
def open_session(
    prefix: str, ports: Ports | None = None, *, trex_home: Path | None = None
) -> Iterator[Session]:
    """Wires up, this process on the lab's core; all undone at the end. MissingError, UsageError as they come."""
    cores = choose_cores()
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        ledger = Ledger.open(prefix)
        stack.callback(ledger.close)
        scratch = SCRATCH / f"tailgate-{prefix}"
        ledger.add_directory(scratch)
        scratch.mkdir(exist_ok=True)
        topology = stack.enter_context(Topology(ledger, port_plan(ports or Ports())))
        os.sched_setaffinity(0, {cores.lab})
        stack.callback(os.sched_setaffinity, 0, before)
        yield Session(topology, ledger, cores, scratch, trex_home)


def check_ports(every: Collection[Ports]) -> None:
    """UsageError when a port that is named anywhere cannot be had; nothing is touched but what dead runs have left."""
    if os.geteuid() != 0 or not any(ports.wires for ports in every):
        return  # without root no lab opens, and that is said then
    heal()
    for ports in every:
        survey_ports(port_plan(ports))


def port_plan(ports: Ports) -> PortPlan:
    return PortPlan(wires=ports.wires, allow_default_route=ports.allow_default_route, stamps=ports.stamps)


def load_rows(path: Path) -> Rows:
    rows: Rows = np.load(path, allow_pickle=False)
    return rows


def tap_report(result: PassResult) -> TapReport:
    return TapReport(lost=result.tap.lost, capacity=result.tap_capacity, peak=result.tap_peak)


def floor_data(scenario: Scenario, result: PassResult) -> FloorData:
    """Raw rows of a reflector pass."""
    packets = load_rows(result.exchange / "packets.npy")
    return FloorData(
        packets=packets,
        market_taps=market_stamps(scenario.engine, packets, result.directory),
        order_arrivals=order_arrivals(result.directory / "order_frames.bin"),
        every=FLOOR_EVERY,
        tap=tap_report(result),
    )


def send_time_ns(floor: FloorData) -> int:
    """Median time from the exchange's send call to the stamp on line A: how far ahead to send. 0 without stamps."""
    taps = floor.market_taps
    stamped = taps[(taps["line"] == 0) & (taps["count"] > 0)]
    both, sent, seen = np.intersect1d(
        floor.packets["first_sequence"], stamped["sequence"], return_indices=True
    )
    if not len(both):
        return 0
    return int(np.median(stamped["stamp_ns"][seen] - floor.packets["sent_ns"][sent, 0]))


def engine_report(scenario: Scenario, result: PassResult) -> EngineReport:
    """What the engine said of itself; a dead engine's report is empty and says so."""
    path = result.engine / "engine.json"
    if not path.exists():
        return EngineReport(
            alive=False,
            exit_code=result.engine_exit,
            wire=scenario.engine.wire,
            stderr_tail=result.engine_stderr,
        )
    raw = json.loads(path.read_text())
    if scenario.engine.venue == "mdp3":
        return engine_report_of(scenario, raw, exit_code=result.engine_exit, stderr=result.engine_stderr)
    lines = raw["wire"]
    bad_checksums = sum(lines[name]["bad_checksums"] for name in "AB")
    lost_in_wire = sum(lines[name]["dropped"] + lines[name]["ring_full"] for name in "AB")
    return EngineReport(
        alive=True,
        exit_code=result.engine_exit,
        wire=scenario.engine.wire,
        wire_mode=wire_mode(scenario.engine, lines),
        final_feed_state=raw["feed"]["state"],
        feed={**raw["feed"], **raw["decode"], "wire_drops": lost_in_wire, "bad_checksums": bad_checksums},
        book=raw["book"],
        types=raw["types"],
        risk=raw["risk"],
        orders={**raw["orders"], "decisions_lost": raw["decisions"]["lost"]},
        loop=raw["loop"],
        positions={int(symbol): shares for symbol, shares in raw["positions"].items()},
        transitions=tuple(Transition(**row) for row in raw["transitions"]),
        transitions_lost=raw["transitions_lost"],
        episodes=tuple(Episode.of(row) for row in raw["feed_episodes"]),
        episodes_lost=raw["feed"]["episodes"] - len(raw["feed_episodes"]),
        joins=tuple(Join.of(row) for row in raw["feed_joins"]),
        joins_lost=raw["recovery"]["joins"] - len(raw["feed_joins"]),
        recovery=raw["recovery"],
        wires=raw["wires"],
        journal=raw["journal"],
        reason_names={int(code): name for code, name in raw["reason_names"].items()},
        strategies=raw["strategies"],
        risk_state=raw["risk_state"],
        stderr_tail=result.engine_stderr,
    )


def exchange_report(result: PassResult) -> ExchangeReport:
    raw = json.loads((result.exchange / "exchange.json").read_text())
    stalls = raw["loop"]["stalls"].values()
    stream = raw["stream"]
    return ExchangeReport(
        types=stream["types"],
        unknown_types=stream["unknown_types"],
        length_errors=stream["length_errors"],
        counters={**raw["gateway"], **raw["published"], "late_max_ns": raw["loop"]["late_max_ns"]},
        loop_stall_max_ns=max(stall["max_ns"] for stall in stalls),
        loop_stall_count=sum(stall["count"] for stall in stalls),
        recovery=raw.get("recovery") or {},
    )


def sessions_of(result: PassResult) -> tuple[FeedSession, ...]:
    """The feed's sessions; none when there was only one, whose positions are plain sequences."""
    rows = json.loads((result.exchange / "exchange.json").read_text())["sessions"]
    return tuple(FeedSession.of(row) for row in rows) if len(rows) > 1 else ()


def host_report(result: PassResult, engine: EngineReport, exchange: ExchangeReport) -> HostReport:
    return HostReport(
        steal_ns=result.steal_ns,
        stall_max_ns=max(exchange.loop_stall_max_ns, engine.loop.get("stall_ns_max", 0)),
        stall_count=exchange.loop_stall_count + engine.loop.get("stalls", 0),
        involuntary_switches=result.involuntary_switches,
        knobs=host_knobs(),
    )


def ask_oracle(
    scenario: Scenario,
    result: PassResult,
    *,
    sessions: Sequence[FeedSession],
    joins: Sequence[Join],
) -> OracleResult:
    """Replays what was published through the independent book and strategy, which begin anew where the engine did."""
    parameters = scenario.engine.parameters
    strategy: TouchTaker | Reflector = (
        Reflector(every=parameters.every)
        if scenario.engine.strategy == "reflector"
        else TouchTaker(
            order_shares=parameters.order_shares,
            imbalance_permille=parameters.imbalance_permille,
            cooldown_messages=parameters.cooldown_messages,
        )
    )
    stream = (result.exchange / "messages.itch").read_bytes()
    return replay(
        stream,
        first_sequence=int(result.ready["first_sequence"]),
        strategy=strategy,
        sessions=[
            SessionRange(first_position=one.first_position, last_position=one.last_position)
            for one in sessions
        ],
        resets=[
            Reset(position=join.sequence, skipped_from=join.skipped_from, empties_book=join.emptied)
            for join in disjoint(joins)
        ],
    )


def oracle_knows_object(scenario: Scenario) -> bool:
    """True when touch_taker as a shared object has the parameters that the oracle was told."""
    deployed = [fault for fault in scenario.faults if isinstance(fault, DeployOptions)]
    return scenario.engine.parameters == StrategyParameters() and not any(one.parameters for one in deployed)


def agreed_book(exchange: Rows, oracle: OracleResult) -> Rows | None:
    """The exchange's book when the oracle's own book is the same; None when the two judges disagree."""
    return exchange if np.array_equal(exchange, oracle.book) else None


def run_data(scenario: Scenario, result: PassResult, floor: FloorData | None) -> RunData:
    """Everything a pass left, in memory, unjudged."""
    directory = result.directory
    engine, exchange = engine_report(scenario, result), exchange_report(result)
    packets = load_rows(result.exchange / "packets.npy")
    if not len(packets):
        raise UndecidedError("the exchange published nothing", where=str(directory))
    taps = line_stamps(scenario, result, packets)
    asked = order_packets(directory / "order_frames.bin")
    arrivals = arrivals_among(asked)
    if scenario.engine.venue == "mdp3":
        parts = two_line_parts(result.exchange, result.engine, market_taps=taps)
    else:
        parts = {"packets": packets, **order_parts(scenario, result, engine)}
        parts["tops"] = wanted_tops(scenario, result, arrivals)
    return RunData(
        market_taps=taps,
        order_arrivals=arrivals,
        order_messages=messages_among(asked, protocol=scenario.engine.protocol),
        drop_copy=load_rows(result.exchange / "drop_copy.npy"),
        engine=engine,
        exchange=exchange,
        tap=tap_report(result),
        clock=clock_info(scenario, result, taps=taps, orders=len(arrivals)),
        host=host_report(result, engine, exchange),
        started_ns=result.started_ns,
        floor=floor,
        faults=tuple(result.faults),
        events=tuple(result.events),
        noise=noise_data(
            scenario,
            exchange=result.exchange,
            engine=result.engine,
            taps=directory / "market_taps.bin",
        ),
        generator=result.generator,
        **parts,
    )


def line_stamps(scenario: Scenario, result: PassResult, packets: Rows) -> Rows:
    """The market's stamps of a run, by whoever could give them."""
    if is_shared(scenario.engine) and result.generator is not None:
        return heard_stamps(
            result.engine, result.directory, market_rows(result.directory / "market_taps.bin")
        )
    return market_stamps(scenario.engine, packets, result.directory)


def clock_info(scenario: Scenario, result: PassResult, *, taps: Rows, orders: int) -> ClockInfo:
    """The grade that every packet got: hw only when each of them has its card's stamp."""
    if is_shared(scenario.engine) and result.generator is not None:
        return heard_clock(taps=taps, orders=orders, uncertainty_ns=TAP_UNCERTAINTY_NS)
    if is_shared(scenario.engine):
        return shared_clock(result.exchange, taps=taps, orders=orders, uncertainty_ns=TAP_UNCERTAINTY_NS)
    if not any(result.tap.card_stamped):
        return ClockInfo(uncertainty_ns=TAP_UNCERTAINTY_NS, stamps_by_grade={"sw-driver": len(taps) + orders})
    orders = result.tap.card_stamped[CARD_ENDS.index("order")]
    lines, others = stamps_by_card(result.directory / "market_taps.bin")
    others += result.tap.frame_records - orders
    clocks = stored_clocks(result.directory).values()
    return ClockInfo(
        grade="sw-driver" if others else "hw",
        uncertainty_ns=TAP_UNCERTAINTY_NS + 2 * max((clock.uncertainty_ns for clock in clocks), default=0),
        stamps_by_grade={"hw": lines + orders, **({"sw-driver": others} if others else {})},
    )


def wanted_tops(scenario: Scenario, result: PassResult, arrivals: Rows) -> Rows | None:
    """The touch behind each message that an order names, when a collar is to be looked at; one session only."""
    risk = scenario.engine.risk
    if not risk.model_fields_set & {"collar_permille", "profiles"} or sessions_of(result):
        return None
    return tops_behind(
        (result.exchange / "messages.itch").read_bytes(),
        wanted=arrivals["trigger_sequence"],
        first_sequence=int(result.ready["first_sequence"]),
    )


def order_parts(scenario: Scenario, result: PassResult, engine: EngineReport) -> dict[str, Any]:
    """What an engine that trades left, and what the oracle says it should have done."""
    sessions = sessions_of(result)
    changes = engine.strategies.get("changes", ())
    swaps = [Join(sequence=at, skipped_from=at, at_ns=0) for at in beginnings(changes)]
    oracle = ask_oracle(scenario, result, sessions=sessions, joins=[*engine.joins, *swaps])
    others = foreign(changes, known=oracle_knows_object(scenario))
    alive = engine.alive
    decisions = load_rows(result.engine / "decisions.npy") if alive else np.empty(0, DECISIONS)
    return {
        "decisions": decisions,
        "expected_triggers": triggers_with(oracle.triggers["sequence"].astype("<u8"), decisions, others),
        "skipped_triggers": oracle.skipped_triggers["sequence"].astype("<u8"),
        "sessions": sessions,
        "message_locates": oracle.locates,
        "engine_book": load_rows(result.engine / "book.npy") if alive else None,
        "exchange_book": agreed_book(load_rows(result.exchange / "book.npy"), oracle),
    }
