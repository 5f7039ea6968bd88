"""risk_limits_kept: no order that the tap saw was against the limits of the scenario's table.

Not the gate's word: shares, prices and values are read from the orders on the wire, rates from their stamps, positions
and open orders from the drop copy, and the middle of the book from a book of its own. Looked at are the limits of the
table that are told here; ages, hours and exposures are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from engine.risk_table import RiskProfile
from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown
from lab.measure.rows import Rows
from lab.measure.venue_orders import replay_orders
from lab.scenario.models import RiskLimits

__all__ = ["check"]

NAME = "risk_limits_kept"
EXPECTED = "no order on the wire against a limit"
SECOND_NS = 1_000_000_000
RATE_SLACK_NS = 20_000_000  # how much later than the gate's answer an order may be on the wire
EXAMPLES = 3

Order = Mapping[str, Any]


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    data, table = evidence.data, evidence.scenario.engine.risk
    if data.exchange.counters.get("rows_lost") or data.tap.lost:
        return unknown(NAME, expected=EXPECTED, observed="the witnesses are not complete")
    orders = list(named_orders(data.order_messages, data.drop_copy))
    if not orders:
        return unknown(NAME, expected=EXPECTED, observed="no order on the wire")
    if any(order["symbol"] < 0 for order in orders):
        return unknown(NAME, expected=EXPECTED, observed="orders on the wire that the venue does not know")
    broken = [
        *against_terms(orders, table),
        *against_rates(orders, table),
        *against_position(data.drop_copy, table),
        *against_collar(orders, table, data.tops),
    ]
    looked = "shares, notional, price, restrictions, rates, positions"
    looked += f", collar behind {len(data.tops):,} messages" if data.tops is not None else ""
    observed = f"{len(broken):,} of {len(orders):,} orders"
    if broken:
        return failed(NAME, expected=EXPECTED, observed=observed, evidence="; ".join(broken[:EXAMPLES]))
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=looked)


def named_orders(messages: Rows, drop_copy: Rows) -> Iterator[Order]:
    """Enters and replaces with the symbol that the venue knows them by (-1: none); a replace has that of its target."""
    locates = {row["stock"]: int(row["symbol"]) for row in drop_copy[drop_copy["symbol"] > 0]}
    of_token: dict[bytes, tuple[int, bytes]] = {}
    names = messages.dtype.names or ()
    for values in messages[(messages["kind"] == b"O") | (messages["kind"] == b"U")].tolist():
        order = dict(zip(names, values, strict=True))
        known = (locates.get(order["stock"], -1), order["side"])
        symbol, side = known if order["kind"] == b"O" else of_token.get(order["target"], (-1, b""))
        of_token[order["token"]] = symbol, side
        yield {**order, "symbol": symbol, "side": side}


def terms_of(symbol: int, table: RiskLimits) -> tuple[RiskLimits | RiskProfile, bool]:
    """(whose limits hold for the symbol, whether it may be traded)."""
    for entry in table.symbols:
        if entry.locate == symbol:
            profile = table.profiles[entry.profile] if entry.profile else table
            return profile, not entry.restricted
    return table, table.unlisted != "restricted"


def limit(name: str, terms: RiskLimits | RiskProfile, table: RiskLimits) -> int:
    own = getattr(terms, name)
    return int(getattr(table, name) if own is None else own)


def named(order: Order) -> str:
    return f"{order['token'].decode(errors='replace')} in symbol {order['symbol']}"


def against_terms(orders: list[Order], table: RiskLimits) -> Iterator[str]:
    for order in orders:
        terms, allowed = terms_of(order["symbol"], table)
        shares, price = order["shares"], order["price"]
        if not allowed:
            yield f"{named(order)} is restricted"
        if not 0 < shares <= limit("order_shares_max", terms, table):
            yield f"{named(order)}: {shares} shares"
        if not 0 < price <= limit("price_max", terms, table):
            yield f"{named(order)}: price {price}"
        if shares * price > limit("notional_max", terms, table):
            yield f"{named(order)}: {shares} x {price}"


def against_rates(orders: list[Order], table: RiskLimits) -> Iterator[str]:
    """A bucket that holds the burst and what the slack adds to it."""
    for name, rate, burst in (
        ("orders", table.order_rate_per_s, table.order_burst),
        ("messages", table.message_rate_per_s, table.message_burst),
    ):
        most = burst * SECOND_NS + rate * RATE_SLACK_NS
        credit, then_ns = most, 0
        for order in orders:
            credit = min(most, credit + rate * (order["stamp_ns"] - then_ns))
            then_ns = order["stamp_ns"]
            credit -= SECOND_NS
            if credit < 0:
                yield f"{named(order)}: more {name} than {rate} per second and {burst} at once"
                credit = 0


def against_position(drop_copy: Rows, table: RiskLimits) -> Iterator[str]:
    """What the position would be with all that is open, whenever the venue accepts an order."""
    for venue, row, order in replay_orders(drop_copy):
        if order is None or row["kind"] != b"A":
            continue
        terms, _ = terms_of(order.symbol, table)
        same = sum(
            other.shares for other in venue.of_symbol(order.symbol).values() if other.buys == order.buys
        )
        position = venue.positions.get(order.symbol, 0)
        reach = position + same if order.buys else same - position
        if reach > limit("position_max", terms, table):
            yield f"{order.token.decode(errors='replace')} in symbol {order.symbol}: position of {reach} to be had"


def against_collar(orders: list[Order], table: RiskLimits, tops: Rows | None) -> Iterator[str]:
    if tops is None:
        return
    by_sequence = {int(row["sequence"]): (int(row["bid"]), int(row["ask"])) for row in np.unique(tops)}
    for order in orders:
        top = by_sequence.get(trigger_of(order["token"]))
        if order["kind"] != b"O" or top is None:
            continue
        terms, _ = terms_of(order["symbol"], table)
        bid, ask = top
        away = abs(2 * order["price"] - (bid + ask)) * 1000
        if not 0 < bid < ask or away > limit("collar_permille", terms, table) * (bid + ask):
            yield f"{named(order)}: {order['price']} with {bid} to {ask} in the book"


def trigger_of(token: bytes) -> int:
    try:
        return int(token[1:13], 16)
    except ValueError:
        return 0
