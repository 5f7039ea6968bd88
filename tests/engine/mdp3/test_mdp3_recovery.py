"""Whole channels with losses of every kind: whatever is LIVE is right, and what is sound again becomes LIVE."""

from random import Random
from typing import Any

import pytest
from venue import Truth, Venue

from engine.mdp3 import Mdp3Channel, Mdp3Options

MS = 10**6
ORDERS = Mdp3Options(order_capacity=4096, status_required=False, hold_back_ns=MS)
PRICES = Mdp3Options(status_required=False, hold_back_ns=MS)


class Receiver:
    """A channel whose LIVE books are compared with the truth after each step."""

    def __init__(self, venue: Venue, options: Mdp3Options = ORDERS) -> None:
        self.venue, self.options = venue, options
        self.channel = Mdp3Channel(options)
        self.now_ns = 0
        self.live_seen = 0
        for data in venue.definitions():
            self.give(6, data)

    def give(self, source: int, data: bytes) -> None:
        self.now_ns += 1000
        self.channel.step(source, data, self.now_ns)
        self.check()

    def wait(self, duration_ns: int = 2 * MS) -> None:
        self.now_ns += duration_ns
        self.channel.timer(self.now_ns)
        self.check()

    def recover(self) -> None:
        """One loop of each recovery feed."""
        self.give_all(2, self.venue.snapshots())
        if self.options.order_capacity:
            self.give_all(4, self.venue.order_snapshots())

    def give_all(self, source: int, packets: list[bytes]) -> None:
        for data in packets:
            self.give(source, data)

    def check(self) -> None:
        base = self.venue.base
        truths = self.venue.truths.get(base + self.channel.next_sequence - 1)
        for security in self.channel.securities if truths else ():
            truth = truths[security]
            if self.channel.instrument_state(security) == "LIVE":
                assert self.book(security) == truth.levels
                assert self.channel.instrument(security)["expected_report"] == truth.report + 1
                self.live_seen += 1
            else:
                assert not self.channel.tradable(security)
            if self.options.order_capacity and self.channel.orders_state(security) == "LIVE":
                assert self.orders(security) == truth.orders

    def book(self, security: int) -> dict[str, list[Any]]:
        return self.channel.book(security)

    def orders(self, security: int) -> dict[str, list[Any]]:
        return {
            side: [tuple(row) for row in rows.tolist()]
            for side, rows in self.channel.orders(security).items()
        }

    def all_live(self) -> bool:
        states = {self.channel.instrument_state(security) for security in self.channel.securities}
        if self.options.order_capacity:
            states |= {self.channel.orders_state(security) for security in self.channel.securities}
        return states == {"LIVE"} and self.channel.state == "LIVE"


def run(venue: Venue, events: int) -> list[bytes]:
    """Packets of that many more events; nothing is left open."""
    first = len(venue.packets)
    for _ in range(events):
        venue.event()
    venue.flush(over=True)
    return venue.packets[first:]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("long_quantities", [False, True])
