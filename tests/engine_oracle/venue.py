"""A seeded order gateway: reads what was sent and answers as OUCH 4.2 lets a venue answer, now or later, in order."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from tests.engine_oracle.ouch import Answer, answer

__all__ = ["Venue"]


@dataclass
class Standing:
    token: bytes
    side: str
    stock: bytes
    price: int
    total: int  # of the chain, executed ones included
    executed: int = 0
    canceled: int = 0
    time_in_force: int = 0
    promised: bool = False  # to be canceled after the cross
    matches: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def open(self) -> int:
        return self.total - self.executed - self.canceled


class Venue:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.requests: deque[bytes] = deque()
        self.standing: dict[bytes, Standing] = {}
        self.past: list[Standing] = []
        self.match = 0
        self.reference = 1_000

    def hear(self, packets: list[bytes]) -> None:
        self.requests.extend(packet[3:] for packet in packets)

    def answers(self, most: int) -> list[bytes]:
        """To the first of the requests that were not answered yet."""
        said: list[Answer] = []
        for _ in range(min(most, len(self.requests))):
            request = self.requests.popleft()
            said += {"O": self._enter, "U": self._replace, "X": self._cancel}[chr(request[0])](request)
        return [answer(one) for one in said]

    def _accept(self, order: Standing, *, dead: bool = False) -> Answer:
        self.reference += 1
        if not dead:
            self.standing[order.token] = order
        return Answer(
            **{
                "kind": "A",
                "token": order.token,
                "side": order.side,
                "shares": order.total,
                "price": order.price,
            },
            **{"stock": order.stock, "time_in_force": order.time_in_force, "reference": self.reference},
            state="D" if dead else "L",
        )

    def _enter(self, request: bytes) -> list[Answer]:
        chance = self.chance
        side = chr(request[15])
        order = Standing(
            token=request[1:15],
            side=side,
            stock=request[20:28],
            price=int.from_bytes(request[28:32], "big"),
            total=int.from_bytes(request[16:20], "big"),
            time_in_force=int.from_bytes(request[32:36], "big"),
        )
        roll = chance.random()
        if roll < 0.12:
            return [Answer(kind="J", token=order.token, reason="H")]
        if chance.random() < 0.1 and order.price > 100:
            order.price += -100 if side == "B" else 100
        if chance.random() < 0.05 and order.total > 1:
            order.total -= 1
        if roll < 0.16:
            return [self._accept(order, dead=True)]
        said = [self._accept(order)]
        if chance.random() < (0.7 if order.time_in_force == 0 else 0.3):
            said.append(
                self._execute(order, chance.choice((order.total, order.total, order.total // 2 or 1)))
            )
        if order.time_in_force == 0 and order.open > 0 and chance.random() < 0.9:
            said.append(self._take(order, order.open, "I"))
        return said

    def _gone(self, order: Standing) -> None:
        if order.open <= 0:
            self.standing.pop(order.token, None)
            self.past.append(order)

    def _execute(self, order: Standing, shares: int, *, kind: str = "E") -> Answer:
        self.match += 1
        price = order.price if self.chance.random() < 0.7 else order.price + self.chance.choice((-100, 100))
        order.executed += shares
        order.matches.append((self.match, shares, price))
        self._gone(order)
        return Answer(kind=kind, token=order.token, shares=shares, price=price, match=self.match)

    def _take(self, order: Standing, shares: int, reason: str, *, kind: str = "C") -> Answer:
        order.canceled += shares
        self._gone(order)
        return Answer(kind=kind, token=order.token, shares=shares, reason=reason, price=order.price)

    def _replace(self, request: bytes) -> list[Answer]:
        order, token = self.standing.get(request[1:15]), request[15:29]
        if order is None:
            return []
        roll, total = self.chance.random(), int.from_bytes(request[29:33], "big")
        if roll < 0.12:
            return [self._take(order, order.open, "U")]
        if roll < 0.24:
            return [Answer(kind="J", token=token, reason="O")]
        if total <= order.executed:
            return [self._take(order, order.open, "U")]
        del self.standing[order.token]
        made = Standing(
            token=token,
            side=order.side,
            stock=order.stock,
            price=int.from_bytes(request[33:37], "big"),
            total=total - order.executed,
            time_in_force=int.from_bytes(request[37:41], "big"),
        )
        dead = roll > 0.94
        accepted = self._accept(made, dead=dead)
        said = [Answer(**{**vars(accepted), "kind": "U", "previous": order.token})]
        self.past.append(order)
        if not dead and self.chance.random() < 0.3:
            said.append(self._execute(made, self.chance.randrange(1, made.open + 1)))
        return said

    def _cancel(self, request: bytes) -> list[Answer]:
        order = self.standing.get(request[1:15])
        left = int.from_bytes(request[15:19], "big")
        if order is None:
            return []
        taken = order.open if left == 0 else order.open - max(0, left - order.executed)
        if taken <= 0:
            return []
        roll = self.chance.random()
        if roll < 0.1:
            return [Answer(kind="I", token=order.token)]
        if roll < 0.2 and left == 0:
            order.promised = True
            return [Answer(kind="P", token=order.token)]
        return [self._take(order, taken, "U")]

    # what nobody asked for

    def news(self) -> list[bytes]:
        """One thing that happens by itself."""
        chance, standing = self.chance, list(self.standing.values())
        roll = chance.random()
        said: Answer | None = None
        if roll < 0.06:
            return [answer(Answer(kind="S", reason="S"))]
        if roll < 0.22:
            said = self._afterwards()
        elif standing:
            order = chance.choice(standing)
            if order.promised or roll < 0.5:
                said = self._take(order, chance.choice((order.open, (order.open + 1) // 2)), "Z")
            elif roll < 0.53:
                said = self._take(order, order.open, "Q", kind="D")
            elif roll < 0.58:
                order.price += 100
                said = Answer(kind="T", token=order.token, price=order.price, reference=5)
            else:
                shares = chance.choice((order.open, chance.randrange(1, order.open + 1)))
                said = self._execute(order, shares, kind=chance.choice("EEEG"))
        return [answer(said)] if said else []

    def _afterwards(self) -> Answer | None:
        """A break or a correction of an execution."""
        orders = [order for order in [*self.past, *self.standing.values()] if order.matches]
        if not orders:
            return None
        order = self.chance.choice(orders)
        at = self.chance.randrange(len(order.matches))
        match, shares, price = order.matches[at]
        if self.chance.random() < 0.6:
            del order.matches[at]
            return Answer(kind="B", token=order.token, match=match)
        return Answer(kind="F", token=order.token, match=match, shares=shares, price=price + 100)

    def nonsense(self) -> list[bytes]:
        """What closes the gate for good."""
        token = b"T0000FFFF00010"
        roll = self.chance.randrange(4)
        if roll == 0:
            return [b"?" + bytes(9)]
        if roll == 1:
            return [answer(Answer(kind="E", token=token, shares=1, price=1, match=10**6))]
        if roll == 2:
            return [answer(Answer(kind="J", token=b"somebody else "))]
        tokens = [*self.standing] or [token]
        return [answer(Answer(kind="J", token=tokens[0], reason="S"))]
