"""What the model shows after a step: the same keys and forms as the engine shows (subject.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.engine_oracle.model import EngineModel

__all__ = ["view"]


def view(model: EngineModel, keys: Iterable[int], symbols: Iterable[int]) -> dict[str, Any]:
    """What happened since the last look, and what stands; the same keys as the engine's."""
    sent, model.sent = model.sent, []
    decided, model.decided = model.decided, len(model.decisions)
    gate, own = model.gate, model.own
    return {
        "sent": sent,
        "decisions": [astuple(decision) for decision in model.decisions[decided:]],
        "feed": model.feed.state,
        "book_complete": model.book.complete,
        "open_count": len(own.open_orders()),
        "discrepancies": own.discrepancies > 0,
        "tops": {symbol: _top(model, symbol) for symbol in symbols},
        "own": {symbol: _own(model, symbol) for symbol in symbols},
        "orders": {key: _order(model, key) for key in keys},
        "exposure": (*gate.exposure(), len(own.open_orders())),
        "tripped": gate.tripped,
        "answers": {name: count for name, count in gate.answers.items() if name != "none"},
        "passed": gate.answers["none"],
        "warnings": dict(gate.warnings),
        "wishes": gate.wish_count,
        "records": gate.records[-8:],
    }


def _top(model: EngineModel, symbol: int) -> tuple[int, int, int, int]:
    top = model.book.top(symbol)
    return top.bid, top.bid_shares, top.ask, top.ask_shares


def _own(model: EngineModel, symbol: int) -> tuple[int, ...]:
    own = model.own
    return (
        *(own.positions.get(symbol, 0), own.open_shares(symbol, True), own.open_shares(symbol, False)),
        *(own.best(symbol, True), own.best(symbol, False)),
    )


def _order(model: EngineModel, key: int) -> tuple[Any, ...] | None:
    order = model.own.orders.get(key)
    if order is None:
        return None
    return order.state, order.side, order.price, order.open, order.executed, order.canceled
