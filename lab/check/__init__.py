"""Checks: evidence in, verdicts out. Importing this package registers every check."""

from __future__ import annotations

from lab.check import (  # noqa: I001  the order here is the order of the checks table
    samples,
    engine_alive,
    tap_complete,
    clock,
    pacing,
    triggers_accounted,
    orders_while_blind,
    position_matches_drop_copy,
    book_matches_oracle,
)
from lab.check.base import CheckResult, Evidence, Verdict, register, registered_checks
from lab.check.judge import Judgement, judge, verdict_of

__all__ = [
    "CheckResult",
    "Evidence",
    "Judgement",
    "Verdict",
    "book_matches_oracle",
    "clock",
    "engine_alive",
    "judge",
    "orders_while_blind",
    "pacing",
    "position_matches_drop_copy",
    "register",
    "registered_checks",
    "samples",
    "tap_complete",
    "triggers_accounted",
    "verdict_of",
]
