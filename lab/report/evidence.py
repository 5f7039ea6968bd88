"""A replay's or an audit's result in, a few lines for a terminal out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from engine.audit import AuditVerdict
from engine.replay import Replay

__all__ = ["render_audit", "render_replay"]

VERDICTS = {"equal": "EQUAL", "stopped": "EQUAL so far", "different": "DIFFERENT"}
SHOWN = 5


def say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def render_replay(path: Path, replayed: Replay, console: Console) -> None:
    counts = replayed.to_json()
    verdict = "DAMAGED" if replayed.damaged else VERDICTS.get(replayed.outcome, "UNDECIDABLE")
    say(console, f"{verdict}  {path}")
    if replayed.problem:
        say(console, f"  {replayed.problem}")
    say(
        console,
        f"  {counts['records']:,} records, {counts['steps']:,} steps, {counts['outputs']:,} outputs compared, "
        f"{counts['checkpoints']:,} checkpoints",
    )
    say(
        console,
        f"  orders {counts['orders']:,} hash {counts['order_hash']}, book {counts['book_digest']}, "
        f"decisions {counts['decision_hash']}",
    )
    if not replayed.same_library:
        say(console, "  the journal was recorded by another build of the engine")
    if replayed.state is not None:
        render_state(dict(replayed.state), console)


def render_state(state: dict[str, Any], console: Console) -> None:
    feed = state["feed"]
    say(console, f"\nBefore position {state['position']:,}, time {state['time_ns']} ns")
    say(console, f"  feed      {feed['state']}")
    for change in feed["transitions"][-SHOWN:]:
        say(
            console,
            f"            {change['at_ns']} {change['before']} -> {change['after']}: {change['cause']}, "
            f"sequence {change['sequence']:,}",
        )
    if state.get("market_data_only"):
        render_books(state["books"], console)
        return
    say(console, f"  book      {state['book_orders']:,} orders")
    for row in state["book"]:
        say(
            console,
            f"            symbol {row['symbol']}: {row['bid_shares']:,} at {row['bid_price'] / 10_000:.4f} / "
            f"{row['ask_shares']:,} at {row['ask_price'] / 10_000:.4f}, {row['orders']:,} orders",
        )
    positions = ", ".join(f"{symbol}: {shares:,}" for symbol, shares in state["positions"].items())
    limits = ", ".join(f"{name} {value}" for name, value in state["limits"].items() if name != "checksum")
    refused = ", ".join(
        f"{name} {count:,}" for name, count in state["risk"].items() if count and name != "none"
    )
    say(console, f"  positions {positions or 'none'}")
    say(console, f"  limits    {limits}; kill switch {'on' if state['kill_switch'] else 'off'}")
    say(console, f"  refused   {refused or 'nothing'}")
    say(
        console, f"  commands  {[(one['command'], one['value']) for one in state['last_commands']] or 'none'}"
    )
    say(console, f"  orders    {' '.join(one['token'] for one in state['last_orders'][-SHOWN:]) or 'none'}")


def render_books(books: list[dict[str, Any]], console: Console) -> None:
    """Books by price, the best level of each side."""
    for row in books:
        best = [row[side][0] if row[side] else None for side in ("bid", "ask")]
        told = " / ".join(f"{level[1]:,} at {level[0]}" if level else "-" for level in best)
        say(console, f"  book      security {row['security']} {row['state']}: {told}")


def render_audit(path: Path, verdict: AuditVerdict, doubts: list[str], console: Console) -> None:
    whole = verdict.problem is None and not doubts
    say(console, f"{'WHOLE' if whole else 'BROKEN'}  {path}: {verdict.records:,} records, run {verdict.run}")
    if verdict.problem:
        say(console, f"  {verdict.problem}")
    for doubt in doubts:
        say(console, f"  {doubt}")
    if whole:
        say(console, f"  sealed by {verdict.seal}")
