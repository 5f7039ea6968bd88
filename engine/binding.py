"""The only module that touches the engine's C: a config goes in, a Runner with plain Python values comes out."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib
from engine.config import EngineConfig
from engine.identity import recorder_text
from engine.mdp3 import Mdp3Options, channel_options
from engine.risk_build import (
    RiskControl,
    build_risk_table,
    risk_limits,
    risk_report,
    verify_risk_table,
)
from engine.strategy_binding import Hands, fill_budget, strategy_report
from engine.wires import ORDER_WIRES, dpdk_report, wires_report

__all__ = [
    "BOOK_ROW",
    "DECISION_ROW",
    "OWN_ORDER_ROW",
    "EngineError",
    "Runner",
    "die_with_parent",
]

OBJECTS = "objects"  # beside the journal: the shared objects that were loaded
STAGES = ("rx_ns", "decode_ns", "book_ns", "strategy_ns", "risk_ns", "encode_ns", "tx_ns")
DECISION_ROW = np.dtype(
    [("trigger_sequence", "<u8")]
    + [(stage, "<i8") for stage in STAGES]
    + [("price", "<u4"), ("shares", "<u4"), ("symbol", "<u2"), ("side", "S1"), ("reason", "u1")]
    + [("ordinal", "u1"), ("feed_state", "u1"), ("flags", "<u2"), ("line", "u1"), ("pad", "u1")]
)
BOOK_ROW = np.dtype(
    [("symbol", "<u2"), ("side", "S1"), ("price", "<u4"), ("position", "<u4")]
    + [("reference", "<u8"), ("shares", "<u4")]
)
OWN_ORDER_ROW = np.dtype(
    [("token_key", "<u8"), ("trigger_sequence", "<u8"), ("symbol", "<u2"), ("side", "S1"), ("state", "u1")]
    + [("price", "<u4"), ("shares", "<u4"), ("open_shares", "<u4"), ("executed_shares", "<u4")]
    + [("canceled_shares", "<u4"), ("reason", "S1")]
)
KINDS = {"af_xdp": lib.PORT_AF_XDP, "kernel": lib.PORT_KERNEL, "dpdk": lib.PORT_DPDK}
HUGE = {"auto": lib.DPDK_HUGE_AUTO, "no": lib.DPDK_HUGE_NO, "yes": lib.DPDK_HUGE_YES}
TAKEN_BYTES = 1 << 20
FEED_POLICY = (
    "first_sequence",
    "unconfirmed_jump_messages",
    "follow_sessions",
    "session_confirm_packets",
    "hold_back_ns",
    "line_silence_ns",
    "request_messages_max",
    "request_outstanding_max",
    "request_attempts",
    "request_timeout_ns",
    "give_up_messages",
    "snapshot_attempts",
    "snapshot_timeout_ns",
    "retry_ns",
)
DELIVERIES = {"strict": lib.FEED_DELIVERY_STRICT, "best_effort": lib.FEED_DELIVERY_BEST_EFFORT}
PROTOCOLS = {"ouch42": lib.CODEC_OUCH42, "ouch50": lib.CODEC_OUCH50}
TABLES: WeakKeyDictionary[Any, Any] = (
    WeakKeyDictionary()
)  # a table lives as long as the options that point to it
STRATEGIES = {"touch_taker": lib.STRATEGY_TOUCH_TAKER, "reflector": lib.STRATEGY_REFLECTOR}


class EngineError(Exception):
    """The engine refused its configuration or a wire could not be opened; the text says which and why."""


def die_with_parent() -> bool:
    """Asks the kernel to end this process with its parent; False when the parent is gone already."""
    return bool(lib.runner_die_with_parent())


def text(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


def numbers(struct: Any, *names: str) -> dict[str, int]:
    return {name: int(getattr(struct, name)) for name in names}


def fields(struct: Any) -> dict[str, int]:
    """Every integer field of a C struct, by name."""
    names = [name for name, field in ffi.typeof(struct).fields if field.type.kind == "primitive"]
    return numbers(struct, *names)


def engine_options(config: EngineConfig, first_table: bytes | None = None) -> Any:
    """``struct engine_options`` for a config; limits are sealed. ``first_table``: that one instead of the config's."""
    options = ffi.new("struct engine_options *")
    options.strategy = STRATEGIES[config.strategy.name]
    options.stages = config.stages
    lib.feed_options_default(ffi.addressof(options, "feed"))
    session = config.feed.session.ljust(10).encode() if config.feed.session else bytes(10)
    ffi.memmove(options.feed.session, session, 10)
    for name in FEED_POLICY:
        setattr(options.feed, name, getattr(config.feed, name))
    options.feed.reorder_packet_count = config.feed.reorder_packets
    options.feed.delivery = DELIVERIES[config.feed.delivery]
    options.feed.requests = config.recovery.requests is not None
    options.feed.snapshots = config.recovery.snapshots is not None
    snapshots = config.recovery.snapshots
    options.recovery.soupbin.username = (snapshots.username if snapshots else "STEP").encode()
    options.recovery.soupbin.password = (snapshots.password if snapshots else "STEP").encode()
    if snapshots:
        options.recovery.snapshot_address = snapshots.address.encode()
        options.recovery.snapshot_port = snapshots.port
        options.recovery.snapshot_names_session = snapshots.names_session
    lib.book_options_default(ffi.addressof(options, "book"))
    options.book.order_capacity = config.book.orders
    options.book.level_capacity = config.book.levels
    strategy = config.strategy
    options.touch_taker.order_shares = strategy.order_shares
    options.touch_taker.imbalance_permille = strategy.imbalance_permille
    options.touch_taker.cooldown_messages = strategy.cooldown_messages
    options.reflector.every = strategy.every
    fill_budget(options, config.strategies.budget)
    request = options.reflector.request
    request.trigger_sequence, request.price, request.shares = 1, 10_000, 1
    request.symbol, request.side = 1, b"B"
    ffi.memmove(request.stock, b"REFLECT ", 8)
    risk = config.risk
    options.limits = risk_limits(risk, 0)[0]
    wired = config.gateway is not None  # without a gateway time is the caller's and begins at 0
    if first_table is None:
        table = build_risk_table(risk, generation=1, created_ns=time.monotonic_ns() if wired else 0)
    else:
        table = verify_risk_table(first_table)
    options.table = table
    TABLES[options] = table
    options.late_after_ns = risk.late_after_ns
    options.own_orders.open_max = config.open_orders
    options.own_orders.dead_keep = config.open_orders
    options.own_orders.executions_max = config.open_orders * 2
    gateway = config.gateway
    options.soupbin.username = (gateway.username if gateway else "STEP").encode()
    options.soupbin.password = (gateway.password if gateway else "STEP").encode()
    options.soupbin.session = (gateway.session if gateway else "").encode()
    options.soupbin.requested_sequence = 1
    options.protocol = PROTOCOLS[gateway.protocol if gateway else "ouch42"]
    options.decision_capacity = config.decisions
    return options


