"""Checks: evidence in, verdicts out. Importing this package registers every check."""

from __future__ import annotations

# isort: off
from lab.check import (  # the order here is the order of the checks table
    samples,
    engine_alive,
    tap_complete,
    journal_complete,
    clock,
    pacing,
    burst_shape,
    noise_dropped,
    faults_fired,
    triggers_accounted,
    orders_while_blind,
    recovered,
    session_resumed,
    no_recovery_traffic,
    position_matches_drop_copy,
    no_lost_or_duplicate_orders,
    no_self_cross,
    mass_cancel_acknowledged,
    risk_limits_kept,
    book_matches_oracle,
    every_message_decoded,
    packets_accepted_once,
    line_winners,
    level_books_match,
)

# isort: on
from lab.check.base import CheckResult, Evidence, Verdict, register, registered_checks
from lab.check.judge import Checked, judge, verdict_of

__all__ = [
    "CheckResult",
    "Checked",
    "Evidence",
    "Verdict",
    "book_matches_oracle",
    "burst_shape",
    "clock",
    "engine_alive",
    "every_message_decoded",
    "faults_fired",
    "journal_complete",
    "judge",
    "level_books_match",
    "line_winners",
    "mass_cancel_acknowledged",
    "no_lost_or_duplicate_orders",
    "no_recovery_traffic",
    "no_self_cross",
    "noise_dropped",
    "orders_while_blind",
    "pacing",
    "packets_accepted_once",
    "position_matches_drop_copy",
    "recovered",
    "register",
    "registered_checks",
    "risk_limits_kept",
    "samples",
    "session_resumed",
    "tap_complete",
    "triggers_accounted",
    "verdict_of",
]
