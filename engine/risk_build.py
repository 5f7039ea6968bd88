"""A RiskTable in, the sealed struct risk_table of the engine out; bytes of one can be looked at again.

Like ``binding.py`` this module touches the engine's C: it only calls, checks and converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine._engine import ffi, lib
from engine.risk_table import RiskProfile, RiskTable, RiskTableError

__all__ = [
    "RiskControl",
    "build_risk_table",
    "risk_limits",
    "risk_report",
    "risk_table_bytes",
    "verify_risk_table",
]

UNLISTED = {
    "allowed": lib.RISK_SYMBOL_SHORT,
    "no_short": 0,
    "restricted": lib.RISK_SYMBOL_RESTRICTED,
}


def _reasons() -> dict[str, int]:
    names = (ffi.string(lib.risk_reason_name(code)).decode() for code in range(lib.RISK_REASON_COUNT))
    return {name: 1 << code for code, name in enumerate(names)}


def _bits(names: tuple[str, ...]) -> int:
    known = _reasons()
    return sum(known[name] for name in set(names))


def _or(value: int | None, off: int) -> int:
    return off if value is None else value


def risk_limits(table: RiskTable, generation: int) -> Any:
    """``struct risk_limits *`` with the table's limits of one order, sealed."""
    limits = ffi.new("struct risk_limits *")
    limits.order_shares_max = table.order_shares_max
    limits.notional_max = table.notional_max
    limits.price_max = table.price_max
    limits.collar_permille = table.collar_permille
    limits.position_long_max = limits.position_short_max = table.position_max
    limits.order_rate_per_s = table.order_rate_per_s
    limits.order_burst = table.order_burst
    limits.allow_unannounced = table.allow_unannounced
    limits.generation = generation
    lib.risk_limits_seal(limits)
    return limits


def _fill_account(account: Any, table: RiskTable) -> None:
    account.gross_exposure_max = _or(table.gross_exposure_max, lib.RISK_EXPOSURE_MAX)
    account.net_exposure_max = _or(table.net_exposure_max, lib.RISK_EXPOSURE_MAX)
    account.quote_age_ns_max = _or(table.quote_age_max_ns, lib.RISK_NEVER)
    account.feed_age_ns_max = _or(table.feed_age_max_ns, lib.RISK_NEVER)
    account.duplicate_window_ns = table.duplicate_window_ns
    account.open_orders_max = _or(table.open_orders_max, lib.RISK_OFF_32)
    account.message_burst = table.message_burst
    account.message_rate_per_s = table.message_rate_per_s
    account.last_collar_permille = _or(table.last_collar_permille, lib.RISK_OFF_32)


def _fill_soft(soft: Any, table: RiskTable) -> None:
    values = table.soft
    soft.notional = _or(values.notional, lib.RISK_NEVER)
    soft.position_long = soft.position_short = _or(values.position_max, lib.RISK_NEVER)
    soft.gross_exposure = _or(values.gross_exposure, lib.RISK_NEVER)
    soft.net_exposure = _or(values.net_exposure, lib.RISK_NEVER)
    soft.order_shares = _or(values.order_shares, lib.RISK_OFF_32)
    soft.open_orders = _or(values.open_orders, lib.RISK_OFF_32)
    soft.collar_permille = _or(values.collar_permille, lib.RISK_OFF_16)
    soft.last_collar_permille = _or(values.last_collar_permille, lib.RISK_OFF_16)
    soft.order_tokens_permille = values.order_tokens_permille
    soft.message_tokens_permille = values.message_tokens_permille


def _fill_profile(target: Any, profile: RiskProfile, table: RiskTable) -> None:
    target.order_shares_max = _or(profile.order_shares_max, table.order_shares_max)
    target.notional_max = _or(profile.notional_max, table.notional_max)
    target.price_max = _or(profile.price_max, table.price_max)
    target.collar_permille = _or(profile.collar_permille, table.collar_permille)
    last = _or(table.last_collar_permille, lib.RISK_OFF_32)
    target.last_collar_permille = _or(profile.last_collar_permille, last)
    target.position_long_max = target.position_short_max = _or(profile.position_max, table.position_max)


def _fill_symbols(made: Any, table: RiskTable, locates: Mapping[str, int]) -> None:
    for number, profile in enumerate(table.profiles.values(), start=1):
        _fill_profile(made.profiles[number], profile, table)
    numbers = {name: number for number, name in enumerate(table.profiles, start=1)}
    made.rules.trips.profile_count = len(numbers) + 1
    if table.unlisted != "allowed":
        for locate in range(lib.RISK_SYMBOL_COUNT):
            lib.risk_table_set_symbol(made, locate, UNLISTED[table.unlisted], 0)
    taken: dict[int, int] = {}
    for index, symbol in enumerate(table.symbols):
        number = locates.get(symbol.stock, -1) if symbol.stock is not None else (symbol.locate or 0)
        if not 0 <= number < lib.RISK_SYMBOL_COUNT:
            raise RiskTableError(f"symbols.{index}: the feed has no symbol {symbol.stock}; give its locate")
        if number in taken:
            raise RiskTableError(f"symbols.{index}: the same symbol as symbols.{taken[number]}")
        taken[number] = index
        flags = lib.RISK_SYMBOL_RESTRICTED * symbol.restricted + lib.RISK_SYMBOL_SHORT * symbol.short
        profile_number = numbers[symbol.profile] if symbol.profile is not None else 0
        lib.risk_table_set_symbol(made, number, flags, profile_number)


