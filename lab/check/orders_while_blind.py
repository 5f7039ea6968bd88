"""orders_while_blind: orders on the wire that were decided while the feed was not LIVE.

The decision's own feed_state counts them. The engine's stamped transitions are the second witness: when they
say that the feed was away from LIVE and the decision says LIVE, one of them is wrong, and nothing is decided.
"""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.check.feed_state import live_at_some_moment
from lab.measure.match import Status
from lab.measure.rows import FEED_LIVE, FEED_STATES, Rows
from lab.units import parse_threshold

__all__ = ["check"]

NAME = "orders_while_blind"
TOLERANCE_NS = 100_000  # a transition is stamped once per poll, a decision by itself


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    threshold = evidence.scenario.expect.get(NAME) or parse_threshold("== 0")
    expected = str(threshold)
    data = evidence.data
    ordered = np.unique(data.order_arrivals["trigger_sequence"])
    rows = data.decisions[
        np.isin(data.decisions["trigger_sequence"], ordered) & (data.decisions["reason"] == 0)
    ]
    blind = rows[rows["feed_state"] != FEED_LIVE]
    unexplained = np.setdiff1d(ordered, data.decisions["trigger_sequence"])
    if len(ordered) == 0 and not (evidence.measurement.samples["status"] == Status.BLOCKED).any():
        return unknown(NAME, expected=expected, observed="no order at all", evidence="nothing could be seen")
    observed = str(len(blind))
    if not threshold.holds(len(blind)):
        return failed(NAME, expected=expected, observed=observed, evidence=_states(blind))
    if len(unexplained):
        first = int(unexplained[0])
        why = f"{len(unexplained):,} orders have no decision record, first for message {first}"
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    engine = data.engine
    if not engine.transitions or engine.transitions_lost:
        why = "the engine's state transitions are incomplete, so its feed_state has no second witness"
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    claimed = rows[rows["feed_state"] == FEED_LIVE]
    doubtful = claimed[_deep_in_blindness(evidence, claimed["risk_ns"])]
    if len(doubtful):
        first = int(doubtful["trigger_sequence"][0])
        why = f"{len(doubtful):,} decisions say LIVE and the transitions do not, first for message {first}"
        return unknown(NAME, expected=expected, observed=observed, evidence=why)
    return passed(
        NAME,
        expected=expected,
        observed=observed,
        evidence=f"{len(rows):,} orders against {len(engine.transitions)} state transitions",
    )


def _deep_in_blindness(evidence: Evidence, at: Rows) -> Rows:
    """Not LIVE for the whole of ``at`` +- the tolerance."""
    transitions = evidence.data.engine.transitions
    result: Rows = ~live_at_some_moment(transitions, at - TOLERANCE_NS, at + TOLERANCE_NS)
    return result


def _states(blind: Rows) -> str:
    if len(blind) == 0:
        return ""
    states, counts = np.unique(blind["feed_state"], return_counts=True)
    names = [
        f"{int(count):,} in {FEED_STATES[state] if state < len(FEED_STATES) else state}"
        for state, count in zip(states.tolist(), counts.tolist(), strict=True)
    ]
    return f"{', '.join(names)}; first for message {int(blind['trigger_sequence'][0])}"
