"""Streams enter; the program of the exchange's pacer leaves (exchange/noise_plan.h, exchange/field_engine.h).

Rates become gaps as TRex's do: bits per second and percentages by the frame's expected length, the frame check sequence
included, and 20 bytes of preamble and gap on the wire (L1); a percentage is of a line of LINE_BPS. A length that is
random counts with its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from traffic.errors import InputError
from traffic.profiles.streams import (
    Burst,
    Continuous,
    FixIpv4,
    FixL4,
    FlowVariable,
    MultiBurst,
    Stream,
    Trim,
    TupleVariable,
    Write,
)

__all__ = ["Operation", "ProgramStream", "Variable", "compile_streams"]

LINE_BPS = 10_000_000_000
CHECK_BYTES, L1_BYTES = 4, 20
FRAME_BYTES_MIN = 60
PS_PER_S, PS_PER_US = 10**12, 10**6
GAP_MAX_PS = 3600 * PS_PER_S
KINDS = {"inc": 0, "dec": 1, "random": 2}
TUPLE, WRITE, TRIM, IPV4_SUM, L4_SUM = 3, 4, 5, 6, 7
PROTOCOLS = {11: 17, 13: 6, 17: 0}  # TRex's l4_type: the IP protocol, 0 for the header only
L4_BYTES = {17: 8, 6: 20, 0: 0}
MULTICAST = range(224, 240)
SOURCE_FROM_PACKET, DESTINATION_FROM_PACKET = 1, 1  # flags: bit 0, and bits 1 and 2
FOREVER_NS = 2**62
GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True, kw_only=True)
class Variable:
    initial: int
    minimum: int
    maximum: int
    step: int = 1


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An instruction of exchange/field_engine.h; fields that its kind does not use are 0."""

    kind: int
    variable: int = 0
    offset: int = 0
    size: int = 0
    add: int = 0
    big_endian: bool = True
    l3_bytes: int = 0
    protocol: int = 0
    limit: int = 0


@dataclass(frozen=True, kw_only=True)
class ProgramStream:
    """One stream, ready to be planned and executed; ``next`` counts in the same program, -1 is none."""

    name: str
    gap_ps: int
    wait_ps: int
    pause_ps: int
    packets: int
    bursts: int
    next: int
    turns: int
    starts: bool
    frame: bytes
    line_mac: bool
    seed: int
    variables: tuple[Variable, ...] = ()
    operations: tuple[Operation, ...] = ()
    cache: int = 0


def compile_streams(streams: Sequence[Stream], *, profile: str, seed: int) -> tuple[ProgramStream, ...]:
    """The enabled streams of one profile; InputError names stream and instruction that cannot be executed."""
    names = [stream.name for stream in streams]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"profile {profile}: two streams are called {sorted(twice)[0]}")
    enabled = [stream for stream in streams if stream.enabled]
    places = {stream.name: index for index, stream in enumerate(enabled)}
    if not any(stream.self_start and not stream.start_paused for stream in enabled):
        raise InputError(f"profile {profile}: no stream starts by itself (self_start, enabled, not paused)")
    return tuple(
        _Compiler(stream, places, f"profile {profile}, stream {stream.name}").compiled(index, seed)
        for index, stream in enumerate(enabled)
    )