class Runner:
    """One engine with its memory and wires. ``run()`` is the engine thread; the rest is for before and after."""

    def __init__(self, config: EngineConfig, *, wired: bool = True, first_table: bytes | None = None) -> None:
        """Not ``wired``: no wires and no services whatever the config says, as for a replay.

        ``first_table`` is the binary form of the table of limits to begin with, in place of the config's.
        """
        options = ffi.new("struct runner_options *")
        self._keep: list[Any] = []  # C strings that must outlive the runner
        self._buffer: Any = None
        options.cpu = -1 if config.cpu is None else config.cpu
        for index, line in enumerate(config.lines if wired else ()):
            target = options.lines[index]
            target.kind = KINDS[line.wire]
            target.interface = self._string(line.interface)
            target.queue = line.queue
            target.socket_map = -1 if line.socket_map is None else line.socket_map
            target.group = self._string(line.group)
            target.port = line.port
            if line.dpdk:
                target.device, target.huge = self._string(line.dpdk.device), HUGE[line.dpdk.hugepages]
        self._lines = len(config.lines) if wired else 0
        wired = config.gateway is not None and wired
        if config.gateway and wired:
            options.gateway_address = self._string(config.gateway.address)
            options.gateway_port = config.gateway.port
        options.order_wire = ORDER_WIRES[config.orders.wire]
        options.order_queue = config.orders.queue
        options.watch_automatic = config.watchdog.automatic
        options.watch_period_ns = config.watchdog.period_ns
        options.watch_stall_ns = config.watchdog.stall_ns
        options.watch_wire_down_ns = config.watchdog.wire_down_ns
        if wired and config.recovery.requests:
            options.request_address = self._string(config.recovery.requests.address)
            options.request_port = config.recovery.requests.port
        if config.control:
            options.control_path = self._string(str(config.control))
        if config.venue == "mdp3":
            self._keep.append(channel_options(Mdp3Options(**config.mdp3.model_dump())))
            options.mdp3 = self._keep[-1]
        if config.journal:
            ring_bytes, above = config.journal.ring_bytes, config.journal.drain_above
            options.journal.path = self._string(str(config.journal.path))
            options.journal.config = self._string(recorder_text(config))
            options.journal.ring_bytes = ring_bytes
            options.journal.above = ring_bytes // 2 if above is None else above
            options.journal.cpu = -1 if config.journal.cpu is None else config.journal.cpu
        error = ffi.new("char[512]")
        self._runner = lib.runner_open(engine_options(config, first_table), options, error, 512)
        if self._runner == ffi.NULL:
            raise EngineError(text(error))
        self._engine = lib.runner_engine(self._runner)
        objects = config.journal.path.parent / OBJECTS if config.journal else None
        self.hands = Hands(self._runner, self._engine, objects=objects)

    def _string(self, value: str) -> Any:
        self._keep.append(ffi.new("char[]", value.encode()))
        return self._keep[-1]

    def close(self) -> None:
        if self._runner != ffi.NULL:
            lib.runner_close(self._runner)
            self._runner = ffi.NULL

    def run(self) -> None:
        """Polls until stop(). EngineError when a wire or the gateway is not there."""
        if lib.runner_run(self._runner):
            raise EngineError(text(lib.runner_error(self._runner)))

    @property
    def mdp3(self) -> Any:
        """``struct venue_mdp3 *`` where that venue runs instead of the engine, else NULL."""
        return ffi.NULL

    @property
    def engine(self) -> Any:
        """``struct engine *``, for the other binding modules."""
        return self._engine

    def stop(self) -> None:
        lib.runner_stop(self._runner)

    @property
    def polling(self) -> bool:
        """True once the wires were opened and the loop has begun."""
        return int(self._engine.statistics.polls) > 0

    @property
    def session_up(self) -> bool:
        return bool(self._engine.session.soupbin.state == lib.SOUPBIN_UP)

    @property
    def session_cause(self) -> str:
        """Why the order session is down, in words."""
        return text(lib.soupbin_cause_name(self._engine.session.soupbin.cause))

    @property
    def feed_state(self) -> str:
        return text(lib.feed_state_name(self._engine.feed.state)).upper()

    @property
    def risk_control(self) -> RiskControl:
        return self.hands.risk

    def accept_login(self, now_ns: int) -> None:
        lib.runner_accept_login(self._runner, now_ns)

    def step(self, line: int, datagram: bytes, now_ns: int) -> None:
        lib.engine_step(self._engine, line, datagram, len(datagram), now_ns)

    def step_all(self, line: int, datagrams: NDArray[np.uint8], now_ns: int, step_ns: int) -> int:
        """Many datagrams in one go, each behind its length (u32, little endian); their number. For benches."""
        data = ffi.cast("uint8_t *", ffi.from_buffer(datagrams))
        return int(lib.runner_step_all(self._runner, line, data, datagrams.nbytes, now_ns, step_ns))

    def step_timer(self, now_ns: int) -> None:
        lib.engine_step_timer(self._engine, now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the gateway."""
        lib.runner_receive(self._runner, data, len(data), now_ns)

    def _taken(self, take: Any) -> bytes:
        """What a taking function wrote; the buffer is made once, a step is too short for a new one."""
        if self._buffer is None:
            self._buffer = ffi.new("uint8_t[]", TAKEN_BYTES)
        return bytes(ffi.buffer(self._buffer, take(self._runner, self._buffer, TAKEN_BYTES)))

    def take_sent(self) -> bytes:
        """Bytes for the gateway since the last call."""
        return self._taken(lib.runner_take_sent)

    def take_requests(self) -> list[bytes]:
        """MoldUDP64 requests that the engine wants sent, 20 bytes each, since the last call."""
        buffer = ffi.new("uint8_t[]", 1 << 14)
        count = lib.runner_take_requests(self._runner, buffer, 1 << 14)
        size = lib.MOLDUDP64_REQUEST_SIZE
        return [bytes(ffi.buffer(buffer + offset, size)) for offset in range(0, count, size)]

    @property
    def wants_snapshot(self) -> bool:
        return bool(lib.feed_wants_snapshot(ffi.addressof(self._engine, "feed")))

    @property
    def snapshot_open(self) -> bool:
        return bool(self._engine.recovery.snapshot_open)

    def open_snapshot(self, now_ns: int) -> None:
        lib.runner_snapshot_open(self._runner, now_ns)

    def receive_snapshot(self, data: bytes, now_ns: int) -> None:
        """Bytes from the snapshot service; what the lines brought meanwhile is applied behind it."""
        lib.runner_snapshot_receive(self._runner, data, len(data), now_ns)
        lib.engine_step_timer(self._engine, now_ns)

    def lose_snapshot(self, now_ns: int) -> None:
        """The connection to the snapshot service is gone."""
        lib.runner_snapshot_lost(self._runner, now_ns)

    def take_snapshot_sent(self) -> bytes:
        """Bytes for the snapshot service since the last call."""
        return self._taken(lib.runner_take_snapshot_sent)

    def top(self, symbol: int) -> tuple[int, int, int, int]:
        """(bid price, bid shares, ask price, ask shares); price 0 = empty side."""
        top = lib.book_top(ffi.addressof(self._engine, "book"), symbol)
        return top.bid_price, top.bid_shares, top.ask_price, top.ask_shares

    def book(self) -> NDArray[Any]:
        """All displayed orders, BOOK_ROW sorted by symbol, side, price, position."""
        count = self._engine.book.order_count
        rows = np.empty(count, BOOK_ROW)
        pointer = ffi.cast("struct book_row *", ffi.from_buffer(rows)) if count else ffi.NULL
        written = lib.book_export(ffi.addressof(self._engine, "book"), pointer, count)
        return rows[:written]

    def decisions(self) -> NDArray[Any]:
        """The decision log, DECISION_ROW in order of decision."""
        rows = np.zeros(self._engine.decisions.count, DECISION_ROW)
        if len(rows):
            pointer = ffi.cast("struct decision_row *", ffi.from_buffer(rows))
            lib.engine_export_decisions(self._engine, pointer, len(rows))
        return rows

    def own_orders(self) -> NDArray[Any]:
        """The own orders still in the table, OWN_ORDER_ROW."""
        table = ffi.addressof(self._engine.session, "own_orders")
        rows = []
        for slot in range(table.order_count):
            order = lib.own_orders_at(table, slot)
            if order == ffi.NULL:
                continue
            key = int(order.token_key)
            rows.append(
                (key, key >> 16, order.symbol, order.side, order.state, order.price, order.shares)
                + (order.open_shares, order.executed_shares, order.canceled_shares, order.reason)
            )
        return np.array(rows, OWN_ORDER_ROW)

    def positions(self) -> dict[int, int]:
        """Position by symbol, in shares; symbols never traded are left out."""
        table = self._engine.session.own_orders
        found = {}
        for symbol in range(lib.OWN_ORDERS_SYMBOL_COUNT):
            own = table.symbols[symbol]
            if own.position or own.executed_shares:
                found[symbol] = int(own.position)
        return found

    def report(self) -> dict[str, Any]:
        """Every counter of the engine, by stage."""
        engine = self._engine
        statistics = engine.itch.statistics
        types = {chr(letter): int(count) for letter, count in enumerate(statistics.types) if count}
        return {
            "wire": self._wire_report(),
            "wires": wires_report(self._runner, self._lines),
            "feed": self._feed_report(),
            "types": types,
            "decode": numbers(statistics, "unknown_types", "length_errors", "long_messages"),
            "book": self._book_report(),
            "strategy": numbers(engine.touch_taker, "triggers", "suppressed"),
            "strategies": strategy_report(engine),
            "risk": {
                text(lib.risk_reason_name(code)): int(engine.risk.reasons[code])
                for code in range(lib.RISK_REASON_COUNT)
            },
            "reason_names": {code: text(lib.risk_reason_name(code)) for code in range(lib.RISK_REASON_COUNT)},
            "risk_state": risk_report(engine.risk),
            "loop": fields(engine.statistics),
            "decisions": numbers(engine.decisions, "count", "lost"),
            "orders": fields(engine.session.own_orders.counters) | fields(engine.session.counters),
            "session": self._session_report(),
            "positions": {str(symbol): shares for symbol, shares in self.positions().items()},
            "transitions": self._transitions(),
            "transitions_lost": int(engine.feed.statistics.transitions_lost),
            "recovery": fields(engine.recovery.statistics) | {"port": fields(engine.recovery.port)},
            "feed_joins": self._joins(),
            "feed_episodes": self._episodes(),
            "journal": self.journal_report(),
        }

    def finish_journal(self) -> None:
        """The journal's file is complete; a wired run has done it when ``run()`` returns."""
        if self._runner != ffi.NULL:
            lib.runner_finish_journal(self._runner)

    def journal_report(self) -> dict[str, int]:
        """Records, bytes, lost; all 0 without a journal."""
        statistics = ffi.new("struct recorder_statistics *")
        lib.runner_journal_statistics(self._runner, statistics)
        return fields(statistics[0])

    def _wire_report(self) -> dict[str, Any]:
        report: dict[str, Any] = {"huge_pages": bool(lib.runner_huge_pages(self._runner))}
        for line in range(self._lines):
            counters = ffi.new("struct af_xdp_statistics *")
            lib.runner_port_statistics(self._runner, line, counters)
            report["AB"[line]] = {
                **fields(counters[0]),
                "zero_copy": bool(lib.runner_zero_copy(self._runner, line)),
                **dpdk_report(self._runner, line),
            }
        return report

    def _feed_report(self) -> dict[str, Any]:
        statistics = self._engine.feed.statistics
        report: dict[str, Any] = {"state": self.feed_state, **fields(statistics)}
        report["lines"] = {}
        for index, name in enumerate(("A", "B", "recovery")):
            line = statistics.lines[index]
            report["lines"][name] = {**fields(line), "malformed": sum(line.malformed)}
        return report

    def _book_report(self) -> dict[str, int]:
        book = self._engine.book
        report = {
            text(lib.book_outcome_name(outcome)): int(book.statistics.outcomes[outcome])
            for outcome in range(lib.BOOK_OUTCOME_COUNT)
        }
        report |= numbers(book.statistics, "symbol_mismatches", "order_count_max", "level_count_max")
        return {**report, "complete": int(book.complete), "order_count": int(book.order_count)}

    def _session_report(self) -> dict[str, Any]:
        session = self._engine.session
        return {
            "state": text(lib.soupbin_state_name(session.soupbin.state)),
            "cause": self.session_cause,
            **fields(session.soupbin.counters),
            "partial_sends": int(session.stream.partial_sends),
            "phase": text(lib.order_phase_name(session.phase)),
        }

    def _joins(self) -> list[dict[str, int]]:
        """Snapshot joins: messages from ``skipped_from`` up to ``sequence`` (positions) were never delivered."""
        recovery = self._engine.recovery
        count = min(int(recovery.statistics.joins), lib.RECOVERY_JOIN_COUNT)
        return [
            {
                "at_ns": int(row.at_ns),
                "sequence": int(row.position),
                "skipped_from": int(row.skipped_from),
                "emptied": int(row.emptied),
            }
            for row in recovery.joins[0:count]
        ]

    def _episodes(self) -> list[dict[str, Any]]:
        """Stretches of blindness, oldest first."""
        capacity = lib.FEED_EPISODE_COUNT
        rows = ffi.new("struct feed_episode[]", capacity)
        count = lib.feed_episodes(ffi.addressof(self._engine, "feed"), rows, capacity)
        return [{**fields(row), "way": text(lib.feed_way_name(row.way))} for row in rows[0:count]]

    def _transitions(self) -> list[dict[str, Any]]:
        capacity = lib.FEED_TRANSITION_COUNT
        rows = ffi.new("struct feed_transition[]", capacity)
        count = lib.feed_transitions(ffi.addressof(self._engine, "feed"), rows, capacity)
        return [
            {
                "at_ns": int(row.at_ns),
                "before": text(lib.feed_state_name(getattr(row, "from"))).upper(),
                "after": text(lib.feed_state_name(row.to)).upper(),
                "cause": text(lib.feed_cause_name(row.cause)),
                "sequence": int(row.sequence),
            }
            for row in rows[0:count]
        ]
