"""Wrong engines: each is the model with one mistake in it, in the engine's place. The judge has to notice every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.engine_oracle.book import Book, Top
from tests.engine_oracle.case import Setup
from tests.engine_oracle.gate import Gate
from tests.engine_oracle.judge import MakeEngine
from tests.engine_oracle.model import EngineModel
from tests.engine_oracle.orders import OwnOrders
from tests.engine_oracle.terms import Bucket, Context, Replaced, Request

__all__ = ["MUTANTS", "mutant"]


@dataclass(frozen=True)
class Mutant:
    change: Callable[[EngineModel], None]
    first: int = 1  # world in which looking for it begins


def _gate(**methods: Any) -> Callable[[EngineModel], None]:
    def change(model: EngineModel) -> None:
        for name, method in methods.items():
            setattr(model.gate, name, method.__get__(model.gate))

    return change


def _refusals(swap: Callable[[Iterator[str], Request], Iterator[str]]) -> Callable[[EngineModel], None]:
    """The reasons that speak against an order, changed."""

    def refusals(
        self: Gate, request: Request, top: Top, context: Context, replaced: Replaced | None
    ) -> Iterator[str]:
        return swap(Gate._refusals(self, request, top, context, replaced), request)

    return _gate(_refusals=refusals)


def _without(name: str) -> Callable[[EngineModel], None]:
    return _refusals(lambda reasons, _: (reason for reason in reasons if reason != name))


def _swapped(one: str, other: str) -> Callable[[EngineModel], None]:
    """Two neighbours are tried the other way round."""

    def swap(reasons: Iterator[str], request: Request) -> Iterator[str]:
        found = list(reasons)
        if one in found and other in found:
            found.remove(other)
            found.insert(found.index(one), other)
        return iter(found)

    return _refusals(swap)


def _setting(owner: type, name: str, value: Any) -> Callable[[EngineModel], None]:
    """A method of a part of the model."""

    def change(model: EngineModel) -> None:
        for part in (model.gate, model.gate.orders, model.gate.messages, model.own, model.book, model):
            if isinstance(part, owner):
                setattr(part, name, value.__get__(part))

    return change


def _limits(**changes: Callable[[Any], Any]) -> Callable[[EngineModel], None]:
    """Every table that is published has other limits."""

    def change(model: EngineModel) -> None:
        publish = model.gate.publish

        def other(table: Any) -> None:
            values = {
                key: edit(getattr(table.limits, key))
                for key, edit in changes.items()
                if getattr(table.limits, key) is not None
            }
            table.limits = table.limits.model_copy(update=values)
            publish(table)

        model.gate.publish = other  # type: ignore[method-assign]
        table = model.gate.published
        assert table is not None
        other(table)
        model.gate.poll(0)
        model.gate.records.pop()

    return change


def _more(value: int) -> int:
    return value + 1


def _no_recount(self: OwnOrders, made: Any) -> None:
    if made is not None and not hasattr(made, "counted"):
        made.counted = True
        OwnOrders._recount(self, made)


def _fills_twice(self: Bucket, now_ns: int) -> None:
    at_ns = self.at_ns
    Bucket.fill(self, now_ns)
    self.at_ns = at_ns


def _first_only(self: Book, symbol: int) -> Top:
    top = Book.top(self, symbol)
    shares = [o.shares for o in self.orders.values() if (o.symbol, o.side, o.price) == (symbol, "B", top.bid)]
    return Top(top.bid, top.ask, shares[0] if shares else 0, top.ask_shares)


def _never_tripped(self: Gate, reason: str, now_ns: int) -> None:
    self.breaches -= 1
    Gate._breach(self, reason, now_ns)


def _wants_more_messages(self: EngineModel, kind: str, order: Any, total: int, now_ns: int) -> None:
    cancel, self.gate.cancel = self.gate.cancel, lambda now_ns: None  # type: ignore[method-assign]
    EngineModel._cancel_sent(self, kind, order, total, now_ns)
    self.gate.cancel = cancel  # type: ignore[method-assign]


MUTANTS = {
    "the collar is off by one": Mutant(_limits(collar_permille=_more), first=26),
    "shares are off by one": Mutant(_limits(order_shares_max=_more), first=28),
    "the notional is off by one": Mutant(_limits(notional_max=_more), first=79),
    "the position limit is off by one": Mutant(_limits(position_max=_more), first=120),
    "open orders are off by one": Mutant(_limits(open_orders_max=_more), first=27),
    "a table lives one nanosecond longer": Mutant(_limits(valid_for_ns=_more), first=197),
    "the burst is off by one": Mutant(_limits(order_burst=_more)),
    "duplicates are not looked for": Mutant(_without("duplicate"), first=65),
    "own orders may cross": Mutant(_without("self_cross")),
    "short sales pass": Mutant(_without("short_sale"), first=21),
    "a halt is not seen": Mutant(_without("halted")),
    "a killed symbol trades": Mutant(_without("kill_symbol"), first=32),
    "notional is tried before price": Mutant(_swapped("price_invalid", "notional")),
    "halts are tried before lateness": Mutant(_swapped("late", "halted"), first=37),
    "halts are tried before the feed": Mutant(_swapped("feed_not_live", "halted")),
    "position is tried before shares": Mutant(_swapped("order_shares", "position")),
    "a bucket fills twice": Mutant(_setting(Bucket, "fill", _fills_twice)),
    "only the first order of a price counts": Mutant(_setting(Book, "top", _first_only)),
    "trips come one breach late": Mutant(_gate(_breach=_never_tripped), first=93),
    "cancels take no message token": Mutant(
        _setting(EngineModel, "_cancel_sent", _wants_more_messages), first=68
    ),
    "a replacement's open shares are never counted again": Mutant(
        _setting(OwnOrders, "_recount", _no_recount), first=68
    ),
}


def mutant(name: str) -> MakeEngine:
    def make(setup: Setup) -> EngineModel:
        model = EngineModel(setup)
        MUTANTS[name].change(model)
        return model

    return make
