"""The channel's rules one by one: ends of events, status, gate, bounds, what does not fit a book."""

from typing import Any

import pytest
from engine_mdp3 import KINDS
from mdp3_layouts import INT_NULL, encode, packet

from engine.mdp3 import Mdp3Channel, Mdp3Options

END, RECOVERY = 0x80, 0x20
FREE = Mdp3Options(status_required=False)
BOTH = Mdp3Options(status_required=False, order_capacity=64)


class Feed:
    """A channel and the next number to send."""

    def __init__(self, options: Mdp3Options = FREE, first: int = 1) -> None:
        self.channel = Mdp3Channel(options)
        self.sequence = first - 1
        self.now_ns = 0

    def send(self, *messages: bytes) -> Any:
        self.sequence += 1
        self.now_ns += 1000
        return self.channel.step(0, packet(self.sequence, *messages), self.now_ns)

    def lose(self) -> None:
        """A packet goes by on both lines."""
        self.sequence += 1
        self.now_ns += 10**7

    def snapshot(self, *messages: bytes, source: int = 2, number: int = 1) -> Any:
        self.now_ns += 1000
        data = packet(number, *messages, sending_ns=10**18 * 2 + self.now_ns)
        return self.channel.step(source, data, self.now_ns)


def level(
    report: int, place: int = 1, price: int = 100, *, action: int = 0, size: int = 5, kind: bytes = b"0"
) -> dict[str, Any]:
    return {
        "security": 7, "report": report, "level": place, "price": price, "size": size, "orders": 1,
        "action": action, "type": kind,
    }  # fmt: skip


def book(*entries: dict[str, Any], indicator: int = END, orders: list[dict[str, Any]] | None = None) -> bytes:
    return encode(46, {"indicator": indicator, "time": 5}, list(entries), orders or [])


def kinds(events: Any) -> list[str]:
    return [KINDS[kind] for kind in events["kind"].tolist()]


def test_half_an_event_is_neither_applied_nor_published() -> None:
    feed = Feed()
    assert len(feed.send(book(level(1), indicator=0x04))) == 0
    assert feed.channel.book(7)["bid"] == []
    events = feed.send(book(level(2, 2, 90)), book(level(3, 3, 80), indicator=0))
    assert kinds(events) == ["LEVEL", "LEVEL"]
    assert events["indicator"].tolist() == [0x04, END]
    assert [values[0] for values in feed.channel.book(7)["bid"]] == [100, 90]
    assert events["sequence"].tolist() == [1, 2]


def test_an_empty_message_ends_the_event() -> None:
    feed = Feed()
    feed.send(book(level(1), level(2, 2, 90), indicator=0))
    events = feed.send(book())
    assert events["indicator"].tolist() == [0, END]
    assert len(feed.channel.book(7)["bid"]) == 2


def test_a_quote_request_may_end_an_event_and_a_heartbeat_may_not() -> None:
    feed = Feed()
    feed.send(book(level(1), indicator=0))
    assert len(feed.send(encode(12))) == 0
    assert len(feed.send(encode(39, {"indicator": END}))) == 1


def test_what_had_begun_when_a_packet_was_lost_is_applied_as_far_as_it_came() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.send(book(level(2, 2, 90), indicator=0))
    feed.lose()
    feed.send(encode(12))
    events = feed.channel.timer(feed.now_ns + 10**7)
    assert kinds(events) == ["LEVEL"]
    assert events["indicator"].tolist() == [0]
    assert len(feed.channel.book(7)["bid"]) == 2
    assert feed.channel.instrument_state(7) == "RECOVERING"
    assert feed.channel.counters()["events_cut"] == 1


