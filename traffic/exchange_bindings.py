"""The exchange's busy loop as typed Python: options and commands enter, what was sent and counted leaves.

Memory is Python's, and the `Exchange` keeps what it gave to C.
"""

import mmap
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from traffic._traffic import ffi, lib
from traffic.bindings import (
    DROP_COPY_DTYPE,
    MOLD_HEADER_BYTES,
    Bytes,
    PublishedBook,
    Records,
    counters_of,
    packet_sums,
    pointer,
    scan_itch,
    touched,
    zeroed,
)
from traffic.config import (
    RECOVERY_LINE,
    GatewayBehaviour,
    ImpairmentConfig,
    RecoveryBehaviour,
    SwitchesConfig,
)
from traffic.errors import TrafficError
from traffic.impairment_bindings import Impairer, impairment_rule, of_2_32
from traffic.market.cycle import Cycle
from traffic.market.sessions import Session
from traffic.noise_bindings import Noise

__all__ = [
    "PROGRESS_BYTES",
    "Exchange",
    "ExchangeOptions",
    "LineOptions",
    "OpenError",
    "RecoveryOptions",
    "die_with_parent",
]

PROGRESS_BYTES = 80
FRAME_HEADER_BYTES = 42
RECOVERY_INDEX = 2  # of the replies among lines A and B, for seeds
TELL_SECONDS = 5.0
_PROTOCOLS = {"ouch42": 0, "ouch50": 1}  # enum gateway_protocol
_DOINGS = ("wait", "send", "book", "orders", "services")
_REFERENCE_TYPES = "SRHYh"
_REFERENCE_WORK = 5 * 65536
_SNAPSHOT_STORE_BYTES = 32768

assert ffi.sizeof("struct exchange_progress") == PROGRESS_BYTES


