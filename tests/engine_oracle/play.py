"""A case's steps become calls of one subject after the other: the model, and the engine in process.

Both hear the same: datagrams with their numbers, answers, control actions, and one explicit clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.risk_table import RiskTable
from tests.engine_oracle import case as steps
from tests.engine_oracle.case import Step

__all__ = ["Player", "Subject"]


class Subject(Protocol):
    def datagram(
        self, line: int, sequence: int, messages: tuple[bytes, ...], now_ns: int, *, end: bool = False
    ) -> None: ...
    def timer(self, now_ns: int) -> None: ...
    def answers(self, payloads: tuple[bytes, ...], now_ns: int) -> None: ...
    def end_session(self, now_ns: int) -> None: ...
    def set_late(self, on: bool) -> None: ...
    def kill(self, on: bool) -> None: ...
    def kill_symbol(self, symbol: int, on: bool) -> None: ...
    def kill_strategy(self, strategy: int, on: bool) -> None: ...
    def rearm(self, who: int) -> None: ...
    def publish(self, limits: RiskTable, created_ns: int) -> None: ...
    def withdraw(self) -> None: ...
    def corrupt(self, what: str | int, word: int, bit: int) -> None: ...
    def view(self, keys: Iterable[int], symbols: Iterable[int]) -> dict[str, Any]: ...


@dataclass
class Player:
    """Numbers what is published and keeps the clock."""

    subjects: tuple[Subject, ...]
    now_ns: int = 1_000
    next: int = 1
    held: list[tuple[int, tuple[bytes, ...]]] = field(default_factory=list)
    over: bool = False  # nothing is published behind the end of the feed's session

    def play(self, step: Step) -> None:
        self.now_ns += step.after_ns
        for_all: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

        def say(name: str, *arguments: Any, **named: Any) -> None:
            for_all.append((name, arguments, named))

        self._translate(step, say)
        for subject in self.subjects:
            for name, arguments, named in for_all:
                getattr(subject, name)(*arguments, **named)

    def _translate(self, step: Step, say: Any) -> None:
        now_ns = self.now_ns
        match step:
            case steps.Datagram():
                if self.over:
                    return
                first, self.next = self.next, self.next + len(step.messages)
                if step.hold:
                    self.held.append((first, step.messages))
                    return
                say("datagram", step.line, first, step.messages, now_ns)
                if step.again:
                    say("datagram", 1 - step.line, first, step.messages, now_ns)
            case steps.Release():
                if self.held:
                    first, messages = self.held.pop(0)
                    say("datagram", step.line, first, messages, now_ns)
            case steps.Heartbeat():
                self.over = self.over or step.end
                say("datagram", step.line, self.next, (), now_ns, end=self.over)
            case steps.Timer():
                say("timer", now_ns)
            case steps.Answers():
                say("answers", step.payloads, now_ns)
            case steps.EndSession():
                say("end_session", now_ns)
            case steps.Late():
                say("set_late", step.on)
            case steps.Kill():
                say("kill", step.on)
            case steps.KillSymbol():
                say("kill_symbol", step.symbol, step.on)
            case steps.KillStrategy():
                say("kill_strategy", step.strategy, step.on)
            case steps.Rearm():
                say("rearm", step.who)
            case steps.Publish():
                say("publish", step.limits, max(0, now_ns + step.ahead_ns))
            case steps.Withdraw():
                say("withdraw")
            case steps.Corrupt():
                say("corrupt", step.what, step.word, step.bit)
            case _:
                raise AssertionError(step)
