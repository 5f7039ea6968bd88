"""The loaded taps of one lab: opened on its wires, drained into two raw files, read back as arrays."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab._lab import ffi, lib
from lab.errors import MissingError, TailgateError, UsageError
from lab.measure.rows import MARKET_TAPS, Rows
from lab.tap.card_clock import CARD_ENDS, CardClocks, converted, stored_clocks
from lab.topology import ORDER_WIRE, RECOVERY_WIRE, Topology
from lab.topology.wires import WIRES, netns_descriptor

__all__ = [
    "PLACES",
    "ProgramCost",
    "RuleResult",
    "Tap",
    "TapCounts",
    "Window",
    "detach_link",
    "market_rows",
    "noise_rows",
    "predict",
    "stamps_by_card",
]

RECORD = np.dtype(
    [("stamp_ns", "<u8"), ("sequence", "<u8"), ("length", "<u4")]
    + [("count", "<u2"), ("line", "u1"), ("flags", "u1")]
)
LINES = {"A": 0, "B": 1}
PLACES = ("A", "B", "recovery", "requests", "snapshot")  # where rules are looked at; tap.h says which end
SESSION_BYTES = 10
NOISE_LINE = 3  # TAP_LINE_NOISE
FRAMINGS = {"moldudp64": lib.TAP_FRAMING_MOLDUDP64, "mdp3": lib.TAP_FRAMING_MDP3}
PROGRAMS = {"market": 0, "order": 1, "reply": 2, "request": 3}


@dataclass(frozen=True, kw_only=True)
class TapCounts:
    """Records claimed and lost so far, and those a drain would move; frames on A and B that were no market data.

    ``requests`` reached the exchange's end of the recovery wire, ``snapshot_frames`` the engine's end; those that a
    rule dropped are counted too. ``windows`` of rules took a packet; the tap remembers the first 1024. ``card_stamped``
    packets came with the card's stamp, ``card_unstamped`` did not although it was asked.
    """

    market_records: int
    market_lost: int
    market_waiting: int
    frame_records: int
    frames_lost: int
    frames_waiting: int
    not_market_data: tuple[int, int]
    requests: int = 0
    snapshot_frames: int = 0
    windows: int = 0
    card_stamped: tuple[int, ...] = (0, 0, 0, 0)  # by CARD_ENDS
    card_unstamped: tuple[int, ...] = (0, 0, 0, 0)

    @property
    def lost(self) -> int:
        return self.market_lost + self.frames_lost


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """What one rule did: data packets in its windows, those of them taken, heartbeats taken; stamps 0 = none."""

    seen: int
    hit: int
    controls: int
    windows: int
    first_hit_ns: int
    last_hit_ns: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """What window ``number`` (from 1) of one rule took: stamps of its first and last packet, position of the first."""

    place: str
    rule: int
    number: int
    position: int
    packets: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, kw_only=True)
class ProgramCost:
    """Runs of one BPF program and the time they took together, by the kernel's own count."""

    runs: int
    run_ns: int


def object_file() -> Any:
    """The compiled BPF object as a context manager that gives its path."""
    return as_file(files("lab.tap").joinpath("wire.bpf.o"))


