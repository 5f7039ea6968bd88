"""The loaded taps of one lab: opened on its wires, drained into two raw files, read back as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np

from lab._lab import ffi, lib
from lab.errors import MissingError, UsageError
from lab.measure.rows import MARKET_TAPS, Rows
from lab.topology import ORDER_WIRE, Topology
from lab.topology.wires import WIRES, netns_descriptor

__all__ = ["DropResult", "ProgramCost", "Tap", "TapCounts", "market_rows"]

RECORD = np.dtype(
    [("stamp_ns", "<u8"), ("sequence", "<u8"), ("length", "<u4")]
    + [("count", "<u2"), ("line", "u1"), ("flags", "u1")]
)
LINES = {"A": 0, "B": 1}


@dataclass(frozen=True, kw_only=True)
class TapCounts:
    """Records claimed and lost so far, and those a drain would move; frames on A and B that were no market data."""

    market_records: int
    market_lost: int
    market_waiting: int
    frame_records: int
    frames_lost: int
    frames_waiting: int
    not_market_data: tuple[int, int]

    @property
    def lost(self) -> int:
        return self.market_lost + self.frames_lost


@dataclass(frozen=True, kw_only=True)
class DropResult:
    """What one drop rule did; stamps are 0 when nothing was dropped."""

    left: int
    dropped: int
    first_drop_ns: int
    last_drop_ns: int


@dataclass(frozen=True, kw_only=True)
class ProgramCost:
    """Runs of one BPF program and the time they took together, by the kernel's own count."""

    runs: int
    run_ns: int


def object_file() -> Any:
    """The compiled BPF object as a context manager that gives its path."""
    return as_file(files("lab.tap").joinpath("wire.bpf.o"))


class Tap:
    """Stamps lines A and B at the engine's ends and the order wire at the exchange's end.

    ``market_capacity`` and ``frame_capacity`` are ring sizes in records; what does not fit between two drains
    is lost and counted. ``stamping=False`` leaves the hand-over alone, to measure what the tap costs.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        line_port: int,
        gateway_port: int,
        market_capacity: int,
        frame_capacity: int,
        directory: Path,
        stamping: bool = True,
        impairing: bool = False,
        profiling: bool = False,
    ) -> None:
        self.market_path = directory / "market_taps.bin"
        self.frame_path = directory / "order_frames.bin"
        options = ffi.new("struct tap_options *")
        for name, index in LINES.items():
            options.line_ifindex[index] = topology.interface_index(topology.engine, WIRES[name].interface)
            options.line_port[index] = line_port
        options.order_ifindex = topology.interface_index(topology.exchange, ORDER_WIRE.interface)
        options.gateway_port = gateway_port
        options.market_capacity = market_capacity
        options.frame_capacity = frame_capacity
        options.stamping = stamping
        options.impairing = impairing
        options.profiling = profiling
        with (
            object_file() as path,
            netns_descriptor(topology.engine) as engine,
            netns_descriptor(topology.exchange) as exchange,
        ):
            name = ffi.new("char[]", str(path).encode())
            options.object_path = name
            options.engine_netns, options.exchange_netns = engine, exchange
            self._tap = lib.tap_open(options)
        if self._tap == ffi.NULL:
            raise MissingError(
                "the wire taps could not be loaded",
                install="a kernel with BPF, XDP and veth (5.15 or newer), and root",
                why=ffi.string(lib.tap_error()).decode(),
            )
        try:
            self._market: IO[bytes] = self.market_path.open("wb", buffering=0)
            self._frames: IO[bytes] = self.frame_path.open("wb", buffering=0)
        except OSError:
            lib.tap_close(self._tap)
            raise

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def engine_sockets(self) -> int:
        """Descriptor of the XSKMAP that the engine inherits."""
        return int(lib.tap_engine_sockets(self._tap))

    def drop(self, line: str, *, sequence: int, packets: int) -> int:
        """Arms a drop rule and returns its number on that line."""
        rule = int(lib.tap_drop(self._tap, LINES[line], sequence, packets))
        if rule < 0:
            raise UsageError(
                f"too many drop faults on line {line}", todo="a line takes eight; split the scenario"
            )
        return rule

    def drop_result(self, line: str, rule: int) -> DropResult:
        result = ffi.new("struct tap_drop_result *")
        lib.tap_drop_result(self._tap, LINES[line], rule, result)
        return DropResult(
            left=result.left,
            dropped=result.dropped,
            first_drop_ns=result.first_drop_ns,
            last_drop_ns=result.last_drop_ns,
        )

    def clear_drops(self) -> None:
        lib.tap_drop_clear(self._tap)

    def drain(self) -> None:
        """Moves what the rings hold into the raw files."""
        result = lib.tap_drain(self._tap, self._market.fileno(), self._frames.fileno())
        if result:
            raise OSError(-result, "writing tap records", str(self.market_path))

    def counts(self) -> TapCounts:
        counts = ffi.new("struct tap_counts *")
        lib.tap_counts(self._tap, counts)
        return TapCounts(
            market_records=counts.market_records,
            market_lost=counts.market_lost,
            market_waiting=counts.market_waiting,
            frame_records=counts.frame_records,
            frames_lost=counts.frames_lost,
            frames_waiting=counts.frames_waiting,
            not_market_data=(counts.not_market_data[0], counts.not_market_data[1]),
        )

    def program_cost(self, program: Literal["market", "order"]) -> ProgramCost:
        """What the kernel counted of one program; zero without ``profiling``."""
        number = lib.TAP_PROGRAM_ORDER if program == "order" else lib.TAP_PROGRAM_MARKET
        cost = ffi.new("struct tap_program_cost *")
        lib.tap_program_cost(self._tap, number, cost)
        return ProgramCost(runs=cost.runs, run_ns=cost.run_ns)

    def close(self) -> None:
        """Detaches the taps; the raw files stay."""
        if self._tap != ffi.NULL:
            lib.tap_close(self._tap)
            self._tap = ffi.NULL
            self._market.close()
            self._frames.close()


def market_rows(path: Path) -> Rows:
    """MARKET_TAPS rows of a raw file, in order of stamping; heartbeats (count 0) included."""
    raw = np.fromfile(path, RECORD)
    rows = np.empty(len(raw), MARKET_TAPS)
    for name in MARKET_TAPS.names or ():
        rows[name] = raw[name]
    return rows
