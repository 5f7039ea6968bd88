"""position_matches_drop_copy: the engine's position per symbol is the sum of what the exchange executed."""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown

__all__ = ["check"]

NAME = "position_matches_drop_copy"
EXPECTED = "the same position for every symbol"


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    engine, drop_copy = evidence.data.engine, evidence.data.drop_copy
    if not engine.alive:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no positions")
    executed = drop_copy[drop_copy["kind"] == b"E"]
    if len(executed) == 0 and len(evidence.data.order_arrivals) == 0:
        return unknown(NAME, expected=EXPECTED, observed="no order was sent, so no position was tried")
    market: dict[int, int] = {}
    signed = executed["shares"].astype(np.int64) * np.where(executed["side"] == b"B", 1, -1)
    for symbol in np.unique(executed["symbol"]).tolist():
        market[symbol] = int(signed[executed["symbol"] == symbol].sum())
    symbols = sorted(set(market) | {symbol for symbol, shares in engine.positions.items() if shares})
    wrong = [symbol for symbol in symbols if market.get(symbol, 0) != engine.positions.get(symbol, 0)]
    if wrong:
        first = wrong[0]
        why = f"symbol {first}: engine {engine.positions.get(first, 0):+,}, market {market.get(first, 0):+,}"
        return failed(NAME, expected=EXPECTED, observed=f"{len(wrong):,} symbols differ", evidence=why)
    return passed(
        NAME,
        expected=EXPECTED,
        observed=f"{len(symbols):,} symbols agree",
        evidence=f"{len(executed):,} executions of {int(executed['shares'].sum(dtype=np.int64)):,} shares",
    )
