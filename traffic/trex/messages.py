"""What the lab and the TRex worker say to each other: lines of JSON enter, frozen strict models leave.

The worker's configuration is a file; commands come on stdin, one a line, and each is answered by one event on stdout.

{"do": "push", ...}        {"event": "pushed", "at_ns": T}                    files are being played
{"do": "streams", ...}     {"event": "streams", "count": N}                   streams are on their ports and run
{"do": "idle", ...}        {"event": "idle", "ports": [...], "idle": true}    whether those ports have come to rest
{"do": "end", ...}         {"event": "ended"}                                 the traffic of those ports is stopped
{"do": "statistics"}       {"event": "statistics", ...}                       the model Statistics
{"do": "stop"}             {"event": "stopped"}                               ports are given back; end of file is stop
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from traffic.errors import InputError

__all__ = [
    "Command",
    "End",
    "FileOfPort",
    "FlowStatistics",
    "Idle",
    "LatencyStatistics",
    "PortReady",
    "PortStatistics",
    "ProfileConfig",
    "Push",
    "Ready",
    "Statistics",
    "Stop",
    "StreamConfig",
    "Streams",
    "WorkerConfig",
    "parse_command",
    "read_config",
]

PortIndex = Annotated[int, Field(ge=0, le=63)]
Tcp = Annotated[int, Field(ge=1, le=65535)]
Udp = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$")]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class WorkerConfig(_Model):
    """Which server, and which of its ports are ours from the beginning to the end."""

    server: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    rpc_port: Tcp = 4501
    publish_port: Tcp = 4500
    timeout_s: Annotated[int, Field(ge=1, le=60)] = 3  # of one call
    patience_s: Annotated[int, Field(ge=0, le=300)] = (
        0  # for the first answer of a server that is being started
    )
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "tailgate"
    ports: Annotated[tuple[PortIndex, ...], Field(strict=False, min_length=1)]
    force: bool = False  # take ports that another user owns
    die_with_parent: bool = True

    @model_validator(mode="after")
    def _ports_differ(self) -> "WorkerConfig":
        if len(set(self.ports)) < len(self.ports):
            raise ValueError("ports: one is named twice")
        return self


class FileOfPort(_Model):
    """A pcap that the server reads by itself; the path is the server's."""

    port: PortIndex
    path: Annotated[str, Field(pattern=r"^/")]


class Push(_Model):
    """Play files, one a port, all begun by one request. `own_macs`: the files' source addresses are kept."""

    do: Literal["push"]
    files: Annotated[tuple[FileOfPort, ...], Field(strict=False, min_length=1)]
    speed_up: Annotated[float, Field(strict=False, gt=0, le=1e6)] = 1.0
    gap_min_us: Annotated[float, Field(strict=False, ge=0)] = 0.0
    own_macs: bool = True


class StreamConfig(_Model):
    """UDP packets of one size at a steady rate, as background (counted by `flow`) or as a probe (`latency`).

    `flow` is TRex's packet group: its counters and, with latency, its histogram carry that number.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    source_mac: Mac | None = None
    target_mac: Mac | None = None
    source: Address
    target: Address
    udp_port: Udp
    frame_bytes: Annotated[int, Field(ge=64, le=1518)] = 128  # with the FCS that is not on a veth
    rate_per_s: Annotated[float, Field(strict=False, gt=0, le=1e8)]
    packets: Annotated[int, Field(ge=1)] | None = None  # None: until it is stopped
    flow: Annotated[int, Field(ge=1, le=0xFFFF)] | None = None
    latency: bool = False

    @model_validator(mode="after")
    def _probe_is_counted(self) -> "StreamConfig":
        if self.latency and self.flow is None:
            raise ValueError("latency needs flow, the number of its packet group")
        return self


class ProfileConfig(_Model):
    """An STL profile of traffic/profiles, or a file, as trex-console would load it."""

    profile: Annotated[str, Field(min_length=1)]
    tunables: dict[str, str] = {}
    direction: Annotated[int, Field(ge=0, le=1)] = 0


class Streams(_Model):
    """Put streams and those of profiles on a port, and start them all."""

    do: Literal["streams"]
    port: PortIndex
    streams: Annotated[tuple[StreamConfig, ...], Field(strict=False, max_length=1000)] = ()
    profiles: Annotated[tuple[ProfileConfig, ...], Field(strict=False, max_length=64)] = ()

    @model_validator(mode="after")
    def _something(self) -> "Streams":
        if not self.streams and not self.profiles:
            raise ValueError("neither streams nor profiles")
        return self


class Idle(_Model):
    """Ask whether ports have come to rest."""

    do: Literal["idle"]
    ports: Annotated[tuple[PortIndex, ...], Field(strict=False, min_length=1)]


class End(_Model):
    """Stop what ports send, and take their streams off."""

    do: Literal["end"]
    ports: Annotated[tuple[PortIndex, ...], Field(strict=False, min_length=1)]


class Ask(_Model):
    """The counters since the ports were taken."""

    do: Literal["statistics"]


class Stop(_Model):
    """Give the ports back and end."""

    do: Literal["stop"]


Command = Push | Streams | Idle | End | Ask | Stop
_COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="do")])


class PortReady(_Model):
    """A port as the server describes it."""

    port: int
    driver: str
    description: str = ""
    speed_gbps: float = 0.0
    mac: str = ""


class Ready(_Model):
    """The first event: connected, versions agreed, ports ours."""

    event: Literal["ready"] = "ready"
    server: str
    server_version: str
    client_version: str
    api: str
    ports: Annotated[tuple[PortReady, ...], Field(strict=False)]


class PortStatistics(_Model):
    """TRex's own counters of a port."""

    port: int
    sent_packets: int
    sent_bytes: int
    received_packets: int
    received_bytes: int
    send_errors: int
    receive_errors: int


class FlowStatistics(_Model):
    """A packet group: how many left, how many came back to any port of the server."""

    flow: int
    sent_packets: int
    received_packets: int
    dropped: int | None  # by the numbers in latency packets; others carry none


class LatencyStatistics(_Model):
    """A latency group, in whole microseconds as TRex measures them.

    `histogram` has the lower edge of a decade's step and a count; `hdr` the server's HdrHistogram (base64, its own
    V2 compressed encoding), where it was built with one.
    """

    flow: int
    average_us: float
    jitter_us: float
    minimum_us: float
    maximum_us: float
    histogram: dict[str, int]
    hdr: str | None
    out_of_order: int
    duplicate: int
    sequence_too_high: int
    sequence_too_low: int


class Statistics(_Model):
    """All of it, and what the server says of itself."""

    event: Literal["statistics"] = "statistics"
    ports: Annotated[tuple[PortStatistics, ...], Field(strict=False)]
    flows: Annotated[tuple[FlowStatistics, ...], Field(strict=False)]
    latency: Annotated[tuple[LatencyStatistics, ...], Field(strict=False)]
    queue_full: int  # times a transmit queue had no room, of the whole server
    cpu_percent: float
    bad_latency_headers: int


def _said(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )


def parse_command(line: bytes) -> Command:
    """One line of stdin; InputError names everything that is wrong with it."""
    try:
        return _COMMAND.validate_json(line)
    except ValidationError as error:
        raise InputError(f"command {line[:200].decode(errors='replace')!r}: {_said(error)}") from None


def read_config(path: Path) -> WorkerConfig:
    """The worker's configuration file."""
    try:
        return WorkerConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"configuration {path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise InputError(f"configuration {path}: {_said(error)}") from None


def plain(model: BaseModel) -> dict[str, Any]:
    """A model as JSON has it."""
    return model.model_dump(mode="json")