def build_risk_table(
    table: RiskTable, *, generation: int, created_ns: int, locates: Mapping[str, int] | None = None
) -> Any:
    """``struct risk_table *``, sealed and verified. RiskTableError when a symbol is not known.

    ``created_ns`` is in the engine's clock (CLOCK_MONOTONIC), and valid_for_ns counts from it; ``locates`` gives the
    stock locate of a symbol by name, as the feed's directory told it.
    """
    made = ffi.new("struct risk_table *")
    lib.risk_table_default(made, risk_limits(table, generation))
    head = made.rules.head
    head.created_ns = created_ns
    if table.valid_for_ns is not None:
        head.valid_until_ns = min(created_ns + table.valid_for_ns, lib.RISK_NEVER)
    if table.session is not None:
        head.session_open_ns, head.session_close_ns = table.session.open_ns, table.session.close_ns
    _fill_account(made.rules.account, table)
    _fill_soft(made.rules.soft, table)
    trips = made.rules.trips
    trips.at_once, trips.counted = _bits(table.trips.at_once), _bits(table.trips.counted)
    trips.after_fill = _bits(table.trips.after_fill)
    trips.breaches, trips.window_ns = table.trips.breaches, table.trips.window_ns
    _fill_symbols(made, table, locates or {})
    lib.risk_table_seal(made, generation)
    _refuse(lib.risk_table_verify(made))
    return made


def _refuse(problem: int) -> None:
    if problem != lib.RISK_TABLE_GOOD:
        raise RiskTableError(f"table of limits: {ffi.string(lib.risk_table_problem_name(problem)).decode()}")


def risk_table_bytes(made: Any) -> bytes:
    """The binary form of a built table, for a file or another process of the same machine."""
    return bytes(ffi.buffer(made))


def verify_risk_table(data: bytes) -> Any:
    """``struct risk_table *`` from its binary form. RiskTableError unless every line of it verifies."""
    made = ffi.new("struct risk_table *")
    if len(data) != ffi.sizeof("struct risk_table"):
        raise RiskTableError(f"table of limits: {len(data)} bytes, not {ffi.sizeof('struct risk_table')}")
    ffi.memmove(made, data, len(data))
    _refuse(lib.risk_table_verify(made))
    return made


def _name(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


def risk_report(risk: Any) -> dict[str, Any]:
    """What a ``struct risk`` says of itself besides its answers: account, warnings, trips, and the last records."""
    count = int(risk.record_count)
    kept = range(max(0, count - lib.RISK_RECORD_COUNT), count)
    rows = (risk.records[number % lib.RISK_RECORD_COUNT] for number in kept)
    exposure = risk.exposure
    return {
        "generation": int(risk.head.generation),
        "tripped": _name(lib.risk_reason_name(risk.trip_reason)) if risk.tripped else None,
        "trips": int(risk.trip_count),
        "rearms": int(risk.rearm_count),
        "mass_cancels": int(risk.cancel_count),
        "warnings": {
            _name(lib.risk_reason_name(code)): int(risk.warnings[code])
            for code in range(lib.RISK_REASON_COUNT)
            if risk.warnings[code]
        },
        "exposure": {
            "gross": int(exposure.gross),
            "net_long": int(exposure.value + exposure.open_buy),
            "net_short": int(exposure.open_sell - exposure.value),
            "open_orders": int(exposure.open_orders),
            "lost": bool(exposure.lost),
        },
        "records_lost": max(0, count - lib.RISK_RECORD_COUNT),
        "records": [
            {
                "at_ns": int(row.at_ns),
                "decisions": int(row.decisions),
                "generation": int(row.generation),
                "kind": _name(lib.risk_record_name(row.kind)),
                "reason": _name(lib.risk_reason_name(row.reason)),
                "subject": int(row.subject),
                "who": int(row.who),
            }
            for row in rows
        ],
    }


class RiskControl:
    """What one control thread may do to a running gate: other limits, kills, re-arms. Never blocks the engine.

    ``memory`` is the gate's struct risk_memory and must outlive this; ``announce`` is told of a table before it is
    published, and may refuse it.
    """

    def __init__(self, memory: Any, announce: Callable[[Any], bool] | None = None) -> None:
        self._memory = memory
        self._announce = announce
        self._tables = ffi.addressof(memory, "tables")
        self._kills = ffi.addressof(memory, "kills")

    def publish(self, table: RiskTable, *, created_ns: int, locates: Mapping[str, int] | None = None) -> int:
        """Puts a table in force from the next order on; returns its generation. RiskTableError: nothing changed."""
        generation = int(self._tables.generation) + 1
        made = build_risk_table(table, generation=generation, created_ns=created_ns, locates=locates)
        if self._announce and not self._announce(made):
            raise RiskTableError("table of limits: the journal cannot be written")
        buffer = lib.risk_tables_begin(self._tables)
        ffi.memmove(buffer, made, ffi.sizeof("struct risk_table"))
        _refuse(lib.risk_tables_publish(self._tables, buffer))
        return generation

    def withdraw(self) -> None:
        """No limits, no orders: every one is refused with limits_missing."""
        lib.risk_tables_withdraw(self._tables)

    def kill_symbol(self, locate: int, *, on: bool = True) -> None:
        lib.risk_kill_symbol(self._kills, locate, on)

    def kill_strategy(self, strategy: int, *, on: bool = True) -> None:
        lib.risk_kill_strategy(self._kills, strategy, on)

    def rearm(self, who: int) -> bool:
        """Asks the engine to open a tripped gate, in the name of ``who``. False: too many commands are waiting."""
        return bool(lib.risk_command(self._kills, lib.RISK_COMMAND_REARM, 0, who))
