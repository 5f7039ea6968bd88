"""TRex publishes a pass: its server and worker go up, files are played, and what it tells of itself comes out.

TRex cannot be told when to begin: it does when its core gets round to it. So the files begin with heartbeats at known
distances; the earliest of their arrivals, each minus its distance, is when the file began (``began_ns``), and the
market begins so much later. Everything is judged by the wire's stamps, as with the exchange.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import MissingError, UndecidedError
from lab.host import Cores
from lab.measure.rows import Rows
from lab.run.child import PRIORITY, Child, favour
from lab.run.pages import ENGINE_LINES_OFFSET
from lab.run.trex_cables import check_far_ends
from lab.run.trex_latency import with_percentiles
from lab.run.trex_plan import TrexPlan, files_folder, path_at_server
from lab.run.trex_probe import ProbePath, second_interfaces, second_profiles, second_streams
from lab.run.trex_shared import LATE_BEGIN_NS, beginnings_heard, no_lead_in
from lab.tap import Tap, market_rows
from lab.topology import Ledger, Topology
from lab.topology.wires import WIRES
from traffic.trex.client import TrexClient
from traffic.trex.server import (
    MIN_CPUS_BUSY,
    ServerConfig,
    command,
    config_text,
    how_it_ended,
    interface_text,
    why_it_ended,
)

__all__ = ["TrexDriver", "began_ns"]

LINES = ("A", "B")
UP_SECONDS = 90  # from the server's start to its first answer
LOOK_SECONDS = 0.05
LEAD_IN_SHARE = 0.5  # of the lead-in's heartbeats, that are waited for; the earliest of all of them counts
AHEAD_NS = 50_000_000  # the start is known so long before the market begins
END_SECONDS = 5.0
STOP_SECONDS = 15.0
GIVE_BACK_SECONDS = 5.0  # for a worker on the way out
INIT = 1  # its CPUs are the machine's: this process is pinned while a lab is up
PLACEHOLDERS = ("02:00:00:00:00:01", "01:00:5e:00:00:01")
CABLE_ADVICE = "name the engine's ends of its cables: ports: {A: {engine: PORT}, B: {engine: PORT}}"
LIMITS = (
    "latency in whole microseconds, stamped by TRex's software on both sides: the time that its core takes to send "
    "and to look at its receive queue is in it",
    "drops are counted by the numbers in TRex's latency packets, on TRex's own ports; what the engine got is in the "
    "lab's stamps",
    "the file's beginning is the earliest of its lead-in heartbeats: a constant delay of all packets is not seen",
    "TRex moves the rest of its schedule by any delay of its own above 100 us: lateness stays until the file's end",
    "its minimum, maximum and average are since its last look; count and percentiles of its HdrHistogram are of all",
)
ELSEWHERE = (
    "the server's clock is another host's: what it drifts from this one's is in pacing_error and response (50 ppm are "
    "50 us a second)"
)
SHARED = (
    "lines in shared memory have the engine's own stamps: what waited there while a poll went on, up to 20 us, is not "
    "in wire_to_wire; what waited longer is counted among the stalls"
)


def limits_of(plan: TrexPlan) -> list[str]:
    """What is to be known of the figures of such a run."""
    elsewhere = [] if plan.installation is not None else [ELSEWHERE]
    return [*elsewhere, *([SHARED] if plan.shared else []), *LIMITS]


def began_ns(heartbeats: Rows, *, every_ns: int) -> int:
    """When a line's first record was due, from the stamps of its lead-in in the order of arrival."""
    stamps = heartbeats["stamp_ns"].astype(np.int64)
    return int((stamps - np.arange(stamps.size) * every_ns).min())


