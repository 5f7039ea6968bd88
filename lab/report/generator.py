"""What a generator such as TRex told of itself goes in; rows of a name and a text come out, its limits among them.

Its figures stand beside the lab's own, never in their place: those are stamped on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["generator_rows"]


def generator_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nothing when the exchange itself sent."""
    told = summary.get("generator")
    if not told:
        return []
    where = f"{told['server']} server" + (" in low-end mode" if told.get("low_end") else "")
    rows = [
        ("generator", f"TRex {told['server_version']}, {where}"),
        ("client", f"lbr-trex-client {told['client_version']}, interface {told['api']}"),
    ]
    if start := told.get("start"):
        rows.append(
            (
                "start",
                f"the files' clock began {start['after_request_ns'] / 1e6:+,.1f} ms from the request, "
                f"line B {start['line_skew_ns'] / 1e3:+,.1f} us after line A",
            )
        )
    if statistics := told.get("statistics"):
        rows += [(f"port {port['port']}", _port(port)) for port in statistics["ports"]]
        rows.append(("transmit queue full", f"{statistics['queue_full']:,} times"))
        rows += [(f"flow {flow['flow']}", _flow(flow)) for flow in statistics["flows"]]
        rows += [(f"latency of flow {row['flow']}", _latency(row)) for row in statistics["latency"]]
    return rows + [("limit", text) for text in told.get("limits", ())]


def _port(port: Mapping[str, Any]) -> str:
    return (
        f"{port['sent_packets']:,} sent, {port['received_packets']:,} received, "
        f"{port['send_errors']:,} and {port['receive_errors']:,} errors"
    )


def _flow(flow: Mapping[str, Any]) -> str:
    sent = f"{flow['sent_packets']:,} sent"
    if flow["dropped"] is None:
        return sent
    return f"{sent}, {flow['received_packets']:,} received, {flow['dropped']:,} dropped"


def _latency(row: Mapping[str, Any]) -> str:
    if points := row.get("percentiles_us"):
        told = ", ".join(
            f"{name.replace('_', '.')} {value:,}" for name, value in points.items() if name != "count"
        )
        return f"us of {points['count']:,}: {told}, jitter {row['jitter_us']:,.0f}"
    steps = ", ".join(f"{int(edge):,} us: {count:,}" for edge, count in row["histogram"].items())
    return (
        f"{row['minimum_us']:,.0f} to {row['maximum_us']:,.0f} us, average {row['average_us']:,.1f} us, "
        f"jitter {row['jitter_us']:,.0f} us" + (f" ({steps})" if steps else "")
    )