def test_an_event_longer_than_the_capacity_is_not_tradable_until_it_is_over() -> None:
    feed = Feed(Mdp3Options(status_required=False, event_capacity=64))
    report = 0
    for _ in range(5):
        entries = [
            level(report + place, 1, 100, action=0 if report + place == 1 else 1) for place in range(1, 21)
        ]
        report += 20
        feed.send(book(*entries, indicator=0))
    assert feed.channel.counters()["events_split"] == 1
    assert feed.channel.instrument_state(7) == "LIVE"
    assert not feed.channel.tradable(7)
    feed.send(book())
    assert feed.channel.tradable(7)


def test_report_gap_makes_the_book_wrong_and_continuity_does_not_make_it_right() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    assert feed.channel.instrument_state(7) == "LIVE"
    feed.send(book(level(3, 1, 100, action=1)))
    assert feed.channel.instrument_state(7) == "RESYNC"
    assert feed.channel.state == "RECOVERING"
    feed.send(book(level(4, 1, 100, action=1)))
    assert feed.channel.instrument_state(7) == "RESYNC"
    assert feed.channel.book(7)["bid"] == [(100, 5, 1)] + [None] * 9
    assert feed.channel.counters()["report_gaps"] == 1


def test_report_going_back_makes_the_book_wrong() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.send(book(level(1, 1, 100, action=1)))
    assert feed.channel.instrument_state(7) == "RESYNC"
    assert feed.channel.counters()["report_backs"] == 1


@pytest.mark.parametrize(
    "entry",
    [
        level(2, 1, 99, action=1),
        level(2, 2, action=2),
        level(2, 3),
        level(2, 11),
        level(2, 0),
        level(2, action=9),
    ]
    + [level(2, 2, 2**63 - 1), level(2, 2, 90, size=INT_NULL), level(2, 3, kind=b"E")],
)
def test_what_does_not_fit_the_book_makes_it_wrong(entry: dict[str, Any]) -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.send(book(entry))
    assert feed.channel.instrument_state(7) == "RESYNC"
    assert feed.channel.counters()["contradictions"] == 1


def test_trades_volumes_and_statistics_count_for_the_reports_of_the_book() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    one = [{"security": 7}]
    for report, template in enumerate((48, 37, 51, 49, 50, 65, 66, 67), 2):
        feed.send(encode(template, {"indicator": END}, [one[0] | {"report": report}]))
    feed.send(book(level(10, 1, 100, action=2)))
    assert feed.channel.instrument_state(7) == "LIVE"
    assert feed.channel.counters()["report_gaps"] == 0


def test_a_book_reset_entry_empties_the_book_and_makes_it_right() -> None:
    feed = Feed(first=50)
    feed.send(book(level(9)))
    assert feed.channel.instrument_state(7) == "SYNC"
    events = feed.send(book({"security": 7, "report": 10, "type": b"J"}))
    assert kinds(events) == ["BOOK_RESET"]
    assert feed.channel.instrument_state(7) == "LIVE"
    assert feed.channel.book(7) == {"bid": [], "ask": [], "implied_bid": [], "implied_ask": []}


def test_books_sent_again_without_a_reset_mean_that_it_was_lost() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.lose()
    feed.send(book(level(2, 2, 90), indicator=END | RECOVERY))
    feed.channel.timer(feed.now_ns + 10**7)
    assert feed.channel.counters()["resets_missed"] == 1
    assert feed.channel.instrument_state(7) == "RESYNC"
    feed.send(book(level(3, 3, 80)))
    assert feed.channel.instrument_state(7) == "RESYNC"


def status(code: int, *, security: int = 2**31 - 1, group: bytes = b"ES", asset: bytes = b"") -> bytes:
    fields = {
        "security": security,
        "group": group,
        "asset": asset,
        "status": code,
        "reason": 2,
        "indicator": 0,
    }
    return encode(30, fields)


def definition(
    security: int, group: bytes = b"ES", asset: bytes = b"ES", *, depth: int = 10, action: bytes = b"A"
) -> bytes:
    feeds = [{"feed": b"GBX", "depth": depth}, {"feed": b"GBI", "depth": 2}]
    fields = {
        "security": security,
        "group": group,
        "asset": asset,
        "status": 255,
        "action": action,
        "symbol": b"ESZ6",
    }
    return encode(54, fields, [], feeds)


