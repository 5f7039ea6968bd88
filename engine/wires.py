"""What a runner's wires did, as plain values; and the race of both TCPs against each other. Only this, binding.py and
mdp3.py touch the engine's C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine._engine import ffi, lib

__all__ = [
    "ORDER_WIRES",
    "RACE_ROW",
    "RaceError",
    "bypass_built",
    "dpdk_built",
    "dpdk_report",
    "dpdk_version",
    "echo",
    "listen",
    "race",
    "wires_report",
]

ORDER_WIRES = {"kernel": lib.STREAM_TCP, "af_xdp": lib.STREAM_BYPASS}
STREAMS = {number: name for name, number in ORDER_WIRES.items()}
PORTS = {lib.PORT_AF_XDP: "af_xdp", lib.PORT_KERNEL: "kernel", lib.PORT_DPDK: "dpdk"}
RACE_ROW = np.dtype(
    [("sent_ns", "<u8"), ("returned_ns", "<u8"), ("echoed_ns", "<u8"), ("answered_ns", "<u8")]
)


class RaceError(Exception):
    """A race could not be run; the text says why."""


def text(pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode()


def fields(struct: Any) -> dict[str, int]:
    """Every integer field of a C struct, by name."""
    names = [name for name, field in ffi.typeof(struct).fields if field.type.kind == "primitive"]
    return {name: int(getattr(struct, name)) for name in names}


def bypass_built() -> bool:
    """Whether this engine has a TCP of its own for the bypass wire."""
    return bool(lib.bypass_tcp_built())


def dpdk_built() -> bool:
    """Whether this engine has the DPDK wire."""
    return bool(lib.dpdk_built())


def dpdk_version() -> str:
    """The DPDK that the engine runs on, such as "DPDK 22.11.11"; empty without."""
    return text(lib.dpdk_version())


def dpdk_report(runner: Any, line: int) -> dict[str, Any]:
    """``{"dpdk": ...}`` of a line that ended on DPDK, else nothing."""
    counters = ffi.new("struct dpdk_statistics *")
    lib.runner_dpdk_statistics(runner, line, counters)
    driver = text(counters.driver)
    if not driver:
        return {}
    counts = fields(counters[0])
    flags = {name: bool(counts.pop(name)) for name in ("link_up", "stamps", "huge_pages")}
    grade = {"grade": "hw" if flags.pop("stamps") else "none"}
    return {"dpdk": {"driver": driver, "device": text(counters.name), **counts, **flags, **grade}}


def changes(log: Any, count: int, capacity: int, names: dict[int, str]) -> list[dict[str, Any]]:
    """Rows of a log of changed wires, with names for numbers."""
    return [
        {
            **fields(row),
            "from": names.get(int(getattr(row, "from")), "none"),
            "to": names.get(int(row.to), "none"),
            "cause": text(lib.wire_cause_name(row.cause)),
        }
        for row in log[0 : min(count, capacity)]
    ]


def wires_report(runner: Any, lines: int = 0) -> dict[str, Any]:
    """What carries the orders, and every change of a wire; counters are those of the bypass in use at the end."""
    watch, orders = lib.runner_watch(runner), lib.runner_engine(runner).order_wire
    counters = ffi.new("struct bypass_tcp_counters *")
    lib.runner_order_wire_counters(runner, counters)
    return {
        "orders": STREAMS.get(int(orders.in_use), "none"),
        "bypass": {**fields(counters[0]), **fields(counters.frames)},
        "order_changes": changes(orders.changes, orders.change_count, lib.ORDER_WIRE_LOG, STREAMS),
        "order_change_count": int(orders.change_count),
        "line_changes": changes(watch.changes, watch.change_count, lib.WIRE_WATCH_LOG, PORTS),
        "line_change_count": int(watch.change_count),
        "dpdk": {
            "AB"[line]: report["dpdk"] for line in range(lines) if (report := dpdk_report(runner, line))
        },
        "looks": int(watch.looks),
        "error": text(watch.error),
    }


def race(*, address: str, port: int, rows: int, interval_ns: int) -> NDArray[Any]:
    """RACE_ROW of every message, in turn kernel TCP, bypass, a bare frame over the ring, one through the door.

    RaceError when one is lost."""
    name = ffi.new("char[]", address.encode())
    options = ffi.new("struct stream_race_options *", (name, port, rows, interval_ns))
    found, error = np.zeros(rows, RACE_ROW), ffi.new("char[256]")
    if lib.stream_race(options, ffi.cast("struct stream_race_row *", ffi.from_buffer(found)), error, 256):
        raise RaceError(text(error))
    return found


def listen(*, address: str, port: int) -> int:
    """A listening descriptor for echo(); OSError."""
    listener = int(lib.stream_race_listen(address.encode(), port))
    if listener < 0:
        raise OSError(-listener, f"listening on {address}:{port}")
    return listener


def echo(listener: int) -> None:
    """Answers two connections until both are closed; OSError."""
    result = int(lib.stream_race_echo(listener))
    if result:
        raise OSError(-result, "accepting a connection")
