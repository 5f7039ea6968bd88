"""The exchange process: a configuration and commands on stdin enter, events on stdout and files leave.

stdout  {"event": "ready", ...}   {"event": "published", "at_ns": T}   {"event": "stopped"}
        {"event": "done", "do": "recovery"}: the command is in effect
stdin   {"do": "start", "at_ns": T}   {"do": "recovery", "set": {...}}   {"do": "stop"}   end of file = stop
With a publisher, "ready" names the files that it is to play, and {"do": "follow", "map": N} comes before the start; or
"page": PATH, "offset": N instead of the map.

The main thread sleeps until a command or the loop's eventfd wakes it; the C loop works in its own thread.
"""

import errno
import json
import mmap
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from traffic.bindings import PublishedBook
from traffic.commands import Behave, BehaveGateway, Commands, Follow, Start, Stop
from traffic.config import (
    CaptureSource,
    Config,
    ItchFileSource,
    RecoveryBehaviour,
    TwoLinesSource,
    load_config,
)
from traffic.errors import InputError, MissingError, TrafficError
from traffic.exchange_bindings import (
    PROGRESS_BYTES,
    Exchange,
    ExchangeOptions,
    LineOptions,
    OpenError,
    RecoveryOptions,
    die_with_parent,
)
from traffic.market.itch_file import itch_file_stream
from traffic.market.order_flow import order_flow_stream
from traffic.market.sessions import Session, roll_sessions
from traffic.market.stream import Stream, scan_stream
from traffic.noise_bindings import Noise, NoiseProfile
from traffic.profiles.load import load_profile
from traffic.profiles.program import FOREVER_NS
from traffic.results import write_results
from traffic.trex.render import ANY_MAC, plan_of, render

__all__ = ["load_stream", "run"]

ORDERS_MAX = 1 << 18


def load_stream(config: Config) -> Stream:
    """The stream the configuration asks for, packed and timed."""
    session = config.session.ljust(10).encode()
    source = config.source
    if isinstance(source, CaptureSource):
        from traffic.market.capture import capture_stream  # scapy takes half a second to import

        return capture_stream(source, session=session)
    if isinstance(source, TwoLinesSource):
        from traffic.market.two_lines import two_lines_stream

        return two_lines_stream(source, line_names=tuple(line.name for line in config.lines))
    if isinstance(source, ItchFileSource):
        return itch_file_stream(source, session=session, packing=config.packing, bursts=config.bursts)
    return order_flow_stream(
        source, seed=config.seed, session=session, packing=config.packing, bursts=config.bursts
    )


def _load(config: Config) -> tuple[Stream, tuple[Session, ...]]:
    stream = load_stream(config)
    if stream.packet_lines is not None:
        return stream, ()
    packets, sessions = roll_sessions(
        stream.arena,
        stream.packets,
        session=stream.session,
        first_sequence=stream.first_sequence,
        rolls=config.sessions,
    )
    return replace(stream, packets=packets), sessions


def _load_noise(config: Config, stream: Stream) -> Noise | None:
    """The noise that the configuration asks for, planned until the market's last packet."""
    if not config.noise:
        return None
    names = [line.name for line in config.lines]
    profiles = [
        NoiseProfile(
            profile=Path(each.profile).stem,
            line=names.index(each.line),
            streams=load_profile(
                each.profile, tunables=each.tunables, direction=each.direction, seed=config.seed + index
            ),
            from_ns=each.at_ns,
            until_ns=FOREVER_NS if each.duration_ns is None else each.at_ns + each.duration_ns,
        )
        for index, each in enumerate(config.noise)
    ]
    return Noise(profiles, horizon_ns=stream.duration_ns)


def _rendered(config: Config, stream: Stream) -> tuple[Stream, dict[str, object]]:
    """The files for who publishes instead; the stream then has the times that it makes of them."""
    publisher = config.publisher
    if publisher is None:
        return stream, {}
    plan = plan_of(stream, publisher, heartbeat_ns=config.heartbeat_ns)
    macs = None if publisher.own_macs else {line.name: ANY_MAC for line in config.lines}
    files = render(
        stream, plan, lines=config.lines, folder=Path(publisher.folder), ends=config.end.repeat, macs=macs
    )
    stream.packets["intended_ns"] = plan.packets_ns
    published = {
        "files": files,
        "lead_in": plan.lead_in,
        "lead_every_ns": int(plan.played_ns[1]) if plan.lead_in > 1 else 0,
        "market_ns": plan.market_ns,
        "records": int(plan.entries.size),
    }
    return stream, {"published_by": published}


def _ready(stream: Stream, sessions: tuple[Session, ...], noise: Noise | None) -> dict[str, object]:
    return {
        "event": "ready",
        "session": stream.session.decode("latin-1").rstrip(),
        "sessions": [session.name.decode("latin-1").rstrip() for session in sessions],
        "first_sequence": stream.first_sequence,
        "messages": stream.scan.messages,
        "packets": int(stream.packets.size),
        "duration_ns": stream.duration_ns,
        "types": dict(stream.scan.types),
        "length_errors": stream.scan.length_errors,
        "unknown_types": stream.scan.unknown_types,
        "noise_frames": 0 if noise is None else int(noise.records.size),
        **stream.notes,
    }


