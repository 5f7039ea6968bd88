"""One pass: taps on, engine and exchange up, traffic, faults, all down again; raw files in a directory.

The order matters. The engine is up before the first packet and outlives the end of the session, the exchange
outlives the last order, and the taps outlive both.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import UndecidedError
from lab.faults import DuplicateOptions, FaultOptions, impairs_wire
from lab.host import Cores, involuntary_switches, steal_ns
from lab.measure.data import Event, FaultRecord, Transition
from lab.measure.rows import FEED_LIVE
from lab.run.child import Child
from lab.run.dpdk import tap_poses
from lab.run.faults import Nemesis, Reached
from lab.run.pages import EnginePage, ExchangePage
from lab.run.settings import (
    GATEWAY_PORT,
    GROUPS,
    LINE_PORT,
    REQUEST_PORT,
    SNAPSHOT_PORT,
    PassPlan,
    control_page,
    control_socket,
    engine_settings,
    exchange_settings,
    memif_socket,
)
from lab.run.trex import TrexDriver
from lab.run.trex_plan import files_folder
from lab.tap import ProgramCost, Tap, TapCounts
from lab.tap.card_clock import CARD_ENDS
from lab.topology import Ledger, Topology

__all__ = ["PassResult", "Progress", "run_pass"]

DESCRIPTORS_FROM = 512  # numbers that no process which was just started has taken
READY_SECONDS = 120.0  # a large file is read and packed before the exchange is ready
LEAD_NS = 100_000_000  # from the start command to the first packet
PROGRESS_NS = 500_000_000
SETTLE_LOOK_NS = 20_000_000
SETTLE_NS = 100_000_000  # after the last packet, for the last answers of a feed that is LIVE
SETTLE_MAX_NS = 3_000_000_000
RING_RECORDS_MAX = 1 << 24
FRAME_RECORDS = 1 << 16
TREX_NOISE_RECORDS = 1 << 20  # nobody plans what TRex sends beside the market; rings that fill up are emptied
OVERDUE_NS = 30_000_000_000

Progress = Callable[[str, int, int], None]  # pass, messages published, messages in all


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """What a pass left: files in ``directory``, and what only the lab saw."""

    directory: Path
    ready: dict[str, Any]
    started_ns: int
    tap: TapCounts
    tap_capacity: int
    tap_peak: int
    faults: Sequence[FaultRecord]
    events: Sequence[Event]
    engine_exit: int
    engine_stderr: str
    steal_ns: int
    involuntary_switches: int
    market_tap: ProgramCost
    order_tap: ProgramCost
    generator: dict[str, Any] | None = None

    @property
    def exchange(self) -> Path:
        return self.directory / "exchange"

    @property
    def engine(self) -> Path:
        return self.directory / "engine"


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage is collected meanwhile: a full collection on the core of the exchange's busy loop can last seconds."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def ahead_of_the_exchange(wanted: bool) -> Iterator[None]:
    """This thread, though not what it starts, goes before the exchange's busy loop on the core that both may share.

    That loop leaves so little of it that a fault meant for a time came seconds late. A host that does not allow it
    keeps the delay, which the fault's own record shows.
    """
    if not wanted:
        yield
        return
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Pass:
    """The moving parts of one pass, so that every one of them is taken down on every way out."""

    def __init__(
        self,
        plan: PassPlan,
        *,
        faults: Sequence[FaultOptions],
        topology: Topology,
        ledger: Ledger,
        cores: Cores,
        directory: Path,
        scratch: Path,
        progress: Progress,
    ) -> None:
        self.plan, self.faults = plan, faults
        self.topology, self.ledger, self.cores = topology, ledger, cores
        self.directory, self.scratch = directory, scratch
        self.progress = progress
        self.events: list[Event] = []
        self.stack = ExitStack()
        for part in ("exchange", "engine"):
            (directory / part).mkdir(parents=True, exist_ok=True)

    def note(self, what: str, **detail: Any) -> None:
        self.events.append(Event(at_ns=time.monotonic_ns(), kind="lab", what=what, detail=detail))

    def run(self) -> PassResult:
        with no_collection(), self.stack:
            engine = self._load_engine()
            exchange, ready = self._start_exchange()
            tap, capacity = self._open_tap(ready)
            trex = self._start_trex()
            self._start_engine(engine, tap, ready)
            if trex:
                exchange.send({"do": "follow", **trex.followed(tap)})
            nemesis = Nemesis(
                self.faults,
                topology=self.topology,
                tap=tap,
                engine=engine,
                exchange=exchange,
                seed=self.plan.seed,
                page=self.scratch / f"{self.plan.name}-engine.page",
                control=control_socket(self.plan, self.scratch),
            )
            self.stack.callback(nemesis.heal)
            nemesis.arm()
            cpus = {self.cores.engine, self.cores.exchange}
            stolen_ns = steal_ns(cpus)
            started_ns = trex.begin(tap, ready) if trex else time.monotonic_ns() + LEAD_NS
            nemesis.start(started_ns)
            exchange.send({"do": "start", "at_ns": started_ns})
            self.note("started", at_ns=started_ns, **{"pass": self.plan.name})
            with ahead_of_the_exchange(bool(self.faults)):
                self._watch(exchange, engine, tap, nemesis, started_ns=started_ns, ready=ready, trex=trex)
            stolen_ns = steal_ns(cpus) - stolen_ns
            nemesis.heal()
            generator = trex.finish() if trex else None
            switches = involuntary_switches(engine.pid) + involuntary_switches(exchange.pid)
            exchange.stop()
            exit_code = engine.stop() if engine.alive else engine.process.wait()
            tap.drain()
            self._note_cards(tap.counts())
            self.events += nemesis.events
            return PassResult(
                directory=self.directory,
                ready=ready,
                started_ns=started_ns,
                tap=tap.counts(),
                tap_capacity=capacity,
                tap_peak=tap.peak,
                faults=nemesis.records(
                    self._transitions(), self.directory / "exchange", self._strategy_changes()
                ),
                events=tuple(self.events),
                engine_exit=exit_code,
                engine_stderr=engine.stderr_tail(),
                steal_ns=stolen_ns,
                involuntary_switches=switches,
                market_tap=tap.program_cost("market"),
                order_tap=tap.program_cost("order"),
                generator=generator,
            )

    def _note_cards(self, counts: TapCounts) -> None:
        """How often each card that was asked for a stamp had one."""
        for end in self.topology.cards:
            number = CARD_ENDS.index(end)
            stamped, missing = counts.card_stamped[number], counts.card_unstamped[number]
            self.note("card_stamps", end=end, stamped=stamped, missing=missing, **{"pass": self.plan.name})

    def _write(self, name: str, settings: dict[str, Any]) -> Path:
        path = self.directory / name / "config.json"
        path.write_text(json.dumps(settings, indent=1))
        return path

    def _start_exchange(self) -> tuple[Child, dict[str, Any]]:
        settings = exchange_settings(
            self.plan, directory=self.directory / "exchange", scratch=self.scratch, cores=self.cores
        )
        if self.plan.trex is not None and self.plan.trex.options.folder is not None:
            self.ledger.add_directory(files_folder(self.plan.trex, self.scratch))
        exchange = Child(
            "traffic",
            self._write("exchange", settings),
            topology=self.topology,
            namespace=self.topology.exchange,
            ledger=self.ledger,
        )
        self.stack.callback(exchange.end)
        self.progress(f"{self.plan.name}: preparing the market", 0, 0)
        return exchange, exchange.wait_for("ready", seconds=READY_SECONDS)

    def _open_tap(self, ready: dict[str, Any]) -> tuple[Tap, int]:
        """Rings that hold the whole pass where that fits in memory, so that nothing has to be drained in it."""
        copies = sum(fault.copies for fault in self.faults if isinstance(fault, DuplicateOptions))
        packets = (2 + 2 * copies) * int(ready["packets"])
        heartbeats = 64 + 4 * int(ready["duration_ns"]) // self.plan.heartbeat_ns
        if "published_by" in ready:
            heartbeats += 2 * (int(ready["published_by"]["records"]) - int(ready["packets"]))
        replies = (
            int(ready["packets"]) if self.faults else 0
        )  # what was lost comes again on the recovery wire
        by_trex = self.plan.trex is not None and bool(self.plan.trex.noise)
        noise = TREX_NOISE_RECORDS if by_trex else int(ready["noise_frames"])
        capacity = min(packets + heartbeats + replies + noise + 4096, RING_RECORDS_MAX)
        tap = Tap(
            self.topology,
            line_port=LINE_PORT,
            gateway_port=GATEWAY_PORT,
            market_capacity=capacity,
            frame_capacity=FRAME_RECORDS,
            directory=self.directory,
            stamping=self.plan.stamping,
            request_port=REQUEST_PORT,
            snapshot_port=SNAPSHOT_PORT,
            framing="mdp3" if self.plan.engine.venue == "mdp3" else "moldudp64",
            sessions=[str(name) for name in ready["sessions"]],
            impairing=impairs_wire(self.faults),
            profiling=self.plan.profiling,
            posing=tap_poses(self.plan.engine),
            noise=tuple(GROUPS.values()) if noise else (),
            following=self.plan.trex is not None,
        )
        self.stack.callback(tap.close)
        return tap, capacity

    def _start_trex(self) -> TrexDriver | None:
        if self.plan.trex is None:
            return None
        self.progress(f"{self.plan.name}: starting TRex", 0, 0)
        return TrexDriver(
            self.plan.trex,
            topology=self.topology,
            ledger=self.ledger,
            cores=self.cores,
            directory=self.directory,
            scratch=self.scratch,
            stack=self.stack,
            page=control_page(self.plan, self.scratch),
            socket=memif_socket(self.plan, self.scratch),
        )

    def _load_engine(self) -> Child:
        """On its core, while the exchange prepares the market on the other one."""
        engine = Child(
            "engine",
            self.directory / "engine" / "config.json",
            topology=self.topology,
            namespace=self.topology.engine,
            ledger=self.ledger,
            loading_on=self.cores.engine,
        )
        self.stack.callback(engine.end)
        return engine

    def _start_engine(self, engine: Child, tap: Tap, ready: dict[str, Any]) -> None:
        self.stack.callback(engine.end)  # before the taps go
        sockets = fcntl.fcntl(tap.engine_sockets, fcntl.F_DUPFD_CLOEXEC, DESCRIPTORS_FROM)
        try:
            settings = engine_settings(
                self.plan,
                directory=self.directory / "engine",
                scratch=self.scratch,
                cores=self.cores,
                socket_map=sockets,
                session=str(ready["session"]),
                first_sequence=int(ready["first_sequence"]),
                messages=int(ready["messages"]),
                packets=int(ready["packets"]),
                duration_ns=int(ready["duration_ns"]),
            )
            self._write("engine", settings)
            self.progress(f"{self.plan.name}: starting the engine", 0, 0)
            engine.configure([sockets])
        finally:
            os.close(sockets)
        engine.wait_for("ready", seconds=READY_SECONDS)

    def _watch(
        self,
        exchange: Child,
        engine: Child,
        tap: Tap,
        nemesis: Nemesis,
        *,
        started_ns: int,
        ready: dict[str, Any],
        trex: TrexDriver | None,
    ) -> None:
        """Sleeps through the traffic: shows progress, fires faults, empties rings that fill up."""
        page = ExchangePage(self.scratch / f"{self.plan.name}-exchange.page")
        self.stack.callback(page.close)
        engine_page = EnginePage(self.scratch / f"{self.plan.name}-engine.page")
        self.stack.callback(engine_page.close)
        total = int(ready["messages"])
        deadline_ns = started_ns + int(ready["duration_ns"]) + OVERDUE_NS
        shown_ns = published_ns = 0
        last_orders = -1
        orders_since_ns = 0
        while True:
            now_ns = time.monotonic_ns()
            state = page.read()
            reached = Reached(messages=state.messages, since_start_ns=now_ns - started_ns)
            nemesis.step(reached)
            if now_ns - shown_ns >= PROGRESS_NS:
                shown_ns = now_ns
                self.progress(self.plan.name, state.messages, total)
                self._keep_rings_open(tap)
                tap.read_clocks()
                self._still_alive(exchange, engine)
                if trex:
                    trex.check()
            if published_ns and not nemesis.waiting:
                if state.orders != last_orders:
                    last_orders, orders_since_ns = state.orders, now_ns
                quiet = now_ns - orders_since_ns >= SETTLE_NS and engine_page.read().feed_state == FEED_LIVE
                if quiet or now_ns - published_ns >= SETTLE_MAX_NS:
                    break
            if now_ns > deadline_ns:
                raise UndecidedError(
                    "the exchange did not finish publishing in time",
                    why=f"{state.messages} of {total} messages after {(now_ns - started_ns) / 1e9:.1f} s",
                )
            sleep_ns = nemesis.sleep_ns(reached)
            if published_ns:
                time.sleep(min(sleep_ns, SETTLE_LOOK_NS) / 1e9)
            elif (said := exchange.poll(sleep_ns / 1e9)) and said["event"] == "published":
                published_ns = time.monotonic_ns()
                self.note("published", messages=state.messages)
        self.progress(self.plan.name, total, total)

    @staticmethod
    def _keep_rings_open(tap: Tap) -> None:
        counts = tap.counts()
        if counts.frames_waiting > FRAME_RECORDS // 4 or counts.market_waiting > RING_RECORDS_MAX // 2:
            tap.drain()

    @staticmethod
    def _still_alive(exchange: Child, engine: Child) -> None:
        for child in (exchange, engine):
            if not child.alive:
                raise child.failure()

    def _transitions(self) -> list[Transition]:
        path = self.directory / "engine" / "engine.json"
        if not path.exists():
            return []
        return [Transition(**row) for row in json.loads(path.read_text())["transitions"]]

    def _strategy_changes(self) -> list[dict[str, Any]]:
        path = self.directory / "engine" / "engine.json"
        changes: list[dict[str, Any]] = []
        return (
            json.loads(path.read_text()).get("strategies", {}).get("changes", [])
            if path.exists()
            else changes
        )


def run_pass(plan: PassPlan, **parts: Any) -> PassResult:
    """Runs one pass; see ``Pass`` for the parts."""
    return Pass(plan, **parts).run()
