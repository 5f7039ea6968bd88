"""The model's packets on two lines that each lose what the other brings: one feed, one whole book."""

import random

import pytest
from engine_book import EngineBook
from engine_feed import EngineFeed, datagram
from itch_reference import messages_of

from traffic.config import ModelSource, PackingConfig
from traffic.market.order_flow import order_flow_stream

MESSAGES, SYMBOLS = 40_000, 50


@pytest.mark.parametrize(("loss", "late_packets_max"), [(0.0, 0), (0.2, 0), (0.5, 5), (0.5, 40)])
def test_book_behind_two_lossy_lines_is_the_book_of_the_whole_stream(
    loss: float, late_packets_max: int
) -> None:
    source = ModelSource(kind="model", symbols=SYMBOLS, messages=MESSAGES)
    stream = order_flow_stream(
        source, seed=5, session=b"SESSION001", packing=PackingConfig(messages_max=8), bursts=None
    )
    messages = list(messages_of(stream.arena.tobytes()))
    chance = random.Random(5)
    arrivals: list[tuple[float, int, bytes]] = []
    for index, packet in enumerate(stream.packets):
        first, count = int(packet["first_sequence"]), int(packet["count"])
        data = datagram(first, messages[first - 1 : first - 1 + count])
        lost_on = chance.randrange(2) if chance.random() < loss else None
        arrivals += [
            (index + chance.uniform(0, late_packets_max), line, data) for line in (0, 1) if line != lost_on
        ]
    feed = EngineFeed(hold_back_ns=10**9)
    for now_ns, (_, line, data) in enumerate(sorted(arrivals)):
        feed.accept(line, data, now_ns)
    assert [message.data for message in feed.delivered] == messages
    assert (feed.state, feed.statistics.gaps) == ("LIVE", 0)
    assert sum(line.win_messages for line in feed.statistics.lines) == MESSAGES

    behind, whole = EngineBook(), EngineBook()
    for message in feed.delivered:
        behind.apply(message.data)
    whole.apply_framed(stream.arena)
    assert behind.rows().tolist() == whole.rows().tolist()
    assert behind.book.complete