def test_the_gate_opens_only_when_the_venue_says_ready_to_trade() -> None:
    feed = Feed(Mdp3Options())
    feed.send(definition(7))
    feed.send(book(level(1)))
    assert feed.channel.instrument_state(7) == "LIVE"
    assert not feed.channel.tradable(7)
    feed.send(status(17))
    assert feed.channel.tradable(7)
    feed.send(status(103))  # no change
    assert feed.channel.tradable(7)
    feed.send(status(2))  # a halt does not wait for the end of an event
    assert not feed.channel.tradable(7)
    assert feed.channel.instrument(7)["halt_reason"] == 2


def test_status_is_for_one_instrument_one_asset_or_a_whole_group() -> None:
    feed = Feed(Mdp3Options())
    feed.send(
        definition(1), definition(2, b"ES    ", b"NQ"), definition(3, b"GE", b"GE"), book(indicator=END)
    )
    codes = lambda: [feed.channel.instrument(security)["status"] for security in (1, 2, 3)]  # noqa: E731
    feed.send(status(17))
    assert codes() == [17, 17, 255]
    feed.send(status(2, asset=b"NQ"))
    assert codes() == [17, 2, 255]
    feed.send(status(21, security=3))
    assert codes() == [17, 2, 21]


def test_an_instrument_without_a_definition_may_be_of_the_halted_group() -> None:
    feed = Feed(Mdp3Options())
    feed.send(book(level(1)), status(17, security=7))
    assert feed.channel.tradable(7)
    feed.send(status(2, group=b"ZZ"))
    assert feed.channel.instrument(7)["status"] == 20
    assert not feed.channel.tradable(7)


def test_definitions_tell_the_depth_and_deletion() -> None:
    feed = Feed(FREE)
    feed.channel.step(6, packet(1, definition(7, depth=2)), 1)
    feed.send(book(level(1, 1, 30), level(2, 2, 20), level(3, 2, 25)))
    assert [values[0] for values in feed.channel.book(7)["bid"]] == [30, 25]
    feed.send(definition(7, action=b"D"))
    assert feed.channel.instrument(7)["status"] == 18


def test_a_security_that_was_never_named_is_not_tradable() -> None:
    channel = Mdp3Channel(FREE)
    assert not channel.tradable(7)
    with pytest.raises(KeyError):
        channel.book(7)


def test_instruments_beyond_the_table_are_published_without_a_symbol_and_counted() -> None:
    feed = Feed(Mdp3Options(status_required=False, instrument_count=1))
    events = feed.send(book(level(1), level(1) | {"security": 8}))
    assert events["symbol"].tolist() == [1, 0]
    assert feed.channel.counters()["instruments_lost"] == 1
    assert not feed.channel.tradable(8)


def order(identity: int, *, reference: int = 1, action: int = 0, size: int = 5) -> dict[str, Any]:
    return {"order": identity, "priority": identity, "size": size, "reference": reference, "action": action}


def test_orders_take_price_and_side_from_the_entry_they_refer_to() -> None:
    feed = Feed(BOTH)
    feed.send(
        book(level(1), level(2, kind=b"1", price=110), orders=[order(1), order(2, reference=2), order(3)])
    )
    orders = feed.channel.orders(7)
    assert orders["bid"].tolist() == [(1, 1, 100, 5), (3, 3, 100, 5)]
    assert orders["ask"].tolist() == [(2, 2, 110, 5)]
    assert feed.channel.orders_state(7) == "LIVE"


@pytest.mark.parametrize("reference", [0, 2, 255])
def test_an_order_that_refers_to_nothing_makes_every_book_by_order_wrong(reference: int) -> None:
    feed = Feed(BOTH)
    feed.send(book(level(1), orders=[order(1)]))
    assert feed.channel.tradable(7)
    feed.send(book(level(2, action=1), orders=[order(2, reference=reference)]))
    assert feed.channel.orders_state(7) == "RESYNC"
    assert feed.channel.instrument_state(7) == "LIVE"
    assert not feed.channel.tradable(7)
    assert feed.channel.counters()["order_contradictions"] == 1


