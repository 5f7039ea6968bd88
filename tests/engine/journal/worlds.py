"""Random worlds for a stepped engine: a seed goes in; a market over lossy lines, answers, snapshots and commands play.

Everything that a step run can meet is drawn: datagrams lost, repeated, swapped, cut and of other sessions, replies,
time in small and large steps, a gateway that answers, rejects, or says what nobody understands, snapshots in pieces
that break off, the kill switch thrown, symbols and strategies killed, gates that trip and are armed again, limits
swapped, withdrawn or stale, lines switched off, and strategies deployed that behave, crash, are slow or order too much.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from venue_bytes import Enter, accepted, add, canceled, delete, executed, heartbeat, mold, rejected, sequenced

from engine import Engine, EngineConfig, Order
from engine.config import (
    BookConfig,
    FeedConfig,
    JournalConfig,
    RecoveryConfig,
    RiskConfig,
    ServerConfig,
    SnapshotConfig,
    StrategyConfig,
)
from engine.risk_table import RiskSymbol, RiskTable, RiskTrips
from engine.strategy_check import shipped_path

__all__ = ["World", "play"]

KILL_OFFSET = 12
STRATEGIES = ("touch_taker", "quoter", "bad_crash", "bad_slow", "bad_spam", "bad_prices")
US, MS = 1_000, 1_000_000
SERVER = {"address": "127.0.0.1", "port": 1}


def config(random: Random, path: Path) -> EngineConfig:
    services = random.choice(["none", "requests", "snapshots", "both"])
    recovery = RecoveryConfig(
        requests=ServerConfig(**SERVER) if services in ("requests", "both") else None,
        snapshots=SnapshotConfig(**SERVER, username="U", password="P")
        if services in ("snapshots", "both")
        else None,
    )
    return EngineConfig(
        decisions=4_096,
        open_orders=64,
        book=BookConfig(orders=4_096, levels=1_024),
        recovery=recovery,
        feed=FeedConfig(
            delivery=random.choice(["strict", "best_effort"]),
            reorder_packets=64,
            hold_back_ns=random.choice([0, 10 * US, MS]),
            line_silence_ns=50 * MS,
            first_sequence=random.choice([0, 1]),
            request_timeout_ns=MS,
            snapshot_timeout_ns=20 * MS,
            retry_ns=5 * MS,
            unconfirmed_jump_messages=random.choice([0, 2**62]),
        ),
        strategy=StrategyConfig(
            name=random.choice(["touch_taker", "touch_taker", "touch_taker", "reflector"]),
            every=random.choice([1, 3]),
            imbalance_permille=random.choice([100, 800]),
        ),
        risk=RiskConfig(
            collar_permille=random.choice([5, 1_000]),
            order_rate_per_s=random.choice([100, 100_000]),
            order_burst=random.choice([1, 10, 1_000]),
            position_max=random.choice([50, 100_000]),
        ),
        control=path.with_suffix(".page"),
        journal=JournalConfig(path=path, ring_bytes=1 << 22, drain_above=random.choice([0, 1 << 21])),
    )


@dataclass
class World:
    random: Random
    engine: Engine
    page: mmap.mmap
    now_ns: int = 1_000
    sequence: int = 1
    reference: int = 1
    session: bytes = b"TAILGATE01"
    sent: bytearray = field(default_factory=bytearray)
    owed: list[Enter] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)

    def note(self, orders: list[Order]) -> None:
        for order in orders:
            self.sent += order.raw
            self.owed.append(
                Enter(
                    token=order.raw[4:18].decode(),
                    side=order.side,
                    shares=order.shares,
                    stock=order.stock.ljust(8),
                    price=order.price,
                )
            )

    def messages(self) -> list[bytes]:
        found = []
        for _ in range(self.random.choice([1, 1, 1, 2, 5, 9])):
            symbol = self.random.choice([1, 2])
            if self.reference > 4 and self.random.random() < 0.3:
                found.append(delete(self.random.randrange(1, self.reference), symbol=symbol))
                continue
            side = self.random.choice("BS")
            price = 10_000 + self.random.randrange(-30, 10) + (40 if side == "S" else 0)
            shares = self.random.choice([1, 10, 100])
            found.append(add(self.reference, side, shares, price, symbol=symbol, stock=f"S{symbol}"))
            self.reference += 1
        return found

    def market(self) -> None:
        messages = self.messages()
        datagram = mold(self.sequence, *messages, session=self.session)
        self.sequence += len(messages)
        self.kept = [*self.kept[-20:], datagram]
        for line in self.random.choice(["A", "B", "AB", "BA", ""]):
            self.step(datagram, line)

    def step(self, datagram: bytes, line: str) -> None:
        self.note(self.engine.step(datagram, line=line, now_ns=self.now_ns))

    def mischief(self) -> None:
        kind = self.random.choice(["again", "again", "cut", "beat", "end", "jump", "session", "noise"])
        line = self.random.choice("AB")
        datagram = self.random.choice(self.kept) if self.kept else heartbeat(1)
        if kind == "again":
            self.step(datagram, self.random.choice(["A", "B", "recovery"]))
        elif kind == "cut":
            self.step(datagram[: self.random.randrange(len(datagram))], line)
        elif kind == "beat":
            self.step(self.session + struct.pack(">QH", self.sequence, 0), line)
        elif kind == "jump":
            self.sequence += self.random.choice([1, 3, 200])
        elif kind == "session" and self.random.random() < 0.2:
            self.session, self.sequence = b"TAILGATE02", 1
        elif kind == "end" and self.random.random() < 0.05:
            self.step(self.session + struct.pack(">QH", self.sequence, 0xFFFF), line)
        elif kind == "noise":
            self.step(self.random.randbytes(self.random.randrange(60)), line)

    def answer(self) -> None:
        if not self.owed:
            return
        order = self.owed.pop(0)
        data = self.random.choice(
            [
                accepted(order) + executed(order, order.shares),
                accepted(order) + canceled(order, order.shares),
                rejected(order),
            ]
        )
        if self.random.random() < 0.02:
            data = sequenced(b"?what")
        cut = self.random.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            self.engine.receive(piece, now_ns=self.now_ns)

    def time(self) -> None:
        self.now_ns += self.random.choice([US, 20 * US, MS, 3 * MS, 60 * MS, 1_100 * MS])
        self.note(self.engine.timer(now_ns=self.now_ns))

    def snapshot(self) -> None:
        if not self.engine.wants_snapshot:
            return
        self.engine.snapshot_open(self.now_ns)
        login = b"\0\x1fA" + b"GLIMPSE   " + b"1".rjust(20)
        rows = b"".join(sequenced(message) for message in self.messages())
        end = sequenced(b"G" + str(max(self.sequence, 1)).encode().rjust(20))
        data = login + rows + end
        while data and self.engine.snapshot_is_open:
            cut = self.random.randrange(1, 60)
            self.note(self.engine.snapshot_bytes(data[:cut], self.now_ns))
            data = data[cut:]
            if self.random.random() < 0.02:
                self.engine.snapshot_close(self.now_ns)

    def kill(self) -> None:
        self.page[KILL_OFFSET] = self.random.choice([0, 0, 1])

    def gate(self) -> None:
        control, on = self.engine.risk_control, self.random.random() < 0.4
        kind = self.random.choice(["symbol", "strategy", "rearm", "rearm", "limits", "limits", "withdraw"])
        if kind == "symbol":
            control.kill_symbol(self.random.choice([1, 2, 40_000]), on=on)
        elif kind == "strategy":
            control.kill_strategy(self.random.choice([1, 3]), on=on)
        elif kind == "rearm":
            control.rearm(self.random.randrange(1_000))
        elif kind == "limits":
            control.publish(self.limits(), created_ns=self.now_ns)
        elif self.random.random() < 0.3:
            control.withdraw()

    def limits(self) -> RiskTable:
        restricted = RiskSymbol(locate=self.random.choice([1, 2]), restricted=True)
        return RiskTable(
            order_shares_max=self.random.choice([10, 1_000]),
            collar_permille=self.random.choice([50, 1_000]),
            valid_for_ns=self.random.choice([None, None, 2 * MS]),
            symbols=self.random.choice([(), (), (restricted,)]),
            trips=RiskTrips(
                at_once=self.random.choice([(), ("limits_stale",)]),
                counted=("collar",),
                breaches=self.random.choice([2, 1_000]),
            ),
        )

    def operate(self) -> None:
        kind = self.random.choice(["deploy", "deploy", "deploy", "back", "line"])
        if kind == "deploy":
            name = self.random.choice(STRATEGIES)
            given = {"after": self.random.randrange(20)} if name.startswith("bad") else {}
            self.engine.deploy(shipped_path(name), given, now_ns=self.now_ns)
        elif kind == "back":
            self.engine.roll_back(now_ns=self.now_ns)
        else:
            self.engine.enable_line(
                self.random.choice("AB"), enabled=self.random.random() < 0.7, now_ns=self.now_ns
            )


def play(seed: int, path: Path, *, steps: int = 120) -> bytes:
    """Plays one world with its journal at ``path``; returns every order's bytes as they left."""
    random = Random(seed)
    chosen = config(random, path)
    assert chosen.control
    with Engine(chosen) as engine, chosen.control.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
        world = World(random=random, engine=engine, page=page)
        acts = [world.market] * 8 + [world.mischief] * 2 + [world.answer] * 4 + [world.time] * 2
        acts += [world.snapshot, world.kill, world.gate, world.operate]
        for _ in range(steps):
            world.now_ns += random.randrange(1, 5 * US)
            random.choice(acts)()
        world.time()
        return bytes(world.sent)
