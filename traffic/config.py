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
    "EndConfig",
    "GatewayBehaviour",
    "GatewayConfig",
    "ImpairmentConfig",
    "ItchFileSource",
    "LineConfig",
    "ModelSource",
    "NoiseConfig",
    "PackingConfig",
    "PublisherConfig",
    "RecoveryBehaviour",
    "RecoveryConfig",
    "SessionConfig",
    "SwitchConfig",
    "SwitchesConfig",
    "TwoLinesSource",
    "load_config",
]

Rate = Annotated[int, Field(ge=1, le=100_000_000)]
Speed = Annotated[float, Field(gt=0, le=1e6)]
Port = Annotated[int, Field(ge=1, le=65535)]
SessionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,10}$")]
Printable = StringConstraints(pattern=r"^[!-~]+$")
Username = Annotated[str, StringConstraints(min_length=1, max_length=6), Printable]
Password = Annotated[str, StringConstraints(min_length=1, max_length=10), Printable]
Nanoseconds = Annotated[int, Field(ge=0, lt=2**62)]
Chance = Annotated[float, Field(ge=0.0, le=1.0)]
U32 = Annotated[int, Field(ge=0, lt=2**32)]
Position = Annotated[int, Field(ge=0, lt=2**48)]  # session ordinal << 40 | sequence
RECOVERY_LINE = "recovery"
MODEL_MESSAGES_MAX = 50_000_000  # all in memory before the start
CYCLE_MESSAGES_A_SYMBOL_MIN = 32  # room to fill the books, to trade, and to empty them


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ModelSource(_Model):
    """The order-flow model (market/model.h)."""

    kind: Literal["model"]
    symbols: Annotated[int, Field(ge=1, le=20_000)] = 100
    messages: Annotated[int, Field(ge=1, le=2_000_000_000)] = 500_000
    arrivals: Literal["hawkes", "poisson", "even"] = "hawkes"
    rate_per_s: Rate = 100_000
    cycle_messages: Annotated[int, Field(ge=1, le=MODEL_MESSAGES_MAX)] | None = (
        None  # behind the opening, a round of so many that leaves no order behind is played over and over
    )

    @model_validator(mode="after")
    def _fits_memory(self) -> Self:
        if self.cycle_messages is None:
            if self.messages > MODEL_MESSAGES_MAX:
                raise ValueError(
                    f"messages {self.messages}: at most {MODEL_MESSAGES_MAX} are made beforehand; "
                    "with cycle_messages a part of them is played over and over"
                )
        elif self.cycle_messages < CYCLE_MESSAGES_A_SYMBOL_MIN * self.symbols:
            raise ValueError(
                f"cycle_messages {self.cycle_messages}: a round has at least {CYCLE_MESSAGES_A_SYMBOL_MIN} "
                f"messages a symbol, {CYCLE_MESSAGES_A_SYMBOL_MIN * self.symbols} here"
            )
        return self


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


class GroupAddress(_Model):
    """Where a captured line's packets went: written as "224.0.31.11:14320"."""

    address: Annotated[IPv4Address, Field(strict=False)]
    port: Port

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        address, _, port = value.partition(":")
        if not port.isdecimal():
            raise ValueError(f"{value!r}: write a group and a port, such as 224.0.31.11:14320")
        return {"address": address, "port": int(port)}

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class TwoLinesSource(_Model):
    """A pcap or pcapng file with the packets of two lines: each line's payloads are sent as they are, at its times."""

    kind: Literal["two_lines"]
    path: str
    lines: Annotated[dict[str, GroupAddress], Field(min_length=1, max_length=2)]
    speed: Speed = 1.0
    gap_max_ns: Annotated[int, Field(ge=0)] | None = None
    numbers: Literal["packets", "mdp3"] = "packets"  # first_sequence: count on the line, or MsgSeqNum