class Tap:
    """Stamps lines A and B and replies to re-requests at the engine's ends, and orders at the exchange's end.

    ``market_capacity`` and ``frame_capacity`` are ring sizes in records; what does not fit between two drains
    is lost and counted. ``stamping=False`` leaves the hand-over alone, to measure what the tap costs.
    ``request_port`` 0 leaves the recovery wire alone. ``sessions`` of the run in their order: with more than one,
    recorded numbers are positions. ``framing`` is that of lines A and B. ``impairing=True`` lets rules take packets
    off the wires or spoil them. ``posing``: the lines' program passes for libxdp's own, so that DPDK's net_af_xdp
    leaves it where it is. ``noise`` gives the groups of lines A and B: multicast to others is stamped as noise
    and handed to the engine as well.
    off the wires or spoil them. ``following=True`` keeps the page by which an exchange learns what another publishes.
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
        request_port: int = 0,
        snapshot_port: int = 0,
        sessions: Sequence[str] = (),
        stamping: bool = True,
        impairing: bool = False,
        framing: Literal["moldudp64", "mdp3"] = "moldudp64",
        profiling: bool = False,
        posing: bool = False,
        noise: Sequence[str] = (),
        following: bool = False,
    ) -> None:
        self.market_path = directory / "market_taps.bin"
        self.frame_path = directory / "order_frames.bin"
        options = ffi.new("struct tap_options *")
        for name, index in LINES.items():
            options.line_ifindex[index] = topology.interface_index(topology.engine, WIRES[name].interface)
            options.line_port[index] = line_port
        options.order_ifindex = topology.interface_index(topology.exchange, ORDER_WIRE.interface)
        options.gateway_port = gateway_port
        if request_port:
            recovery = RECOVERY_WIRE.interface
            options.reply_ifindex = topology.interface_index(topology.engine, recovery)
            options.request_ifindex = topology.interface_index(topology.exchange, recovery)
            options.request_port, options.snapshot_port = request_port, snapshot_port
        if len(sessions) > lib.TAP_SESSIONS_MAX:
            raise UsageError(f"{len(sessions)} sessions in one run", todo="a run takes four; split it")
        options.session_count = len(sessions)
        for index, session in enumerate(sessions):
            ffi.memmove(options.sessions[index], session.ljust(SESSION_BYTES).encode(), SESSION_BYTES)
        options.market_capacity = market_capacity
        options.frame_capacity = frame_capacity
        options.stamping = stamping
        options.impairing = impairing
        options.framing = FRAMINGS[framing]
        options.following = following
        options.profiling = profiling
        options.posing = posing
        options.noise = bool(noise)
        for index, group in enumerate(noise):
            options.line_group[index] = int.from_bytes(IPv4Address(group).packed, sys.byteorder)
        asked = set(topology.cards) - ({"A", "B"} if posing else set())
        options.cards = sum(1 << CARD_ENDS.index(end) for end in asked)
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
                install="a kernel with BPF, XDP and veth (5.18 or newer), and root",
                why=ffi.string(lib.tap_error()).decode(),
            )
        self._state = lib.tap_state(self._tap)
        self._clocks: CardClocks | None = None
        self.peak = 0  # market records that waited at once, at most
        try:
            self._clocks = CardClocks(directory, topology.cards)
            self._market: IO[bytes] = self.market_path.open("wb", buffering=0)
            self._frames: IO[bytes] = self.frame_path.open("wb", buffering=0)
        except (OSError, TailgateError):
            lib.tap_close(self._tap)
            raise

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def withdraw_engine(self, line: Literal["A", "B"]) -> None:
        """Takes the engine's AF_XDP socket off a line; its packets pass to the kernel, stamped as before."""
        result = lib.tap_withdraw_engine(self._tap, LINES[line])
        if result and -result != errno.ENOENT:
            raise UsageError(
                f"line {line}: the engine's socket could not be taken off", why=os.strerror(-result)
            )

    @property
    def engine_sockets(self) -> int:
        """Descriptor of the XSKMAP that the engine inherits."""
        return int(lib.tap_engine_sockets(self._tap))

    @property
    def followed_map(self) -> int:
        """Number of the BPF map with the page of traffic/exchange/followed.h."""
        number = int(lib.tap_followed_map(self._tap))
        if number < 0:
            raise OSError(-number, "reading the number of a BPF map")
        return number

    def impair(self, place: str, rule: Mapping[str, int]) -> int:
        """Arms a rule, given by the fields of ``struct impairment_rule``; returns its number in that place."""
        number = int(lib.rules_arm(self._state, PLACES.index(place), rule_of(rule)))
        if number < 0:
            raise UsageError(
                f"too many faults on {place}", todo=f"it takes {lib.TAP_RULES_MAX}; split the scenario"
            )
        return number

    def rule_result(self, place: str, number: int) -> RuleResult:
        rule = ffi.new("struct impairment_rule *")
        if lib.rules_read(self._state, PLACES.index(place), number, rule):
            raise ValueError(f"no rule {number} was armed on {place}")
        return RuleResult(
            seen=rule.seen,
            hit=rule.hit,
            controls=rule.controls,
            windows=rule.windows,
            first_hit_ns=rule.first_hit_ns,
            last_hit_ns=rule.last_hit_ns,
        )

    def windows(self) -> list[Window]:
        """Every window that took a packet, in the order of their first ones, as far as they are remembered."""
        found = ffi.new("struct tap_window[]", lib.TAP_WINDOWS_MAX)
        count = lib.rules_windows(self._state, found, lib.TAP_WINDOWS_MAX)
        return [
            Window(
                place=PLACES[window.place],
                rule=window.rule,
                number=window.number,
                position=window.position,
                packets=window.packets,
                first_ns=window.first_ns,
                last_ns=window.last_ns,
            )
            for window in found[0:count]
            if window.packets
        ]

    def clear_rules(self) -> None:
        """Every rule sleeps from now on; what they did can still be read."""
        lib.rules_clear(self._state)

    def read_clocks(self) -> None:
        """Pairs the cards' clocks with this host's; a few microseconds a card."""
        if self._clocks:
            self._clocks.read()

    def drain(self) -> None:
        """Moves what the rings hold into the raw files."""
        self.read_clocks()
        self.peak = max(self.peak, self.counts().market_waiting)
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
            requests=counts.requests,
            snapshot_frames=counts.snapshot_frames,
            windows=counts.windows,
            card_stamped=tuple(counts.card_stamped),
            card_unstamped=tuple(counts.card_unstamped),
        )

    def program_cost(self, program: Literal["market", "order", "reply", "request"]) -> ProgramCost:
        """What the kernel counted of one program; zero without ``profiling``."""
        cost = ffi.new("struct tap_program_cost *")
        lib.tap_program_cost(self._tap, PROGRAMS[program], cost)
        return ProgramCost(runs=cost.runs, run_ns=cost.run_ns)

    def close(self) -> None:
        """Detaches the taps; the raw files stay."""
        if self._tap != ffi.NULL:
            lib.tap_close(self._tap)
            self._tap = ffi.NULL
            if self._clocks:
                self._clocks.close()
            self._market.close()
            self._frames.close()


