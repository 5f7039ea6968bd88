"""An audit's result in, a few lines for a terminal out."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from engine.audit import AuditVerdict

__all__ = ["render_audit"]


def say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def render_audit(path: Path, verdict: AuditVerdict, doubts: list[str], console: Console) -> None:
    whole = verdict.problem is None and not doubts
    say(console, f"{'WHOLE' if whole else 'BROKEN'}  {path}: {verdict.records:,} records, run {verdict.run}")
    if verdict.problem:
        say(console, f"  {verdict.problem}")
    for doubt in doubts:
        say(console, f"  {doubt}")
    if whole:
        say(console, f"  sealed by {verdict.seal}")