class PackingConfig(_Model):
    """How messages share packets; not for captures, whose packets stay as they were."""

    messages_max: Annotated[int, Field(ge=1, le=0xFFFE)] = 1
    gap_min_ns: Annotated[int, Field(ge=0)] = 4_000
    late_gap_ns: Annotated[int, Field(ge=0, le=1_000_000_000)] = (
        0  # a packet behind its time keeps so far behind the one before; 0: it leaves at once
    )


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
    device: Annotated[str, StringConstraints(pattern=r"^net_[a-z_]+[0-9]+(,[!-~]+)?$")] | None = (
        None  # DPDK, in place of the interface
    )

    @model_validator(mode="after")
    def _group_is_multicast(self) -> Self:
        if not self.group.is_multicast:
            raise ValueError(f"group {self.group} is not a multicast address (224.0.0.0 to 239.255.255.255)")
        return self


class GatewayBehaviour(_Model):
    """How the order gateway behaves, well or badly; what a command may change in the run (exchange/gateway.h)."""

    cut_seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    cuts: U32 = 0  # so many connections are cut from now on ...
    cut_orders: Annotated[int, Field(ge=0, lt=2**31)] = 0  # ... each after so many orders on average; 0: now
    reject_orders: U32 = 0  # so many orders from now on are rejected
    mute: bool = False  # answers are kept back
    delay_ns: Nanoseconds = 0  # answers are late by so much


class GatewayConfig(_Model):
    """The order gateway's address and account, and what it speaks."""

    address: Annotated[IPv4Address, Field(strict=False)]
    port: Annotated[int, Field(ge=0, le=65535)]
    username: Username = "TAILGT"
    password: Password = "TAILGATE"
    protocol: Literal["ouch42", "ouch50"] = "ouch42"
    newest_wins: bool = False  # a login while another connection holds the session cuts that one off


class RecoveryBehaviour(_Model):
    """How the recovery services behave, well or badly; what a command may change in the run."""

    messages_max: Annotated[int, Field(ge=0, le=0xFFFE)] = 0  # in one reply; 0: as many as a datagram holds
    rate_per_s: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0  # requests answered; above: silence; 0: all
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 16  # so many at once before the rate counts
    delay_ns: Nanoseconds = 0  # replies are held back so long
    loss: Chance = 0.0  # a request is ignored
    lose_requests: U32 = 0  # so many requests are ignored from now on
    refuse: bool = False  # every request is ignored
    history_messages: Nanoseconds = 0  # what is older than so many messages is ignored; 0: nothing is
    snapshot_cut_connections: U32 = 0  # so many snapshots from now on are cut off ...
    snapshot_cut_after: U32 = 100  # ... after so many messages
    snapshot_refuse: bool = False  # logins are rejected
    snapshot_delay_ns: Nanoseconds = 0  # from login to the first message
    snapshot_wrong_sequence: Annotated[int, Field(gt=-(2**40), lt=2**40)] = 0  # added to the number in G
    snapshot_stall: bool = False  # logins are accepted, nothing follows


class RecoveryConfig(RecoveryBehaviour):
    """The re-request server (UDP) and the snapshot service (SoupBinTCP); ports of 0 are chosen by the system."""

    address: Annotated[IPv4Address, Field(strict=False)]
    request_port: Annotated[int, Field(ge=0, le=65535)] = 26478
    snapshot_port: Annotated[int, Field(ge=0, le=65535)] = 26479
    username: Username = "TAILGT"
    password: Password = "TAILGATE"

    def behaviour(self) -> RecoveryBehaviour:
        """Only how the services behave."""
        return RecoveryBehaviour(**self.model_dump(include=set(RecoveryBehaviour.model_fields)))


class SessionConfig(_Model):
    """A session roll: message `at_sequence`, in the first session's numbers, is message 1 of `session`."""

    at_sequence: Annotated[int, Field(ge=2, lt=2**40)]
    session: SessionName
    end_previous: bool = True  # end-of-session packets of the old session come first


class NoiseConfig(_Model):
    """An STL profile (traffic/profiles) played on a line beside the market; times count from the first packet."""

    profile: Annotated[str, StringConstraints(min_length=1)]
    line: Annotated[str, StringConstraints(min_length=1)]
    tunables: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], str] = {}
    direction: Annotated[int, Field(ge=0, le=1)] = 0
    at_ns: Annotated[int, Field(ge=0, le=86_400_000_000_000)] = 0
    duration_ns: Annotated[int, Field(ge=1, le=86_400_000_000_000)] | None = None


