"""TRex's JSON of a stream enters; a typed ``Stream`` leaves. What the pacer cannot execute is refused by name.

The form is that of trex_rpc_server_spec, "Add Stream", with names instead of numbers for ``next``, as the TRex client
writes it. Unknown keys are refused: a key that is new may change what is sent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from traffic.errors import InputError

__all__ = [
    "Burst",
    "Continuous",
    "FixIpv4",
    "FixL4",
    "FlowVariable",
    "MultiBurst",
    "Stream",
    "Trim",
    "TupleVariable",
    "Write",
    "read_streams",
]

Word = Annotated[int, Field(ge=0, lt=2**64)]
Offset = Annotated[int, Field(ge=0, lt=2**16)]
Microseconds = Annotated[float, Field(ge=0, le=3.6e9)]
Packets = Annotated[int, Field(ge=1, lt=2**32)]
INSTRUCTIONS = (
    "flow_var",
    "write_flow_var",
    "tuple_flow_var",
    "trim_pkt_size",
    "fix_checksum_ipv4",
    "fix_checksum_hw",
)


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Rate(_Model):
    type: Literal["pps", "bps_L1", "bps_L2", "percentage"]
    value: Annotated[float, Field(gt=0, lt=1e15)]


class Continuous(_Model):
    type: Literal["continuous"]
    rate: Rate


class Burst(_Model):
    type: Literal["single_burst"]
    rate: Rate
    total_pkts: Packets


class MultiBurst(_Model):
    type: Literal["multi_burst"]
    rate: Rate
    pkts_per_burst: Packets
    ibg: Microseconds
    count: Annotated[int, Field(ge=0, lt=2**32)]


class FlowVariable(_Model):
    """``split_to_cores`` shares a range among a server's cores; the pacer is one."""

    type: Literal["flow_var"]
    name: str
    size: Literal[1, 2, 4, 8]
    op: Literal["inc", "dec", "random"]
    init_value: Word
    min_value: Word
    max_value: Word
    step: Word = 1
    next_var: None = None
    split_to_cores: bool = True

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not self.min_value <= self.init_value <= self.max_value < 256**self.size:
            raise ValueError(f"min <= init <= max has to hold, and {self.size} bytes have to hold max")
        if not 1 <= self.step <= self.max_value - self.min_value + 1:
            raise ValueError("step is 1 up to the number of values")
        return self


class TupleVariable(_Model):
    """Addresses count up, and the port takes a step when they begin again."""

    type: Literal["tuple_flow_var"]
    name: str
    ip_min: Annotated[int, Field(ge=0, lt=2**32)]
    ip_max: Annotated[int, Field(ge=0, lt=2**32)]
    port_min: Annotated[int, Field(ge=0, lt=2**16)]
    port_max: Annotated[int, Field(ge=0, lt=2**16)]
    limit_flows: Annotated[int, Field(ge=0, lt=2**32)]
    flags: Literal[0] = 0

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.ip_min > self.ip_max or self.port_min > self.port_max:
            raise ValueError("a minimum is above its maximum")
        return self


class Write(_Model):
    type: Literal["write_flow_var"]
    name: str
    pkt_offset: Offset
    add_value: Annotated[int, Field(gt=-(2**63), lt=2**63)] = 0
    is_big_endian: bool = True


class Trim(_Model):
    type: Literal["trim_pkt_size"]
    name: str


class FixIpv4(_Model):
    type: Literal["fix_checksum_ipv4"]
    pkt_offset: Offset


class FixL4(_Model):
    """``l4_type``: 11 UDP, 13 TCP, 17 the IPv4 header only."""

    type: Literal["fix_checksum_hw"]
    l2_len: Offset
    l3_len: Annotated[int, Field(ge=20, le=60, multiple_of=4)]
    l4_type: Literal[11, 13, 17]


Instruction = Annotated[
    FlowVariable | TupleVariable | Write | Trim | FixIpv4 | FixL4, Field(discriminator="type")
]


class FieldEngine(_Model):
    instructions: Annotated[tuple[Instruction, ...], Field(max_length=64, strict=False)] = ()
    cache: Annotated[int, Field(ge=1, lt=2**16)] | None = None


class FlowStatistics(_Model):
    enabled: Literal[False] = False


def _bytes(value: Any) -> Any:
    """Of base64, as the client writes a packet, or of a list of numbers, as the specification has it."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("not base64 and no list of bytes") from None


class Packet(_Model):
    binary: Annotated[bytes, BeforeValidator(_bytes), Field(min_length=14, max_length=1518)]
    meta: str = ""
    model: str = ""


class Stream(_Model):
    """One stream; times are microseconds, as TRex has them."""

    name: str
    next: str | None = None
    enabled: bool = True
    self_start: bool = True
    start_paused: bool = False
    isg: Microseconds = 0.0
    action_count: Annotated[int, Field(ge=0, lt=2**32)] = 0
    flags: Annotated[int, Field(ge=0, le=7)] = 0
    core_id: int = -1
    random_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    mode: Annotated[Continuous | Burst | MultiBurst, Field(discriminator="type")]
    packet: Packet
    vm: FieldEngine = FieldEngine()
    flow_stats: FlowStatistics = FlowStatistics()
    stream_id: int | None = None


def read_streams(rows: Sequence[Mapping[str, Any]], *, profile: str) -> tuple[Stream, ...]:
    """The streams of a profile; InputError names the stream and the instruction that cannot be executed."""
    if not rows:
        raise InputError(f"profile {profile}: it has no streams")
    streams = []
    for index, row in enumerate(rows):
        named = {**row, "name": row.get("name") or f"stream{index + 1}"}
        where = f"profile {profile}, stream {named['name']}"
        _refuse(named, where)
        try:
            streams.append(Stream.model_validate(named))
        except ValidationError as error:
            raise InputError(f"{where}: {_first(error, named)}") from None
    return tuple(streams)


def _refuse(row: Mapping[str, Any], where: str) -> None:
    """What TRex knows and the pacer does not, in plain words."""
    if (row.get("flow_stats") or {}).get("enabled"):
        raise InputError(f"{where}: flow_stats: the pacer adds no statistics or latency trailer to frames")
    if int(row.get("flags") or 0) & 8:
        raise InputError(f"{where}: dummy_stream: a stream that sends nothing; give the next one an isg")
    for number, instruction in enumerate((row.get("vm") or {}).get("instructions") or ()):
        kind = instruction.get("type")
        here = f"{where}: instruction {number + 1} ({kind})"
        if kind not in INSTRUCTIONS:
            raise InputError(f"{here}: the pacer does not execute it; it knows {', '.join(INSTRUCTIONS)}")
        for key in ("value_list", "next_var"):
            if instruction.get(key) is not None:
                raise InputError(f"{here}: {key}: the pacer does not execute it")
        if kind == "tuple_flow_var" and instruction.get("flags"):
            raise InputError(f"{here}: flags: the pacer does not execute unlimited flows")


def _first(error: ValidationError, row: Mapping[str, Any]) -> str:
    """The first fault, with the instruction it is in."""
    fault = error.errors(include_url=False)[0]
    place = [part for part in fault["loc"] if part not in INSTRUCTIONS]
    text = ".".join(str(part) for part in place)
    if place[:2] == ["vm", "instructions"] and len(place) > 2 and isinstance(place[2], int):
        kind = row["vm"]["instructions"][place[2]].get("type")
        text = f"instruction {place[2] + 1} ({kind}): " + ".".join(str(part) for part in place[3:])
    return f"{text.rstrip(': ')}: {fault['msg'].removeprefix('Value error, ')}"
