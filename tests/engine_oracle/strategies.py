"""What the strategies ask for: touch_taker, quoter, reflector, and the puppet of this oracle (puppet.c).

Specification: engine/strategy/touch_taker.h, reflector.h, strategy_abi.h, and the essay that opens shipped/quoter.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.engine_oracle.book import Top
from tests.engine_oracle.itch import BOOK_TYPES, Event

__all__ = ["PUPPET", "Action", "OwnNews", "Puppet", "Quoter", "Strategy", "TouchTaker"]

UNTIL_CLOSE = 99_998
PUPPET = 60_001  # trades of this symbol are the puppet's strings
MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Action:
    kind: Literal["new", "replace", "cancel"] = "new"
    symbol: int
    side: str = "B"
    shares: int
    price: int = 0
    time_in_force: int = 0
    target: int = 0  # trigger's sequence << 8 | ordinal
    stock: bytes = b""


@dataclass(frozen=True, kw_only=True)
class OwnNews:
    kind: str  # letter of the venue's message
    id: int
    previous: int
    symbol: int
    price: int
    open: int
    state: str


class Strategy(Protocol):
    letter: str  # of its orders' tokens; kills know it by this

    def on_event(self, event: Event, sequence: int, top: Top) -> list[Action]: ...
    def on_timer(self, now_ns: int) -> list[Action]: ...
    def asked(self, index: int, order_id: int) -> None: ...
    def refused(self, order_id: int, action: Action) -> None: ...
    def heard(self, news: OwnNews) -> None: ...


class Silent:
    """What a strategy that only looks at the market does with the rest."""

    def on_timer(self, now_ns: int) -> list[Action]:
        return []

    def asked(self, index: int, order_id: int) -> None:
        pass

    def refused(self, order_id: int, action: Action) -> None:
        pass

    def heard(self, news: OwnNews) -> None:
        pass


@dataclass
class _Touch:
    previous: Top | None = None
    state: int = 0
    last_trigger: int = 0


class TouchTaker(Silent):
    def __init__(self, *, shares: int, permille: int, cooldown: int) -> None:
        self.shares, self.permille, self.cooldown = shares, permille, cooldown
        self.letter = "T"
        self.symbols: dict[int, _Touch] = {}
        self.names: dict[int, bytes] = {}

    def on_event(self, event: Event, sequence: int, top: Top) -> list[Action]:
        if event.kind in "AFR" and event.stock[:1] != b"\0":
            self.names[event.symbol] = event.stock
        if event.kind not in BOOK_TYPES:
            return []
        symbol = self.symbols.setdefault(event.symbol, _Touch())
        signal = self._signal(symbol, top)
        if signal == 0 or (symbol.last_trigger and sequence - symbol.last_trigger < self.cooldown):
            return []
        symbol.last_trigger = sequence
        price, displayed = (top.ask, top.ask_shares) if signal > 0 else (top.bid, top.bid_shares)
        return [
            Action(
                symbol=event.symbol,
                side="B" if signal > 0 else "S",
                shares=min(self.shares, displayed),
                price=price,
                stock=self.names.get(event.symbol, b""),
            )
        ]

    def _signal(self, symbol: _Touch, top: Top) -> int:
        before = symbol.previous
        if not top.valid:
            symbol.previous, symbol.state = None, 0
            return 0
        signal = 0
        if before is not None:
            signal = 1 if top.bid > before.bid else -1 if top.ask < before.ask else 0
        difference, total = top.bid_shares - top.ask_shares, top.bid_shares + top.ask_shares
        state = 0
        if 1000 * difference >= self.permille * total:
            state = 1
        elif -1000 * difference >= self.permille * total:
            state = -1
        if signal == 0 and state != symbol.state:
            signal = state
        symbol.previous, symbol.state = top, state
        return signal


@dataclass
class _Quote:
    phase: str = "nothing"
    id: int = 0
    wanted_id: int = 0
    wait: int = 0
    price: int = 0


class Quoter:
    letter = "Q"

    def __init__(self, settings: Mapping[str, int], position: Callable[[int], int]) -> None:
        self.set = settings
        self.position = position
        self.quotes: dict[tuple[int, str], _Quote] = {}
        self.asking: list[_Quote] = []
        self.sequence = 0

    def on_timer(self, now_ns: int) -> list[Action]:
        return []

    def on_event(self, event: Event, sequence: int, top: Top) -> list[Action]:
        self.sequence = sequence
        self.asking = []
        if event.kind not in BOOK_TYPES or not 0 < event.symbol <= self.set["symbol_count"] or not top.valid:
            return []
        actions = []
        for side, price in zip("BS", self._prices(event.symbol, top), strict=True):
            quote = self.quotes.setdefault((event.symbol, side), _Quote())
            action = self._want(event.symbol, side, price, quote) if sequence >= quote.wait else None
            if action is not None:
                actions.append(action)
                self.asking.append(quote)
        return actions

    def _prices(self, symbol: int, top: Top) -> tuple[int, int]:
        """Bid and ask, 0: none wanted."""
        setting, position = self.set, self.position(symbol)
        shares, tick = setting["order_shares"], setting["tick"]
        product = setting["skew_ticks"] * position
        skew = (abs(product) // shares) * (1 if product >= 0 else -1)
        skew = max(-setting["skew_max"], min(setting["skew_max"], skew))
        bid = min(top.bid - (setting["width_ticks"] + skew) * tick, top.ask - tick)
        ask = max(top.ask + (setting["width_ticks"] - skew) * tick, top.bid + tick)
        if bid < tick or position + shares > setting["position_max"]:
            bid = 0
        if position - shares < -setting["position_max"]:
            ask = 0
        return bid, ask

    def _want(self, symbol: int, side: str, price: int, quote: _Quote) -> Action | None:
        shares = self.set["order_shares"]
        if quote.phase == "nothing" and price:
            quote.phase, quote.price = "asked", price
            return Action(symbol=symbol, side=side, shares=shares, price=price, time_in_force=UNTIL_CLOSE)
        if quote.phase != "resting" or price == quote.price:
            return None
        quote.phase = "changing"
        if not price:
            return Action(kind="cancel", symbol=symbol, side=side, shares=0, target=quote.id)
        return Action(
            **{"kind": "replace", "symbol": symbol, "side": side, "shares": shares, "price": price},
            **{"time_in_force": UNTIL_CLOSE, "target": quote.id},
        )

    def asked(self, index: int, order_id: int) -> None:
        quote = self.asking[index]
        if quote.phase == "asked":
            quote.id = order_id
        else:
            quote.wanted_id = order_id

    def refused(self, order_id: int, action: Action) -> None:
        quote = self.quotes[action.symbol, action.side]
        if action.kind == "new":
            self._gone(quote, refused=True)
        else:
            self._stays(quote)

    def heard(self, news: OwnNews) -> None:
        for (symbol, _), quote in self.quotes.items():
            if symbol == news.symbol and quote.phase != "nothing":
                if quote.id == news.id:
                    self._of_its_order(quote, news)
                elif quote.wanted_id == news.id:
                    self._of_its_replacement(quote, news)

    def _stands(self, quote: _Quote, news: OwnNews) -> None:
        if news.state == "D":
            self._gone(quote, refused=True)
        else:
            quote.phase, quote.id, quote.wanted_id, quote.price = "resting", news.id, 0, news.price

    def _stays(self, quote: _Quote) -> None:
        quote.phase, quote.wanted_id = "resting", 0
        quote.wait = self.sequence + self.set["retry_messages"]

    def _gone(self, quote: _Quote, *, refused: bool) -> None:
        quote.phase, quote.wanted_id = "nothing", 0
        quote.wait = self.sequence + self.set["retry_messages"] if refused else 0

    def _of_its_order(self, quote: _Quote, news: OwnNews) -> None:
        if news.kind == "A":
            self._stands(quote, news)
        elif news.kind == "J":
            self._gone(quote, refused=True)
        elif news.kind == "I":
            self._stays(quote)
        elif news.kind in "EGCD" and news.open == 0:
            self._gone(quote, refused=news.kind in "CD" and quote.phase != "changing")

    def _of_its_replacement(self, quote: _Quote, news: OwnNews) -> None:
        if news.kind == "U":
            self._stands(quote, news)
        elif news.kind == "J":
            self._stays(quote)


@dataclass
class Puppet(Silent):
    """Does what trades of symbol PUPPET say: at once, or when the timer comes (puppet.c tells how they are read)."""

    letter: str = "P"
    held: list[Action] = field(default_factory=list)

    @staticmethod
    def match(
        kind: str,
        symbol: int,
        time_in_force: int,
        target: int = 0,
        *,
        hold: bool = False,
        named: bool = False,
    ) -> int:
        number = ("new", "replace", "cancel").index(kind)
        packed = number | hold << 2 | named << 3 | symbol << 4 | time_in_force << 20
        return packed | (target & 15) << 38 | (target >> 8) << 42

    def on_event(self, event: Event, sequence: int, top: Top) -> list[Action]:
        if event.kind != "P" or event.symbol != PUPPET:
            return []
        kinds: tuple[Literal["new", "replace", "cancel"], ...] = ("new", "replace", "cancel", "cancel")
        action = Action(
            kind=kinds[event.match & 3],
            symbol=event.match >> 4 & 0xFFFF,
            side=event.side,
            shares=event.shares,
            price=event.price,
            time_in_force=event.match >> 20 & 0x3FFFF,
            target=(event.match >> 42) << 8 | (event.match >> 38 & 15),
            stock=event.stock if event.match >> 3 & 1 else b"",
        )
        if event.match >> 2 & 1:
            if len(self.held) < 4:
                self.held.append(action)
            return []
        return [action]

    def on_timer(self, now_ns: int) -> list[Action]:
        held, self.held = self.held, []
        return held