class EndConfig(_Model):
    """End-of-session packets."""

    repeat: Annotated[int, Field(ge=0, le=100)] = 3


class ImpairmentConfig(_Model):
    """A rule of exchange/impairment.h for each of `lines`: names of lines, or "recovery" for the replies."""

    lines: Annotated[tuple[str, ...], Field(min_length=1, max_length=3)]
    action: Literal["drop", "duplicate", "reorder", "delay", "corrupt"]
    pattern: Literal["run", "every", "random", "gilbert_elliott"] = "run"
    corruption: Literal["bits", "truncate", "count", "zero_block", "checksum"] | None = None
    from_position: Position = 0
    from_ns: Nanoseconds = 0  # intended time from the first packet
    until_ns: Nanoseconds = 0
    packets: U32 = 0
    repeat_every: Position = 0
    repeat_left: U32 = 0
    every: U32 = 1
    probability: Chance = 0.0
    good_to_bad: Chance = 0.0
    bad_to_good: Chance = 0.0
    probability_good: Chance = 0.0
    amount: Annotated[int, Field(ge=1, le=65535)] = 1
    delay_ns: Nanoseconds = 0
    together: bool = False  # the lines lose the same packets

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.action == "corrupt") != (self.corruption is not None):
            raise ValueError("corruption goes with action corrupt, and only with it")
        if self.corruption == "checksum" and RECOVERY_LINE in self.lines:
            raise ValueError("replies get their checksum from the kernel: corruption checksum is for lines")
        if self.action == "delay" and self.delay_ns == 0:
            raise ValueError("action delay needs delay_ns")
        if self.action == "duplicate" and self.amount > 100:
            raise ValueError("a packet is duplicated at most 100 times")
        if self.repeat_left and not self.repeat_every:
            raise ValueError("repeat_left needs repeat_every, the messages from one window to the next")
        return self


class SwitchConfig(_Model):
    """One write to the page of another process: ``value`` at ``at_ns`` after the first packet's intended time."""

    at_ns: Nanoseconds
    value: U32


class SwitchesConfig(_Model):
    """A 32-bit word at ``offset`` of ``page``, a file that is there when the start is commanded."""

    page: str
    offset: Annotated[int, Field(ge=0, le=4092, multiple_of=4)]
    commands: Annotated[tuple[SwitchConfig, ...], Field(min_length=1, max_length=200_000)]

    @model_validator(mode="after")
    def _times_rise(self) -> Self:
        times = [command.at_ns for command in self.commands]
        if sorted(times) != times:
            raise ValueError("commands: at_ns has to rise from one to the next")
        return self


class PublisherConfig(_Model):
    """Somebody else publishes the lines, from files that are made here (trex/render.py); the exchange follows.

    ``speed_up`` and ``gap_min_ns`` are what the generator is told: the intended times are those that it makes of them.
    ``own_macs``: the frames carry the addresses of our interfaces; otherwise the generator puts its own in.
    """

    kind: Literal["trex"]
    own_macs: bool = True
    folder: Annotated[str, Field(pattern=r"^/")]
    speed_up: Speed = 1.0
    gap_min_ns: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    lead_in_ns: Annotated[int, Field(ge=1, le=60_000_000_000)] = 2_000_000_000
    lead_every_ns: Annotated[int, Field(ge=100_000)] = 10_000_000
    tail_ns: Annotated[int, Field(ge=1, le=600_000_000_000)] = 10_000_000_000


