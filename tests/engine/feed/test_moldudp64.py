"""MoldUDP64 datagrams: every whole one parses to what was put in, every broken one has its own name."""

import pytest
from engine_feed import END, EngineFeed, block, datagram, parse
from hypothesis import given
from hypothesis import strategies as st

HEADER = 20
MALFORMATIONS = {
    "short_header", "block_missing", "length_cut", "data_cut", "trailing_bytes", "sequence_overflow",
}  # fmt: skip

payloads = st.lists(st.binary(max_size=60), min_size=1, max_size=12)
sequences = st.integers(0, 2**64 - 1 - 12)
sessions = st.binary(min_size=10, max_size=10)


@given(session=sessions, sequence=sequences, messages=payloads)
def test_whole_datagram_parses_to_its_fields(session: bytes, sequence: int, messages: list[bytes]) -> None:
    data = datagram(sequence, messages, session=session)
    outcome, packet = parse(data)
    assert outcome == "valid"
    assert (packet.sequence, packet.next_sequence) == (sequence, sequence + len(messages))
    assert (packet.count, packet.wire_count, packet.length) == (len(messages), len(messages), len(data))


@pytest.mark.parametrize("count", [0, END])
@given(sequence=st.integers(0, 2**64 - 1))
def test_heartbeat_and_end_of_session_carry_the_next_number_and_no_message(count: int, sequence: int) -> None:
    outcome, packet = parse(datagram(sequence, count=count))
    assert outcome == "valid"
    assert (packet.sequence, packet.next_sequence, packet.count) == (sequence, sequence, 0)
    assert packet.wire_count == count


@given(messages=payloads, data=st.data())
def test_datagram_cut_anywhere_is_named_by_where_it_ends(messages: list[bytes], data: st.DataObject) -> None:
    whole = datagram(1, messages)
    cut = data.draw(st.integers(0, len(whole) - 1))
    ends = [HEADER]
    for message in messages:
        ends.append(ends[-1] + 2 + len(message))
    behind = max((end for end in ends if end <= cut), default=0)
    if cut < HEADER:
        expected = "short_header"
    elif cut == behind:
        expected = "block_missing"
    else:
        expected = "length_cut" if cut == behind + 1 else "data_cut"
    assert parse(whole[:cut])[0] == expected


@given(messages=st.lists(st.binary(max_size=60), max_size=12), extra=st.binary(min_size=1, max_size=40))
def test_bytes_behind_the_last_block_are_malformed(messages: list[bytes], extra: bytes) -> None:
    assert parse(datagram(1, messages) + extra)[0] == "trailing_bytes"


@given(messages=payloads, data=st.data())
def test_count_other_than_the_blocks_is_malformed(messages: list[bytes], data: st.DataObject) -> None:
    wrong = st.integers(0, 0xFFFF).filter(lambda count: count != len(messages))
    count = data.draw(wrong)
    more = count > len(messages) and count != END
    assert parse(datagram(1, messages, count=count))[0] == ("block_missing" if more else "trailing_bytes")


@given(messages=payloads, data=st.data())
def test_last_number_must_fit_in_64_bits(messages: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(2**64 - len(messages), 2**64 - 1))
    assert parse(datagram(first, messages))[0] == "sequence_overflow"
    outcome, packet = parse(datagram(2**64 - 1 - len(messages), messages))
    assert (outcome, packet.next_sequence) == ("valid", 2**64 - 1)


@given(data=st.binary(max_size=120))
def test_any_bytes_parse_or_are_named(data: bytes) -> None:
    outcome, packet = parse(data)
    assert outcome == "valid" or outcome in MALFORMATIONS
    if outcome == "valid":
        assert packet.next_sequence - packet.sequence == packet.count


@given(
    broken=st.one_of(
        st.binary(max_size=19),
        st.lists(st.binary(max_size=9), min_size=2, max_size=4).map(lambda blocks: datagram(1, blocks)[:-1]),
        st.binary(min_size=1, max_size=9).map(lambda extra: datagram(1, [b"A"]) + extra),
    ),
    line=st.integers(0, 1),
)
def test_malformed_datagram_is_counted_and_used_in_no_part(broken: bytes, line: int) -> None:
    feed = EngineFeed()
    assert feed.accept(line, broken, 1) == "malformed"
    assert (feed.state, feed.delivered) == ("STARTUP", [])
    assert sum(feed.statistics.lines[line].malformed) == 1
    assert feed.accept(line, datagram(1, [b"whole"]), 2) == "deliverable"
    assert [message.data for message in feed.delivered] == [b"whole"]


def test_block_of_65535_bytes_and_65534_empty_blocks_are_legal() -> None:
    outcome, packet = parse(datagram(1, [bytes(0xFFFF)]))
    assert (outcome, packet.count) == ("valid", 1)
    outcome, packet = parse(datagram(1, count=0xFFFE) + block(b"") * 0xFFFE)
    assert (outcome, packet.next_sequence) == ("valid", 0xFFFF)


def test_ready_bytes_of_the_fact_sheet_parse() -> None:
    heartbeat = bytes.fromhex("30303030313030353942 0000000000000066 0000")
    outcome, packet = parse(heartbeat)
    assert (outcome, packet.next_sequence, packet.wire_count) == ("valid", 102, 0)
    outcome, packet = parse(heartbeat[:-2] + b"\xff\xff")
    assert (outcome, packet.next_sequence, packet.wire_count) == ("valid", 102, END)
    request = bytes.fromhex("30303030313030353942 0000000000000064 0002")
    assert parse(request)[0] == "block_missing"  # a request has no blocks: nothing to deliver