def _say(event: dict[str, object]) -> None:
    try:
        os.write(1, json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        raise TrafficError(f"event {event['event']}: nobody reads stdout any more: stopping") from None


@contextmanager
def _progress_page(path: str | None) -> Iterator[NDArray[np.uint8]]:
    if path is None:
        yield np.zeros(PROGRESS_BYTES, np.uint8)
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(f"progress {path}: cannot be written: {error.strerror}") from None
    try:
        os.ftruncate(descriptor, PROGRESS_BYTES)
        page = mmap.mmap(descriptor, PROGRESS_BYTES)
    finally:
        os.close(descriptor)
    yield np.frombuffer(page, np.uint8)  # the mapping lives as long as the array


def _recovery_options(config: Config) -> RecoveryOptions | None:
    recovery = config.recovery
    if recovery is None:
        return None
    return RecoveryOptions(
        address=recovery.address.packed,
        request_port=recovery.request_port,
        snapshot_port=recovery.snapshot_port,
        username=recovery.username,
        password=recovery.password,
        behaviour=recovery.behaviour(),
    )


def _make_exchange(
    config: Config,
    stream: Stream,
    sessions: tuple[Session, ...],
    book: PublishedBook,
    progress: NDArray[np.uint8],
    notify_fd: int,
    noise: Noise | None,
) -> Exchange:
    exchange = Exchange(
        ExchangeOptions(
            arena=stream.arena,
            packets=stream.packets,
            packet_lines=stream.packet_lines,
            sessions=sessions,
            lines=tuple(
                LineOptions(
                    name=line.name,
                    interface=line.interface,
                    source=line.source.packed,
                    group=line.group.packed,
                    port=line.port,
                    device=line.device,
                )
                for line in config.lines
            ),
            gateway_address=config.gateway.address.packed,
            gateway_port=config.gateway.port,
            gateway_session=config.session,
            username=config.gateway.username,
            password=config.gateway.password,
            protocol=config.gateway.protocol,
            newest_wins=config.gateway.newest_wins,
            heartbeat_ns=config.heartbeat_ns,
            lead_ns=config.lead_ns,
            late_gap_ns=config.packing.late_gap_ns,
            seed=config.seed,
            ends=config.end.repeat,
            recovery=_recovery_options(config),
            impairments=config.impairments,
            switches=config.switches,
            noise=noise,
            follows=config.publisher is not None,
            cycle=stream.cycle,
            cpu=config.cpu,
            notify_fd=notify_fd,
            orders_max=min(ORDERS_MAX, max(1 << 14, stream.scan.messages)),
        ),
        book=book,
        progress=progress,
    )
    try:
        exchange.open()
    except OpenError as error:
        raise MissingError(f"{error}: {_advice(error.errno)}") from None
    return exchange


def _advice(cause: int) -> str:
    if cause in (errno.EPERM, errno.EACCES):
        return "run as root, or give CAP_NET_RAW"
    if cause == errno.ENODEV:
        return "create the interface in this network namespace first (ip link show lists what is there)"
    if cause == errno.EADDRNOTAVAIL:
        return "give an interface of this network namespace that address (ip addr add)"
    if cause == errno.EADDRINUSE:
        return "stop what holds the port (ss -lntup shows it) or choose another"
    return "see the cause named"


def _serve(
    exchange: Exchange,
    *,
    behaviour: RecoveryBehaviour | None,
    follows: bool,
    notify_fd: int,
    stop_fd: int,
) -> None:
    """Obey commands and report until told to stop (or stdin ends, or a signal comes)."""
    commands = Commands(0, behaviour=behaviour, follows=follows)
    while True:
        readable, _, _ = select.select([commands.descriptor, notify_fd, stop_fd], [], [])
        if notify_fd in readable:
            os.eventfd_read(notify_fd)
            _say({"event": "published", "at_ns": exchange.published_ns()})
        if stop_fd in readable:
            return
        if commands.descriptor in readable:
            for command in commands.read():
                match command:
                    case Stop():
                        return
                    case Follow():
                        if command.page is None:
                            exchange.follow(command.map_id)
                        else:
                            exchange.follow_file(command.page, command.offset)
                    case Start():
                        exchange.start(command.at_ns)
                    case Behave():
                        exchange.behave(command.behaviour, given=command.given)
                        _say({"event": "done", "do": "recovery"})
                    case BehaveGateway():
                        exchange.behave_gateway(command.behaviour)
                        _say({"event": "done", "do": "gateway"})


@contextmanager
def _signals_to(stop_fd: int) -> Iterator[None]:
    """SIGINT and SIGTERM mean stop, in order."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        os.eventfd_write(stop_fd, 1)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(config: Config) -> None:
    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output {folder}: cannot be made: {error.strerror}") from None
    notify_fd, stop_fd = os.eventfd(0, os.EFD_CLOEXEC), os.eventfd(0, os.EFD_CLOEXEC)
    with _progress_page(config.progress) as progress, _signals_to(stop_fd):
        stream, sessions = _load(config)
        stream, published = _rendered(config, stream)
        noise = _load_noise(config, stream)
        types = (stream.scan if stream.cycle is None else scan_stream(stream.arena)).types
        adds = types.get("A", 0) + types.get("F", 0)
        messages = stream.arena if stream.packet_lines is None else stream.arena[:0]
        book = PublishedBook.for_stream(messages, adds=adds)
        exchange = _make_exchange(config, stream, sessions, book, progress, notify_fd, noise)
        ready = {**_ready(stream, sessions, noise), **published}
        exchange.start_thread()
        try:
            _say(ready)
            behaviour = config.recovery.behaviour() if config.recovery else None
            follows = config.publisher is not None
            _serve(exchange, behaviour=behaviour, follows=follows, notify_fd=notify_fd, stop_fd=stop_fd)
        finally:
            exchange.stop()
            write_results(folder, exchange=exchange, book=book, stream=stream, sessions=sessions, ready=ready)
        _say({"event": "stopped"})


def run(path: Path) -> None:
    """One run of the exchange; TrafficError for everything the user can mend."""
    parent = os.getppid()
    config = load_config(path)
    if config.die_with_parent and not die_with_parent(parent):
        raise TrafficError("the parent process is gone already: nothing to serve")
    _run(config)
