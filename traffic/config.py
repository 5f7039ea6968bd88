"""The exchange's configuration: a JSON file enters, frozen strict models leave; unknown keys are errors.

Times are integer nanoseconds, rates messages per second.
"""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from traffic.errors import InputError

__all__ = [
    "BurstsConfig",
    "CaptureSource",
    "Config",
    "GatewayConfig",
    "ItchFileSource",
    "LineConfig",
    "ModelSource",
    "PackingConfig",
    "load_config",
]

Rate = Annotated[int, Field(ge=1, le=100_000_000)]
Speed = Annotated[float, Field(gt=0, le=1e6)]
Port = Annotated[int, Field(ge=1, le=65535)]
SessionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,10}$")]
Printable = StringConstraints(pattern=r"^[!-~]+$")


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ModelSource(_Model):
    """The order-flow model (market/model.h)."""

    kind: Literal["model"]
    symbols: Annotated[int, Field(ge=1, le=20_000)] = 100
    messages: Annotated[int, Field(ge=1, le=50_000_000)] = 500_000
    arrivals: Literal["hawkes", "poisson", "even"] = "hawkes"
    rate_per_s: Rate = 100_000


class ItchFileSource(_Model):
    """Nasdaq daily files, one behind the other; plain or gzip."""

    kind: Literal["itch_file"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    speed: Speed = 1.0
    rate_per_s: Rate | None = None
    gap_max_ns: Annotated[int, Field(ge=0)] | None = 100_000_000


class CaptureSource(_Model):
    """pcap or pcapng files with MoldUDP64, one behind the other; their packet boundaries are kept."""

    kind: Literal["pcap"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    speed: Speed = 1.0
    rate_per_s: Rate | None = None
    gap_max_ns: Annotated[int, Field(ge=0)] | None = None


class PackingConfig(_Model):
    """How messages share packets; not for captures, whose packets stay as they were."""

    messages_max: Annotated[int, Field(ge=1, le=0xFFFE)] = 1
    gap_min_ns: Annotated[int, Field(ge=0)] = 4_000


class BurstsConfig(_Model):
    """Microbursts on top of the base rate."""

    messages: Annotated[int, Field(ge=1, le=10_000_000)]
    every_ns: Annotated[int, Field(ge=1)]
    spacing_ns: Annotated[int, Field(ge=0)]
    packing: Annotated[int, Field(ge=1, le=0xFFFE)] = 8

    @model_validator(mode="after")
    def _fits(self) -> Self:
        length_ns = -(-self.messages // self.packing) * self.spacing_ns
        if length_ns >= self.every_ns:
            raise ValueError(f"a burst lasts {length_ns} ns and would not be over when the next begins")
        return self


class LineConfig(_Model):
    """One multicast line on one interface."""

    name: Annotated[str, StringConstraints(min_length=1)]
    interface: Annotated[str, StringConstraints(min_length=1, max_length=15)]
    source: Annotated[IPv4Address, Field(strict=False)]
    group: Annotated[IPv4Address, Field(strict=False)]
    port: Port

    @model_validator(mode="after")
    def _group_is_multicast(self) -> Self:
        if not self.group.is_multicast:
            raise ValueError(f"group {self.group} is not a multicast address (224.0.0.0 to 239.255.255.255)")
        return self


class GatewayConfig(_Model):
    """The order gateway's address and account."""

    address: Annotated[IPv4Address, Field(strict=False)]
    port: Annotated[int, Field(ge=0, le=65535)]
    username: Annotated[str, StringConstraints(min_length=1, max_length=6), Printable] = "TAILGT"
    password: Annotated[str, StringConstraints(min_length=1, max_length=10), Printable] = "TAILGATE"


class Config(_Model):
    """One run of the exchange."""

    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 7
    output: str
    progress: str | None = None
    die_with_parent: bool = True
    source: Annotated[ModelSource | ItchFileSource | CaptureSource, Field(discriminator="kind")]
    packing: PackingConfig = PackingConfig()
    bursts: BurstsConfig | None = None
    session: SessionName = "TAILGATE01"
    lines: Annotated[tuple[LineConfig, ...], Field(min_length=1, max_length=2)]
    gateway: GatewayConfig
    heartbeat_ns: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    lead_ns: Annotated[int, Field(ge=0, le=1_000_000)] = (
        0  # packets are sent so much before their intended time
    )

    @model_validator(mode="after")
    def _bursts_need_free_packets(self) -> Self:
        if self.bursts is not None and self.source.kind == "pcap":
            raise ValueError("bursts cannot be made of a capture, whose packets are kept: set bursts to null")
        return self


def load_config(path: Path) -> Config:
    """Read and check `path`; InputError names every wrong key at once."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"configuration {path}: cannot be read: {error.strerror}") from None
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise InputError(f"configuration {path}: {faults}") from None