def rule_of(fields: Mapping[str, int]) -> Any:
    """A ``struct impairment_rule`` with these fields, the others zero."""
    rule = ffi.new("struct impairment_rule *")
    for name, value in fields.items():
        setattr(rule, name, value)
    return rule


def predict(
    rule: Mapping[str, int], *, positions: ArrayLike, messages: ArrayLike, times_ns: ArrayLike
) -> NDArray[np.uint32]:
    """The judgement of the wire, without a wire: for each of these packets of one line, in order, the number (from 1)
    of the window in which the rule takes it, or 0 when it does not."""
    at = np.ascontiguousarray(positions, np.uint64)
    carried, now = np.ascontiguousarray(messages, np.uint32), np.ascontiguousarray(times_ns, np.uint64)
    taken_in = np.zeros(len(at), np.uint32)
    lib.rules_predict(
        rule_of(rule),
        len(at),
        ffi.from_buffer("uint64_t[]", at),
        ffi.from_buffer("uint32_t[]", carried),
        ffi.from_buffer("uint64_t[]", now),
        ffi.from_buffer("uint32_t[]", taken_in, require_writable=True),
    )
    return taken_in


def market_rows(path: Path) -> Rows:
    """MARKET_TAPS rows of a raw file, in order of stamping; heartbeats (count 0) included, noise left out.

    Stamps of cards are turned into CLOCK_MONOTONIC. UndecidedError when they cannot be.
    """
    raw = np.fromfile(path, RECORD)
    return _rows(raw[raw["line"] < NOISE_LINE], path.parent)


def noise_rows(path: Path) -> Rows:
    """MARKET_TAPS rows of the noise on lines A and B, as lines 0 and 1; `sequence` names the channel (tap.h)."""
    raw = np.fromfile(path, RECORD)
    rows = _rows(raw[raw["line"] >= NOISE_LINE], path.parent)
    rows["line"] -= NOISE_LINE
    return rows


def _rows(raw: NDArray[np.void], directory: Path) -> Rows:
    rows = np.empty(len(raw), MARKET_TAPS)
    for name in MARKET_TAPS.names or ():
        rows[name] = raw[name]
    by_card = raw["flags"] & lib.TAP_FLAG_CARD != 0
    clocks = stored_clocks(directory) if by_card.any() else {}
    for number, end in enumerate(CARD_ENDS[:3]):
        of_end = by_card & (raw["line"] == number)
        if of_end.any():
            rows["stamp_ns"][of_end] = converted(end, raw["stamp_ns"][of_end], clocks)
    if by_card.any():  # cards and the hook do not agree to the nanosecond on what came first
        rows["flags"] &= ~np.uint8(lib.TAP_FLAG_CARD)
        rows = rows[np.argsort(rows["stamp_ns"], kind="stable")]
    return rows


def stamps_by_card(path: Path) -> tuple[int, int]:
    """(stamps of cards, stamps of the hook) in a raw file of market records, without packets that a fault took."""
    raw = np.fromfile(path, RECORD)
    raw = raw[raw["line"] < NOISE_LINE]
    flags = raw["flags"][raw["flags"] & lib.TAP_FLAG_DROPPED == 0]
    by_card = int(np.count_nonzero(flags & lib.TAP_FLAG_CARD))
    return by_card, len(flags) - by_card


def detach_link(link_id: int) -> None:
    """Takes a BPF program off its interface by the number of its link; one that is gone already is no error."""
    result = lib.tap_detach_link(link_id)
    if result and -result != errno.ENOENT:
        raise UsageError(f"BPF link {link_id} could not be detached", why=os.strerror(-result))
