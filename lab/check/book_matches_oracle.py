"""book_matches_oracle: the engine's final book equals the exchange's, order by order and in queue order."""

from __future__ import annotations

import numpy as np

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.rows import BOOK, Rows, require_rows

__all__ = ["check"]

NAME = "book_matches_oracle"
EXPECTED = "the same orders, prices, shares and queue places"
IN_SYNC = ("LIVE", "ENDED")
ORDER = ["symbol", "side", "price", "position"]


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    data = evidence.data
    if data.engine_book is None or data.exchange_book is None:
        whose = "engine" if data.engine_book is None else "exchange"
        return unknown(NAME, expected=EXPECTED, observed=f"the {whose} left no book")
    state = data.engine.final_feed_state
    if state not in IN_SYNC:
        why = f"the engine's feed ended in state {state or 'unknown'}, so its book is not claimed to be right"
        return unknown(NAME, expected=EXPECTED, observed="feed not in sync", evidence=why)
    mine = np.sort(require_rows(data.engine_book, BOOK, "the engine's book"), order=ORDER)
    market = np.sort(require_rows(data.exchange_book, BOOK, "the exchange's book"), order=ORDER)
    if len(market) == 0 and len(mine) == 0:
        return unknown(
            NAME, expected=EXPECTED, observed="both books are empty", evidence="nothing was compared"
        )
    shorter = min(len(mine), len(market))
    different = np.flatnonzero(mine[:shorter] != market[:shorter])
    if len(different) or len(mine) != len(market):
        first = int(different[0]) if len(different) else shorter
        observed = f"engine {len(mine):,} orders, exchange {len(market):,}"
        why = f"first difference: engine {_row(mine, first)}, exchange {_row(market, first)}"
        return failed(NAME, expected=EXPECTED, observed=observed, evidence=why)
    symbols = len(np.unique(market["symbol"]))
    return passed(
        NAME, expected=EXPECTED, observed=f"{len(market):,} orders of {symbols:,} symbols are equal"
    )


def _row(rows: Rows, index: int) -> str:
    if index >= len(rows):
        return "has no such row"
    row = rows[index]
    return (
        f"symbol {row['symbol']} {row['side'].decode()} {int(row['price']) / 10_000:.4f}"
        f" place {row['position']} reference {row['reference']} shares {row['shares']}"
    )