class OpenError(Exception):
    """A socket could not be opened; `errno` is the system's."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """One line; addresses are packed, 4 bytes."""

    name: str = ""
    interface: str
    source: bytes
    group: bytes
    port: int
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecoveryOptions:
    """Re-request server and snapshot service; the address is packed."""

    address: bytes
    request_port: int
    snapshot_port: int
    username: str
    password: str
    behaviour: RecoveryBehaviour = field(default_factory=RecoveryBehaviour)


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """Everything an `Exchange` needs; `packets` carry positions in `sessions`.

    With `packet_lines` the packets are raw payloads, each for the line with that index; then no sessions are given.
    """

    arena: Bytes
    packets: Records
    packet_lines: Bytes | None = None
    sessions: Sequence[Session]
    lines: Sequence[LineOptions]
    gateway_address: bytes
    gateway_port: int
    gateway_session: str
    username: str
    password: str
    heartbeat_ns: int
    seed: int = 7
    ends: int = 3
    recovery: RecoveryOptions | None = None
    impairments: Sequence[ImpairmentConfig] = ()
    switches: SwitchesConfig | None = None
    noise: Noise | None = None
    lead_ns: int = 0
    late_gap_ns: int = 0
    cpu: int | None = None
    notify_fd: int = -1
    orders_max: int = 1 << 16
    protocol: str = "ouch42"
    newest_wins: bool = False
    follows: bool = False  # another publishes; see follow()
    cycle: Cycle | None = None  # packets that come again; the arena is written to


def _packed_address(address: bytes) -> int:
    return int.from_bytes(address, "little")  # the bytes in memory are in network order


def _settings(behaviour: RecoveryBehaviour) -> Any:
    settings = ffi.new("struct services_settings *")
    recovery, snapshot = settings.recovery, settings.snapshot
    for name in (
        "messages_max", "rate_per_s", "burst", "lose_requests", "refuse", "delay_ns", "history_messages",
    ):  # fmt: skip
        setattr(recovery, name, getattr(behaviour, name))
    recovery.loss = of_2_32(behaviour.loss)
    for name in ("cut_connections", "cut_after", "refuse", "stall", "delay_ns", "wrong_sequence"):
        setattr(snapshot, name, getattr(behaviour, f"snapshot_{name}"))
    return settings


class Exchange:
    """The busy loop (exchange/exchange.h): open, start, command, join, read."""

    def __init__(self, options: ExchangeOptions, *, book: PublishedBook, progress: Bytes) -> None:
        self._options = options
        self._book = book
        self._kept: list[object] = [progress]
        self._memory = touched(zeroed(lib.exchange_bytes()))
        self._exchange = ffi.cast("struct exchange *", self._memory.ctypes.data)
        self._given = ffi.new("struct exchange_options *")
        given = self._given
        given.packets = pointer("struct packet_record *", options.packets)
        header_bytes = MOLD_HEADER_BYTES
        if options.packet_lines is not None:
            header_bytes = 0
            given.packet_lines = pointer("const uint8_t *", options.packet_lines)
        given.sums = self._array("const uint16_t *", self._sums(given.cycle, header_bytes=header_bytes))
        given.heartbeat_ns = options.heartbeat_ns
        given.lead_ns = options.lead_ns
        given.late_gap_ns = options.late_gap_ns
        given.ends = options.ends
        given.follows = options.follows
        given.cpu = -1 if options.cpu is None else options.cpu
        given.notify = options.notify_fd
        given.book = book.book
        given.progress = pointer("struct exchange_progress *", progress)
        self._impairers: dict[str, Impairer] = {}
        self._give_history(given.history)
        self._give_lines()
        self._give_gateway(given.gateway)
        if options.recovery is not None:
            self._give_services(given.services, options.recovery)
        self._commands: Any = ffi.NULL
        if options.switches is not None:
            self._give_switches(options.switches)
        if options.noise is not None:
            options.noise.give(given.noise)

    def _array(self, kind: str, array: Any) -> Any:
        self._kept.append(array)
        return pointer(kind, array)

    def _text(self, text: str) -> Any:
        kept = ffi.new("char[]", text.encode())
        self._kept.append(kept)
        return kept

    def _sums(self, given: Any, *, header_bytes: int) -> Any:
        """Of every packet; of a cycle, those of the first round: the others are made in the run."""
        options, cycle = self._options, self._options.cycle
        if cycle is None:
            return packet_sums(options.arena, options.packets, header_bytes=header_bytes)
        once = options.packets[: cycle.first_packet + cycle.packets]
        sums = touched(np.zeros(options.packets.size, np.uint16))
        sums[: once.size] = packet_sums(options.arena, once, header_bytes=header_bytes)
        given.first_packet, given.packets = cycle.first_packet, cycle.packets
        given.packet_count = options.packets.size
        given.arena = pointer("uint8_t *", options.arena)
        given.sums = pointer("uint16_t *", sums)
        given.by.time_ns = cycle.time_ns
        given.by.references, given.by.matches = cycle.references, cycle.matches
        return sums

    def _give_history(self, history: Any) -> None:
        options = self._options
        messages = sum(session.messages for session in options.sessions)
        history.arena = pointer("const uint8_t *", options.arena)
        history.packets = pointer("const struct packet_record *", options.packets)
        history.packet_count = options.packets.size
        history.message_count = messages
        history.packet_of = self._array("uint32_t *", touched(np.zeros(messages // 64 + 1, np.uint32)))
        history.session_count = len(options.sessions)
        for place, session in enumerate(options.sessions):
            given = history.sessions[place]
            given.name = session.name
            given.end_previous = session.end_previous
            given.first_sequence = session.first_sequence
            given.first_message = session.first_message
            given.messages = session.messages

    def _impairer(self, name: str, line: int, *, payload_offset: int) -> Any:
        rules = [
            (index, impairment_rule(config, seed=self._options.seed, index=index, line=line))
            for index, config in enumerate(self._options.impairments)
            if name in config.lines
        ]
        if not rules:
            return ffi.NULL
        self._impairers[name] = Impairer(rules, payload_offset=payload_offset)
        return self._impairers[name].struct

    def _give_lines(self) -> None:
        self._given.line_count = len(self._options.lines)
        for index, line in enumerate(self._options.lines):
            given = self._given.lines[index]
            given.interface = self._text(line.interface)
            given.source = _packed_address(line.source)
            given.group = _packed_address(line.group)
            given.port = line.port
            if line.device:
                given.device = self._text(line.device)
            given.impairer = self._impairer(line.name, index, payload_offset=FRAME_HEADER_BYTES)

    def _give_gateway(self, gateway: Any) -> None:
        options = self._options
        slots = 1 << (2 * options.orders_max - 1).bit_length()
        rows_max = 6 * options.orders_max
        store_bytes = options.orders_max * (66 + 40 + 40 + 28 + 4 * 3) + 4096
        messages_max = 4 * options.orders_max + 16
        self._rows: Records = touched(np.zeros(rows_max, DROP_COPY_DTYPE))
        gateway.protocol = _PROTOCOLS[options.protocol]
        gateway.book = self._book.book
        gateway.orders = self._array(
            "struct gateway_order *", touched(zeroed(slots * ffi.sizeof("struct gateway_order")))
        )
        gateway.order_slots = slots
        gateway.orders_max = options.orders_max
        gateway.rows = pointer("struct drop_copy_row *", self._rows)
        gateway.rows_max = rows_max
        port = gateway.port
        port.name = self._text("gateway")
        port.newest_wins = options.newest_wins
        port.address = _packed_address(options.gateway_address)
        port.port = options.gateway_port
        port.username = self._text(options.username)
        port.password = self._text(options.password)
        port.session = self._text(options.gateway_session)
        port.store = self._array("uint8_t *", touched(zeroed(store_bytes)))
        port.store_bytes = store_bytes
        port.offsets = self._array("uint64_t *", touched(np.zeros(messages_max, np.uint64)))
        port.messages_max = messages_max

    def _give_services(self, services: Any, options: RecoveryOptions) -> None:
        settings = _settings(options.behaviour)
        services.on = True
        recovery, snapshot = services.recovery, services.snapshot
        recovery.address = _packed_address(options.address)
        recovery.port = options.request_port
        recovery.seed = self._options.seed
        recovery.settings = settings.recovery
        recovery.impairer = self._impairer(RECOVERY_LINE, RECOVERY_INDEX, payload_offset=0)
        port = snapshot.port
        port.address = _packed_address(options.address)
        port.port = options.snapshot_port
        port.username = self._text(options.username)
        port.password = self._text(options.password)
        port.store = self._array("uint8_t *", touched(zeroed(_SNAPSHOT_STORE_BYTES)))
        port.store_bytes = _SNAPSHOT_STORE_BYTES
        snapshot.settings = settings.snapshot
        snapshot.reference = self._reference_data()
        snapshot.book = self._book.book
        freeze_bytes = lib.published_freeze_bytes(self._book.book)
        snapshot.freeze_memory = self._array("void *", touched(zeroed(freeze_bytes)))

    def _give_switches(self, switches: SwitchesConfig) -> None:
        self._commands = ffi.new("struct switch_command[]", len(switches.commands))
        for command, given in zip(switches.commands, self._commands, strict=True):
            given.at_ns, given.value = command.at_ns, command.value
        self._given.switch_commands = self._commands
        self._given.switch_count = len(switches.commands)

    def _map_switches(self, switches: SwitchesConfig) -> None:
        with open(switches.page, "r+b") as file:
            page = mmap.mmap(file.fileno(), 0)
        word = ffi.from_buffer("char[]", page, require_writable=True) + switches.offset
        self._kept += [page, word]
        lib.exchange_switch_word(self._exchange, word)

    def _reference_data(self) -> Any:
        arena = self._options.arena
        types = scan_itch(arena, strict=False).types
        messages = sum(types.get(letter, 0) for letter in _REFERENCE_TYPES)
        data = ffi.new("struct reference_data *")
        self._kept.append(data)
        memory = touched(zeroed(lib.reference_data_bytes(messages)))
        work = np.zeros(_REFERENCE_WORK, np.uint32)
        lib.reference_data_init(
            data, pointer("const uint8_t *", arena), arena.size, self._array("void *", memory),
            pointer("uint32_t *", work),
        )  # fmt: skip
        return data

    def open(self) -> None:
        """Open lines, gateway and services; OpenError says which could not."""
        error = ffi.new("char[200]")
        outcome = lib.exchange_open(self._exchange, self._given, error, 200)
        if outcome:
            raise OpenError(ffi.string(error).decode(errors="replace"), -outcome)

    def gateway_port(self) -> int:
        """The TCP port in use."""
        return int(lib.soup_port_number(ffi.addressof(self._exchange.gateway.port)))

    def request_port(self) -> int:
        """The re-request server's UDP port in use."""
        return int(lib.recovery_port(ffi.addressof(self._exchange.services.recovery)))

    def snapshot_port(self) -> int:
        """The snapshot service's TCP port in use."""
        return int(lib.soup_port_number(ffi.addressof(self._exchange.services.snapshot.port)))

    def start_thread(self) -> None:
        """Start the busy loop: heartbeats and orders until start() gives the schedule a time."""
        outcome = lib.exchange_start(self._exchange)
        if outcome:
            raise OSError(-outcome, f"cannot start the exchange thread: {os.strerror(-outcome)}")

    def follow(self, map_id: int) -> None:
        """Learn from the BPF map with this number what another publishes (exchange/followed.h). Before start()."""
        outcome = lib.exchange_follow(self._exchange, map_id)
        if outcome:
            raise TrafficError(f"command follow: BPF map {map_id}: {os.strerror(-outcome)}")

    def follow_file(self, path: str, offset: int) -> None:
        """The same from the page that stands at `offset` of a file."""
        outcome = lib.exchange_follow_file(self._exchange, path.encode(), offset)
        if outcome:
            raise TrafficError(f"command follow: page {path}, offset {offset}: {os.strerror(-outcome)}")

    def start(self, at_ns: int) -> None:
        """Publish, the first packet at `at_ns` (CLOCK_MONOTONIC). TrafficError: the page of switches is not there."""
        if self._options.switches is not None:
            try:
                self._map_switches(self._options.switches)
            except OSError as error:
                page = self._options.switches.page
                raise TrafficError(f"switches.page {page}: cannot be mapped: {error.strerror}") from None
        lib.exchange_command_start(self._exchange, at_ns)

    def behave(self, behaviour: RecoveryBehaviour, *, given: frozenset[str]) -> None:
        """From now on the services behave like this; returns when they do.

        `given` names the keys that were asked for: what counts down counts anew only when it was.
        """
        settings = _settings(behaviour)
        settings.restart_lose = "lose_requests" in given
        settings.restart_cut = "snapshot_cut_connections" in given
        services = ffi.addressof(self._exchange.services)
        deadline = time.monotonic() + TELL_SECONDS
        told = bool(lib.services_tell(services, settings))
        while not lib.services_told(services):
            if time.monotonic() > deadline:
                raise TrafficError("command recovery: the loop does not obey: it may have stopped")
            time.sleep(0.0001)
        if not told:
            raise TrafficError("command recovery: the one before was still on its way")

    def behave_gateway(self, behaviour: GatewayBehaviour) -> None:
        """From now on the order gateway behaves like this; returns when it does."""
        given = ffi.new("struct gateway_behaviour *", behaviour.model_dump())
        gateway = ffi.addressof(self._exchange.gateway)
        deadline = time.monotonic() + TELL_SECONDS
        told = bool(lib.gateway_tell(gateway, given))
        while not lib.gateway_told(gateway):
            if time.monotonic() > deadline:
                raise TrafficError("command gateway: the loop does not obey: it may have stopped")
            time.sleep(0.0001)
        if not told:
            raise TrafficError("command gateway: the one before was still on its way")

    def stop(self) -> None:
        """End the session and wait for the loop to be gone; then close all sockets."""
        lib.exchange_command_stop(self._exchange)
        lib.exchange_join(self._exchange)
        lib.exchange_close(self._exchange)

    def published_ns(self) -> int:
        """When the last packet was out, 0 before."""
        return int(self._exchange.counters.published_ns)

    def published_packets(self) -> Records:
        """The packet records that were sent, times absolute."""
        return self._options.packets[: self._exchange.next_packet]

    def noise_records(self) -> Records | None:
        """The noise records that came up for sending (NOISE_DTYPE), times absolute; None when there was no noise."""
        noise = self._options.noise
        return None if noise is None else noise.records[: self._exchange.noise.next]

    def drop_copy(self) -> Records:
        """Every event of the gateway in order (DROP_COPY_DTYPE)."""
        return self._rows[: self._exchange.gateway.rows_used]

    def counters(self) -> dict[str, object]:
        """Loop, lines, gateway, order port, book, and what recovery and impairments did."""
        exchange = self._exchange
        loop = exchange.counters
        counted: dict[str, object] = {
            "loop": {
                "polls": int(loop.polls),
                "polls_forced": int(loop.polls_forced),
                "late_max_ns": int(loop.late_max_ns),
                "pin_error": os.strerror(exchange.pin_error) if exchange.pin_error else None,
                "stalls": {
                    name: {"count": int(loop.stall_count[index]), "max_ns": int(loop.stall_max_ns[index])}
                    for index, name in enumerate(_DOINGS)
                },
            },
            "lines": [self._line_counters(index) for index in range(len(self._options.lines))],
            "gateway": counters_of(exchange.gateway.counters),
            "order_port": counters_of(exchange.gateway.port.counters),
            "book": self._book.counters(),
        }
        if self._options.recovery is not None:
            counted["recovery"] = self._recovery_counters()
        if self._impairers:
            counted["impairments"] = [
                rule
                for name, impairer in self._impairers.items()
                for rule in impairer.rules(line=name, start_ns=int(exchange.start_ns))
            ]
        if self._options.switches is not None:
            counted["switches"] = [
                {"value": int(command.value), "at_ns": int(command.at_ns), "done_ns": int(command.done_ns)}
                for command in self._commands
            ]
        if self._options.noise is not None:
            lines = [line.name for line in self._options.lines]
            counted["noise"] = self._options.noise.counters(lines=lines)
        return counted

    def _line_counters(self, index: int) -> dict[str, object]:
        line = self._exchange.lines[index]
        counted: dict[str, object] = {
            "packets": int(line.packets_sent),
            "errors": int(line.errors),
            "heartbeats": int(line.heartbeats),
            "last_error": os.strerror(line.last_error) if line.last_error else None,
        }
        if self._options.lines[index].device:
            counted["send_ns_log2"] = [int(count) for count in line.send_ns]
        if impairer := self._impairers.get(self._options.lines[index].name):
            counted["impaired"] = impairer.counters()
        return counted

    def _recovery_counters(self) -> Mapping[str, object]:
        services = self._exchange.services
        counted: dict[str, object] = {
            **counters_of(services.recovery.counters),
            **counters_of(services.counters),
            "snapshots": {
                **counters_of(services.snapshot.counters),
                "port": counters_of(services.snapshot.port.counters),
            },
        }
        if impairer := self._impairers.get(RECOVERY_LINE):
            counted["impaired"] = impairer.counters()
        return counted


def die_with_parent(parent: int) -> bool:
    """Ask the kernel to kill this process when process `parent` dies; False: it is gone already."""
    return int(lib.exchange_die_with_parent(parent)) == 0