def test_a_channel_heard_from_its_first_packet_is_live_without_any_snapshot(
    seed: int, long_quantities: bool
) -> None:
    venue = Venue(seed, long_quantities=long_quantities)
    receiver = Receiver(venue)
    for data in run(venue, 120):
        receiver.give(seed % 2, data)
    assert receiver.all_live()
    assert receiver.live_seen > 100
    assert receiver.channel.counters()["contradictions"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_late_start_is_live_after_one_loop_of_snapshots(seed: int) -> None:
    venue = Venue(seed)
    run(venue, 80)
    receiver = Receiver(venue)
    for data in run(venue, 10):
        receiver.give(0, data)
    assert not receiver.all_live()
    assert receiver.channel.state == "SYNC"
    receiver.recover()
    assert receiver.all_live()
    for data in run(venue, 40):
        receiver.give(0, data)
    assert receiver.all_live()


@pytest.mark.parametrize("seed", range(6))
def test_snapshots_before_the_first_packet_join_too(seed: int) -> None:
    venue = Venue(seed)
    run(venue, 80)
    receiver = Receiver(venue)
    receiver.recover()
    assert receiver.all_live()
    for data in run(venue, 40):
        receiver.give(1, data)
    assert receiver.all_live()


@pytest.mark.parametrize("seed", range(8))
def test_snapshots_older_than_the_stream_join_with_what_was_kept(seed: int) -> None:
    """The loop is made first, and comes when the lines are ahead of it."""
    venue = Venue(seed)
    run(venue, 60)
    receiver = Receiver(venue)
    for data in run(venue, 5):
        receiver.give(0, data)
    loops = venue.snapshots(), venue.order_snapshots()
    late = run(venue, 25)
    for index, data in enumerate(late):
        receiver.give(0, data)
        for loop, source in zip(loops, (2, 4), strict=True):
            if index < len(loop):
                receiver.give(source, loop[index])
    for loop, source in zip(loops, (2, 4), strict=True):
        receiver.give_all(source, loop[len(late) :])
    assert receiver.all_live()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("options", [ORDERS, PRICES], ids=["orders", "prices"])
def test_whatever_is_lost_doubled_or_late_what_is_live_is_right(seed: int, options: Mdp3Options) -> None:
    random = Random(seed)
    venue = Venue(seed, by_order=bool(options.order_capacity))
    receiver = Receiver(venue, options)
    loss, swap = random.choice([0.01, 0.1, 0.3]), random.choice([0.0, 0.1])
    for _ in range(12):
        if random.random() < 0.15:
            venue.channel_reset()
        packets = run(venue, random.randint(1, 12))
        lines = [
            [(index, line, data) for index, data in enumerate(packets) if random.random() > loss]
            for line in (0, 1)
        ]
        merged = sorted(
            (index + (random.random() * 4 if random.random() < swap else 0.3 * random.random()), line, data)
            for rows in lines
            for index, line, data in rows
        )
        for _, line, data in merged:
            receiver.give(line, data)
            if random.random() < 0.05:
                receiver.wait(random.choice([1, MS, 5 * MS]))
        if random.random() < 0.5:
            snapshots = [(2 + random.randrange(2), data) for data in venue.snapshots()]
            if options.order_capacity:
                snapshots += [(4 + random.randrange(2), data) for data in venue.order_snapshots()]
            if random.random() < 0.5:
                snapshots = [one for one in snapshots if random.random() > loss]
            if random.random() < 0.3:
                random.shuffle(snapshots)
            for source, data in snapshots:
                receiver.give(source, data)
    receiver.wait()
    venue.heartbeat()
    receiver.give(0, venue.packets[-1])  # whatever was lost at the end is known to be lost now
    receiver.wait()
    run_clean(venue, receiver)


def run_clean(venue: Venue, receiver: Receiver) -> None:
    """With nothing lost any more, one loop makes everything LIVE; a reset may still be on its way."""
    for data in run(venue, 5):
        receiver.give(0, data)
    receiver.recover()
    assert receiver.all_live(), receiver.channel.transitions()[-3:]
    for data in run(venue, 20):
        receiver.give(1, data)
    assert receiver.all_live()


def live_pair(
    seed: int, options: Mdp3Options = ORDERS, *, book_resets: bool = True
) -> tuple[Venue, Receiver]:
    venue = Venue(seed, by_order=bool(options.order_capacity), book_resets=book_resets)
    receiver = Receiver(venue, options)
    for data in run(venue, 60):
        receiver.give(0, data)
    assert receiver.all_live()
    return venue, receiver


@pytest.mark.parametrize("seed", range(4))
def test_after_a_gap_reports_prove_books_by_price_but_never_books_by_order(seed: int) -> None:
    venue, receiver = live_pair(seed, book_resets=False)
    venue.heartbeat()  # lost, and harmless: no entry was in it
    for data in run(venue, 60):
        receiver.give(0, data)
    receiver.wait()
    channel = receiver.channel
    assert channel.counters()["gaps"] == 1
    assert {channel.instrument_state(security) for security in channel.securities} == {"LIVE"}
    assert {channel.orders_state(security) for security in channel.securities} == {"RESYNC"}
    assert channel.counters()["proven"] == len(venue.instruments)
    assert channel.state == "RECOVERING"
    receiver.give_all(4, venue.order_snapshots())
    assert receiver.all_live()


def test_a_quiet_instrument_is_proven_by_a_snapshot_of_the_same_report() -> None:
    venue, receiver = live_pair(3, PRICES)
    venue.heartbeat()
    venue.heartbeat()
    receiver.give(0, venue.packets[-1])
    receiver.wait()
    channel = receiver.channel
    assert {channel.instrument_state(security) for security in channel.securities} == {"RECOVERING"}
    receiver.give_all(2, venue.snapshots())
    assert receiver.all_live()
    assert channel.counters()["snapshots_confirmed"] == 3
    assert channel.counters()["snapshots_joined"] == 0


def test_a_snapshot_from_before_the_gap_proves_nothing() -> None:
    venue, receiver = live_pair(4)
    old, old_orders = venue.snapshots(), venue.order_snapshots()
    venue.heartbeat()
    venue.heartbeat()
    receiver.give(0, venue.packets[-1])
    receiver.wait()
    receiver.give_all(2, old)
    receiver.give_all(4, old_orders)
    channel = receiver.channel
    assert {channel.instrument_state(security) for security in channel.securities} == {"RECOVERING"}
    assert {channel.orders_state(security) for security in channel.securities} == {"RESYNC"}
    assert channel.counters()["snapshots_old"] == len(old_orders)


def test_a_loss_at_the_end_of_the_stream_is_told_by_the_next_loop() -> None:
    """Both lines lost the last packet, and the market is quiet since."""
    venue, receiver = live_pair(5)
    run(venue, 3)
    receiver.recover()
    assert receiver.channel.counters()["snapshots_ahead"] > 0
    receiver.wait()
    assert receiver.channel.counters()["gaps"] == 1
    assert not any(receiver.channel.tradable(security) for security in receiver.channel.securities)
    receiver.recover()
    assert receiver.all_live()


def test_without_a_recovery_feed_a_gap_stays_a_gap() -> None:
    options = Mdp3Options(status_required=False, snapshots=False)
    venue, receiver = live_pair(6, options)
    lost = run(venue, 10)
    for data in run(venue, 3):
        receiver.give(0, data)
    receiver.wait()
    assert lost
    states = {receiver.channel.instrument_state(security) for security in receiver.channel.securities}
    assert "GAP" in states
    assert receiver.channel.state == "GAP"
    assert states <= {"GAP", "LIVE"}


@pytest.mark.parametrize("seed", range(8))
def test_natural_refresh_makes_a_fully_rebuilt_book_live_again(seed: int) -> None:
    options = Mdp3Options(status_required=False, snapshots=False, natural_refresh=True)
    venue, receiver = live_pair(seed, options)
    run(venue, 10)  # lost
    for data in run(venue, 600):
        receiver.give(0, data)
        receiver.wait()
    assert receiver.channel.counters()["gaps"] == 1
    assert receiver.channel.counters()["natural_refreshes"] > 0
    first = venue.instruments[0].security  # one level a side is soon told
    assert receiver.channel.instrument_state(first) == "LIVE"


@pytest.mark.parametrize("seed", range(6))
def test_a_channel_reset_empties_every_book_and_is_over_when_the_resend_is(seed: int) -> None:
    venue, receiver = live_pair(seed)
    before = len(venue.packets)
    venue.channel_reset()
    old = venue.snapshots()
    for data in venue.packets[before:]:
        receiver.give(0, data)
        assert not any(receiver.channel.tradable(security) for security in receiver.channel.securities)
        assert {receiver.channel.instrument_state(s) for s in receiver.channel.securities} == {"RESYNC"}
    assert receiver.channel.state == "RESYNC"
    for data in run(venue, 3):
        receiver.give(0, data)
    assert receiver.all_live()
    assert receiver.channel.counters()["channel_resets"] == 1
    receiver.give_all(2, old)
    assert receiver.all_live()


def test_a_snapshot_from_before_a_channel_reset_is_of_no_use() -> None:
    venue, receiver = live_pair(2)
    stale = venue.snapshots(), venue.order_snapshots()
    before = len(venue.packets)
    venue.channel_reset()
    for data in venue.packets[before:]:
        receiver.give(0, data)
    for data in run(venue, 4)[1:]:
        receiver.give(0, data)
    receiver.wait()
    receiver.give_all(2, stale[0])
    receiver.give_all(4, stale[1])
    assert receiver.channel.counters()["snapshots_old"] == len(stale[0]) + len(stale[1])
    receiver.recover()
    assert receiver.all_live()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("lines", [(0, 1), (0,)])
def test_a_new_week_begins_at_one_with_empty_books(seed: int, lines: tuple[int, ...]) -> None:
    venue, receiver = live_pair(seed)
    stale = venue.snapshots()
    venue.new_week()
    for data in run(venue, 30):
        for line in lines:
            receiver.give(line, data)
    assert receiver.channel.counters()["sessions_rolled"] == 1
    assert receiver.channel.counters()["gaps"] == 0
    assert receiver.all_live()
    receiver.give_all(2, stale)  # of last week: ahead of this one, or proves nothing
    assert receiver.all_live()


def test_a_new_week_whose_first_packets_are_lost_waits_for_a_snapshot() -> None:
    venue, receiver = live_pair(1)
    venue.new_week()
    for data in run(venue, 20)[8:]:
        receiver.give(0, data)
    receiver.wait()
    assert receiver.channel.counters()["sessions_rolled"] == 1
    assert receiver.channel.counters()["gap_packets"] == 8
    assert not receiver.all_live()
    receiver.recover()
    assert receiver.all_live()


def test_truth_of_the_venue_is_that_of_its_own_packets() -> None:
    """The venue's two accounts of one instrument agree: what it tells and what it says is true."""
    venue = Venue(9)
    run(venue, 50)
    truth: Truth = venue.truths[venue.sequence][1002]
    assert truth == venue.instruments[2].truth()
    assert sum(level[1] for level in truth.levels["bid"]) <= sum(row[3] for row in truth.orders["bid"])