class Config(_Model):
    """One run of the exchange."""

    cpu: Annotated[int, Field(ge=0, le=1023)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 7
    output: str
    progress: str | None = None
    die_with_parent: bool = True
    source: Annotated[
        ModelSource | ItchFileSource | CaptureSource | TwoLinesSource, Field(discriminator="kind")
    ]
    packing: PackingConfig = PackingConfig()
    bursts: BurstsConfig | None = None
    session: SessionName = "TAILGATE01"
    lines: Annotated[tuple[LineConfig, ...], Field(min_length=1, max_length=2)]
    gateway: GatewayConfig
    heartbeat_ns: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    lead_ns: Annotated[int, Field(ge=0, le=1_000_000)] = (
        0  # packets are sent so much before their intended time
    )
    recovery: RecoveryConfig | None = None
    sessions: Annotated[tuple[SessionConfig, ...], Field(max_length=3)] = ()
    impairments: Annotated[tuple[ImpairmentConfig, ...], Field(max_length=8)] = ()
    noise: Annotated[tuple[NoiseConfig, ...], Field(max_length=16)] = ()
    end: EndConfig = EndConfig()
    switches: SwitchesConfig | None = None
    publisher: PublisherConfig | None = None

    @model_validator(mode="after")
    def _publisher_plays_plainly(self) -> Self:
        if self.publisher is None:
            return self
        if isinstance(self.source, TwoLinesSource) or self.sessions:
            raise ValueError("publisher: plays one session of MoldUDP64: no source two_lines, no sessions")
        if any(set(rule.lines) - {RECOVERY_LINE} for rule in self.impairments):
            raise ValueError(
                "publisher: the lines are another's, and impairments of theirs are not possible here"
            )
        return self

    @model_validator(mode="after")
    def _cycle_is_one_plain_session(self) -> Self:
        if not isinstance(self.source, ModelSource) or self.source.cycle_messages is None:
            return self
        if self.recovery is not None:
            raise ValueError(
                "recovery: a cycle (source.cycle_messages) overwrites what it has played, and nothing of it can be "
                "sent again: set recovery to null"
            )
        if self.sessions or self.bursts is not None or self.publisher is not None:
            raise ValueError(
                "source.cycle_messages: a cycle is one session, played by the exchange itself at its rate: "
                "no sessions, no bursts, no publisher"
            )
        return self

    @model_validator(mode="after")
    def _sessions_follow_each_other(self) -> Self:
        names = [self.session, *(each.session for each in self.sessions)]
        if len(set(names)) < len(names):
            raise ValueError("sessions: two have the same name")
        places = [each.at_sequence for each in self.sessions]
        if sorted(set(places)) != places:
            raise ValueError("sessions: at_sequence has to rise from one to the next")
        return self

    @model_validator(mode="after")
    def _impairments_name_lines(self) -> Self:
        known = {line.name for line in self.lines} | ({RECOVERY_LINE} if self.recovery else set())
        for index, rule in enumerate(self.impairments):
            if unknown := sorted(set(rule.lines) - known):
                raise ValueError(
                    f"impairments.{index}.lines: {', '.join(unknown)}: not one of {', '.join(sorted(known))}"
                )
        return self

    @model_validator(mode="after")
    def _noise_names_lines(self) -> Self:
        known = {line.name for line in self.lines}
        for index, noise in enumerate(self.noise):
            if noise.line not in known:
                raise ValueError(f"noise.{index}.line: {noise.line}: not one of {', '.join(sorted(known))}")
        return self

    @model_validator(mode="after")
    def _bursts_need_free_packets(self) -> Self:
        if self.bursts is not None and self.source.kind in ("pcap", "two_lines"):
            raise ValueError("bursts cannot be made of a capture, whose packets are kept: set bursts to null")
        return self

    @model_validator(mode="after")
    def _payloads_are_left_alone(self) -> Self:
        if not isinstance(self.source, TwoLinesSource):
            return self
        if unknown := sorted(set(self.source.lines) - {line.name for line in self.lines}):
            raise ValueError(f"source.lines: {', '.join(unknown)}: not among lines")
        if self.recovery is not None or self.sessions:
            raise ValueError("recovery and sessions are of MoldUDP64: source two_lines has its own protocol")
        if any(rule.corruption in ("count", "zero_block") for rule in self.impairments):
            raise ValueError("corruption count and zero_block are of MoldUDP64, not of source two_lines")
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
