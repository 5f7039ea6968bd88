"""The engine as its specifications describe it, in plain Python: actions in, packets, decisions and state out.

No code of the engine is used but the Python classes that say what a table of limits is. Written from DESIGN.md, the
protocol sheets, engine/risk/README.md, engine/strategy/README.md and the headers' contracts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from engine.risk_table import RiskTable
from tests.engine_oracle.book import Book
from tests.engine_oracle.case import Setup
from tests.engine_oracle.feed import Feed, Handed
from tests.engine_oracle.gate import Gate
from tests.engine_oracle.itch import decode
from tests.engine_oracle.limits import LINES, Table
from tests.engine_oracle.orders import Own, OwnOrders
from tests.engine_oracle.ouch import Answer, cancel_packet, enter_packet, replace_packet
from tests.engine_oracle.ouch import decode as decode_answer
from tests.engine_oracle.shown import view
from tests.engine_oracle.strategies import Action, OwnNews, Puppet, Quoter, Strategy, TouchTaker
from tests.engine_oracle.terms import Context, Replaced, Request

__all__ = ["Decision", "EngineModel"]

MS = 1_000_000
ANSWER_NS = 50 * MS
SHARES_MAX = 999_999
SILENCE_NS = 100 * MS
TIMER_NS = MS
SENDS_PER_POLL = 64


@dataclass(frozen=True)
class Decision:
    sequence: int
    symbol: int
    side: str
    price: int
    shares: int
    ordinal: int
    reason: str
    feed_state: str
    line: int


@dataclass
class Sent:
    """A request that the venue has not answered."""

    kind: str  # enter, replace, cancel, reduce
    order: Own
    at_ns: int

    @property
    def answered(self) -> bool:
        order = self.order
        if self.kind in ("enter", "replace"):
            return not order.is_pending
        if self.kind == "reduce":
            return not order.is_open or not order.changing
        return not order.is_open or order.held or "CANCEL" not in order.state


class EngineModel:
    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.feed = Feed(hold_back_ns=setup.hold_back_ns, silence_ns=setup.silence_ns)
        self.book = Book(setup.book_orders)
        self.own = OwnOrders(setup.open_orders)
        self.gate = Gate(self.own)
        self.quotes_ns: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.names: dict[int, bytes] = {}
        self.states: dict[int, str] = {}
        self.market_ns = 0
        self.late = False
        self.ended = False  # the order session
        self.overdue = False
        self.owed: list[Sent] = []
        self.answered_ns = 0
        self.left = False  # something was answered since the session was last looked at
        self.mass: tuple[int | None, str | None] | None = None  # symbol and letter that are meant, None: all
        self.meant: list[Own] = []
        self.held = False  # the switch for all, as the session last saw it
        self.timer_ns = 0
        self.ordinal_sequence, self.ordinal = 0, 0
        self.last_sequence = 0
        self.sent: list[bytes] = []
        self.decisions: list[Decision] = []
        self.actions: Counter[str] = Counter()
        self.strategy: Strategy | None = self._strategy(setup)
        self.generation = 0
        self.decided = 0
        self.publish(setup.limits, 0)
        self.gate.poll(0)

    def _strategy(self, setup: Setup) -> Strategy | None:
        if setup.strategy in ("touch_taker", "shared_touch_taker"):
            return TouchTaker(
                shares=setup.order_shares,
                permille=setup.imbalance_permille,
                cooldown=setup.cooldown_messages,
            )
        if setup.strategy == "quoter":
            return Quoter(dict(setup.quoter), lambda symbol: self.own.positions.get(symbol, 0))
        return Puppet() if setup.strategy == "puppet" else None

    # market data

    def datagram(
        self, line: int, sequence: int, messages: tuple[bytes, ...], now_ns: int, *, end: bool = False
    ) -> None:
        self.gate.poll(now_ns)
        for handed in self.feed.accept(line, sequence, messages, now_ns, end=end):
            self._message(handed, now_ns)

    def _message(self, handed: Handed, now_ns: int) -> None:
        if self.strategy is None:
            self._reflect(handed, now_ns)
            return
        event = decode(handed.data)
        self.last_sequence = handed.sequence
        if event is None:
            return
        self.market_ns = event.time_ns
        self.quotes_ns[event.symbol] = now_ns
        printed = (event.kind == "C" and event.flag == "Y") or event.kind == "P"
        printed = printed or (event.kind == "Q" and event.shares != 0)
        price = self.book.price_of(event.reference) if event.kind == "E" else event.price
        if (printed or event.kind == "E") and price:
            self.last[event.symbol] = price
        if event.kind in "AFR" and event.stock[:1] != b"\0":
            self.names[event.symbol] = event.stock
        if event.kind == "H":
            self.states[event.symbol] = event.flag
        if self.book.apply(event):
            actions = self.strategy.on_event(event, handed.sequence, self.book.top(event.symbol))
            self._carry_out(actions, handed.sequence, handed.line, now_ns)

    def _reflect(self, handed: Handed, now_ns: int) -> None:
        if handed.sequence % self.setup.every:
            return
        reason = "none"
        if self.gate.killed:
            reason = "kill_switch"
        elif self.feed.state != "LIVE":
            reason = "feed_not_live"
        elif not self.session_ready:
            reason = "session_down"
        if reason == "none":
            key = handed.sequence << 16 | ord("R")
            self._send("enter", enter_packet(key, "B", 1, b"REFLECT ", 10_000, 0))
        self.decisions.append(
            Decision(handed.sequence, 1, "B", 10_000, 1, 0, reason, self.feed.state, handed.line)
        )

    # what a strategy asks for

    def _carry_out(self, actions: list[Action], sequence: int, line: int, now_ns: int) -> None:
        if not actions:
            return
        if self.ordinal_sequence != sequence:
            self.ordinal_sequence, self.ordinal = sequence, 0
        first, self.ordinal = self.ordinal, self.ordinal + len(actions)
        assert self.strategy is not None
        for index in range(len(actions)):
            self.strategy.asked(index, sequence << 8 | (first + index))
        for index, action in enumerate(actions):
            if first + index > 9:
                self.strategy.refused(sequence << 8 | (first + index), action)
                continue
            done = {"new": self._new, "replace": self._replace, "cancel": self._cancel}[action.kind](
                action, sequence, first + index, line, now_ns
            )
            if not done:
                self.strategy.refused(sequence << 8 | (first + index), action)

    def context(self, symbol: int, now_ns: int) -> Context:
        return Context(
            now_ns=now_ns,
            feed_live=self.feed.state == "LIVE",
            book_complete=self.book.complete,
            session_up=self.session_ready,
            late=self.late,
            trading_state=self.states.get(symbol, ""),
            strategy=ord(self.strategy.letter if self.strategy else "R"),
            last_price=self.last.get(symbol, 0),
            market_ns=self.market_ns,
            quote_ns=self.quotes_ns.get(symbol, 0),
            feed_ns=self.feed.feed_ns,
        )

    def _key(self, sequence: int, ordinal: int) -> int:
        assert self.strategy is not None
        return sequence << 16 | ordinal << 8 | ord(self.strategy.letter)

    def _send(self, action: str, packet: bytes) -> None:
        self.actions[action] += 1
        self.sent.append(packet)

    def _new(self, action: Action, sequence: int, ordinal: int, line: int, now_ns: int) -> bool:
        request = self._request(action, action.symbol, action.side, sequence, ordinal)
        reason = self._ask(request, line, now_ns)
        if reason != "none":
            return False
        order = Own(
            self._key(sequence, ordinal),
            request.symbol,
            request.side,
            request.price,
            request.shares,
            request.shares,
            request.time_in_force,
        )
        self._send(
            "enter",
            enter_packet(
                order.key, order.side, order.shares, request.stock, order.price, order.time_in_force
            ),
        )
        self.own.sent(order)
        self._owe("enter", order, now_ns)
        return True

    def _request(self, action: Action, symbol: int, side: str, sequence: int, ordinal: int) -> Request:
        return Request(
            sequence=sequence,
            symbol=symbol,
            side=side,
            shares=action.shares,
            price=action.price,
            time_in_force=action.time_in_force,
            ordinal=ordinal,
            stock=action.stock if action.stock[:1] not in (b"", b"\0") else self.names.get(symbol, b""),
        )

    def _check(self, request: Request, now_ns: int, replaced: Replaced | None = None) -> str:
        top = self.book.top(request.symbol)
        return self.gate.check(request, top, self.context(request.symbol, now_ns), replaced)

    def _ask(self, request: Request, line: int, now_ns: int) -> str:
        reason = self._check(request, now_ns)
        self.decisions.append(
            Decision(
                *(request.sequence, request.symbol, request.side, request.price, request.shares),
                *(request.ordinal, reason, self.feed.state, line),
            )
        )
        return reason

    def _target(self, action: Action) -> Own | None:
        order = self.own.orders.get(self._key(action.target >> 8, action.target & 255))
        return order if order is not None and order.is_open else None

    def _replace(self, action: Action, sequence: int, ordinal: int, line: int, now_ns: int) -> bool:
        order = self._target(action)
        if order is None or not self.own.can_replace(order):
            return False
        total = action.shares + order.done
        if action.shares <= SHARES_MAX < total:
            return False
        request = self._request(action, order.symbol, order.side, sequence, ordinal)
        replaced = Replaced(shares=order.open, price=order.price)
        if self._check(request, now_ns, replaced) != "none":
            return False
        made = Own(
            self._key(sequence, ordinal),
            order.symbol,
            order.side,
            action.price,
            action.shares,
            0,
            action.time_in_force,
            total=total,
        )
        self._send("replace", replace_packet(order.key, made.key, total, action.price, action.time_in_force))
        self.own.replace(order, made)
        self._owe("replace", made, now_ns)
        return True

    def _cancel(self, action: Action, sequence: int, ordinal: int, line: int, now_ns: int) -> bool:
        order = self._target(action)
        if order is None or self.ended:
            return False
        if action.shares == 0:
            if not self.own.cancel(order):
                return False
            self._cancel_sent("cancel", order, 0, now_ns)
            return True
        if order.state not in ("LIVE", "PARTIAL") or order.changing or action.shares >= order.open:
            return False
        order.changing = True
        self._cancel_sent("reduce", order, action.shares + order.done, now_ns)
        return True

    def _cancel_sent(self, kind: str, order: Own, total: int, now_ns: int) -> None:
        self.gate.cancel(now_ns)
        self._send(kind, cancel_packet(order.key, total))
        self._owe(kind, order, now_ns)

    # the order session

    @property
    def session_ready(self) -> bool:
        return not self.ended and not self.overdue and self.own.discrepancies == 0

    def _owe(self, kind: str, order: Own, now_ns: int) -> None:
        self.owed.append(Sent(kind, order, now_ns))

    def _settle(self, now_ns: int) -> None:
        while self.owed:
            first = self.owed[0]
            silent = first.kind == "reduce" and now_ns - first.at_ns >= SILENCE_NS
            if not first.answered and not silent:
                break
            if silent:
                first.order.changing = False
            self.owed.pop(0)
            self.left = True

    def answers(self, payloads: tuple[bytes, ...], now_ns: int) -> None:
        for payload in payloads:
            if not self.ended and self.strategy is not None:  # answers to the reflector are only counted
                self._answer(payload, now_ns)
        self._settle(now_ns)

    def _answer(self, payload: bytes, now_ns: int) -> None:
        said = decode_answer(payload)
        if said is None:
            self.own.discrepancies += 1
            return
        self.own.apply(said)
        order = self.own.orders.get(said.key)
        if order is None:
            return
        if self.own.filled:
            self.gate.filled(order.symbol, now_ns)
        if self.strategy is not None and chr(order.letter) == self.strategy.letter:
            self.strategy.heard(self._news(said, order))

    @staticmethod
    def _news(said: Answer, order: Own) -> OwnNews:
        return OwnNews(
            kind=said.kind,
            id=order.key >> 8,
            previous=said.previous_key >> 8,
            symbol=order.symbol,
            price=said.price,
            open=order.open,
            state=said.state,
        )

    def end_session(self, now_ns: int) -> None:
        self.ended = True

    def close(self) -> None:
        """Nothing to give back."""

    # control

    def set_late(self, on: bool) -> None:
        self.late = on

    def kill(self, on: bool) -> None:
        self.gate.killed = on

    def kill_symbol(self, symbol: int, on: bool) -> None:
        self.gate.kill_symbol(symbol, on)

    def kill_strategy(self, strategy: int, on: bool) -> None:
        self.gate.kill_strategy(strategy, on)

    def rearm(self, who: int) -> None:
        self.gate.rearm(who)

    def publish(self, limits: RiskTable, created_ns: int) -> None:
        self.generation += 1
        self.gate.publish(Table(limits, self.generation, created_ns))

    def withdraw(self) -> None:
        self.gate.withdraw()

    def corrupt(self, what: str | int, word: int, bit: int) -> None:
        table = self.gate.table if what in LINES else self.gate.in_place
        if table is not None:
            table.flip(what, word, bit)

    # time

    def timer(self, now_ns: int) -> None:
        self.gate.poll(now_ns)
        self.feed.timer(now_ns)
        if self.strategy is not None and now_ns - self.timer_ns >= TIMER_NS:
            self.timer_ns = now_ns
            actions = self.strategy.on_timer(now_ns)
            self._carry_out(actions, self.last_sequence, 0, now_ns)
        self._settle(now_ns)
        if self.left or not self.owed:
            self.answered_ns, self.overdue, self.left = now_ns, False, False
        elif now_ns - self.answered_ns > ANSWER_NS:
            self.overdue = True
        if self.gate.killed and not self.held:
            self._mean(None, None)
        self.held = self.gate.killed
        self._mass_cancel(now_ns)

    def _mean(self, symbol: int | None, letter: str | None) -> None:
        """More is meant; two that differ become one of everything."""
        if self.mass is not None:
            symbol = symbol if symbol == self.mass[0] else None
            letter = letter if letter == self.mass[1] else None
        self.mass = symbol, letter
        self.meant = [
            order
            for order in self.own.open_orders()
            if symbol in (None, order.symbol) and letter in (None, chr(order.letter))
        ]

    def _mass_cancel(self, now_ns: int) -> None:
        for scope, subject in self.gate.wishes:
            self._mean(subject if scope == "symbol" else None, chr(subject) if scope == "strategy" else None)
        self.gate.wishes = []
        if self.mass is None or self.ended:
            return
        meant = [order for order in self.meant if order.is_open]
        for order in meant[:SENDS_PER_POLL]:
            if self.own.cancel(order):
                self._cancel_sent("cancel", order, 0, now_ns)
        if not meant:
            self.mass = None

    def view(self, keys: Iterable[int], symbols: Iterable[int]) -> dict[str, Any]:
        return view(self, keys, symbols)