class _Compiler:
    """One stream."""

    def __init__(self, stream: Stream, places: dict[str, int], where: str) -> None:
        self.stream, self.places, self.where = stream, places, where
        self.variables: list[Variable] = []
        self.sizes: list[int] = []
        self.names: dict[str, int] = {}
        self.frame = stream.packet.binary.ljust(FRAME_BYTES_MIN, b"\0")
        self.shortest, self.expected = len(self.frame), float(len(self.frame))
        for instruction in stream.vm.instructions:
            if isinstance(instruction, Trim):
                self._measure(instruction)

    def compiled(self, index: int, seed: int) -> ProgramStream:
        stream = self.stream
        if stream.next is not None and stream.next not in self.places:
            raise InputError(f"{self.where}: next: there is no enabled stream called {stream.next}")
        packets, bursts, pause_us = self._mode()
        operations = tuple(
            self._operation(number + 1, instruction)
            for number, instruction in enumerate(stream.vm.instructions)
        )
        own = stream.flags >> 1 & 3
        source = bool(stream.flags & SOURCE_FROM_PACKET)
        return ProgramStream(
            name=stream.name,
            gap_ps=self._gap_ps(),
            wait_ps=round(stream.isg * PS_PER_US),
            pause_ps=round(pause_us * PS_PER_US),
            packets=packets,
            bursts=bursts,
            next=-1 if stream.next is None else self.places[stream.next],
            turns=stream.action_count,
            starts=stream.self_start and not stream.start_paused,
            frame=self.frame if own == DESTINATION_FROM_PACKET else _to_group(self.frame),
            line_mac=not source,
            seed=stream.random_seed or (seed * GOLDEN + index + 1) % 2**64,
            variables=tuple(self.variables),
            operations=operations,
            cache=stream.vm.cache or 0,
        )

    def _mode(self) -> tuple[int, int, float]:
        """(packets of a burst, bursts, pause); 0 is endless."""
        mode = self.stream.mode
        if isinstance(mode, Continuous):
            return 0, 0, 0.0
        if isinstance(mode, Burst):
            return mode.total_pkts, 1, 0.0
        assert isinstance(mode, MultiBurst)
        return mode.pkts_per_burst, mode.count, mode.ibg

    def _gap_ps(self) -> int:
        rate = self.stream.mode.rate
        whole = self.expected + CHECK_BYTES
        bits_per_s = rate.value * LINE_BPS / 100 if rate.type == "percentage" else rate.value
        on_wire = whole if rate.type == "bps_L2" else whole + L1_BYTES
        per_s = rate.value if rate.type == "pps" else bits_per_s / (8 * on_wire)
        gap_ps = round(PS_PER_S / per_s) if per_s * GAP_MAX_PS > PS_PER_S else GAP_MAX_PS + 1
        if gap_ps > GAP_MAX_PS:
            raise InputError(f"{self.where}: mode.rate: less than a frame an hour")
        return gap_ps

    def _measure(self, trim: Trim) -> None:
        """The expected length is that of the last trim, as it is the last that cuts."""
        for number, instruction in enumerate(self.stream.vm.instructions):
            if isinstance(instruction, FlowVariable) and instruction.name == trim.name:
                here = f"{self.where}: instruction {number + 1} (flow_var)"
                if instruction.size != 2:
                    raise InputError(f"{here}: a variable that trims has 2 bytes")
                low, high = instruction.min_value, instruction.max_value
                if low < FRAME_BYTES_MIN or high > len(self.frame):
                    raise InputError(
                        f"{here}: it trims to {low} to {high} bytes; "
                        f"{FRAME_BYTES_MIN} to {len(self.frame)}, the frame's length, can be"
                    )
                self.shortest = min(self.shortest, low)
                self.expected = (low + high) / 2

    def _operation(self, number: int, instruction: object) -> Operation:
        here = f"{self.where}: instruction {number} ({getattr(instruction, 'type', '')})"
        if isinstance(instruction, FlowVariable):
            step = instruction.step
            place = self._add(here, instruction.name, instruction.size)
            self.variables.append(
                Variable(
                    initial=instruction.init_value,
                    minimum=instruction.min_value,
                    maximum=instruction.max_value,
                    step=step,
                )
            )
            return Operation(kind=KINDS[instruction.op], variable=place)
        if isinstance(instruction, TupleVariable):
            place = self._add(here, f"{instruction.name}.ip", 4)
            self._add(here, f"{instruction.name}.port", 2)
            for low, high in (
                (instruction.ip_min, instruction.ip_max),
                (instruction.port_min, instruction.port_max),
            ):
                self.variables.append(Variable(initial=low, minimum=low, maximum=high))
            return Operation(kind=TUPLE, variable=place, limit=instruction.limit_flows)
        if isinstance(instruction, Write):
            place = self._find(here, instruction.name)
            size = self.sizes[place]
            self._fits(here, instruction.pkt_offset + size, len(self.frame))
            return Operation(
                kind=WRITE,
                variable=place,
                offset=instruction.pkt_offset,
                size=size,
                add=instruction.add_value,
                big_endian=instruction.is_big_endian,
            )
        if isinstance(instruction, Trim):
            return Operation(kind=TRIM, variable=self._find(here, instruction.name))
        if isinstance(instruction, FixIpv4):
            self._fits(here, instruction.pkt_offset + 20, self.shortest)
            return Operation(kind=IPV4_SUM, offset=instruction.pkt_offset)
        assert isinstance(instruction, FixL4)
        return self._fix_l4(here, instruction)

    def _fix_l4(self, here: str, instruction: FixL4) -> Operation:
        protocol = PROTOCOLS[instruction.l4_type]
        self._fits(here, instruction.l2_len + instruction.l3_len + L4_BYTES[protocol], self.shortest)
        if self.frame[instruction.l2_len] >> 4 != 4:
            raise InputError(f"{here}: there is no IPv4 header at {instruction.l2_len}; the pacer knows IPv4")
        return Operation(
            kind=L4_SUM, offset=instruction.l2_len, l3_bytes=instruction.l3_len, protocol=protocol
        )

    def _add(self, here: str, name: str, size: int) -> int:
        if name in self.names:
            raise InputError(f"{here}: there is a variable called {name} already")
        self.names[name] = len(self.sizes)
        self.sizes.append(size)
        return self.names[name]

    def _find(self, here: str, name: str) -> int:
        if name not in self.names:
            raise InputError(f"{here}: no instruction before it makes a variable called {name}")
        return self.names[name]

    @staticmethod
    def _fits(here: str, end: int, length: int) -> None:
        if end > length:
            raise InputError(f"{here}: it reaches to byte {end} of a frame of {length}")


def _to_group(frame: bytes) -> bytes:
    """TRex takes the next hop's address from its configuration; a line has none, but a group has its own (RFC 1112)."""
    if frame[12:14] != b"\x08\x00" or frame[30] not in MULTICAST:
        return frame
    return b"\x01\x00\x5e" + bytes([frame[31] & 0x7F]) + frame[32:34] + frame[6:]