def test_an_order_that_does_not_fit_makes_one_book_by_order_wrong() -> None:
    feed = Feed(BOTH)
    feed.send(book(level(1), level(1) | {"security": 8}, orders=[order(1), order(2, reference=2)]))
    feed.send(book(level(2, action=1), orders=[order(9, action=2)]))
    assert (feed.channel.orders_state(7), feed.channel.orders_state(8)) == ("RESYNC", "LIVE")


def chunk(last: int, number: int, count: int, *identities: int, security: int = 7, reports: int = 1) -> bytes:
    fields = {"last": last, "reports": reports, "security": security, "chunk": number, "chunks": count}
    rows = [{"order": i, "priority": i, "price": 100 - i, "size": 1, "type": b"0"} for i in identities]
    return encode(53, fields, rows)


def test_chunks_join_in_any_order_once_all_of_one_number_are_there() -> None:
    feed = Feed(BOTH, first=10)
    feed.send(book(level(4)))
    feed.snapshot(chunk(10, 2, 3, 2), source=4, number=2)
    feed.snapshot(chunk(10, 2, 3, 2), source=5, number=2)  # the other line's copy
    feed.snapshot(chunk(10, 3, 3, 3), source=4, number=3)
    assert feed.channel.orders_state(7) == "SYNC"
    events = feed.snapshot(chunk(10, 1, 3, 1), source=5, number=1)
    assert feed.channel.orders_state(7) == "LIVE"
    assert kinds(events) == ["SNAPSHOT"]
    assert feed.channel.orders(7)["bid"]["identity"].tolist() == [1, 2, 3]


def test_chunks_of_another_number_begin_anew() -> None:
    feed = Feed(BOTH, first=10)
    feed.send(book(level(4)))
    feed.snapshot(chunk(10, 1, 2, 1), source=4, number=1)
    feed.send(encode(12))
    feed.snapshot(chunk(11, 2, 2, 2), source=4, number=2)
    assert feed.channel.orders_state(7) == "SYNC"
    feed.snapshot(chunk(11, 1, 2, 8), source=4, number=1)
    assert feed.channel.orders(7)["bid"]["identity"].tolist() == [2, 8]
    assert feed.channel.orders_state(7) == "LIVE"


@pytest.mark.parametrize(("number", "count"), [(0, 1), (2, 1), (1, 0), (1, 1025), (1025, 1025)])
def test_chunks_that_make_no_sense_are_refused(number: int, count: int) -> None:
    feed = Feed(BOTH, first=10)
    feed.send(book(level(4)))
    feed.snapshot(chunk(10, number, count, 1), source=4)
    assert feed.channel.counters()["snapshots_failed"] == 1
    assert feed.channel.orders_state(7) == "SYNC"


def snapshot(
    last: int, report: int, *entries: dict[str, Any], reports: int = 1, security: int = 7, code: int = 17
) -> bytes:
    fields = {"last": last, "reports": reports, "security": security, "report": report, "status": code}
    return encode(52, fields, list(entries))


def test_a_snapshot_with_a_level_left_out_is_refused() -> None:
    feed = Feed(first=10)
    feed.send(book(level(4)))
    feed.snapshot(snapshot(10, 4, level(0, 1), level(0, 3, 80)))
    assert feed.channel.counters()["snapshots_failed"] == 1
    assert feed.channel.instrument_state(7) == "SYNC"
    feed.snapshot(snapshot(10, 4, level(0, 2, 90), level(0, 1)))  # in any order
    assert feed.channel.instrument_state(7) == "LIVE"
    assert feed.channel.tradable(7)
    assert [values[0] for values in feed.channel.book(7)["bid"]] == [100, 90]


