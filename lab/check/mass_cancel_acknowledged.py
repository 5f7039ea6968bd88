"""mass_cancel_acknowledged: behind every kill, all open orders that it is about were canceled, and the venue said so.

An order may be executed or replaced before its cancel comes to the venue, which then says nothing of the cancel: it is
overtaken, and no longer open. An order that is still open a while behind the release was forgotten.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.units import format_duration

__all__ = ["check"]

NAME = "mass_cancel_acknowledged"
EXPECTED = "as many canceled as were asked for, none left open"


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    block = evidence.blocks["mass_cancel"]
    if evidence.data.exchange.counters.get("rows_lost") or evidence.data.tap.lost:
        return unknown(NAME, expected=EXPECTED, observed="the witnesses are not complete")
    if not block["open"]:
        return unknown(NAME, expected=EXPECTED, observed=f"{block['kills']:,} kills, no open order in any")
    observed = f"{block['acknowledged']:,} of {block['asked']:,} asked for"
    if block["overtaken"]:
        observed += f", {block['overtaken']:,} overtaken"
    if block["left_open"]:
        first = next(row for row in block["each"] if row["left_open"])
        why = f"{block['left_open']:,} orders left open, first behind the kill of {first['subject']}"
        return failed(NAME, expected=EXPECTED, observed=observed, evidence=why)
    why = f"{block['kills']:,} kills, {block['with_open_orders']:,} with open orders; the last answer came at most "
    why += f"{format_duration(block['last_answer_max_ns'])} behind the command"
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=why)
