"""tap_complete: the taps lost nothing, and they and the exchange saw the same orders."""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, passed, register, unknown
from lab.measure.match import Status
from lab.measure.rows import MISSING, Rows

__all__ = ["check"]

NAME = "tap_complete"
EXPECTED = "no record lost, every order stamped"


@register(NAME, always=True)
def check(evidence: Evidence) -> CheckResult:
    data, samples = evidence.data, evidence.measurement.samples
    doubts = []
    if data.tap.lost:
        doubts.append(f"{data.tap.lost:,} tap records lost (ring of {data.tap.capacity:,})")
    if data.floor is not None and data.floor.tap.lost:
        doubts.append(f"{data.floor.tap.lost:,} tap records lost while measuring the floor")
    received = np.unique(data.drop_copy["token"][data.drop_copy["kind"] == b"O"])
    stamped = np.unique(data.order_arrivals["token"])
    unstamped = np.setdiff1d(received, stamped, assume_unique=True)
    if len(unstamped):
        doubts.append(
            f"{len(unstamped):,} orders in the drop copy have no wire stamp, first {_text(unstamped)}"
        )
    unreceived = np.setdiff1d(stamped, received, assume_unique=True)
    if len(unreceived):
        doubts.append(
            f"{len(unreceived):,} orders on the wire are not in the drop copy, first {_text(unreceived)}"
        )
    matched = samples["status"] == Status.MATCHED
    blind = matched & (samples["wire_ns"] == MISSING)
    if blind.any():
        first = int(samples["trigger_sequence"][blind][0])
        doubts.append(f"{int(blind.sum()):,} answered messages have no arrival stamp, first {first}")
    if doubts:
        return unknown(NAME, expected=EXPECTED, observed=doubts[0], evidence="; ".join(doubts))
    observed = f"{len(data.market_taps):,} market and {len(data.order_arrivals):,} order records, 0 lost"
    peak = f"ring at most {data.tap.peak:,} of {data.tap.capacity:,} deep" if data.tap.peak else ""
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=peak)


def _text(tokens: Rows) -> str:
    return bytes(tokens[0]).decode("ascii", "replace")