def test_a_live_book_that_is_not_the_snapshots_at_the_same_packet_is_replaced() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    events = feed.snapshot(snapshot(1, 1, level(0, 1, 101)))
    assert kinds(events) == ["SNAPSHOT"]
    assert [values[0] for values in feed.channel.book(7)["bid"]] == [101]
    assert feed.channel.counters()["contradictions"] == 1
    assert len(feed.snapshot(snapshot(1, 1, level(0, 1, 101)))) == 0  # now it is


def test_a_snapshot_of_fewer_reports_than_a_live_book_has_leaves_neither_believed() -> None:
    feed = Feed()
    feed.send(book(level(1)), book(level(2, 2, 90)))
    feed.snapshot(snapshot(1, 1, level(0, 1)))
    assert feed.channel.instrument_state(7) == "RESYNC"
    feed.snapshot(snapshot(1, 2, level(0, 1), level(0, 2, 90)))
    assert feed.channel.instrument_state(7) == "LIVE"


def test_entries_that_a_snapshot_had_are_not_applied_twice() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.send(book(level(2, 2, 90), indicator=0))  # pending when the snapshot comes
    feed.channel.step(0, packet(9, encode(12)), feed.now_ns)
    feed.channel.timer(feed.now_ns + 10**7)
    feed.sequence = 9
    feed.snapshot(snapshot(9, 7, level(0, 1, 55)))
    assert feed.channel.instrument_state(7) == "LIVE"
    feed.send(book(level(8, 1, 55, action=1, size=9)))
    assert feed.channel.book(7)["bid"] == [(55, 9, 1)]


def test_a_loop_names_every_active_instrument_so_that_others_are_empty() -> None:
    feed = Feed(first=10)
    feed.send(definition(7), definition(8), book())
    feed.snapshot(snapshot(10, 4, level(0, 1), reports=1))
    assert feed.channel.instrument_state(8) == "LIVE"
    assert feed.channel.book(8)["bid"] == []
    assert feed.channel.state == "LIVE"


def test_join_memory_that_is_full_costs_a_later_snapshot_only() -> None:
    feed = Feed(Mdp3Options(status_required=False, join_capacity=3), first=10)
    feed.send(book(level(50)))
    stale = snapshot(10, 50, level(0, 1))
    for report in range(51, 57):
        feed.send(book(level(report, 1, 100, action=1, size=report)))
    feed.snapshot(stale)
    assert feed.channel.instrument_state(7) == "SYNC"
    assert feed.channel.counters()["join_overflows"] > 0
    feed.snapshot(snapshot(feed.sequence, 56, level(0, 1, 100, size=56)))
    assert feed.channel.instrument_state(7) == "LIVE"


def test_templates_on_the_wrong_feed_are_counted_and_not_used() -> None:
    feed = Feed(first=10)
    feed.send(snapshot(10, 4, level(0, 1)), book())
    feed.snapshot(book(level(1)))
    assert feed.channel.counters()["unexpected"] == 2
    assert feed.channel.securities == []


def test_damaged_snapshots_are_counted() -> None:
    feed = Feed(first=10)
    feed.send(book(level(4)))
    data = packet(1, snapshot(10, 4, level(0, 1)))
    feed.channel.step(2, data[:-1], feed.now_ns)
    assert feed.channel.outcome == "malformed"
    assert feed.channel.counters()["snapshot_malformed"] == 1


def test_transitions_tell_why() -> None:
    feed = Feed()
    feed.send(book(level(1)))
    feed.lose()
    feed.send(encode(12))
    feed.channel.timer(feed.now_ns + 10**7)
    feed.snapshot(snapshot(3, 1, level(0, 1)))
    found = [(row["before"], row["after"], row["cause"]) for row in feed.channel.transitions()]
    assert found == [
        ("STARTUP", "LIVE", "new_instrument"),
        ("LIVE", "RECOVERING", "packets_lost"),
        ("RECOVERING", "LIVE", "snapshot"),
    ]