class TrexDriver:
    """Up when it is made: a local server runs, the worker is connected and has its ports."""

    def __init__(
        self,
        plan: TrexPlan,
        *,
        topology: Topology,
        ledger: Ledger,
        cores: Cores,
        directory: Path,
        scratch: Path,
        stack: ExitStack,
        page: Path,
        socket: Path,
    ) -> None:
        """``page``: the engine's, in which it tells of lines that no tap sees; ``socket``: of memory shared with it."""
        self.page, self.socket = page, socket
        self.plan, self.topology, self.ledger, self.cores = plan, topology, ledger, cores
        self.directory, self.scratch, self.stack = directory / "trex", scratch, stack
        self.directory.mkdir(parents=True, exist_ok=True)
        self.told: dict[str, Any] = {"driver": "trex", "server": plan.server, "limits": limits_of(plan)}
        self.server: subprocess.Popen[bytes] | None = None
        self.files: dict[str, dict[str, str]] = {}
        if plan.options.latency is not None:
            probe = ProbePath(topology)
            stack.callback(probe.close)
            probe.open()
        if plan.installation is not None:
            self._start_server()
        self.worker = self._start_worker()
        self.client = TrexClient(self.worker)
        self._wait_until_ready()
        if topology.far_lines:
            check_far_ends(
                self.client,
                topology=topology,
                ports=dict(zip(LINES, self.market_ports, strict=True)),
                folder=files_folder(plan, scratch),
                at_server=lambda path: path_at_server(plan, path),
                server=f"TRex server {self.name}",
            )

    @property
    def market_ports(self) -> tuple[int, int]:
        """The server's numbers of the ports of A and B."""
        first, second = self.plan.ports if self.plan.installation is None else (0, 1)
        return int(first), int(second)

    def followed(self, tap: Tap) -> dict[str, Any]:
        """Where the exchange learns how far the lines are; the engine is up."""
        if self.plan.shared:
            return {"page": str(self.page), "offset": ENGINE_LINES_OFFSET}
        return {"map": tap.followed_map}

    def _interfaces(self) -> tuple[list[str], list[tuple[str, str]]]:
        names = [str(port) for port in self.plan.ports] or [WIRES[line].interface for line in LINES]
        macs = [PLACEHOLDERS] * len(names)
        if self.plan.shared:
            names = [f"memif:{self.socket},id={index}" for index in range(len(LINES))]
        elif not self.plan.ports:
            names += second_interfaces(self.plan)
            ends = (self.topology.exchange, self.topology.engine)
            macs = [(self.topology.hardware_address(ends[0], name), self.topology.hardware_address(ends[1], name))
                    for name in names]  # fmt: skip
        return [interface_text(index, name) for index, name in enumerate(names)], macs

    def _cpus(self) -> tuple[int, ...]:
        """Of the server: with few CPUs one, which it shares with the exchange, that sleeps most of the time."""
        free = sorted(os.sched_getaffinity(INIT) - {self.cores.engine})
        return tuple(free[:3]) if len(free) >= MIN_CPUS_BUSY else (self.cores.exchange,)

    def _start_server(self) -> None:
        installation = self.plan.installation
        assert installation is not None
        interfaces, macs = self._interfaces()
        prefix = f"tailgate-{self.ledger.prefix}"
        config = ServerConfig(interfaces=interfaces, macs=macs, prefix=prefix, cpus=self._cpus())
        path = self.directory / "trex_cfg.yaml"
        path.write_text(config_text(config))
        self.ledger.add_directory(Path("/var/run/dpdk") / prefix)
        self.log = self.directory / "server.log"
        with self.log.open("wb") as log:
            self.server = subprocess.Popen(
                self.topology.command(
                    self.topology.exchange, *PRIORITY, *command(installation, config, path)
                ),
                cwd=installation.home,
                env={**os.environ, "LD_LIBRARY_PATH": str(installation.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._anywhere,
            )
        self.ledger.add_process(self.server.pid)
        favour(self.server.pid)
        self.stack.callback(self._kill_server)
        self.told |= {"low_end": config.low_end, "cpus": list(config.cpus), "interfaces": interfaces}

    @staticmethod
    def _anywhere() -> None:
        """The server pins its threads itself; it inherits the lab's one CPU otherwise."""
        os.sched_setaffinity(0, os.sched_getaffinity(INIT))

    def _start_worker(self) -> Child:
        local = self.plan.installation is not None
        ports = [*self.market_ports, *range(2, 2 + len(second_interfaces(self.plan)))]
        options = self.plan.options
        config = {
            "server": "127.0.0.1" if local else self.plan.server,
            "rpc_port": 4501 if local else options.rpc_port,
            "publish_port": 4500 if local else options.publish_port,
            "patience_s": UP_SECONDS if local else 0,
            "ports": ports,
            "force": options.force,
        }
        path = self.directory / "worker.json"
        path.write_text(json.dumps(config, indent=1))
        worker = Child(
            "traffic.trex.worker",
            path,
            topology=self.topology,
            namespace=self.topology.exchange if local else None,
            ledger=self.ledger,
        )
        self.stack.callback(worker.end)
        if not local:
            self.stack.callback(self._let_go, worker)
        return worker

    @staticmethod
    def _let_go(worker: Child) -> None:
        """It gives its ports back, which a server that goes on would keep for it."""
        if worker.alive:
            worker.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(timeout=GIVE_BACK_SECONDS)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + UP_SECONDS + 30
        while (said := self.worker.poll(LOOK_SECONDS)) is None:
            self.check()
            if time.monotonic() > deadline:
                raise UndecidedError("TRex: neither ready nor refused in time", where=str(self.directory))
        self.told |= {name: value for name, value in said.items() if name not in ("event", "server")}
        self.name = str(said["server"])

    def check(self) -> None:
        """Raises what went wrong with the server or the worker, if anything did."""
        if self.server is not None and self.server.poll() is not None:
            raise MissingError(
                f"the TRex server {how_it_ended(self.server.returncode)}",
                install=f"its log is {self.log}",
                why=why_it_ended(self.log.read_text(errors="replace")),
            )
        if not self.worker.alive:
            raise self.worker.failure()

    def begin(self, tap: Tap, ready: dict[str, Any]) -> int:
        """Plays the files; the intended time of the first packet, on the clock of the stamps."""
        published = ready["published_by"]
        self.files = published["files"]
        ports = dict(zip(LINES, self.market_ports, strict=True))
        streams, profiles = second_streams(self.plan, self.topology), second_profiles(self.plan)
        for port in sorted({*streams, *profiles}):
            self.client.streams(port, streams.get(port, ()), profiles.get(port, ()))
        options = self.plan.options
        asked_ns = self.client.push(
            {ports[line]: path_at_server(self.plan, self.files[line]["market"]) for line in LINES},
            speed_up=options.speed_up,
            gap_min_ns=options.gap_min_ns,
            own_macs=not self.plan.ports,
        )
        if self.plan.shared:
            began = beginnings_heard(
                self.page, published, asked_ns=asked_ns, check=self.check, where=self.directory
            )
        else:
            began = self._line_beginnings(tap, int(ready["first_sequence"]), published, asked_ns)
        started_ns = min(began.values()) + int(published["market_ns"])
        left_ns = started_ns - time.monotonic_ns()
        if left_ns < AHEAD_NS:
            raise UndecidedError(
                "TRex's lead-in was over before the lab knew when it had begun",
                why=f"asked {(time.monotonic_ns() - asked_ns) / 1e6:.0f} ms ago, lines began "
                f"{', '.join(f'{(at - asked_ns) / 1e6:+.0f}' for at in began.values())} ms from then, and the market "
                f"has {left_ns / 1e6:.0f} ms left",
                todo="give traffic.trex a longer lead_in",
            )
        self.told["start"] = {
            "asked_ns": asked_ns,
            "began_ns": began,
            "after_request_ns": min(began.values()) - asked_ns,
            "line_skew_ns": began["B"] - began["A"],
        }
        return started_ns

    def _line_beginnings(
        self, tap: Tap, first: int, published: dict[str, Any], asked_ns: int
    ) -> dict[str, int]:
        wanted = int(published["lead_in"] * LEAD_IN_SHARE)
        deadline_ns = asked_ns + int(published["market_ns"]) + LATE_BEGIN_NS
        while True:
            time.sleep(LOOK_SECONDS)
            tap.drain()
            rows = market_rows(tap.market_path)
            leads = rows[(rows["count"] == 0) & (rows["sequence"] == first)]
            of_line = {line: leads[leads["line"] == place] for place, line in enumerate(LINES)}
            if min(map(len, of_line.values())) >= wanted:
                every_ns = int(published["lead_every_ns"])
                return {line: began_ns(some, every_ns=every_ns) for line, some in of_line.items()}
            self.check()
            if time.monotonic_ns() > deadline_ns:
                todo = None if self.topology.far_lines or not self.plan.ports else CABLE_ADVICE
                seen = {line: len(some) for line, some in of_line.items()}
                raise no_lead_in(seen, wanted, where=self.directory, todo=todo)

    def finish(self) -> dict[str, Any]:
        """Ends the session on the wires, asks for the counters and takes everything down."""
        ports = self.market_ports
        self.client.end(ports)
        self.client.push(
            {
                port: path_at_server(self.plan, self.files[line]["end"])
                for line, port in zip(LINES, ports, strict=True)
            },
            own_macs=not self.plan.ports,
        )
        deadline = time.monotonic() + END_SECONDS
        while not self.client.idle(ports) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        statistics = self.client.statistics().model_dump(mode="json", exclude={"event"})
        statistics["latency"] = [with_percentiles(row) for row in statistics["latency"]]
        self.told["statistics"] = statistics
        self.worker.stop()
        self._stop_server()
        (self.directory / "trex.json").write_text(json.dumps(self.told, indent=1) + "\n")
        return self.told

    def _stop_server(self) -> None:
        if self.server is None:
            return
        self.server.terminate()
        try:
            self.server.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.told["killed"] = True
            self._kill_server()

    def _kill_server(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
