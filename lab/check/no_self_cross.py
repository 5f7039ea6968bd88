"""no_self_cross: no order of the engine came to the venue that could trade with another open order of its own.

The venue's word, row by row: an order is accepted, or takes another one's place, while an own order of the other side
of the same symbol is open at its price or through it.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.venue_orders import OpenOrder, replay_orders

__all__ = ["check"]

NAME = "no_self_cross"
EXPECTED = "no order meets an own one"


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    crossed: list[tuple[OpenOrder, OpenOrder]] = []
    opened = two_sided = 0
    for venue, _, order in replay_orders(evidence.data.drop_copy):
        if order is None:
            continue
        opened += 1
        others = [other for other in venue.of_symbol(order.symbol).values() if other.buys != order.buys]
        two_sided += bool(others)
        crossed += [(order, other) for other in others if meets(order, other)]
    if evidence.data.exchange.counters.get("rows_lost"):
        return unknown(NAME, expected=EXPECTED, observed="the drop copy lost rows")
    if opened == 0:
        return unknown(NAME, expected=EXPECTED, observed="no order was accepted")
    observed = f"{len(crossed):,} of {opened:,} orders"
    if crossed:
        order, other = crossed[0]
        sides = f"{order.side.decode()} at {order.price} met {other.side.decode()} at {other.price}"
        why = f"symbol {order.symbol}: {sides}"
        return failed(NAME, expected=EXPECTED, observed=observed, evidence=why)
    why = f"{two_sided:,} of them came while an own order of the other side was open"
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=why)


def meets(order: OpenOrder, other: OpenOrder) -> bool:
    buy, sale = (order, other) if order.buys else (other, order)
    return buy.price >= sale.price
