"""A small CME: instruments with real orders, and the packets and snapshots that tell of them.

Everything comes from one seeded generator. What is true after each packet is kept, so that a receiver's books can be
compared at any time: the truth of a packet is that of the last event that was over with it.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from mdp3_layouts import INT_NULL, encode, packet

__all__ = ["Instrument", "Truth", "Venue"]

Level = tuple[int, int, int]
Entry = dict[str, Any]
SIDES = {"bid": b"0", "ask": b"1", "implied_bid": b"E", "implied_ask": b"F"}
END, RECOVERY = 0x80, 0x20
IMPLIED_DEPTH = 2


@dataclass(frozen=True)
class Truth:
    """One instrument as the venue has it."""

    levels: dict[str, list[Level]]
    orders: dict[str, list[tuple[int, int, int, int]]]
    report: int


@dataclass
class Instrument:
    """`orders` by id: side, price, priority, quantity."""

    security: int
    depth: int
    orders: dict[int, tuple[str, int, int, int]] = field(default_factory=dict)
    implied: dict[str, list[Level]] = field(default_factory=lambda: {"implied_bid": [], "implied_ask": []})
    report: int = 0

    def next_report(self) -> int:
        self.report += 1
        return self.report

    def levels(self, side: str) -> list[Level]:
        """Every price of a side, best first, beyond the depth too."""
        found: dict[int, list[int]] = {}
        for on, price, _, quantity in self.orders.values():
            if on == side:
                found.setdefault(price, []).append(quantity)
        prices = sorted(found, reverse=side == "bid")
        return [(price, sum(found[price]), len(found[price])) for price in prices]

    def queue(self, side: str) -> list[tuple[int, int, int, int]]:
        """(id, priority, price, quantity), best price first, then by priority."""
        sign = -1 if side == "bid" else 1
        rows = sorted(
            (sign * price, priority, identity, quantity)
            for identity, (on, price, priority, quantity) in self.orders.items()
            if on == side
        )
        return [(identity, priority, sign * key, quantity) for key, priority, identity, quantity in rows]

    def truth(self) -> Truth:
        sides = {side: self.levels(side)[: self.depth] for side in ("bid", "ask")}
        implied = {side: list(levels) for side, levels in self.implied.items()}
        return Truth(sides | implied, {side: self.queue(side) for side in ("bid", "ask")}, self.report)


class Venue:
    """Packets in order are in `packets`, what was true after each in `truths` (by MsgSeqNum)."""

    def __init__(
        self, seed: int, instruments: int = 3, *, by_order: bool = True, long_quantities: bool = False,
        book_resets: bool = True,
    ) -> None:  # fmt: skip
        self.random = Random(seed)
        self.book_resets = book_resets
        self.by_order = by_order
        self.book_template, self.snapshot_template = (64, 69) if long_quantities else (46, 52)
        self.trade_template = 65 if long_quantities else 48
        depths = (1, 3, 10)
        self.instruments = [Instrument(1000 + index, depths[index % 3]) for index in range(instruments)]
        self.packets: list[bytes] = []
        self.truths: dict[int, dict[int, Truth]] = {}
        self.base = self.sequence = 0  # packets before this numbering; MsgSeqNum of the last
        self.clock_ns = 10**18
        self.identity = self.priority = 0
        self.open: list[bytes] = []  # messages of the event that is not over
        self.committed = {instrument.security: instrument.truth() for instrument in self.instruments}

    # ---- what happens ----

    def event(self) -> None:
        """One event: some orders, perhaps a trade, a volume or a statistic; one to three messages."""
        parts = self.random.choice([1, 1, 1, 2, 3])
        for part in range(parts):
            last = part == parts - 1
            self.message(END if last and self.random.random() < 0.8 else 0)
            if not last and self.random.random() < 0.4:
                self.flush(over=False)
        if self.open and not self.open[-1][18] & END:  # closed by an empty message
            self.open.append(
                encode(self.book_template, {"time": self.clock_ns, "indicator": END}, version=13)
            )
        self.commit()
        if self.random.random() < 0.7:
            self.flush(over=True)
        elif self.random.random() < 0.5:
            self.open.append(encode(12))
            self.flush(over=True)

    def message(self, indicator: int) -> None:
        root = {"time": self.clock_ns, "indicator": indicator}
        kind = self.random.random()
        instrument = self.random.choice(self.instruments)
        if kind < 0.72:
            entries: list[Entry] = []
            orders: list[Entry] = []
            for _ in range(self.random.randint(1, 3)):
                self.act(self.random.choice(self.instruments), entries, orders)
                if entries and entries[-1]["type"] == b"J":
                    break
            self.tell_orders(root, entries, orders)
        elif kind < 0.84:
            entry = {
                "security": instrument.security,
                "report": instrument.next_report(),
                "price": 5,
                "size": 1,
            }
            fills = [{"order": 7, "size": 1}, {"order": 8, "size": 1}]
            entry |= {"orders": 2, "aggressor": self.random.randint(0, 2)}
            self.open.append(encode(self.trade_template, root, [entry], fills, version=13))
        elif kind < 0.92:
            entry = {"security": instrument.security, "report": instrument.next_report(), "size": 99}
            self.open.append(encode(self.random.choice([37, 66]), root, [entry], version=13))
        else:
            entry = {"security": instrument.security, "report": instrument.next_report(), "type": b"4"}
            self.open.append(encode(self.random.choice([51, 49, 50, 67]), root, [entry], version=13))

    def tell_orders(self, root: Entry, entries: list[Entry], orders: list[Entry]) -> None:
        """One message, or two when an order is too deep to refer to a level."""
        orders = orders if self.by_order else []
        if any(order["reference"] is None for order in orders):
            self.open.append(encode(47, root | {"indicator": root["indicator"] & ~END}, orders, version=13))
            orders = []
        padding = self.random.choice([0, 0, 4])
        self.open.append(encode(self.book_template, root, entries, orders, version=13, entry_padding=padding))

    def act(self, instrument: Instrument, entries: list[Entry], orders: list[Entry]) -> None:
        """One change of one instrument's orders, told by price and by order."""
        draw = self.random.random()
        side = self.random.choice(["bid", "ask"])
        if draw < 0.06:
            self.act_implied(instrument, entries)
        elif draw < 0.09 and instrument.levels(side):
            self.mass_cancel(instrument, side, entries, orders)
        elif draw < 0.10 and not entries and not orders and self.book_resets:
            instrument.orders.clear()
            instrument.implied = {"implied_bid": [], "implied_ask": []}
            entries.append(
                {"type": b"J", "security": instrument.security, "report": instrument.next_report()}
            )
        elif draw < 0.55 or not instrument.orders:
            self.identity += 1
            self.priority += 1
            sign = 1 if side == "ask" else -1
            price = sign * self.random.randint(1, 14) * 25
            order = (side, price, self.priority, self.random.randint(1, 50))
            self.change(instrument, self.identity, order, 0, entries, orders)
        else:
            identity = self.random.choice(list(instrument.orders))
            side, price, priority, _quantity = instrument.orders[identity]
            if draw < 0.75:
                self.change(instrument, identity, None, 2, entries, orders)
            else:
                more = self.random.random() < 0.5
                if more:
                    self.priority += 1
                after = (side, price, self.priority if more else priority, self.random.randint(1, 50))
                self.change(instrument, identity, after, 1, entries, orders)

    def change(
        self,
        instrument: Instrument,
        identity: int,
        order: Any,
        action: int,
        entries: list[Entry],
        orders: list[Entry],
    ) -> None:
        old = instrument.orders.get(identity)
        side, price, _, _ = order or old
        before = instrument.levels(side)
        if order is None:
            del instrument.orders[identity]
        else:
            instrument.orders[identity] = order
        reference = self.tell_levels(instrument, side, price, before, entries)
        values = order or old
        orders.append({
            "order": identity, "priority": values[2], "size": values[3], "action": action, "reference": reference,
            "price": price, "security": instrument.security, "type": SIDES[side],
        })  # fmt: skip

    def tell_levels(
        self, instrument: Instrument, side: str, price: int, before: list[Level], entries: list[Entry]
    ) -> int | None:
        """Instructions that lead from `before` to now; the number of the one about `price`, None if it is too deep."""
        after = instrument.levels(side)
        old = [level[0] for level in before]
        new = [level[0] for level in after]
        if price in old and price in new:
            place, action, level = old.index(price), 1, after[new.index(price)]
        elif price in new:
            place, action, level = new.index(price), 0, after[new.index(price)]
        else:
            place, action, level = old.index(price), 2, before[old.index(price)]
        if place >= instrument.depth:
            return None
        if action == 1 and self.random.random() < 0.1:
            action = 5
        self.tell(instrument, side, action, place + 1, level, entries)
        number = len(entries)
        if action == 2 and len(after) >= instrument.depth:
            self.tell(instrument, side, 0, instrument.depth, after[instrument.depth - 1], entries)
        return number

    def tell(
        self, instrument: Instrument, side: str, action: int, place: int, level: Level, entries: list[Entry]
    ) -> None:
        entry = {
            "security": instrument.security, "report": instrument.next_report(), "type": SIDES[side],
            "action": action, "level": place, "price": level[0], "size": level[1], "orders": level[2],
        }  # fmt: skip
        entries.append(entry | ({"orders": INT_NULL} if side.startswith("implied") else {}))

    def act_implied(self, instrument: Instrument, entries: list[Entry]) -> None:
        side = self.random.choice(["implied_bid", "implied_ask"])
        levels = instrument.implied[side]
        level = (self.random.randint(1, 99), self.random.randint(1, 9), 0)
        if levels and self.random.random() < 0.5:
            place = self.random.randrange(len(levels))
            if self.random.random() < 0.5:
                levels[place] = level
                self.tell(instrument, side, 5, place + 1, level, entries)
            else:
                self.tell(instrument, side, 2, place + 1, levels.pop(place), entries)
        else:
            levels.insert(0, level)
            del levels[IMPLIED_DEPTH:]
            self.tell(instrument, side, 0, 1, level, entries)

    def mass_cancel(
        self, instrument: Instrument, side: str, entries: list[Entry], orders: list[Entry]
    ) -> None:
        """DeleteThru or DeleteFrom; with DeleteFrom all that is deeper goes too, seen or not."""
        levels = instrument.levels(side)
        seen = min(len(levels), instrument.depth)
        place = self.random.randint(1, seen)
        thru = self.random.random() < 0.5
        gone = {level[0] for level in (levels[:place] if thru else levels[place - 1 :])}
        self.tell(instrument, side, 3 if thru else 4, place, (0, 0, 0), entries)
        for identity, (on, price, priority, quantity) in list(instrument.orders.items()):
            if on == side and price in gone:
                del instrument.orders[identity]
                orders.append({
                    "order": identity, "priority": priority, "size": quantity, "action": 2, "reference": None,
                    "price": price, "security": instrument.security, "type": SIDES[side],
                })  # fmt: skip
        if thru:
            left = instrument.levels(side)[: instrument.depth]
            for number in range(seen - place, len(left)):
                self.tell(instrument, side, 0, number + 1, left[number], entries)

    def channel_reset(self) -> None:
        """Everything is empty; then what there is comes again with the recovery bit."""
        self.flush(over=True)
        self.open.append(encode(4, {"time": self.clock_ns, "indicator": END}, [{"channel": 310}]))
        self.flush(over=True)
        for instrument in self.instruments:
            orders, instrument.orders, instrument.report = instrument.orders, {}, 0
            instrument.implied = {"implied_bid": [], "implied_ask": []}
            for identity, order in orders.items():
                entries: list[Entry] = []
                rows: list[Entry] = []
                self.change(instrument, identity, order, 0, entries, rows)
                self.tell_orders({"time": self.clock_ns, "indicator": RECOVERY | END}, entries, rows)
                if len(self.open) > 4:
                    self.flush(over=True)
        self.flush(over=True)

    def new_week(self) -> None:
        """Numbers and reports begin at 1; books are empty."""
        self.flush(over=True)
        self.base, self.sequence = len(self.packets), 0
        self.clock_ns += 10**15
        for index, instrument in enumerate(self.instruments):
            self.instruments[index] = Instrument(instrument.security, instrument.depth)
        self.commit()
        self.truths[self.base] = self.committed

    # ---- how it is told ----

    def flush(self, *, over: bool) -> None:
        """The open messages become a packet; `over`: no event is left unfinished."""
        if not self.open:
            return
        self.clock_ns += self.random.randint(1_000, 500_000)
        self.sequence += 1
        self.packets.append(packet(self.sequence, *self.open, sending_ns=self.clock_ns))
        self.open = []
        if over:
            self.commit()
        self.truths[self.base + self.sequence] = self.committed

    def commit(self) -> None:
        self.committed = {instrument.security: instrument.truth() for instrument in self.instruments}

    def heartbeat(self) -> None:
        self.flush(over=True)
        self.open.append(encode(12))
        self.flush(over=True)

    def snapshots(self) -> list[bytes]:
        """A loop of the recovery feed as of now; nothing may be open."""
        assert not self.open
        found = []
        for number, instrument in enumerate(self.instruments, 1):
            truth = instrument.truth()
            entries = [
                {"type": SIDES[side], "level": place, "price": level[0], "size": level[1], "orders": level[2]}
                for side, levels in truth.levels.items()
                for place, level in enumerate(levels, 1)
            ]
            entries.append({"type": b"2", "price": 5, "size": 1, "level": 127})
            root = {
                "last": self.sequence, "reports": len(self.instruments), "security": instrument.security,
                "report": truth.report, "status": 17,
            }  # fmt: skip
            message = encode(self.snapshot_template, root, entries, version=13)
            found.append(packet(number, message, sending_ns=self.clock_ns + number))
        return found

    def order_snapshots(self, rows_max: int = 4) -> list[bytes]:
        """A loop of templates 53; small chunks."""
        assert not self.open
        found: list[bytes] = []
        for instrument in self.instruments:
            rows = [
                {"order": row[0], "priority": row[1], "price": row[2], "size": row[3], "type": SIDES[side]}
                for side in ("bid", "ask")
                for row in instrument.queue(side)
            ]
            chunks = [rows[start : start + rows_max] for start in range(0, len(rows), rows_max)] or [[]]
            for number, chunk in enumerate(chunks, 1):
                root = {
                    "last": self.sequence, "reports": len(self.instruments), "security": instrument.security,
                    "chunks": len(chunks), "chunk": number,
                }  # fmt: skip
                message = encode(53, root, chunk, version=13)
                found.append(packet(len(found) + 1, message, sending_ns=self.clock_ns + len(found)))
        return found

    def definitions(self) -> list[bytes]:
        """Template 54 for each instrument: its depth, group and asset."""
        found = []
        for number, instrument in enumerate(self.instruments, 1):
            root = {
                "action": b"A", "security": instrument.security, "group": b"ES", "asset": b"ES",
                "symbol": b"ES%d" % number, "status": 255,
            }  # fmt: skip
            feeds = [{"feed": b"GBX", "depth": instrument.depth}, {"feed": b"GBI", "depth": IMPLIED_DEPTH}]
            found.append(packet(number, encode(54, root, [], feeds), sending_ns=self.clock_ns))
        return found
