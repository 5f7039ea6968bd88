"""The feed_quality block of a summary goes in; its table's cells and its sentences, for people, come out.

The terminal and the page say the same. What is zero, or was not reported, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lab.units import format_count, format_duration, format_percent

__all__ = ["RECOVERY_POINTS", "facts", "line_rows", "slowest"]

RECOVERY_POINTS = ("p50", "p90", "p99", "max")
COLUMNS = (
    ("packets_seen", "packets"),
    ("lost", "lost"),
    ("lost_percent", "of all"),
    ("duplicates", "duplicates"),
    ("out_of_order", "out of order"),
    ("malformed", "malformed"),
    ("wins", "won"),
)
WON_BY = "won by p50"
WAYS = {"lines": "the other line", "requests": "re-requests", "snapshot": "snapshots"}
REQUESTS = (("sent", "sent"), ("timeouts", "timed out"), ("partial", "answered in part"))
SNAPSHOTS = (
    ("started", "asked for"),
    ("completed", "joined"),
    ("failed", "failed"),
)


def line_rows(quality: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """(headings, (line, cells) per line)."""
    rows = []
    for name, line in quality.get("lines", {}).items():
        cells = [_cell(key, line.get(key)) for key, _ in COLUMNS]
        margin = quality.get("won_by_ns", {}).get(name, {}).get("p50")
        rows.append((name, [*cells, "-" if margin is None else format_duration(margin)]))
    return [*(label for _, label in COLUMNS), WON_BY], rows


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    return _share(value) if key.endswith("percent") else format_count(value)


def _share(percent: float | int | None) -> str:
    """Two decimals, but never 0% for what is not nothing, nor 100% for what is not all."""
    if percent is None:
        return "-"
    if 0.01 <= percent <= 99.99 or percent in (0, 100):
        return f"{percent:.2f}".rstrip("0").rstrip(".") + "%"
    return format_percent(Fraction(percent))


def facts(quality: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, sentence) of everything there is to say beyond the lines."""
    found = [
        ("skew", _skew(quality.get("skew_ns", {}))),
        ("winners", _winners(quality.get("arbitration", {}))),
        ("gaps", _gaps(quality)),
        ("blind", _blind(quality.get("blind", {}))),
        ("brought back", _listed(quality.get("recovered", {}), WAYS.items(), "messages by {}")),
        ("re-requests", _listed(quality.get("requests", {}), REQUESTS)),
        ("snapshots", _snapshots(quality)),
        ("stale", _stale(quality.get("stale_symbols", {}))),
    ]
    return [(name, text) for name, text in found if text]


def _skew(figures: Mapping[str, Any]) -> str:
    """p50 and both ends of B's arrival against A's."""
    if not figures.get("count"):
        return ""
    half, least, most = (format_duration(figures[point]) for point in ("p50", "min", "max"))
    return f"B came {half} after A at p50, from {least} to {most}"


def _winners(lines: Mapping[str, Any]) -> str:
    """Venue mdp3: how many winners were decided, and how far the margins of the three accounts differ."""
    if not lines.get("both"):
        return ""
    text = f"{format_count(lines['decided'])} of {format_count(lines['both'])} packets decided, "
    text += f"{format_count(lines['wrong'])} wrong"
    for name, label in (("replay_error_ns", "tap less capture"), ("engine_error_ns", "engine less tap")):
        figures = lines.get(name, {})
        if figures.get("count"):
            half, most = format_duration(figures["p50"]), figures.get("p90")
            text += f"; margin, {label}: p50 {half}" + (
                f", p90 {format_duration(most)}" if most is not None else ""
            )
    return text


def _gaps(quality: Mapping[str, Any]) -> str:
    gaps = quality.get("gaps", {})
    if not gaps.get("count"):
        return ""
    text = (
        f"{format_count(gaps['count'])} on both lines, {format_count(gaps['messages'])} messages,"
        f" the longest {format_count(gaps['messages_max'])}"
    )
    if gaps.get("unrestored"):
        text += f"; {format_count(gaps['unrestored'])} never reached the engine"
    if quality.get("unrecovered"):
        losses = "loss was" if quality["unrecovered"] == 1 else "losses were"
        text += f"; {format_count(quality['unrecovered'])} {losses} never recovered"
    return text


def _blind(blind: Mapping[str, Any]) -> str:
    if not blind.get("count"):
        return ""
    times = "once" if blind["count"] == 1 else f"{format_count(blind['count'])} times"
    share = _share(blind.get("percent"))
    text = f"{times}, {format_duration(blind.get('total_ns') or 0)} in all ({share} of the time), the longest"
    text += f" {format_duration(blind.get('max_ns') or 0)}"
    return f"{text}; not LIVE again" if blind.get("unrecovered") else text


def _snapshots(quality: Mapping[str, Any]) -> str:
    text = _listed(quality.get("snapshots", {}), SNAPSHOTS)
    skipped = quality.get("skipped")
    return f"{text}; they stood for {format_count(skipped)} messages" if text and skipped else text


def _stale(stale: Mapping[str, Any]) -> str:
    if not stale.get("max"):
        return ""
    known = f" of {format_count(stale['known'])}" if stale.get("known") else ""
    now = f"; {format_count(stale['now'])} at the end" if stale.get("now") else ""
    return f"at most {format_count(stale['max'])}{known} symbols{now} ({stale.get('counted', '')})"


def _listed(block: Mapping[str, Any], names: Any, form: str = "{}") -> str:
    parts = [f"{format_count(block[key])} {form.format(label)}" for key, label in names if block.get(key)]
    return ", ".join(parts)


def slowest(quality: Mapping[str, Any], *, count: int) -> list[Mapping[str, Any]]:
    """The recoveries that took longest, those without an end first."""
    recoveries = list(quality.get("recoveries", []))
    endless = float("inf")
    return sorted(recoveries, key=lambda one: -(one["gap_ns"] if one["gap_ns"] is not None else endless))[
        :count
    ]
