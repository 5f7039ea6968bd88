"""SoupBinTCP client session: real bytes, any split of the stream, every state, every way to fail."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from c_session import Session
from engine._engine import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ouch import login_accepted, login_request, soup

SECOND = 1_000_000_000
EVENTS = [
    "connected",
    "login_written",
    "accepted",
    "rejected",
    "sequenced",
    "unsequenced",
    "heartbeat",
    "debug",
    "end_of_session",
    "logout_written",
    "fault",
    "disconnected",
]


def real_payload(name: str) -> bytes:
    folder = Path(os.environ.get("TAILGATE_REAL", Path(__file__).resolve().parents[4] / "shared" / "real"))
    path = folder / "pcaps" / name
    if not path.exists():
        pytest.skip(f"no real capture at {path}; set TAILGATE_REAL")
    frame = path.read_bytes()[24 + 16 :]
    ip_length = struct.unpack_from(">H", frame, 16)[0]
    return frame[14 + 20 + 20 : 14 + ip_length]


@pytest.mark.real
def test_login_request_is_the_one_a_real_client_sent() -> None:
    real = real_payload("Jnx__JnxEquities.Pts.Ouch.v1.11__LoginRequestPacket.pcap")
    session = Session(sequence=0)
    assert session.login() == real
    assert session.state == "wait_login"


@pytest.mark.real
def test_real_login_accepted_brings_the_session_up_at_its_number() -> None:
    session = Session(sequence=0)
    session.login()
    real = real_payload("Jnx__JnxEquities.Pts.Ouch.v1.11__LoginAcceptedPacket.pcap")
    assert session.receive(real) == []
    assert session.state == "up"
    assert bytes(ffi.buffer(session.c.session)) == b"1689192121"
    assert session.receive(soup(b"S", b"x")) == [(135, b"x")]


def test_login_request_is_that_of_the_fact_sheet() -> None:
    expected = bytes.fromhex("002f4c757365722020") + b"password  " + b" " * 10 + b" " * 19 + b"0"
    assert Session(sequence=0).login() == expected


@given(
    session=st.text("ABCxyz0189", max_size=10),
    sequence=st.integers(0, 2**64 - 1),
)
def test_login_request_equals_the_reference_encoder(session: str, sequence: int) -> None:
    written = Session(session=session, sequence=sequence).login()
    assert written == login_request(username="user", password="password", session=session, sequence=sequence)


@pytest.mark.parametrize(
    "field", [{"username": b""}, {"username": b"a b"}, {"password": b""}, {"session": b"\xff"}]
)
def test_options_that_cannot_be_written_are_refused(field: dict[str, bytes]) -> None:
    good = {"username": b"user", "password": b"password", "session": b""}
    options = ffi.new("struct soupbin_options *", {**good, **field})
    assert lib.soupbin_init(ffi.new("struct soupbin *"), options) < 0


def test_unterminated_option_is_refused() -> None:
    options = ffi.new("struct soupbin_options *", {"username": b"user", "password": b"p"})
    ffi.buffer(options.username)[:] = b"toolong"
    assert lib.soupbin_init(ffi.new("struct soupbin *"), options) < 0


server_packets = st.lists(
    st.one_of(
        st.tuples(st.just(b"S"), st.binary(max_size=90)),
        st.tuples(st.just(b"S"), st.binary(min_size=1022, max_size=1023)),
        st.tuples(st.just(b"U"), st.binary(max_size=20)),
        st.tuples(st.just(b"+"), st.binary(max_size=40)),
        st.just((b"H", b"")),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(packets=server_packets, data=st.data(), first=st.integers(1, 10**12))
def test_any_chunking_of_a_stream_gives_the_same_messages(
    packets: list[tuple[bytes, bytes]], data: st.DataObject, first: int
) -> None:
    stream = login_accepted(session="S1", sequence=first) + b"".join(soup(*packet) for packet in packets)
    payloads = [payload for kind, payload in packets if kind == b"S"]
    expected = [(first + index, payload) for index, payload in enumerate(payloads)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    session = Session(sequence=0)
    session.login()
    got = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += session.receive(stream[begin:end])
    assert got == expected
    assert session.state == "up"
    assert session.c.counters.bytes_received == len(stream)
    assert session.c.counters.heartbeats_received == packets.count((b"H", b""))
    assert session.c.next_sequence == first + len(payloads)


def test_one_byte_at_a_time_gives_the_same_messages() -> None:
    session = Session().up()
    stream = soup(b"S", b"first") + soup(b"H") + soup(b"S", b"") + soup(b"S", b"third")
    got = [message for index in range(len(stream)) for message in session.receive(stream[index : index + 1])]
    assert got == [(1, b"first"), (2, b""), (3, b"third")]


def test_only_sequenced_packets_count() -> None:
    session = Session().up()
    session.receive(soup(b"U", b"u") + soup(b"+", b"d") + soup(b"H"))
    assert session.receive(soup(b"S", b"one")) == [(1, b"one")]
    assert session.c.counters.unsequenced == 1
    assert session.c.counters.debug == 1


def test_debug_before_the_login_reply_is_ignored() -> None:
    session = Session()
    session.login()
    session.receive(soup(b"+", b"hello") + login_accepted(session="S1", sequence=1))
    assert session.state == "up"


@pytest.mark.parametrize("text", [f"{'':>20}", f"{'x':>20}", f"{'0':>20}", "99999999999999999999"])
def test_accepted_number_that_is_no_message_number_closes_the_session(text: str) -> None:
    session = Session()
    session.login()
    session.receive(soup(b"A", f"{'S1':<10}{text}".encode()))
    assert (session.state, session.cause) == ("closed", "protocol")


@pytest.mark.parametrize("text", [f"{'1':<20}", f"{'1':>20}", f"{'0000001':^20}"])
def test_accepted_number_is_read_with_any_padding(text: str) -> None:
    session = Session(session="S1")
    session.login()
    session.receive(soup(b"A", f"{'S1':<10}{text}".encode()))
    assert session.state == "up"


@pytest.mark.parametrize(
    ("letter", "cause"),
    [(b"A", "login_not_authorised"), (b"S", "login_no_session"), (b"?", "login_rejected")],
)
def test_rejected_login_closes_with_its_cause(letter: bytes, cause: str) -> None:
    session = Session()
    session.login()
    session.receive(soup(b"J", letter) + soup(b"S", b"must not be read"))
    assert (session.state, session.cause, session.c.reject_letter) == ("closed", cause, letter)


def test_oversize_packet_closes_the_session_before_it_is_read() -> None:
    session = Session().up()
    assert session.receive(soup(b"S", b"x") + struct.pack(">H", 1025)) == [(1, b"x")]
    assert (session.state, session.cause) == ("closed", "oversize")
    assert session.receive(soup(b"S", b"y")) == []


@pytest.mark.parametrize(
    "packet",
    [
        b"\0\0",
        soup(b"Q"),
        soup(b"L"),
        soup(b"O"),
        soup(b"R"),
        soup(b"H", b"x"),
        soup(b"Z", b"x"),
        soup(b"A", b"short"),
        soup(b"J", b"A"),
        login_accepted(session="S1", sequence=1),
    ],
)
def test_packet_a_server_may_not_send_now_closes_the_session(packet: bytes) -> None:
    session = Session().up()
    assert session.receive(packet + soup(b"S", b"x")) == []
    assert (session.state, session.cause) == ("closed", "protocol")
    assert session.c.counters.faults == 1


def test_sequenced_data_before_the_login_reply_closes_the_session() -> None:
    session = Session()
    session.login()
    assert session.receive(soup(b"S", b"x")) == []
    assert session.cause == "protocol"


def test_resume_asks_for_the_next_number_of_the_known_session() -> None:
    session = Session().up(session="DAY1", sequence=1)
    session.receive(soup(b"S", b"one") + soup(b"S", b"two"))
    lib.soupbin_disconnected(session.c)
    assert (session.state, session.cause) == ("closed", "disconnected")
    assert session.login() == login_request(username="user", password="password", session="DAY1", sequence=3)


def test_partial_packet_of_the_old_connection_is_forgotten() -> None:
    session = Session().up(session="DAY1")
    session.receive(soup(b"S", b"one")[:-1])
    lib.soupbin_disconnected(session.c)
    session.login()
    session.receive(login_accepted(session="DAY1", sequence=1))
    assert session.receive(soup(b"S", b"one")) == [(1, b"one")]


def test_replay_from_an_earlier_number_is_not_delivered_twice() -> None:
    session = Session().up(session="DAY1")
    session.receive(soup(b"S", b"one") + soup(b"S", b"two"))
    lib.soupbin_disconnected(session.c)
    session.login()
    stream = login_accepted(session="DAY1", sequence=1)
    stream += b"".join(soup(b"S", text) for text in (b"one", b"two", b"three"))
    assert session.receive(stream) == [(3, b"three")]
    assert session.c.counters.duplicates == 2


def test_accepted_above_the_requested_number_is_a_gap_and_closes() -> None:
    session = Session(sequence=5)
    session.login()
    session.receive(login_accepted(session="S1", sequence=6))
    assert (session.state, session.cause) == ("closed", "sequence_gap")


def test_another_session_than_the_requested_one_closes() -> None:
    session = Session(session="MINE")
    session.login()
    session.receive(login_accepted(session="OTHER", sequence=1))
    assert (session.state, session.cause) == ("closed", "session_mismatch")


def test_ended_session_needs_to_be_forgotten_before_the_next_login() -> None:
    session = Session().up()
    assert session.receive(soup(b"S", b"last") + soup(b"Z")) == [(1, b"last")]
    assert (session.state, session.cause) == ("ended", "end_of_session")
    lib.soupbin_disconnected(session.c)
    assert session.login() == b""
    lib.soupbin_forget_session(session.c)
    lib.soupbin_disconnected(session.c)
    assert session.login() == login_request(username="user", password="password", session="", sequence=1)


def test_data_after_the_end_of_session_closes() -> None:
    session = Session().up()
    assert session.receive(soup(b"Z") + soup(b"S", b"x")) == []
    assert (session.state, session.cause) == ("closed", "protocol")


def test_heartbeat_goes_out_when_nothing_was_sent_for_a_second() -> None:
    session = Session().up(now_ns=SECOND)
    assert session.timer(2 * SECOND - 1) == b""
    assert session.timer(2 * SECOND) == bytes.fromhex("000152")
    assert session.timer(3 * SECOND - 1) == b""
    lib.soupbin_sent(session.c, 3 * SECOND - 1)
    assert session.timer(3 * SECOND) == b""
    assert session.timer(4 * SECOND - 1) == bytes.fromhex("000152")


def test_heartbeat_without_room_stays_due() -> None:
    session = Session().up()
    assert session.timer(SECOND, capacity=2) == b""
    assert session.timer(SECOND) == bytes.fromhex("000152")


def test_no_heartbeat_before_login() -> None:
    session = Session()
    session.login()
    assert session.timer(20 * SECOND) == b""


def test_silent_server_takes_the_session_down_after_fifteen_seconds() -> None:
    session = Session().up(now_ns=0)
    session.receive(soup(b"H"), now_ns=SECOND)
    session.timer(16 * SECOND - 1)
    assert session.state == "up"
    assert session.timer(16 * SECOND) == b""
    assert (session.state, session.cause) == ("closed", "server_silent")


def test_bytes_that_make_no_packet_do_not_count_as_a_sign_of_life() -> None:
    session = Session().up(now_ns=0)
    session.receive(b"\0", now_ns=14 * SECOND)
    session.timer(15 * SECOND)
    assert session.cause == "server_silent"


def test_login_without_an_answer_times_out() -> None:
    session = Session(login_timeout_ns=5)
    session.login(now_ns=10)
    session.timer(14)
    assert session.state == "wait_login"
    session.timer(15)
    assert (session.state, session.cause) == ("closed", "login_timeout")


def test_clock_that_steps_back_starts_no_timer() -> None:
    session = Session().up(now_ns=100 * SECOND)
    assert session.timer(0) == b""
    assert session.state == "up"


def test_executions_that_cross_a_logout_are_still_delivered() -> None:
    session = Session().up()
    assert lib.soupbin_logout(session.c, 0, session.out, 64) == 3
    assert bytes(session.out[0:3]) == bytes.fromhex("00014f")
    assert not lib.soupbin_is_up(session.c)
    assert session.receive(soup(b"S", b"late fill")) == [(1, b"late fill")]
    lib.soupbin_disconnected(session.c)
    assert (session.state, session.cause) == ("closed", "logout")


def test_bytes_handed_over_before_the_last_ones_were_read_close_the_session() -> None:
    session = Session().up()
    chunk = ffi.new("uint8_t[]", soup(b"S", b"x"))
    lib.soupbin_receive(session.c, chunk, 4, 0)
    lib.soupbin_receive(session.c, chunk, 4, 0)
    assert (session.state, session.cause) == ("closed", "not_drained")


def test_transition_table_allows_exactly_this() -> None:
    allowed = {
        ("closed", "connected"): "connected",
        ("closed", "fault"): "closed",
        ("closed", "disconnected"): "closed",
        ("connected", "login_written"): "wait_login",
        ("connected", "debug"): "connected",
        ("wait_login", "accepted"): "up",
        ("wait_login", "rejected"): "closed",
        ("wait_login", "heartbeat"): "wait_login",
        ("wait_login", "debug"): "wait_login",
        ("up", "end_of_session"): "ended",
        ("up", "logout_written"): "leaving",
        ("leaving", "end_of_session"): "ended",
        ("ended", "connected"): "connected",
        ("ended", "disconnected"): "ended",
        ("ended", "fault"): "closed",
    }
    states = [ffi.string(lib.soupbin_state_name(state)).decode() for state in range(lib.SOUPBIN_STATE_COUNT)]
    for state in states[1:5]:
        allowed[state, "fault"] = allowed[state, "disconnected"] = "closed"
    for state in ("up", "leaving", "ended"):
        for event in ("unsequenced", "heartbeat", "debug"):
            allowed[state, event] = state
    for state in ("up", "leaving"):
        allowed[state, "sequenced"] = state
    assert len(EVENTS) == lib.SOUPBIN_EVENT_COUNT
    for state_index, state in enumerate(states):
        for event_index, event in enumerate(EVENTS):
            got = lib.soupbin_transition(state_index, event_index)
            name = None if got == lib.SOUPBIN_REFUSED else states[got]
            assert name == allowed.get((state, event)), (state, event)


@settings(max_examples=200)
@given(chunks=st.lists(st.binary(max_size=60), max_size=20))
def test_arbitrary_bytes_never_deliver_more_than_they_hold(chunks: list[bytes]) -> None:
    session = Session().up()
    delivered = sum(len(payload) + 3 for chunk in chunks for _number, payload in session.receive(chunk))
    assert delivered <= sum(map(len, chunks))
