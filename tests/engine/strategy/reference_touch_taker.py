"""Tops of a symbol in, triggers out: touch_taker from its text, independent of the engine's C.

A top is (bid_price, ask_price, bid_shares, ask_shares); 0 is an empty side. A trigger is
(sequence, symbol, side, shares, price).
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Top", "TouchTaker", "Trigger"]

Top = tuple[int, int, int, int]
Trigger = tuple[int, int, str, int, int]


@dataclass
class Symbol:
    previous: Top | None = None
    imbalance: int = 0
    last_trigger: int = 0


@dataclass
class TouchTaker:
    order_shares: int = 100
    imbalance_permille: int = 800
    cooldown_messages: int = 0
    symbols: dict[int, Symbol] = field(default_factory=dict)
    suppressed: int = 0

    def on_top(self, sequence: int, symbol: int, top: Top) -> Trigger | None:
        state = self.symbols.setdefault(symbol, Symbol())
        bid, ask, bid_shares, ask_shares = top
        if not bid or not ask or bid >= ask:
            state.previous, state.imbalance = None, 0
            return None
        signal = 0
        if state.previous is not None:
            if bid > state.previous[0]:
                signal = 1
            elif ask < state.previous[1]:
                signal = -1
        lean = 1000 * (bid_shares - ask_shares)
        enough = self.imbalance_permille * (bid_shares + ask_shares)
        imbalance = 1 if lean >= enough else -1 if -lean >= enough else 0
        if not signal and imbalance and imbalance != state.imbalance:
            signal = imbalance
        state.imbalance, state.previous = imbalance, top
        if not signal:
            return None
        if state.last_trigger and sequence - state.last_trigger < self.cooldown_messages:
            self.suppressed += 1
            return None
        state.last_trigger = sequence
        if signal > 0:
            return sequence, symbol, "B", min(self.order_shares, ask_shares), ask
        return sequence, symbol, "S", min(self.order_shares, bid_shares), bid
